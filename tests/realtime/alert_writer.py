"""A process that writes hits through a real ledger while a real pump delivers them."""

from __future__ import annotations

import asyncio
from collections import deque
from multiprocessing.connection import Connection

from realtime.guard import Allowed, Guard
from realtime.pump import AlertPump
from realtime.targets import Target
from storage.database import open_database
from tests.realtime.builders import alert, hit, ledger_of

LOOPBACK = Guard(Allowed.parse(["127.0.0.1"]))
# What a killed pump had taken is due again after so long.
LEASE_S = 1.0
_N_IN_FLIGHT = 3


def write_hits(url: str, targets: tuple[Target, ...], run: int, acknowledge: Connection) -> None:
    """Write hits until killed, and send the id of each one that is committed.

    Args:
        url: Of the database.
        targets: Who is told.
        run: Makes the ids differ from those of other runs.
        acknowledge: Where ids are sent.
    """
    asyncio.run(_write(url, targets, run, acknowledge))


async def _write(url: str, targets: tuple[Target, ...], run: int, acknowledge: Connection) -> None:
    database = open_database(url)
    pump = AlertPump(database, targets, guard=LOOPBACK, lease_s=LEASE_S)
    written: deque[str] = deque()  # in the order in which the ledger commits them
    free = asyncio.Semaphore(_N_IN_FLIGHT)

    def committed() -> None:
        acknowledge.send(written.popleft())
        free.release()
        pump.wake()

    ledger = ledger_of(database, *targets, on_queued=committed)
    ledger.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pump.run())
        for n in range(100_000):
            await free.acquire()
            id = f"run{run}-hit{n}"
            written.append(id)
            await ledger.publish(alert(hit(id=id)))
