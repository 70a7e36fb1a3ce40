"""Redacted copies, their places in the store, and recordings that must not be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offline.audit import Auditor, Outcome
from offline.find import Finder
from offline.redaction import RedactionOptions, Style, When, cover, webvtt
from offline.report import UtteranceLine
from rules.loader import load_rulebook
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.encode import write_ogg
from speech.errors import AudioError
from storage.database import Database
from storage.deletion_marks import DeletionReason, marks_of, note_deleted, open_marks
from storage.objects import ObjectStore
from storage.transcripts import parse_transcript
from tests.offline.builders import CARD, STARTED_AT, ScriptedEngines, store_call

FOLDER = "redacted/2026-03-01/RM_1/"
CODE = "My card number is 4539 1488 0343 6467 and the security code is 907"


def audited(
    database: Database,
    objects: ObjectStore,
    *texts: str,
    keep_days: int | None = None,
    **options: object,
) -> Outcome:
    (call,) = Finder(database, objects).by_name("RM_1").calls
    return Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=ScriptedEngines(*texts),
        keep_transcripts_days=keep_days,
        redaction=RedactionOptions(**options),  # type: ignore[arg-type]
    ).audit(call)


def copies(objects: ObjectStore) -> set[str]:
    return {info.key.removeprefix(FOLDER) for info in objects.list(FOLDER)}


@pytest.mark.parametrize(
    ("text", "when", "expected"),
    [
        pytest.param(f"card {CARD}", When.PERSONAL, {"TR_1.ogg", "transcript.vtt"}, id="personal"),
        pytest.param("Hello.", When.PERSONAL, set(), id="nothing-personal"),
        pytest.param("Hello.", When.ALWAYS, {"TR_1.ogg", "transcript.vtt"}, id="always"),
        pytest.param(f"card {CARD}", When.NEVER, set(), id="never"),
        pytest.param(CODE, When.NEVER, {"TR_1.ogg", "transcript.vtt"}, id="never-but-a-code"),
    ],
)
def test_which_calls_get_copies(
    text: str,
    when: When,
    expected: set[str],
    database: Database,
    objects: ObjectStore,
    sound: bytes,
) -> None:
    """By the setting; codes that may not be kept are redacted whatever it says."""
    store_call(database, objects, {"customer": sound})
    report = audited(database, objects, text, when=when).report
    assert copies(objects) == expected
    (recording,) = report.recordings
    assert (recording.redacted is not None) == bool(expected)
    assert (report.redaction is not None) == bool(expected)


def test_a_copy_is_as_long_as_its_recording_and_holds_no_number(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """Times of the transcript hold in the copy; the text beside it is masked."""
    store_call(database, objects, {"customer": sound})
    report = audited(database, objects, f"My card number is {CARD} thank you").report
    path = tmp_path / "copy.ogg"
    objects.fetch(f"{FOLDER}TR_1.ogg", path)
    audio = decode(path)
    assert audio.damage is None
    assert abs(audio.duration_s - report.recordings[0].duration_s) < 0.05
    text = objects.get_bytes(f"{FOLDER}transcript.vtt").decode()
    assert "4539" not in text
    assert "<v customer>My card number is •••• •••• •••• •••• thank you" in text
    # The original stays as it was.
    assert objects.get_bytes("recordings/2026-03-01/RM_1/TR_1.ogg") == sound


def test_copies_of_an_earlier_audit_go_with_it(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """An audit that finds nothing personal leaves no copy of the one before."""
    store_call(database, objects, {"customer": sound})
    audited(database, objects, f"card {CARD}")
    assert copies(objects)
    audited(database, objects, "Hello.", style=Style.SILENCE)  # other options: audited anew
    assert copies(objects) == set()


def test_a_recording_with_a_code_is_marked_for_deletion(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """The track of who said it, once however often the call is audited; the report says so."""
    # The same bytes twice would be heard once.
    store_call(database, objects, {"agent": sound + bytes(2), "customer": sound})
    texts = ("Hello.", CODE)
    report = audited(database, objects, *texts).report
    audited(database, objects, *texts, style=Style.SILENCE)
    assert [each.to_be_deleted for each in report.recordings] == [None, "card_security_code"]
    with database.begin() as connection:
        (mark,) = marks_of(connection, "RM_1")
        assert open_marks(connection) == (mark,)
        note_deleted(connection, mark.object_key, STARTED_AT)
        note_deleted(connection, mark.object_key, STARTED_AT.replace(year=2030))
        assert open_marks(connection) == ()
        assert marks_of(connection, "RM_1") == (replace(mark, deleted_at=STARTED_AT),)
    assert mark.object_key == "recordings/2026-03-01/RM_1/TR_2.ogg"
    assert mark.reason is DeletionReason.CARD_SECURITY_CODE


def test_a_kept_transcript_has_no_codes(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """Who keeps what was said keeps the card number, and never its security code."""
    store_call(database, objects, {"customer": sound})
    audited(database, objects, CODE, keep_days=36_500)
    key = "transcripts/2026-03-01/RM_1/transcript.jsonl"
    data = objects.get_bytes(key)
    parse_transcript(data, key=key)
    assert b"4539" in data
    assert b"907" not in data


@pytest.mark.parametrize("style", Style)
def test_nothing_of_the_sound_is_left_where_it_is_covered(style: Style) -> None:
    """What is heard there does not depend on what was there; the rest is untouched."""
    rng = np.random.default_rng(1)
    samples = rng.uniform(-1, 1, (2, 5 * SAMPLE_RATE_HZ)).astype(np.float32)
    other = samples.copy()
    span = Span(11.0, 12.5)
    inside = slice(SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ))
    other[0, inside] = 0.3
    places = ((span, Span(14.9, 99.0)), ())
    covered = cover(samples, 10.0, places, style)
    assert np.array_equal(covered[0, inside], cover(other, 10.0, places, style)[0, inside])
    assert np.abs(covered[0, inside]).max() <= (0.1 if style is Style.TONE else 0.0) + 1e-6
    assert np.array_equal(covered[1], samples[1])
    assert np.array_equal(covered[0, : SAMPLE_RATE_HZ - 1], samples[0, : SAMPLE_RATE_HZ - 1])
    assert np.abs(covered[0, int(4.95 * SAMPLE_RATE_HZ) :]).max() <= 0.1 + 1e-6


def test_a_transcript_for_players_is_escaped() -> None:
    """Words that look like tags, cues or lines are words."""
    line = UtteranceLine(
        id="1", speaker="a<b", start_s=3599.5, end_s=3601.25, text="x --> y\n\n<i>&"
    )
    assert webvtt([line]) == (
        "WEBVTT\n\n00:59:59.500 --> 01:00:01.250\n<v a&lt;b>x --&gt; y &lt;i&gt;&amp;\n"
    )


def test_ogg_keeps_channels_and_length(tmp_path: Path) -> None:
    """Two channels stay apart, more are mixed down; a folder that is not there is told."""
    seconds = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    write_ogg(tmp_path / "two.ogg", np.stack([tone, np.zeros_like(tone)]))
    two = decode(tmp_path / "two.ogg").samples
    assert two.shape[0] == 2
    assert abs(two.shape[1] - len(tone)) < SAMPLE_RATE_HZ // 50
    assert np.abs(two[0]).max() > 0.3
    assert np.abs(two[1]).max() < 0.05
    write_ogg(tmp_path / "three.ogg", np.stack([tone] * 3))
    assert decode(tmp_path / "three.ogg").samples.shape[0] == 1
    with pytest.raises(AudioError, match="cannot be written"):
        write_ogg(tmp_path / "nowhere" / "x.ogg", tone[np.newaxis])


def test_options_are_checked() -> None:
    """A pad that covers whole calls is a slip."""
    with pytest.raises(ValueError, match="pad_s"):
        RedactionOptions(pad_s=60.0)
