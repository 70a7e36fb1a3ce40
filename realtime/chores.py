"""Chores: what a worker does again and again that belongs to no single room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from realtime.errors import RealtimeError
from realtime.lister import Lister, ask_server
from realtime.observer_config import ObserverConfig
from realtime.recorder import put_away_orphans
from storage import recordings
from storage.errors import StorageError
from storage.manifest import Recording
from storage.records import delete_records_before

log = logging.getLogger(__name__)

# How often the spool is searched for recordings that a dead job or a full store left there.
_SWEEP_S = 60.0
_FORGET_EVERY_S = 3600.0
# How often rows, LiveKit's list of recordings and the object store are laid side by side.
_LOOK_S = 300.0
_LOOK_BACK = timedelta(hours=24)  # what LiveKit remembers of an egress that ended


class Chores:
    """Does them until it is told to stop.

    Args:
        config: Says which there are.
    """

    def __init__(self, config: ObserverConfig) -> None:
        self._config = config
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        """Begin."""
        self._tasks = tuple(asyncio.create_task(chore, name=name) for name, chore in self._all())

    async def close(self) -> None:
        """Stop, in the midst of whatever is being done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _all(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        yield "spool-sweep", self._sweep()
        yield "recordings-lister", self._look()
        if self._config.records.to_database:
            yield "record-retention", self._forget()

    async def _forget(self) -> None:
        """Delete records that have been kept for as long as the settings say."""
        database = await asyncio.to_thread(self._config.database)
        kept = timedelta(days=self._config.records.kept_days)

        def forget() -> int:
            with database.begin() as connection:
                return delete_records_before(connection, datetime.now(UTC) - kept)

        while True:
            try:
                n = await asyncio.to_thread(forget)
                if n:
                    log.info("old records were deleted", extra={"count": n})
            except (StorageError, SQLAlchemyError) as exc:
                log.error("old records cannot be deleted", extra={"error": type(exc).__name__})
            await asyncio.sleep(_FORGET_EVERY_S)

    async def _sweep(self) -> None:
        # What was recorded before the recorder was switched is put away all the same.
        if self._config.recorder != "builtin" and not self._config.spool_dir.exists():
            return
        objects = self._config.objects()
        database = await asyncio.to_thread(self._config.database)

        def keep(recording: Recording) -> None:
            with database.begin() as connection:
                recordings.save_recording(connection, recording)

        while True:
            try:
                n = await asyncio.to_thread(put_away_orphans, self._config.spool_dir, objects, keep)
                if n:
                    log.info("recordings were put away late", extra={"n_recordings": n})
            except (StorageError, OSError) as exc:
                log.error("the spool cannot be emptied", extra={"error": type(exc).__name__})
            await asyncio.sleep(_SWEEP_S)

    async def _look(self) -> None:
        """Find what webhooks missed of Egress's recordings."""
        if self._config.recorder != "egress":
            return
        database = await asyncio.to_thread(self._config.database)
        lister = Lister(database, self._config.objects(), self._config.egress)
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                async with self._config.livekit() as client:
                    server = await ask_server(client)
                since = datetime.now(UTC) - _LOOK_BACK
                listed = await asyncio.to_thread(lister.look, server, since=since)
            except (StorageError, RealtimeError) as exc:
                log.error("recordings cannot be listed", extra={"error": type(exc).__name__})
                continue
            if listed.n_news:
                log.info("webhooks missed some recordings", extra={"count": listed.n_news})
            if listed.oddities:
                log.warning(
                    "something is wrong with recordings; `earmark recordings reconcile` says what",
                    extra={"count": len(listed.oddities)},
                )
