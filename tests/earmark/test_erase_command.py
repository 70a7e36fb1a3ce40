"""Erasing a person: afterwards a search over everything finds them nowhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from earmark.commands.erase import KEY_FILE
from offline.erased_audio import silenced
from offline.erased_report import StoredReports
from offline.report import dump_report, parse_report
from offline.report_html import render_html
from rules.masking import mask_numbers
from speech.audio import decode
from storage import tables as t
from storage.database import Database
from storage.deletions import all_deletions, open_deletions
from storage.erasure import Eraser
from storage.erasure_files import clean_lines
from storage.erasure_person import Person
from storage.erasure_receipts import ErasureStatus, all_receipts
from storage.holds import hold_objects, release_holds, set_hold
from storage.mentions import parquet_texts
from storage.trail import TrailAction, TrailEvent, append
from storage.transcripts import parse_transcript
from storage.versions import LockRules, versions_of
from tests.earmark.command import InProcess
from tests.offline.builders import demo_sound, made_report, write_wav
from tests.storage.keeping import BOTH, House, ago, fill_call, house, is_killed, write_table
from tests.storage.trails import anchored, faults, verified

WHO = "wilhelmina-kx"
PHONE = "+4915112345678"
MINE, HERS_TOO, OTHERS = "RM_mine", "RM_too", "RM_others"


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        yield opened


@pytest.fixture
def erase(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(subcommand="erase", monkeypatch=monkeypatch, capsys=capsys)


def write_report(home: House, room_sid: str, day: str, people: tuple[str, str], key: str) -> str:
    """A report of two people as the audit writes it: the second one said a card number."""
    tree = json.loads(dump_report(made_report()))
    shown = [mask_numbers(who) for who in people]
    tree["call"] |= {"room_sid": room_sid, "room_name": f"line of {shown[1]}"}
    for speaker, name in zip(tree["speakers"], shown, strict=True):
        speaker["name"] = name
    for found, name in zip(tree["findings"], shown, strict=True):
        found["speaker"] = name
    for line, name in zip(tree["utterances"], shown, strict=True):
        line["speaker"] = name
    tree["utterances"][0]["text"] += f" Is that so, {shown[1]}?"
    tree["recordings"] = [
        {**tree["recordings"][0], "name": key, "speakers": shown, "start_s": 1.0}
    ]  # fmt: skip
    report = parse_report(json.dumps(tree).encode())
    folder = f"reports/{day}/{room_sid}"
    home.store.put_bytes(f"{folder}/report.json", dump_report(report), content_type="x")
    page = render_html(report).encode()
    home.store.put_bytes(f"{folder}/report.html", page, content_type="x")
    return folder


def fill(home: House, who: str = WHO, mixed: bytes | None = None) -> dict[str, object]:
    """Two calls with the person, one without, and what tells of all of them."""
    began = ago(3)
    day = began.date().isoformat()
    fill_call(home, MINE, began, people=("bob", who), mixed=mixed)
    fill_call(home, HERS_TOO, began, people=(who, "ann"))
    fill_call(home, OTHERS, began, people=("ann", "bob"))
    mix = f"recordings/{day}/{MINE}/MIX.ogg"
    for room_sid, other in ((MINE, "bob"), (HERS_TOO, "ann")):
        for _ in range(2):  # an audit that was made again leaves an older version
            write_report(home, room_sid, day, (other, who), mix)
    write_report(home, OTHERS, day, ("ann", "bob"), "x")
    rows: list[dict[str, object]] = [
        {"room_sid": sid, "speaker": mask_numbers(speaker), "text": text, "n": n}
        for n, (sid, speaker, text) in enumerate([
            (MINE, who, "mine"), (MINE, "bob", f"hello {who}"), (HERS_TOO, who, "too"),
            (OTHERS, "ann", "others"),
        ])
    ]  # fmt: skip
    table = write_table(home, day, rows)
    put = home.store.put_bytes
    csv = f"tables/utterances/date={day}/part-0.csv"
    put(csv, f"room_sid,speaker\n{MINE},{who}\n{OTHERS},ann\n".encode(), content_type="x")
    put(f"reports/{day}/summary.html", f"<p>{who} &amp; co</p>".encode(), content_type="x")
    put("recordings/odd.json", json.dumps({"no": "manifest", "of": who}).encode(), content_type="x")
    kept = {key: home.store.get_bytes(key) for key in home.all_keys() if OTHERS in key}
    return {"day": day, "table": table, "csv": csv, "mix": mix, "kept": kept}


def test_nothing_is_left(home: House, erase: InProcess) -> None:
    """No version of any object and no row names the person; others' data is as it was."""
    told = fill(home)
    rows_of_others = home.n_rows(OTHERS)
    assert len(home.places_of(WHO)) > 20
    code, out, err = erase(WHO, "--reason", "ticket 81", "--json", **home.variables)
    assert (code, err) == (0, "")
    assert home.places_of(WHO) == []
    receipt = json.loads(out.splitlines()[-1])
    assert receipt["calls"] == [MINE, HERS_TOO]
    assert receipt["status"] == "done"
    kept = told["kept"]
    assert isinstance(kept, dict)
    assert {key: home.store.get_bytes(key) for key in kept} == kept
    assert home.n_rows(OTHERS) == rows_of_others
    again = erase(WHO, "--json")
    assert again[0] == 0
    assert json.loads(again[1].splitlines()[-1])["calls"] == []
    if not home.has_versions:
        data = Path(home.variables["EARMARK_DATA_DIR"])
        for file in data.glob("earmark.db*"):
            assert WHO.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("who", [WHO, "earmark", "head"])
