"""The documentation: it names what there is, and its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from earmark.cli import SUBCOMMANDS
from earmark.settings import Settings, load_settings
from earmark.shown import variable_of
from rules.loader import load_rulebook
from scripts import settings_table

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "infra/*.md", "changelog/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
)
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security", "rules")


def text_of(*parts: str) -> str:
    """The content of a file of the repository."""
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def dependencies() -> list[str]:
    """Names of everything that pyproject.toml asks for."""
    project = tomllib.loads(text_of("pyproject.toml"))
    asked = [
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *(each for group in project["dependency-groups"].values() for each in group),
        *project["build-system"]["requires"],
    ]
    return sorted({re.split(r"[^A-Za-z0-9._-]", each)[0] for each in asked})


def plain(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def anchors(page: str) -> set[str]:
    """What the headings of a page may be linked by."""
    headings = re.findall(r"^#+ (.+)$", plain(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("name", dependencies())
def test_dependency_is_explained(name: str) -> None:
    """Each dependency, extra, tool and build requirement is named where their reasons stand."""
    assert f"`{name}`" in text_of("docs", "dependencies.md")


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_subcommand_is_in_the_readme(name: str) -> None:
    """Whoever reads the README knows of every subcommand."""
    assert f"`earmark {name}" in text_of("README.md")


def test_settings_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/settings.md is what the fields give; `python scripts/settings_table.py` writes it."""
    code = settings_table.main(["--check"])
    assert (code, capsys.readouterr().err) == (0, "")
    for name in Settings.model_fields:
        assert f"`{variable_of(name)}`" in settings_table.page()


def test_settings_page_that_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is missing or older than the fields is told apart, and written anew."""
    page = tmp_path / "settings.md"
    monkeypatch.setattr(settings_table, "PAGE", page)
    assert settings_table.main(["--check"]) == 1
    assert settings_table.main([]) == 0
    assert settings_table.main(["--check"]) == 0
    page.write_text(page.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    assert settings_table.main(["--check"]) == 1
    assert settings_table.main(["--chek"]) == 2


def test_settings_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a settings file is one that is taken."""
    example = re.search(r"```toml\n(.*?)```", text_of("docs", "settings.md"), re.DOTALL)
    assert example is not None
    (tmp_path / "earmark.toml").write_text(example[1])
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.supervisors == ("sue", "sam")
    assert settings.rules == (Path("rules/book"), Path("my-rules"))
    assert settings.max_rooms == 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is a file or folder of the repository, and its heading is there."""
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", plain(text)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


def test_example_of_a_rules_cases() -> None:
    """The cases in CONTRIBUTING.md are YAML, and of a rule that there is."""
    example = re.search(r"```yaml\n(.*?)```", text_of("CONTRIBUTING.md"), re.DOTALL)
    assert example is not None
    rules = {rule.id for rule in load_rulebook().rules}
    cases = YAML(typ="safe").load(example[1])["cases"]
    assert {case.get("hit", case.get("no_hit")) for case in cases} <= rules


def test_changelog_fragments() -> None:
    """Fragments are named by a kind that has a heading, and say something."""
    folder = ROOT / "changelog"
    table = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(KINDS)
    for fragment in folder.iterdir():
        if fragment.name == "README.md":
            continue
        assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md", fragment.name)
        assert fragment.read_text(encoding="utf-8").strip()


def test_changelog_has_this_version() -> None:
    """The version of the package is the newest in the changelog."""
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    versions = re.findall(r"^## (\S+)", text_of("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == version


def test_packages_of_the_house_are_on_the_map() -> None:
    """Each package that is shipped is in the README's and the architecture's table of folders."""
    project = tomllib.loads(text_of("pyproject.toml"))
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        for page in ("README.md", "docs/architecture.md"):
            assert f"| `{package}/` |" in text_of(page)
