"""Records to the database, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from realtime.forwarders.forwarder import QueuedForwarder
from realtime.records import Record
from storage.database import Database
from storage.errors import StorageError
from storage.records import StoredRecord, save_records

# Rows of one call at most: hours of talk. A room that never ends must not fill the disk.
MAX_ROWS_PER_CALL = 20_000
_RETRY_DELAYS_S = (0.2, 1.0, 5.0)


class DatabaseForwarder(QueuedForwarder[Record]):
    """Writes records, with personal data covered.

    Args:
        database: Open.
        room_sid: The call.
        max_rows: Rows of this call at most.
    """

    def __init__(
        self, database: Database, *, room_sid: str, max_rows: int = MAX_ROWS_PER_CALL
    ) -> None:
        super().__init__(name="database", room_sid=room_sid, max_batch=100, gather_s=0.5)
        self._database = database
        self._n_rows_left = max_rows

    def put(self, record: Record) -> None:
        """Take one record."""
        if self._n_rows_left <= 0:
            self._lose(1, "the call has too many records")
            return
        self._n_rows_left -= 1
        self.enqueue(record)

    async def deliver(self, items: Sequence[Record]) -> bool:
        """Write a batch in one transaction."""
        rows = [_stored(record) for record in items]
        for delay_s in (*_RETRY_DELAYS_S, None):
            try:
                await asyncio.to_thread(self._write, rows)
            except (StorageError, SQLAlchemyError):
                if delay_s is None:
                    return False
                await asyncio.sleep(delay_s)
            else:
                return True
        return False

    def _write(self, rows: Sequence[StoredRecord]) -> None:
        with self._database.begin() as connection:
            save_records(connection, rows)


def _stored(record: Record) -> StoredRecord:
    payload = record.payload()
    return StoredRecord(
        id=record.id,
        room_sid=record.room_sid,
        participant_sid=record.participant_sid,
        role=record.role,
        kind=record.kind,
        type=record.type.value,
        content=str(payload["content"]),
        at_s=record.at_s,
        recorded_at=record.recorded_at,
        metadata=dict(record.metadata),
    )
