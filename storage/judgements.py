"""What reviewers decided without knowing of each other, thing by thing: how far they agree.

Only calls that two had to judge count, and only what was decided while nobody saw the other's: a
verdict that was given after the call was settled is no second opinion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from storage.queue_summary import Status
from storage.review_tables import QUEUE, REVIEW_NEEDS
from storage.tables import VERDICTS


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedUnit:
    """One thing that several reviewers judged blindly."""

    room_sid: str
    rule_id: str
    decisions: Mapping[str, str] = field(repr=False)  # decision by reviewer, two or more


def judged_units(
    connection: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[JudgedUnit, ...]:
    """What was judged by two or more in [since, until), UTC, on calls that are settled by now."""
    where = [
        REVIEW_NEEDS.c.n_reviewers >= 2,
        QUEUE.c.status != Status.OPEN.value,
        VERDICTS.c.is_final.is_(False),
    ]
    if since is not None:
        where.append(VERDICTS.c.decided_at >= since)
    if until is not None:
        where.append(VERDICTS.c.decided_at < until)
    rows = connection.execute(
        select(
            VERDICTS.c.room_sid,
            VERDICTS.c.rule_id,
            VERDICTS.c.speaker,
            VERDICTS.c.start_s,
            VERDICTS.c.end_s,
            VERDICTS.c.reviewer,
            VERDICTS.c.decision,
        )
        .join(REVIEW_NEEDS, REVIEW_NEEDS.c.room_sid == VERDICTS.c.room_sid)
        .join(QUEUE, QUEUE.c.room_sid == VERDICTS.c.room_sid)
        .where(*where)
        .order_by(VERDICTS.c.decided_at, VERDICTS.c.verdict_id)
    )
    alike: dict[tuple[str, str, str | None], list[Any]] = defaultdict(list)
    for row in rows:
        alike[row.room_sid, row.rule_id, row.speaker].append(row)
    return tuple(
        JudgedUnit(room_sid=room_sid, rule_id=rule_id, decisions=decisions)
        for (room_sid, rule_id, _), verdicts in sorted(
            alike.items(), key=lambda each: tuple(map(str, each[0]))
        )
        for together in _places(verdicts)
        if len(decisions := _blind(together)) >= 2
    )


def _places(verdicts: Sequence[Any]) -> Iterable[list[Any]]:
    """Verdicts on the same rule and speaker, put together where their times overlap.

    One of them may name the live hit and the other one the audit's finding.
    """
    places: list[list[Any]] = []
    end_s = -1.0
    for row in sorted(verdicts, key=lambda each: (each.start_s, each.end_s)):
        if places and row.start_s < end_s:
            places[-1].append(row)
        else:
            places.append([row])
            end_s = row.end_s
        end_s = max(end_s, row.end_s)
    in_time = {id(row): number for number, row in enumerate(verdicts)}
    return (sorted(each, key=lambda row: in_time[id(row)]) for each in places)


def _blind(verdicts: Sequence[Any]) -> Mapping[str, str]:
    """The last word of each, up to the first of the second reviewer."""
    decisions: dict[str, str] = {}
    for row in verdicts:
        if len(decisions) >= 2:
            break
        decisions[row.reviewer] = row.decision
    return decisions
