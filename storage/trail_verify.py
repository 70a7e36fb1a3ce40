"""Verifying the trail: every entry against its hash, every link, every signed head.

Entries are streamed: a trail of any length takes the same memory, and two numbers more for each
head in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from storage.database import Database
from storage.objects import ObjectStore
from storage.trail import Chain, chain_of
from storage.trail_entries import EntryCheck, Row, stored_rows
from storage.trail_faults import Fault, FaultCode, Faults, in_order
from storage.trail_stored_heads import Anchor, Fork, StoredHeads, read_heads
from storage.trail_tables import TRAIL_HEADS

_TELL_EVERY = 1000
# What is done, how much of it, and of how much; None = not known.
OnProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a verification found, and what it could vouch for."""

    chain_id: str | None  # None = there is no trail
    n_entries: int
    last_seq: int  # of the last entry that is there
    last_hash: str | None  # hex
    faults: tuple[Fault, ...]  # in the order of entries
    n_more_faults: int
    are_heads_read: bool
    n_heads: int  # signed by a known key
    anchored_seq: int  # the last entry that a head vouches for; 0 = none
    anchored_at: datetime | None  # UTC
    n_waiting: int  # heads that are signed and not in the store yet

    @property
    def is_intact(self) -> bool:
        """Whether nothing is amiss."""
        return not self.faults

    @property
    def n_unanchored(self) -> int:
        """Entries at the end that no head vouches for."""
        return max(0, self.last_seq - self.anchored_seq)


@dataclass(frozen=True, slots=True)
class _Noted:
    """A head that the database knows."""

    seq: int
    object_key: str
    head_hash: str
    is_stored: bool


