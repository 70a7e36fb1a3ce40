"""Whole audits: real speech detection on real sound, with scripted words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from offline.audit import Auditor, Outcome, Progress
from offline.call import Call
from offline.errors import AuditBusyError
from offline.files import find_files
from offline.find import Finder
from offline.redaction import RedactionOptions, Redactor
from offline.report import Headline, parse_report
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Span, Utterance
from storage import audits
from storage.database import Database
from storage.errors import StorageError
from storage.findings import LiveVerdict, findings_of
from storage.gaps import Gap, GapKind, save_gap
from storage.hits import save_hit
from storage.objects import ObjectStore
from storage.transcripts import parse_transcript
from tests.offline.builders import (
    CARD,
    STARTED_AT,
    ScriptedEngines,
    demo_sound,
    hit,
    store_call,
    write_wav,
)

NOTICE = "This call is being recorded."
RECORDING = "recordings/2026-03-01/RM_1/TR_1.ogg"


def the_call(database: Database, objects: ObjectStore) -> Call:
    (call,) = Finder(database, objects).by_name("RM_1").calls
    return call


def auditor(
    database: Database, objects: ObjectStore, engines: ScriptedEngines, lease_s: float = 30.0
) -> Auditor:
    return Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=engines,
        lease_s=lease_s,
    )


def run(database: Database, objects: ObjectStore, *texts: str) -> Outcome:
    return auditor(database, objects, ScriptedEngines(*texts)).audit(the_call(database, objects))


def details(outcome: Outcome) -> list[str]:
    return [gap.detail for gap in outcome.report.coverage]


def status(database: Database, objects: ObjectStore) -> audits.Audit | None:
    key = auditor(database, objects, ScriptedEngines("")).key(the_call(database, objects))
    with database.begin() as connection:
        return audits.get_audit(connection, key)


def test_a_call_without_fault_is_clean(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """When everything was checked and nothing found, the report says clean."""
    store_call(database, objects, {"agent": sound})
    outcome = run(database, objects, NOTICE)
    assert outcome.report.headline is Headline.CLEAN
    assert [line.text for line in outcome.report.utterances] == [NOTICE]
    assert [(r.status, r.is_hash_verified) for r in outcome.report.recordings] == [
        ("checked", True)
    ]
    assert parse_report(objects.get_bytes(outcome.json_key)) == outcome.report
    assert objects.get_bytes(outcome.html_key).startswith(b"<!doctype html>")


def test_live_and_audit_are_compared(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What live raised is confirmed with its delay; what it missed is told; rows are kept."""
    store_call(database, objects, {"+15551234567": sound})
    span = Span(2.0, 5.0)
    raised = hit(id="live", speaker="+15551234567", span=span)
    invented = hit(id="x", rule_id="pii.us-ssn", speaker="+15551234567", span=span)
    with database.begin() as connection:
        save_hit(connection, "RM_1", raised, recorded_at=STARTED_AT + timedelta(seconds=6.5))
        save_hit(connection, "RM_1", invented, recorded_at=STARTED_AT + timedelta(seconds=6.5))
    outcome = run(database, objects, f"{NOTICE} My card number is {CARD} with guaranteed returns")
    found = {f.rule_id: (f.verdict, f.live_delay_s) for f in outcome.report.findings}
    assert found == {
        "pii.card-number": (LiveVerdict.CONFIRMED, 1.5),
        "conduct.promissory-claim": (LiveVerdict.MISSED_LIVE, None),
        "pii.us-ssn": (LiveVerdict.FALSE_ALARM_LIVE, 1.5),
    }
    assert outcome.report.headline is Headline.FINDINGS
    ledger = status(database, objects)
    assert ledger is not None
    with database.begin() as connection:
        rows = findings_of(connection, ledger.audit_key)
    assert {(row.rule_id, row.speaker) for row in rows} == {
        (rule_id, "+15551234567") for rule_id in found
    }


