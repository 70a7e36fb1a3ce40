"""Kept transcripts: whole in and out, refused when broken, removed when their time is over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rules.types import (
    CallEnded,
    HeardUntil,
    Participant,
    Role,
    Span,
    utterance_from_text,
    utterance_from_words,
)
from storage.errors import TranscriptError
from storage.objects import ObjectStore
from storage.transcripts import (
    Transcript,
    dump_transcript,
    forget_transcripts,
    parse_transcript,
)
from tests.storage.builders import NOW

KEY = "transcripts/2026-03-01/RM_1/transcript.jsonl"
SECRET = "hidden-word"
TRANSCRIPT = Transcript(
    room_sid="RM_1",
    audit_key="ab" * 32,
    rulebook_fingerprint="cd" * 32,
    pipeline={"transcriber": "faster-whisper-base", "beam": 5},
    is_complete=False,
    made_at=NOW,
    events=(
        Participant(
            identity="+15550100", role=Role.CUSTOMER, attributes=(("line", "2"), ("team", "é"))
        ),
        Participant(identity="agent"),
        HeardUntil(at_s=0.1 + 0.2),  # a float that has no short form
        utterance_from_words(
            [("It\u2028is", Span(0.3, 0.7), 0.25), (SECRET, Span(0.7, 1 / 3 + 1), None)],
            id="TR_1/0",
            speaker="agent",
        ),
        utterance_from_text("so\nfar", Span(2, 3), id="TR_2/0", speaker=None, is_final=False),
        HeardUntil(at_s=9.0),
        CallEnded(at_s=9.0),
    ),
)


def test_whole() -> None:
    """What comes back is what the engine was fed, to the last digit."""
    assert parse_transcript(dump_transcript(TRANSCRIPT), key=KEY) == TRANSCRIPT


def broken(number: int, **changes: object) -> bytes:
    """The transcript with other values in one of its lines."""
    lines = [json.loads(line) for line in dump_transcript(TRANSCRIPT).split(b"\n") if line]
    lines[number] |= changes
    return b"\n".join(json.dumps(line).encode() for line in lines)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\xff\xfe", "line 1", id="not-text"),
        pytest.param(b'{"type": "transcript"}', "line 1: schema_version: missing", id="short"),
        pytest.param(broken(0, schema_version=2), "line 1: schema_version", id="newer"),
        pytest.param(broken(0, room_sid=None), "line 1: room_sid", id="no-call"),
        pytest.param(broken(4, extra=1), "line 5: utterance.extra", id="unknown-key"),
        pytest.param(broken(4, text="other"), "line 5: utterance TR_1/0", id="words-elsewhere"),
        pytest.param(broken(4, end_s=0), "line 5: need 0 <= start_s", id="backwards"),
        pytest.param(broken(4, type="song"), "line 5: union_tag", id="unknown-event"),
        pytest.param(
            dump_transcript(TRANSCRIPT).rsplit(b"\n", 2)[0], "ends before the call", id="cut"
        ),
        pytest.param(dump_transcript(TRANSCRIPT)[:-9], "line 8", id="cut-in-line"),
    ],
)
def test_broken(data: bytes, problem: str) -> None:
    """What is no transcript is refused by place and kind, and nothing that was said is quoted."""
    with pytest.raises(TranscriptError, match=problem) as caught:
        parse_transcript(data, key=KEY)
    assert str(caught.value).startswith(KEY)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_old_ones_are_removed(objects: ObjectStore) -> None:
    """Transcripts written before a moment go, and nothing else does."""
    data = dump_transcript(TRANSCRIPT)
    keys = [KEY, KEY.replace("RM_1", "RM_2"), "reports/2026-03-01/RM_1/report.json"]
    for key in keys:
        objects.put_bytes(key, data, content_type="application/jsonl")
    hour = timedelta(hours=1)
    assert forget_transcripts(objects, before=datetime.now(UTC) - hour) == 0
    assert len(list(objects.list())) == 3
    assert forget_transcripts(objects, before=datetime.now(UTC) + hour) == 2
    assert [found.key for found in objects.list()] == keys[2:]
    assert forget_transcripts(objects, before=datetime.now(UTC) + hour) == 0


def test_repr_hides_what_was_said() -> None:
    """A transcript in a log shows no words and nobody."""
    shown = repr(replace(TRANSCRIPT, is_complete=True))
    assert SECRET not in shown
    assert "5550100" not in shown
