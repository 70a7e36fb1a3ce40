"""What reviewers decided, kept row by row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rules.backtest import Decision, Review
from rules.types import Span
from storage.database import Database
from storage.errors import VerdictError
from storage.verdicts import (
    MAX_NOTE_CHARS,
    Verdict,
    VerdictDecision,
    VerdictSubject,
    add_verdict,
    review_of,
    verdicts_of,
    verdicts_on_rule,
)
from tests.storage.builders import NOW


def verdict(**changes: Any) -> Verdict:
    """One reviewer confirms a card number that an audit found."""
    values: dict[str, Any] = {
        "id": "v1",
        "room_sid": "RM_1",
        "subject": VerdictSubject.FINDING,
        "subject_id": "f1",
        "audit_key": "k1",
        "rule_id": "pii.card-number",
        "rule_version": 2,
        "speaker": "caller",
        "span": Span(3.0, 7.0),
        "decision": VerdictDecision.CONFIRMED,
        "reviewer": "rita",
        "decided_at": NOW,
        "note": "she says it twice",
    }
    return Verdict(**(values | changes))


def add(database: Database, *given: Verdict) -> list[bool]:
    with database.begin() as connection:
        return [add_verdict(connection, each) for each in given]


def test_verdicts_come_back_in_order(database: Database) -> None:
    """Several reviewers judge one finding; all that they said is kept, oldest first."""
    later = NOW + timedelta(minutes=5)
    given = [
        verdict(id=f"v{n}", decision=decision, decided_at=NOW + timedelta(seconds=n), note=None)
        for n, decision in enumerate(VerdictDecision)
    ]
    given += [
        verdict(id="b", reviewer="sam", decided_at=later),
        verdict(id="c", reviewer="lee", decided_at=later, is_final=True),
        verdict(
            id="d",
            subject=VerdictSubject.HIT,
            audit_key=None,
            speaker=None,
            decided_at=later,
        ),
    ]
    assert add(database, *reversed(given)) == [True] * len(given)
    assert add(database, verdict(id="x", room_sid="RM_2")) == [True]
    with database.begin(read_only=True) as connection:
        assert verdicts_of(connection, "RM_1") == tuple(given)
        assert verdicts_of(connection, "RM_3") == ()


def test_a_repeated_verdict_is_one(database: Database) -> None:
    """The same request twice adds one row; the same id for something else is refused."""
    assert add(database, verdict(), verdict()) == [True, False]
    with pytest.raises(VerdictError, match="v1: another verdict has this id"):
        add(database, verdict(decision=VerdictDecision.FALSE_ALARM))
    with database.begin(read_only=True) as connection:
        assert verdicts_of(connection, "RM_1") == (verdict(),)


@pytest.mark.parametrize(
    "changes",
    [{"reviewer": ""}, {"id": ""}, {"note": "x" * (MAX_NOTE_CHARS + 1)}],
    ids=lambda changes: next(iter(changes)),
)
def test_refused(database: Database, changes: dict[str, str]) -> None:
    """A verdict of nobody, without an id or with a book for a note does not get in."""
    with pytest.raises(VerdictError):
        add(database, verdict(**changes))
    with database.begin(read_only=True) as connection:
        assert verdicts_of(connection, "RM_1") == ()


def test_by_rule_and_time(database: Database) -> None:
    """Verdicts on a rule are found over all calls, from a moment on and until another."""
    hour = timedelta(hours=1)
    given = [verdict(id=f"v{n}", room_sid=f"RM_{n}", decided_at=NOW + n * hour) for n in range(4)]
    add(database, *given, verdict(id="other", rule_id="pii.us-ssn"))
    with database.begin(read_only=True) as connection:
        assert verdicts_on_rule(connection, "pii.card-number") == tuple(given)
        some = verdicts_on_rule(
            connection, "pii.card-number", since=NOW + hour, until=NOW + 3 * hour
        )
        assert some == tuple(given[1:3])


def test_as_a_review() -> None:
    """A backtest gets all but the note."""
    assert review_of(verdict(is_final=True)) == Review(
        rule_id="pii.card-number",
        speaker="caller",
        span=Span(3.0, 7.0),
        decision=Decision.CONFIRMED,
        reviewer="rita",
        is_final=True,
    )


def test_repr_hides_people() -> None:
    """A verdict in a log shows neither who spoke, who reviewed, nor what was noted."""
    shown = repr(verdict(speaker="+15550100")) + repr(review_of(verdict()))
    assert not any(hidden in shown for hidden in ("5550100", "rita", "twice"))
