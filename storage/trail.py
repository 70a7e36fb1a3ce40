"""The audit trail: who saw, heard and decided what, as a chain of hashes.

Each entry holds the hash of the one before it, so none can be changed, taken out or moved without
all that follow being made anew; signed heads in the object store (`storage.trail_anchor`) tell when
they were. There is one chain a database. An entry holds ids, spans and counts, never what a caller
said or who they were: the trail is kept when calls are deleted.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, insert, select, update

from storage.engine import READ_ONLY
from storage.errors import TrailError
from storage.trail_hashes import canonical, entry_hash, shown_time, start_hash
from storage.trail_tables import TRAIL, TRAIL_CHAIN
from storage.upsert import insert_if_new

Detail = Mapping[str, str | int | float | bool | None]
MAX_NAME_CHARS = 200  # of actor, room_sid, subject and keys of detail
MAX_TEXT_CHARS = 500  # of a value of detail
MAX_DETAILS = 32
_MAX_INT = 2**53  # beyond, other readers of JSON round


class TrailAction(StrEnum):
    """What was done."""

    VIEW = "view"  # a call's page, masked
    PLAY = "play"  # sound, with the range
    UNMASK_TEXT = "unmask_text"
    UNMASK_AUDIO = "unmask_audio"
    DOWNLOAD = "download"
    EXPORT = "export"
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    CLAIM = "claim"
    RELEASE = "release"
    ASSIGN = "assign"
    VERDICT = "verdict"
    ADJUDICATE = "adjudicate"
    SAMPLE = "sample"
    RULE_PROPOSE = "rule_propose"
    RULE_APPROVE = "rule_approve"
    RULE_REJECT = "rule_reject"
    RULE_ROLLBACK = "rule_rollback"
    MANAGE = "manage"  # sessions and settings


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEvent:
    """What somebody did. Holds no personal data of callers: ids, spans, counts, codes."""

    actor: str = field(repr=False)  # a member of staff
    action: TrailAction
    room_sid: str | None = None
    subject: str | None = None  # id of what it was done to: a hit, a rule, an object's key
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """An event in its place in the chain."""

    seq: int  # from 1, without gaps
    at: datetime  # UTC
    actor: str = field(repr=False)
    action: str  # a TrailAction, or one of a newer Earmark
    room_sid: str | None
    subject: str | None
    detail: Detail
    prev_hash: str  # hex
    hash: str  # hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where the chain of this database stands."""

    chain_id: str
    started_at: datetime  # UTC
    last_seq: int  # 0 = it has no entry yet
    last_hash: str  # hex


def append(connection: Connection, event: TrailEvent, *, now: datetime | None = None) -> TrailEntry:
    """Add an event to the chain, as part of the caller's transaction.

    If that is rolled back, nothing was appended. Until it ends, nobody else appends: do it as the
    last statement, and commit soon.

    Args:
        connection: In a transaction that may write.
        event: What was done.
        now: UTC; None = now.

    Raises:
        TrailError: the event is no event, or the chain in the database is damaged.
    """
    if connection.get_execution_options().get(READ_ONLY, False):
        raise TrailError("the trail cannot be written in a transaction that only reads")
    detail = _checked(event)
    at = now or datetime.now(UTC)
    chain = locked_chain(connection, at)
    values = {
        "seq": chain.last_seq + 1,
        "at": shown_time(at),
        "actor": event.actor,
        "action": TrailAction(event.action).value,
        "room_sid": event.room_sid,
        "subject": event.subject,
        "detail": detail,
        "prev_hash": chain.last_hash,
    }
    hash_ = entry_hash(chain.chain_id, **values)  # type: ignore[arg-type]
    values["at"] = at.astimezone(UTC)
    connection.execute(insert(TRAIL).values(**values, hash=hash_))
    connection.execute(
        update(TRAIL_CHAIN)
        .where(TRAIL_CHAIN.c.slot == 1)
        .values(last_seq=values["seq"], last_hash=hash_)
    )
    return TrailEntry(**(values | {"detail": dict(event.detail)}), hash=hash_)  # type: ignore[arg-type]


def chain_of(connection: Connection) -> Chain | None:
    """Where the chain stands, None where nothing was ever appended."""
    row = connection.execute(select(TRAIL_CHAIN)).mappings().one_or_none()
    return _chain(row) if row else None


def locked_chain(connection: Connection, now: datetime) -> Chain:
    """The chain, begun where there is none, locked until the transaction ends.

    Raises:
        TrailError: there are entries, and no chain that they belong to.
    """
    # SQLite ignores FOR UPDATE: there, whoever may write has the lock already.
    query = select(TRAIL_CHAIN).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        if connection.execute(select(TRAIL.c.seq).limit(1)).first() is None:
            chain_id = uuid.uuid4().hex
            new = {
                "slot": 1,
                "chain_id": chain_id,
                "started_at": now,
                "last_seq": 0,
                "last_hash": start_hash(chain_id),
            }
            insert_if_new(connection, TRAIL_CHAIN, new)
        # Another may have begun it at this moment, and have appended since we looked.
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise TrailError(
            "the trail has entries, and the row of its chain is gone; see what "
            "`earmark trail verify` finds, and restore the database"
        )
    return _chain(row)


def entry_from(row: RowMapping) -> TrailEntry:
    """The entry in a row of the table. A detail that is no JSON any more becomes {}."""
    values = dict(row)
    try:
        detail = json.loads(values.pop("detail"))
    except ValueError:
        detail = {}
    return TrailEntry(detail=detail if isinstance(detail, dict) else {}, **values)


def _chain(row: RowMapping) -> Chain:
    return Chain(**{name: row[name] for name in Chain.__dataclass_fields__})


def _checked(event: TrailEvent) -> str:
    """The detail as canonical JSON, once the whole event is fit for the trail."""
    if not event.actor:
        raise TrailError("trail: an entry needs an actor")
    names = {"actor": event.actor, "room_sid": event.room_sid, "subject": event.subject}
    for what, name in (*names.items(), *(("detail", key) for key in event.detail)):
        if name is not None:
            _check_text(what, name, MAX_NAME_CHARS)
    if len(event.detail) > MAX_DETAILS:
        raise TrailError(f"trail: detail has more than {MAX_DETAILS} values")
    for key, value in event.detail.items():
        match value:
            case None | bool():
                pass
            case str():
                _check_text(f"detail {key}", value, MAX_TEXT_CHARS)
            case int() if abs(value) <= _MAX_INT:
                pass
            case float() if math.isfinite(value):
                pass
            case _:
                raise TrailError(
                    f"trail: detail {key} must be text, a number, true, false or nothing"
                )
    return canonical(dict(event.detail))


def _check_text(what: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise TrailError(f"trail: {what} is longer than {limit} characters")
    # PostgreSQL takes no NUL, and no half of a pair can be encoded.
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise TrailError(f"trail: {what} holds a character that cannot be stored")
