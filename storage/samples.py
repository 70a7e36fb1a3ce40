"""Samples of calls that nothing flagged: somebody listens, and so one learns what is missed.

Calls are drawn by strata, so that a rare kind is not left to chance; the same seed on the same
calls draws the same ones. The counts of a stratum stay when its calls are deleted.
"""

from __future__ import annotations

import math
import random
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update

from rules.proportions import Stratum
from storage.call_lock import lock_call
from storage.errors import ReviewError, ReviewMissingError
from storage.queue_summary import Status
from storage.review_tables import QUEUE, SAMPLE_CALLS, SAMPLE_STRATA, SAMPLES
from storage.tables import CALLS, PARTICIPANTS, VERDICTS
from storage.verdicts import VerdictDecision

MAX_CALLS = 1000
MAX_NAME_CHARS = 80
_SHORT_S, _LONG_S = 120.0, 600.0
# So many bits fit into an integer of both databases.
_SEED_LIMIT = 2**31


class By(StrEnum):
    """What strata are made by."""

    DAY = "day"  # of UTC on which the call began
    LENGTH = "length"
    ROLES = "roles"  # of those who took part


class SampleOutcome(StrEnum):
    """What somebody found who listened to a call that nothing flagged."""

    NOTHING = "nothing"  # rightly not flagged
    MISSED = "missed"  # something should have been
    UNUSABLE = "unusable"  # it cannot be told; counts for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStratum:
    """A stratum, and what was found of it so far."""

    name: str
    n_calls: int
    n_drawn: int
    n_reviewed: int
    n_missed: int

    def seen(self) -> Stratum:
        """As an estimate needs it."""
        return Stratum(n_all=self.n_calls, n_seen=self.n_reviewed, n_found=self.n_missed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample and its strata."""

    sample_id: str
    name: str
    since: datetime  # UTC
    until: datetime  # UTC, excluded
    by: By
    seed: int
    drawn_by: str = field(repr=False)
    drawn_at: datetime  # UTC
    strata: tuple[SampleStratum, ...]

    @property
    def n_calls(self) -> int:
        """Calls that nothing flagged when it was drawn."""
        return sum(stratum.n_calls for stratum in self.strata)

    @property
    def n_drawn(self) -> int:
        """Calls to listen to."""
        return sum(stratum.n_drawn for stratum in self.strata)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledCall:
    """A call that was drawn."""

    sample_id: str
    room_sid: str
    stratum: str
    outcome: SampleOutcome | None  # None until somebody has listened
    rule_id: str | None  # of what was missed
    reviewer: str | None = field(repr=False)
    decided_at: datetime | None  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedCounts:
    """Calls of a time that are flagged, and what reviewers say of them."""

    n_flagged: int
    n_reviewed: int
    n_confirmed: int  # reviewed ones on which a flag is right


def draw_sample(
    connection: Connection,
    *,
    name: str,
    since: datetime,
    until: datetime,
    by: By,
    n_calls: int,
    seed: int,
    drawn_by: str,
    now: datetime,
) -> Sample:
    """Draw calls that ended and on which nothing is flagged.

    Each stratum gives what it has of all calls, and at least one where there are enough to draw.

    Args:
        connection: In a transaction.
        name: Shown in the list.
        since: UTC; by the beginning of the call.
        until: UTC, excluded.
        by: What strata are made by.
        n_calls: How many to draw, up to 1000.
        seed: The same one draws the same calls again.
        drawn_by: Who.
        now: UTC.

    Raises:
        ReviewError: no such sample can be drawn.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_CHARS:
        raise ReviewError(f"a sample needs a name of 1 to {MAX_NAME_CHARS} characters")
    if not 1 <= n_calls <= MAX_CALLS:
        raise ReviewError(f"a sample has 1 to {MAX_CALLS} calls")
    if not 0 <= seed < _SEED_LIMIT:
        raise ReviewError(f"a seed is a number from 0 to {_SEED_LIMIT - 1}")
    if since >= until:
        raise ReviewError("a sample's time ends after it begins")
    strata = _strata(connection, since, until, by)
    if not strata:
        raise ReviewError("there is no call of this time that ended and that nothing flagged")
    sizes = allocate({stratum: len(each) for stratum, each in strata.items()}, n_calls)
    sample_id = f"smp_{uuid.uuid4().hex[:16]}"
    connection.execute(
        insert(SAMPLES).values(
            sample_id=sample_id, name=name, since=since, until=until, by=by.value, seed=seed,
            drawn_by=drawn_by, drawn_at=now,
        )
    )  # fmt: skip
    for stratum, room_sids in strata.items():
        chance = random.Random(f"{seed}:{stratum}")  # noqa: S311 - to be repeated, not to be secret
        drawn = chance.sample(sorted(room_sids), sizes[stratum])
        connection.execute(
            insert(SAMPLE_STRATA).values(
                sample_id=sample_id, stratum=stratum, n_calls=len(room_sids), n_drawn=len(drawn),
                n_reviewed=0, n_missed=0,
            )
        )  # fmt: skip
        if drawn:
            connection.execute(
                insert(SAMPLE_CALLS),
                [
                    {"sample_id": sample_id, "room_sid": room_sid, "stratum": stratum}
                    for room_sid in drawn
                ],
            )
    return get_sample(connection, sample_id)


def allocate(sizes: Mapping[str, int], n_calls: int) -> Mapping[str, int]:
    """How many to draw of each stratum: by its size, the largest remainders rounded up.

    Where there are at least as many to draw as strata, each gives one or more.
    """
    total = sum(sizes.values())
    n_calls = min(n_calls, total)
    names = sorted(sizes)
    least = 1 if n_calls >= len(names) else 0
    shares = {name: Fraction(n_calls * sizes[name], total) for name in names}
    given = {name: max(least, math.floor(shares[name])) for name in names}
    while (left := n_calls - sum(given.values())) != 0:
        if left > 0:
            open_ones = [name for name in names if given[name] < sizes[name]]
            name = max(open_ones, key=lambda each: shares[each] - given[each])
            given[name] += 1
        else:
            full_ones = [name for name in names if given[name] > least]
            name = min(full_ones, key=lambda each: shares[each] - given[each])
            given[name] -= 1
    return given


def decide_sampled(
    connection: Connection,
    sample_id: str,
    room_sid: str,
    *,
    outcome: SampleOutcome,
    rule_id: str | None,
    reviewer: str,
    now: datetime,
) -> None:
    """Note what somebody found on a drawn call; they may change their mind, others may not.

    Raises:
        ReviewMissingError: the call was not drawn.
        ReviewError: somebody else has listened to it, or it is not said what was missed.
    """
    if (outcome is SampleOutcome.MISSED) != (rule_id is not None):
        raise ReviewError("say which rule should have flagged it, or that nothing was missed")
    lock_call(connection, room_sid)
    where = (SAMPLE_CALLS.c.sample_id == sample_id) & (SAMPLE_CALLS.c.room_sid == room_sid)
    row = connection.execute(select(SAMPLE_CALLS).where(where)).mappings().one_or_none()
    if row is None:
        raise ReviewMissingError("this call is not in this sample")
    if row["reviewer"] not in {None, reviewer}:
        raise ReviewError(f"call {room_sid}: somebody else has listened to it")
    connection.execute(
        update(SAMPLE_CALLS)
        .where(where)
        .values(outcome=outcome.value, rule_id=rule_id, reviewer=reviewer, decided_at=now)
    )
    n_reviewed, n_missed = _counted(outcome)
    if row["outcome"] is not None:
        before = _counted(SampleOutcome(row["outcome"]))
        n_reviewed, n_missed = n_reviewed - before[0], n_missed - before[1]
    connection.execute(
        update(SAMPLE_STRATA)
        .where(SAMPLE_STRATA.c.sample_id == sample_id, SAMPLE_STRATA.c.stratum == row["stratum"])
        .values(
            n_reviewed=SAMPLE_STRATA.c.n_reviewed + n_reviewed,
            n_missed=SAMPLE_STRATA.c.n_missed + n_missed,
        )
    )


def get_sample(connection: Connection, sample_id: str) -> Sample:
    """A sample.

    Raises:
        ReviewMissingError: there is none with this id.
    """
    found = _samples(connection, [sample_id])
    if not found:
        raise ReviewMissingError("there is no such sample")
    return found[0]


def all_samples(connection: Connection, *, limit: int = 100) -> tuple[Sample, ...]:
    """Samples, the latest first."""
    ids = connection.execute(
        select(SAMPLES.c.sample_id)
        .order_by(SAMPLES.c.drawn_at.desc(), SAMPLES.c.sample_id)
        .limit(limit)
    ).scalars()
    return _samples(connection, list(ids))


def sampled_calls(connection: Connection, sample_id: str) -> tuple[SampledCall, ...]:
    """The calls that were drawn and are there still, those that wait first."""
    rows = connection.execute(
        select(SAMPLE_CALLS)
        .where(SAMPLE_CALLS.c.sample_id == sample_id)
        .order_by(
            SAMPLE_CALLS.c.outcome.is_not(None), SAMPLE_CALLS.c.stratum, SAMPLE_CALLS.c.room_sid
        )
    ).mappings()
    return tuple(_sampled(row) for row in rows)


def samples_with(connection: Connection, room_sid: str) -> tuple[SampledCall, ...]:
    """In which samples a call is."""
    rows = connection.execute(
        select(SAMPLE_CALLS)
        .where(SAMPLE_CALLS.c.room_sid == room_sid)
        .order_by(SAMPLE_CALLS.c.sample_id)
    ).mappings()
    return tuple(_sampled(row) for row in rows)


def flagged_counts(connection: Connection, since: datetime, until: datetime) -> FlaggedCounts:
    """The flagged calls that began in [since, until), for an estimate of recall."""
    within = (QUEUE.c.began_at >= since) & (QUEUE.c.began_at < until)
    n_by_status = {
        status: n
        for status, n in connection.execute(
            select(QUEUE.c.status, func.count()).where(within).group_by(QUEUE.c.status)
        )
    }
    final = VERDICTS.alias("final")
    settled = select(final.c.room_sid).where(
        final.c.room_sid == VERDICTS.c.room_sid,
        final.c.rule_id == VERDICTS.c.rule_id,
        final.c.is_final,
    )
    confirmed = (
        select(VERDICTS.c.room_sid)
        .where(
            VERDICTS.c.room_sid == QUEUE.c.room_sid,
            VERDICTS.c.decision == VerdictDecision.CONFIRMED.value,
            or_(VERDICTS.c.is_final, ~settled.correlate(VERDICTS).exists()),
        )
        .correlate(QUEUE)
        .exists()
    )
    n_confirmed = connection.execute(
        select(func.count())
        .select_from(QUEUE)
        .where(within, QUEUE.c.status == Status.REVIEWED.value, confirmed)
    ).scalar_one()
    return FlaggedCounts(
        n_flagged=sum(n_by_status.values()),
        n_reviewed=n_by_status.get(Status.REVIEWED.value, 0),
        n_confirmed=n_confirmed,
    )


def _counted(outcome: SampleOutcome) -> tuple[int, int]:
    return int(outcome is not SampleOutcome.UNUSABLE), int(outcome is SampleOutcome.MISSED)


def _strata(
    connection: Connection, since: datetime, until: datetime, by: By
) -> Mapping[str, list[str]]:
    flagged = select(QUEUE.c.room_sid).where(QUEUE.c.room_sid == CALLS.c.room_sid).exists()
    of_time = (CALLS.c.created_at >= since) & (CALLS.c.created_at < until)
    calls = connection.execute(
        select(CALLS.c.room_sid, CALLS.c.created_at, CALLS.c.ended_at).where(
            of_time, CALLS.c.ended_at.is_not(None), ~flagged
        )
    ).all()
    roles: dict[str, set[str]] = defaultdict(set)
    if by is By.ROLES:
        took_part = (
            select(PARTICIPANTS.c.room_sid, PARTICIPANTS.c.role)
            .join(CALLS, CALLS.c.room_sid == PARTICIPANTS.c.room_sid)
            .where(of_time, PARTICIPANTS.c.role.is_not(None))
        )
        for room_sid, role in connection.execute(took_part):
            roles[room_sid].add(role)
    strata: dict[str, list[str]] = defaultdict(list)
    for room_sid, created_at, ended_at in calls:
        match by:
            case By.DAY:
                stratum = created_at.date().isoformat()
            case By.LENGTH:
                stratum = _length((ended_at - created_at).total_seconds())
            case By.ROLES:
                stratum = ", ".join(sorted(roles[room_sid])) or "unknown"
        strata[stratum].append(room_sid)
    return strata


def _length(duration_s: float) -> str:
    if duration_s < _SHORT_S:
        return "under 2 minutes"
    return "2 to 10 minutes" if duration_s < _LONG_S else "10 minutes and more"


def _samples(connection: Connection, sample_ids: Sequence[str]) -> tuple[Sample, ...]:
    strata: dict[str, list[SampleStratum]] = defaultdict(list)
    for row in connection.execute(
        select(SAMPLE_STRATA)
        .where(SAMPLE_STRATA.c.sample_id.in_(list(sample_ids)))
        .order_by(SAMPLE_STRATA.c.stratum)
    ).mappings():
        values = dict(row)
        sample_id = values.pop("sample_id")
        strata[sample_id].append(SampleStratum(name=values.pop("stratum"), **values))
    rows = {
        row["sample_id"]: row
        for row in connection.execute(
            select(SAMPLES).where(SAMPLES.c.sample_id.in_(list(sample_ids)))
        ).mappings()
    }
    return tuple(
        Sample(**{**rows[each], "by": By(rows[each]["by"])}, strata=tuple(strata[each]))
        for each in sample_ids
        if each in rows
    )


def _sampled(row: RowMapping) -> SampledCall:
    outcome = SampleOutcome(row["outcome"]) if row["outcome"] else None
    return SampledCall(**{**row, "outcome": outcome})
