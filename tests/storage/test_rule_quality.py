"""Precision by verdicts and live recall against the audit, week by week."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from rules.types import Span
from storage import audits
from storage.database import Database
from storage.findings import LiveVerdict, replace_findings
from storage.rule_quality import RuleQuality, Share, Week, rule_quality
from storage.verdicts import Verdict, VerdictDecision, VerdictSubject, add_verdict
from tests.storage.builders import NOW, finding

C, F, E = VerdictDecision.CONFIRMED, VerdictDecision.FALSE_ALARM, VerdictDecision.ESCALATED
RULE = "pii.card-number"


def judge(
    database: Database,
    thing: str,
    *decisions: tuple[str, VerdictDecision],
    at: datetime = NOW,
    final: bool = False,
    rule_id: str = RULE,
) -> None:
    """Verdicts of reviewers on one finding, one after the other."""
    with database.begin() as connection:
        for n, (reviewer, decision) in enumerate(decisions):
            add_verdict(
                connection,
                Verdict(
                    id=f"{thing}-{reviewer}-{n}", room_sid="RM_1", subject=VerdictSubject.FINDING,
                    subject_id=thing, rule_id=rule_id, rule_version=1, speaker="caller",
                    span=Span(0.0, 1.0), decision=decision, reviewer=reviewer,
                    decided_at=at + timedelta(seconds=n),
                    is_final=final and n == len(decisions) - 1,
                ),
            )  # fmt: skip


def audited(
    database: Database, key: str, *verdicts: LiveVerdict, room: str = "RM_1", at: datetime = NOW
) -> None:
    """A finished audit with findings that live did so well on."""
    with database.begin() as connection:
        claim = audits.claim(connection, key, room, at, 60)
        audits.finish(
            connection, key, attempt=claim.attempt, report_key=f"{key}.html", pipeline={}, now=at
        )
        replace_findings(
            connection,
            key,
            [finding(id=f"{key}{n}", verdict=each) for n, each in enumerate(verdicts)],
        )


def quality(database: Database, n_weeks: int = 2) -> tuple[RuleQuality, ...]:
    with database.begin(read_only=True) as connection:
        return rule_quality(connection, until=NOW + timedelta(hours=1), n_weeks=n_weeks)


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (5, 10, 0.237, 0.763), (1, 1, 0.207, 1.0)],
)
def test_interval(n: int, of: int, low: float, high: float) -> None:
    """Wilson's, as the tables of statistics have it."""
    share = Share(n=n, of=of)
    assert share.interval == pytest.approx((low, high), abs=0.001)
    assert share.ratio == n / of


def test_nothing_is_known_at_first(database: Database) -> None:
    """A rule without verdicts and findings is not made up."""
    assert quality(database) == ()


def test_precision_counts_things_and_not_verdicts(database: Database) -> None:
    """Two who agree are one confirmed finding; what is disputed or escalated is on neither side."""
    judge(database, "agreed", ("rita", C), ("sam", C))
    judge(database, "changed-mind", ("rita", C), ("rita", F))
    judge(database, "disputed", ("rita", C), ("sam", F))
    judge(database, "settled", ("rita", C), ("sam", F), ("lea", C), final=True)
    judge(database, "escalated", ("rita", E))
    (found,) = quality(database)
    assert found.precision == Share(n=2, of=3)
    assert found.n_undecided == 2
    assert found.recall is None


def test_recall_is_of_each_call_once(database: Database) -> None:
    """An older audit of a call does not count, nor what nobody could have heard live."""
    v = LiveVerdict
    audited(database, "old", v.MISSED_LIVE, v.MISSED_LIVE, at=NOW - timedelta(minutes=9))
    audited(database, "new", v.CONFIRMED, v.CONFIRMED, v.MISSED_LIVE, v.FALSE_ALARM_LIVE)
    audited(database, "other", v.LIVE_NOT_RUN, v.CONFIRMED, room="RM_2")
    (found,) = quality(database)
    assert found.recall == Share(n=3, of=4)
    assert found.n_false_alarm_live == 1
    assert found.precision is None


def test_weeks_follow_each_other(database: Database) -> None:
    """Each from Monday on; older ones are left out; a week without anything is there, empty."""
    judge(database, "now", ("rita", C))
    judge(database, "before", ("rita", F), at=NOW - timedelta(weeks=2))
    judge(database, "long-ago", ("rita", F), at=NOW - timedelta(weeks=9))
    audited(database, "k", LiveVerdict.CONFIRMED, at=NOW - timedelta(weeks=1))
    (found,) = quality(database, n_weeks=3)
    assert found.weeks == (
        Week(monday=date(2026, 2, 9), precision=Share(n=0, of=1), recall=None),
        Week(monday=date(2026, 2, 16), precision=None, recall=Share(n=1, of=1)),
        Week(monday=date(2026, 2, 23), precision=Share(n=1, of=1), recall=None),
    )
    assert found.precision == Share(n=1, of=2)


def test_rules_are_told_apart(database: Database) -> None:
    """By id, those with verdicts and those with findings alike."""
    judge(database, "a", ("rita", C), rule_id="z.rule")
    audited(database, "k", LiveVerdict.CONFIRMED)
    assert [each.rule_id for each in quality(database)] == [RULE, "z.rule"]
