"""Calls that are over, read back from the store as the engine needs them.

Where the audit kept a transcript, a call is what was said; elsewhere it is the masked text of its
report, in which no personal data can be found any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection, Select, Table, func, select

from rules.backtest import PastCall, Review
from rules.call_events import call_events
from rules.errors import RulesError
from rules.masking import mask_numbers
from rules.types import Participant, Role, Span, utterance_from_text
from storage.audits import latest_done
from storage.database import Database
from storage.errors import CallMissingError, ObjectMissingError, TranscriptError
from storage.objects import ObjectStore
from storage.tables import AUDITS, CALLS, RECORDINGS
from storage.transcripts import parse_transcript, transcript_key
from storage.verdicts import review_of, verdicts_of

_REPORT_KEY = re.compile(r"reports/(\d{4}-\d{2}-\d{2})/(.+)/report\.html")
_MIN_SPAN_S = 0.001  # reports round to milliseconds


class NotJudged(StrEnum):
    """Why nothing can be said of a call."""

    NOT_AUDITED = "not audited"
    NO_TEXT = "neither a transcript nor a report is in the object store"
    UNREADABLE = "its transcript or report cannot be read; audit it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """A call that the database knows."""

    room_sid: str
    began_at: datetime  # UTC; of a call that nobody observed, as near as recordings or audit tell


class PastCalls:
    """Finds calls and reads them, one at a time.

    Args:
        database: Open.
        objects: Where transcripts and reports lie.
    """

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def find(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        room_sids: Sequence[str] = (),
    ) -> tuple[StoredCall, ...]:
        """Calls in the order of their beginning.

        Args:
            since: UTC; calls that began earlier are left out.
            until: UTC; calls that began then or later are left out.
            room_sids: Only these; empty means all.

        Raises:
            CallMissingError: one of `room_sids` is not known.
        """
        with self._database.begin(read_only=True) as connection:
            known = _known(connection, room_sids)
        for room_sid in room_sids:
            if room_sid not in known:
                raise CallMissingError(
                    f"no call with the session id {room_sid!r} in {self._database.describe()}"
                )
        found = (StoredCall(room_sid=sid, began_at=at) for sid, at in known.items())
        return tuple(
            sorted(
                (
                    call
                    for call in found
                    if (since is None or call.began_at >= since)
                    and (until is None or call.began_at < until)
                ),
                key=lambda call: (call.began_at, call.room_sid),
            )
        )

    def read(self, call: StoredCall) -> PastCall | NotJudged:
        """The call with its verdicts, or why it cannot be judged.

        Raises:
            StorageError: database or object store cannot be reached.
        """
        with self._database.begin(read_only=True) as connection:
            audit = latest_done(connection, call.room_sid)
            reviews = tuple(map(review_of, verdicts_of(connection, call.room_sid)))
        if audit is None or audit.report_key is None:
            return NotJudged.NOT_AUDITED
        place = _REPORT_KEY.fullmatch(audit.report_key)
        if place is None:
            return NotJudged.NO_TEXT
        try:
            return self._kept(call, date.fromisoformat(place[1]), place[2], reviews)
        except ObjectMissingError:
            pass  # nobody asked to keep it, or its time is over
        except TranscriptError:
            return NotJudged.UNREADABLE
        try:
            return self._masked(call, audit.report_key, reviews)
        except ObjectMissingError:
            return NotJudged.NO_TEXT
        except TranscriptError:
            return NotJudged.UNREADABLE

    def _kept(
        self, call: StoredCall, day: date, folder: str, reviews: tuple[Review, ...]
    ) -> PastCall:
        key = transcript_key(day, folder)
        transcript = parse_transcript(self._objects.get_bytes(key), key=key)
        return PastCall(
            id=call.room_sid,
            events=transcript.events,
            is_complete=transcript.is_complete,
            reviews=reviews,
        )

    def _masked(self, call: StoredCall, report_key: str, reviews: tuple[Review, ...]) -> PastCall:
        key = f"{report_key.removesuffix('html')}json"
        try:
            report = _Report.model_validate_json(self._objects.get_bytes(key))
            utterances = [
                utterance_from_text(
                    line.text,
                    Span(line.start_s, max(line.end_s, line.start_s + _MIN_SPAN_S)),
                    id=line.id,
                    speaker=line.speaker,
                )
                for line in report.utterances
            ]
        except (ValidationError, RulesError):
            raise TranscriptError(f"{key}: is no report of a known version") from None
        names = [speaker.name for speaker in report.speakers]
        return PastCall(
            id=call.room_sid,
            events=tuple(
                call_events(
                    [
                        Participant(identity=speaker.name, role=speaker.role)
                        for speaker in sorted(report.speakers, key=lambda each: each.name)
                    ],
                    utterances,
                    end_s=report.call.duration_s,
                )
            ),
            is_masked=True,
            is_complete=report.is_complete,
            reviews=tuple(
                replace(review, speaker=_shown_name(review.speaker, names)) for review in reviews
            ),
        )


# The part of a report that is needed here; `offline/report.schema.json` has the whole of it.


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _CallPart(_Part):
    duration_s: float


class _SpeakerPart(_Part):
    name: str
    role: Role | None


class _LinePart(_Part):
    id: str
    speaker: str
    start_s: float
    end_s: float
    text: str


class _Report(_Part):
    schema_version: Literal[1, 2]
    is_complete: bool
    call: _CallPart
    speakers: list[_SpeakerPart]
    utterances: list[_LinePart]


def _shown_name(identity: str | None, names: Sequence[str]) -> str | None:
    """How a report names somebody; None where that could be several."""
    if identity is None:
        return None
    masked = mask_numbers(identity)
    # A report tells people apart whose masked names are the same: `•••`, `••• (2)`.
    same = [name for name in names if name == masked or name.startswith(f"{masked} (")]
    return same[0] if len(same) == 1 else None


def _known(connection: Connection, room_sids: Sequence[str]) -> Mapping[str, datetime]:
    """Beginnings of calls, by session id: all of them, or those that are asked for."""
    began: dict[str, datetime] = {}
    for sid, report_key, started_at in connection.execute(
        _asked(
            select(
                AUDITS.c.room_sid, func.max(AUDITS.c.report_key), func.min(AUDITS.c.started_at)
            ).group_by(AUDITS.c.room_sid),
            AUDITS,
            room_sids,
        )
    ):
        place = _REPORT_KEY.fullmatch(report_key or "")
        began[sid] = (
            datetime.combine(date.fromisoformat(place[1]), time(), UTC) if place else started_at
        )
    for sid, call_started_at, started_at in connection.execute(
        _asked(
            select(
                RECORDINGS.c.room_sid,
                func.min(RECORDINGS.c.call_started_at),
                func.min(RECORDINGS.c.started_at),
            ).group_by(RECORDINGS.c.room_sid),
            RECORDINGS,
            room_sids,
        )
    ):
        began[sid] = call_started_at or started_at
    # The observer's row is the surest of the three, and comes last.
    for sid, created_at in connection.execute(
        _asked(select(CALLS.c.room_sid, CALLS.c.created_at), CALLS, room_sids)
    ):
        began[sid] = created_at
    return began


def _asked(query: Select[Any], table: Table, room_sids: Sequence[str]) -> Select[Any]:
    return query.where(table.c.room_sid.in_(room_sids)) if room_sids else query
