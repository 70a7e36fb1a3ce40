"""A house with calls to keep and to delete: rows in every table, objects under every prefix."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Column, MetaData, Table, Text, inspect, select

from storage import tables as t
from storage.columns import UtcDateTime
from storage.database import Database, open_database
from storage.keeping_tables import METADATA
from storage.manifest import Recording, manifest_key, recording_key, write_manifest
from storage.mentions import word_in
from storage.objects import open_objects
from storage.versions import KeepingStore, LockRules
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

BOTH = ["folder", pytest.param("s3", marks=[pytest.mark.s3, pytest.mark.slow])]


@dataclass(frozen=True, kw_only=True)
class House:
    """A database and a store, and what a command needs to open them."""

    database: Database
    database_url: str = field(repr=False)
    store: KeepingStore
    variables: dict[str, str] = field(repr=False)
    has_versions: bool

    def reopened(self, locks: LockRules) -> KeepingStore:
        """The same store, locking what it writes."""
        return open_objects(
            self.variables["EARMARK_OBJECTS_URL"],
            s3_endpoint_url=self.variables.get("EARMARK_S3_ENDPOINT_URL"),
            locks=locks,
        )

    def n_rows(self, room_sid: str) -> dict[str, int]:
        """Rows of a call by table; tables without any are left out."""
        found = {}
        with self.database.begin(read_only=True) as connection:
            for table in METADATA.sorted_tables:
                if "room_sid" in table.c:
                    query = select(table).where(table.c.room_sid == room_sid)
                    n = len(connection.execute(query).all())
                    if n:
                        found[table.name] = n
        return found

    def all_keys(self) -> list[str]:
        """Keys of which any version is left, delete markers too."""
        return sorted({version.key for version in self.store.versions()})

    def places_of(self, word: str) -> list[str]:
        """Every version of an object, and every table, in which a word still stands."""
        found = []
        for version in self.store.versions():
            if word in version.key:
                found.append(f"key {version.key}")
            if not version.is_marker and word_in(version.key, self.store.read(version), word):
                found.append(f"{version.key} {version.version_id}")
        with self.database.begin(read_only=True) as connection:
            for name in inspect(connection).get_table_names():
                table = Table(name, MetaData(), autoload_with=connection)
                for row in connection.execute(select(table)):
                    if word in json.dumps(list(row), default=str, ensure_ascii=False):
                        found.append(f"table {name}")
        return found


@contextmanager
def house(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """SQLite and a folder, or PostgreSQL and a bucket with versions and Object Lock."""
    data = tmp_path / "data"
    variables = {"EARMARK_DATA_DIR": str(data)}
    if kind == "folder":
        database_url = f"sqlite:///{data / 'earmark.db'}"
        objects_url, endpoint = str(data / "objects"), None
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        postgres: PostgresServer = request.getfixturevalue("postgres")
        bucket = f"keeping-{uuid.uuid4().hex[:12]}"
        server.make_bucket(bucket, locked=True)
        database_url = postgres.new_database()
        objects_url, endpoint = f"s3://{bucket}/calls", server.endpoint_url
        variables |= server.environment()
        variables |= {"EARMARK_DATABASE_URL": database_url, "EARMARK_OBJECTS_URL": objects_url}
        patch = request.getfixturevalue("monkeypatch")
        for name, value in variables.items():
            patch.setenv(name, value)
    variables["EARMARK_OBJECTS_URL"] = objects_url
    database = open_database(database_url, create=True)
    try:
        yield House(
            database=database,
            database_url=database_url,
            store=open_objects(objects_url, s3_endpoint_url=endpoint),
            variables=variables,
            has_versions=kind == "s3",
        )
    finally:
        database.close()


def make_marks_table(database: Database) -> Table:
    """The table of marks, where this schema does not have it yet."""
    known = METADATA.tables.get("deletion_marks")
    if known is not None:
        return known
    table = Table(
        "deletion_marks",
        MetaData(),
        Column("object_key", Text, primary_key=True),
        Column("reason", Text, primary_key=True),
        Column("room_sid", Text, nullable=False),
        Column("marked_at", UtcDateTime, nullable=False),
        Column("deleted_at", UtcDateTime),
    )
    with database.begin() as connection:
        table.create(connection)
    return table


def fill_call(
    home: House,
    room_sid: str,
    began_at: datetime,
    *,
    people: tuple[str, ...] = ("ann", "bob"),
    mixed: bytes | None = None,
    sound: bytes = b"OggS sound",
) -> list[str]:
    """A call as live side, audit, reviewers and tables leave it.

    Args:
        home: Where.
        room_sid: The call.
        began_at: UTC.
        people: Who took part; each has a recording, and said something.
        mixed: A recording of all of them, too.
        sound: Of each person's recording.

    Returns:
        Its object keys.
    """
    day = began_at.date()
    put = home.store.put_bytes
    folder = f"{day.isoformat()}/{room_sid}"
    keys = []

    def write(key: str, data: bytes, content_type: str = "application/json") -> None:
        put(key, data, content_type=content_type)
        keys.append(key)

    rows: list[tuple[Table, dict[str, object]]] = [
        (t.CALLS, {"room_name": f"line of {people[0]}", "source": "livekit",
                   "created_at": began_at, "ended_at": began_at + timedelta(minutes=1),
                   "rulebook_fingerprint": "book", "observer_joined_s": 0.5}),
        (t.HEARTBEATS, {"job_id": f"J_{room_sid}", "started_at": began_at, "beat_at": began_at,
                        "heard_until_s": 60.0}),
        (t.WATCHES, {"since": began_at, "attempts": 0, "next_attempt_at": began_at,
                     "updated_at": began_at}),
        (t.AUDITS, {"audit_key": f"A_{room_sid}", "status": "done", "attempts": 1,
                    "started_at": began_at, "finished_at": began_at,
                    "report_key": f"reports/{folder}/report.html", "pipeline": {"a": 1}}),
        (t.RECORDS, {"record_id": f"R_{room_sid}", "participant_sid": "PA_1", "type": "utterance",
                     "content": f"hello {people[-1]}", "at_s": 1.0, "recorded_at": began_at,
                     "metadata": {"a": people[0]}}),
    ]  # fmt: skip
    parts: list[tuple[str, str | None, bytes]] = [
        (f"TR_{n}", who, sound) for n, who in enumerate(people, start=1)
    ]
    if mixed is not None:
        parts.append(("MIX", None, mixed))
    for track, who, data in parts:
        key = recording_key(day, room_sid, track)
        recording = Recording(
            object_key=key, sha256=hashlib.sha256(data).hexdigest(), egress_id=f"E_{track}",
            room_sid=room_sid, room_name=f"line of {people[0]}", identity=who,
            track_id=track if who else None, track_source=None, started_at=began_at,
            ended_at=began_at + timedelta(minutes=1), duration_s=60.0, call_started_at=began_at,
            recorder="earmark",
        )  # fmt: skip
        write(key, data, "audio/ogg")
        write(manifest_key(key), write_manifest(recording))
        rows.append((t.RECORDINGS, {name: getattr(recording, name) for name in (
            "object_key", "sha256", "egress_id", "room_name", "identity", "track_id",
            "track_source", "started_at", "ended_at", "duration_s", "call_started_at", "recorder",
        )}))  # fmt: skip
        if who is None:
            continue
        write(f"redacted/{folder}/{track}.ogg", b"redacted", "audio/ogg")
        write(f"stages/{folder}/{track}-transcribe.json", json.dumps({"speaker": who}).encode())
        rows += [
            (t.PARTICIPANTS, {"identity": who, "role": None, "kind": "standard", "joined_s": 0.0}),
            (t.HITS, {"hit_id": f"h_{track}", "rule_id": "r", "rule_version": 1,
                      "severity": "high", "speaker": who, "start_s": 1.0, "end_s": 2.0,
                      "parts": [], "excerpt": "••••6467", "score": 1.0, "state": "confirmed",
                      "at_s": 2.0, "recorded_at": began_at}),
            (t.GAPS, {"gap_id": f"g_{room_sid}_{track}", "identity": who, "kind": "deaf",
                      "start_s": 1.0}),
            (t.OUTBOX, {"delivery_id": f"d_{room_sid}_{track}", "hit_id": f"h_{track}",
                        "target": "webhook", "kind": "alert", "payload": {"role": None},
                        "created_at": began_at, "attempts": 0, "next_attempt_at": began_at}),
            (t.FINDINGS, {"audit_key": f"A_{room_sid}", "finding_id": f"f_{track}",
                          "kind": "rule", "rule_id": "r", "speaker": who, "start_s": 1.0,
                          "end_s": 2.0, "excerpt": "••••6467"}),
            (t.VERDICTS, {"verdict_id": f"v_{room_sid}_{track}", "subject": "hit",
                          "subject_id": f"h_{track}", "rule_id": "r", "rule_version": 1,
                          "speaker": who, "start_s": 1.0, "end_s": 2.0, "decision": "confirmed",
                          "is_final": False, "reviewer": "rita", "decided_at": began_at,
                          "note": f"{who} says it twice"}),
            (t.EGRESS_CLAIMS, {"track_id": track, "room_name": f"line of {people[0]}",
                               "identity": who, "claimed_at": began_at, "lease_until": began_at,
                               "attempts": 1}),
            (t.EGRESSES, {"egress_id": f"E_{room_sid}_{track}", "room_name": "r",
                          "track_id": track, "status": "complete", "object_key": key,
                          "updated_at": began_at}),
        ]  # fmt: skip
    lines = [{"type": "transcript", "room_sid": room_sid, "is_complete": True}]
    lines += [{"type": "participant", "identity": who, "role": None} for who in people]  # type: ignore[dict-item]
    lines += [
        {"type": "utterance", "id": who, "speaker": who, "text": f"I am {who}"} for who in people
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    write(f"transcripts/{folder}/transcript.jsonl", text, "application/jsonl")
    with home.database.begin() as connection:
        for table, row in rows:
            has_sid = "room_sid" in table.c
            connection.execute(
                table.insert().values({**row, **({"room_sid": room_sid} if has_sid else {})})
            )
    return keys


def write_table(home: House, day: str, rows: list[dict[str, object]]) -> str:
    """A Parquet file of one day."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    key = f"tables/utterances/date={day}/part-0.parquet"
    home.store.put_bytes(key, buffer.getvalue(), content_type="application/vnd.apache.parquet")
    return key


class Dying:
    """A store whose process is killed at its nth write or erasure, before it or right after it."""

    def __init__(self, store: KeepingStore, n_steps: int) -> None:
        self._store = store
        self._left = n_steps

    def __getattr__(self, name: str) -> Any:
        what = getattr(self._store, name)
        if name not in {"erase", "put_bytes"}:
            return what

        def stepped(*arguments: Any, **options: Any) -> None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            what(*arguments, **options)
            if self._left == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        return stepped


def is_killed(home: House, n_steps: int, work: Callable[[Database, Any], object]) -> bool:
    """Do work in a process of its own, which dies at a step.

    Returns:
        Whether it died; False if the work came to its end.
    """
    home.database.close()  # connections are not for two processes
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store = open_objects(
                home.variables["EARMARK_OBJECTS_URL"],
                s3_endpoint_url=home.variables.get("EARMARK_S3_ENDPOINT_URL"),
            )
            work(open_database(home.database_url), Dying(store, n_steps))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def ago(days: float) -> datetime:
    """A moment some days before now."""
    return datetime.now(UTC) - timedelta(days=days)
