"""How an entry of the trail becomes bytes, and these a hash. Whoever checks it must do the same.

An entry is the line `earmark trail entry 1`, a newline, and a JSON array of chain id, seq, at,
actor, action, room_sid, subject, detail (the text of its JSON) and prev_hash, in ASCII and without
spaces. `at` is UTC with six decimals and a Z. The first entry follows the hash of the line
`earmark trail start 1`, a newline, and the chain id, so entries of one chain fit no other.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

_ENTRY = b"earmark trail entry 1\n"
_START = b"earmark trail start 1\n"


def shown_time(at: datetime) -> str:
    """A moment as it is hashed and signed.

    >>> shown_time(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(value: object) -> str:
    """JSON in the one form that is hashed: ASCII, keys in order, no spaces.

    Raises:
        ValueError: a number is not finite.
        TypeError: it is no JSON.
    """
    return json.dumps(
        value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def start_hash(chain_id: str) -> str:
    """What the first entry of a chain follows; hex."""
    return hashlib.sha256(_START + chain_id.encode()).hexdigest()


def entry_hash(
    chain_id: str,
    *,
    seq: int,
    at: datetime,
    actor: str,
    action: str,
    room_sid: str | None,
    subject: str | None,
    detail: str,
    prev_hash: str,
) -> str:
    """The hash of an entry; hex."""
    row = [chain_id, seq, shown_time(at), actor, action, room_sid, subject, detail, prev_hash]
    return hashlib.sha256(_ENTRY + canonical(row).encode()).hexdigest()
