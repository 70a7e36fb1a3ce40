"""What came of one recording: its words and voices on the call clock, and what was not checked."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from offline.attribute import LaneVoices
from offline.call import Source
from offline.clock import RecordingClock
from offline.lack import Lack, Miss
from offline.lanes import Lane
from offline.stages.records import Aligned, Decoded, Diarized, Piece, Transcribed
from offline.transcript import utterances_of
from offline.waveform import Waveform, outline
from rules.types import Span, Utterance
from storage.findings import CoverageCode

log = logging.getLogger(__name__)

# What a manifest promises and a decoder finds differ by an encoder's padding, not by more.
_SHORT_S = 1.0

# A recording whose clock runs away by more than this has times that don't fit the others'.
MOST_DRIFT_S = 0.3


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
    lacks: tuple[Lack, ...] = ()  # what was not to be had, and would have told more

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who is heard in it, or should be."""
        return self.source.speakers if self.voices is None else self.voices


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What came of one lane."""

    id: str  # begins the ids of its utterances
    lane: Lane
    voices: LaneVoices
    transcribed: Transcribed | Miss
    diarized: Diarized | Miss | None  # None where its speaker is known

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The speech in it, none where nothing was heard."""
        return self.transcribed.pieces if isinstance(self.transcribed, Transcribed) else ()

    def untranscribed(self, whole: Span, clock: RecordingClock) -> tuple[str, tuple[Span, ...]]:
        """Where nothing was understood, call clock, and why: a code."""
        if isinstance(self.transcribed, Miss):
            return self.transcribed.detail, (whole,)
        failed = (clock.span(p.start_s, p.end_s) for p in self.pieces if p.is_failed)
        return "recogniser_failed", tuple(failed)


def joined(
    source: Source,
    sha256: str,
    decoded: Decoded,
    aligned: Aligned | None,
    parts: Sequence[Part],
) -> Heard:
    """One recording of its lanes.

    Args:
        source: The recording; its clock puts it on the call clock.
        sha256: Of its bytes.
        decoded: What the file holds.
        aligned: How it was put on the call clock; None where nothing looked for a better place.
        parts: Its lanes, in order.
    """
    whole = source.clock.span(0.0, decoded.duration_s)
    faults = [*_truncation(source, decoded), *_misplaced(source, aligned, whole)]
    utterances: list[Utterance] = []
    speech: list[tuple[str, Span]] = []
    checked: list[tuple[str, Span]] = []
    for part in parts:
        if isinstance(part.transcribed, Transcribed):
            utterances += utterances_of(part.transcribed, part.voices, source.clock, id=part.id)
        speech += _speech(part, source.clock)
        detail, missed = part.untranscribed(whole, source.clock)
        checked += [
            (speaker, span) for speaker in part.voices.speakers for span in _without(whole, missed)
        ]
        faults += [
            Fault(
                code=CoverageCode.NOT_TRANSCRIBED,
                detail=detail,
                speaker=part.lane.speaker,
                source=source.name,
                span=span,
            )
            for span in missed
        ]
    is_told_apart = any(isinstance(part.diarized, Diarized) for part in parts)
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
        transcriber=next((t.transcriber for t in _made(parts)), None),
        vad=next((t.vad for t in _made(parts)), None),
        diarizer=next((p.diarized.engine for p in parts if isinstance(p.diarized, Diarized)), None),
        lacks=tuple(
            missed.lack
            for part in parts
            for missed in (part.diarized, part.transcribed)
            if isinstance(missed, Miss) and missed.lack is not None
        ),
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


def _made(parts: Sequence[Part]) -> Iterator[Transcribed]:
    for part in parts:
        if isinstance(part.transcribed, Transcribed):
            yield part.transcribed


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


def _undiarized(source: Source, whole: Span, parts: Sequence[Part]) -> Iterator[Fault]:
    """What is not known of who speaks in a mix. Words are judged all the same, by nobody's role."""
    if not source.is_mix:
        return
    details = [part.diarized.detail for part in parts if isinstance(part.diarized, Miss)]
    details += ["voice_unknown" for part in parts if part.voices.n_unknown]
    for detail in dict.fromkeys(details):
        yield Fault(code=CoverageCode.NOT_DIARIZED, detail=detail, source=source.name, span=whole)


def _speech(part: Part, clock: RecordingClock) -> Iterator[tuple[str, Span]]:
    """Where whom is heard: by their turns, else wherever anybody is."""
    if part.voices.turns is not None:
        for turn in part.voices.turns:
            yield turn.speaker, clock.span(turn.start_s, turn.end_s)
        return
    for piece in part.pieces:
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


def unheard(source: Source, code: CoverageCode, detail: str, *, sha256: str | None = None) -> Heard:
    """A recording of which nothing could be heard.

    Args:
        source: The recording.
        code: What is wrong with it.
        detail: Why, a code.
        sha256: Of its bytes, where they could be read.
    """
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
