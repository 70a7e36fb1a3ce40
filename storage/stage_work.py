"""Where the audit's stages put down what they have made, and how that is removed.

What a stage makes of a recording holds what was said, unmasked: it is personal data. It lies under
one of two prefixes, `PREFIX/DAY/CALL/STAGE-KEY.json`. Under `work/` is what an audit needs to go on
after it was killed; it goes when the call's report is finished. Under `stages/` is what somebody
asked to keep, so that calls can be judged again without being transcribed again. What is in the
files is the audit's own affair (`offline.stages`).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Final

from storage.errors import ObjectLockedError
from storage.objects import ObjectStore

UNFINISHED_PREFIX: Final = "work/"
KEPT_PREFIX: Final = "stages/"
PREFIXES: Final = (UNFINISHED_PREFIX, KEPT_PREFIX)
CONTENT_TYPE: Final = "application/json"
# Whoever has not gone on with a killed audit after this time does not mean to.
UNFINISHED_KEPT: Final = timedelta(days=7)


def call_folder(day: date, room_sid: str) -> str:
    """The part of a key that names the call.

    Args:
        day: The day of the call, as in the key of its report.
        room_sid: The call.

    >>> call_folder(date(2026, 3, 1), "RM_a")
    '2026-03-01/RM_a/'
    """
    return f"{day.isoformat()}/{room_sid}/"


def clear_call(objects: ObjectStore, prefix: str, folder: str, *, but: Collection[str] = ()) -> int:
    """Remove what was put down for one call.

    Args:
        objects: The store.
        prefix: One of `PREFIXES`.
        folder: From `call_folder`.
        but: Keys that stay.

    Returns:
        How many objects were removed.
    """
    gone = [found.key for found in objects.list(f"{prefix}{folder}") if found.key not in but]
    for key in gone:
        with suppress(ObjectLockedError):  # of a held call, it stays as long as the hold
            objects.delete(key)
    return len(gone)


def forget_stages(
    objects: ObjectStore,
    *,
    now: datetime,
    keep_days: int | None,
    held: Collection[str] = (),
) -> int:
    """Remove what is too old: of audits that nobody went on with, and what was kept long enough.

    Args:
        objects: The store.
        now: UTC.
        keep_days: For how long stages are kept on purpose; None leaves those alone, because a shell
            without the setting must not empty the store of those who have it.
        held: Session ids of calls of which nothing may be removed.

    Returns:
        How many objects were removed.
    """
    n_gone = _forget(objects, UNFINISHED_PREFIX, now - UNFINISHED_KEPT, held)
    if keep_days is not None:
        n_gone += _forget(objects, KEPT_PREFIX, now - timedelta(days=keep_days), held)
    return n_gone


def _forget(objects: ObjectStore, prefix: str, before: datetime, held: Collection[str]) -> int:
    old = [
        found.key
        for found in objects.list(prefix)
        if found.modified_at < before and not any(room_sid in found.key for room_sid in held)
    ]
    for key in old:
        objects.delete(key)
    return len(old)
