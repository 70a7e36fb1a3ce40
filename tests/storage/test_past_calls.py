"""Calls read back from the store, as a backtest needs them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from rules.backtest import Decision, PastCall
from rules.call_events import call_events
from rules.types import Event, Participant, Role, Span, Utterance, utterance_from_text
from storage import audits
from storage.calls import save_call
from storage.database import Database
from storage.errors import CallMissingError
from storage.objects import ObjectStore
from storage.past_calls import NotJudged, PastCalls, StoredCall
from storage.recordings import save_recording
from storage.transcripts import Transcript, dump_transcript, transcript_key
from storage.verdicts import add_verdict
from tests.storage.builders import NOW, call, recording
from tests.storage.test_verdicts import verdict

PHONE = "+15550100"
DAY = timedelta(days=1)
EVENTS: tuple[Event, ...] = tuple(
    call_events(
        [Participant(identity=PHONE, role=Role.CUSTOMER)],
        [utterance_from_text("my card is 4111", Span(3, 7), id="u1", speaker=PHONE)],
        end_s=9.0,
    )
)


def stored(room_sid: str = "RM_1", began_at: datetime = NOW) -> StoredCall:
    return StoredCall(room_sid=room_sid, began_at=began_at)


def audited(database: Database, room_sid: str = "RM_1", *, status: str = "done") -> None:
    """A call as an audit of 2026-03-01 leaves it in the ledger."""
    key = f"audit of {room_sid}"
    with database.begin() as connection:
        claim = audits.claim(connection, key, room_sid, NOW + DAY, 60)
        if status == "done":
            assert audits.finish(
                connection,
                key,
                attempt=claim.attempt,
                report_key=f"reports/2026-03-01/{room_sid}/report.html",
                pipeline={},
                now=NOW + DAY,
            )


def put_transcript(objects: ObjectStore, data: bytes | None = None) -> None:
    whole = dump_transcript(
        Transcript(
            room_sid="RM_1",
            audit_key="k",
            rulebook_fingerprint="book",
            pipeline={},
            is_complete=False,
            made_at=NOW,
            events=EVENTS,
        )
    )
    key = transcript_key(NOW.date(), "RM_1")
    objects.put_bytes(key, whole if data is None else data, content_type="application/jsonl")


def put_report(objects: ObjectStore, names: Sequence[str] = ("+••••••••",)) -> None:
    report = {
        "schema_version": 1,
        "headline": "clean",
        "is_complete": True,
        "call": {"room_sid": "RM_1", "duration_s": 9.0},
        "speakers": [{"name": name, "role": "customer", "speech_s": 4} for name in names],
        "utterances": [
            {"id": "u1", "speaker": names[0], "start_s": 3, "end_s": 3, "text": "card ••••"}
        ],
    }
    objects.put_bytes(
        "reports/2026-03-01/RM_1/report.json",
        json.dumps(report).encode(),
        content_type="application/json",
    )


def test_calls_are_found_by_what_knows_them(database: Database, objects: ObjectStore) -> None:
    """Observed, recorded or audited, each call is found once, in order and within the time."""
    with database.begin() as connection:
        save_call(connection, call(room_sid="RM_1", created_at=NOW))
        save_call(connection, call(room_sid="RM_2", created_at=NOW + DAY))
        save_recording(connection, recording(room_sid="RM_1", call_started_at=NOW + 5 * DAY))
        save_recording(
            connection,
            recording(room_sid="RM_3", object_key="a.ogg", call_started_at=NOW + 2 * DAY),
        )
    audited(database, "RM_2")
    audited(database, "FILE_4")
    audited(database, "FILE_5", status="running")
    past = PastCalls(database, objects)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    everything = (
        stored("FILE_4", midnight),
        stored("RM_1", NOW),
        stored("FILE_5", NOW + DAY),
        stored("RM_2", NOW + DAY),
        stored("RM_3", NOW + 2 * DAY),
    )
    assert past.find() == everything
    assert past.find(since=NOW) == everything[1:]
    assert past.find(since=NOW, until=NOW + 2 * DAY) == everything[1:4]
    assert past.find(room_sids=("RM_3", "FILE_4")) == (everything[0], everything[4])
    assert past.find(room_sids=("RM_3",), until=NOW) == ()
    with pytest.raises(CallMissingError, match="'RM_9'"):
        past.find(room_sids=("RM_3", "RM_9"))


def test_a_kept_transcript_is_what_was_said(database: Database, objects: ObjectStore) -> None:
    """Where the audit kept it, the events are those of the audit, and verdicts come with them."""
    audited(database)
    put_transcript(objects)
    put_report(objects)
    with database.begin() as connection:
        add_verdict(connection, verdict(speaker=PHONE))
        add_verdict(connection, verdict(id="elsewhere", room_sid="RM_2"))
    read = PastCalls(database, objects).read(stored())
    assert isinstance(read, PastCall)
    assert (read.id, read.events, read.is_masked, read.is_complete) == (
        "RM_1", EVENTS, False, False
    )  # fmt: skip
    assert [(r.speaker, r.decision) for r in read.reviews] == [(PHONE, Decision.CONFIRMED)]


@pytest.mark.parametrize(
    ("names", "reviewed"),
    [
        pytest.param(["+••••••••"], "+••••••••", id="one-number"),
        pytest.param(["+••••••••", "+•••••••• (2)"], None, id="which-of-two"),
        pytest.param(["somebody"], None, id="unknown"),
    ],
)
def test_else_a_report_is_its_masked_text(
    database: Database, objects: ObjectStore, names: list[str], reviewed: str | None
) -> None:
    """The text of a report stands in, marked as masked; verdicts name people as it does."""
    audited(database)
    put_report(objects, names)
    with database.begin() as connection:
        add_verdict(connection, verdict(speaker=PHONE))
    read = PastCalls(database, objects).read(stored())
    assert isinstance(read, PastCall)
    assert (read.is_masked, read.is_complete) == (True, True)
    assert [e.identity for e in read.events if isinstance(e, Participant)] == sorted(names)
    assert [e.text for e in read.events if isinstance(e, Utterance)] == ["card ••••"]
    assert [review.speaker for review in read.reviews] == [reviewed]


def test_what_cannot_be_judged(database: Database, objects: ObjectStore) -> None:
    """A call without an audit, without text, or with text that is broken is told apart."""
    past = PastCalls(database, objects)
    assert past.read(stored()) is NotJudged.NOT_AUDITED
    audited(database, status="running")
    assert past.read(stored()) is NotJudged.NOT_AUDITED
    audited(database, "RM_2")
    assert past.read(stored("RM_2")) is NotJudged.NO_TEXT
    objects.put_bytes("reports/2026-03-01/RM_2/report.json", b"{}", content_type="application/json")
    assert past.read(stored("RM_2")) is NotJudged.UNREADABLE


def test_a_broken_transcript_is_not_passed_over(database: Database, objects: ObjectStore) -> None:
    """Masked text does not take the place of a transcript that should be there, unseen."""
    audited(database)
    put_report(objects)
    put_transcript(objects, b"not a transcript\n")
    assert PastCalls(database, objects).read(stored()) is NotJudged.UNREADABLE
