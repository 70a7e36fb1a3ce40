"""Hearing one recording: its stages in their order. What fails is an outcome.

A stage plugs in here: `Hearing` makes it by the call's `Workbench`, and says in `describe` what
decides it. See `offline.stages` on how one is added.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from offline.attribute import Attributor, LaneVoices, voices_on
from offline.call import Call, Source
from offline.clock import RecordingClock
from offline.diarization.turns import Diarizer
from offline.engines import Engines
from offline.lanes import Lane, lanes_of
from offline.stages.align import Aligner, AlignStage, CallTake
from offline.stages.decode import DecodeStage
from offline.stages.diarize import DiarizeStage, MixTake
from offline.stages.records import Aligned, Decoded, Diarized, Transcribed
from offline.stages.scratch import sweep_scratch
from offline.stages.take import Take, taken
from offline.stages.transcribe import LaneTake, TranscribeStage
from offline.stages.workbench import Workbench
from offline.transcript import utterances_of
from offline.waveform import Waveform, outline
from rules.types import Span, Utterance
from speech.errors import AudioError
from storage.errors import ObjectMissingError
from storage.findings import CoverageCode
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

# What a manifest promises and a decoder finds differ by an encoder's padding, not by more.
_SHORT_S = 1.0

# A recording whose clock runs away by more than this has times that don't fit the others'.
MOST_DRIFT_S = 0.3

OnStage = Callable[[str, float], None]  # name of the stage, how much of it is done in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was not checked, or not wholly."""

    code: CoverageCode
    detail: str  # a code
    speaker: str | None = field(default=None, repr=False)
    source: str | None = field(default=None, repr=False)  # name of the recording
    span: Span | None = None
    is_harmless: bool = False  # nothing was left unchecked by it: the recording has it all


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one recording, on the call clock."""

    source: Source  # its clock is the one that was aligned
    sha256: str | None = None  # of the bytes that were read
    duration_s: float = 0.0  # that could be decoded
    utterances: tuple[Utterance, ...] = ()
    speech: tuple[tuple[str, Span], ...] = field(default=(), repr=False)  # by speaker
    checked: tuple[tuple[str, Span], ...] = field(default=(), repr=False)  # by speaker
    faults: tuple[Fault, ...] = ()
    # Who was told apart in a mix; None where the source names its speakers.
    voices: tuple[str, ...] | None = field(default=None, repr=False)
    transcriber: str | None = None  # as reports name it; None where nothing was heard
    vad: str | None = None
    diarizer: str | None = None  # None where no voices had to be told apart
    waveforms: tuple[Waveform, ...] = field(default=(), repr=False)  # one a lane
    aligned: Aligned | None = None  # None where nothing looked for a better place

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who is heard in it, or should be."""
        return self.source.speakers if self.voices is None else self.voices


@dataclass(frozen=True, slots=True, kw_only=True)
class MixEngines:
    """What tells the voices of a mix apart, and what names them."""

    diarizer: Diarizer | None  # None = voices are not told apart, and a mix is not wholly checked
    attributor: Attributor


