"""What a worker and its jobs are set up with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from livekit import api

from realtime.dispatch import livekit_api
from realtime.egress import READ_TIMEOUT_S
from realtime.egress_requests import EgressOptions
from realtime.guard import Allowed
from realtime.live_recogniser import BUILT_IN
from realtime.record_config import RecordConfig, RoomAccess
from realtime.roster import RolePattern
from realtime.targets import Target
from realtime.trial import LIVE_STATUSES
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from speech.embedding import embedder_for
from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from storage.published_rules import load_in_force
from storage.versions import LockRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverConfig:
    """Everything that a job process needs; travels by pickle, so it holds plain data."""

    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str = field(repr=False)
    rules: tuple[Path, ...]
    published_rules: bool = False  # those in the database instead of `rules`
    models_dir: Path
    database_url: str = field(repr=False)
    objects_url: str
    s3_endpoint_url: str | None
    spool_dir: Path
    supervisors: frozenset[str] = field(repr=False)
    roles: tuple[RolePattern, ...] = field(default=(), repr=False)
    records: RecordConfig = field(default_factory=RecordConfig)
    signing_secret: str | None = field(repr=False)
    targets: tuple[Target, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)
    recorder: Literal["builtin", "egress", "none"]
    egress: EgressOptions
    max_rooms: int
    http_port: int
    metrics_dir: Path
    http_host: str = "127.0.0.1"
    drain_timeout_s: int = 1800
    job_memory_limit_mb: int = 1500
    live_stt: str = BUILT_IN
    second_ear: bool = False
    locks: LockRules | None = None  # what is locked when it is stored

    def rulebook(self, database: Database) -> Rulebook:
        """The rules in force now; of published ones, the newest version.

        Raises:
            RuleLoadError: a file has a problem.
            RulesMissingError: nothing is published.
        """
        if self.published_rules:
            return load_in_force(database).rulebook
        return load_rulebook(self.rules)

    def embedder(self, rulebook: Rulebook) -> Embedder | None:
        """The model of sentences, where a live rule needs it."""
        return embedder_for(rulebook.for_live(), self.models_dir, statuses=LIVE_STATUSES)

    def database(self) -> Database:
        """The database, open."""
        return open_database(self.database_url)

    def access(self) -> RoomAccess:
        """The LiveKit server, and who supervises in its rooms."""
        return RoomAccess(
            url=self.livekit_url,
            api_key=self.livekit_api_key,
            api_secret=self.livekit_api_secret,
            supervisors=self.supervisors,
            roles=self.roles,
            signing_secret=self.signing_secret,
        )

    def livekit(self) -> AbstractAsyncContextManager[api.LiveKitAPI]:
        """The server API, with the patience that requests to Egress need."""
        return livekit_api(
            self.livekit_url,
            self.livekit_api_key,
            self.livekit_api_secret,
            read_timeout_s=READ_TIMEOUT_S,
        )

    def objects(self) -> ObjectStore:
        """The object store."""
        return open_objects(
            self.objects_url, s3_endpoint_url=self.s3_endpoint_url, locks=self.locks
        )
