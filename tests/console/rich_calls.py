"""Calls with everything to them: audited by the real audit, with sound, copies and live hits.

The audit is the real one, on the sound of the demo, with the real detector of speech; only the
words are scripted, so that no model has to be loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av

from offline.audit import Auditor, Outcome
from offline.find import Finder
from offline.redaction import RedactionOptions
from offline.report import Report, dump_report, parse_report
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.types import HitState, Role, Span, TextRange
from storage.audits import latest_done
from storage.calls import Call, CallParticipant, save_call, save_participant
from storage.database import Database
from storage.deletion_marks import DeletionMark, DeletionReason, mark_for_deletion, note_deleted
from storage.gaps import Gap, GapKind, save_gap
from storage.hits import save_hit
from storage.manifest import Recording, manifest_key, recording_key, write_manifest
from storage.objects import ObjectStore
from storage.recordings import save_recording
from storage.records import StoredRecord, save_records
from tests.offline.builders import DEMO_AUDIO, ScriptedEngines, hit

STARTED_AT = datetime.fromisoformat("2026-03-01T09:00:00+00:00")
SAID = {
    who: " ".join(
        line["text"]
        for line in json.loads((DEMO_AUDIO / "script.json").read_text())["lines"]
        if line["speaker"] == who
    )
    for who in ("agent", "customer")
}
FIXTURES = Path(__file__).parents[1] / "fixtures" / "audio"
CLEAN = {"agent": "Good morning, how can I help you today?", "customer": "With nothing, thank you."}


def store_sounds(
    database: Database,
    objects: ObjectStore,
    room_sid: str,
    sounds: dict[str, bytes],
    *,
    suffix: str = "ogg",
    room_name: str = "support-42",
    duration_s: float = 52.0,
    observed: bool = True,
    roles: dict[str, Role] | None = None,
) -> None:
    """A call as the live side leaves it: rows, recordings by identity, manifests."""
    roles = roles or {"agent": Role.AGENT, "customer": Role.CUSTOMER}
    with database.begin() as connection:
        save_call(
            connection,
            Call(
                room_sid=room_sid, room_name=room_name, source="livekit", created_at=STARTED_AT,
                ended_at=STARTED_AT + timedelta(seconds=duration_s),
                rulebook_fingerprint="book" if observed else None,
                observer_joined_s=0.5 if observed else None,
            ),
        )  # fmt: skip
        for identity in {*roles, *sounds}:
            save_participant(
                connection,
                CallParticipant(
                    room_sid=room_sid, identity=identity, role=roles.get(identity), kind="standard",
                    joined_s=0.0, left_s=duration_s,
                ),
            )  # fmt: skip
    for number, (identity, data) in enumerate(sounds.items(), start=1):
        key = recording_key(STARTED_AT.date(), room_sid, f"TR_{number}")
        key = key.removesuffix("ogg") + suffix
        recording = Recording(
            object_key=key, sha256=hashlib.sha256(data).hexdigest(), egress_id=f"ER_{number}",
            room_sid=room_sid, room_name=room_name, identity=identity, track_id=f"TR_{number}",
            track_source="microphone", started_at=STARTED_AT,
            ended_at=STARTED_AT + timedelta(seconds=duration_s), duration_s=duration_s,
            call_started_at=STARTED_AT, recorder="earmark",
        )  # fmt: skip
        objects.put_bytes(key, data, content_type="audio/ogg")
        objects.put_bytes(
            manifest_key(key), write_manifest(recording), content_type="application/json"
        )
        with database.begin() as connection:
            save_recording(connection, recording)


def audit(
    database: Database,
    objects: ObjectStore,
    room_sid: str,
    *texts: str,
    keep_days: int | None = None,
    book: Rulebook | None = None,
    **redaction: Any,
) -> Outcome:
    """Audit a call, for real but for the words."""
    (call,) = Finder(database, objects).by_name(room_sid).calls
    options = RedactionOptions(**redaction)
    return Auditor(
        database=database, objects=objects, rulebook=book or load_rulebook(),
        engines=ScriptedEngines(*texts), keep_transcripts_days=keep_days, redaction=options,
    ).audit(call)  # fmt: skip


def demo_sounds() -> dict[str, bytes]:
    """The sound of the demo, as it was recorded."""
    return {who: (DEMO_AUDIO / f"{who}.ogg").read_bytes() for who in ("agent", "customer")}


def audited_call(
    database: Database,
    objects: ObjectStore,
    room_sid: str = "RM_audited",
    *,
    keep_days: int | None = 36_500,
    **redaction: Any,
) -> Report:
    """The demo call with live hits of every kind, audited: copies, disagreement, and a gap."""
    store_sounds(database, objects, room_sid, demo_sounds())
    raised = STARTED_AT + timedelta(seconds=44)
    with database.begin() as connection:
        for each in (
            hit(id="L-card", speaker="customer", span=Span(32.0, 40.0), at_s=40.2),
            # Nothing of the kind was said: the audit calls it a false alarm.
            hit(
                id="L-ssn", rule_id="pii.us-ssn", speaker="customer", span=Span(8.0, 11.0),
                excerpt="•••-••-6467", score=0.7, at_s=11.0,
            ),
            hit(
                id="L-back", rule_id="pii.us-ssn", speaker="agent", span=Span(24.5, 26.0),
                excerpt="•••", state=HitState.RETRACTED, at_s=26.0,
            ),
        ):  # fmt: skip
            save_hit(connection, room_sid, each, recorded_at=raised)
        save_gap(
            connection,
            Gap(
                room_sid=room_sid, identity="agent", kind=GapKind.DEAF_TRACK, start_s=13.0,
                end_s=16.0, detail=None,
            ),
        )  # fmt: skip
    return audit(
        database, objects, room_sid, SAID["agent"], SAID["customer"], keep_days=keep_days,
        **redaction,
    ).report  # fmt: skip


def clean_call(database: Database, objects: ObjectStore, room_sid: str = "RM_clean") -> Report:
    """A call that was wholly checked, and of which nothing has to be covered."""
    notice = "This call is recorded. "
    store_sounds(database, objects, room_sid, demo_sounds())
    return audit(database, objects, room_sid, notice + CLEAN["agent"], CLEAN["customer"]).report


def live_only_call(
    database: Database, objects: ObjectStore, room_sid: str = "RM_live", *, records: bool = True
) -> None:
    """A call that nobody has audited: hits, sound, and the observer's records of what was said."""
    store_sounds(database, objects, room_sid, demo_sounds())
    with database.begin() as connection:
        save_hit(
            connection,
            room_sid,
            hit(
                id="L1", span=Span(32.0, 40.0), at_s=40.2,
                parts=(TextRange(utterance_id="u3", start_chars=18, end_chars=60),),
            ),
            recorded_at=STARTED_AT + timedelta(seconds=41),
        )  # fmt: skip
        if records:
            save_records(
                connection,
                [
                    StoredRecord(
                        id=f"{room_sid}-r{number}", room_sid=room_sid, participant_sid="PA_1",
                        role=Role.AGENT if number % 2 else Role.CUSTOMER, kind="standard",
                        type="utterance", content=text, at_s=at_s, recorded_at=STARTED_AT,
                        metadata={"source": "speech", "start_s": at_s, "end_s": at_s + 4},
                    )
                    for number, (at_s, text) in enumerate(
                        [
                            (7.0, "Hello. I would like to open the savings plan."),
                            (24.0, "Please read me your card number."),
                            (32.0, "My card number is •••• •••• •••• ••••."),
                        ]
                    )
                ],
            )  # fmt: skip


