"""Checking entries one after the other, and telling apart what was done to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Text, func, select, type_coerce

from storage.trail_faults import FaultCode, Faults
from storage.trail_hashes import entry_hash, start_hash
from storage.trail_ranges import Range, both, merged, without
from storage.trail_tables import TRAIL

_PAGE_ROWS = 2000
_NEAR = (*range(1, 17), *range(-1, -17, -1))  # how far a moved entry is looked for at once
_MAX_SEARCHES = 300
_MAX_PENDING = 400  # entries that are looked for everywhere, at the end
_MAX_MOVED = 1000


class Row(NamedTuple):
    """An entry as the database has it, which may be anything."""

    seq: int
    at: str
    actor: str
    action: str
    room_sid: str | None
    subject: str | None
    detail: str
    prev_hash: str
    hash: str


def stored_rows(connection: Connection) -> Iterator[Row]:
    """All rows in the order of their numbers, a page at a time in memory."""
    at: ColumnElement[str]
    if connection.dialect.name == "sqlite":
        at = func.replace(type_coerce(TRAIL.c.at, Text), " ", "T").op("||")("Z")
    else:
        at = func.to_char(func.timezone("UTC", TRAIL.c.at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    query = select(
        TRAIL.c.seq, at, TRAIL.c.actor, TRAIL.c.action, TRAIL.c.room_sid, TRAIL.c.subject,
        TRAIL.c.detail, TRAIL.c.prev_hash, TRAIL.c.hash,
    ).order_by(TRAIL.c.seq)  # fmt: skip
    options = {"stream_results": True, "yield_per": _PAGE_ROWS}
    for row in connection.execute(query, execution_options=options):
        yield Row._make(row)


class EntryCheck:
    """Takes in entries in the order of their numbers, and says in the end what is amiss.

    Args:
        chain_id: The chain that they should belong to.
    """

    def __init__(self, chain_id: str) -> None:
        self._chain_id = chain_id
        self.n_entries = 0
        self.last_seq = 0
        self.last_hash = start_hash(chain_id)
        self.is_last_whole = True
        self._faults = Faults()
        self._absent: list[Range] = []
        self._moved: list[tuple[int, int, int]] = []  # first, last, how far they were moved
        self._pending: list[Row] = []
        self._n_searches = 0

    def feed(self, row: Row) -> None:
        """Take in the next entry."""
        self.n_entries += 1
        if not isinstance(row.seq, int) or row.seq <= self.last_seq:
            # The database lets no number stand twice, unless its constraints were removed.
            about = "two rows have this number"
            self._faults.add(FaultCode.FORKED, self.last_seq, about=about)
            return
        is_next = row.seq == self.last_seq + 1
        if not is_next:
            self._absent.append((self.last_seq + 1, row.seq - 1))
        is_whole = self._hash(row) == row.hash
        if not is_whole:
            self._place(row)
        elif is_next and self.is_last_whole and row.prev_hash != self.last_hash:
            if row.seq == 1:
                self._faults.add(FaultCode.EDITED, 1)
            else:
                self._faults.add(FaultCode.RELINKED, self.last_seq, row.seq)
        self.last_seq, self.last_hash, self.is_last_whole = row.seq, row.hash, is_whole

    def finish(self, known_last: int, about: str) -> Faults:
        """All that is amiss.

        Args:
            known_last: Number of an entry that there was.
            about: How it is known.
        """
        self._settle_pending()
        places = [(first, last) for first, last, _ in self._moved]
        origins = [(first - by, last - by) for first, last, by in self._moved]
        for first, last in merged([*places, *both(origins, self._absent)]):
            self._faults.add(FaultCode.REORDERED, first, last)
        tail = [(self.last_seq + 1, known_last)] if known_last > self.last_seq else []
        missing = without([*self._absent, *places, *tail], origins)
        for first, last in without(missing, [(max(known_last, 1) + 1, 2**63)]):
            if last == known_last and tail:
                self._faults.add(FaultCode.CUT_TAIL, first, last, about)
            else:
                self._faults.add(FaultCode.DELETED, first, last)
        unmoved = without([(1, self.last_seq)], [*self._absent, *places])
        for first, last in both(origins, unmoved):
            self._faults.add(FaultCode.ADDED, first, last)
        return self._faults

    def _place(self, row: Row) -> None:
        """Find where an entry whose hash does not fit was made, or keep it for the end."""
        offset = self._moved[-1][2] if self._moved else 0
        if offset and self._fits(row, row.seq - offset):
            self._note_moved(row.seq, offset)
            return
        if self._n_searches < _MAX_SEARCHES:
            self._n_searches += 1
            for by in _NEAR:
                if self._fits(row, row.seq - by):
                    self._note_moved(row.seq, by)
                    return
        if len(self._pending) < _MAX_PENDING:
            self._pending.append(row)
        else:
            self._faults.add(FaultCode.EDITED, row.seq)

    def _note_moved(self, seq: int, by: int) -> None:
        if self._moved and self._moved[-1][1:] == (seq - 1, by):
            self._moved[-1] = (self._moved[-1][0], seq, by)
        elif len(self._moved) < _MAX_MOVED:
            self._moved.append((seq, seq, by))
        else:
            self._faults.add(FaultCode.EDITED, seq)

    def _settle_pending(self) -> None:
        places = [row.seq for row in self._pending]
        for first, last in self._absent:
            room = _MAX_PENDING * 2 - len(places)
            places += range(first, min(last, first + room - 1) + 1)
        left: list[Row] = []
        for row in self._pending:
            origin = next((seq for seq in places if self._fits(row, seq)), None)
            if origin is None:
                left.append(row)
            else:
                self._note_moved(row.seq, row.seq - origin)
        # Entries may also have exchanged what they say, and kept their numbers and hashes.
        exchanged = {
            row.seq
            for row in left
            for other in left
            if row.seq != other.seq and self._hash(row, other.seq, other.prev_hash) == other.hash
        }
        for row in left:
            if row.seq in exchanged:
                self._note_moved(row.seq, 0)
            else:
                self._faults.add(FaultCode.EDITED, row.seq)

    def _fits(self, row: Row, seq: int) -> bool:
        return seq > 0 and seq != row.seq and self._hash(row, seq) == row.hash

    def _hash(self, row: Row, seq: int | None = None, prev_hash: str | None = None) -> str | None:
        try:
            return entry_hash(
                self._chain_id,
                seq=row.seq if seq is None else seq,
                at=row.at,
                actor=row.actor,
                action=row.action,
                room_sid=row.room_sid,
                subject=row.subject,
                detail=row.detail,
                prev_hash=row.prev_hash if prev_hash is None else prev_hash,
            )
        except (TypeError, ValueError):
            return None  # SQLite lets bytes stand where text should
