from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.event import listen

from storage import call_rows, trail
from storage.database import Database, open_database
from storage.errors import TrailError
from storage.trail import TrailAction, TrailEvent
from storage.trail_tables import CHAINED, TRAIL, TRAIL_CHAIN
from tests.servers.postgres import PostgresServer
from tests.storage.builders import NOW

APPENDER = """
import sys
from storage import trail
from storage.database import open_database
from storage.trail import TrailAction, TrailEvent
database = open_database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    with database.begin() as connection:
        event = TrailEvent(actor=sys.argv[2], action=TrailAction.PLAY, detail={"n": n})
        seq = trail.append(connection, event).seq
    print(seq, flush=True)
"""


def event(**changes: Any) -> TrailEvent:
    """Somebody looked at a call."""
    values: dict[str, Any] = {"actor": "reviewer-1", "action": TrailAction.VIEW, "room_sid": "RM_1"}
    return TrailEvent(**(values | changes))


def rows(database: Database) -> list[dict[str, Any]]:
    """The table as it is."""
    with database.begin(read_only=True) as connection:
        found = connection.execute(select(TRAIL).order_by(TRAIL.c.seq)).mappings()
        return [dict(row) for row in found]


def is_whole(database: Database) -> bool:
    """Whether every entry follows the one before, told without our own code for hashes."""
    with database.begin(read_only=True) as connection:
        chain = trail.chain_of(connection)
    assert chain is not None
    before = hashlib.sha256(f"earmark trail start 1\n{chain.chain_id}".encode()).hexdigest()
    found = rows(database)
    for n, row in enumerate(found, start=1):
        at = row["at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = [
            chain.chain_id, row["seq"], at, row["actor"], row["action"], row["room_sid"],
            row["subject"], row["detail"], row["prev_hash"],
        ]  # fmt: skip
        text = "earmark trail entry 1\n" + json.dumps(fields, separators=(",", ":"))
        if (row["seq"], row["prev_hash"]) != (n, before):
            return False
        before = hashlib.sha256(text.encode()).hexdigest()
        if row["hash"] != before:
            return False
    return (chain.last_seq, chain.last_hash) == (len(found), before)


def test_entries_follow_each_other(database: Database) -> None:
    """Each entry holds the hash of the one before, and what is read back is what was written."""
    detail = {"z": 1, "start_s": 2.5, "é": "ü", "is_masked": True, "reason": None}
    with database.begin() as connection:
        first = trail.append(connection, event(subject="h1", detail=detail), now=NOW)
    with database.begin() as connection:
        second = trail.append(connection, event(action=TrailAction.PLAY, room_sid=None), now=NOW)
    assert (first.seq, second.seq) == (1, 2)
    assert second.prev_hash == first.hash
    with database.begin(read_only=True) as connection:
        found = connection.execute(select(TRAIL).order_by(TRAIL.c.seq)).mappings().all()
        assert [trail.entry_from(row) for row in found] == [first, second]
    assert rows(database)[0]["detail"] == (
        '{"is_masked":true,"reason":null,"start_s":2.5,"z":1,"\\u00e9":"\\u00fc"}'
    )
    assert is_whole(database)


def test_rolled_back(database: Database) -> None:
    """What the caller's transaction did not do is not in the trail."""
    with database.begin() as connection:
        trail.append(connection, event())
    with contextlib.suppress(ZeroDivisionError), database.begin() as connection:
        trail.append(connection, event())
        _ = 1 / 0
    with database.begin() as connection:
        assert trail.append(connection, event()).seq == 2
    assert is_whole(database)


def test_several_in_one_transaction(database: Database) -> None:
    """A transaction may append more than one entry."""
    with database.begin() as connection:
        assert [trail.append(connection, event()).seq for _ in range(3)] == [1, 2, 3]
    assert is_whole(database)


