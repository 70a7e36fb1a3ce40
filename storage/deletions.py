"""The ledger of deletions: noted before anything goes, closed when it is gone.

A process that dies in between leaves open notes, and the next run goes on with them. No personal
data is in it: keys, session ids, counts and hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select, update

from storage.errors import ObjectLockedError
from storage.keeping_tables import DELETIONS
from storage.tables import RECORDINGS
from storage.upsert import insert_if_new
from storage.versions import KeepingStore, ObjectVersion, versions_of


class Cause(StrEnum):
    """On whose word something is deleted."""

    RETENTION = "retention"  # its time is over
    MARK = "mark"  # it must not be kept, such as a recording with a card's security code
    ERASURE = "erasure"  # of a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One object, or the rows of one call."""

    deletion_id: str
    kind: str  # "object" or "rows"
    cause: Cause
    reason: str  # a code
    room_sid: str | None
    object_key: str | None
    sha256: str | None
    n_items: int
    size_bytes: int | None
    erasure_id: str | None
    noted_at: datetime  # UTC
    done_at: datetime | None  # UTC


def note_object(
    connection: Connection,
    key: str,
    versions: Sequence[ObjectVersion],
    *,
    cause: Cause,
    reason: str,
    room_sid: str | None,
    now: datetime,
    erasure_id: str | None = None,
) -> str:
    """Note that an object is about to be erased, with all its versions.

    Returns:
        The note's id: the same versions give the same one, however often it is noted.
    """
    told = [[v.version_id, v.modified_at.isoformat(), v.size_bytes] for v in versions]
    digest = hashlib.sha256(json.dumps([key, sorted(told, key=str)]).encode()).hexdigest()
    deletion_id = f"del_{digest[:32]}"
    sha256 = connection.execute(
        select(RECORDINGS.c.sha256).where(RECORDINGS.c.object_key == key)
    ).scalar()
    insert_if_new(
        connection,
        DELETIONS,
        {
            "deletion_id": deletion_id,
            "kind": "object",
            "cause": cause.value,
            "reason": reason,
            "room_sid": room_sid,
            "object_key": key,
            "sha256": sha256,
            "n_items": sum(not version.is_marker for version in versions),
            "size_bytes": sum(version.size_bytes for version in versions),
            "erasure_id": erasure_id,
            "noted_at": now,
        },
    )
    return deletion_id


def note_rows(
    connection: Connection,
    room_sid: str,
    n_rows: int,
    *,
    cause: Cause,
    reason: str,
    now: datetime,
    erasure_id: str | None = None,
) -> None:
    """Note that rows of a call are gone, in the transaction that removes them."""
    named = json.dumps([room_sid, cause.value, erasure_id, now.isoformat()])
    insert_if_new(
        connection,
        DELETIONS,
        {
            "deletion_id": f"del_{hashlib.sha256(named.encode()).hexdigest()[:32]}",
            "kind": "rows",
            "cause": cause.value,
            "reason": reason,
            "room_sid": room_sid,
            "n_items": n_rows,
            "erasure_id": erasure_id,
            "noted_at": now,
            "done_at": now,
        },
    )


def close_deletion(connection: Connection, deletion_id: str, now: datetime) -> None:
    """Note that an object is gone."""
    connection.execute(
        update(DELETIONS)
        .where(DELETIONS.c.deletion_id == deletion_id, DELETIONS.c.done_at.is_(None))
        .values(done_at=now)
    )


def open_deletions(connection: Connection) -> tuple[Deletion, ...]:
    """What was begun and not finished, in the order in which it was noted."""
    return _select(connection, DELETIONS.c.done_at.is_(None))


def deletions_of(connection: Connection, *, erasure_id: str) -> tuple[Deletion, ...]:
    """What an erasure deleted."""
    return _select(connection, DELETIONS.c.erasure_id == erasure_id)


def all_deletions(connection: Connection) -> tuple[Deletion, ...]:
    """The whole ledger."""
    return _select(connection, DELETIONS.c.deletion_id.is_not(None))


def erase_all_versions(
    store: KeepingStore, key: str, *, bypass_governance: bool = False
) -> str | None:
    """Erase every version of a key that may be erased, the newest last.

    So an object seems to be there until nothing is left of it: a run that dies in between finds it
    again.

    Returns:
        Why something is left, None where nothing is.
    """
    kept: str | None = None
    found = sorted(versions_of(store, key), key=lambda version: version.is_latest)
    for version in found:
        if kept is not None and version.is_marker:
            continue  # what it hides stays hidden
        try:
            store.erase(version, bypass_governance=bypass_governance)
        except ObjectLockedError as exc:
            kept = str(exc)
    return kept


def _select(connection: Connection, where: ColumnElement[bool]) -> tuple[Deletion, ...]:
    rows = connection.execute(
        select(DELETIONS).where(where).order_by(DELETIONS.c.noted_at, DELETIONS.c.deletion_id)
    ).mappings()
    return tuple(Deletion(**{**row, "cause": Cause(row["cause"])}) for row in rows)
