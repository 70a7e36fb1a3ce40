"""Judging a call: verdicts of whoever claimed it, blind second reviews, and adjudication.

A share of calls is judged by two reviewers who do not know of each other: as long as a call is
open, nobody sees another's verdicts, nor can they tell that there are any. Where the two disagree,
a lead who is neither of them decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from rules.backtest import Decision, decision_of
from storage.call_lock import lock_call
from storage.errors import ReviewError, ReviewMissingError
from storage.queue_summary import Status, status_in_queue
from storage.review_claims import need_claim, release_claim
from storage.review_items import ReviewItem, about, items_of
from storage.review_tables import QUEUE_REVIEWERS, REVIEW_NEEDS
from storage.upsert import insert_if_new
from storage.verdicts import (
    Verdict,
    VerdictDecision,
    VerdictSubject,
    add_verdict,
    get_verdict,
    given_as,
    review_of,
    verdicts_of,
)

MAX_FORM_ID_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a verdict is about, as a page names it."""

    kind: VerdictSubject
    id: str
    audit_key: str | None = None  # of a finding; None = of the call's latest audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a verdict."""

    verdict: Verdict
    is_new: bool  # False for a form that was sent twice
    is_call_done: bool  # they have judged every flag of the call, and it was given back


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A flag with the verdicts on it that somebody may see, oldest first."""

    item: ReviewItem
    verdicts: tuple[Verdict, ...] = field(repr=False)

    @property
    def decision(self) -> Decision:
        """What these verdicts come to."""
        return decision_of([review_of(verdict) for verdict in self.verdicts])


def give_verdict(
    connection: Connection,
    room_sid: str,
    subject: Subject,
    *,
    decision: VerdictDecision,
    note: str | None,
    reviewer: str,
    form_id: str,
    double_share: float,
    drawn: float,
    now: datetime,
) -> Outcome:
    """Judge a flag of a call that one has claimed.

    Args:
        connection: In a transaction.
        room_sid: The call.
        subject: Which flag.
        decision: What it is.
        note: Free text.
        reviewer: Who.
        form_id: Of the form that was sent; the same one again is the same verdict.
        double_share: The share of calls that two reviewers judge, in [0.0, 1.0].
        drawn: A random number in [0.0, 1.0); it decides for a call that nobody has judged yet.
        now: UTC.

    Returns:
        What came of it; the claim is over once every flag is judged.

    Raises:
        ClaimError: they have not claimed the call, or their claim is over.
        ReviewMissingError: the call has no such flag (any more).
        VerdictError: the note is too long, or the form was about something else.
    """
    verdict_id = _verdict_id(reviewer, form_id)
    lock_call(connection, room_sid)
    known = get_verdict(connection, verdict_id)
    if known is not None:
        same = (known.room_sid, known.subject, known.subject_id, known.decision, known.note)
        if same != (room_sid, subject.kind, subject.id, decision, note or None):
            raise ReviewError("this form was sent before, with another verdict; load the page anew")
        return Outcome(
            verdict=known,
            is_new=False,
            is_call_done=_has_judged_all(connection, room_sid, reviewer),
        )
    need_claim(connection, room_sid, reviewer, now=now)
    _draw_need(connection, room_sid, double_share=double_share, drawn=drawn, now=now)
    verdict = _verdict(
        _item(connection, room_sid, subject),
        subject,
        id=verdict_id,
        decision=decision,
        note=note,
        reviewer=reviewer,
        now=now,
    )
    add_verdict(connection, verdict)
    is_done = _has_judged_all(connection, room_sid, reviewer)
    if is_done:
        release_claim(connection, room_sid, reviewer, now=now)
    return Outcome(verdict=verdict, is_new=True, is_call_done=is_done)


def adjudicate(
    connection: Connection,
    room_sid: str,
    subject: Subject,
    *,
    decision: VerdictDecision,
    note: str | None,
    lead: str,
    form_id: str,
    now: datetime,
) -> Outcome:
    """Settle what reviewers disagree on, or what they escalated.

    Raises:
        ReviewError: there is nothing to settle, or the lead is one of those who disagree.
        ReviewMissingError: the call has no such flag.
        VerdictError: the note is too long.
    """
    verdict_id = _verdict_id(lead, form_id)
    lock_call(connection, room_sid)
    known = get_verdict(connection, verdict_id)
    if known is not None:
        return Outcome(verdict=known, is_new=False, is_call_done=False)
    status = status_in_queue(connection, room_sid)
    if status not in {Status.ADJUDICATION, Status.ESCALATED}:
        raise ReviewError(f"call {room_sid}: there is nothing to settle (any more)")
    item = _item(connection, room_sid, subject)
    (judged,) = [each for each in _judged(connection, room_sid, [item]) if each.item == item]
    if judged.decision not in {Decision.DISPUTED, Decision.ESCALATED}:
        raise ReviewError(f"call {room_sid}: this flag is settled")
    if judged.decision is Decision.DISPUTED and lead in {v.reviewer for v in judged.verdicts}:
        raise ReviewError(
            f"call {room_sid}: you are one of those who disagree; another lead has to decide"
        )
    verdict = _verdict(
        item,
        subject,
        id=verdict_id,
        decision=decision,
        note=note,
        reviewer=lead,
        now=now,
        is_final=True,
    )
    add_verdict(connection, verdict)
    after = status_in_queue(connection, room_sid)
    return Outcome(verdict=verdict, is_new=True, is_call_done=after is not Status.ADJUDICATION)


def seen_by(
    connection: Connection, room_sid: str, person: str, *, may_adjudicate: bool
) -> tuple[Judged, ...]:
    """The flags of a call with the verdicts that somebody may see.

    Their own always; those of others once the call is settled, and to whoever may settle it as soon
    as it has to be.

    Args:
        connection: In a transaction.
        room_sid: The call.
        person: Who looks.
        may_adjudicate: Whether they settle what others disagree on.
    """
    status = status_in_queue(connection, room_sid)
    sees_all = status in {Status.REVIEWED, Status.ESCALATED} or (
        status is Status.ADJUDICATION and may_adjudicate
    )
    return _judged(connection, room_sid, None, only=None if sees_all else person)


def _judged(
    connection: Connection,
    room_sid: str,
    items: Sequence[ReviewItem] | None,
    *,
    only: str | None = None,
) -> tuple[Judged, ...]:
    all_items = items_of(connection, [room_sid]).get(room_sid, ())
    on: Mapping[int, list[Verdict]] = {number: [] for number in range(len(all_items))}
    for verdict in verdicts_of(connection, room_sid):
        if only is None or verdict.reviewer == only:
            for number in about(given_as(verdict), all_items):
                on[number].append(verdict)
    return tuple(
        Judged(item=item, verdicts=tuple(on[number]))
        for number, item in enumerate(all_items)
        if items is None or item in items
    )


def _item(connection: Connection, room_sid: str, subject: Subject) -> ReviewItem:
    for item in items_of(connection, [room_sid]).get(room_sid, ()):
        if subject.kind is VerdictSubject.HIT:
            is_it = item.hit_id == subject.id
        else:
            is_it = item.audit_key is not None and item.subject_id == subject.id
            is_it = is_it and subject.audit_key in {None, item.audit_key}
        if is_it:
            return item
    raise ReviewMissingError(
        f"call {room_sid}: this flag is there no more; load the page anew, "
        "the call may have been audited again"
    )


def _verdict(
    item: ReviewItem,
    subject: Subject,
    *,
    id: str,
    decision: VerdictDecision,
    note: str | None,
    reviewer: str,
    now: datetime,
    is_final: bool = False,
) -> Verdict:
    return Verdict(
        id=id,
        room_sid=item.room_sid,
        subject=subject.kind,
        subject_id=subject.id,
        audit_key=item.audit_key if subject.kind is VerdictSubject.FINDING else None,
        rule_id=item.rule_id,
        rule_version=item.rule_version,
        speaker=item.speaker,
        span=item.span,
        decision=decision,
        is_final=is_final,
        reviewer=reviewer,
        decided_at=now,
        note=note or None,
    )


def _draw_need(
    connection: Connection, room_sid: str, *, double_share: float, drawn: float, now: datetime
) -> None:
    """Say with the first verdict how many it takes: earlier nobody need know, later it leaks."""
    n_reviewers = 2 if drawn < double_share else 1
    row = {"room_sid": room_sid, "n_reviewers": n_reviewers, "drawn_at": now}
    insert_if_new(connection, REVIEW_NEEDS, row)


def _has_judged_all(connection: Connection, room_sid: str, reviewer: str) -> bool:
    where = (QUEUE_REVIEWERS.c.room_sid == room_sid) & (QUEUE_REVIEWERS.c.reviewer == reviewer)
    return connection.execute(select(QUEUE_REVIEWERS.c.room_sid).where(where)).first() is not None


def _verdict_id(reviewer: str, form_id: str) -> str:
    # With the reviewer in it: nobody can spoil another's form by sending its id first.
    if not form_id or len(form_id) > MAX_FORM_ID_CHARS:
        raise ReviewError("the form has no id; load the page anew")
    return f"v_{hashlib.sha256(repr((reviewer, form_id)).encode()).hexdigest()[:32]}"