def test_time_is_taken_where_none_is_given(database: Database) -> None:
    """Without a time, an entry is of now."""
    before = datetime.now(UTC)
    with database.begin() as connection:
        at = trail.append(connection, event()).at
    assert before <= at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actor": ""}, "needs an actor"),
        ({"actor": "x" * 201}, "actor is longer"),
        ({"subject": "x" * 201}, "subject is longer"),
        ({"room_sid": "RM\0"}, "room_sid holds a character"),
        ({"actor": "\ud800"}, "actor holds a character"),
        ({"detail": {"reason": "x" * 501}}, "detail reason is longer"),
        ({"detail": {"reason": "\udfff"}}, "detail reason holds"),
        ({"detail": {"at_s": float("nan")}}, "detail at_s must be"),
        ({"detail": {"n": 2**60}}, "detail n must be"),
        ({"detail": {"spans": [1, 2]}}, "detail spans must be"),
        ({"detail": {str(n): n for n in range(33)}}, "more than 32 values"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(database: Database, changes: dict[str, Any], said: str) -> None:
    """What the trail cannot hold for ever is refused before anything is written, unquoted."""
    with pytest.raises(TrailError, match=said) as caught, database.begin() as connection:
        trail.append(connection, event(**changes))
    assert "xxx" not in str(caught.value)
    assert rows(database) == []


def test_action_must_be_known(database: Database) -> None:
    """An action that is none gets no entry."""
    with pytest.raises(ValueError, match="peek"), database.begin() as connection:
        trail.append(connection, event(action="peek"))


def test_reading_transaction(database: Database) -> None:
    """A transaction that promised not to write is told so, on both databases."""
    with pytest.raises(TrailError, match="only reads"), database.begin(read_only=True) as conn:
        trail.append(conn, event())


def test_lost_chain_row(database: Database) -> None:
    """No second chain is begun over the entries of another."""
    with database.begin() as connection:
        trail.append(connection, event())
        connection.execute(delete(TRAIL_CHAIN))
    with pytest.raises(TrailError, match="earmark trail verify"), database.begin() as connection:
        trail.append(connection, event())


def test_trail_outlives_the_call(database: Database) -> None:
    """Deleting the rows of a call leaves the trail as it was."""
    assert not CHAINED & {table.name for table in call_rows.tables_of_calls()}
    with database.begin() as connection:
        trail.append(connection, event(room_sid="RM_1"))
        call_rows.delete_call(connection, "RM_1")
    assert is_whole(database)


def test_several_processes(database_url: str, database: Database) -> None:
    """Processes that append at once make one chain, and each has all its entries in it."""
    n_each = 25
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDER, database_url, f"p{n}", str(n_each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # begun at once, on a trail without a chain
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seqs = [int(line) for each in processes for line in each.communicate()[0].split()]
    assert sorted(seqs) == list(range(1, 4 * n_each + 1))
    assert is_whole(database)
    found = rows(database)
    for n in range(4):
        own = [json.loads(row["detail"])["n"] for row in found if row["actor"] == f"p{n}"]
        assert own == list(range(n_each))


@pytest.mark.slow
def test_begun_while_another_looks(postgres: PostgresServer) -> None:
    """A chain that is begun between two looks of ours is no chain that was lost."""
    database = open_database(postgres.new_database(), create=True)
    looks: list[str] = []

    def begin_it_meanwhile(*args: Any) -> None:
        statement = args[2]
        if not looks and "FOR UPDATE" in statement:
            looks.append(statement)
            with database.begin() as other:
                trail.append(other, event(subject="first"))

    with database.begin() as connection:
        listen(connection, "after_cursor_execute", begin_it_meanwhile)
        trail.append(connection, event(subject="second"))
    assert [row["subject"] for row in rows(database)] == ["first", "second"]
    assert is_whole(database)
    database.close()


def test_killed_while_appending(database_url: str, database: Database) -> None:
    """SIGKILL leaves a valid chain, with all that had been acknowledged."""
    for n_lines in (1, 20, 37):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDER, database_url, "p", "100000"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        told = [process.stdout.readline() for _ in range(n_lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        seqs = [int(line) for line in told if line.endswith("\n")]
        assert {row["seq"] for row in rows(database)} >= set(seqs)
        assert is_whole(database)


def test_times_beyond_utc(database: Database) -> None:
    """A time of another zone is the same moment in the chain."""
    zone = datetime.now().astimezone().tzinfo
    with database.begin() as connection:
        trail.append(connection, event(), now=(NOW + timedelta(hours=5)).astimezone(zone))
    assert is_whole(database)
