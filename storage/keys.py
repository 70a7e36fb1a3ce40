"""Object keys: the one rule for what a key may be, so that a folder and S3 hold the same."""

from __future__ import annotations

from storage.errors import ObjectKeyError

MAX_KEY_BYTES = 1024  # S3's limit, in UTF-8
MAX_SEGMENT_BYTES = 255  # NAME_MAX of Linux file systems
# Unfinished writes of the folder store live here; no key may reach them.
RESERVED_SEGMENT = ".earmark-partial"
# And here the notes of its locks.
LOCKS_SEGMENT = ".earmark-locks"


def checked_key(key: str) -> str:
    """The key, if every store can hold it.

    Raises:
        ObjectKeyError: it is empty, absolute, too long, climbs out, or has characters that file
            systems or S3 treat specially.
    """
    if not key or key.endswith("/"):
        raise ObjectKeyError(f"object key {_shown(key)}: needs a name at its end")
    _check_segments(key, key.split("/"))
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix, if keys can begin with it. It may be empty, or end inside a segment.

    Raises:
        ObjectKeyError: no key can begin so.
    """
    if prefix:
        segments = prefix.split("/")
        _check_segments(prefix, segments[:-1] if segments[-1] == "" else segments)
    return prefix


def _check_segments(key: str, segments: list[str]) -> None:
    try:
        n_bytes = len(key.encode())
    except UnicodeEncodeError:
        raise ObjectKeyError(f"object key {_shown(key)}: is not valid Unicode") from None
    if n_bytes > MAX_KEY_BYTES:
        raise ObjectKeyError(
            f"object key {_shown(key)}: is {n_bytes} bytes long; {MAX_KEY_BYTES} are allowed"
        )
    if any(ord(char) < 32 or ord(char) == 127 or char == "\\" for char in key):
        raise ObjectKeyError(f"object key {_shown(key)}: holds a control character or backslash")
    if key.startswith("/"):
        raise ObjectKeyError(f"object key {_shown(key)}: begins with '/'; keys are relative")
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise ObjectKeyError(f"object key {_shown(key)}: has an empty, '.' or '..' part")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise ObjectKeyError(
                f"object key {_shown(key)}: a part is longer than {MAX_SEGMENT_BYTES} bytes"
            )
    if segments and segments[0] in {RESERVED_SEGMENT, LOCKS_SEGMENT}:
        raise ObjectKeyError(f"object key {_shown(key)}: {segments[0]} is not for keys")


def _shown(key: str) -> str:
    return ascii(key if len(key) <= 80 else f"{key[:80]}...")
