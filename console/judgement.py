"""What a form says of a flag, and the note of it in the trail: of reviewers and of leads alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Form
from sqlalchemy import Connection

from storage import trail
from storage.reviewing import MAX_FORM_ID_CHARS, Outcome, Subject
from storage.trail import TrailAction, TrailEvent
from storage.verdicts import MAX_NOTE_CHARS, VerdictDecision, VerdictSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A form that was filled in on a flag."""

    subject: Subject
    decision: VerdictDecision
    note: str | None = field(repr=False)
    form_id: str  # the same form sent twice counts once


def _from_form(
    subject: Annotated[VerdictSubject, Form()],
    decision: Annotated[VerdictDecision, Form()],
    subject_id: Annotated[str, Form(min_length=1, max_length=200)],
    form_id: Annotated[str, Form(min_length=1, max_length=MAX_FORM_ID_CHARS)],
    audit_key: Annotated[str, Form(max_length=200)] = "",
    note: Annotated[str, Form(max_length=MAX_NOTE_CHARS)] = "",
) -> Judgement:
    return Judgement(
        subject=Subject(kind=subject, id=subject_id, audit_key=audit_key or None),
        decision=decision,
        note=note.strip() or None,
        form_id=form_id,
    )


JudgementForm = Annotated[Judgement, Depends(_from_form)]


def note_judgement(
    connection: Connection,
    action: TrailAction,
    judgement: Judgement,
    outcome: Outcome,
    *,
    actor: str,
    room_sid: str,
) -> None:
    """Write a judgement into the trail, unless it is there from the same form before."""
    if not outcome.is_new:
        return
    trail.append(
        connection,
        TrailEvent(
            actor=actor,
            action=action,
            room_sid=room_sid,
            subject=judgement.subject.id,
            detail={
                "verdict": outcome.verdict.id,
                "on": judgement.subject.kind.value,
                "rule": outcome.verdict.rule_id,
                "decision": judgement.decision.value,
                "has_note": outcome.verdict.note is not None,
            },
        ),
    )
