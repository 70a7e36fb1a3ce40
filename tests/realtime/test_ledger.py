"""What the live side must not lose is written in order, and nobody waits for the database."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from realtime.alerts import ALERT, UPDATE
from rules.types import HitState, Role, Span
from storage import calls, departures, gaps, hits, speech
from storage.database import open_database
from storage.deliveries import Delivery
from storage.tables import OUTBOX
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
    ledger.spoke("ann", Span(10.0, 12.5))
    ledger.participant_left("ann", 60.0)
    ledger.ended(61.0)
    await ledger.close()
    with database.begin() as connection:
        assert speech.speech_of(connection, "RM_1") == (("ann", Span(10.0, 12.5)),)
        call = calls.get_call(connection, "RM_1")
        (person,) = calls.participants_of(connection, "RM_1")
        (gap,) = gaps.gaps_of(connection, "RM_1")
        (stored,) = hits.hits_of(connection, "RM_1")
        (delivery,) = departures.due(connection, now=alert().raised_at.replace(year=2030), limit=5)
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


@pytest.mark.parametrize("has_left", [True, False])
async def test_three_states_of_a_hit(tmp_path: Path, has_left: bool) -> None:
    """A provisional hit is told at once and not again when confirmed; told ones are taken back."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    settled = (("a", HitState.CONFIRMED), ("b", HitState.RETRACTED))
    guesses = {id: alert(replace(hit(id=id), state=HitState.PROVISIONAL)) for id, _ in settled}
    told: list[Delivery] = []

    def take() -> None:
        with database.begin() as connection:
            due = departures.due(connection, now=alert().raised_at.replace(year=2030), limit=9)
            for delivery in due:
                departures.mark_delivered(connection, delivery.id, now=alert().raised_at)
        told.extend(due)

    first, second = ledger_of(database), ledger_of(database)
    first.start()
    for guess in guesses.values():
        await first.publish(guess)
    await first.close()
    if has_left:
        take()
    second.start()
    for id, state in settled:
        known = replace(guesses[id].hit, state=state, score=0.5)
        await second.publish(replace(guesses[id], hit=known, is_update=True))
    await second.close()
    take()
    with database.begin() as connection:
        stored = {h.id: (h.state, h.score) for h in hits.hits_of(connection, "RM_1")}
    database.close()
    assert stored == {"a": (HitState.CONFIRMED, 0.5), "b": (HitState.RETRACTED, 0.5)}
    seen = sorted((d.hit_id, str(d.payload["type"]), str(d.payload["state"])) for d in told)
    assert seen == (
        [("a", ALERT, "provisional"), ("b", ALERT, "provisional"), ("b", UPDATE, "retracted")]
        if has_left
        else [("a", ALERT, "confirmed")]
    )
    assert len({d.id for d in told}) == len(told)


async def test_a_hit_of_a_rule_on_trial(tmp_path: Path) -> None:
    """It is stored with its mark, apart from the hits that were alerts, and told to nobody."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    ledger = ledger_of(database)
    ledger.start()
    await ledger.publish(replace(alert(hit(id="a")), shadow=True))
    await ledger.close()
    with database.begin() as connection:
        assert hits.hits_of(connection, "RM_1") == ()
        assert hits.hits_of(connection, "RM_1", shadow=True) == (hit(id="a"),)
        assert connection.execute(OUTBOX.select()).all() == []
    database.close()
