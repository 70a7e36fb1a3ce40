"""Anchoring: signing where the chain stands, and storing that outside the database.

A head is noted in the database first and stored afterwards, so several who anchor at once make one
row of heads, and what somebody noted and did not store, the next one stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, RowMapping, insert, select, update

from storage.database import Database
from storage.objects import ObjectStore
from storage.trail import Chain, chain_of, locked_chain
from storage.trail_heads import CONTENT_TYPE, Head, HeadLink, sign_head
from storage.trail_tables import TRAIL, TRAIL_HEADS


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorState:
    """How far the chain is anchored, as the database knows."""

    chain: Chain | None  # None = nothing was ever appended
    anchored_seq: int  # 0 = nothing is anchored
    anchored_at: datetime | None  # UTC, of the newest head that is stored
    object_key: str | None  # of that head
    n_waiting: int  # heads that are signed and not stored yet
    waits_since: datetime | None  # UTC, of the oldest entry after that head

    @property
    def n_entries(self) -> int:
        """Entries that are not anchored."""
        return max(0, (self.chain.last_seq if self.chain else 0) - self.anchored_seq)

    def is_due(self, now: datetime, *, n_entries: int, after: timedelta) -> bool:
        """Whether so many entries are not anchored, or one for so long."""
        if not self.n_entries:
            return False
        is_old = self.waits_since is not None and now - self.waits_since >= after
        return self.n_entries >= n_entries or is_old


def anchor_state(connection: Connection) -> AnchorState:
    """How far the chain is anchored."""
    stored = _heads(connection, stored=True, newest=True)
    seq = int(stored[0]["seq"]) if stored else 0
    waiting_entry = select(TRAIL.c.at).where(TRAIL.c.seq > seq).order_by(TRAIL.c.seq).limit(1)
    return AnchorState(
        chain=chain_of(connection),
        anchored_seq=seq,
        anchored_at=stored[0]["made_at"] if stored else None,
        object_key=stored[0]["object_key"] if stored else None,
        n_waiting=len(_heads(connection, stored=False)),
        waits_since=connection.execute(waiting_entry).scalar(),
    )


def anchor(
    database: Database, objects: ObjectStore, key: Ed25519PrivateKey, *, now: datetime
) -> Head | None:
    """Sign where the chain stands and store that. What is done already is not done again.

    Args:
        database: Not within a transaction: the store may be slow, and nobody shall wait for it.
        objects: Where heads are stored.
        key: Signs.
        now: UTC.

    Returns:
        The new head; None where no entry was appended since the last one.

    Raises:
        StorageUnavailableError, StorageFullError: the head is noted, and stored the next time.
        TrailError: the chain in the database is damaged.
    """
    with database.begin() as connection:
        head = _new_head(connection, key, now)
    with database.begin(read_only=True) as connection:
        waiting = _heads(connection, stored=False)
    for row in waiting:
        objects.put_bytes(row["object_key"], row["document"].encode(), content_type=CONTENT_TYPE)
        with database.begin() as connection:
            connection.execute(
                update(TRAIL_HEADS).where(TRAIL_HEADS.c.seq == row["seq"]).values(stored_at=now)
            )
    return head


def _new_head(connection: Connection, key: Ed25519PrivateKey, now: datetime) -> Head | None:
    if chain_of(connection) is None:
        return None
    chain = locked_chain(connection, now)
    newest = (
        connection.execute(select(TRAIL_HEADS).order_by(TRAIL_HEADS.c.seq.desc()).limit(1))
        .mappings()
        .one_or_none()
    )
    if chain.last_seq <= (newest["seq"] if newest else 0):
        return None
    head = sign_head(
        key,
        chain_id=chain.chain_id,
        seq=chain.last_seq,
        hash=chain.last_hash,
        at=now,
        previous=HeadLink(seq=newest["seq"], head_hash=newest["head_hash"]) if newest else None,
    )
    connection.execute(
        insert(TRAIL_HEADS).values(
            seq=head.seq,
            object_key=head.object_key,
            document=head.document(),
            head_hash=head.head_hash,
            made_at=now,
            stored_at=None,
        )
    )
    return head


def _heads(connection: Connection, *, stored: bool, newest: bool = False) -> list[RowMapping]:
    is_stored = TRAIL_HEADS.c.stored_at.is_not(None)
    query = select(TRAIL_HEADS).where(is_stored if stored else ~is_stored)
    query = query.order_by(TRAIL_HEADS.c.seq.desc() if newest else TRAIL_HEADS.c.seq)
    return list(connection.execute(query.limit(1) if newest else query).mappings())
