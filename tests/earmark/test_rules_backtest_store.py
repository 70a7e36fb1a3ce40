"""`earmark rules backtest --store`: calls of database and object store, run as people run it."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from offline.audit import Auditor, Outcome
from offline.find import Finder
from rules.loader import load_rulebook
from rules.types import Span
from storage.calls import save_call
from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from storage.verdicts import Verdict, VerdictDecision, VerdictSubject, add_verdict
from tests.earmark.command import ROOT, InProcess, run_process
from tests.offline.builders import CARD, ScriptedEngines, demo_sound, store_call, write_wav
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server
from tests.storage.builders import call

FIXTURES = ROOT / "tests" / "fixtures" / "audio"
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
PACK = """pack: t.pack
version: {version}
rules:
  - {{id: t.promise, title: T, description: D, severity: low, when: {{phrase: [{phrases}]}}}}
  - {{id: t.card, title: T, description: D, severity: low, when: {{pii: {entity}}}}}
"""
PHONE = "+15550100"
SAID = (
    f"these are guaranteed returns and totally safe my card number is {CARD}",
    "this is totally safe",
    "it is totally safe",
)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> InProcess:
    """The command, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    return InProcess(subcommand="rules", monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def books(tmp_path: Path) -> tuple[str, str]:
    """Changed rules, and rules in force."""
    changed, in_force = tmp_path / "new.yaml", tmp_path / "old.yaml"
    in_force.write_text(PACK.format(version=1, phrases="guaranteed returns", entity="CREDIT_CARD"))
    changed.write_text(PACK.format(version=2, phrases="totally safe", entity="PHONE_NUMBER"))
    return str(changed), str(in_force)


def audit_calls(
    database: Database, objects: ObjectStore, books: tuple[str, str], folder: Path
) -> None:
    """Three audited calls, of which the first has a transcript; a fourth that nobody audited."""
    sound = write_wav(folder / "a.wav", demo_sound("agent")[: 12 * 16_000]).read_bytes()
    rulebook = load_rulebook((Path(books[1]),))
    outcomes: list[Outcome] = []
    for n, text in enumerate(SAID):
        sid = f"RM_{n}"
        began_at = BEGAN + timedelta(days=n)
        store_call(database, objects, {PHONE: sound}, room_sid=sid, started_at=began_at)
        auditor = Auditor(
            database=database,
            objects=objects,
            rulebook=rulebook,
            engines=ScriptedEngines(text),
            keep_transcripts_days=30 if n == 0 else None,
        )
        (found,) = Finder(database, objects).by_name(sid).calls
        outcomes.append(auditor.audit(found))
    objects.delete(outcomes[2].json_key)
    promise = next(f for f in outcomes[0].report.findings if f.rule_id == "t.promise")
    with database.begin() as connection:
        save_call(connection, call(room_sid="RM_3", created_at=BEGAN + timedelta(days=3)))
        for reviewer in ("rita", "sam"):
            add_verdict(
                connection,
                Verdict(
                    id=reviewer,
                    room_sid="RM_0",
                    subject=VerdictSubject.FINDING,
                    subject_id=promise.id,
                    audit_key=outcomes[0].report.audit_key,
                    rule_id=promise.rule_id,
                    rule_version=promise.rule_version,
                    speaker=PHONE,
                    span=Span(promise.start_s, promise.end_s),
                    decision=VerdictDecision.CONFIRMED,
                    reviewer=reviewer,
                    decided_at=BEGAN + timedelta(days=5),
                    note="note of the reviewer",
                ),
            )


def variables(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> dict[str, str]:
    """Settings of an embedded store, or of one on servers."""
    if kind == "embedded":
        return {"EARMARK_DATA_DIR": str(tmp_path / "data")}
    postgres: PostgresServer = request.getfixturevalue("postgres")
    s3: S3Server = request.getfixturevalue("s3_server")
    return {
        "EARMARK_DATABASE_URL": postgres.new_database(),
        "EARMARK_OBJECTS_URL": f"{s3.url}/{tmp_path.name}",
        "EARMARK_S3_ENDPOINT_URL": s3.endpoint_url,
        **s3.environment(),
    }


@pytest.mark.parametrize(
    "kind", ["embedded", pytest.param("servers", marks=[pytest.mark.slow, pytest.mark.s3])]
)
def test_calls_of_the_store(
    kind: str,
    request: pytest.FixtureRequest,
    run: InProcess,
    books: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kept text, masked text and no text: each is judged as far as it can be, and said to be."""
    given = variables(request, tmp_path, kind)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    database_url = given.get("EARMARK_DATABASE_URL", f"sqlite:///{tmp_path}/data/earmark.db")
    database = open_database(database_url, create=True)
    objects = open_objects(
        given.get("EARMARK_OBJECTS_URL", str(tmp_path / "data" / "objects")),
        s3_endpoint_url=given.get("EARMARK_S3_ENDPOINT_URL"),
    )
    audit_calls(database, objects, books, tmp_path)
    database.close()
    changed, in_force = books
    code, out, err = run("backtest", changed, "--against", in_force, "--store", **given)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    places = [line.split()[:2] for line in lines if line.startswith(("  +", "  -"))]
    assert places == [["-", "RM_0"], ["+", "RM_0"], ["+", "RM_1"], ["-", "RM_0"]]
    assert [line for line in lines if not line.startswith(("  +", "  -"))] == [
        "changed: 2 rules of t.pack 2",
        "in force: 2 rules of t.pack 1",
        "t.card: 0 kept, 0 added, 1 lost",
        "t.promise: 0 kept, 2 added, 1 lost",
        "  precision by verdicts: 100% (1 of 1) before, none decided after",
        "  ! loses 1 that reviewers confirmed",
        "t.card: not checked on 1 masked call, and it is a rule that changes",
        "RM_2: not judged: neither a transcript nor a report is in the object store",
        "RM_3: not judged: not audited",
        "2 calls judged, 1 by what was said, 1 by masked text; 2 not judged, "
        "2 rules hit, 2 changed",
    ]
    assert not any(secret in out for secret in (PHONE, "4539", "1488", "rita", "note of"))

    code, out, err = run("backtest", changed, "--against", in_force, "--store", "--json")
    assert (code, err) == (1, "")
    found: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record)
    assert [(r["rule"], r["call"], r["verdict"]) for r in found["lost"]] == [
        ("t.promise", "RM_0", "confirmed"),
        ("t.card", "RM_0", "not reviewed"),
    ]
    assert [(r["rule"], r["call"]) for r in found["added"]] == [
        ("t.promise", "RM_0"),
        ("t.promise", "RM_1"),
    ]
    assert [(r["call"], r["reason"]) for r in found["not_judged"]] == [
        ("RM_2", "no_text"),
        ("RM_3", "not_audited"),
    ]
    assert found["rule"][1] == {
        "type": "rule",
        "rule": "t.promise",
        "n_kept": 0,
        "n_added": 2,
        "n_lost": 1,
        "kept_by_verdict": {},
        "added_by_verdict": {"not reviewed": 2},
        "lost_by_verdict": {"confirmed": 1},
        "precision_before": 1.0,
        "precision_after": None,
    }
    assert found["summary"] == [
        {"type": "summary", "n_calls": 2, "n_masked": 1, "n_incomplete": 0, "n_not_judged": 2}
    ]

    arguments = ("--against", in_force, "--store")
    # The same rules over what can be judged: nothing changes.
    assert run("backtest", in_force, *arguments, "--until", "2026-03-02")[0] == 0
    # The same rules, where a call could not be judged: that is not "nothing changes".
    code, out, _ = run("backtest", in_force, *arguments, "--since", "2026-03-03", "--call", "RM_3")
    assert code == 1
    assert "0 calls judged" in out
    # A changed rule that could not be tried is not "nothing changes" either.
    only_card = tmp_path / "card.yaml"
    only_card.write_text(Path(changed).read_text().replace("totally safe", "guaranteed returns"))
    code, out, _ = run("backtest", str(only_card), *arguments, "--call", "RM_1")
    assert code == 1
    assert "0 changed" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param([], 2, "either --store", id="no-calls"),
        pytest.param(["--store", "--calls", "c.jsonl"], 2, "either --store", id="both"),
        pytest.param(["--calls", "c.jsonl", "--since", "1d"], 2, "add --store", id="file-and-time"),
        pytest.param(["--store"], 2, "no calls in that time", id="empty-store"),
        pytest.param(["--store", "--call", "RM_9"], 2, "session id 'RM_9'", id="unknown-call"),
        pytest.param(["--store", "--until", "soon"], 2, "'soon' is neither a time", id="no-time"),
    ],
)
def test_bad_input(
    arguments: list[str], code: int, said: str, run: InProcess, books: tuple[str, str]
) -> None:
    """One sentence that says what is wrong, and nothing on stdout."""
    got, out, err = run("backtest", books[0], *arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_a_store_that_is_away(run: InProcess, books: tuple[str, str], tmp_path: Path) -> None:
    """Exit code 3, and the sentence names the store."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    code, out, err = run("backtest", books[0], "--store", EARMARK_OBJECTS_URL=str(blocked))
    assert (code, out) == (3, "")
    assert f"object store {blocked}: cannot be written" in err


@pytest.mark.model
def test_from_a_recording_to_what_a_change_would_do(
    tmp_path: Path, run: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real recording is audited, a reviewer judges it, and a changed pack meets the verdict.

    The audit also removes transcripts whose time is over.
    """
    given = {"EARMARK_DATA_DIR": str(tmp_path), "EARMARK_KEEP_TRANSCRIPTS_DAYS": "30"}
    kept, overdue = (tmp_path / "objects" / "transcripts" / d / "RM_x.jsonl" for d in "ab")
    for path, age_days in ((kept, 29), (overdue, 31)):
        path.parent.mkdir(parents=True)
        path.write_text("of another call")
        then_s = time.time() - age_days * 24 * 3600
        os.utime(path, (then_s, then_s))
    files = [str(FIXTURES / f"clean-{name}.ogg") for name in ("agent", "customer")]
    done = run_process("audit", *files, "--json", cwd=tmp_path, variables=given)
    assert done.returncode in {0, 1}, done.stderr
    assert (kept.exists(), overdue.exists()) == (True, False)
    assert "1 kept transcript was older than 30 days and was removed." in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    segments = [line for line in lines if line["type"] == "segment"]
    (report,) = (line for line in lines if line["type"] == "report")
    said = {word for line in segments for word in line["text"].lower().split() if word.isalpha()}
    first, second, *_ = sorted(said, key=lambda word: (-len(word), word))
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(PACK.format(version=1, phrases=first, entity="CREDIT_CARD"))
    new.write_text(PACK.format(version=2, phrases=second, entity="CREDIT_CARD"))
    before = run("backtest", str(new), "--against", str(old), "--store", "--json", **given)
    (lost,) = (r for r in map(json.loads, before[1].splitlines()) if r["type"] == "lost")
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.begin() as connection:
        add_verdict(
            connection,
            Verdict(
                id="v",
                room_sid=report["room_sid"],
                subject=VerdictSubject.HIT,
                subject_id="h",
                rule_id="t.promise",
                rule_version=1,
                speaker=None,
                span=Span(lost["start_s"], lost["end_s"]),
                decision=VerdictDecision.FALSE_ALARM,
                reviewer="rita",
                decided_at=datetime.now(UTC),
            ),
        )
    database.close()
    code, out, _ = run("backtest", str(new), "--against", str(old), "--store")
    assert code == 1
    assert f"{first} (false_alarm)" in out.lower()
    assert f"{second} (not reviewed)" in out.lower()
    assert "removes 1 that reviewers called false alarms" in out
    assert "precision by verdicts: 0% (0 of 1) before, none decided after" in out
