"""`earmark rules published`, and programs that use what is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from earmark.errors import BadInputError
from earmark.settings import load_settings
from earmark.wiring import rule_source, rules_in_force
from realtime.observer_config import ObserverConfig
from rules.book_check import check_book
from rules.book_files import read_book
from storage.database import open_database
from storage.errors import RulesMissingError
from storage.rule_proposals import approve, proposals
from storage.trail_tables import TRAIL
from tests.earmark.command import InProcess
from tests.storage.builders import NOW
from tests.storage.rulebooks import BOOK, edited


@pytest.fixture
def published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> InProcess:
    """The command over a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_DATABASE_URL", f"sqlite:///{tmp_path / 'earmark.db'}")
    return InProcess(subcommand="rules", monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small book as files."""
    return written(tmp_path / "book", BOOK)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


def trail() -> list[tuple[str, str, str]]:
    """Who did what to what."""
    database = open_database(load_settings().resolved_database_url)
    with database.begin(read_only=True) as connection:
        rows = [(r.actor, r.action, r.subject) for r in connection.execute(select(TRAIL))]
    database.close()
    return rows


def decide(by: str) -> None:
    """Approve the only open proposal."""
    database = open_database(load_settings().resolved_database_url)
    with database.begin() as connection:
        approve(connection, proposals(connection)[0].id, by=by, now=NOW)
    database.close()


SECOND = edited(
    edited(BOOK, "talk.yaml", b"severity: low", b"severity: high"),
    "talk.yaml", b"version: 1", b"version: 2",
)  # fmt: skip


def test_from_files_to_a_second_version(published: InProcess, folder: Path) -> None:
    """Files become version 1; changed files become a proposal, and when approved, version 2."""
    code, out, _ = published("published", "import", str(folder), "--by", "olga")
    assert (code, out) == (0, "Version 1 is in force.\n")
    written(folder, dict(SECOND))
    code, out, _ = published("published", "import", str(folder), "--by", "olga", "--json")
    assert code == 0
    proposed = json.loads(out)
    assert (proposed["files"], proposed["proven"]) == (["talk.yaml"], True)
    assert published("published", "list")[1].count("\n") == 1
    assert trail() == [("olga", "rule_approve", "version 1"),
                       ("olga", "rule_propose", proposed["proposal"])]  # fmt: skip
    decide(by="anton")
    code, out, _ = published("published", "list", "--json")
    assert [(v["version"], v["author"], v["approved_by"]) for v in map(json.loads, out.splitlines())
            ] == [(2, "olga", "anton"), (1, "import", "olga")]  # fmt: skip
    code, out, _ = published("published", "diff", "1")
    assert code == 1
    assert {"-    severity: low", "+    severity: high"} <= set(out.splitlines())
    assert out.startswith("--- 1/talk.yaml\n+++ 2/talk.yaml\n")
    assert published("published", "diff", "2", "2")[:2] == (0, "")


def test_show_and_export_give_the_files_back(published: InProcess, folder: Path) -> None:
    """Byte for byte, whatever the version in force."""
    published("published", "import", str(folder), "--by", "olga")
    code, out, _ = published("published", "show")
    assert code == 0
    assert "  qa.secrecy v1 (active)" in out.splitlines()
    assert published("published", "show", "--file", "talk.yaml")[1].encode() == BOOK["talk.yaml"]
    code, out, _ = published("published", "export", "1", "--out", "taken")
    assert (code, out) == (0, "4 files of version 1 are in taken.\n")
    assert read_book([Path("taken")]) == BOOK
    code, _, err = published("published", "export", "1", "--out", "taken")
    assert (code, err) == (2, "earmark: taken: is not empty; give a new folder\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(["show"], "no rules are published yet", id="nothing"),
        pytest.param(["show", "7"], "no version 7", id="no-version"),
        pytest.param(["import", "none.yaml"], "No such file", id="no-file"),
        pytest.param(["import", "bad"], "bad.yaml:1:1: expected a mapping", id="bad-rules"),
    ],
)
def test_bad_input(published: InProcess, arguments: list[str], problem: str) -> None:
    """One clear sentence, exit code 2, and nothing is published."""
    written(Path("bad"), {"bad.yaml": b"x"})
    code, out, err = published("published", *arguments)
    assert (code, out) == (2, "")
    assert problem in err
    assert "Traceback" not in err


def test_an_import_whose_cases_fail_is_proposed_and_said(
    published: InProcess, folder: Path
) -> None:
    """Nobody can approve it as it is."""
    published("published", "import", str(folder), "--by", "olga")
    written(folder, {"talk.yaml": BOOK["talk.yaml"].replace(b"say nothing", b"hush now")})
    code, _, err = published("published", "import", str(folder), "--by", "olga")
    assert code == 1
    assert "1 cases fail" in err


def config(published_rules: bool) -> ObserverConfig:
    """An observer's, of which only the rules matter."""
    from realtime.egress_requests import EgressOptions

    settings = load_settings()
    source = rule_source((), settings)
    assert source.is_published == published_rules
    return ObserverConfig(
        livekit_url="", livekit_api_key="", livekit_api_secret="", rules=source.paths,
        published_rules=source.is_published, models_dir=settings.models_dir,
        database_url=settings.resolved_database_url, objects_url="", s3_endpoint_url=None,
        spool_dir=Path(), supervisors=frozenset(), signing_secret=None, recorder="none",
        egress=EgressOptions(), max_rooms=1, http_port=0, metrics_dir=Path(),
    )  # fmt: skip


def test_programs_take_what_is_published(
    published: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting, a call that begins later has the version that was approved meanwhile."""
    published("published", "import", str(folder), "--by", "olga")
    monkeypatch.setenv("EARMARK_RULES", "published")
    observer = config(published_rules=True)
    database = observer.database()
    first = observer.rulebook(database)
    assert first.rule("qa.secrecy").version == 1
    written(folder, dict(SECOND))
    published("published", "import", str(folder), "--by", "olga")
    assert observer.rulebook(database).fingerprint == first.fingerprint
    decide(by="anton")
    assert observer.rulebook(database).rule("qa.secrecy").version == 2
    database.close()
    loaded = rules_in_force((), load_settings())
    assert loaded.version == 2
    assert loaded.rulebook.fingerprint == check_book(SECOND).fingerprint
    assert rules_in_force((folder / "more.yaml",), load_settings()).version is None


def test_nothing_published_is_no_silent_fallback(
    published: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for published rules does not get the built-in ones."""
    monkeypatch.setenv("EARMARK_RULES", "published")
    with pytest.raises(RulesMissingError, match="earmark rules published import"):
        rules_in_force((), load_settings())


@pytest.mark.parametrize(
    ("value", "paths"),
    [("./published", (Path("published"),)), ("a:b", (Path("a"), Path("b"))), ("", ())],
)
def test_files_of_any_name_can_be_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, paths: tuple[Path, ...]
) -> None:
    """Only the bare word means the database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_RULES", value)
    assert rule_source((), load_settings()).paths == paths


def test_the_doctor_says_what_is_published(
    published: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And makes no database to find out."""
    from earmark.edges import examine

    monkeypatch.setenv("EARMARK_RULES", "published")
    look = examine(load_settings())["rules"]
    assert "earmark rules published import" in look.mend
    assert not (tmp_path / "earmark.db").exists()
    published("published", "import", str(folder), "--by", "olga")
    assert "published version 1: 2 rules" in examine(load_settings())["rules"].uses


def test_a_setting_that_is_neither(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A number in the settings file is told as bad input."""
    monkeypatch.chdir(tmp_path)
    Path("earmark.toml").write_text("rules = 3\n")
    with pytest.raises(BadInputError, match="setting rules"):
        load_settings()
