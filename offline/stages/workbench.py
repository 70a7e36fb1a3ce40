"""The workbench of one call: makes what stages make, or finds it made."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from offline.stages.manifest import UnusableManifestError, dump_made, load_made
from offline.stages.stage import Given, Made, OnProgress, Stage, stage_key
from offline.stages.store import StageStore
from storage.errors import StorageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """How one stage came to what it made."""

    stage: str
    was_made: bool  # before, and only read now
    elapsed_s: float


class Workbench:
    """Stages of one call; not for several threads.

    Args:
        store: Where manifests lie.
        folder: The call's (`storage.stage_work.call_folder`).
    """

    def __init__(self, store: StageStore, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._used: set[str] = set()
        self.runs: list[StageRun] = []

    def make(
        self,
        stage: Stage[Given, Made],
        given: Given,
        on_progress: OnProgress = lambda done_ratio: None,
    ) -> Made:
        """What the stage makes of what is given.

        A manifest that is damaged, or of something else, is made again. One that cannot be written
        costs a later run its time and this one nothing: whether the report can be written decides.

        Raises:
            StorageError: the store cannot be read.
            Exception: whatever the stage raises; nothing is kept of it.
        """
        begun_s = time.monotonic()
        key = stage_key(stage.name, stage.version, stage.inputs(given), stage.settings(given))
        name = f"{stage.name}-{key[:32]}.json"
        made = self._found(stage, name, key)
        was_made = made is not None
        if made is None:
            made = stage.run(given, on_progress)
            if stage.is_final(made):
                self._put_down(name, dump_made(stage, given, made, made_at=datetime.now(UTC)))
        self._used.add(name)
        elapsed_s = time.monotonic() - begun_s
        self.runs.append(StageRun(stage=stage.name, was_made=was_made, elapsed_s=elapsed_s))
        return made

    def close(self) -> None:
        """The report is finished; see `StageStore.close`."""
        try:
            self._store.close(self._folder, self._used)
        except StorageError as exc:
            # The report stands; what is left over is removed when it is old.
            log.warning("stages could not be removed", extra={"error": type(exc).__name__})

    def _found(self, stage: Stage[Given, Made], name: str, key: str) -> Made | None:
        data = self._store.read(self._folder, name)
        if data is None:
            return None
        try:
            return load_made(data, stage, key)
        except UnusableManifestError as exc:
            log.warning(
                "a stage's manifest is of no use and is made again",
                extra={"stage": stage.name, "reason": str(exc)},
            )
            return None

    def _put_down(self, name: str, data: bytes) -> None:
        try:
            self._store.write(self._folder, name, data)
        except StorageError as exc:
            log.warning("a stage could not be put down", extra={"error": type(exc).__name__})
