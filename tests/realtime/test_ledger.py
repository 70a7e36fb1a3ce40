"""What the live side must not lose is written in order, and nobody waits for the database."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from rules.types import HitState, Role
from storage import calls, gaps, hits, outbox
from storage.database import open_database
from tests.realtime.builders import alert, hit, ledger_of


async def test_rows_of_a_call(tmp_path: Path) -> None:
    """A call, its people, its gaps and its hits with their deliveries are all there at the end."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    ledger = ledger_of(database)
    ledger.start()
    ledger.joined(1.5)
    ledger.participant(identity="ann", role=Role.AGENT, kind="STANDARD", joined_s=0.5)
    ledger.gap(identity="ann", kind="deaf_track", start_s=3.0, end_s=9.0)
    await ledger.publish(alert(hit(id="a")))
    ledger.participant_left("ann", 60.0)
    ledger.ended(61.0)
    await ledger.close()
    with database.begin() as connection:
        call = calls.get_call(connection, "RM_1")
        (person,) = calls.participants_of(connection, "RM_1")
        (gap,) = gaps.gaps_of(connection, "RM_1")
        (stored,) = hits.hits_of(connection, "RM_1")
        (delivery,) = outbox.due(connection, now=alert().raised_at.replace(year=2030), limit=5)
    database.close()
    assert call is not None
    assert call.ended_at is not None
    assert (person.identity, person.role, person.left_s) == ("ann", Role.AGENT, 60.0)
    assert (gap.kind, gap.start_s, gap.end_s) == (gaps.GapKind.DEAF_TRACK, 3.0, 9.0)
    assert stored == hit(id="a")
    assert delivery.hit_id == "a"


@pytest.mark.slow
async def test_a_locked_database_holds_up_nobody(tmp_path: Path) -> None:
    """While somebody else holds the database, alerts are taken at once and written later."""
    path = tmp_path / "earmark.db"
    database = open_database(f"sqlite:///{path}")
    ledger = ledger_of(database)
    ledger.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ledger.joined(0.5)
    for number in range(50):
        await ledger.publish(alert(hit(id=str(number))))
    with database.begin(read_only=True) as connection:
        assert hits.hits_of(connection, "RM_1") == ()
    other.execute("ROLLBACK")
    other.close()
    await ledger.close()
    with database.begin() as connection:
        assert {h.id for h in hits.hits_of(connection, "RM_1")} == {str(n) for n in range(50)}
    database.close()


async def test_three_states_of_a_hit(tmp_path: Path) -> None:
    """A provisional hit is delivered at once, its confirmation to nobody, its retraction again."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    ledger = ledger_of(database)
    ledger.start()
    for id, state in (("a", HitState.CONFIRMED), ("b", HitState.RETRACTED)):
        guess = alert(replace(hit(id=id), state=HitState.PROVISIONAL))
        await ledger.publish(guess)
        settled = replace(guess.hit, state=state, score=0.5)
        await ledger.publish(replace(guess, hit=settled, is_update=True))
    await ledger.close()
    with database.begin() as connection:
        stored = {h.id: (h.state, h.score) for h in hits.hits_of(connection, "RM_1")}
        due = outbox.due(connection, now=alert().raised_at.replace(year=2030), limit=9)
    database.close()
    assert stored == {"a": (HitState.CONFIRMED, 0.5), "b": (HitState.RETRACTED, 0.5)}
    assert sorted((d.hit_id, d.payload["state"]) for d in due) == [
        ("a", "provisional"),
        ("b", "provisional"),
        ("b", "retracted"),
    ]
    assert len({d.id for d in due}) == len(due)