def verify(
    database: Database,
    objects: ObjectStore | None,
    keys: Sequence[Ed25519PublicKey],
    *,
    expected: Sequence[Anchor] = (),
    on_progress: OnProgress = lambda what, n, total: None,
) -> Verification:
    """Verify the trail of a database.

    Args:
        database: Open; it is only read, and others may append meanwhile.
        objects: Where its heads are; None = do not look at heads.
        keys: Those that may have signed heads.
        expected: Heads that were noted elsewhere.
        on_progress: Told now and then.

    Raises:
        StorageUnavailableError, DatabaseUnavailableError: one of them cannot be reached.
    """
    # In this order: what the database noted is in the store, and what is there is in the database.
    with database.begin(read_only=True) as connection:
        chain, noted = chain_of(connection), _noted(connection)
    heads: StoredHeads | None = None
    if objects is not None:
        n_read = 0

        def on_read() -> None:
            nonlocal n_read
            n_read += 1
            on_progress("heads", n_read, None)

        heads = read_heads(
            objects, keys, chain_id=chain.chain_id if chain else None, on_read=on_read
        )
    anchors = [*(heads.anchors if heads else ()), *expected]
    with database.begin(read_only=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        chain = chain_of(connection)
        chain_id = chain.chain_id if chain else heads.chain_id if heads else None
        entries = EntryCheck(chain_id or "")
        # Of two that say the same, the signed one comes last and is told of.
        join = _Join(sorted(anchors, key=lambda each: (each.seq, each.at is not None)))
        for row in _told(stored_rows(connection), chain, on_progress):
            entries.feed(row)
            join.feed(row, is_whole=entries.is_last_whole)
    faults = _settled(entries, join, chain, heads, noted)
    return Verification(
        chain_id=chain_id,
        n_entries=entries.n_entries,
        last_seq=entries.last_seq,
        last_hash=entries.last_hash if entries.last_seq else None,
        faults=in_order(faults.found),
        n_more_faults=faults.n_more,
        are_heads_read=heads is not None,
        n_heads=len(heads.anchors) if heads else 0,
        anchored_seq=join.matched.seq if join.matched else 0,
        anchored_at=join.matched.at if join.matched else None,
        n_waiting=sum(not each.is_stored for each in noted),
    )


class _Join:
    """Lays entries and heads side by side; both come in the order of entries."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        self._anchors = anchors
        self._at = 0
        self.matched: Anchor | None = None  # the last one whose entry is as it was anchored
        self.differing: list[tuple[int, Anchor]] = []  # and the first entry that may differ
        self.fitting: set[tuple[int, str]] = set()

    def feed(self, row: Row, *, is_whole: bool) -> None:
        if not isinstance(row.seq, int):
            return
        while self._at < len(self._anchors) and self._anchors[self._at].seq <= row.seq:
            anchor = self._anchors[self._at]
            self._at += 1
            if anchor.seq < row.seq:
                continue  # its entry is missing, which is told of by its number
            if anchor.hash == row.hash:
                self.fitting.add((anchor.seq, anchor.hash))
                if is_whole:
                    self.matched = anchor
            elif is_whole:  # else it is told of already
                first = self.matched.seq + 1 if self.matched else 1
                # Once the chain is another, all heads that follow differ.
                if not self.differing or self.differing[-1][0] != first:
                    self.differing.append((first, anchor))

    @property
    def beyond(self) -> Anchor | None:
        """The last head of an entry that is not there."""
        return self._anchors[-1] if self._at < len(self._anchors) else None


def _settled(
    entries: EntryCheck,
    join: _Join,
    chain: Chain | None,
    heads: StoredHeads | None,
    noted: Sequence[_Noted],
) -> Faults:
    """All faults: those of entries, of heads, and of the two together."""
    ends = [(chain.last_seq, "by the row of the chain")] if chain else []
    ends += [(each.seq, "by a head that the database noted") for each in noted]
    if join.beyond is not None:
        ends.append((join.beyond.seq, f"anchored by {join.beyond.about}"))
    known_last, about = max(ends, key=lambda end: end[0], default=(0, ""))
    faults = entries.finish(known_last, about)
    if chain is not None and entries.last_seq > 0:
        if chain.last_seq < entries.last_seq:
            faults.add(FaultCode.ADDED, chain.last_seq + 1, entries.last_seq)
        elif (
            chain.last_seq == entries.last_seq
            and entries.is_last_whole
            and chain.last_hash != entries.last_hash
        ):
            faults.add(FaultCode.EDITED, entries.last_seq)
    forks = _true_forks(heads.forks if heads else (), join)
    for fork in forks:
        last = max(fork.one.seq, fork.other.seq)
        about = f"{fork.one.about} and {fork.other.about}"
        faults.add(FaultCode.FORKED, fork.seq, last, about)
    for first, anchor in join.differing:
        is_told = any(
            fork.seq <= anchor.seq and any(seq >= fork.seq for seq, _ in join.fitting)
            for fork in forks
        )
        if not is_told:
            faults.add(FaultCode.REWRITTEN, first, anchor.seq, anchor.about)
    if heads is not None:
        faults.take(heads.faults.found)
        faults.n_more += heads.faults.n_more
        for each in noted:
            is_there = each.head_hash in heads.head_hashes or each.seq in heads.doubtful
            if each.is_stored and not is_there:
                faults.add(FaultCode.HEAD_MISSING, each.seq, about=each.object_key)
    return faults


def _true_forks(forks: Sequence[Fork], join: _Join) -> list[Fork]:
    """Forks of which not both sides are the chain that is here."""
    return [
        fork
        for fork in forks
        if not all((each.seq, each.hash) in join.fitting for each in (fork.one, fork.other))
    ]


def _noted(connection: Connection) -> list[_Noted]:
    rows = connection.execute(select(TRAIL_HEADS).order_by(TRAIL_HEADS.c.seq)).mappings()
    return [
        _Noted(row["seq"], row["object_key"], row["head_hash"], row["stored_at"] is not None)
        for row in rows
    ]


def _told(rows: Iterator[Row], chain: Chain | None, on_progress: OnProgress) -> Iterator[Row]:
    total = chain.last_seq if chain else None
    n = 0
    for row in rows:
        yield row
        n += 1
        if n % _TELL_EVERY == 0:
            on_progress("entries", n, total)
    on_progress("entries", n, total)
