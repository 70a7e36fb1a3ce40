from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from storage import recordings
from storage.database import Database
from tests.storage.builders import NOW, recording


def test_save_and_list(database: Database) -> None:
    """Recordings come back as they were given, in order of their beginning."""
    late = recording(object_key="a/late.ogg", started_at=NOW + timedelta(minutes=5))
    mix = recording(
        object_key="b/mix.ogg", identity=None, track_id=None, track_source=None, recorder="egress"
    )
    with database.begin() as connection:
        for each in (late, mix, recording(object_key="c.ogg", room_sid="RM_2")):
            recordings.save_recording(connection, each)
    with database.begin() as connection:
        assert recordings.recordings_of(connection, "RM_1") == (mix, late)
        assert recordings.get_recording(connection, "b/mix.ogg") == mix
        assert recordings.get_recording(connection, "nothing") is None


def test_saving_again(database: Database) -> None:
    """Saving again updates times; what is known is not lost over a manifest that lacks it."""
    better = recording(started_at=NOW + timedelta(seconds=2), sha256=None, call_started_at=None)
    with database.begin() as connection:
        recordings.save_recording(connection, recording())
        recordings.save_recording(connection, better)
        found = recordings.recordings_of(connection, "RM_1")
    assert found == (replace(recording(), started_at=NOW + timedelta(seconds=2)),)
