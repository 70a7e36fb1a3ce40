from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import ManifestError, ObjectKeyError
from storage.manifest import (
    Recording,
    manifest_key,
    parse_manifest,
    recording_key,
    write_manifest,
)
from tests.storage.builders import recording

KEY = "recordings/2026-03-01/RM_1/EG_1.json"
# As Egress writes it for one audio track: livekit/egress, pkg/config/manifest.go.
EGRESS = {
    "egress_id": "EG_1",
    "room_id": "RM_1",
    "room_name": "support-42",
    "started_at": 1772366400250000999,
    "ended_at": 1772366460250000000,
    "publisher_identity": "caller",
    "track_id": "TR_1",
    "track_kind": "AUDIO",
    "track_source": "MICROPHONE",
    "files": [
        {
            "filename": "recordings/2026-03-01/RM_1/TR_1.ogg",
            "location": "https://bucket.s3.amazonaws.com/recordings/2026-03-01/RM_1/TR_1.ogg",
            "presigned_url": "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1",
        }
    ],
}


def parse(record: Any, key: str = KEY) -> Recording:
    return parse_manifest(json.dumps(record).encode(), manifest_key=key)


def test_egress_track() -> None:
    """Egress's manifest of a track becomes a recording; what only the file knows is None."""
    assert parse(EGRESS) == Recording(
        object_key="recordings/2026-03-01/RM_1/TR_1.ogg",
        sha256=None,
        egress_id="EG_1",
        room_sid="RM_1",
        room_name="support-42",
        identity="caller",
        track_id="TR_1",
        track_source="microphone",
        started_at=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
        ended_at=datetime(2026, 3, 1, 12, 1, 0, 250_000, tzinfo=UTC),
        duration_s=60.0,
        call_started_at=None,
        recorder="egress",
    )


def test_egress_mix() -> None:
    """A mix of the room has no identity and no track."""
    mix = {
        name: value
        for name, value in EGRESS.items()
        if name not in {"publisher_identity", "track_id", "track_kind", "track_source"}
    }
    read = parse(mix)
    assert (read.identity, read.track_id, read.track_source) == (None, None, None)


def test_keys_of_a_later_egress() -> None:
    """Keys that we do not know are left alone, at every level."""
    assert parse(EGRESS | {"new_key": {"a": [1]}}) == parse(EGRESS)


