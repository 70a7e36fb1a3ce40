"""The page on the audit tells of the stages that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import offline.stages.align
import offline.stages.decode
import offline.stages.diarize
import offline.stages.transcribe  # noqa: F401 - all stages are known once they are imported
from offline.stages.stage import Stage
from storage.stage_work import PREFIXES

ROOT = Path(__file__).parents[3]
STAGES = [each for each in Stage.__subclasses__() if each.__module__.startswith("offline.")]
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\w+) \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE))


def test_the_table_says_which_stages_are_put_down() -> None:
    """Each stage with a manifest stands in the table as one, and no other does."""
    assert len(STAGES) >= 4
    assert {name for name, put_down in ROWS.items() if put_down.startswith("yes")} == {
        each.name for each in STAGES
    }


def test_every_stage_is_imported_here() -> None:
    """A new stage must be told of: the list above is that of the folder."""
    sources = (ROOT / "offline" / "stages").glob("*.py")
    defined = {
        name
        for source in sources
        for name in re.findall(r"^class (\w+)\(Stage\[", source.read_text(), re.MULTILINE)
    }
    assert defined == {each.__name__ for each in STAGES}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_are_told_where_data_is_listed(prefix: str) -> None:
    """Who asks where personal data lies finds both prefixes."""
    for page in ("audit.md", "lawful-use.md", "architecture.md"):
        assert f"`{prefix}" in (ROOT / "docs" / page).read_text(encoding="utf-8")
