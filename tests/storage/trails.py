"""Trails to tamper with, and the ways to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, select, text, update

from storage import trail
from storage.database import Database
from storage.objects import ObjectStore
from storage.trail import TrailAction, TrailEvent
from storage.trail_anchor import anchor
from storage.trail_hashes import entry_hash, shown_time, start_hash
from storage.trail_heads import Head
from storage.trail_tables import TRAIL, TRAIL_CHAIN
from storage.trail_verify import Verification, verify
from tests.storage.builders import NOW

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
_ACTIONS = tuple(TrailAction)


def fill(database: Database, n: int, *, actor: str = "reviewer") -> None:
    """Append so many entries, each of its own."""
    with database.begin() as connection:
        chain = trail.chain_of(connection)
        begun = chain.last_seq if chain else 0
        for seq in range(begun + 1, begun + n + 1):
            event = TrailEvent(
                actor=f"{actor}-{seq % 3}",
                action=_ACTIONS[seq % len(_ACTIONS)],
                room_sid=f"RM_{seq % 5}" if seq % 4 else None,
                subject=f"h{seq}",
                detail={"n": seq, "start_s": seq / 8},
            )
            trail.append(connection, event, now=NOW + timedelta(seconds=seq))


def anchored(database: Database, objects: ObjectStore, key: Ed25519PrivateKey = KEY) -> Head:
    """Anchor what there is."""
    head = anchor(database, objects, key, now=NOW + timedelta(days=1))
    assert head is not None
    return head


def verified(
    database: Database, objects: ObjectStore | None, *keys: Ed25519PrivateKey, **options: Any
) -> Verification:
    """Verify with our key, or with others."""
    public = [key.public_key() for key in keys or (KEY,)]
    return verify(database, objects, public, **options)


def faults(found: Verification) -> list[tuple[str, int, int]]:
    """What was found, with the entries."""
    return [(each.code.value, each.seq, each.last_seq) for each in found.faults]


def tamper(database: Database, *statements: Any) -> None:
    """Run what nobody should run, one after the other."""
    with database.begin() as connection:
        for statement in statements:
            if callable(statement):
                statement(connection)
            else:
                connection.execute(statement)


def edit(seq: int, /, **values: Any) -> Any:
    """Change an entry."""
    return update(TRAIL).where(TRAIL.c.seq == seq).values(**values)


def remove(first: int, last: int | None = None) -> Any:
    """Take entries out."""
    return delete(TRAIL).where(TRAIL.c.seq.between(first, last or first))


def shift(first: int, by: int) -> Sequence[Any]:
    """Give all entries from one on other numbers, and no other hashes."""
    return (
        update(TRAIL).where(TRAIL.c.seq >= first).values(seq=TRAIL.c.seq + 1_000_000),
        update(TRAIL).where(TRAIL.c.seq >= 1_000_000).values(seq=TRAIL.c.seq - 1_000_000 + by),
    )


def swap(one: int, other: int) -> Sequence[Any]:
    """Let two entries exchange their numbers."""
    return edit(one, seq=-1), edit(other, seq=one), edit(-1, seq=other)


def exchange(one: int, other: int) -> Callable[[Connection], None]:
    """Let two entries exchange what they say, and keep numbers and hashes."""

    def run(connection: Connection) -> None:
        columns = [c for c in TRAIL.c if c.name not in {"seq", "hash", "prev_hash"}]
        query = select(TRAIL.c.seq, *columns).where(TRAIL.c.seq.in_([one, other]))
        said = {row["seq"]: row for row in connection.execute(query).mappings()}
        if len(said) == 2:
            for seq, from_seq in ((one, other), (other, one)):
                values = {c.name: said[from_seq][c.name] for c in columns}
                connection.execute(edit(seq, **values))

    return run


def rehash(first: int, last: int | None = None) -> Callable[[Connection], None]:
    """Make hashes and links fit again from one entry on; to the end, with the row of the chain."""

    def run(connection: Connection) -> None:
        chain = trail.chain_of(connection)
        assert chain is not None
        before = connection.execute(
            select(TRAIL.c.hash).where(TRAIL.c.seq < first).order_by(TRAIL.c.seq.desc()).limit(1)
        ).scalar() or start_hash(chain.chain_id)
        rows = (
            connection.execute(
                select(TRAIL)
                .where(TRAIL.c.seq >= first)
                .where(TRAIL.c.seq <= (last or 10**9))
                .order_by(TRAIL.c.seq)
            )
            .mappings()
            .all()
        )
        connection.execute(  # no two rows may follow one, not even in between
            update(TRAIL)
            .where(TRAIL.c.seq.in_([row["seq"] for row in rows]))
            .values(prev_hash="x" + TRAIL.c.prev_hash, hash="x" + TRAIL.c.hash)
        )
        seq = first - 1
        for row in rows:
            values = {**row, "at": shown_time(row["at"]), "prev_hash": before}
            del values["hash"]
            before = entry_hash(chain.chain_id, **values)
            seq = row["seq"]
            connection.execute(edit(seq, prev_hash=values["prev_hash"], hash=before))
        if last is None:
            connection.execute(update(TRAIL_CHAIN).values(last_seq=seq, last_hash=before))

    return run


def without_constraints(database: Database) -> None:
    """Take away what keeps two rows from one number, as whoever owns the database can."""
    with database.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE trail DROP CONSTRAINT pk_trail"))
            connection.execute(text("ALTER TABLE trail DROP CONSTRAINT uq_trail_prev_hash"))
            connection.execute(text("ALTER TABLE trail DROP CONSTRAINT uq_trail_hash"))
            return
        connection.execute(text("CREATE TABLE loose AS SELECT * FROM trail"))
        connection.execute(text("DROP TABLE trail"))
        connection.execute(text("ALTER TABLE loose RENAME TO trail"))
