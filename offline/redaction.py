"""Redacted copies: the recordings of a call with personal data covered by a tone or by silence.

Originals stay where they are. Codes that may not be kept at all (a card's security code, a PIN) are
redacted whatever the setting says, and the recordings in which they are said are marked for
deletion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from offline import report
from offline.call import UNKNOWN, Call, Source
from offline.composition import Evidence, Redaction, masked_lines, names_of
from offline.covers import Cover, Words, covers, spans_of
from offline.heard import Heard
from offline.stages.scratch import scratch_folder
from offline.stages.take import taken
from rules.types import Entity, Span
from speech.audio import SAMPLE_RATE_HZ
from speech.encode import CONTENT_TYPE, write_ogg
from speech.spool import copied
from storage.deletion_marks import DeletionMark, DeletionReason
from storage.errors import ObjectMissingError
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

PREFIX = "redacted/"
# Sensitive authentication data, which PCI DSS v4.0.1, 3.3.1, forbids to keep after authorisation.
FORBIDDEN = {
    "CREDIT_CARD_CVV": DeletionReason.CARD_SECURITY_CODE,
    "PIN": DeletionReason.PIN,
}
_TONE_HZ = 1000
_TONE_LEVEL = 0.1  # -20 dBFS: clear, and no shock in headphones
_FADE_SAMPLES = SAMPLE_RATE_HZ // 100  # 10 ms, against clicks


class When(StrEnum):
    """Of which calls redacted copies are made."""

    NEVER = "never"  # but for codes that may not be kept
    PERSONAL = "personal"  # of those in which personal data was said
    ALWAYS = "always"


class Style(StrEnum):
    """What is heard in place of what is covered."""

    TONE = "tone"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionOptions:
    """How redacted copies are made."""

    when: When = When.PERSONAL
    style: Style = Style.TONE
    words: Words = "personal"
    pad_s: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.pad_s <= 5:
            raise ValueError("need 0 <= pad_s <= 5")


class Redactor:
    """Makes redacted copies, or sees that none is left.

    Args:
        objects: Where recordings lie and copies go.
        options: How.
    """

    def __init__(self, objects: ObjectStore, options: RedactionOptions) -> None:
        self._objects = objects
        self._options = options

    def describe(self) -> Mapping[str, object]:
        """All that decides what is written, as JSON; with other options, calls are audited anew."""
        return {"redaction": asdict(self._options)}

    def redact(self, evidence: Evidence, *, now: datetime) -> Redaction:
        """Make the copies of a call; those of an earlier audit that are not made again are removed.

        Args:
            evidence: What the audit heard and found.
            now: UTC.

        Raises:
            StorageError: the object store failed.
            AudioError: a copy cannot be written.
        """
        forbidden = [e for e in evidence.judgement.entities if e.type in FORBIDDEN]
        found = covers(evidence, self._options.words, pad_s=self._options.pad_s)
        is_personal = any(each.why != "not_understood" for each in found)
        is_wanted = {
            When.NEVER: bool(forbidden),
            When.PERSONAL: is_personal,
            When.ALWAYS: True,
        }[self._options.when]
        prefix = f"{PREFIX}{evidence.call.day.isoformat()}/{evidence.call.room_sid}/"
        copies: dict[str, report.RedactedCopy] = {}
        info: report.RedactionInfo | None = None
        if is_wanted:
            for each in evidence.heard:
                copy = self._copy(each, found, f"{prefix}{each.source.id}.ogg")
                if copy is not None:
                    copies[each.source.id] = copy
        if copies:
            info = self._transcript(evidence, f"{prefix}transcript.vtt")
        kept = {copy.key for copy in copies.values()} | ({info.transcript_key} if info else set())
        for old in list(self._objects.list(prefix)):
            if old.key not in kept:
                self._objects.delete(old.key)
        return Redaction(
            info=info,
            copies=copies,
            reasons=_reasons(evidence.heard, forbidden),
            marks=tuple(_marks(evidence.call, evidence.heard, forbidden, now)),
        )

    def _copy(self, heard: Heard, found: Sequence[Cover], key: str) -> report.RedactedCopy | None:
        """The copy of one recording; None where nobody knows what is in it."""
        if not heard.checked:
            return None
        source = heard.source
        try:
            with taken(source, self._objects) as take:
                samples = take.audio().samples if take.sha256 == heard.sha256 else None
        except ObjectMissingError:
            samples = None
        if samples is None:
            # Changed or gone since it was heard: what was found may lie elsewhere in it now.
            log.warning("a recording was not redacted", extra={"track_id": source.id})
            return None
        places = _places(source, len(samples), found)
        covered = cover(samples, source.clock.offset_s, places, self._options.style)
        with scratch_folder() as folder:
            written = folder / "redacted.ogg"
            write_ogg(written, covered)
            self._objects.put_file(key, written, content_type=CONTENT_TYPE)
        whole = source.clock.span(0.0, samples.shape[1] / SAMPLE_RATE_HZ)
        inside = [s for spans in places for s in spans if s.overlap_s(whole) > 0]
        return report.RedactedCopy(
            key=key,
            n_covered=len(inside),
            covered_s=round(sum(span.overlap_s(whole) for span in inside), 3),
        )

    def _transcript(self, evidence: Evidence, key: str) -> report.RedactionInfo:
        lines = masked_lines(evidence, names_of(evidence))
        self._objects.put_bytes(key, webvtt(lines).encode(), content_type="text/vtt; charset=utf-8")
        return report.RedactionInfo(
            style=self._options.style.value,
            words=self._options.words,
            pad_s=self._options.pad_s,
            transcript_key=key,
        )


def cover(
    samples: NDArray[np.float32],
    offset_s: float,
    places: Sequence[Sequence[Span]],
    style: Style,
) -> NDArray[np.float32]:
    """Sound in which some places cannot be heard any more.

    Args:
        samples: Shape (n_channels, n_samples), at 16 kHz. Not modified.
        offset_s: Call-clock position of the first sample.
        places: For each channel, spans on the call clock.
        style: What is heard there instead.

    Returns:
        The same shape. Nothing of what was covered is left in it, not even under the fades.
    """
    covered = copied(samples)
    n_samples = samples.shape[1]
    for channel, spans in zip(covered, places, strict=True):
        for span in spans:
            start = max(0, int((span.start_s - offset_s) * SAMPLE_RATE_HZ))
            end = min(n_samples, int((span.end_s - offset_s) * SAMPLE_RATE_HZ) + 1)
            if start >= end:
                continue
            channel[start:end] = 0.0 if style is Style.SILENCE else _tone(end - start)
    return covered


def webvtt(lines: Sequence[report.UtteranceLine]) -> str:
    """A masked transcript that players show along with the sound."""
    cues = [
        f"{_timestamp(line.start_s)} --> {_timestamp(max(line.end_s, line.start_s + 0.001))}\n"
        f"<v {_escaped(line.speaker)}>{_escaped(line.text)}\n"
        for line in lines
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _tone(n_samples: int) -> NDArray[np.float32]:
    at = np.arange(n_samples, dtype=np.float32) / SAMPLE_RATE_HZ
    tone = _TONE_LEVEL * np.sin(2 * np.pi * _TONE_HZ * at)
    fade = min(_FADE_SAMPLES, n_samples // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    tone[:fade] *= ramp
    tone[n_samples - fade :] *= ramp[::-1]
    return tone.astype(np.float32)


def _places(
    source: Source, n_channels: int, found: Sequence[Cover]
) -> tuple[tuple[Span, ...], ...]:
    """What to cover in each channel of a recording."""
    if n_channels == len(source.speakers) > 1:
        return tuple(spans_of(found, [speaker]) for speaker in source.speakers)
    speakers = None if _has_everybody(source) else source.speakers
    return (spans_of(found, speakers),) * n_channels


def _holds(heard: Heard, entity: Entity) -> bool:
    source = heard.source
    if not heard.duration_s or not source.clock.span(0.0, heard.duration_s).overlap_s(entity.span):
        return False
    return _has_everybody(source) or entity.speaker in {None, UNKNOWN, *source.speakers}


def _has_everybody(source: Source) -> bool:
    return source.is_mix or not source.speakers


def _reasons(heard: Sequence[Heard], forbidden: Sequence[Entity]) -> dict[str, str]:
    """Why recordings must not be kept, by source id."""
    return {
        each.source.id: FORBIDDEN[entity.type].value
        for each in heard
        for entity in reversed(forbidden)  # of several, the first one is named
        if _holds(each, entity)
    }


def _marks(
    call: Call, heard: Sequence[Heard], forbidden: Sequence[Entity], now: datetime
) -> Iterator[DeletionMark]:
    marked: set[tuple[str, DeletionReason]] = set()
    for each in heard:
        for entity in forbidden:
            mark = (each.source.name, FORBIDDEN[entity.type])
            # A file of somebody's own is theirs to delete; the page says so.
            if each.source.path is None and mark not in marked and _holds(each, entity):
                marked.add(mark)
                yield DeletionMark(
                    object_key=mark[0], reason=mark[1], room_sid=call.room_sid, marked_at=now
                )


def _timestamp(at_s: float) -> str:
    whole_ms = round(at_s * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"


def _escaped(text: str) -> str:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(plain.split())
