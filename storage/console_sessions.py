"""Who is signed in at the console, and the links that sign somebody in once.

A token is 256 random bits that only the browser keeps; the database knows its SHA-256.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from storage.console_tables import CONSOLE_LINKS, CONSOLE_SESSIONS

# A session that does nothing for so long ends, whatever time it has left.
IDLE = timedelta(hours=1)
LINK_TIME = timedelta(minutes=10)
# `seen_at` is written at most this often: a page is no reason to wait for the write lock.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session, or what a link would make one of."""

    person_id: str = field(repr=False)
    name: str = field(repr=False)
    roles: tuple[str, ...]
    expires_at: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session as those who manage the console see it."""

    token_hash: str = field(repr=False)
    person_id: str = field(repr=False)
    name: str = field(repr=False)
    roles: tuple[str, ...]
    signed_in_at: datetime
    seen_at: datetime
    expires_at: datetime


def hash_of(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin_session(connection: Connection, who: SignedIn, *, now: datetime) -> str:
    """Sign somebody in, and forget sessions that are over.

    Returns:
        The token for the browser; it can be had only now.
    """
    connection.execute(delete(CONSOLE_SESSIONS).where(CONSOLE_SESSIONS.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(CONSOLE_SESSIONS).values(
            token_hash=hash_of(token),
            person_id=who.person_id,
            name=who.name,
            roles=list(who.roles),
            signed_in_at=now,
            seen_at=now,
            expires_at=who.expires_at,
        )
    )
    return token


def session_of(
    connection: Connection, token: str, *, now: datetime
) -> tuple[SignedIn, bool] | None:
    """Whose session a token is.

    Returns:
        The session, and whether `touch_session` is due; None for a session that is over, or never
        was.
    """
    table = CONSOLE_SESSIONS
    row = (
        connection.execute(select(table).where(table.c.token_hash == hash_of(token)))
        .mappings()
        .one_or_none()
    )
    if row is None or row["expires_at"] <= now or row["seen_at"] + IDLE <= now:
        return None
    return _signed_in(row), row["seen_at"] + _SEEN_EVERY <= now


def touch_session(connection: Connection, token: str, *, now: datetime) -> None:
    """Note that a session is in use."""
    table = CONSOLE_SESSIONS
    connection.execute(
        update(table).where(table.c.token_hash == hash_of(token)).values(seen_at=now)
    )


def end_session(connection: Connection, token_hash: str) -> bool:
    """Sign somebody out; whether there was such a session."""
    table = CONSOLE_SESSIONS
    return bool(connection.execute(delete(table).where(table.c.token_hash == token_hash)).rowcount)


def sessions(connection: Connection, *, now: datetime) -> tuple[SessionRow, ...]:
    """All sessions that are not over, the latest first."""
    table = CONSOLE_SESSIONS
    rows = connection.execute(
        select(table)
        .where(table.c.expires_at > now, table.c.seen_at > now - IDLE)
        .order_by(table.c.seen_at.desc(), table.c.token_hash)
    ).mappings()
    return tuple(SessionRow(**dict(row) | {"roles": tuple(row["roles"])}) for row in rows)


def make_link(
    connection: Connection, *, person_id: str, name: str, roles: tuple[str, ...], now: datetime
) -> str:
    """Make a link that signs somebody in, once and soon.

    Returns:
        The token for the address; it can be had only now.
    """
    connection.execute(delete(CONSOLE_LINKS).where(CONSOLE_LINKS.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(CONSOLE_LINKS).values(
            token_hash=hash_of(token),
            person_id=person_id,
            name=name,
            roles=list(roles),
            expires_at=now + LINK_TIME,
        )
    )
    return token


def use_link(
    connection: Connection, token: str, *, session_time: timedelta, now: datetime
) -> SignedIn | None:
    """Use a link up.

    Returns:
        What to begin a session with; None where the link was used, is too old, or never was.
    """
    table = CONSOLE_LINKS
    is_mine = table.c.token_hash == hash_of(token)
    # The update decides who was first; a row that is only read would let two in.
    used = connection.execute(
        update(table)
        .where(is_mine, table.c.used_at.is_(None), table.c.expires_at > now)
        .values(used_at=now)
    )
    if not used.rowcount:
        return None
    row = connection.execute(select(table).where(is_mine)).mappings().one()
    return SignedIn(
        person_id=row["person_id"],
        name=row["name"],
        roles=tuple(row["roles"]),
        expires_at=now + session_time,
    )


def _signed_in(row: RowMapping) -> SignedIn:
    return SignedIn(
        person_id=row["person_id"],
        name=row["name"],
        roles=tuple(row["roles"]),
        expires_at=row["expires_at"],
    )
