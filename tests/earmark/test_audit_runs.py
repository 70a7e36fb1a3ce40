"""What a run over many calls takes, tells, and says to the shell."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from earmark.audit_output import AuditOutput, shown_length
from earmark.audit_runs import Workers, exit_code, nights_to_run
from earmark.audit_screen import AuditScreen
from offline.run import Summary
from rules.types import Severity
from storage.database import open_database
from storage.nights import Night, begin_night
from storage.objects import open_objects

CLEAN = Summary(n_calls=4, n_audited=3, n_already_done=1)
FOUND = CLEAN + Summary(n_with_findings=1, findings={Severity.HIGH: 2})
FAILED = Summary(n_calls=2, n_audited=1, n_failed=1, failure_codes=(3,))


@pytest.mark.parametrize(
    ("summary", "n_unchecked", "plain", "findings_ok"),
    [
        pytest.param(Summary(), 0, 0, 0, id="no-calls"),
        pytest.param(CLEAN, 0, 0, 0, id="clean"),
        pytest.param(FOUND, 0, 1, 0, id="findings"),
        pytest.param(CLEAN + Summary(n_incomplete=1), 0, 1, 0, id="incomplete"),
        pytest.param(
            CLEAN + Summary(n_calls=1, n_audited=1, n_incomplete=1, n_lacking=1),
            0,
            3,
            3,
            id="models-missing",
        ),
        pytest.param(CLEAN, 1, 1, 1, id="a-night-left-out"),
        pytest.param(CLEAN + FAILED, 0, 1, 1, id="one-failed"),
        pytest.param(
            Summary(n_calls=2, n_failed=2, failure_codes=(3, 2)), 0, 3, 3, id="all-failed"
        ),
        pytest.param(Summary(n_calls=1, n_poisoned=1), 0, 1, 1, id="poison"),
        pytest.param(Summary(n_calls=1, n_busy=1), 0, 1, 1, id="with-another-run"),
    ],
)
def test_exit_codes(summary: Summary, n_unchecked: int, plain: int, findings_ok: int) -> None:
    """What was not audited is never taken for clean, whatever may be found."""
    assert exit_code(summary, n_unchecked=n_unchecked, findings_ok=False) == plain
    assert exit_code(summary, n_unchecked=n_unchecked, findings_ok=True) == findings_ok


def test_a_summary_for_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both say how many calls came to what, and the findings by severity."""
    total = FOUND + FAILED + Summary(n_calls=1, n_poisoned=1, elapsed_s=61.26)
    objects = open_objects(str(tmp_path))
    AuditOutput(objects, as_json=False, show_text=False).show_summary(total)
    assert capsys.readouterr().out.split("\n") == [
        "7 calls in 1 min 1 s: 4 audited, 1 already done, 1 failed, 1 left alone, "
        "none with another run. Findings: 2 high; 0 calls not wholly checked.",
        "",
    ]
    AuditOutput(objects, as_json=True, show_text=False).show_summary(total)
    assert json.loads(capsys.readouterr().out) == {
        "type": "summary", "calls": 7, "audited": 4, "already_done": 1, "failed": 1, "poisoned": 1,
        "with_another_run": 0, "incomplete": 0, "lacking_models": 0, "with_findings": 1,
        "findings": {"info": 0, "low": 0, "medium": 0, "high": 2, "critical": 0}, "elapsed_s": 61.3,
    }  # fmt: skip
    assert shown_length(3 * 3600 + 125) == "3 h 2 min"


def test_one_bar_over_all_calls() -> None:
    """It says how many calls are done, and calls under way count as far as they are."""
    out = io.StringIO()
    screen = AuditScreen(Console(file=out, force_terminal=True, width=120))
    with screen.run_bar(4) as update:
        update(0, {"RM_1": 0.5, "RM_2": 0.25})
        update(2, {"RM_3": 0.5})
    assert "2/4 calls" in out.getvalue()


@pytest.mark.parametrize(
    ("given", "n_calls", "n_workers"),
    [
        pytest.param(Workers(engine="pool", n_workers=5), 2, 5, id="as-told"),
        pytest.param(Workers(engine="pool"), 1, 1, id="one-call-one-worker"),
        pytest.param(Workers(engine="ray"), 100, None, id="ray-knows-its-own"),
    ],
)
def test_how_many_workers(given: Workers, n_calls: int, n_workers: int | None) -> None:
    """Nobody starts more than there are calls, unless told to."""
    assert given.decided(n_calls).n_workers == n_workers


@pytest.mark.parametrize(
    ("first", "catch_up", "n_days", "n_left_out"),
    [
        pytest.param(None, 7, 1, 0, id="never-run"),
        pytest.param(1, 7, 1, 0, id="yesterday-was-begun"),
        pytest.param(4, 7, 4, 0, id="three-missed"),
        pytest.param(10, 7, 8, 2, id="too-many"),
        pytest.param(4, 0, 1, 3, id="none-caught-up-with"),
    ],
)
def test_nights_that_are_caught_up_with(
    first: int | None, catch_up: int, n_days: int, n_left_out: int, tmp_path: Path
) -> None:
    """Yesterday always, and of the days since the first night at most so many, the latest."""
    now = datetime(2026, 3, 20, 2, 30, tzinfo=UTC)
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    if first is not None:
        day = now.date() - timedelta(days=first)
        with database.begin() as connection:
            begin_night(connection, Night(run_id="r", day=day, shard=0, n_shards=1, started_at=now))
    days, left_out = nights_to_run(database, now, catch_up=catch_up)
    database.close()
    assert (len(days), len(left_out), days[-1]) == (n_days, n_left_out, date(2026, 3, 19))
    assert [*left_out, *days] == sorted({*left_out, *days})
