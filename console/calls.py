"""A call as its page needs it, put together from rows, report, records and objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from console.call_names import CallNames, names_of
from console.call_sound import Sound, SoundSources, sounds_of
from console.call_transcript import CallText, clear_text, masked_text
from console.flags import Flag, FlagSources, flags_of
from console.lanes import Lane, lanes_of
from console.reports import Gap, Report, ReportState, read_report
from rules.masking import mask_numbers
from rules.types import Hit
from storage.audits import Audit, latest_done
from storage.calls import Call, CallParticipant, get_call, participants_of
from storage.database import Connection, Database
from storage.deletion_marks import DeletionMark, marks_of
from storage.errors import ObjectMissingError, TranscriptError
from storage.findings import Finding, FindingKind, findings_of
from storage.gaps import Gap as LiveGap
from storage.gaps import GapKind, gaps_of
from storage.hits import hits_of
from storage.manifest import Recording
from storage.objects import ObjectStore
from storage.recordings import recordings_of
from storage.records import StoredRecord, records_of
from storage.transcripts import Transcript, parse_transcript, transcript_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """Something that was not checked, or not heard live.

    Attributes:
        sentence: What happened.
        name: Of whom; None of everybody.
        is_harmless: The audit could check it all the same.
    """

    sentence: str
    name: str | None
    start_s: float | None
    end_s: float | None
    is_harmless: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRows:
    """What the database knows of a call."""

    call: Call | None
    participants: tuple[CallParticipant, ...] = field(repr=False)
    recordings: tuple[Recording, ...]
    hits: tuple[Hit, ...]
    gaps: tuple[LiveGap, ...] = field(repr=False)
    marks: tuple[DeletionMark, ...]
    audit: Audit | None
    findings: tuple[Finding, ...] = field(repr=False)
    records: tuple[StoredRecord, ...] = field(repr=False)

    @property
    def is_known(self) -> bool:
        """Whether there is such a call at all."""
        return bool(self.call or self.audit or self.hits or self.recordings)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """A call, ready to be shown; everything in it is masked.

    Attributes:
        title: The room's name, numbers in it covered.
        duration_s: Of the call clock; 0 where nobody knows.
        report_state: Whether there is a report, or why not.
        names: Finds the name for an identity.
    """

    room_sid: str
    title: str
    started_at: datetime | None
    duration_s: float
    is_over: bool
    report_state: ReportState
    report: Report | None = field(repr=False)
    audit: Audit | None
    lanes: tuple[Lane, ...]
    flags: tuple[Flag, ...]
    text: CallText = field(repr=False)
    sounds: tuple[Sound, ...]
    unchecked: tuple[Unchecked, ...]
    live_ran: bool
    names: CallNames = field(repr=False)


def read_rows(connection: Connection, room_sid: str) -> CallRows:
    """All rows of a call that its page needs."""
    audit = latest_done(connection, room_sid)
    return CallRows(
        call=get_call(connection, room_sid),
        participants=participants_of(connection, room_sid),
        recordings=recordings_of(connection, room_sid),
        hits=hits_of(connection, room_sid),
        gaps=gaps_of(connection, room_sid),
        marks=marks_of(connection, room_sid),
        audit=audit,
        findings=findings_of(connection, audit.audit_key) if audit is not None else (),
        records=records_of(connection, room_sid) if audit is None else (),
    )


def load_call(
    database: Database, objects: ObjectStore, room_sid: str, *, titles: Mapping[str, str]
) -> CallView | None:
    """A call.

    Args:
        database: Where its rows are.
        objects: Where its report and recordings are.
        room_sid: The call.
        titles: Of today's rules, by id.

    Returns:
        None where there is no such call.

    Raises:
        StorageError: the storage cannot be reached.
    """
    with database.begin(read_only=True) as connection:
        rows = read_rows(connection, room_sid)
    if not rows.is_known:
        return None
    state, report = ReportState.NOT_AUDITED, None
    if rows.audit is not None:
        state = ReportState.GONE
        if rows.audit.report_key is not None:
            # The ledger names the page for people; its facts lie beside it.
            key = f"{rows.audit.report_key.removesuffix('html')}json"
            state, report = read_report(objects, key, room_sid)
    names = names_of(report, rows.findings, rows.recordings)
    for each in rows.participants:
        names.of(each.identity)
    sources = SoundSources(
        room_sid=room_sid,
        report=report,
        recordings=rows.recordings,
        marks=rows.marks,
        created_at=rows.call.created_at if rows.call else None,
    )
    sounds = sounds_of(sources, objects, names)
    flags = flags_of(
        FlagSources(
            report=report,
            findings=rows.findings,
            hits=rows.hits,
            titles=titles,
            is_audited=rows.audit is not None,
        ),
        names,
    )
    return CallView(
        room_sid=room_sid,
        title=_title(rows, report),
        started_at=_started_at(rows, report),
        duration_s=_duration_s(rows, report, sounds, flags),
        is_over=rows.call is None or rows.call.ended_at is not None,
        report_state=state,
        report=report,
        audit=rows.audit,
        lanes=lanes_of(
            report,
            rows.participants,
            {each.identity: names.of(each.identity) for each in rows.participants},
            sounds,
            [flag.name for flag in flags if flag.name is not None],
        ),
        flags=flags,
        text=masked_text(report, rows.records, flags),
        sounds=sounds,
        unchecked=_unchecked(rows, report, state, names),
        live_ran=rows.call is not None and rows.call.observer_joined_s is not None,
        names=names,
    )


def kept_transcript(objects: ObjectStore, view: CallView) -> Transcript | None:
    """The transcript in the clear, where it is kept; None where it is not, or is another call's.

    Raises:
        StorageError: the store cannot be reached.
    """
    if view.report is not None:
        day = view.report.call.day
    elif view.started_at is not None:
        day = view.started_at.date()
    else:
        return None
    key = transcript_key(day, view.room_sid)
    try:
        found = parse_transcript(objects.get_bytes(key), key=key)
    except (ObjectMissingError, TranscriptError):
        return None
    return found if found.room_sid == view.room_sid else None


def has_transcript(objects: ObjectStore, view: CallView) -> bool:
    """Whether the words in the clear are kept, without reading them."""
    day = view.report.call.day if view.report else view.started_at and view.started_at.date()
    return day is not None and objects.head(transcript_key(day, view.room_sid)) is not None


def unmasked(view: CallView, transcript: Transcript) -> CallText:
    """The transcript of a call in the clear, with the marks of its flags."""
    return clear_text(transcript, view.report, view.names, view.flags)


def _started_at(rows: CallRows, report: Report | None) -> datetime | None:
    if rows.call is not None:
        return rows.call.created_at
    return report.call.started_at if report is not None else None


def _title(rows: CallRows, report: Report | None) -> str:
    if rows.call is not None and rows.call.room_name:
        return mask_numbers(rows.call.room_name)
    if report is not None and report.call.room_name:
        return report.call.room_name
    return "Call without a name"


def _duration_s(
    rows: CallRows, report: Report | None, sounds: Sequence[Sound], flags: Sequence[Flag]
) -> float:
    if report is not None and report.call.duration_s > 0:
        return report.call.duration_s
    ends = [sound.start_s + sound.duration_s for sound in sounds]
    ends += [flag.end_s for flag in flags]
    if rows.call is not None and rows.call.ended_at is not None:
        ends.append((rows.call.ended_at - rows.call.created_at).total_seconds())
    return max(ends, default=0.0)


_GAPS: Mapping[GapKind, str] = {
    GapKind.DEAF_TRACK: "A track was not heard live: no sound came.",
    GapKind.ENCRYPTED: "A track was encrypted end to end, and not heard live.",
    GapKind.OVERLOAD: "Too much was said at once to be heard live.",
    GapKind.OBSERVER_LOST: "The observer was cut off, and did not hear this live.",
    GapKind.LATE_JOIN: "The observer came after the call had begun.",
    GapKind.NOT_RECORDED: "A track was not recorded.",
    GapKind.UNOBSERVED: "Nobody listened live.",
}


def _unchecked(
    rows: CallRows, report: Report | None, state: ReportState, names: CallNames
) -> tuple[Unchecked, ...]:
    if report is not None:
        return tuple(_of_report(gap) for gap in report.coverage)
    found = [
        Unchecked(
            sentence=_GAPS[gap.kind],
            name=names.maybe(gap.identity),
            start_s=gap.start_s,
            end_s=gap.end_s,
            is_harmless=False,
        )
        for gap in rows.gaps
    ]
    found += [
        Unchecked(
            sentence=f"The audit could not check this: {row.code.value.replace('_', ' ')}.",
            name=names.maybe(row.speaker),
            start_s=row.start_s,
            end_s=row.end_s,
            is_harmless=False,
        )
        for row in rows.findings
        if row.kind is FindingKind.COVERAGE and row.code is not None
    ]
    return tuple(found)


def _of_report(gap: Gap) -> Unchecked:
    return Unchecked(
        sentence=gap.message,
        name=gap.speaker,
        start_s=gap.start_s,
        end_s=gap.end_s,
        is_harmless=gap.is_harmless,
    )
