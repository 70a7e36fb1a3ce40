"""How a worker is: what its status page checks, and what it tells Prometheus by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import httpx
from livekit.agents import AgentServer
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realtime.status_page import Check
from storage import departures, heartbeats, nights
from storage.database import Database
from storage.errors import StorageError

SPEECH, LIVEKIT, DATABASE = "speech", "livekit", "database"
# What a new process would mend. A database that is away comes back by itself, and until then
# calls are heard on; a worker that looks for its server goes on looking.
VITAL = frozenset({SPEECH})
_AGENT_PAGE_TIMEOUT_S = 3.0
# An observer that wrote nothing for so long is not late but lost.
_LOST_AFTER = timedelta(minutes=10)

# What a worker tells of itself.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "earmark_worker_rooms_max": "Rooms that this worker takes.",
        "earmark_worker_draining": "Whether this worker takes no new rooms and waits for calls.",
        "earmark_database_up": "Whether the database answers.",
        "earmark_outbox_open": "Alerts that wait for delivery.",
        "earmark_outbox_dead": "Alerts whose delivery was given up.",
        "earmark_heartbeat_age_seconds": "Age of the oldest heartbeat of who has not left.",
        "earmark_audit_nights_missing": "Days that the nightly audit has not done, or not wholly.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the database said when it was last asked."""

    is_database_there: bool
    n_open_deliveries: int = 0
    n_dead_deliveries: int = 0
    oldest_beat_at: datetime | None = None
    n_missing_nights: int = 0


class Vitals(Collector):
    """Looks at a worker from within.

    Args:
        server: The worker.
        database: Of its own; asked by `look`.
        max_rooms: How many rooms it takes.
    """

    def __init__(self, server: AgentServer, database: Database, *, max_rooms: int) -> None:
        self._server = server
        self._database = database
        self._max_rooms = max_rooms
        self._pulse = Pulse(is_database_there=True)
        self._is_registered = False
        server.on("worker_registered", self._on_registered)

    def _on_registered(self, *_: object) -> None:
        self._is_registered = True

    def checks(self) -> Mapping[str, Check]:
        """For the status page."""
        return {SPEECH: self.speech, LIVEKIT: self._livekit, DATABASE: self._check_database}

    async def speech(self) -> str | None:
        """Whether the speech process lives; livekit-agents' own page knows."""
        port = self._server.worker_info.http_port
        if port == 0:
            return "the worker is starting"
        async with httpx.AsyncClient(timeout=_AGENT_PAGE_TIMEOUT_S) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/")
        # The page has two complaints; the other is of the connection.
        return "the speech process has ended" if "inference" in answer.text else None

    async def _livekit(self) -> str | None:
        # livekit-agents tells of a registration and not of its loss; while it tries to connect
        # anew it keeps this mark. The version is pinned, and a test cuts the connection.
        is_connected = self._is_registered and not self._server._connecting
        return None if is_connected else "not registered at the LiveKit server"

    async def _check_database(self) -> str | None:
        await self.look()
        return None if self._pulse.is_database_there else "the database does not answer"

    async def look(self) -> None:
        """Ask the database how much waits."""
        self._pulse = await asyncio.to_thread(self._ask)

    def _ask(self) -> Pulse:
        now = datetime.now(UTC)
        try:
            with self._database.begin(read_only=True) as connection:
                n_open, n_dead = departures.depth(connection)
                oldest = heartbeats.oldest_beat(connection, since=now - _LOST_AFTER)
                missing = nights.missing_days(connection, now=now, grace=nights.GRACE)
        except StorageError:
            return Pulse(is_database_there=False)
        return Pulse(
            is_database_there=True,
            n_open_deliveries=n_open,
            n_dead_deliveries=n_dead,
            oldest_beat_at=oldest,
            n_missing_nights=len(missing),
        )

    def collect(self) -> Iterator[Metric]:
        """What this process tells Prometheus by itself."""
        pulse = self._ask()
        values: dict[str, float] = {
            "earmark_worker_rooms_max": self._max_rooms,
            "earmark_worker_draining": int(self._server.draining),
            "earmark_database_up": int(pulse.is_database_there),
        }
        if pulse.is_database_there:  # else nobody knows
            age_s = 0.0
            if pulse.oldest_beat_at is not None:
                age_s = (datetime.now(UTC) - pulse.oldest_beat_at).total_seconds()
            values |= {
                "earmark_outbox_open": pulse.n_open_deliveries,
                "earmark_outbox_dead": pulse.n_dead_deliveries,
                "earmark_heartbeat_age_seconds": age_s,
                "earmark_audit_nights_missing": pulse.n_missing_nights,
            }
        for name, value in values.items():
            yield GaugeMetricFamily(name, NAMES[name], value=value)
