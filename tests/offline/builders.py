"""Calls, hits, sound and scripted words for the audit's tests."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline import report
from offline.call import Call, LiveSide, Source
from offline.clock import RecordingClock
from offline.engines import Loaded
from offline.heard import Fault, Heard
from rules.types import Hit, HitState, Role, Severity, Span, Utterance, utterance_from_text
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.recogniser import RecognisedWord, Recognition
from speech.vad import VadModel
from storage.calls import Call as CallRow
from storage.calls import CallParticipant, save_call, save_participant
from storage.database import Database
from storage.findings import CoverageCode, LiveVerdict
from storage.manifest import Recording, manifest_key, recording_key, write_manifest
from storage.objects import ObjectStore
from storage.recordings import save_recording

DEMO_AUDIO = Path(__file__).parents[2] / "earmark" / "demo_audio"
STARTED_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DAY = date(2026, 3, 1)
CARD = "4539 1488 0343 6467"


def hit(**changes: Any) -> Hit:
    """A card number said by the customer."""
    values: dict[str, Any] = {
        "id": "h1",
        "rule_id": "pii.card-number",
        "rule_version": 1,
        "severity": Severity.HIGH,
        "speaker": "customer",
        "span": Span(10.0, 14.0),
        "parts": (),
        "excerpt": "••••6467",
        "score": 1.0,
        "state": HitState.CONFIRMED,
        "at_s": 14.0,
    }
    return Hit(**(values | changes))


def said(text: str, start_s: float, end_s: float, speaker: str, id: str) -> Utterance:
    """A typed utterance."""
    return utterance_from_text(text, Span(start_s, end_s), id=id, speaker=speaker)


def source(**changes: Any) -> Source:
    """A minute of the customer, recorded from the call's third second on."""
    values: dict[str, Any] = {
        "id": "TR_c",
        "name": "recordings/2026-03-01/RM_1/TR_c.ogg",
        "path": None,
        "sha256": "ab" * 32,
        "size_bytes": 1000,
        "speakers": ("customer",),
        "clock": RecordingClock(offset_s=3.0),
        "duration_s": 60.0,
        "recorder": "earmark",
    }
    return Source(**(values | changes))


def call(**changes: Any) -> Call:
    """A call with one recording that nobody heard live."""
    values: dict[str, Any] = {
        "room_sid": "RM_1",
        "room_name": "support",
        "source": "livekit",
        "started_at": STARTED_AT,
        "ended_s": 63.0,
        "day": DAY,
        "sources": (source(),),
        "members": (),
        "live": None,
    }
    return Call(**(values | changes))


def live(**changes: Any) -> LiveSide:
    """A live side that heard all and found nothing."""
    values: dict[str, Any] = {
        "hits": (),
        "raised_at": {},
        "gaps": (),
        "rulebook_fingerprint": "book",
        "joined_s": 1.0,
    }
    return LiveSide(**(values | changes))


def heard(of: Source | None = None, *, faults: Sequence[Fault] = (), **changes: Any) -> Heard:
    """A recording that was wholly checked."""
    of = of or source()
    whole = of.clock.span(0.0, of.duration_s or 60.0)
    values: dict[str, Any] = {
        "source": of,
        "sha256": of.sha256,
        "duration_s": of.duration_s or 60.0,
        "checked": tuple((speaker, whole) for speaker in of.speakers),
        "faults": tuple(faults),
    }
    return Heard(**(values | changes))


@cache
def demo_sound(name: str) -> NDArray[np.float32]:
    """The sound of a demo file, shape (n_samples,), 16 kHz."""
    return decode(DEMO_AUDIO / f"{name}.ogg").samples[0]