def test_the_trail_stays(home: House, erase: InProcess, who: str) -> None:
    """Entries and heads are left as they are, and how many entries name the person is said."""
    fill(home)
    with home.database.begin() as connection:
        for reason in (f"asked for by {who}", "ticket 81"):
            event = TrailEvent(
                actor="oidc:7", action=TrailAction.UNMASK_TEXT, room_sid=MINE,
                detail={"reason": reason},
            )  # fmt: skip
            append(connection, event)
    anchored(home.database, home.store)
    code, out, _ = erase(who, "--json", **home.variables)
    last = json.loads(out.splitlines()[-1])
    assert (code, last["status"], last["trail_entries"]) == (1, "partial", 1)
    found = verified(home.database, home.store)
    assert (faults(found), found.anchored_seq) == ([], 2)
    _, out, _ = erase(who, **home.variables)
    assert "left: 1 entries of the audit trail that name them" in out


def test_what_stays_of_a_call(home: House, erase: InProcess) -> None:
    """Others' words stay; that somebody was there, and that something is missing, is said."""
    told = fill(home)
    erase(WHO, **home.variables)
    folder = f"{told['day']}/{MINE}"
    report = parse_report(home.store.get_bytes(f"reports/{folder}/report.json"))
    assert [speaker.name for speaker in report.speakers] == ["bob"]
    assert [(f.speaker, f.rule_id) for f in report.findings] == [
        ("bob", "conduct.promissory-claim")
    ]
    (line,) = report.utterances
    (gap,) = report.coverage
    assert line.text.startswith("We offer guaranteed returns. Is that so, erased-")
    assert (gap.detail, gap.is_harmless, report.is_complete) == ("erased", False, False)
    page = home.store.get_bytes(f"reports/{folder}/report.html").decode()
    assert "erased on request" in page
    assert page == render_html(report)
    transcript = home.store.get_bytes(f"transcripts/{folder}/transcript.jsonl").decode()
    assert "I am bob" in transcript
    assert '"is_complete": false' in transcript
    left = {key for key in home.all_keys() if MINE in key}
    assert f"recordings/{folder}/TR_1.ogg" in left  # bob's
    assert not [key for key in left if "TR_2" in key or key.startswith("stages/")]
    if home.has_versions:
        assert all(len(versions_of(home.store, key)) == 1 for key in left if "report" in key)
    with home.database.begin(read_only=True) as connection:
        people = connection.execute(
            select(t.PARTICIPANTS.c.identity).where(t.PARTICIPANTS.c.room_sid == MINE)
        ).scalars()
        assert sorted(name[:7] for name in people) == ["bob", "erased-"]
        speakers = connection.execute(
            select(t.HITS.c.speaker).where(t.HITS.c.room_sid == MINE)
        ).scalars()
        assert list(speakers) == ["bob"]
        (note,) = connection.execute(
            select(t.VERDICTS.c.note).where(t.VERDICTS.c.speaker.startswith("erased-"),
                                            t.VERDICTS.c.room_sid == MINE)
        ).scalars()  # fmt: skip
        assert note is None
    texts = list(parquet_texts(home.store.get_bytes(str(told["table"]))))
    assert "mine" not in texts
    assert "others" in texts
    assert any(text.startswith("hello erased-") for text in texts)
    assert home.store.get_bytes(str(told["csv"])).decode() == f"room_sid,speaker\n{OTHERS},ann\n"


