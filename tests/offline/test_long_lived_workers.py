"""Worker processes hold their models: one engine for as many recordings as come."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.engines import Announce, Loaded, LocalEngines
from offline.executors.pool import PoolExecutor
from offline.executors.task import Audited, Moved, Task
from offline.find import Finder
from speech.recogniser import Recognition, WindowRecogniser
from storage.database import Database
from storage.objects import ObjectStore
from tests.offline.builders import DAY, STARTED_AT, store_call
from tests.offline.mixes import _MODELS
from tests.offline.workplaces import plan_of

SIDS = tuple(f"RM_{n}" for n in range(6))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedSource:
    """The real engines on the smallest weights; what they do is noted in a file."""

    notes: Path

    def build(self, announce: Announce) -> NotedEngines:
        return NotedEngines(self.notes)

    def with_threads(self, n_threads: int) -> NotedSource:
        return self


class NotedEngines(LocalEngines):
    """Notes each time that something is loaded, or asked to recognise something."""

    def __init__(self, notes: Path) -> None:
        super().__init__(
            transcriber="faster-whisper-tiny.en", models_dir=_MODELS, cpu_threads=1, device="cpu"
        )
        self._notes = notes
        self._noted: Loaded | None = None

    def load(self) -> Loaded:
        loaded = super().load()
        if self._noted is None or self._noted.vad is not loaded.vad:
            note(self._notes, "loaded")
            self._noted = Loaded(
                vad=loaded.vad, recogniser=NotedRecogniser(loaded.recogniser, self._notes)
            )
        return self._noted


class NotedRecogniser:
    """A recogniser that is watched."""

    def __init__(self, recogniser: WindowRecogniser, notes: Path) -> None:
        self.name = recogniser.name
        self.batch_size = recogniser.batch_size
        self._recogniser = recogniser
        self._notes = notes

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        note(self._notes, "recognised")
        return self._recogniser.recognise(pieces)

    def close(self) -> None:
        self._recogniser.close()


def note(path: Path, what: str) -> None:
    with path.open("a") as file:  # a short line, written at once: processes do not mix
        file.write(f"{os.getpid()} {what}\n")


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_worker_loads_once(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """Two spawned processes share six calls; each loads its models once, and hears several."""
    for n, sid in enumerate(SIDS):
        store_call(
            database,
            objects,
            {"agent": sound},
            room_sid=sid,
            started_at=STARTED_AT + timedelta(minutes=n),
        )
    notes = tmp_path / "notes"
    plan = plan_of(
        f"sqlite:///{tmp_path / 'earmark.db'}",
        str(tmp_path / "objects"),
        NotedSource(notes=notes),
    )
    refs = list(Finder(database, objects).refs_by_day(DAY).refs)
    heard: dict[str, str] = {}
    executor = PoolExecutor(plan, n_workers=2, run_id="run", keeps_words=True)
    try:
        while refs or executor.n_at_work:
            while refs and executor.n_free:
                executor.submit(Task(ref=refs.pop()))
            event = executor.next_event()
            if isinstance(event, Moved):
                continue
            assert isinstance(event, Audited), event
            said = (utterance.text for utterance in event.outcome.utterances)
            heard[event.task.ref.room_sid] = " ".join(said)
    finally:
        executor.close()
    assert sorted(heard) == list(SIDS)
    assert len(set(heard.values())) == 1  # the same sound, the same words, whoever heard it
    assert "How can I help you today?" in heard["RM_0"]
    noted = [line.split() for line in notes.read_text().splitlines()]
    loaders = [pid for pid, what in noted if what == "loaded"]
    assert len(loaders) == len(set(loaders)) <= 2
    assert str(os.getpid()) not in loaders
    assert sum(what == "recognised" for _, what in noted) == len(SIDS)
