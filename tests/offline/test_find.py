"""Finding what is to be audited."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from offline.errors import NothingToAuditError, SpeakerNamesError
from offline.files import find_files
from offline.find import Calls, Finder
from speech.errors import AudioError
from storage.calls import Call, note_call
from storage.database import Database, open_database
from storage.egress_claims import claim_track
from storage.egresses import Egress, EgressStatus, save_egress
from storage.objects import ObjectStore
from tests.offline.builders import DAY, STARTED_AT, demo_sound, store_call, write_wav


def test_files_become_one_call(tmp_path: Path, sound: bytes) -> None:
    """Files are one call named by their content; each channel is a speaker."""
    mono = tmp_path / "agent.wav"
    mono.write_bytes(sound)
    piece = demo_sound("customer")[:16_000]
    stereo = write_wav(tmp_path / "both.wav", piece, piece)
    os.utime(mono, (STARTED_AT.timestamp(), STARTED_AT.timestamp()))
    call = find_files([mono, stereo])
    assert [(s.id, s.name, s.speakers) for s in call.sources] == [
        ("F1", "agent.wav", ("agent",)),
        ("F2", "both.wav", ("both#1", "both#2")),
    ]
    assert (call.day, call.live, call.source) == (DAY, None, "files")
    renamed = mono.rename(tmp_path / "renamed.wav")
    assert find_files([stereo, renamed]).room_sid == call.room_sid
    assert find_files([stereo]).room_sid != call.room_sid


def test_files_that_cannot_be_audited(tmp_path: Path, sound: bytes) -> None:
    """A missing file, one that is no audio, and names that don't fit are refused by name."""
    text = tmp_path / "notes.txt"
    text.write_text("not audio")
    good = tmp_path / "agent.wav"
    good.write_bytes(sound)
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        find_files([tmp_path / "gone.wav"])
    with pytest.raises(AudioError, match=r"notes\.txt"):
        find_files([good, text])
    with pytest.raises(SpeakerNamesError, match="given 2 times for 1"):
        find_files([good], ["a", "b"])


@pytest.fixture
def three_calls(database: Database, objects: ObjectStore) -> Finder:
    """Two calls of one day and one of the day before, a minute before midnight."""
    for sid, started_at in (
        ("RM_old", STARTED_AT.replace(hour=23, minute=59) - timedelta(days=1)),
        ("RM_1", STARTED_AT),
        ("RM_2", STARTED_AT + timedelta(hours=2)),
    ):
        store_call(database, objects, {"agent": b"x"}, room_sid=sid, started_at=started_at)
    return Finder(database, objects)


def sids(found: Calls) -> list[str]:
    return [call.room_sid for call in found.calls]


def test_calls_are_found_by_day_time_and_name(three_calls: Finder) -> None:
    """Days are those of UTC and of the call's beginning; a name is a session id or a room."""
    assert sids(three_calls.by_day(DAY)) == ["RM_1", "RM_2"]
    assert sids(three_calls.by_day(DAY - timedelta(days=1))) == ["RM_old"]
    assert sids(three_calls.since(STARTED_AT + timedelta(hours=1))) == ["RM_2"]
    assert sids(three_calls.by_name("RM_2")) == ["RM_2"]
    assert sids(three_calls.by_name("room of RM_old")) == ["RM_old"]


def test_what_is_not_there_is_said(three_calls: Finder) -> None:
    """A day or a name without calls is bad input, not an empty success."""
    with pytest.raises(NothingToAuditError, match="no call and no recording of 2020-01-01"):
        three_calls.by_day(DAY.replace(year=2020, month=1))
    with pytest.raises(NothingToAuditError, match="'nope'"):
        three_calls.by_name("nope")


def test_recordings_are_found_without_a_database(
    database: Database, objects: ObjectStore, tmp_path: Path
) -> None:
    """Manifests alone are enough: recordings turn up of calls that nobody observed."""
    store_call(database, objects, {"agent": b"x"})
    empty = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    (call,) = Finder(empty, objects).by_day(DAY).calls
    empty.close()
    assert (call.room_sid, call.started_at, call.live) == ("RM_1", STARTED_AT, None)
    assert [source.speakers for source in call.sources] == [("agent",)]


def test_an_unreadable_manifest_is_a_recording_that_cannot_be_used(
    database: Database, objects: ObjectStore
) -> None:
    """Where the path says whose it is, the call gets it; elsewhere it is listed by itself."""
    bad = b"{}"
    for key in ("recordings/2026-03-01/RM_9/TR_9.json", "recordings/loose.json"):
        objects.put_bytes(key, bad, content_type="application/json")
    found = Finder(database, objects).by_day(DAY)
    assert [(c.room_sid, [s.problem for s in c.sources]) for c in found.calls] == [
        ("RM_9", ["manifest_unreadable"])
    ]
    assert found.unreadable == ("recordings/loose.json",)


def test_recordings_by_egress(database: Database, objects: ObjectStore) -> None:
    """The webhook's row has the file's own time, the manifest says whose it is."""
    key = "recordings/2026-03-01/RM_1/TR_1.ogg"
    began_at = STARTED_AT + timedelta(seconds=2)
    told = Egress(
        egress_id="EG_1", room_sid="RM_1", room_name="ward", track_id="TR_1",
        status=EgressStatus.COMPLETE, updated_at=began_at, object_key=key, started_at=began_at,
        ended_at=began_at + timedelta(seconds=5), duration_s=5.0, size_bytes=4,
    )  # fmt: skip
    manifest = {
        "egress_id": "EG_1", "room_id": "RM_1", "room_name": "ward", "track_id": "TR_1",
        "publisher_identity": "carl", "track_source": "microphone",
        "started_at": int(STARTED_AT.timestamp()) * 10**9,
        "ended_at": int(STARTED_AT.timestamp() + 9) * 10**9,
        "files": [{"filename": key}],
    }  # fmt: skip
    objects.put_bytes(key, b"1234", content_type="audio/ogg")
    objects.put_bytes(
        "recordings/2026-03-01/RM_1/EG_1.json", json.dumps(manifest).encode(), content_type="a/b"
    )
    with database.begin() as connection:
        note_call(
            connection,
            Call(room_sid="RM_1", room_name="ward", source="livekit", created_at=STARTED_AT),
        )
        save_egress(connection, told)
    (call,) = Finder(database, objects).by_name("RM_1").calls
    (source,) = call.sources
    assert (source.speakers, source.duration_s, source.clock.offset_s) == (("carl",), 5.0, 2.0)
    assert call.egresses == (told,)
    objects.put_bytes(key, b"123", content_type="audio/ogg")
    (call,) = Finder(database, objects).by_name("RM_1").calls
    assert call.egresses == (replace(told, problem="size_differs"),)


def test_call_of_which_there_is_only_a_claim(database: Database, objects: ObjectStore) -> None:
    """A call whose every recording failed is found, and is not clean."""
    with database.begin() as connection:
        claim_track(
            connection, room_sid="RM_7", track_id="TR_1", room_name="ward", identity="carl",
            now=STARTED_AT,
        )  # fmt: skip
    (call,) = Finder(database, objects).by_name("RM_7").calls
    assert [claim.identity for claim in call.claims] == ["carl"]
