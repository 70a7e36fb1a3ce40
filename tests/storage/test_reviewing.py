"""Judging a call: behind a claim, blind to each other, and settled by a lead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rules.backtest import Decision
from storage.database import Database
from storage.errors import ClaimError, ReviewError, ReviewMissingError
from storage.queue import Queue
from storage.queue_filter import QueueFilter, Shown
from storage.queue_summary import Status
from storage.review_claims import claim_call, claim_next, claim_of
from storage.reviewing import Subject, adjudicate, give_verdict, seen_by
from storage.verdicts import VerdictDecision, VerdictSubject, verdicts_of
from tests.storage.builders import NOW, finding
from tests.storage.reviews import (
    CONFIRMED,
    ESCALATED,
    FALSE_ALARM,
    add_audit,
    add_hits,
    hit_at,
    judge,
    queued,
)

H1 = Subject(kind=VerdictSubject.HIT, id="h1")


def status(database: Database) -> Status:
    """Of the call."""
    call = queued(database)
    assert call is not None
    return call.status


def seen(database: Database, person: str, *, lead: bool = False) -> list[list[tuple[str, str]]]:
    """Who said what of each flag, as far as a person sees it."""
    with database.begin(read_only=True) as connection:
        return [
            [(verdict.reviewer, verdict.decision.value) for verdict in judged.verdicts]
            for judged in seen_by(connection, "RM_1", person, may_adjudicate=lead)
        ]


def settle(
    database: Database,
    decision: VerdictDecision,
    lead: str = "lea",
    subject: Subject = H1,
    form: str = "f",
) -> None:
    """A lead decides."""
    with database.begin() as connection:
        adjudicate(
            connection, "RM_1", subject, decision=decision, note=None, lead=lead, form_id=form,
            now=NOW + timedelta(hours=1),
        )  # fmt: skip


def test_who_has_not_claimed_cannot_judge(database: Database) -> None:
    """Without a claim, or when it is out, nothing is decided."""
    add_hits(database, hit_at("h1", 3.0))
    later = NOW + timedelta(hours=1)
    with database.begin() as connection:
        claim_call(connection, "RM_1", "rita", now=NOW)
        for reviewer, now in (("sam", NOW), ("rita", later)):
            with pytest.raises(ClaimError):
                give_verdict(
                    connection, "RM_1", H1, decision=CONFIRMED, note=None, reviewer=reviewer,
                    form_id="x", double_share=0, drawn=0.5, now=now,
                )  # fmt: skip
        assert verdicts_of(connection, "RM_1") == ()


def test_the_last_flag_gives_the_call_back(database: Database) -> None:
    """Who has judged all of a call has it no more; before that, they keep it."""
    add_hits(database, hit_at("h1", 3.0), hit_at("h2", 30.0))
    assert not judge(database, "h1", CONFIRMED).is_call_done
    with database.begin() as connection:
        assert claim_of(connection, "RM_1", now=NOW) is not None
    assert judge(database, "h2", CONFIRMED).is_call_done
    with database.begin() as connection:
        assert claim_of(connection, "RM_1", now=NOW) is None


def test_a_form_sent_twice(database: Database) -> None:
    """The same form is one verdict, even after the call was given back; changed, it is refused."""
    add_hits(database, hit_at("h1", 3.0))
    first = judge(database, "h1", CONFIRMED, form="form-1")
    with database.begin() as connection:
        again = give_verdict(
            connection, "RM_1", H1, decision=CONFIRMED, note=None, reviewer="rita",
            form_id="form-1", double_share=0, drawn=0.5, now=NOW + timedelta(minutes=9),
        )  # fmt: skip
        assert (again.is_new, again.is_call_done, again.verdict) == (False, True, first.verdict)
        with pytest.raises(ReviewError, match="sent before"):
            give_verdict(
                connection, "RM_1", H1, decision=FALSE_ALARM, note=None, reviewer="rita",
                form_id="form-1", double_share=0, drawn=0.5, now=NOW,
            )  # fmt: skip
        assert len(verdicts_of(connection, "RM_1")) == 1
    judge(database, "h1", CONFIRMED, "sam", form="form-1")  # another's form may bear the same id
    with database.begin() as connection:
        assert len(verdicts_of(connection, "RM_1")) == 2


@pytest.mark.parametrize("form", ["", "x" * 101], ids=["none", "too-long"])
def test_a_form_without_an_id(database: Database, form: str) -> None:
    """A form must say which one it is."""
    add_hits(database, hit_at("h1", 3.0))
    with database.begin() as connection, pytest.raises(ReviewError, match="no id"):
        give_verdict(
            connection, "RM_1", H1, decision=CONFIRMED, note=None, reviewer="rita", form_id=form,
            double_share=0, drawn=0.5, now=NOW,
        )  # fmt: skip


def test_a_flag_that_is_gone(database: Database) -> None:
    """What another audit has replaced, and flags of other calls, cannot be judged."""
    add_audit(database, [finding(id="f1", live_hit_id=None)])
    add_hits(database, hit_at("h9", 3.0), room_sid="RM_2")
    add_audit(database, [finding(id="g1", live_hit_id=None)], key="k2", at=NOW + timedelta(days=1))
    for subject, key in (("f1", "k1"), ("h9", None)):
        with pytest.raises(ReviewMissingError):
            judge(database, subject, CONFIRMED, audit_key=key)


def test_a_second_reviewer_is_blind(database: Database) -> None:
    """While a call waits for its second verdict nobody sees the first, nor that there is one."""
    add_hits(database, hit_at("h1", 3.0))
    before = queued(database, viewer="sam")
    assert judge(database, "h1", CONFIRMED, "rita", share=1.0).is_call_done
    assert queued(database, viewer="sam") == before  # no row tells, not even since when it waits
    assert seen(database, "sam") == [[]]
    assert seen(database, "lea", lead=True) == [[]]  # a lead may be the second one
    assert seen(database, "rita") == [[("rita", "confirmed")]]
    with database.begin() as connection:
        which = QueueFilter(status=Shown.OPEN)
        assert Queue(connection, now=NOW, viewer="rita").page(which).calls == ()
        assert claim_next(connection, "rita", now=NOW) is None
        claim = claim_next(connection, "sam", now=NOW)
        assert claim is not None
    judge(database, "h1", CONFIRMED, "sam", share=1.0)
    assert status(database) is Status.REVIEWED
    both = [[("rita", "confirmed"), ("sam", "confirmed")]]
    assert seen(database, "rita") == seen(database, "sam") == both


def test_one_reviewer_cannot_be_two(database: Database) -> None:
    """Who judges a call a second time is still one."""
    add_hits(database, hit_at("h1", 3.0))
    judge(database, "h1", CONFIRMED, "rita", share=1.0)
    judge(database, "h1", FALSE_ALARM, "rita", share=1.0)
    assert status(database) is Status.OPEN


@pytest.mark.parametrize(("share", "expected"), [(0.5, Status.REVIEWED), (0.51, Status.OPEN)])
def test_the_draw(database: Database, share: float, expected: Status) -> None:
    """The number that was drawn decides by the share, once for the call."""
    add_hits(database, hit_at("h1", 3.0))
    judge(database, "h1", CONFIRMED, share=share)
    assert status(database) is expected
    judge(database, "h1", CONFIRMED, share=1.0 - share, form="again")
    assert status(database) is expected


def test_a_lead_settles_what_reviewers_disagree_on(database: Database) -> None:
    """Only then, never one of the two, and only what is disputed; the lead's word is the last."""
    add_hits(database, hit_at("h1", 3.0), hit_at("h2", 30.0))
    for reviewer, on_h1 in (("rita", CONFIRMED), ("lea", FALSE_ALARM)):
        judge(database, "h2", CONFIRMED, reviewer, share=1.0)
        with pytest.raises(ReviewError, match="nothing to settle"):
            settle(database, CONFIRMED)
        judge(database, "h1", on_h1, reviewer, share=1.0)
    assert status(database) is Status.ADJUDICATION
    assert seen(database, "rita") == [[("rita", "confirmed")], [("rita", "confirmed")]]
    disputed = [("rita", "confirmed"), ("lea", "false_alarm")]
    assert seen(database, "max", lead=True)[0] == disputed
    with pytest.raises(ReviewError, match="you are one of those"):
        settle(database, CONFIRMED, "lea")
    with pytest.raises(ReviewError, match="this flag is settled"):
        settle(database, CONFIRMED, "max", Subject(kind=VerdictSubject.HIT, id="h2"))
    settle(database, FALSE_ALARM, "max")
    settle(database, FALSE_ALARM, "max")  # sent twice
    assert status(database) is Status.REVIEWED
    with database.begin(read_only=True) as connection:
        judged = seen_by(connection, "RM_1", "rita", may_adjudicate=False)
    assert [each.decision for each in judged] == [Decision.FALSE_ALARM, Decision.CONFIRMED]
    assert [v.is_final for v in judged[0].verdicts] == [False, False, True]


def test_a_lead_settles_what_was_escalated(database: Database) -> None:
    """What a reviewer passes on is decided by a lead."""
    add_hits(database, hit_at("h1", 3.0))
    judge(database, "h1", ESCALATED)
    assert status(database) is Status.ESCALATED
    settle(database, CONFIRMED)
    assert status(database) is Status.REVIEWED
