"""Who is at which call."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rules.types import Severity
from storage.assignments import assign, open_by_assignee, unassign
from storage.database import Database, open_database
from storage.errors import ClaimError, ReviewError
from storage.review_claims import (
    claim_call,
    claim_next,
    claim_of,
    claims_of,
    need_claim,
    release_claim,
    renew_claim,
)
from tests.storage.builders import NOW
from tests.storage.reviews import CONFIRMED, add_hits, hit_at, judge, queued

MINUTE = timedelta(minutes=1)


def flag(database: Database, *room_sids: str, severity: Severity = Severity.HIGH) -> None:
    """Put calls into the queue; each waits a minute less than the one before."""
    for n, room_sid in enumerate(room_sids):
        hit = hit_at("h1", 3.0, severity=severity)
        add_hits(database, hit, room_sid=room_sid, at=NOW + n * MINUTE)


def test_a_claim_keeps_others_away_until_its_lease_is_out(database: Database) -> None:
    """One has the call; renewed it lasts, unrenewed it is anybody's."""
    flag(database, "RM_1")
    with database.begin() as connection:
        mine = claim_call(connection, "RM_1", "rita", now=NOW, lease_s=60)
        assert claim_of(connection, "RM_1", now=NOW) == mine
        with pytest.raises(ClaimError, match="somebody else is at it"):
            claim_call(connection, "RM_1", "sam", now=NOW)
        renewed = renew_claim(connection, "RM_1", "rita", now=NOW + MINUTE / 2, lease_s=60)
        assert renewed.lease_until == NOW + 1.5 * MINUTE
        need_claim(connection, "RM_1", "rita", now=NOW + MINUTE)
        with pytest.raises(ClaimError, match="claim it before you judge it"):
            need_claim(connection, "RM_1", "sam", now=NOW)
        later = NOW + 2 * MINUTE
        assert claim_of(connection, "RM_1", now=later) is None
        with pytest.raises(ClaimError, match="your claim is over"):
            renew_claim(connection, "RM_1", "rita", now=later)
        claim_call(connection, "RM_1", "sam", now=later)
        assert [each.room_sid for each in claims_of(connection, "sam", now=later)] == ["RM_1"]
        assert claims_of(connection, "rita", now=later) == ()


def test_releasing(database: Database) -> None:
    """Nobody gives back what somebody else has; to give back what one has not is nothing."""
    flag(database, "RM_1")
    with database.begin() as connection:
        claim_call(connection, "RM_1", "rita", now=NOW)
        with pytest.raises(ClaimError):
            release_claim(connection, "RM_1", "sam", now=NOW)
        assert release_claim(connection, "RM_1", "rita", now=NOW)
        assert not release_claim(connection, "RM_1", "rita", now=NOW)
        claim_call(connection, "RM_1", "sam", now=NOW)


def test_nothing_to_claim(database: Database) -> None:
    """A call that nothing flags cannot be claimed."""
    with database.begin() as connection, pytest.raises(ClaimError, match="nothing is flagged"):
        claim_call(connection, "RM_1", "rita", now=NOW)


def test_what_comes_next(database: Database) -> None:
    """What one had begun, then what one was given, then the worst, then the oldest."""
    flag(database, "RM_low_old", "RM_low_new", severity=Severity.LOW)
    flag(database, "RM_high_old", "RM_high_new")
    flag(database, "RM_given", severity=Severity.INFO)
    flag(database, "RM_others", severity=Severity.CRITICAL)
    with database.begin() as connection:
        assign(connection, ["RM_given"], "rita", assigned_by="lea", now=NOW)
        assign(connection, ["RM_others"], "sam", assigned_by="lea", now=NOW)
        claim_call(connection, "RM_low_new", "rita", now=NOW)
    order = []
    for _ in range(7):
        with database.begin() as connection:
            claim = claim_next(connection, "rita", now=NOW)
        if claim is None:
            break
        order.append(claim.room_sid)
        judge(database, "h1", CONFIRMED, room_sid=claim.room_sid)
    assert order == ["RM_low_new", "RM_given", "RM_high_old", "RM_high_new", "RM_low_old"]


def test_next_but_not_this_one(database: Database) -> None:
    """A call that one is at and leaves for later is not given again at once."""
    flag(database, "RM_1", "RM_2")
    with database.begin() as connection:
        first = claim_next(connection, "rita", now=NOW)
        assert first is not None
        assert first.room_sid == "RM_1"
        second = claim_next(connection, "rita", now=NOW, skip="RM_1")
        assert second is not None
        assert second.room_sid == "RM_2"
        assert claim_next(connection, "sam", now=NOW) is None


def test_one_winner(database: Database, database_url: str) -> None:
    """Of several who want one call at once, one gets it."""
    flag(database, "RM_1")
    start = threading.Barrier(6)

    def want(reviewer: str) -> bool:
        own = open_database(database_url)
        start.wait()
        try:
            with own.begin() as connection:
                claim_call(connection, "RM_1", reviewer, now=NOW)
        except ClaimError:
            return False
        finally:
            own.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(want, [f"r{n}" for n in range(6)]))
    assert won.count(True) == 1
    call = queued(database)
    assert call is not None
    assert call.claimed_by == f"r{won.index(True)}"


def test_everybody_gets_another_call(database: Database, database_url: str) -> None:
    """Reviewers who ask for the next call at once get different ones, until none is left."""
    flag(database, *(f"RM_{n:02}" for n in range(20)))
    start = threading.Barrier(5)

    def work(reviewer: str) -> list[str]:
        own = open_database(database_url)
        start.wait()
        got = []
        try:
            while True:
                with own.begin() as connection:
                    skip = got[-1] if got else None
                    claim = claim_next(connection, f"{reviewer}-{len(got)}", now=NOW, skip=skip)
                if claim is None:
                    return got
                got.append(claim.room_sid)
        finally:
            own.close()

    with ThreadPoolExecutor(5) as pool:
        got = [sid for each in pool.map(work, [f"r{n}" for n in range(5)]) for sid in each]
    assert Counter(got) == Counter({f"RM_{n:02}": 1 for n in range(20)})


def test_assigning(database: Database) -> None:
    """Calls are given to somebody, to somebody else instead, and taken back."""
    flag(database, "RM_1", "RM_2", "RM_3")
    with database.begin() as connection:
        given = assign(connection, ["RM_2", "RM_1", "RM_x"], "rita", assigned_by="lea", now=NOW)
        assert given == ("RM_1", "RM_2")
        assign(connection, ["RM_2"], "sam", assigned_by="lea", now=NOW)
        assert open_by_assignee(connection) == {"rita": 1, "sam": 1}
        assert unassign(connection, ["RM_1", "RM_3"]) == ("RM_1",)
        assert open_by_assignee(connection) == {"sam": 1}
        with pytest.raises(ReviewError, match="to whom"):
            assign(connection, ["RM_1"], "", assigned_by="lea", now=NOW)
        with pytest.raises(ReviewError, match="at most 500"):
            assign(connection, [str(n) for n in range(501)], "sam", assigned_by="lea", now=NOW)
