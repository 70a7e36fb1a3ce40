"""A recording of several people is audited by who said what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from offline.align import TimelineAligner
from offline.attribution import TimelineAttributor
from offline.audit import Auditor, Outcome
from offline.files import find_files
from offline.find import Finder
from offline.hearing import MixEngines
from offline.report import Headline
from rules.loader import load_rulebook
from rules.types import Span
from storage.calls import Call as CallRow
from storage.calls import CallParticipant, save_call, save_participant
from storage.database import Database
from storage.findings import CoverageCode
from storage.manifest import Recording, manifest_key, recording_key, write_manifest
from storage.objects import ObjectStore
from storage.recordings import save_recording
from storage.speech import save_speech
from tests.offline.builders import STARTED_AT, ScriptedEngines, write_wav
from tests.offline.mixes import (
    cpwer,
    diarizer,
    mixed,
    plain_words,
    script,
    spoken_in,
    track,
)

pytest.importorskip("torch", reason="telling voices apart needs the extra offline")

SIDES = {"agent": track("clean-agent"), "customer": track("clean-customer")}
SPOKEN = spoken_in(SIDES)
OFF_S = 0.6  # the recorder's clock


def auditor(
    database: Database, objects: ObjectStore, *, tells_apart: bool, engines: object = None
) -> Auditor:
    return Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=engines or ScriptedEngines("some words of somebody"),
        mixes=MixEngines(
            diarizer=diarizer() if tells_apart else None, attributor=TimelineAttributor()
        ),
        aligner=TimelineAligner(),
    )


def store_composite(database: Database, objects: ObjectStore, data: bytes) -> None:
    """A call of two people that Egress recorded as one file, and that was heard live."""
    duration_s = 36.0
    key = recording_key(STARTED_AT.date(), "RM_1", "composite")
    begun_at = STARTED_AT + timedelta(seconds=2.0 + OFF_S)
    recording = Recording(
        object_key=key,
        sha256=hashlib.sha256(data).hexdigest(),
        egress_id="EG_1",
        room_sid="RM_1",
        room_name="support",
        identity=None,
        track_id=None,
        track_source=None,
        started_at=begun_at,
        ended_at=begun_at + timedelta(seconds=duration_s),
        duration_s=duration_s,
        call_started_at=STARTED_AT,
        recorder="egress",
    )
    objects.put_bytes(key, data, content_type="audio/wav")
    objects.put_bytes(manifest_key(key), write_manifest(recording), content_type="application/json")
    with database.begin() as connection:
        save_call(
            connection,
            CallRow(
                room_sid="RM_1",
                room_name="support",
                source="livekit",
                created_at=STARTED_AT,
                ended_at=STARTED_AT + timedelta(seconds=40),
                rulebook_fingerprint="book",
                observer_joined_s=0.5,
            ),
        )
        save_recording(connection, recording)
        for identity in SIDES:
            save_participant(
                connection,
                CallParticipant(
                    room_sid="RM_1", identity=identity, role=None, kind="standard", joined_s=0.0
                ),
            )
        # In truth the recording began two seconds after the room.
        heard = [(who, Span(a + 2.0, b + 2.0)) for a, b, who in SPOKEN]
        save_speech(connection, "RM_1", heard)


@pytest.fixture
def composite(database: Database, objects: ObjectStore, tmp_path: Path) -> Callable[..., Outcome]:
    path = write_wav(tmp_path / "composite.wav", mixed(SIDES))
    store_composite(database, objects, path.read_bytes())

    def audit(**changes: bool) -> Outcome:
        (call,) = Finder(database, objects).by_name("RM_1").calls
        return auditor(database, objects, **changes).audit(call)

    return audit


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_composite_shows_who_spoke(composite: Callable[..., Outcome]) -> None:
    """Voices are given to participants by when they were heard live; the clock is put right."""
    report = composite(tells_apart=True).report
    assert [speaker.name for speaker in report.speakers] == ["agent", "customer"]
    assert report.coverage == ()
    assert report.engines.diarizer == diarizer().name
    (recording,) = report.recordings
    assert recording.alignment == "timeline"
    assert recording.start_s == pytest.approx(2.0, abs=0.1)
    assert recording.offset_found_s == pytest.approx(-OFF_S, abs=0.1)
    for speaker in report.speakers:
        spoken_s = sum(b - a for a, b, who in SPOKEN if who == speaker.name)
        right_s = sum(
            max(0.0, min(b + 2.0, end_s) - max(a + 2.0, start_s))
            for a, b, who in SPOKEN
            if who == speaker.name
            for start_s, end_s in speaker.speech
        )
        assert right_s / spoken_s > 0.9
        assert speaker.n_utterances > 0


def test_a_composite_that_nothing_tells_apart_is_incomplete(
    composite: Callable[..., Outcome],
) -> None:
    """Its words are there, said by somebody unknown, and the report says what is missing."""
    report = composite(tells_apart=False).report
    assert {line.speaker for line in report.utterances} == {"unknown"}
    assert report.headline is not Headline.CLEAN
    (gap,) = [gap for gap in report.coverage if gap.code is CoverageCode.NOT_DIARIZED]
    assert gap.detail == "not_told_apart"
    assert not report.is_complete


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_words_go_to_who_said_them(
    database: Database,
    objects: ObjectStore,
    tmp_path: Path,
) -> None:
    """A mix of two tracks with the default models; measured 15 %, numbers as digits included."""
    from offline.engines import DEFAULT_TRANSCRIBER, LocalEngines

    engines = LocalEngines(
        transcriber=DEFAULT_TRANSCRIBER, models_dir=diarizer()._models_dir, cpu_threads=1
    )
    path = write_wav(tmp_path / "call.wav", mixed(SIDES))
    outcome = auditor(database, objects, tells_apart=True, engines=engines).audit(
        find_files([path])
    )
    engines.close()
    by_speaker: dict[str, list[str]] = {}
    for utterance in outcome.utterances:
        by_speaker.setdefault(utterance.speaker or "", []).extend(plain_words(utterance.text))
    said = [plain_words(text) for text in script("clean").values()]
    rate = cpwer(said, list(by_speaker.values()))
    print(f"cpWER {rate:.1%}")  # noqa: T201 - with -s
    assert set(by_speaker) == {"Voice 1", "Voice 2"}
    assert rate <= 0.20


def test_cpwer_counts_words_of_the_wrong_speaker() -> None:
    """Names don't matter, and a word under the wrong one is lost there and too much here."""
    said = [["a", "b", "c"], ["d", "e"]]
    assert cpwer(said, [["d", "e"], ["a", "b", "c"]]) == 0.0
    assert cpwer(said, [["a", "b"], ["c", "d", "e"]]) == pytest.approx(2 / 5)
    assert cpwer(said, [["a", "b", "c", "d", "e"]]) == pytest.approx(4 / 5)


def test_one_file_without_a_name_may_hold_several(tmp_path: Path) -> None:
    """A name for its speaker says that there is one; several files have a speaker each."""
    one = write_wav(tmp_path / "one.wav", SIDES["agent"])
    two = write_wav(tmp_path / "two.wav", SIDES["customer"])
    assert [s.is_mix for s in find_files([one]).sources] == [True]
    assert [s.is_mix for s in find_files([one], ["anna"]).sources] == [False]
    assert [s.is_mix for s in find_files([one, two]).sources] == [False, False]
    assert [s.is_mix for s in find_files([one, two], are_mixed=True).sources] == [True, True]


def test_who_spoke_live_is_part_of_the_key(database: Database, objects: ObjectStore) -> None:
    """A timeline that comes in late gives another audit."""
    from offline.fingerprint import audit_key
    from tests.offline.builders import call, live

    before = call(live=live())
    after = replace(before, live=live(speech=(("anna", Span(1.0, 2.0)),)))
    assert audit_key(before, {}, "book") != audit_key(after, {}, "book")