def write_wav(path: Path, *channels: NDArray[np.float32]) -> Path:
    """A WAV file of channels of equal length."""
    pcm = (np.stack(channels, axis=1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.tobytes())
    return path


class ScriptedRecogniser:
    """Says one text after the other, spread over the window of speech it is asked about."""

    name = "scripted"
    batch_size = 1

    def __init__(self, texts: Sequence[str]) -> None:
        self.n_calls = 0
        self._texts = texts

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        return tuple(Recognition(words=self.transcribe(piece)) for piece in pieces)

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        text = self._texts[self.n_calls % len(self._texts)]
        self.n_calls += 1
        words = text.split()
        each_s = len(samples) / SAMPLE_RATE_HZ / max(1, len(words))
        return tuple(
            RecognisedWord(text=word, start_s=i * each_s, end_s=(i + 1) * each_s, confidence=0.9)
            for i, word in enumerate(words)
        )

    def close(self) -> None:
        return


@cache
def vad_model() -> VadModel:
    """The real speech detector; it is small and comes with faster-whisper."""
    return VadModel(find_model("silero-vad", Path("nowhere"), allow_hub=False))


class ScriptedEngines:
    """Real speech detection, scripted words."""

    def __init__(self, *texts: str) -> None:
        self.recogniser = ScriptedRecogniser(texts)

    def describe(self) -> Mapping[str, object]:
        return {"transcriber": "scripted"}

    def load(self) -> Loaded:
        return Loaded(vad=vad_model(), recogniser=self.recogniser)


def store_call(
    database: Database,
    objects: ObjectStore,
    sounds: Mapping[str, bytes],
    *,
    room_sid: str = "RM_1",
    room_name: str | None = None,
    started_at: datetime = STARTED_AT,
    duration_s: float = 12.0,
) -> None:
    """A call as the live side leaves it: rows, recordings (by identity) and manifests."""
    room_name = room_name or f"room of {room_sid}"
    with database.begin() as connection:
        save_call(
            connection,
            CallRow(
                room_sid=room_sid,
                room_name=room_name,
                source="livekit",
                created_at=started_at,
                ended_at=started_at + timedelta(seconds=duration_s),
                rulebook_fingerprint="book",
                observer_joined_s=0.5,
            ),
        )
    for number, (identity, data) in enumerate(sounds.items(), start=1):
        key = recording_key(started_at.date(), room_sid, f"TR_{number}")
        recording = Recording(
            object_key=key,
            sha256=hashlib.sha256(data).hexdigest(),
            egress_id=f"ER_{number}",
            room_sid=room_sid,
            room_name=room_name,
            identity=identity,
            track_id=f"TR_{number}",
            track_source="microphone",
            started_at=started_at,
            ended_at=started_at + timedelta(seconds=duration_s),
            duration_s=duration_s,
            call_started_at=started_at,
            recorder="earmark",
        )
        objects.put_bytes(key, data, content_type="audio/wav")
        objects.put_bytes(
            manifest_key(key), write_manifest(recording), content_type="application/json"
        )
        with database.begin() as connection:
            save_recording(connection, recording)
            save_participant(
                connection,
                CallParticipant(
                    room_sid=room_sid, identity=identity, role=None, kind="standard", joined_s=0.0
                ),
            )


def finding(**changes: Any) -> report.RuleFinding:
    """A card number that live raised too."""
    values: dict[str, Any] = {
        "id": "f1",
        "rule_id": "pii.card-number",
        "rule_version": 1,
        "title": "Payment card number spoken",
        "severity": Severity.HIGH,
        "speaker": "customer",
        "start_s": 31.1,
        "end_s": 42.0,
        "excerpt": "••••••••••••6467",
        "score": 0.95,
        "verdict": LiveVerdict.CONFIRMED,
        "live_hit_id": "l1",
        "live_delay_s": 1.8,
        "marks": (report.Mark(utterance_id="u2", start_chars=18, end_chars=37),),
    }
    return report.RuleFinding(**(values | changes))


def made_report(**changes: Any) -> report.Report:
    """A call of two people with two findings, heard live and wholly checked."""
    values: dict[str, Any] = {
        "schema_version": 2,
        "audit_key": "ab" * 32,
        "headline": report.Headline.FINDINGS,
        "is_complete": True,
        "made_at": STARTED_AT + timedelta(hours=12),
        "call": report.CallInfo(
            room_sid="RM_1",
            room_name="support",
            source="livekit",
            started_at=STARTED_AT,
            day=DAY,
            duration_s=62.5,
        ),
        "speakers": tuple(
            report.Speaker(
                name=name,
                role=Role(name),
                n_utterances=1,
                speech_s=5.0,
                checked_s=62.0,
                speech=spans,
            )
            for name, spans in (("agent", ((1.0, 6.0),)), ("customer", ((29.8, 42.0),)))
        ),
        "recordings": (
            report.RecordingInfo(
                name="recordings/2026-03-01/RM_1/TR_1.ogg",
                speakers=("agent",),
                sha256="cd" * 32,
                is_hash_verified=True,
                start_s=0.4,
                duration_s=62.0,
                status="checked",
            ),
        ),
        "coverage": (),
        "findings": (
            finding(
                id="f0",
                rule_id="conduct.promissory-claim",
                title="Promise of a return",
                speaker="agent",
                start_s=3.0,
                end_s=4.0,
                excerpt="guaranteed returns",
                verdict=LiveVerdict.MISSED_LIVE,
                live_hit_id=None,
                live_delay_s=None,
                marks=(report.Mark(utterance_id="u1", start_chars=9, end_chars=27),),
            ),
            finding(),
        ),
        "utterances": (
            report.UtteranceLine(
                id="u1",
                speaker="agent",
                start_s=1.0,
                end_s=6.0,
                text="We offer guaranteed returns.",
            ),
            report.UtteranceLine(
                id="u2",
                speaker="customer",
                start_s=29.8,
                end_s=42.0,
                text="My card number is •••• •••• •••• ••••.",
            ),
        ),
        "engines": report.Engines(
            transcriber="faster-whisper-base (int8, beam 5)",
            vad="silero-vad",
            pipeline_version=1,
            earmark_version="0.1.0",
        ),
        "rulebook": report.RulebookInfo(
            packs=(report.Pack(id="pii.card", version=1),),
            n_rules=6,
            fingerprint="ef" * 32,
            live_fingerprint="ef" * 32,
        ),
        "reconciliation": report.Reconciliation(
            live_ran=True,
            rules=(
                report.RuleScore(
                    rule_id="pii.card-number",
                    title="Payment card number spoken",
                    n_confirmed=1,
                    n_missed_live=0,
                    n_false_alarm_live=0,
                    n_unverified=0,
                    precision_ratio=1.0,
                    recall_ratio=1.0,
                ),
            ),
        ),
    }
    return report.Report(**(values | changes))


def coverage(**changes: Any) -> report.CoverageFinding:
    """A participant without a recording."""
    values: dict[str, Any] = {
        "code": CoverageCode.RECORDING_MISSING,
        "detail": "no_recording",
        "message": "Was on the call, and there is no recording of them.",
        "speaker": "customer",
        "recording": None,
        "start_s": 2.0,
        "end_s": 60.0,
        "is_harmless": False,
    }
    return report.CoverageFinding(**(values | changes))
