"""Hearing one recording: fetch, verify, decode, attribute, transcribe. What fails is an outcome."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from offline.attribute import Voice, voices_of_channels, voices_of_participant
from offline.call import Source
from offline.engines import Engines
from offline.transcript import transcribe
from rules.types import Span, Utterance
from speech.audio import Audio, decode
from speech.errors import AudioError
from storage.errors import ObjectMissingError
from storage.findings import CoverageCode
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

# What a manifest promises and a decoder finds differ by an encoder's padding, not by more.
_SHORT_S = 1.0

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
    """What came of one recording."""

    source: Source
    sha256: str | None = None  # of the bytes that were read
    duration_s: float = 0.0  # that could be decoded
    utterances: tuple[Utterance, ...] = ()
    speech: tuple[tuple[str, Span], ...] = field(default=(), repr=False)  # by speaker
    checked: tuple[tuple[str, Span], ...] = field(default=(), repr=False)  # by speaker
    faults: tuple[Fault, ...] = ()


def hear(
    source: Source,
    objects: ObjectStore,
    engines: Engines,
    on_stage: OnStage = lambda stage, done_ratio: None,
) -> Heard:
    """Hear one recording as far as it goes.

    Args:
        source: Where it is and what was promised of it.
        objects: Where recordings lie.
        engines: Models; loaded only if there is something to hear.
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
    try:
        with _local(source, objects) as path:
            sha256 = file_sha256(path)
            if source.sha256 is not None and sha256 != source.sha256:
                return _unheard(
                    source, CoverageCode.RECORDING_CORRUPT, "hash_mismatch", sha256=sha256
                )
            on_stage("decoding", 0.0)
            audio = decode(path)
    except ObjectMissingError:
        return _unheard(source, CoverageCode.RECORDING_MISSING, "object_missing")
    except AudioError:
        return _unheard(source, CoverageCode.RECORDING_CORRUPT, "undecodable", sha256=sha256)
    return _understand(source, audio, sha256, engines, on_stage)


def _understand(
    source: Source, audio: Audio, sha256: str, engines: Engines, on_stage: OnStage
) -> Heard:
    whole = source.clock.span(0.0, audio.duration_s)
    faults = list(_truncation(source, audio))
    utterances: list[Utterance] = []
    speech: list[tuple[str, Span]] = []
    checked: list[tuple[str, Span]] = []
    voices = _voices(source, audio)
    loaded = engines.load()
    for number, voice in enumerate(voices):
        transcript = transcribe(
            voice,
            source.clock,
            loaded,
            id=source.id if len(voices) == 1 else f"{source.id}.{number + 1}",
            on_progress=lambda done_ratio, number=number: on_stage(  # type: ignore[misc]
                "transcribing", (number + done_ratio) / len(voices)
            ),
        )
        utterances += transcript.utterances
        speech += [(voice.speaker, span) for span in transcript.speech]
        checked += [(voice.speaker, span) for span in _without(whole, transcript.failed)]
        faults += [
            Fault(
                code=CoverageCode.NOT_TRANSCRIBED,
                detail="recogniser_failed",
                speaker=voice.speaker,
                source=source.name,
                span=span,
            )
            for span in transcript.failed
        ]
    on_stage("transcribing", 1.0)
    if faults:
        log.warning(
            "a recording was not wholly heard",
            extra={"track_id": source.id, "reason": faults[0].detail, "count": len(faults)},
        )
    return Heard(
        source=source,
        sha256=sha256,
        duration_s=audio.duration_s,
        utterances=tuple(utterances),
        speech=tuple(speech),
        checked=tuple(checked),
        faults=tuple(faults),
    )


def _voices(source: Source, audio: Audio) -> tuple[Voice, ...]:
    if len(source.speakers) == 1:
        return voices_of_participant(source.speakers[0], audio.samples)
    return voices_of_channels(source.speakers, audio.samples)


def _truncation(source: Source, audio: Audio) -> Iterator[Fault]:
    promised_s = source.duration_s or 0.0
    is_short = promised_s - audio.duration_s > _SHORT_S
    if audio.damage is None and not is_short:
        return
    end_s = max(promised_s, audio.duration_s)
    yield Fault(
        code=CoverageCode.RECORDING_TRUNCATED,
        detail="shorter_than_promised" if is_short else "broken_off",
        speaker=source.speakers[0] if len(source.speakers) == 1 else None,
        source=source.name,
        span=source.clock.span(audio.duration_s, end_s) if end_s > audio.duration_s else None,
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


@contextmanager
def _local(source: Source, objects: ObjectStore) -> Iterator[Path]:
    if source.path is not None:
        yield source.path
        return
    with TemporaryDirectory(prefix="earmark-audit-") as folder:
        path = Path(folder) / f"recording{Path(source.name).suffix}"
        objects.fetch(source.name, path)
        yield path


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
