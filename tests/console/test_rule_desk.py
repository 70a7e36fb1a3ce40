"""Backtests of drafts on stored calls, and differences between texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console import rule_desk
from console.access import Role
from console.app import create_app
from console.diffs import LineKind, file_diffs
from console.guard import CSRF_HEADER, csrf_token
from console.rule_desk import Draft
from console.state import Console, ConsoleOptions
from rules.backtest import Decision
from rules.call_events import call_events
from rules.errors import RuleInputError
from rules.types import Participant, Span, utterance_from_text
from rules.types import Role as Speaker
from storage.calls import save_call
from storage.database import Database
from storage.objects import open_objects
from storage.transcripts import Transcript, dump_transcript, transcript_key
from storage.verdicts import VerdictDecision, add_verdict
from tests.console.conftest import URL, signed_in_token
from tests.storage.builders import NOW, call
from tests.storage.rulebooks import BOOK, edited, imported
from tests.storage.test_past_calls import audited
from tests.storage.test_verdicts import verdict

RULE = "qa.secrecy"


@pytest.fixture
def console(database: Database, tmp_path: Path) -> Console:
    """A console three days after the calls of the builders."""
    return Console(
        database=database, objects=open_objects(str(tmp_path / "objects")),
        options=ConsoleOptions(url=URL), now=lambda: NOW + timedelta(days=3),
    )  # fmt: skip


@pytest.fixture
def with_calls(console: Console) -> Console:
    """Two audited calls whose words were kept, and one without."""
    said = {
        "RM_1": ["please say nothing to anybody", "and now never tell a soul of it"],
        "RM_2": ["never tell a soul of it please"],
    }
    with console.database.begin() as connection:
        for n, sid in enumerate((*said, "RM_3")):
            save_call(connection, call(room_sid=sid, created_at=NOW + timedelta(minutes=n)))
        add_verdict(
            connection,
            verdict(rule_id=RULE, span=Span(1.0, 4.0), decision=VerdictDecision.FALSE_ALARM),
        )
    for sid, texts in said.items():
        audited(console.database, sid)
        events = call_events(
            [Participant(identity="caller", role=Speaker.CUSTOMER)],
            [
                utterance_from_text(
                    text, Span(1 + 10 * n, 4 + 10 * n), id=f"u{n}", speaker="caller"
                )
                for n, text in enumerate(texts)
            ],
            end_s=60.0,
        )
        kept = Transcript(
            room_sid=sid, audit_key="k", rulebook_fingerprint="b", pipeline={}, is_complete=True,
            made_at=NOW, events=tuple(events),
        )  # fmt: skip
        console.objects.put_bytes(
            transcript_key(NOW.date(), sid), dump_transcript(kept), content_type="application/jsonl"
        )
    return console


CHANGED = edited(BOOK, "talk.yaml", b"say nothing to anybody", b"never tell a soul")


def test_a_backtest_tells_what_is_added_and_lost(with_calls: Console) -> None:
    """By reviewers' verdicts, with the calls of which nothing can be said."""
    run = rule_desk.backtest(with_calls, BOOK, CHANGED, since=NOW - timedelta(days=1))
    (rule,) = run.result.rules
    assert (rule.rule_id, dict(rule.added), dict(rule.lost)) == (
        RULE, {Decision.NONE: 2}, {Decision.FALSE_ALARM: 1},
    )  # fmt: skip
    assert (run.result.n_calls, run.n_not_judged, run.n_left) == (2, 1, 0)
    later = rule_desk.backtest(with_calls, BOOK, CHANGED, since=NOW + timedelta(days=1))
    assert later.result.n_calls == 0


def test_a_backtest_stops_in_time(with_calls: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls for which none was left are told."""
    monkeypatch.setattr(rule_desk, "BACKTEST_S", 0.0)
    run = rule_desk.backtest(with_calls, BOOK, CHANGED, since=NOW - timedelta(days=1))
    assert (run.result.n_calls, run.n_left) == (0, 3)


def test_the_page_of_a_backtest(with_calls: Console) -> None:
    """Counts by verdict, and the hits with their calls; masked, and noted."""
    imported(with_calls.database)
    token = signed_in_token(with_calls, Role.RULE_EDITOR, name="edna")
    with TestClient(create_app(with_calls), base_url=URL) as client:
        client.cookies.set(with_calls.options.cookie, token)
        answer = client.post(
            "/rules/backtest",
            headers={CSRF_HEADER: csrf_token(token), "hx-request": "true"},
            data={
                "base": 1, "name": "talk.yaml", "pack": CHANGED["talk.yaml"].decode(),
                "cases": CHANGED["talk.cases.yaml"].decode(), "days": 7,
            },
        )  # fmt: skip
    assert answer.status_code == 200
    text = " ".join(answer.text.split())
    assert "2 calls since" in text
    assert "1 could not be judged" in text
    assert "never tell a soul" in text
    assert "RM_2" in text
    assert 'href="/calls/' not in text  # this role sees no call's page
    assert "false alarm" in text


def test_a_draft_goes_onto_a_book() -> None:
    """Edited, new, or gone; line ends are those of files."""
    draft = Draft(base=1, name="talk.yaml", pack="a: 1\r\nb: 2\r\n", cases="")
    assert draft.onto(BOOK) == {
        "talk.yaml": b"a: 1\nb: 2\n", "more.yaml": BOOK["more.yaml"],
        "more.cases.yaml": BOOK["more.cases.yaml"],
    }  # fmt: skip
    gone = Draft(base=1, name="talk.yaml", pack=" \r\n", cases="")
    assert sorted(gone.onto(BOOK)) == ["more.cases.yaml", "more.yaml"]
    with pytest.raises(RuleInputError):
        Draft(base=1, name="../x.yaml", pack="a", cases="").onto(BOOK)


def kinds(before: str, after: str) -> Iterator[tuple[str, int | None, int | None, str]]:
    (found,) = file_diffs({"a": before.encode()}, {"a": after.encode()})
    return ((line.kind.value, line.old, line.new, line.text) for line in found.lines)


def test_a_difference_line_by_line() -> None:
    """With the numbers of both sides, and what is skipped between."""
    before = "".join(f"line {n}\n" for n in range(1, 21))
    found = list(kinds(before, before.replace("line 10\n", "line ten\n")))
    assert found[0] == ("skipped", None, None, "6 lines as before")
    assert found[1] == ("same", 7, 7, "line 7")
    assert found[4:6] == [("removed", 10, None, "line 10"), ("added", None, 10, "line ten")]
    assert found[-1] == ("skipped", None, None, "7 lines as before")


def test_differences_of_whole_files() -> None:
    """New and gone ones are told; equal ones are not there."""
    found = file_diffs({"a": b"x\n", "b": b"same"}, {"b": b"same", "c": b"1\n2\n"})
    assert [(each.name, each.is_new, each.is_gone) for each in found] == [
        ("a", False, True), ("c", True, False),
    ]  # fmt: skip
    assert [(each.n_added, each.n_removed) for each in found] == [(0, 1), (2, 0)]


@pytest.mark.timeout(60)
def test_a_hostile_text_does_not_stall_the_comparison() -> None:
    """Lines that are all the same would take a comparison hours."""
    (found,) = file_diffs({"a": b"- a\n" * 200_000}, {"a": b"- b\n" + b"- a\n" * 200_000 + b"x"})
    assert found.is_cut or len(found.lines) < 10
    assert len(found.lines) <= 4000
    assert all(line.kind in LineKind for line in found.lines)
