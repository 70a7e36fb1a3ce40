"""Nights over real S3 and PostgreSQL: in a pool, by two runs at once, and on Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from earmark.audit_options import Shard
from earmark.audit_output import AuditOutput
from earmark.audit_plan import AuditPlan
from earmark.audit_runs import Workers, batch_of_day, run_batches
from earmark.audit_screen import AuditScreen
from offline.find import Finder
from offline.run import Summary
from storage.audits import AuditStatus
from storage.database import Database, open_database
from storage.nights import NightOutcome, nights_since
from storage.objects import ObjectStore, open_objects
from storage.tables import AUDITS
from tests.offline.builders import CARD, DAY, STARTED_AT, store_call
from tests.offline.workplaces import KILL, ScriptedSource, plan_of, quiet_sound
from tests.servers.postgres import PostgresServer
from tests.servers.ray_cluster import running_ray
from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.s3]

POOL = Workers(engine="pool", n_workers=2, n_threads=1)
SCRIPT = ScriptedSource(quiet=f"My card number is {CARD}")
SIDS = tuple(f"RM_{n}" for n in range(6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A database of PostgreSQL and a prefix of S3, with six calls of one day."""

    database: Database
    objects: ObjectStore
    database_url: str
    objects_url: str
    endpoint_url: str

    def plan(self, script: ScriptedSource, **changes: Any) -> AuditPlan:
        return plan_of(
            self.database_url,
            self.objects_url,
            script,
            s3_endpoint_url=self.endpoint_url,
            **changes,
        )

    def night(
        self, workers: Workers, script: ScriptedSource = SCRIPT, shard: Shard | None = None
    ) -> Summary:
        """One run over the day's calls."""
        shard = shard or Shard()
        screen = AuditScreen()
        batch = batch_of_day(Finder(self.database, self.objects), DAY, shard, screen)
        output = AuditOutput(self.objects, as_json=True, show_text=False)
        return run_batches(
            self.plan(script), workers, [batch], self.database,
            shard=shard, screen=screen, output=output,
        )  # fmt: skip

    def reports(self) -> Mapping[str, Any]:
        """All reports, but for when they were made."""
        return {
            info.key: {**json.loads(self.objects.get_bytes(info.key)), "made_at": None}
            for info in self.objects.list("reports/")
            if info.key.endswith(".json")
        }

    def ledger(self) -> list[tuple[str, str, int]]:
        with self.database.begin() as connection:
            rows = connection.execute(AUDITS.select().order_by(AUDITS.c.room_sid)).mappings()
            return [(row["room_sid"], row["status"], row["attempts"]) for row in rows]

    def nights(self) -> list[tuple[NightOutcome, int]]:
        with self.database.begin() as connection:
            found = nights_since(connection, DAY)
        return [(night.outcome, int(str((night.counts or {})["calls"]))) for night in found]


@pytest.fixture
def s3_access(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, its credentials in the environment of this process and its workers."""
    for name, value in s3_server.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def make_site(
    s3_access: S3Server,
    postgres: PostgresServer,
    sound: bytes,
    quiet: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Makes sites; every third call is quiet."""
    opened: list[Database] = []

    def make() -> Site:
        database_url = postgres.new_database()
        database = open_database(database_url, create=True)
        opened.append(database)
        objects_url = f"{s3_access.url}/{tmp_path_factory.mktemp('prefix').name}"
        objects = open_objects(objects_url, s3_endpoint_url=s3_access.endpoint_url)
        for n, sid in enumerate(SIDS):
            store_call(
                database, objects, {"agent": quiet if n % 3 == 2 else sound}, room_sid=sid,
                started_at=STARTED_AT + timedelta(minutes=n),
            )  # fmt: skip
        return Site(
            database=database,
            objects=objects,
            database_url=database_url,
            objects_url=objects_url,
            endpoint_url=s3_access.endpoint_url,
        )

    yield make
    for database in opened:
        database.close()


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return quiet_sound(tmp_path_factory.mktemp("quiet") / "quiet.wav")


DONE = [(sid, AuditStatus.DONE.value, 1) for sid in SIDS]


@pytest.mark.timeout(900)
def test_two_runs_share_a_night_and_a_third_has_nothing_to_do(make_site: Any) -> None:
    """Each call is audited by exactly one of two runs at the same time, and never again."""
    site: Site = make_site()
    script = ScriptedSource(quiet=SCRIPT.quiet, takes_s=0.5)
    with ThreadPoolExecutor(2) as runs:
        both = [run.result() for run in [runs.submit(site.night, POOL, script) for _ in range(2)]]
    assert sum(each.n_audited for each in both) == len(SIDS)
    assert [each.n_audited + each.n_already_done for each in both] == [len(SIDS)] * 2
    assert all(each.n_with_findings == 2 for each in both)
    assert site.ledger() == DONE
    made = site.reports()
    third = site.night(POOL, script)
    assert (third.n_audited, third.n_already_done, third.is_whole) == (0, len(SIDS), True)
    assert (site.ledger(), site.reports()) == (DONE, made)
    assert site.nights() == [(NightOutcome.COMPLETE, len(SIDS))] * 3
    assert list(site.objects.list("work/")) == []


@pytest.mark.timeout(900)
def test_shards_have_every_call_once(make_site: Any) -> None:
    """Two shards together do what one run does, and make the night whole."""
    site: Site = make_site()
    parts = [site.night(POOL, shard=Shard(index=n, n=2)) for n in range(2)]
    assert sum(part.n_calls for part in parts) == len(SIDS)
    assert all(part.n_calls == part.n_audited for part in parts)
    assert site.ledger() == DONE


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """A Ray cluster with two processors; S3's credentials are the fixture's own constants."""
    variables = {
        name: value
        for name, value in S3Server(
            endpoint_url="", access_key="earmark-test", secret_key="earmark-test-secret", bucket="b"
        ).environment().items()
        if name.startswith("AWS_")
    }  # fmt: skip
    # Whoever reaches Ray's ports may run code here, so it asks for a token, on loopback too.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid4().hex}
    with pytest.MonkeyPatch.context() as patch, running_ray(variables | token) as address:
        for name, value in token.items():
            patch.setenv(name, value)
        yield address


@pytest.mark.timeout(900)
def test_ray_gives_what_a_pool_gives(
    make_site: Any, ray_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers of Ray, two processes, one worker: the same reports, byte for byte but the time.

    And a call that kills its actor is poison there too, while the others go on.
    """
    ray = Workers(engine="ray", address=ray_address, n_workers=2, n_threads=1)
    sites: list[Site] = [make_site() for _ in range(3)]
    alone = Workers(engine="pool", n_workers=1, n_threads=1)
    summaries = [
        site.night(workers) for site, workers in zip(sites, (ray, POOL, alone), strict=True)
    ]
    assert [each.n_audited for each in summaries] == [len(SIDS)] * 3
    reports = [site.reports() for site in sites]
    assert len(reports[0]) == len(SIDS)
    assert reports[0] == reports[1] == reports[2]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    again = sites[0].night(ray)
    assert (again.n_audited, again.n_already_done) == (0, len(SIDS))

    site: Site = make_site()
    summary = site.night(ray, ScriptedSource(quiet=KILL))
    assert (summary.n_audited, summary.n_poisoned, summary.n_failed) == (4, 2, 0)
    assert {sid for sid, status, _ in site.ledger() if status == "poisoned"} == {"RM_2", "RM_5"}