@pytest.mark.parametrize(
    ("key", "filename", "expected"),
    [
        pytest.param("a/b/EG.json", "prefix/a/b/x.ogg", "a/b/x.ogg", id="prefix-of-the-bucket"),
        pytest.param("EG.json", "/out/x.ogg", "x.ogg", id="absolute-path-of-egress"),
        pytest.param("a/EG.json", "../../etc/passwd", "a/passwd", id="stays-in-its-folder"),
    ],
)
def test_file_lies_beside_its_manifest(key: str, filename: str, expected: str) -> None:
    """The recording is looked for beside its manifest, whatever path the recorder had."""
    assert parse(EGRESS | {"files": [{"filename": filename}]}, key).object_key == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"files": []}, "lists 0 files", id="no-file"),
        pytest.param({"files": EGRESS["files"] * 2}, "lists 2 files", id="two-files"),  # type: ignore[operator]
        pytest.param({"files": [{"location": "x"}]}, "files.0.filename", id="no-filename"),
        pytest.param({"files": [{"filename": ".."}]}, "files.0.filename", id="climbing"),
        pytest.param({"files": [{"filename": "a/"}]}, "files.0.filename", id="folder"),
        pytest.param({"room_id": ""}, "room_id", id="no-room"),
        pytest.param({"egress_id": None}, "egress_id", id="null-id"),
        pytest.param({"started_at": 0}, "started_at", id="no-start"),
        pytest.param({"ended_at": 0}, "ended_at", id="never-ended"),
        pytest.param({"started_at": -1}, "started_at", id="before-1970"),
        pytest.param({"ended_at": 2**70}, "ended_at", id="beyond-all-time"),
        pytest.param({"started_at": "soon"}, "started_at", id="no-number"),
        pytest.param({"publisher_identity": "a\0b"}, "publisher_identity", id="nul"),
        pytest.param({"publisher_identity": "x" * 2000}, "publisher_identity", id="too-long"),
        pytest.param({"earmark": {"sha256": "x"}}, "earmark", id="half-of-ours"),
    ],
)
def test_bad_manifest(changes: dict[str, object], said: str) -> None:
    """A manifest that cannot be used is named, with its field, and its values are not shown."""
    with pytest.raises(ManifestError, match=said) as caught:
        parse(EGRESS | changes)
    message = str(caught.value)
    assert message.startswith(f"manifest {KEY}: ")
    assert "caller" not in message
    assert "support-42" not in message


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 100_000, b" " * (1 << 20) + b"{}"],
    ids=["empty", "cut", "list", "null", "no-text", "deep", "large"],
)
def test_not_a_manifest(data: bytes) -> None:
    """Bytes that are no manifest are refused, whatever they are."""
    with pytest.raises(ManifestError, match=r"manifest x\.json: "):
        parse_manifest(data, manifest_key="x.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file_started_at": "2026-03-01T12:00:00"}, "no time zone"),
        ({"call_started_at": "2026-03-01T12:00:00"}, "no time zone"),
        ({"file_started_at": "0001-01-01T00:00:00+14:00"}, "out of range"),
        ({"duration_s": -1}, "duration_s"),
        ({"typo": 1}, "earmark.typo"),
    ],
)
def test_bad_part_of_ours(changes: dict[str, object], said: str) -> None:
    """Our own part is read strictly."""
    record = json.loads(write_manifest(recording()))
    record["earmark"].update(changes)
    with pytest.raises(ManifestError, match=said):
        parse(record)


def test_our_manifest_has_egress_keys() -> None:
    """Tools that read Egress's manifests can read ours."""
    record = json.loads(write_manifest(recording()))
    assert set(record) - {"earmark"} == set(EGRESS)
    assert set(record["files"][0]) == {"filename", "location"}
    assert record["earmark"]["sha256"] == "ab" * 32


moments = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(
    started_at=moments,
    length_us=st.integers(0, 10**11),
    call_started_at=st.none() | moments,
    sha256=st.none() | st.just("0f" * 32),
    identity=st.none() | words.filter(bool),
    room_name=words,
)
def test_round_trip(
    started_at: datetime,
    length_us: int,
    call_started_at: datetime | None,
    sha256: str | None,
    identity: str | None,
    room_name: str,
) -> None:
    """What is written is read back, to the microsecond."""
    written = recording(
        started_at=started_at,
        ended_at=started_at + timedelta(microseconds=length_us),
        duration_s=length_us / 1e6,
        call_started_at=call_started_at,
        sha256=sha256,
        identity=identity,
        room_name=room_name,
    )
    read = parse_manifest(write_manifest(written), manifest_key=manifest_key(written.object_key))
    assert read == written
    assert read.started_at.tzinfo is UTC


def test_keys() -> None:
    """Audio and manifest lie side by side, under day, room and track."""
    key = recording_key(date(2026, 3, 1), "RM_1", "TR_1")
    assert key == "recordings/2026-03-01/RM_1/TR_1.ogg"
    assert manifest_key(key) == "recordings/2026-03-01/RM_1/TR_1.json"


@pytest.mark.parametrize("bad", ["", "../x", "a/b", ".", "+1 555", "x" * 300, "a\0"])
def test_keys_of_bad_ids(bad: str) -> None:
    """Only ids become parts of keys."""
    with pytest.raises(ObjectKeyError):
        recording_key(date(2026, 3, 1), bad, "TR_1")
    with pytest.raises(ObjectKeyError):
        recording_key(date(2026, 3, 1), "RM_1", bad)


def test_repr_hides_people() -> None:
    """A recording in a log shows neither identity nor room name."""
    shown = repr(replace(recording(), identity="+15550100", room_name="Ann's room"))
    assert "5550100" not in shown
    assert "Ann" not in shown