def test_a_telephone_number(home: House, erase: InProcess) -> None:
    """A name that reports and tables show masked is found in them all the same."""
    told = fill(home, PHONE)
    code, _, err = erase(PHONE, **home.variables)
    assert (code, err) == (0, "")
    assert home.places_of(PHONE) == []
    report = parse_report(home.store.get_bytes(f"reports/{told['day']}/{MINE}/report.json"))
    assert [speaker.name for speaker in report.speakers] == ["bob"]
    assert "mine" not in list(parquet_texts(home.store.get_bytes(str(told["table"]))))


def test_receipt_names_nobody(home: House, erase: InProcess) -> None:
    """What is kept tells that there was an erasure, and only who has identity and key finds it."""
    fill(home)
    erase(WHO, "--reason", "ticket 81", **home.variables)
    with home.database.begin(read_only=True) as connection:
        (receipt,) = all_receipts(connection)
        noted = all_deletions(connection)
        assert open_deletions(connection) == ()
    assert WHO not in repr(receipt) + repr(noted)
    assert receipt.status is ErasureStatus.DONE
    assert receipt.reason == "ticket 81"
    assert receipt.counts is not None
    n_objects = receipt.counts["objects_erased"]
    assert n_objects == sum(
        not n.reason.endswith("_rewritten") for n in noted if n.kind == "object"
    )
    assert receipt.erasure_id in erase(WHO, "--receipts")[1]
    assert "No erasure" in erase("somebody-else", "--receipts")[1]
    key = Path(home.variables["EARMARK_DATA_DIR"]) / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600


def test_held_call(home: House, erase: InProcess) -> None:
    """Of a held call nothing is erased, and it is said; once it is let go, the rest follows."""
    told = fill(home)
    with home.database.begin() as connection:
        set_hold(connection, MINE, reason="claim", set_by="sue", now=datetime.now(UTC))
    hold_objects(home.database, home.store, [MINE], on=True)
    keys = [key for key in home.all_keys() if MINE in key]
    rows = home.n_rows(MINE)
    code, out, _ = erase(WHO, **home.variables)
    assert code == 1
    assert f"{MINE} is under legal hold" in out
    assert [key for key in home.all_keys() if MINE in key] == keys
    assert home.n_rows(MINE) == rows
    texts = list(parquet_texts(home.store.get_bytes(str(told["table"]))))
    assert ("mine" in texts, "too" in texts) == (True, False)
    assert all(MINE in place or "table" in place for place in home.places_of(WHO))
    with home.database.begin() as connection:
        release_holds(connection, MINE, reason="over", released_by="sue", now=datetime.now(UTC))
    hold_objects(home.database, home.store, [MINE], on=False)
    assert erase(WHO)[0] == 0
    assert home.places_of(WHO) == []
    assert len(json.loads(erase(WHO, "--receipts", "--json")[1].splitlines()[0])) > 0


def test_locked_recording(home: House, erase: InProcess) -> None:
    """What the store has locked is left and told of; in governance mode it can be lifted."""
    told = fill(home)
    key = f"recordings/{told['day']}/{MINE}/TR_2.ogg"
    home.reopened(LockRules(days_by_prefix={"recordings/": 5})).put_bytes(
        key, b"OggS locked", content_type="x"
    )
    code, out, _ = erase(WHO, **home.variables)
    assert code == 1
    assert f"left: {key}: object" in out
    assert "governance" in out
    assert home.store.get_bytes(key) == b"OggS locked"
    assert all("table" in place or MINE in place for place in home.places_of(WHO))
    assert erase(WHO, "--bypass-governance")[0] == 0
    assert home.places_of(WHO) == []
    assert key not in home.all_keys()


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return write_wav(tmp_path / "mix.wav", demo_sound("agent")[: 60 * 16_000]).read_bytes()


def test_mixed_recordings_are_asked_after(home: House, erase: InProcess, sound: bytes) -> None:
    """A recording of several people is not touched before somebody has decided about it."""
    told = fill(home, mixed=sound)
    before = home.places_of(WHO)
    code, _, err = erase(WHO, **home.variables)
    assert code == 2
    assert err.startswith("earmark: 1 recording holds other people, too; say with --mixed")
    assert home.places_of(WHO) == before
    code, out, _ = erase(WHO, "--mixed", "keep")
    assert code == 1
    assert f"kept as asked, with the person's voice in it: {told['mix']}" in out
    assert home.places_of(WHO) == []
    assert home.store.get_bytes(str(told["mix"])) == sound


