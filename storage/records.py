"""Records of what happened on calls, where a setting keeps them; what was said is masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from rules.types import Role
from storage.tables import RECORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One thing that happened on a call."""

    id: str
    room_sid: str
    participant_sid: str | None  # None for what nobody did
    role: Role | None
    kind: str | None
    type: str
    content: str = field(repr=False)  # masked
    at_s: float  # call clock
    recorded_at: datetime  # UTC
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def save_records(connection: Connection, records: Sequence[StoredRecord]) -> None:
    """Insert records; none of them may be there already."""
    if records:
        connection.execute(
            insert(RECORDS),
            [
                {
                    "record_id": record.id,
                    "room_sid": record.room_sid,
                    "participant_sid": record.participant_sid,
                    "role": record.role.value if record.role else None,
                    "kind": record.kind,
                    "type": record.type,
                    "content": record.content,
                    "at_s": record.at_s,
                    "recorded_at": record.recorded_at,
                    "metadata": dict(record.metadata),
                }
                for record in records
            ],
        )


def records_of(connection: Connection, room_sid: str) -> tuple[StoredRecord, ...]:
    """The records of a call, in the order in which they were made."""
    rows = connection.execute(
        select(RECORDS)
        .where(RECORDS.c.room_sid == room_sid)
        .order_by(RECORDS.c.recorded_at, RECORDS.c.at_s, RECORDS.c.record_id)
    ).mappings()
    return tuple(
        StoredRecord(
            id=row["record_id"],
            room_sid=row["room_sid"],
            participant_sid=row["participant_sid"],
            role=Role(row["role"]) if row["role"] else None,
            kind=row["kind"],
            type=row["type"],
            content=row["content"],
            at_s=row["at_s"],
            recorded_at=row["recorded_at"],
            metadata=MappingProxyType(dict(row["metadata"])),
        )
        for row in rows
    )


def delete_records_before(connection: Connection, before: datetime) -> int:
    """Delete records that were made before a time.

    Returns:
        How many.
    """
    return connection.execute(delete(RECORDS).where(RECORDS.c.recorded_at < before)).rowcount