def test_a_report_holds_no_personal_data(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """Neither a number that was said nor a telephone number as identity reaches the store."""
    store_call(database, objects, {"+15551234567": sound})
    outcome = run(database, objects, f"My card number is {CARD} and call 0 1 7 2 5 5 5 9 8 7 6")
    for key in (outcome.json_key, outcome.html_key):
        # A moment's microseconds may read like anything.
        kept = re.sub(r"T\d\d:\d\d:\d\d\.\d+", "", objects.get_bytes(key).decode())
        for secret in (CARD, "4539", "1488", "0343", "1555", "234567", "5 5 5 9"):
            assert secret not in kept
    assert outcome.utterances[0].text.count("4539") == 1


def test_a_repeated_audit_does_nothing_twice(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """The second run finds the report of the first, and asks the recogniser nothing."""
    store_call(database, objects, {"agent": sound})
    first = run(database, objects, "Hello.")
    engines = ScriptedEngines("Hello.")
    second = auditor(database, objects, engines).audit(the_call(database, objects))
    assert (first.was_done, second.was_done) == (False, True)
    assert (second.report, second.html_key) == (first.report, first.html_key)
    assert engines.recogniser.n_calls == 0


def test_a_removed_report_is_made_again(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """The ledger's word is not enough: without the report the audit was not done."""
    store_call(database, objects, {"agent": sound})
    first = run(database, objects, "Hello.")
    Path(objects.url(first.json_key)).unlink()
    assert not run(database, objects, "Hello.").was_done
    assert run(database, objects, "Hello.").was_done


def test_a_recording_that_turns_up_is_another_audit(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A call that was incomplete is audited anew once the missing file is there."""
    store_call(database, objects, {"agent": sound})
    Path(objects.url(RECORDING)).unlink()
    first = run(database, objects, NOTICE)
    assert (first.report.headline, details(first)) == (Headline.INCOMPLETE, ["object_missing"])
    assert first.report.recordings[0].status == "not_checked"
    objects.put_bytes(RECORDING, sound, content_type="audio/wav")
    second = run(database, objects, NOTICE)
    assert (second.report.headline, second.was_done) == (Headline.CLEAN, False)


def test_a_recording_that_was_changed_is_not_heard(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A file with another hash than was recorded proves nothing, so nothing is read of it."""
    store_call(database, objects, {"agent": sound})
    objects.put_bytes(RECORDING, sound[:-2] + b"\x00\x01", content_type="audio/wav")
    outcome = run(database, objects, NOTICE)
    assert (details(outcome), outcome.report.headline) == (["hash_mismatch"], Headline.INCOMPLETE)
    assert outcome.report.recordings[0].status == "not_checked"
    assert outcome.report.utterances == ()


def test_noise_for_audio_is_a_finding(database: Database, objects: ObjectStore) -> None:
    """A recording that no decoder understands leaves the call incomplete."""
    store_call(database, objects, {"agent": b"this is no sound" * 100})
    outcome = run(database, objects, NOTICE)
    assert (details(outcome), outcome.report.headline) == (["undecodable"], Headline.INCOMPLETE)


def test_a_short_recording_is_heard_as_far_as_it_goes(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What is there is checked, and what is missing is named with its place."""
    store_call(database, objects, {"agent": sound}, duration_s=40.0)
    outcome = run(database, objects, f"{NOTICE} guaranteed returns")
    (gap,) = outcome.report.coverage
    assert (gap.detail, gap.start_s, gap.end_s) == ("shorter_than_promised", 12.0, 40.0)
    assert [f.rule_id for f in outcome.report.findings] == ["conduct.promissory-claim"]
    assert (outcome.report.headline, outcome.report.is_complete) == (Headline.FINDINGS, False)


def test_a_missing_voice_makes_a_missing_notice_undecided(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """The notice may be in the recording that is not there, so nobody is accused."""
    store_call(database, objects, {"agent": sound, "customer": sound}, duration_s=60.0)
    Path(objects.url(RECORDING)).unlink()
    outcome = run(database, objects, "Hello.")
    assert [(f.rule_id, f.verdict) for f in outcome.report.findings] == [
        ("disclosure.recording-notice", LiveVerdict.UNVERIFIED)
    ]
    assert outcome.report.headline is Headline.INCOMPLETE


def test_gaps_of_the_live_side_are_told(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What live did not hear stands in the report, and does no harm if the recording has it."""
    store_call(database, objects, {"agent": sound})
    with database.begin() as connection:
        save_gap(
            connection,
            Gap(
                room_sid="RM_1",
                identity="agent",
                kind=GapKind.OVERLOAD,
                start_s=2.0,
                end_s=4.0,
            ),
        )
    outcome = run(database, objects, NOTICE)
    assert [(g.detail, g.is_harmless) for g in outcome.report.coverage] == [("overload", True)]
    assert outcome.report.headline is Headline.CLEAN


class FullStore:
    """A store whose disk is full: everything can be read, nothing written."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def __getattr__(self, name: str) -> object:
        return getattr(self._objects, name)

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            try:
                file.write(data)
            except OSError as exc:
                raise StorageError(f"object {key!r} cannot be written: {exc.strerror}") from None


def test_a_full_store_leaves_the_audit_open(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A report that could not be written is not done; the next run makes it."""
    store_call(database, objects, {"agent": sound})
    full: ObjectStore = FullStore(objects)  # type: ignore[assignment]
    with pytest.raises(StorageError, match="No space left"):
        auditor(database, full, ScriptedEngines(NOTICE)).audit(the_call(database, objects))
    ledger = status(database, objects)
    assert ledger is not None
    assert (ledger.status, ledger.last_error) == (audits.AuditStatus.FAILED, "StorageError")
    assert not run(database, objects, NOTICE).was_done


def test_an_audit_that_somebody_else_does_is_left_to_them(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A claim that is renewed is respected; the wait for it has an end."""
    store_call(database, objects, {"agent": sound})
    call = the_call(database, objects)
    key = auditor(database, objects, ScriptedEngines("")).key(call)
    with database.begin() as connection:
        audits.claim(connection, key, "RM_1", datetime.now(UTC), lease_s=60.0)
    with pytest.raises(AuditBusyError, match="another run is auditing it"):
        auditor(database, objects, ScriptedEngines(NOTICE), lease_s=0.2).audit(call)


KILLED = """
    import sys, time
    from pathlib import Path
    from offline.audit import Auditor
    from offline.find import Finder
    from rules.loader import load_rulebook
    from storage.database import open_database
    from storage.objects import open_objects
    from tests.offline.builders import ScriptedEngines

    database = open_database(sys.argv[1])
    objects = open_objects(sys.argv[2])
    (call,) = Finder(database, objects).by_name("RM_1").calls
    auditor = Auditor(
        database=database, objects=objects, rulebook=load_rulebook(),
        engines=ScriptedEngines("Hello."), lease_s=1.0,
    )

    def hang(progress):
        if progress.stage == "transcribing":
            print("transcribing", flush=True)
            time.sleep(60)

    auditor.audit(call, hang)
"""


@pytest.mark.timeout(60)  # the claim of a dead run must not be waited for long
def test_a_killed_audit_is_taken_up_by_the_next_run(
    database: Database, objects: ObjectStore, sound: bytes, tmp_path: Path
) -> None:
    """SIGKILL in the middle leaves no report; the next run waits for the claim and makes it."""
    store_call(database, objects, {"agent": sound})
    arguments = [f"sqlite:///{tmp_path / 'earmark.db'}", str(tmp_path / "objects")]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "transcribing\n"
        process.kill()
    assert list(objects.list("reports/")) == []
    ledger = status(database, objects)
    assert ledger is not None
    assert ledger.status is audits.AuditStatus.RUNNING
    engines = ScriptedEngines("Hello.")
    outcome = auditor(database, objects, engines, lease_s=1.0).audit(the_call(database, objects))
    assert not outcome.was_done
    ledger = status(database, objects)
    assert ledger is not None
    assert (ledger.status, ledger.attempts) == (audits.AuditStatus.DONE, 2)
    names = sorted(info.key.rsplit("/", 1)[1] for info in objects.list("reports/"))
    assert names == ["report.html", "report.json"]


def test_channels_of_a_file_are_told_apart(
    database: Database, objects: ObjectStore, tmp_path: Path
) -> None:
    """Each channel of a file is transcribed under its own name, in time order."""
    sounds: Sequence[object] = [demo_sound(n)[: 12 * 16_000] for n in ("agent", "customer")]
    path = write_wav(tmp_path / "call.wav", *sounds)  # type: ignore[arg-type]
    call = find_files([path], ["Anna", "Ben"])
    outcome = auditor(database, objects, ScriptedEngines("Hello.", "Hi.")).audit(call)
    assert [(line.speaker, line.text) for line in outcome.report.utterances] == [
        ("Anna", "Hello."),
        ("Ben", "Hi."),
    ]
    assert outcome.report.reconciliation.live_ran is False


def test_a_long_audit_keeps_its_claim(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """An audit that takes longer than its lease shows signs of life, so nobody takes it over."""
    store_call(database, objects, {"agent": sound})
    call = the_call(database, objects)
    key = auditor(database, objects, ScriptedEngines("")).key(call)
    seen: list[audits.ClaimOutcome] = []

    def dawdle(progress: Progress) -> None:
        if progress.stage == "decoding":
            time.sleep(1.5)
            with database.begin() as connection:
                claim = audits.claim(connection, key, "RM_1", datetime.now(UTC), lease_s=0.5)
            seen.append(claim.outcome)

    outcome = auditor(database, objects, ScriptedEngines(NOTICE), lease_s=0.5).audit(call, dawdle)
    assert seen == [audits.ClaimOutcome.HELD]
    assert outcome.report.headline is Headline.CLEAN


def keeping(
    database: Database, objects: ObjectStore, days: int | None, *texts: str
) -> tuple[Outcome, ScriptedEngines]:
    """An audit that keeps transcripts for so long."""
    engines = ScriptedEngines(*texts)
    auditor = Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=engines,
        keep_transcripts_days=days,
    )
    return auditor.audit(the_call(database, objects)), engines


LONG = 36_500  # the call began on a fixed day
TRANSCRIPT = "transcripts/2026-03-01/RM_1/transcript.jsonl"


def test_nothing_unmasked_is_kept_unasked(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """By default no object but the recording holds what was said."""
    store_call(database, objects, {"agent": sound})
    run(database, objects, f"My card number is {CARD}")
    masked = {
        "redacted/2026-03-01/RM_1/transcript.vtt",
        "reports/2026-03-01/RM_1/report.html",
        "reports/2026-03-01/RM_1/report.json",
    }
    assert {info.key for info in objects.list()} == {
        RECORDING,
        RECORDING.replace(".ogg", ".json"),
        "redacted/2026-03-01/RM_1/TR_1.ogg",  # what is heard in it: test_redaction_heard.py
        *masked,
    }
    groups = CARD.split() if " " in CARD else [CARD[i : i + 4] for i in range(0, 12, 4)]
    for key in masked:
        text = objects.get_bytes(key).decode()
        assert CARD not in text
        assert not all(group in text for group in groups)


def test_a_kept_transcript_gives_the_audits_hits_again(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """What is kept is exactly what the engine was fed: the same hits, with the same ids."""
    store_call(database, objects, {"agent": sound})
    text = f"{NOTICE} My card number is {CARD} with guaranteed returns"
    outcome, _ = keeping(database, objects, LONG, text)
    kept = parse_transcript(objects.get_bytes(TRANSCRIPT), key=TRANSCRIPT)
    assert (kept.room_sid, kept.audit_key, kept.rulebook_fingerprint, kept.is_complete) == (
        "RM_1",
        outcome.report.audit_key,
        load_rulebook().fingerprint,
        True,
    )
    assert kept.pipeline == {
        "pipeline_version": 1,
        **ScriptedEngines("").describe(),
        **Redactor(objects, RedactionOptions()).describe(),
    }
    assert tuple(e for e in kept.events if isinstance(e, Utterance)) == outcome.utterances
    engine = Engine(load_rulebook())
    state = engine.start()
    hits: list[str] = []
    for event in kept.events:
        step = engine.feed(state, event)
        state = step.state
        hits += [hit.id for hit in step.hits]
    assert hits
    assert sorted(hits) == sorted(found.id for found in outcome.report.findings)


def test_who_begins_to_keep_transcripts_gets_those_of_young_calls(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A call that was audited without is audited once more, an old one is not."""
    store_call(database, objects, {"agent": sound})
    run(database, objects, NOTICE)
    old, engines = keeping(database, objects, 1, NOTICE)
    assert (old.was_done, engines.recogniser.n_calls) == (True, 0)
    assert objects.head(TRANSCRIPT) is None
    young, _ = keeping(database, objects, LONG, NOTICE)
    assert not young.was_done
    assert objects.head(TRANSCRIPT) is not None
    again, engines = keeping(database, objects, LONG, NOTICE)
    assert (again.was_done, engines.recogniser.n_calls) == (True, 0)


def test_a_transcript_goes_with_its_report(
    database: Database, objects: ObjectStore, sound: bytes
) -> None:
    """A new audit replaces it; one that keeps none leaves none behind."""
    store_call(database, objects, {"agent": sound})
    keeping(database, objects, LONG, "the first version")
    objects.delete("reports/2026-03-01/RM_1/report.json")
    keeping(database, objects, LONG, "the second version")
    assert b"second" in objects.get_bytes(TRANSCRIPT)
    assert b"first" not in objects.get_bytes(TRANSCRIPT)
    objects.delete("reports/2026-03-01/RM_1/report.json")
    keeping(database, objects, None, "the third version")
    assert objects.head(TRANSCRIPT) is None
