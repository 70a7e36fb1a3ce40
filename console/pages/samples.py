"""Samples of calls that nothing flagged: draw them, listen, and see what is missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reviews import called, names_of, told
from console.state import console_of
from rules.proportions import Share, share_of, stratified_share
from storage import trail
from storage.queue import Queue
from storage.samples import (
    MAX_CALLS,
    MAX_NAME_CHARS,
    By,
    FlaggedCounts,
    Sample,
    SampleOutcome,
    all_samples,
    decide_sampled,
    draw_sample,
    flagged_counts,
    get_sample,
    sampled_calls,
)
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Samples", path="/samples", permission=Permission.VIEW_CALLS, order=25
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Of the calls on which something was said that a rule looks for, how many are flagged."""

    flagged: FlaggedCounts
    right: Share  # of flagged calls that were reviewed, those with a right flag
    missed: Share  # of unflagged calls, those on which something was missed
    n_true: float  # flagged calls with a right flag, reckoned from those that were reviewed
    n_missed: tuple[float, float, float]  # reckoned, and within the interval
    ratio: tuple[float, float, float] | None


@router.get("/samples")
def show(request: Request, person: Person = needs(Permission.VIEW_CALLS)) -> Response:
    """All samples, and a form to draw one."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        samples = all_samples(connection)
    today = console.now().date()
    return render(
        request, "samples.html", samples=[(each, _missed(each)) for each in samples],
        by=tuple(By), max_calls=MAX_CALLS, max_name=MAX_NAME_CHARS,
        since=today - timedelta(days=7), until=today - timedelta(days=1),
        seed=int(console.now().timestamp()) % 2**31,
    )  # fmt: skip


@router.post("/samples")
def draw(
    request: Request,
    since: Annotated[date, Form()],
    until: Annotated[date, Form()],
    by: Annotated[By, Form()],
    n_calls: Annotated[int, Form()],
    seed: Annotated[int, Form()],
    name: str = Form(max_length=4 * MAX_NAME_CHARS),
    person: Person = needs(Permission.ASSIGN),
) -> Response:
    """Draw a sample."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        sample = draw_sample(
            connection,
            name=name,
            since=datetime.combine(since, time(), UTC),
            until=datetime.combine(until, time(), UTC) + timedelta(days=1),
            by=by,
            n_calls=n_calls,
            seed=seed,
            drawn_by=person.id,
            now=console.now(),
        )
        trail.append(
            connection,
            TrailEvent(
                actor=person.id, action=TrailAction.SAMPLE, subject=sample.sample_id,
                detail={"what": "drawn", "n_calls": sample.n_drawn, "of": sample.n_calls,
                        "seed": seed, "by": by.value},
            ),
        )  # fmt: skip
    return RedirectResponse(f"/samples/{sample.sample_id}", status_code=303)


@router.get("/samples/{sample_id}")
def show_sample(
    request: Request, sample_id: str, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """A sample: its calls, what was found so far, and what that says of all calls."""
    console = console_of(request)
    with told(), console.database.begin(read_only=True) as connection:
        sample = get_sample(connection, sample_id)
        calls = sampled_calls(connection, sample_id)
        names = names_of(connection)
        rules = Queue(connection, now=console.now(), viewer=person.id).rule_ids()
        flagged = flagged_counts(connection, sample.since, sample.until)
    return render(
        request, "sample.html", sample=sample, calls=calls, rules=rules, missed=_missed(sample),
        recall=_recall(sample, flagged), flagged=flagged, called=lambda who: called(names, who),
        until=sample.until - timedelta(days=1),
    )  # fmt: skip


@router.post("/samples/{sample_id}/calls/{room_sid}")
def decide(
    request: Request,
    sample_id: str,
    room_sid: str,
    outcome: Annotated[SampleOutcome, Form()],
    rule: str = Form("", max_length=200),
    person: Person = needs(Permission.REVIEW),
) -> Response:
    """Say what was found on a drawn call."""
    console = console_of(request)
    is_missed = outcome is SampleOutcome.MISSED
    with told(), console.database.begin() as connection:
        decide_sampled(
            connection, sample_id, room_sid, outcome=outcome,
            rule_id=rule or None if is_missed else None, reviewer=person.id, now=console.now(),
        )  # fmt: skip
        trail.append(
            connection,
            TrailEvent(
                actor=person.id, action=TrailAction.SAMPLE, room_sid=room_sid, subject=sample_id,
                detail={"what": "decided", "outcome": outcome.value,
                        "rule": rule if is_missed else None},
            ),
        )  # fmt: skip
    return RedirectResponse(f"/samples/{sample_id}", status_code=303)


def _missed(sample: Sample) -> Share | None:
    return stratified_share([stratum.seen() for stratum in sample.strata])


def _recall(sample: Sample, flagged: FlaggedCounts) -> Recall | None:
    missed = _missed(sample)
    right = share_of(flagged.n_confirmed, flagged.n_reviewed)
    if missed is None or right is None:
        return None
    n_true = flagged.n_flagged * right.ratio
    n_missed = tuple(sample.n_calls * each for each in (missed.ratio, missed.low, missed.high))
    ratio = None
    if n_true:
        # More that is missed is less recall: the ends change places.
        ratio = tuple(n_true / (n_true + n_missed[each]) for each in (0, 2, 1))
    return Recall(
        flagged=flagged,
        right=right,
        missed=missed,
        n_true=n_true,
        n_missed=(n_missed[0], n_missed[1], n_missed[2]),
        ratio=(ratio[0], ratio[1], ratio[2]) if ratio else None,
    )
