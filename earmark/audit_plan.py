"""All that a worker of the audit needs to begin, small enough to travel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from earmark.errors import BadInputError
from earmark.logs import setup_logging
from offline.align import TimelineAligner
from offline.attribution import TimelineAttributor
from offline.audit import Auditor
from offline.claims import LEASE_S, Claims
from offline.diarization.choice import diarizer_or_lack
from offline.engines import Announce, Engines, LocalEngines
from offline.executors import Workplace
from offline.find import Finder
from offline.hearing import MixEngines
from offline.redaction import RedactionOptions
from offline.stages.store import ObjectStageStore
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from speech.device import Device
from speech.embedding import embedder_for
from storage.database import Database, open_database
from storage.objects import open_objects
from storage.published_rules import load_in_force
from storage.versions import LockRules


class ClosableEngines(Engines, Protocol):
    """Models, until they are let go of."""

    def close(self) -> None:
        """Let go of the weights."""


class EngineSource(Protocol):
    """How a worker gets its models. Picklable."""

    def build(self, announce: Announce) -> ClosableEngines:
        """The models' descriptions; weights are loaded when there is something to hear."""

    def with_threads(self, n_threads: int) -> EngineSource:
        """The same, with so many processor threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngineSource:
    """Models on the worker's own machine."""

    transcriber: str
    models_dir: Path
    cpu_threads: int
    device: Device = "auto"

    def build(self, announce: Announce) -> ClosableEngines:
        """See `EngineSource.build`."""
        return LocalEngines(
            transcriber=self.transcriber,
            models_dir=self.models_dir,
            cpu_threads=self.cpu_threads,
            device=self.device,
            announce=announce,
        )

    def with_threads(self, n_threads: int) -> LocalEngineSource:
        """See `EngineSource.with_threads`."""
        return replace(self, cpu_threads=n_threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """Where everything is, and on what terms calls are claimed. Picklable; see `Opening`."""

    database_url: str = field(repr=False)  # may hold a password
    objects_url: str
    s3_endpoint_url: str | None
    rules: tuple[Path, ...]
    rulebook_fingerprint: str
    rules_version: int | None = None  # of published rules, which `rules` then does not name
    models_dir: Path
    engines: EngineSource
    diarizer: str = "default"  # see `offline.diarization.choice`
    device: Device = "auto"  # where voices are told apart
    cpu_threads: int = 1  # for that
    keep_transcripts_days: int | None = None
    keep_stages_days: int | None = None
    redaction: RedactionOptions = field(default_factory=RedactionOptions)
    locks: LockRules | None = None
    lease_s: float = LEASE_S
    max_faults: int | None = None
    retries_poisoned: bool = False
    replaces: bool = False  # reports of recordings that were deleted on purpose since
    log_level: str = "ERROR"  # what is only warned of stands in reports, or is told by the run

    def with_threads(self, n_threads: int) -> AuditPlan:
        """The same, with so many processor threads a worker."""
        return replace(self, engines=self.engines.with_threads(n_threads), cpu_threads=n_threads)

    @contextmanager
    def open(
        self,
        owner: str | None,
        announce: Announce = lambda what: nullcontext(),
        *,
        database: Database | None = None,
    ) -> Iterator[Workplace]:
        """Open database, object store and models for one worker.

        Args:
            owner: Under which name it claims; None where nobody speaks for it.
            announce: Called with a sentence before something slow.
            database: One that is open already, and stays so; None = its own.

        Raises:
            BadInputError: the rules here are others than those of whoever made the plan.
            StorageError: database or object store cannot be reached.
        """
        setup_logging(self.log_level)
        rulebook = None if self.rules_version is not None else self._from_files()
        objects = open_objects(
            self.objects_url, s3_endpoint_url=self.s3_endpoint_url, locks=self.locks
        )
        objects.check()  # before minutes of work, not after
        # A call without a mix needs no diarizer, and one with a mix gets a finding.
        diarizer, lack = diarizer_or_lack(
            self.diarizer,
            models_dir=self.models_dir,
            device=self.device,
            cpu_threads=self.cpu_threads,
        )
        opened = nullcontext(database) if database else closing(open_database(self.database_url))
        with opened as rows, closing(self.engines.build(announce)) as engines:
            if rulebook is None:
                rulebook = load_in_force(rows, self.rules_version).rulebook
            claims = Claims(
                rows,
                self.lease_s,
                owner=owner,
                max_faults=self.max_faults,
                takes_poisoned=self.retries_poisoned,
            )
            auditor = Auditor(
                database=rows,
                objects=objects,
                rulebook=rulebook,
                rules_version=self.rules_version,
                engines=engines,
                mixes=MixEngines(diarizer=diarizer, attributor=TimelineAttributor(), lack=lack),
                aligner=TimelineAligner(),
                embedder=embedder_for(rulebook, self.models_dir),
                stages=ObjectStageStore(objects, self.keep_stages_days),
                keep_transcripts_days=self.keep_transcripts_days,
                claims=claims,
                redaction=self.redaction,
                replaces=self.replaces,
            )
            yield Workplace(finder=Finder(rows, objects), auditor=auditor, claims=claims)

    def _from_files(self) -> Rulebook:
        rulebook = load_rulebook(self.rules)
        if rulebook.fingerprint != self.rulebook_fingerprint:
            raise BadInputError(
                "the rules where a worker runs are others than here; give all machines the same"
            )
        return rulebook
