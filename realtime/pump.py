"""Delivers what is queued for alert targets, with retries that end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from sqlalchemy.exc import SQLAlchemyError

from realtime.errors import TargetRefusedError
from realtime.forms import Request, request_of
from realtime.guard import Guard, GuardedTransport
from realtime.retries import Failure, failure_of, next_attempt_at
from realtime.targets import Target
from storage import departures
from storage.database import Database
from storage.deliveries import Delivery
from storage.errors import StorageError

log = logging.getLogger(__name__)

_POLL_S = 5.0
_BATCH = 8
# Of one post as a whole: a receiver that answers drop by drop must not outlast the lease.
_POST_TIMEOUT_S = 20.0
_TIMEOUT = httpx.Timeout(10.0)


class AlertPump:
    """Takes due deliveries from the outbox and posts them, each target's for itself.

    A delivery keeps its id over all tries, so a receiver can tell a repeat. Several pumps may run
    on one database: each takes other rows. A target that is slow or away holds up no other.

    Args:
        database: Where the outbox is.
        targets: Who is told.
        guard: Says which addresses may be reached.
        lease_s: After which another pump may take what this one took and did not settle.
    """

    def __init__(
        self,
        database: Database,
        targets: Sequence[Target],
        *,
        guard: Guard,
        lease_s: float = departures.LEASE_S,
    ) -> None:
        self._database = database
        self._targets = tuple(targets)
        self._names = [target.name for target in targets]
        self._guard = guard
        self._lease_s = lease_s
        self._wake = {target.name: asyncio.Event() for target in targets}

    def wake(self) -> None:
        """Something was queued."""
        for event in self._wake.values():
            event.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with guarded_client(self._guard) as client, asyncio.TaskGroup() as tasks:
            for target in self._targets:
                tasks.create_task(self._serve(client, target), name=f"alerts-{target.name}")

    async def deliver_due(self) -> int:
        """Try what is due once.

        Returns:
            How many messages were tried.
        """
        async with guarded_client(self._guard) as client:
            tried = [await self._deliver_due(client, target) for target in self._targets]
        return sum(tried)

    async def _serve(self, client: httpx.AsyncClient, target: Target) -> None:
        wake = self._wake[target.name]
        while True:
            wake.clear()
            try:
                while await self._deliver_due(client, target):
                    pass
            except Exception as exc:  # one that cannot be made must not stop the others for ever
                log.error(
                    "deliveries to a target failed",
                    extra={"target": target.name, "error": type(exc).__name__},
                )
            try:
                await asyncio.wait_for(wake.wait(), _POLL_S)
            except TimeoutError:
                continue

    async def _deliver_due(self, client: httpx.AsyncClient, target: Target) -> int:
        try:
            due = await asyncio.to_thread(self._claim, target)
        except (StorageError, SQLAlchemyError) as exc:
            self._log_unusable(target, exc)
            return 0
        async with asyncio.TaskGroup() as posts:
            tasks = [posts.create_task(self._deliver(client, target, each)) for each in due]
        return sum(task.result() for task in tasks)

    async def _deliver(self, client: httpx.AsyncClient, target: Target, delivery: Delivery) -> bool:
        """Try one, and note how it went; False where that could not be noted."""
        request = request_of(target, delivery, sent_at=datetime.now(UTC))
        failure = await post(client, target.url, request)
        try:
            await asyncio.to_thread(self._settle, target, delivery, failure)
        except (StorageError, SQLAlchemyError) as exc:
            # It is due again after its lease, under the same id.
            self._log_unusable(target, exc)
            return False
        return True

    def _log_unusable(self, target: Target, exc: Exception) -> None:
        log.error(
            "the outbox cannot be used",
            extra={"target": target.name, "error": type(exc).__name__},
        )

    def _claim(self, target: Target) -> tuple[Delivery, ...]:
        now = datetime.now(UTC)
        # To look first spares the database a write for each look.
        with self._database.begin(read_only=True) as connection:
            if not departures.is_due(connection, now=now, targets=[target.name]):
                return ()
        with self._database.begin() as connection:
            departures.end_unserved(connection, now=now, targets=self._names)
            return departures.due(
                connection, now=now, limit=_BATCH, targets=[target.name], lease_s=self._lease_s
            )

    def _settle(self, target: Target, delivery: Delivery, failure: Failure | None) -> None:
        now = datetime.now(UTC)
        with self._database.begin() as connection:
            if failure is None:
                departures.mark_delivered(connection, delivery.id, now=now)
                return
            retry_at = next_attempt_at(failure, attempts=delivery.attempts, now=now)
            departures.mark_failed(
                connection, delivery.id, error=failure.error, next_attempt_at=retry_at, now=now
            )
        log.warning(
            "a delivery failed",
            extra={
                "delivery_id": delivery.id,
                "target": target.name,
                "error": failure.error,
                "dead": retry_at is None,
            },
        )


@asynccontextmanager
async def guarded_client(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    """A client that reaches only what the guard lets it reach, and follows no redirect."""
    async with httpx.AsyncClient(
        transport=GuardedTransport(guard), timeout=_TIMEOUT, follow_redirects=False
    ) as client:
        yield client


async def post(client: httpx.AsyncClient, url: str, request: Request) -> Failure | None:
    """Post once.

    Returns:
        Why it did not arrive; None if it did.
    """
    try:
        async with (
            asyncio.timeout(_POST_TIMEOUT_S),
            # Streamed, because nothing of an answer's body is wanted, however long it is.
            client.stream(
                "POST", url, content=request.body, headers=dict(request.headers)
            ) as response,
        ):
            return failure_of(
                response.status_code, response.headers.get("retry-after"), now=datetime.now(UTC)
            )
    except TargetRefusedError:
        # Not final: the setting can be mended, and a name can lead elsewhere tomorrow.
        return Failure(error="address refused")
    except TimeoutError:
        return Failure(error="no answer in time")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return Failure(error=type(exc).__name__)
