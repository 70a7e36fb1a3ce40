"""How recordings by Egress stand, and who may ask for them, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from storage import egress_claims, egresses, recordings
from storage.database import Database
from storage.egresses import Egress, EgressStatus
from tests.storage.builders import NOW

KEY = "recordings/2026-03-01/RM_1/TR_1.ogg"
STARTING = Egress(
    egress_id="EG_1", room_sid="RM_1", room_name="support-42", track_id="TR_1",
    status=EgressStatus.STARTING, updated_at=NOW,
)  # fmt: skip
ACTIVE = replace(STARTING, status=EgressStatus.ACTIVE, updated_at=NOW + timedelta(seconds=1))
ENDING = replace(STARTING, status=EgressStatus.ENDING, updated_at=NOW + timedelta(seconds=2))
COMPLETE = replace(
    STARTING, status=EgressStatus.COMPLETE, updated_at=NOW + timedelta(seconds=3),
    object_key=KEY, started_at=NOW, ended_at=NOW + timedelta(seconds=3), duration_s=3.0,
    size_bytes=5_000_000_000,
)  # fmt: skip


def claim(
    database: Database, *, minutes: float = 0.0, identity: str = "ann"
) -> tuple[egress_claims.EgressClaim, bool]:
    """A claim on the track, made some minutes after NOW."""
    with database.begin() as connection:
        return egress_claims.claim_track(
            connection, room_sid="RM_1", track_id="TR_1", room_name="support-42",
            identity=identity, now=NOW + timedelta(minutes=minutes),
        )  # fmt: skip


@pytest.mark.parametrize(
    "order",
    [pytest.param(order, id="-".join(e.status for e in order))
     for order in permutations((STARTING, ACTIVE, ENDING, COMPLETE))],
)  # fmt: skip
def test_order_of_news(database: Database, order: tuple[Egress, ...]) -> None:
    """In whatever order news comes, the end is the same."""
    with database.begin() as connection:
        for told in order:
            egresses.save_egress(connection, told)
        assert egresses.egresses_of(connection, "RM_1") == (COMPLETE,)
        (recording,) = recordings.recordings_of(connection, "RM_1")
    assert (recording.object_key, recording.duration_s, recording.recorder) == (KEY, 3.0, "egress")


def test_what_is_news(database: Database) -> None:
    """A state that is told again is no news, and neither is an earlier one."""
    with database.begin() as connection:
        told = [egresses.save_egress(connection, e) for e in (ACTIVE, ACTIVE, STARTING, COMPLETE)]
    assert told == [True, False, False, True]


def test_lost_is_a_guess(database: Database) -> None:
    """An egress that was given up and speaks after all is believed; another state is not."""
    with database.begin() as connection:
        egresses.save_egress(connection, ACTIVE)
        egresses.note_lost(connection, "EG_1")
        egresses.save_egress(connection, ENDING)
        assert egresses.egresses_of(connection, "RM_1")[0].status is EgressStatus.LOST
        egresses.save_egress(connection, COMPLETE)
        assert egresses.egresses_of(connection, "RM_1") == (COMPLETE,)


def test_problem_stays(database: Database) -> None:
    """What is wrong with a file is not forgotten over news of its egress."""
    with database.begin() as connection:
        egresses.save_egress(connection, COMPLETE)
        egresses.note_problem(connection, "EG_1", "missing")
        egresses.save_egress(connection, COMPLETE)
        assert egresses.egresses_of(connection, "RM_1")[0].problem == "missing"


def test_since_has_what_is_open(database: Database) -> None:
    """An egress that is open is looked at, however long nobody spoke of it."""
    old = replace(ACTIVE, egress_id="EG_2", updated_at=NOW - timedelta(days=9))
    done = replace(COMPLETE, egress_id="EG_3", updated_at=NOW - timedelta(days=9))
    with database.begin() as connection:
        for told in (COMPLETE, old, done):
            egresses.save_egress(connection, told)
        assert egresses.egresses_since(connection, NOW) == (COMPLETE, old)


def test_one_may_ask(database: Database) -> None:
    """A claim is one's own until its lease ends; then another takes it over, and only one."""
    assert claim(database)[1]
    assert not claim(database, minutes=1)[1]
    taken = [claim(database, minutes=4)[1], claim(database, minutes=4)[1]]
    assert taken == [True, False]


def test_settled_claims_stay(database: Database) -> None:
    """What was answered or given up is nobody's to ask for; the recording knows whose it is."""
    claim(database)
    with database.begin() as connection:
        egress_claims.note_attempt(connection, "RM_1", "TR_1")
        egress_claims.give_up_claim(connection, "RM_1", "TR_1", reason="unavailable", now=NOW)
    made, is_ours = claim(database, minutes=60)
    assert (made.is_settled, made.reason, made.attempts, is_ours) == (True, "unavailable", 1, False)
    with database.begin() as connection:
        egress_claims.settle_claim(connection, "RM_1", "TR_1", "EG_1")
        egress_claims.give_up_claim(connection, "RM_1", "TR_1", reason="late", now=NOW)
        egresses.save_egress(connection, COMPLETE)
        (made,) = egress_claims.claims_of(connection, "RM_1")
        (recording,) = recordings.recordings_of(connection, "RM_1")
    assert (made.egress_id, made.gave_up_at, made.reason) == ("EG_1", None, None)
    assert recording.identity == "ann"


def test_many_ask_at_once(database: Database) -> None:
    """Of many observers that see a track in the same moment, one asks."""
    together = threading.Barrier(6)

    def ask() -> bool:
        together.wait()
        return claim(database)[1]

    with ThreadPoolExecutor(6) as threads:
        answers = [future.result() for future in [threads.submit(ask) for _ in range(6)]]
    assert sorted(answers) == [False] * 5 + [True]
