"""Samples of calls that nothing flagged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rules.proportions import stratified_share
from rules.types import Role
from storage.call_rows import delete_call
from storage.calls import CallParticipant, save_call, save_participant
from storage.database import Database
from storage.errors import ReviewError, ReviewMissingError
from storage.samples import (
    By,
    FlaggedCounts,
    Sample,
    SampleOutcome,
    all_samples,
    allocate,
    decide_sampled,
    draw_sample,
    flagged_counts,
    get_sample,
    sampled_calls,
    samples_with,
)
from tests.storage.builders import NOW, call
from tests.storage.reviews import CONFIRMED, FALSE_ALARM, add_hits, hit_at, judge

DAY = timedelta(days=1)


def fill(database: Database, n_calls: int = 60) -> None:
    """Calls over three days, of three lengths; every sixth is flagged, and one goes on still."""
    with database.begin() as connection:
        for n in range(n_calls):
            began = NOW + (n % 3) * DAY
            length = timedelta(seconds=[60, 300, 900, 60][n % 4])
            ended = None if n == 1 else began + length
            save_call(connection, call(room_sid=f"RM_{n:03}", created_at=began, ended_at=ended))
            save_participant(
                connection,
                CallParticipant(
                    room_sid=f"RM_{n:03}", identity="a", kind="sip", joined_s=0.0,
                    role=[Role.AGENT, Role.AI_AGENT][n % 2],
                ),
            )  # fmt: skip
    for n in range(0, n_calls, 6):
        add_hits(database, hit_at("h1", 3.0), room_sid=f"RM_{n:03}")


def draw(database: Database, **changes: Any) -> Sample:
    """A sample of twelve."""
    values: dict[str, Any] = {
        "name": "March", "since": NOW - DAY, "until": NOW + 10 * DAY, "by": By.DAY, "n_calls": 12,
        "seed": 7, "drawn_by": "lea", "now": NOW,
    }  # fmt: skip
    with database.begin() as connection:
        return draw_sample(connection, **(values | changes))


def drawn(database: Database, sample: Sample) -> list[str]:
    """The calls of a sample."""
    with database.begin(read_only=True) as connection:
        return [each.room_sid for each in sampled_calls(connection, sample.sample_id)]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (By.DAY, ["2026-03-01", "2026-03-02", "2026-03-03"]),
        (By.LENGTH, ["10 minutes and more", "2 to 10 minutes", "under 2 minutes"]),
        (By.ROLES, ["agent", "ai_agent"]),
    ],
)
def test_drawing(database: Database, by: By, names: list[str]) -> None:
    """Only calls that ended and that nothing flags are drawn, of every stratum its share."""
    fill(database)
    sample = draw(database, by=by)
    assert [stratum.name for stratum in sample.strata] == names
    assert (sample.n_calls, sample.n_drawn) == (49, 12)  # 60, without 10 flagged and one that lasts
    for stratum in sample.strata:
        assert abs(stratum.n_drawn - 12 * stratum.n_calls / 49) < 1
    room_sids = drawn(database, sample)
    assert len(set(room_sids)) == 12
    assert not {int(sid[3:]) for sid in room_sids} & {1, *range(0, 60, 6)}


def test_the_seed_decides(database: Database) -> None:
    """The same seed draws the same calls, another one others."""
    fill(database)
    first, again, other = (draw(database, seed=seed) for seed in (7, 7, 8))
    assert drawn(database, first) == drawn(database, again) != drawn(database, other)
    with database.begin(read_only=True) as connection:
        assert {each.sample_id for each in all_samples(connection)} == {
            first.sample_id, again.sample_id, other.sample_id
        }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "}, {"n_calls": 0}, {"n_calls": 1001}, {"seed": -1}, {"seed": 2**31},
        {"until": NOW - 2 * DAY}, {"since": NOW + 5 * DAY},
    ],
    ids=str,
)  # fmt: skip
def test_refused(database: Database, changes: dict[str, Any]) -> None:
    """What is no sample is said to be none, and leaves no row."""
    fill(database, 6)
    with pytest.raises(ReviewError):
        draw(database, **changes)
    with database.begin(read_only=True) as connection:
        assert all_samples(connection) == ()


@pytest.mark.parametrize(
    ("sizes", "n", "expected"),
    [
        ({"a": 90, "b": 10}, 10, {"a": 9, "b": 1}),
        ({"a": 990, "b": 5, "c": 5}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 1, "b": 1, "c": 98}, 2, {"a": 0, "b": 0, "c": 2}),
        ({"a": 2, "b": 3}, 100, {"a": 2, "b": 3}),
        ({"a": 5, "b": 5, "c": 5}, 4, {"a": 1, "b": 1, "c": 2}),
    ],
)
def test_allocating(sizes: dict[str, int], n: int, expected: dict[str, int]) -> None:
    """By size, at least one of each where that goes, and never more than there are."""
    found = allocate(sizes, n)
    assert sum(found.values()) == sum(expected.values())
    assert sorted(found.values()) == sorted(expected.values())


def test_deciding(database: Database) -> None:
    """What is found counts in its stratum, once; one may change one's mind, and nobody else's."""
    fill(database)
    sample = draw(database, by=By.ROLES)
    first, second, third, *_ = drawn(database, sample)

    def decide(
        room_sid: str, outcome: SampleOutcome, rule_id: str | None = None, reviewer: str = "rita"
    ) -> None:
        with database.begin() as connection:
            decide_sampled(
                connection, sample.sample_id, room_sid, outcome=outcome, rule_id=rule_id,
                reviewer=reviewer, now=NOW,
            )  # fmt: skip

    def counts() -> tuple[int, int]:
        with database.begin(read_only=True) as connection:
            strata = get_sample(connection, sample.sample_id).strata
        return sum(s.n_reviewed for s in strata), sum(s.n_missed for s in strata)

    decide(first, SampleOutcome.MISSED, "pii.card-number")
    decide(second, SampleOutcome.NOTHING)
    decide(third, SampleOutcome.UNUSABLE)
    assert counts() == (2, 1)
    decide(first, SampleOutcome.NOTHING)
    decide(first, SampleOutcome.NOTHING)
    assert counts() == (2, 0)
    with pytest.raises(ReviewError, match="somebody else has listened"):
        decide(first, SampleOutcome.NOTHING, reviewer="sam")
    for outcome, rule_id in ((SampleOutcome.MISSED, None), (SampleOutcome.NOTHING, "r")):
        with pytest.raises(ReviewError, match="say which rule"):
            decide(first, outcome, rule_id)
    with pytest.raises(ReviewMissingError, match="not in this sample"):
        decide("RM_000", SampleOutcome.NOTHING)
    with database.begin() as connection:
        assert [each.outcome for each in samples_with(connection, first)] == [SampleOutcome.NOTHING]
        delete_call(connection, first)
        assert len(sampled_calls(connection, sample.sample_id)) == 11
    assert counts() == (2, 0)  # what was learnt stays


def test_recall(database: Database) -> None:
    """Flagged calls by what reviewers say, and the share that is missed among the others."""
    fill(database)
    judge(database, "h1", CONFIRMED, room_sid="RM_000")
    judge(database, "h1", FALSE_ALARM, room_sid="RM_006")
    with database.begin(read_only=True) as connection:
        found = flagged_counts(connection, NOW - DAY, NOW + 10 * DAY)
        assert flagged_counts(connection, NOW + 5 * DAY, NOW + 10 * DAY).n_flagged == 0
    assert found == FlaggedCounts(n_flagged=10, n_reviewed=2, n_confirmed=1)
    share = stratified_share([each.seen() for each in draw(database).strata])
    assert share is None