def call_with_deleted_recording(
    database: Database, objects: ObjectStore, room_sid: str = "RM_deleted"
) -> None:
    """A security code was said: the recording was marked, and is deleted; its copy is left."""
    store_sounds(database, objects, room_sid, {"customer": demo_sounds()["customer"]})
    code = "My card number is 4539 1488 0343 6467 and the security code is 907"
    audit(database, objects, room_sid, code)
    key = recording_key(STARTED_AT.date(), room_sid, "TR_1")
    objects.delete(key)
    with database.begin() as connection:
        mark_for_deletion(
            connection,
            [
                DeletionMark(
                    object_key=key, reason=DeletionReason.CARD_SECURITY_CODE, room_sid=room_sid,
                    marked_at=STARTED_AT,
                )
            ],
        )  # fmt: skip
        note_deleted(connection, key, STARTED_AT + timedelta(days=1))


def as_mp3(sound: bytes) -> bytes:
    """A sound as MP3."""
    out = io.BytesIO()
    with av.open(io.BytesIO(sound)) as source, av.open(out, "w", format="mp3") as target:
        stream = target.add_stream("libmp3lame", rate=48_000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


def hostile_call(database: Database, objects: ObjectStore, room_sid: str = "RM_hostile") -> None:
    """A call on which everything that people can name or say is markup."""
    identity = f"caller{MARKUP}"
    store_sounds(
        database, objects, room_sid, {identity: demo_sounds()["customer"]},
        room_name=f"room{MARKUP}", roles={identity: Role.CUSTOMER},
    )  # fmt: skip
    with database.begin() as connection:
        save_hit(
            connection,
            room_sid,
            hit(id=f"h{MARKUP}", speaker=identity, excerpt=f"excerpt{MARKUP}"),
            recorded_at=STARTED_AT,
        )
    audit(
        database, objects, room_sid,
        f"Hello {MARKUP} guaranteed returns {MARKUP} you cannot lose javascript:alert(3)",
    )  # fmt: skip
    rewrite_report(
        database,
        objects,
        room_sid,
        lambda report: replace(
            report,
            findings=tuple(
                replace(found, title=f"title{MARKUP}", excerpt=f"excerpt{MARKUP}")
                for found in report.findings
            ),
        ),
    )


def rewrite_report(database: Database, objects: ObjectStore, room_sid: str, change: Any) -> str:
    """Put a changed report in the place of the one that is there; gives its key."""
    with database.begin() as connection:
        found = latest_done(connection, room_sid)
    assert found is not None
    assert found.report_key is not None
    key = found.report_key.removesuffix("html") + "json"
    report = change(parse_report(objects.get_bytes(key)))
    data = report if isinstance(report, bytes) else dump_report(report)
    objects.put_bytes(key, data, content_type="application/json")
    return key
