from __future__ import annotations

from datetime import timedelta

import pytest

from rules.types import Hit, HitState, Severity, Span
from storage import hits
from storage.database import Database
from storage.tables import HITS
from tests.storage.builders import NOW, hit

PROVISIONAL = hit(state=HitState.PROVISIONAL, score=0.5, at_s=6.0)
CONFIRMED = hit(state=HitState.CONFIRMED)
RETRACTED = hit(state=HitState.RETRACTED)


def save(database: Database, each: Hit, room_sid: str = "RM_1") -> bool:
    with database.begin() as connection:
        return hits.save_hit(connection, room_sid, each, recorded_at=NOW)


def saved(database: Database, room_sid: str = "RM_1") -> tuple[Hit, ...]:
    with database.begin() as connection:
        return hits.hits_of(connection, room_sid)


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(hit(), id="spoken"),
        pytest.param(hit(speaker=None, parts=(), severity=Severity.LOW), id="missing-notice"),
        pytest.param(hit(excerpt="é 中 \U0001f600 'quoted'"), id="any-letters"),
        pytest.param(hit(span=Span(0.1, 0.30000000000000004), score=1 / 3), id="any-number"),
    ],
)
def test_round_trip(database: Database, each: Hit) -> None:
    """A hit comes back as it was given."""
    assert save(database, each)
    assert saved(database) == (each,)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(CONFIRMED, CONFIRMED, CONFIRMED, id="again"),
        pytest.param(PROVISIONAL, CONFIRMED, CONFIRMED, id="confirmed"),
        pytest.param(PROVISIONAL, RETRACTED, RETRACTED, id="retracted"),
        pytest.param(CONFIRMED, RETRACTED, RETRACTED, id="retracted-later"),
        pytest.param(CONFIRMED, PROVISIONAL, CONFIRMED, id="late-provisional"),
        pytest.param(RETRACTED, PROVISIONAL, RETRACTED, id="late-after-retraction"),
    ],
)
def test_saving_again(database: Database, first: Hit, second: Hit, kept: Hit) -> None:
    """A hit is new once; what is settled is not unsettled by what comes late."""
    assert save(database, first)
    assert not save(database, second)
    assert saved(database) == (kept,)


def test_first_recording_time_stays(database: Database) -> None:
    """An update does not change when a hit was first written."""
    save(database, PROVISIONAL)
    with database.begin() as connection:
        hits.save_hit(connection, "RM_1", CONFIRMED, recorded_at=NOW + timedelta(hours=1))
        assert connection.execute(HITS.select()).mappings().one()["recorded_at"] == NOW


def test_rooms_and_order(database: Database) -> None:
    """The same id may occur in two calls; a call's hits are in order of time."""
    late, early = hit(id="a", span=Span(9.0, 10.0)), hit(id="b", span=Span(1.0, 2.0))
    save(database, late)
    save(database, early)
    assert save(database, late, "RM_2")
    assert saved(database) == (early, late)
    assert saved(database, "RM_2") == (late,)
