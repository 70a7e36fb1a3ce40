"""Texts that come as data messages, in whatever form an agent sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRANSCRIPTION = "transcription"
AGENT_RESPONSE = "agent_response"
TOPICS = frozenset({TRANSCRIPTION, AGENT_RESPONSE})
MAX_BYTES = 64 * 1024
MAX_CHARS = 20_000

_TEXT_KEYS = (
    "text", "transcript", "transcription", "content", "message", "response", "agent_response",
)  # fmt: skip
_SPEAKER_KEYS = (
    "participant_identity", "participantIdentity", "identity", "participant", "speaker",
)  # fmt: skip
_TRACK_KEYS = ("track_sid", "trackSid", "track_id", "transcribed_track_id")
_SEGMENT_KEYS = ("segment_id", "segmentId", "id")
_FINAL_KEYS = ("final", "is_final", "isFinal")
_NESTED = ("data", "payload", "segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentText:
    """One text out of a data message."""

    text: str = field(repr=False)
    speaker: str | None = field(default=None, repr=False)  # whom the message names, if anybody
    track_sid: str | None = None
    segment_id: str | None = None
    is_final: bool = True


def texts_in(data: bytes) -> tuple[SentText, ...] | None:
    """Read a data message: JSON with the usual names, a list of such, or plain text.

    Returns:
        The texts, none where it holds only white space; None for what cannot be read or is larger
        than `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if text.lstrip()[:1] not in {"{", "[", '"'}:
        return _kept(SentText(text=text[:MAX_CHARS]))
    try:
        return _texts(json.loads(text))
    except (ValueError, RecursionError):
        # Somebody may well begin a sentence with a bracket.
        return _kept(SentText(text=text[:MAX_CHARS]))


def _texts(value: Any, *, depth: int = 0) -> tuple[SentText, ...] | None:
    if isinstance(value, str):
        return _kept(SentText(text=value[:MAX_CHARS]))
    if depth > 2:
        return None
    if isinstance(value, list):
        each = [_texts(item, depth=depth + 1) for item in value]
        return tuple(text for found in each if found for text in found) if any(each) else None
    if not isinstance(value, dict):
        return None
    text = _string(value, _TEXT_KEYS)
    if text is None:
        inner = next((value[key] for key in (*_NESTED, "segments") if key in value), None)
        return _texts(inner, depth=depth + 1) if isinstance(inner, dict | list) else None
    final = next((value[key] for key in _FINAL_KEYS if isinstance(value.get(key), bool)), True)
    return _kept(
        SentText(
            text=text[:MAX_CHARS],
            speaker=_string(value, _SPEAKER_KEYS),
            track_sid=_string(value, _TRACK_KEYS),
            segment_id=_string(value, _SEGMENT_KEYS),
            is_final=final,
        )
    )


def _kept(sent: SentText) -> tuple[SentText, ...]:
    return (sent,) if sent.text.strip() else ()


def _string(value: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and found:
            return found
        if isinstance(found, dict) and isinstance(found.get("identity"), str):
            return str(found["identity"])
    return None
