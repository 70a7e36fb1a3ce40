"""The built-in recorder: Ogg Opus per track into a spool folder, then into the object store.

While a call lasts, each track has two files in the spool: the audio, and a note of what it is. Both
survive the death of the process; `put_away_orphans` finishes what a dead recorder left behind. A
live recorder holds a lock on its note, so that nobody takes its files away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecorderError
from speech.audio import SAMPLE_RATE_HZ
from storage.errors import StorageError
from storage.manifest import Recording, manifest_key, recording_key, write_manifest
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

# Speech at 16 kHz is transparent to a recogniser from about here; see RFC 6716, section 2.1.1.
_BIT_RATE_BPS = 28_000
# An Ogg page holds at most so much audio: what a killed process may lose of a recording.
_PAGE_US = 1_000_000
# FFmpeg keeps 32 KiB back otherwise, which is nine seconds of speech.
_OGG_OPTIONS = {"page_duration": str(_PAGE_US), "flush_packets": "1"}

OnStored = Callable[[Recording], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackInfo:
    """What a recording is of; written beside the audio before the first sample."""

    room_sid: str
    room_name: str = field(repr=False)
    identity: str = field(repr=False)
    track_id: str
    track_source: str
    call_started_at: datetime
    started_at: datetime  # of the first sample


class TrackRecorder:
    """Writes one track's samples while they come in.

    Args:
        spool_dir: Folder of unfinished recordings, made where it is missing.
        info: What is recorded.

    Raises:
        RecorderError: the files cannot be made.
    """

    def __init__(self, spool_dir: Path, info: TrackInfo) -> None:
        self.info = info
        self.failed = False
        folder = spool_dir / info.room_sid
        self.audio_path = folder / f"{info.track_id}.ogg"
        self.note_path = folder / f"{info.track_id}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._note = self.note_path.open("x", encoding="utf-8")
            fcntl.flock(self._note, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._note.write(_note_text(info))
            self._note.flush()
            self._container = av.open(str(self.audio_path), "w", format="ogg", options=_OGG_OPTIONS)
            self._stream: Any = self._container.add_stream("libopus", rate=SAMPLE_RATE_HZ)
            self._stream.bit_rate = _BIT_RATE_BPS
            self._stream.layout = "mono"
        except (OSError, av.FFmpegError) as exc:
            reason = getattr(exc, "strerror", None) or "no encoder"
            raise RecorderError(f"{folder}: a recording cannot start: {reason}") from None
        self._n_samples = 0

    @property
    def duration_s(self) -> float:
        """Length of what was written."""
        return self._n_samples / SAMPLE_RATE_HZ

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append samples, shape (n_samples,), 16 kHz.

        A full disk ends the recording and not the call: `failed` says so, and the audit finds the
        recording short or missing.
        """
        if self.failed:
            return
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)[np.newaxis, :]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._n_samples
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError):
            self.failed = True
            log.error("a recording stopped: it could not be written", extra=self._ids())
            return
        self._n_samples += len(samples)

    def finish(self) -> None:
        """Write what the encoder still holds and close the audio; the note stays locked."""
        try:
            if not self.failed:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except (OSError, av.FFmpegError):
            self.failed = True
            log.error("a recording could not be finished", extra=self._ids())

    def release(self) -> None:
        """Give up the lock, so that whoever puts recordings away may take the files."""
        self._note.close()

    def _ids(self) -> dict[str, str]:
        return {"room_sid": self.info.room_sid, "track_id": self.info.track_id}


def put_away(recorder: TrackRecorder, objects: ObjectStore, on_stored: OnStored) -> None:
    """Move a finished recording from the spool into the object store.

    Args:
        recorder: Finished, its note still locked.
        objects: Where recordings live.
        on_stored: Told of the recording once audio and manifest are there.

    Raises:
        StorageError: the store failed; the files stay in the spool for a later try.
    """
    try:
        if recorder.duration_s > 0:
            _store(recorder.info, recorder.audio_path, recorder.duration_s, objects, on_stored)
        _remove(recorder.audio_path, recorder.note_path)
    finally:
        recorder.release()


def put_away_orphans(spool_dir: Path, objects: ObjectStore, on_stored: OnStored) -> int:
    """Put away what earlier recorders left in the spool.

    Recordings of a killed process end with their last whole Ogg page.

    Returns:
        How many recordings were put away. Those that the store refused stay for the next time.
    """
    n_stored = 0
    for note_path in sorted(spool_dir.glob("*/*.json")):
        with _locked(note_path) as note:
            if note is None:
                continue
            info = _read_note(note)
            audio_path = note_path.with_suffix(".ogg")
            if info is None or not audio_path.exists():
                log.warning("a spool entry is not a recording", extra={"track_id": note_path.stem})
                continue
            try:
                duration_s = _decoded_duration_s(audio_path)
                if duration_s > 0:
                    _store(info, audio_path, duration_s, objects, on_stored)
                    n_stored += 1
                _remove(audio_path, note_path)
            except StorageError:
                log.error(
                    "an orphaned recording waits for the store", extra={"room_sid": info.room_sid}
                )
    return n_stored


class _locked:
    """Opens a note under its lock; gives None where a live recorder holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> IO[str] | None:
        try:
            self._file = self._path.open(encoding="utf-8")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return None
        return self._file

    def __exit__(self, *exc_info: object) -> None:
        if self._file is not None:
            self._file.close()


def _store(
    info: TrackInfo,
    audio_path: Path,
    duration_s: float,
    objects: ObjectStore,
    on_stored: OnStored,
) -> None:
    day = info.call_started_at.date()
    recording = Recording(
        object_key=recording_key(day, info.room_sid, info.track_id),
        sha256=_sha256(audio_path),
        egress_id=f"ER_{info.track_id}",
        room_sid=info.room_sid,
        room_name=info.room_name,
        identity=info.identity,
        track_id=info.track_id,
        track_source=info.track_source,
        started_at=info.started_at,
        ended_at=info.started_at + timedelta(seconds=duration_s),
        duration_s=duration_s,
        call_started_at=info.call_started_at,
        recorder="earmark",
    )
    # The manifest last: whoever finds a manifest finds the audio too.
    objects.put_file(recording.object_key, audio_path, content_type="audio/ogg")
    objects.put_bytes(
        manifest_key(recording.object_key),
        write_manifest(recording),
        content_type="application/json",
    )
    on_stored(recording)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        if not any(_entries(folder)):
            folder.rmdir()


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir()


def _note_text(info: TrackInfo) -> str:
    return json.dumps(
        {
            "room_sid": info.room_sid,
            "room_name": info.room_name,
            "identity": info.identity,
            "track_id": info.track_id,
            "track_source": info.track_source,
            "call_started_at": info.call_started_at.isoformat(),
            "started_at": info.started_at.isoformat(),
        }
    )


def _read_note(note: IO[str]) -> TrackInfo | None:
    try:
        record = json.load(note)
        info = TrackInfo(**record)
        return replace(
            info,
            call_started_at=datetime.fromisoformat(record["call_started_at"]).astimezone(UTC),
            started_at=datetime.fromisoformat(record["started_at"]).astimezone(UTC),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _decoded_duration_s(path: Path) -> float:
    """Length of what can still be decoded of a recording that was never closed."""
    n_samples = 0
    rate_hz = SAMPLE_RATE_HZ
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                n_samples += frame.samples
                rate_hz = frame.sample_rate
    except (av.FFmpegError, IndexError, OSError):
        pass  # the tail of a killed recording is torn; what came before it counts
    return n_samples / rate_hz
