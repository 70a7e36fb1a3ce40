"""The transcript of a call as the page shows it: lines in pieces, with the flags that mark them.

Masked by default: the report's text, or what the observer's records kept of a call that is not
audited. In the clear only from a kept transcript, where somebody may see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from console.call_names import CallNames
from console.flags import Flag
from console.reports import Report
from rules.masking import mask_numbers
from rules.types import Utterance
from storage.records import StoredRecord
from storage.transcripts import Transcript


class TextFrom(StrEnum):
    """Where the words come from."""

    REPORT = "report"
    RECORDS = "records"  # of the observer, masked
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text that belongs to one set of flags, or to none."""

    text: str = field(repr=False)
    flags: tuple[int, ...]  # numbers of flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one speaker said in one breath."""

    id: str
    name: str
    start_s: float
    end_s: float
    pieces: tuple[Piece, ...]
    flags: tuple[int, ...]  # of all pieces, and of what was said meanwhile by the same person


@dataclass(frozen=True, slots=True, kw_only=True)
class CallText:
    """The transcript."""

    source: TextFrom
    lines: tuple[Line, ...] = field(repr=False)
    is_unmasked: bool = False


def masked_text(
    report: Report | None, records: Sequence[StoredRecord], flags: Sequence[Flag]
) -> CallText:
    """The transcript as everybody with the page may see it."""
    if report is not None:
        raw = [(u.id, u.speaker, u.start_s, u.end_s, u.text) for u in report.utterances]
        return CallText(source=TextFrom.REPORT, lines=_lines(raw, flags))
    raw = [_of_record(record) for record in records if record.type == "utterance"]
    if not raw:
        return CallText(source=TextFrom.NOWHERE, lines=())
    return CallText(source=TextFrom.RECORDS, lines=_lines(sorted(raw, key=_by_time), flags))


def clear_text(
    transcript: Transcript, report: Report | None, names: CallNames, flags: Sequence[Flag]
) -> CallText:
    """The transcript as it was said. For those who were let in, and noted."""
    said = {
        event.id: event
        for event in transcript.events
        if isinstance(event, Utterance) and event.is_final
    }
    if report is not None and report.audit_key == transcript.audit_key:
        # Its lines are those of the report: places, names and marks stay as they are.
        raw = [
            (u.id, u.speaker, u.start_s, u.end_s, said[u.id].text if u.id in said else u.text)
            for u in report.utterances
        ]
    else:
        raw = [
            (u.id, names.of(u.speaker or "unknown"), u.span.start_s, u.span.end_s, u.text)
            for u in said.values()
        ]
        flags = [replace(flag, marks=()) for flag in flags]
    source = TextFrom.REPORT
    return CallText(source=source, lines=_lines(sorted(raw, key=_by_time), flags), is_unmasked=True)


_Raw = tuple[str, str, float, float, str]


def _by_time(raw: _Raw) -> tuple[float, float, str]:
    return raw[2], raw[3], raw[0]


def _of_record(record: StoredRecord) -> _Raw:
    start_s = _number(record.metadata, "start_s", record.at_s)
    end_s = max(start_s, _number(record.metadata, "end_s", start_s))
    name = record.role.value.replace("_", " ") if record.role else (record.kind or "somebody")
    # Masked when it was written; once more, since nothing is lost by it.
    return record.id, name, start_s, end_s, mask_numbers(record.content)


def _number(metadata: Mapping[str, object], key: str, default: float) -> float:
    value = metadata.get(key)
    return float(value) if isinstance(value, int | float) else default


def _lines(raw: Sequence[_Raw], flags: Sequence[Flag]) -> tuple[Line, ...]:
    marked: dict[str, list[tuple[int, int, int]]] = {}
    for flag in flags:
        for mark in flag.marks:
            marked.setdefault(mark.utterance_id, []).append(
                (flag.number, mark.start_chars, mark.end_chars)
            )
    lines = []
    for id_, name, start_s, end_s, text in raw:
        marks = marked.get(id_, [])
        numbers = {number for number, _, _ in marks}
        # What live raised points into words that nobody kept; the time tells which line it was.
        numbers |= {
            flag.number
            for flag in flags
            if not flag.marks
            and flag.name == name
            and flag.start_s < end_s
            and start_s < flag.end_s
        }
        lines.append(
            Line(
                id=id_,
                name=name,
                start_s=start_s,
                end_s=end_s,
                pieces=_pieces(text, marks),
                flags=tuple(sorted(numbers)),
            )
        )
    return tuple(lines)


def _pieces(text: str, marks: Sequence[tuple[int, int, int]]) -> tuple[Piece, ...]:
    """Cut a text where marks begin and end."""
    n = len(text)
    edges = {0, n} | {min(n, max(0, edge)) for _, start, end in marks for edge in (start, end)}
    return tuple(
        Piece(
            text=text[start:end],
            flags=tuple(sorted({number for number, a, b in marks if a <= start and end <= b})),
        )
        for start, end in pairwise(sorted(edges))
    )
