"""Logging that cannot carry personal data: JSON lines with declared keys only.

Libraries log room names, identities and the text of exceptions. So the formatter lets through only
keys that are known to be safe, and of an exception its type and place, never its message.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

# Keys of `extra=` that may be written, with what they hold. A key that is not here is dropped.
SAFE_KEYS = frozenset({
    "attempt", "attempts",  # counts
    "audit_key",  # hash
    "dead",  # whether a delivery was given up
    "delivery_id", "hit_id", "job_id", "room_sid", "room_id", "track_id", "dispatch_id", "id",
    "worker_id", "participant_sid",  # ids that LiveKit or we made up
    "duration_s", "elapsed_s", "elapsed_time", "timeout", "delay_s",
    "error", "what", "reason", "task", "kind", "stage",  # words of our own
    "model_id", "engine",
    "n_rooms", "n_recordings", "n_hits", "n_words", "count",
    "object_key",  # day, room sid and track sid
    "pid", "memory_usage_mb", "memory_limit_mb", "load", "threshold",
    "rule_id",
    "start_s", "end_s",
    "status", "target", "version", "rtc-version", "agent_name", "runner", "method",
})  # fmt: skip

# Loggers whose message text itself may hold names or addresses: their texts are kept out.
_TEXT_UNSAFE = (
    "livekit", "aiohttp", "asyncio", "botocore", "urllib3", "httpx", "uvicorn", "authlib",
)  # fmt: skip


class SafeFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, safe extras, where an error arose."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            # The unformatted message: arguments may hold anything.
            "message": str(record.msg)
            if _is_safe_text(record)
            else f"{record.module}:{record.lineno}",
        }
        for key in SAFE_KEYS & record.__dict__.keys():
            line[key] = record.__dict__[key]
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["where"] = [f"{frame.name}:{frame.lineno}" for frame in frames[-3:]]
        return json.dumps(line, default=str)


def _is_safe_text(record: logging.LogRecord) -> bool:
    if not record.name.startswith(_TEXT_UNSAFE):
        return True
    # A constant text of a library is as safe as one of ours; one with values in it is not.
    return not record.args and _looks_constant(str(record.msg))


def _looks_constant(text: str) -> bool:
    return all(character.isalpha() or character in " -_.,'()" for character in text)


def setup_logging(level: str = "INFO") -> None:
    """Send everything that this process and its children log to stderr, safely."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("botocore", "boto3", "urllib3", "httpx", "alembic", "faster_whisper", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
