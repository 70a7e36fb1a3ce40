"""`earmark hold` and `earmark retention`, and the settings that they go by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.earmark.command import InProcess
from tests.storage.keeping import BOTH, House, ago, fill_call, house

CALL = "RM_old"


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        fill_call(opened, CALL, ago(40))
        yield opened


class Commands:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.hold = InProcess(subcommand="hold", monkeypatch=monkeypatch, capsys=capsys)
        self.retention = InProcess(subcommand="retention", monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


def test_the_way_of_a_hold(home: House, commands: Commands) -> None:
    """Set, listed, respected, released for each of its reasons; then retention deletes."""
    days = {"EARMARK_KEEP_RECORDINGS_DAYS": "30", "EARMARK_KEEP_REDACTED_DAYS": "30"}
    code, out, err = commands.hold(
        "set", CALL, "--reason", "claim", "--by", "sue", "--json", **home.variables, **days
    )
    hold = json.loads(out)
    assert (code, hold["call"], hold["is_new"]) == (0, CALL, True)
    assert hold["n_versions"] == 9
    assert ("does not enforce it" in err) is not home.has_versions
    assert not json.loads(commands.hold("set", CALL, "--reason", "claim", "--json")[1])["is_new"]
    commands.hold("set", CALL, "--reason", "another")
    before = home.all_keys()
    code, out, _ = commands.retention("apply")
    assert code == 1
    assert f"call {CALL} is under legal hold" in out
    assert home.all_keys() == before
    code, _, err = commands.hold("release", CALL, "--reason", "over")
    assert (code, "2 holds are in force; say which" in err) == (2, True)
    assert commands.hold("release", CALL, "--reason", "over", "--id", hold["hold_id"])[0] == 0
    assert commands.retention("apply")[0] == 1
    out = commands.hold("release", CALL, "--reason", "over", "--all")[1]
    assert "9 versions of objects are no longer held" in out
    assert commands.hold("list")[1] == "No call is under hold.\n"
    assert len(commands.hold("list", "--all")[1].splitlines()) == 2
    code, out, _ = commands.retention("apply", "--dry-run", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, {line["fate"] for line in lines[:-1]}, lines[-1]["n_objects"]) == (0, {"due"}, 6)
    assert home.all_keys() == before
    code, out, err = commands.retention("apply")
    assert code == 0
    assert out.startswith("6 objects in 6 versions (")
    assert "No time is set for reports, tables" in err
    assert len(home.all_keys()) == len(before) - 6


def test_status(home: House, commands: Commands) -> None:
    """Which times there are, and what goes on which day."""
    code, out, _ = commands.retention(
        "status", "--json", **home.variables, EARMARK_KEEP_RECORDINGS_DAYS="60"
    )
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    times = {line["kind"]: line["days"] for line in lines if line["type"] == "time"}
    assert times == {
        "recordings": 60, "redacted": None, "reports": None, "tables": None, "transcripts": None,
        "stages": None, "work": 7, "bundles": None, "rows": None,
    }  # fmt: skip
    (due,) = [line for line in lines if line["type"] == "due"]
    assert (due["kind"], due["count"], due["fate"]) == ("recordings", 4, "due")
    assert lines[-1] == {"type": "status", "held_calls": 0, "unfinished": 0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(
            {"EARMARK_KEEP_ROWS_DAYS": "30"}, "rows say whose they are", id="rows-go-first"
        ),
        pytest.param({"EARMARK_KEEP_REPORTS_DAYS": "0"}, "keep_reports_days", id="zero"),
        pytest.param({"EARMARK_KEEP_REPORTS_DAYS": "long"}, "keep_reports_days", id="words"),
        pytest.param(
            {"EARMARK_LOCK_REPORTS_DAYS": "31", "EARMARK_KEEP_REPORTS_DAYS": "30"},
            "what is locked cannot be deleted then",
            id="locked-longer-than-kept",
        ),
        pytest.param(
            {"EARMARK_LOCK_REPORTS_DAYS": "5", "EARMARK_LOCK_MODE": "compliance"},
            "cannot be undone",
            id="compliance-without-a-ceiling",
        ),
        pytest.param(
            {"EARMARK_LOCK_REPORTS_DAYS": "5", "EARMARK_LOCK_MODE": "compliance",
             "EARMARK_LOCK_COMPLIANCE_MAX_DAYS": "4"},
            "more than the 4",
            id="above-the-ceiling",
        ),
        pytest.param({"EARMARK_LOCK_MODE": "firm"}, "lock_mode", id="no-mode"),
        pytest.param({"EARMARK_ERASURE_KEY": "no base64!"}, "erasure_key", id="no-key"),
    ],
)  # fmt: skip
def test_times_that_contradict(
    settings: dict[str, str], said: str, commands: Commands, tmp_path: Path
) -> None:
    """Settings that cannot be kept together are refused in one sentence, before anything goes."""
    code, out, err = commands.retention("apply", EARMARK_DATA_DIR=str(tmp_path), **settings)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_unknown_call(commands: Commands, tmp_path: Path) -> None:
    """A call that nobody knows is not held: it would be a typing error that looks like safety."""
    for arguments, said in (
        (["set", "RM_none", "--reason", "x"], "no call and no recording"),
        (["release", "RM_none", "--reason", "x"], "no hold is in force"),
    ):
        code, out, err = commands.hold(*arguments, EARMARK_DATA_DIR=str(tmp_path))
        assert (code, out, said in err) == (2, "", True)
