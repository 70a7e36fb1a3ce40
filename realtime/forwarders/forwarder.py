"""What every forwarder is: a bounded queue, a held task, and counts of what was lost."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from realtime.records import Record

log = logging.getLogger(__name__)

MAX_WAITING = 2000
_CLOSE_TIMEOUT_S = 5.0
Item = TypeVar("Item")


class Forwarder(Protocol):
    """Somewhere that records go."""

    def start(self) -> None:
        """Begin to forward."""

    def put(self, record: Record) -> None:
        """Take one record; never waits."""

    async def close(self) -> None:
        """Forward what is left, for a few seconds at most, and stop."""


class QueuedForwarder(ABC, Generic[Item]):
    """Forwards from a bounded queue, several at a time, in order.

    Args:
        name: Of the destination, for the log; a word of our own.
        room_sid: The call.
        max_batch: Items that are delivered at once at most.
        gather_s: How long a batch waits for more.
        max_waiting: Items that wait at most; further ones are lost and counted.
    """

    def __init__(
        self,
        *,
        name: str,
        room_sid: str,
        max_batch: int,
        gather_s: float = 0.0,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.name = name
        self.room_sid = room_sid
        self.n_forwarded = 0
        self.n_lost = 0
        self._max_batch = max_batch
        self._gather_s = gather_s
        self._items: asyncio.Queue[Item] = asyncio.Queue(max_waiting)
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False

    @abstractmethod
    async def deliver(self, items: Sequence[Item]) -> bool:
        """Deliver a batch, with retries of its own that end.

        Returns:
            Whether it arrived.
        """

    def start(self) -> None:
        """Begin to forward."""
        self._task = asyncio.create_task(self._run(), name=f"forward-{self.name}")

    def enqueue(self, item: Item) -> None:
        """Take one item; never waits."""
        try:
            self._items.put_nowait(item)
        except asyncio.QueueFull:
            self._lose(1, "overload")

    async def close(self) -> None:
        """Forward what is left, for a few seconds at most, and stop."""
        if self._task is None:
            return
        try:
            await asyncio.wait_for(self._items.join(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            self._lose(self._items.qsize(), "the call ended")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self.n_lost:
            log.warning(
                "records did not reach a destination",
                extra={"room_sid": self.room_sid, "what": self.name, "count": self.n_lost},
            )

    async def _run(self) -> None:
        while True:
            batch = [await self._items.get()]
            if self._gather_s:
                await asyncio.sleep(self._gather_s)
            while len(batch) < self._max_batch and not self._items.empty():
                batch.append(self._items.get_nowait())
            try:
                if await self.deliver(batch):
                    self.n_forwarded += len(batch)
                    self._is_failing = False
                else:
                    self._lose(len(batch), "not delivered")
            except Exception as exc:  # one batch that cannot be sent must not stop the others
                self._lose(len(batch), type(exc).__name__)
            finally:
                for _ in batch:
                    self._items.task_done()

    def _lose(self, n: int, reason: str) -> None:
        self.n_lost += n
        if n and not self._is_failing:  # once, not for each record of an outage
            self._is_failing = True
            log.warning(
                "records cannot be forwarded",
                extra={"room_sid": self.room_sid, "what": self.name, "reason": reason},
            )
