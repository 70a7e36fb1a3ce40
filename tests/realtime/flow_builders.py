"""Builders for tests of records: a clock to turn, a language that is plain, a place that notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from realtime.errors import LanguageError
from realtime.forwarders.forwarder import Forwarder
from realtime.language import Reading
from realtime.record_buffer import RecordBuffer
from realtime.record_flow import RecordFlow
from realtime.records import Record, RecordType
from realtime.roster import Roster
from rules.types import Role


@dataclass
class HandClock:
    """A call clock that is turned by hand."""

    at_s: float = 0.0

    def now_s(self) -> float:
        """Seconds on the call clock."""
        return self.at_s


@dataclass
class PlainLanguage:
    """Stands for the language models at their edge: masks "secret", fails on "unreadable"."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    async def read(self, text: str, *, before: str = "") -> Reading:
        """Read one utterance."""
        self.asked.append((text, before))
        if "unreadable" in text:
            raise LanguageError("no answer in time")
        return Reading(
            masked=text.replace("secret", "••••••"),
            sentiment=0.5,
            keywords=("thing",),
            keywords_by="test",
            names_covered=True,
        )


@dataclass
class Notes:
    """A forwarder that notes what it gets."""

    records: list[Record] = field(default_factory=list)

    def start(self) -> None:
        """Nothing to begin."""

    def put(self, record: Record) -> None:
        """Take one record."""
        self.records.append(record)

    async def close(self) -> None:
        """Nothing to end."""

    def seen(self) -> list[tuple[str, str]]:
        """Type and content of each."""
        return [(record.type.value, record.content) for record in self.records]


def flow_to(
    *forwarders: Forwarder,
    clock: HandClock | None = None,
    language: PlainLanguage | None = None,
    buffer: RecordBuffer | None = None,
) -> RecordFlow:
    """The flow of a call."""
    return RecordFlow(
        room_sid="RM_1",
        clock=clock or HandClock(),
        roster=Roster(),
        language=language or PlainLanguage(),
        forwarders=forwarders,
        buffer=buffer or RecordBuffer(),
    )


def record(
    id_: str = "r1",
    *,
    type_: RecordType = RecordType.UTTERANCE,
    content: str = "my •••••• is out",
    plain: str | None = "my secret is out",
    role: Role | None = Role.CUSTOMER,
    sid: str | None = "PA_1",
    at_s: float = 7.25,
    **metadata: object,
) -> Record:
    """A record."""
    return Record(
        id=id_,
        room_sid="RM_1",
        participant_sid=sid,
        role=role,
        kind="standard",
        type=type_,
        content=content,
        at_s=at_s,
        recorded_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        metadata=metadata,
        plain=plain,
    )
