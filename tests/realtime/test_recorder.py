"""Recordings reach the object store with their manifest, whatever happens to the recorder."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from realtime.recorder import TrackInfo, TrackRecorder, put_away, put_away_orphans
from speech.audio import SAMPLE_RATE_HZ, decode
from storage.errors import StorageError
from storage.manifest import Recording, manifest_key, parse_manifest
from storage.objects import ObjectStore, open_objects

CALL_STARTED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def track(track_id: str = "TR_1") -> TrackInfo:
    """A track that began two and a half seconds into its call."""
    return TrackInfo(
        room_sid="RM_1",
        room_name="a room",
        identity="+15550100",
        track_id=track_id,
        track_source="SOURCE_MICROPHONE",
        call_started_at=CALL_STARTED_AT,
        started_at=CALL_STARTED_AT + timedelta(seconds=2.5),
    )


def tone(duration_s: float) -> np.ndarray:
    """A tone of 440 Hz."""
    n = np.arange(int(duration_s * SAMPLE_RATE_HZ), dtype=np.float32)
    return (0.3 * np.sin(2 * np.pi * 440 * n / SAMPLE_RATE_HZ)).astype(np.float32)


def record(spool_dir: Path, info: TrackInfo, duration_s: float) -> TrackRecorder:
    """A finished recording of a tone, written in chunks as the observer writes it."""
    recorder = TrackRecorder(spool_dir, info)
    samples = tone(duration_s)
    for start in range(0, len(samples), 1024):
        recorder.write(samples[start : start + 1024])
    recorder.finish()
    return recorder


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """A folder as object store."""
    return open_objects(str(tmp_path / "objects"))


def test_recording_and_manifest(tmp_path: Path, objects: ObjectStore) -> None:
    """Audio and manifest lie beside each other, say the same, and the spool is empty."""
    stored: list[Recording] = []
    put_away(record(tmp_path / "spool", track(), 3.2), objects, stored.append)
    (recording,) = stored
    manifest = parse_manifest(
        objects.get_bytes(manifest_key(recording.object_key)),
        manifest_key=manifest_key(recording.object_key),
    )
    assert manifest == recording
    assert recording.started_at == CALL_STARTED_AT + timedelta(seconds=2.5)
    assert recording.duration_s == pytest.approx(3.2, abs=0.001)
    assert "15550100" not in recording.object_key
    objects.fetch(recording.object_key, tmp_path / "back.ogg")
    samples = decode(tmp_path / "back.ogg").samples[0]
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(3.2, abs=0.06)
    assert list((tmp_path / "spool").rglob("*")) == []


def test_nothing_said_nothing_stored(tmp_path: Path, objects: ObjectStore) -> None:
    """A track without a sample leaves no recording."""
    stored: list[Recording] = []
    put_away(record(tmp_path / "spool", track(), 0), objects, stored.append)
    assert stored == []
    assert list(objects.list()) == []


def test_a_live_recorder_keeps_its_files(tmp_path: Path, objects: ObjectStore) -> None:
    """Who collects orphans leaves alone what is still being written."""
    recorder = TrackRecorder(tmp_path / "spool", track())
    recorder.write(tone(1))
    assert put_away_orphans(tmp_path / "spool", objects, lambda _: None) == 0
    assert recorder.audio_path.exists()
    recorder.finish()
    recorder.release()


def test_a_failed_store_keeps_the_recording(tmp_path: Path, objects: ObjectStore) -> None:
    """What the store refuses stays in the spool and is put away later."""
    recorder = record(tmp_path / "spool", track(), 1)

    class Refusing:
        def put_file(self, key: str, path: Path, *, content_type: str) -> None:
            raise StorageError("the store is away")

    with pytest.raises(StorageError):
        put_away(recorder, Refusing(), lambda _: None)  # type: ignore[arg-type]
    stored: list[Recording] = []
    assert put_away_orphans(tmp_path / "spool", objects, stored.append) == 1
    assert stored[0].duration_s == pytest.approx(1, abs=0.06)
    assert stored[0].identity == "+15550100"


def test_a_killed_recorder_loses_little(tmp_path: Path, objects: ObjectStore) -> None:
    """After SIGKILL, all but about the last second of the recording is put away."""
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from tests.realtime.test_recorder import tone, track
        from realtime.recorder import TrackRecorder
        recorder = TrackRecorder(Path(sys.argv[1]), track())
        samples = tone(6)
        for start in range(0, len(samples), 1024):
            recorder.write(samples[start : start + 1024])
        print("written", flush=True)
        time.sleep(60)
        """
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "spool"), str(root)],
        stdout=subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    stored: list[Recording] = []
    assert put_away_orphans(tmp_path / "spool", objects, stored.append) == 1
    assert 4.5 <= stored[0].duration_s <= 6.1