def test_mixed_recordings_deleted(home: House, erase: InProcess, sound: bytes) -> None:
    """They go with their manifests and rows."""
    told = fill(home, mixed=sound)
    assert erase(WHO, "--mixed", "delete", **home.variables)[0] == 0
    assert not [key for key in home.all_keys() if "MIX" in key]
    with home.database.begin(read_only=True) as connection:
        keys = connection.execute(select(t.RECORDINGS.c.object_key)).scalars().all()
    assert told["mix"] not in keys


def test_mixed_recordings_redacted(
    home: House, erase: InProcess, sound: bytes, tmp_path: Path
) -> None:
    """There is silence where the person speaks, the sound around it stays, and hashes fit."""
    told = fill(home, mixed=sound)
    mix = str(told["mix"])
    assert erase(WHO, "--mixed", "redact", **home.variables)[0] == 0
    target = tmp_path / "after.ogg"
    home.store.fetch(mix, target)
    samples = decode(target).samples[0]
    # By the report they speak from 29.8 s to 42 s of the call; the recording begins at 1 s.
    assert np.abs(samples[int(28.9 * 16_000) : int(40.9 * 16_000)]).max() < 0.01
    assert np.abs(samples[: 25 * 16_000]).max() > 0.1
    assert len(versions_of(home.store, mix)) == 1
    with home.database.begin(read_only=True) as connection:
        told_hash = connection.execute(
            select(t.RECORDINGS.c.sha256).where(t.RECORDINGS.c.object_key == mix)
        ).scalar()
    manifest = json.loads(home.store.get_bytes(mix.replace(".ogg", ".json")))
    assert hashlib.sha256(target.read_bytes()).hexdigest() == told_hash
    assert manifest["earmark"]["sha256"] == told_hash


def test_dry_run(home: House, erase: InProcess) -> None:
    """It tells what would be done and changes nothing, not even in the database."""
    fill(home)
    before = (home.places_of(WHO), home.n_rows(MINE))
    code, out, _ = erase(WHO, "--dry-run", "--json", **home.variables)
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["type"] for line in lines} == {"erased", "rewritten", "plan"}
    assert (home.places_of(WHO), home.n_rows(MINE)) == before
    with home.database.begin(read_only=True) as connection:
        assert all_receipts(connection) == ()


def test_killed_in_the_middle(home: House) -> None:
    """Killed every few steps, the same order goes on, under one receipt, until nothing is left."""
    fill(home)

    def work(database: Database, store: Any) -> None:
        person = Person(identity=WHO)
        Eraser(database, store, person, key=b"k", reports=StoredReports(), silence=silenced).erase()

    n_killed = 0
    # Growing steps: what an earlier run has written anew is written again.
    while is_killed(home, 2 + n_killed, work):
        n_killed += 1
    assert n_killed > 3
    assert home.places_of(WHO) == []
    with home.database.begin(read_only=True) as connection:
        (receipt,) = all_receipts(connection)
        assert open_deletions(connection) == ()
    assert receipt.status is ErasureStatus.DONE


@pytest.mark.parametrize("identity", ["", "a", "erased-1234"])
def test_bad_identity(identity: str, erase: InProcess, tmp_path: Path) -> None:
    """What would be found all over the place is refused in one sentence."""
    code, out, err = erase(identity, EARMARK_DATA_DIR=str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith("earmark: an identity needs 3 characters")
    assert err.count("\n") == 1


def test_transcript_is_still_one() -> None:
    """A kept transcript without a person can still be tried with other rules."""
    header = {
        "type": "transcript", "schema_version": 1, "room_sid": "RM", "audit_key": "a",
        "rulebook_fingerprint": "f", "pipeline": {}, "is_complete": True,
        "made_at": "2026-03-01T00:00:00Z",
    }  # fmt: skip
    lines = [
        header,
        {"type": "participant", "identity": WHO, "role": None, "attributes": {}},
        {"type": "utterance", "id": "u", "speaker": WHO, "start_s": 0.0, "end_s": 1.0,
         "text": "no", "words": [], "final": True, "revision": 0},
        {"type": "call_ended", "at_s": 2.0},
    ]  # fmt: skip
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    cleaned = parse_transcript(clean_lines(data, Person(identity=WHO), "erased-x"), key="k")
    assert not cleaned.is_complete
    assert len(cleaned.events) == 1