class Hearing:
    """Hears recordings as far as they go.

    Args:
        objects: Where recordings lie.
        engines: Models of transcription; loaded only if something must be transcribed.
        mixes: For recordings of several people; None = such a recording is one unnamed voice.
        aligner: Finds out where recordings lie; None = where their manifests say.
    """

    def __init__(
        self,
        objects: ObjectStore,
        engines: Engines,
        *,
        mixes: MixEngines | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        sweep_scratch()
        self._objects = objects
        self._engines = engines
        self._mixes = mixes
        self._aligner = aligner
        self._decode = DecodeStage()
        self._align = None if aligner is None else AlignStage(aligner)
        self._diarize = (
            None if mixes is None or mixes.diarizer is None else DiarizeStage(mixes.diarizer)
        )
        self._transcribe = TranscribeStage(engines)

    def describe(self, call: Call) -> Mapping[str, object]:
        """All models and options that decide what is heard of a call, as JSON."""
        described = dict(self._engines.describe())
        if self._aligner is not None:
            described["alignment"] = self._aligner.describe()
        if self._mixes is not None and any(source.is_mix for source in call.sources):
            diarizer = self._mixes.diarizer
            described["diarization"] = None if diarizer is None else diarizer.describe()
            described["attribution"] = self._mixes.attributor.describe()
        return described

    def hear(
        self,
        call: Call,
        source: Source,
        bench: Workbench,
        on_stage: OnStage = lambda stage, done_ratio: None,
    ) -> Heard:
        """Hear one recording.

        Args:
            call: To which it belongs.
            source: Where it is and what was promised of it.
            bench: Makes the stages, or finds them made.
            on_stage: Told what is done.

        Raises:
            StorageError: the object store cannot be reached; a missing object is an outcome.
            SpeechError: models are missing.
        """
        if source.problem is not None:
            return _unheard(source, CoverageCode.RECORDING_MISSING, source.problem)
        if not source.is_there:
            return _unheard(source, CoverageCode.RECORDING_MISSING, "object_missing")
        on_stage("fetching", 0.0)
        sha256: str | None = None
        try:
            with taken(source, self._objects) as take:
                sha256 = take.sha256
                if not take.is_as_promised:
                    return _unheard(
                        source, CoverageCode.RECORDING_CORRUPT, "hash_mismatch", sha256=sha256
                    )
                return self._heard(call, take, bench, on_stage)
        except ObjectMissingError:
            return _unheard(source, CoverageCode.RECORDING_MISSING, "object_missing")
        except AudioError:
            return _unheard(source, CoverageCode.RECORDING_CORRUPT, "undecodable", sha256=sha256)

    def _heard(self, call: Call, take: Take, bench: Workbench, on_stage: OnStage) -> Heard:
        on_stage("decoding", 0.0)
        decoded = bench.make(self._decode, take)
        source = take.source
        if self._align is not None:
            on_stage("aligning", 0.0)
            aligned = bench.make(self._align, CallTake(take=take, call=call))
            source = replace(source, clock=RecordingClock(offset_s=aligned.offset_s))
        else:
            aligned = None
        lanes = lanes_of(source, decoded)
        parts: list[_Part] = []
        for lane in lanes:
            given = LaneTake(take=take, lane=lane)
            diarized = self._diarized(call, given, bench, on_stage)
            voices = self._voices(diarized, source, lane, call)

            def on_progress(done_ratio: float, before: int = lane.number) -> None:
                on_stage("transcribing", (before + done_ratio) / len(lanes))

            transcribed = bench.make(self._transcribe, given, on_progress)
            on_progress(1.0)
            id = source.id if len(lanes) == 1 else f"{source.id}.{lane.number + 1}"
            parts.append(_Part(id, lane, voices, transcribed, diarized))
        return _joined(source, take.sha256, decoded, aligned, parts)

    def _diarized(
        self, call: Call, given: LaneTake, bench: Workbench, on_stage: OnStage
    ) -> Diarized | None:
        if self._diarize is None or not given.take.source.is_mix:
            return None
        on_stage("diarizing", 0.0)
        return bench.make(
            self._diarize,
            MixTake(take=given.take, lane=given.lane, bounds=voices_on(call)),
            lambda done_ratio: on_stage("diarizing", done_ratio),
        )

    def _voices(
        self, diarized: Diarized | None, source: Source, lane: Lane, call: Call
    ) -> LaneVoices:
        if diarized is None or self._mixes is None:
            return LaneVoices(speakers=(lane.speaker,))
        return self._mixes.attributor.attribute(diarized, source, lane, call)


@dataclass(frozen=True, slots=True)
class _Part:
    """What came of one lane."""

    id: str  # begins the ids of its utterances
    lane: Lane
    voices: LaneVoices
    transcribed: Transcribed
    diarized: Diarized | None


def _joined(
    source: Source,
    sha256: str,
    decoded: Decoded,
    aligned: Aligned | None,
    parts: list[_Part],
) -> Heard:
    whole = source.clock.span(0.0, decoded.duration_s)
    faults = [*_truncation(source, decoded), *_misplaced(source, aligned, whole)]
    utterances: list[Utterance] = []
    speech: list[tuple[str, Span]] = []
    checked: list[tuple[str, Span]] = []
    for part in parts:
        utterances += utterances_of(part.transcribed, part.voices, source.clock, id=part.id)
        speech += _speech(part, source.clock)
        failed = tuple(
            source.clock.span(piece.start_s, piece.end_s)
            for piece in part.transcribed.pieces
            if piece.is_failed
        )
        checked += [
            (speaker, span) for speaker in part.voices.speakers for span in _without(whole, failed)
        ]
        faults += [
            Fault(
                code=CoverageCode.NOT_TRANSCRIBED,
                detail="recogniser_failed",
                speaker=part.lane.speaker,
                source=source.name,
                span=span,
            )
            for span in failed
        ]
    is_told_apart = any(part.diarized is not None for part in parts)
    faults += _undiarized(source, whole, parts)
    if is_told_apart:  # nobody alone is to be blamed for what is missing
        faults = [replace(fault, speaker=None) for fault in faults]
    if faults:
        log.warning(
            "a recording was not wholly heard",
            extra={"track_id": source.id, "reason": faults[0].detail, "count": len(faults)},
        )
    return Heard(
        source=source,
        sha256=sha256,
        duration_s=decoded.duration_s,
        utterances=tuple(utterances),
        speech=tuple(speech),
        checked=tuple(checked),
        faults=tuple(faults),
        voices=(
            tuple(dict.fromkeys(name for part in parts for name in part.voices.speakers))
            if is_told_apart
            else None
        ),
        aligned=aligned,
        transcriber=parts[0].transcribed.transcriber,
        vad=parts[0].transcribed.vad,
        diarizer=next((p.diarized.engine for p in parts if p.diarized is not None), None),
        waveforms=tuple(
            Waveform(
                speakers=part.voices.speakers,
                start_s=round(source.clock.offset_s, 3),
                step_s=decoded.step_s,
                levels=outline(decoded.levels, part.lane.channel),
            )
            for part in parts
        ),
    )


def _misplaced(source: Source, aligned: Aligned | None, whole: Span) -> Iterator[Fault]:
    """Doubts about where a recording lies: its words were checked, their times may be off."""
    if aligned is None:
        return
    details = ["implausible_offset"] if aligned.method == "refused" else []
    if aligned.drift_s is not None and abs(aligned.drift_s) > MOST_DRIFT_S:
        details.append("clock_drift")
    for detail in details:
        yield Fault(
            code=CoverageCode.RECORDING_MISPLACED,
            detail=detail,
            speaker=source.speakers[0] if len(source.speakers) == 1 else None,
            source=source.name,
            span=whole,
        )


def _undiarized(source: Source, whole: Span, parts: list[_Part]) -> Iterator[Fault]:
    """What is not known of who speaks in a mix. Words are judged all the same, by nobody's role."""
    if not source.is_mix:
        return
    details = ["not_told_apart" for part in parts if part.diarized is None]
    details += ["voice_unknown" for part in parts if part.voices.n_unknown]
    for detail in dict.fromkeys(details):
        yield Fault(code=CoverageCode.NOT_DIARIZED, detail=detail, source=source.name, span=whole)


def _speech(part: _Part, clock: RecordingClock) -> Iterator[tuple[str, Span]]:
    """Where whom is heard: by their turns, else wherever anybody is."""
    if part.voices.turns is not None:
        for turn in part.voices.turns:
            yield turn.speaker, clock.span(turn.start_s, turn.end_s)
        return
    for piece in part.transcribed.pieces:
        yield part.voices.speakers[0], clock.span(piece.start_s, piece.end_s)


def _truncation(source: Source, decoded: Decoded) -> Iterator[Fault]:
    promised_s = source.duration_s or 0.0
    is_short = promised_s - decoded.duration_s > _SHORT_S
    if decoded.damage is None and not is_short:
        return
    end_s = max(promised_s, decoded.duration_s)
    is_missing = end_s > decoded.duration_s
    yield Fault(
        code=CoverageCode.RECORDING_TRUNCATED,
        detail="shorter_than_promised" if is_short else "broken_off",
        speaker=source.speakers[0] if len(source.speakers) == 1 else None,
        source=source.name,
        span=source.clock.span(decoded.duration_s, end_s) if is_missing else None,
    )


def _unheard(
    source: Source, code: CoverageCode, detail: str, *, sha256: str | None = None
) -> Heard:
    log.warning("a recording was not heard", extra={"track_id": source.id, "reason": detail})
    fault = Fault(
        code=code,
        detail=detail,
        speaker=source.speakers[0] if len(source.speakers) == 1 else None,
        source=source.name,
        span=source.clock.span(0.0, source.duration_s) if source.duration_s else None,
    )
    return Heard(source=source, sha256=sha256, faults=(fault,))


def _without(whole: Span, holes: tuple[Span, ...]) -> Iterator[Span]:
    start_s = whole.start_s
    for hole in holes:
        if hole.start_s > start_s:
            yield Span(start_s, hole.start_s)
        start_s = max(start_s, hole.end_s)
    if start_s < whole.end_s:
        yield Span(start_s, whole.end_s)
