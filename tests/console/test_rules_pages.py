"""The rules pages without a browser: what they show, who may do what, and what the trail tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from console.access import Role
from console.state import Console
from rules.book_check import check_book
from rules.book_files import content_hash
from rules.loader import load_book
from storage.database import Database
from storage.published_rules import files_of, import_first, in_force, load_in_force
from storage.rule_proposals import ProposalState, get_proposal, proposals
from storage.trail_tables import TRAIL
from tests.storage.rulebooks import BOOK, CASES, PACK, approved, edited, imported, proposed

SIGNED_IN = Callable[..., TestClient]
SHORTER = edited(
    edited(BOOK, "talk.yaml", b"severity: low", b"severity: high"),
    "talk.yaml", b"version: 1", b"version: 2",
)  # fmt: skip
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def editor(console: Console, signed_in: SIGNED_IN) -> TestClient:
    """Edna, who edits rules of version 1."""
    imported(console.database)
    return signed_in(Role.RULE_EDITOR, name="edna")


@pytest.fixture
def approver(editor: TestClient, signed_in: SIGNED_IN) -> TestClient:
    """Anton, who approves them."""
    return signed_in(Role.RULE_EDITOR, name="anton")


def form(files: Mapping[str, bytes] = SHORTER, **changes: object) -> dict[str, object]:
    """The editor's form for `talk.yaml`."""
    return {
        "base": 1,
        "name": "talk.yaml",
        "pack": files["talk.yaml"].decode(),
        "cases": files["talk.cases.yaml"].decode(),
        "note": "it is worse",
        **changes,
    }


def only_proposal(database: Database) -> str:
    with database.begin(read_only=True) as connection:
        (found,) = proposals(connection)
        return found.id


def trail_of(database: Database) -> list[tuple[str, str, str | None]]:
    """Who did what to what, but for signing in."""
    with database.begin(read_only=True) as connection:
        rows = connection.execute(select(TRAIL).order_by(TRAIL.c.seq))
        return [(row.actor, row.action, row.subject) for row in rows if row.action != "sign_in"]


def test_the_first_version_is_taken_over(console: Console, signed_in: SIGNED_IN) -> None:
    """Whoever approves rules takes the built-in book over; once."""
    client = signed_in(Role.RULE_EDITOR, name="anton")
    reader = signed_in(Role.REVIEWER)
    assert "No rules are published yet" in reader.get("/rules").text
    assert "/rules/import" not in reader.get("/rules").text
    assert client.post("/rules/import").status_code == 303
    assert client.post("/rules/import").status_code == 409
    page = reader.get("/rules").text
    assert "pii.card-number" in page
    assert "approved by anton" in page
    assert trail_of(console.database) == [("link:anton", "rule_approve", "version 1")]


def test_from_the_editor_to_the_observer(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """Proposed by one, approved by another, and what an observer loads for its next call."""
    answer = editor.post("/rules/propose", data=form())
    assert answer.status_code == 303
    proposal = only_proposal(console.database)
    assert answer.headers["location"] == f"/rules/proposals/{proposal}"
    page = editor.get(f"/rules/proposals/{proposal}").text
    assert "You proposed this, so somebody else decides." in page
    assert f"/rules/proposals/{proposal}/approve" not in page
    answer = approver.post(f"/rules/proposals/{proposal}/approve", data={"note": "right"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/rules/versions/2")
    loaded = load_in_force(console.database)
    assert loaded.version == 2
    assert loaded.rulebook.fingerprint == load_book(SHORTER).fingerprint
    assert trail_of(console.database) == [
        ("link:edna", "rule_propose", proposal), ("link:anton", "rule_approve", proposal),
    ]  # fmt: skip
    assert "severity: high" in approver.get("/rules/versions/2").text
    assert 'class="added"' in approver.get("/rules/diff?old=1&new=2").text


def test_nobody_approves_their_own(console: Console, editor: TestClient) -> None:
    """A POST that no page offers is refused as well, and nothing is written."""
    editor.post("/rules/propose", data=form())
    proposal = only_proposal(console.database)
    for way in ("approve", "reject"):
        answer = editor.post(f"/rules/proposals/{proposal}/{way}", data={"note": "fine"})
        assert answer.status_code == 400
        assert "Nobody decides on their own proposal; ask a second person." in answer.text
    with console.database.begin(read_only=True) as connection:
        assert get_proposal(connection, proposal).state is ProposalState.OPEN
        assert in_force(connection).number == 1
    assert [action for _, action, _ in trail_of(console.database)] == ["rule_propose"]


def test_a_rejection_needs_a_reason(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """And is shown to the author."""
    editor.post("/rules/propose", data=form())
    proposal = only_proposal(console.database)
    assert approver.post(f"/rules/proposals/{proposal}/reject").status_code == 400
    answer = approver.post(f"/rules/proposals/{proposal}/reject", data={"note": "too harsh"})
    assert answer.status_code == 303
    assert "too harsh" in editor.get(f"/rules/proposals/{proposal}").text
    assert "rejected by anton" in editor.get("/rules/proposals").text


def test_only_the_author_withdraws(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """Somebody else rejects instead."""
    editor.post("/rules/propose", data=form())
    proposal = only_proposal(console.database)
    assert approver.post(f"/rules/proposals/{proposal}/withdraw").status_code == 400
    assert editor.post(f"/rules/proposals/{proposal}/withdraw").status_code == 303
    assert "withdrawn" in editor.get(f"/rules/proposals/{proposal}").text


def test_a_rollback_by_two_people(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """Proposed from the old version's page, approved like any other."""
    approved(console.database, proposed(console.database, SHORTER))
    assert editor.post("/rules/versions/1/rollback", data={"note": ""}).status_code == 400
    answer = editor.post("/rules/versions/1/rollback", data={"note": "too many alerts"})
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert editor.post(f"{where}/approve").status_code == 400
    assert approver.post(f"{where}/approve").status_code == 303
    with console.database.begin(read_only=True) as connection:
        version = in_force(connection)
        assert (version.number, version.rollback_of) == (3, 1)
        assert files_of(connection, 3) == BOOK
    assert trail_of(console.database)[-1][1] == "rule_rollback"


def test_a_conflict_is_shown(console: Console, editor: TestClient, approver: TestClient) -> None:
    """What somebody else changed meanwhile is not overwritten."""
    editor.post("/rules/propose", data=form())
    proposal = only_proposal(console.database)
    other = edited(BOOK, "talk.yaml", b"severity: low", b"severity: medium")
    approved(console.database, proposed(console.database, other, author="link:emil"))
    page = approver.get(f"/rules/proposals/{proposal}").text
    assert "It conflicts." in page
    answer = approver.post(f"/rules/proposals/{proposal}/approve")
    assert answer.status_code == 409


def test_what_moved_elsewhere_is_checked_again(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """A change of another file is no conflict; the cases of both together are run."""
    editor.post("/rules/propose", data=form())
    proposal = only_proposal(console.database)
    other = edited(BOOK, "more.yaml", b"severity: low", b"severity: medium")
    approved(console.database, proposed(console.database, other, author="link:emil"))
    assert "all cases are run again" in approver.get(f"/rules/proposals/{proposal}").text
    assert approver.post(f"/rules/proposals/{proposal}/approve").status_code == 303
    with console.database.begin(read_only=True) as connection:
        assert files_of(connection, 3) == {**other, "talk.yaml": SHORTER["talk.yaml"]}


def test_lint_tells_line_and_column(editor: TestClient) -> None:
    """For the editor's margin, as JSON; what is in the other files is not told twice."""
    broken = form({**BOOK, "talk.yaml": PACK.replace(b"severity", b"severety")})
    answer = editor.post("/rules/lint", data=broken).json()
    assert (answer["pack"], answer["cases"]) == ("talk.yaml", "talk.cases.yaml")
    first = answer["remarks"][0]
    assert (first["file"], first["line"], first["column"]) == ("talk.yaml", 8, 5)
    assert "did you mean 'severity'?" in first["message"]
    assert editor.post("/rules/lint", data=form()).json()["remarks"] == []
    poor = form({**BOOK, "talk.cases.yaml": CASES.replace(b"no_hit", b"hit")})
    assert [r["code"] for r in editor.post("/rules/lint", data=poor).json()["remarks"]] == [
        "no-near-miss"
    ]


def test_texts_with_windows_line_ends_are_the_same_texts(
    console: Console, editor: TestClient
) -> None:
    """Browsers send them so; nothing would be left of a difference otherwise."""
    texts = form()
    texts["pack"] = str(texts["pack"]).replace("\n", "\r\n")
    texts["cases"] = str(texts["cases"]).replace("\n", "\r\n")
    editor.post("/rules/propose", data=texts)
    with console.database.begin(read_only=True) as connection:
        (change,) = get_proposal(connection, only_proposal(console.database)).changes
    assert change.name == "talk.yaml"


def test_cases_are_run(editor: TestClient) -> None:
    """All of the book's; those that fail are shown with what was expected."""
    assert "All 4 cases pass." in editor.post("/rules/check", data=form()).text
    failing = form({**SHORTER, "talk.yaml": PACK.replace(b"say nothing", b"hush now")})
    page = editor.post("/rules/check", data=failing).text
    assert "1 of 4 cases fail." in page
    assert "- a hit of qa.secrecy" in page


def test_an_answer_to_htmx_is_only_the_part(editor: TestClient) -> None:
    """The editor keeps its text and its place."""
    part = editor.post("/rules/check", data=form(), headers={"hx-request": "true"}).text
    assert "All 4 cases pass." in part
    assert "<html" not in part
    assert "<textarea" not in part


def test_new_rules_go_on_trial_first(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """In force as `shadow`; a later proposal promotes them."""
    new = (
        PACK.replace(b"qa.talk", b"qa.hush")
        .replace(b"qa.secrecy", b"qa.hushing")
        .replace(b"say nothing to anybody", b"hush now my friend")
    )
    cases = b"cases:\n  - {say: hush now my friend, hit: qa.hushing}\n"
    texts = {"base": 1, "name": "hush.yaml", "pack": new.decode(), "cases": cases.decode(),
             "note": "new", "trial": ["qa.hushing", "qa.unknown"]}  # fmt: skip
    assert editor.post("/rules/propose", data=texts).status_code == 303
    proposal = only_proposal(console.database)
    assert approver.post(f"/rules/proposals/{proposal}/approve").status_code == 303
    assert load_in_force(console.database).rulebook.rule("qa.hushing").status == "shadow"
    assert "promote=qa.hushing" in editor.get("/rules").text
    page = editor.get("/rules/edit?file=hush.yaml&promote=qa.hushing").text
    assert "status: active" in page
    assert "promote qa.hushing from trial" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"name": "../../etc/passwd.yaml"}, "is no name of a rule file", id="path"),
        pytest.param({"name": "/etc/x.yaml"}, "is no name of a rule file", id="absolute"),
        pytest.param({"name": "a.cases.yaml"}, "names cases", id="cases"),
        pytest.param({"base": 7}, "no such version", id="no-version"),
        pytest.param({"base": -1}, "no such version", id="negative"),
        pytest.param({"base": 10**30}, "no such version", id="huge"),
        pytest.param({"base": "x"}, "Not understood: base", id="no-number"),
        pytest.param({"pack": "x" * 1_100_000}, "That cannot be read", id="too-long"),
        pytest.param({"note": " "}, "Say in a note", id="no-note"),
        pytest.param({"pack": "pack: ["}, "do not load", id="broken"),
        pytest.param({"pack": "a: &a [*a]"}, "do not load", id="circle"),
        pytest.param({"pack": "!!python/object/apply:os.system [x]"}, "do not load", id="code"),
        pytest.param({"pack": "", "cases": CASES.decode()}, "do not load", id="cases-left"),
    ],
)
def test_what_cannot_be_proposed(
    console: Console, editor: TestClient, changes: dict[str, object], said: str
) -> None:
    """Each is refused in a sentence, and nothing is kept."""
    answer = editor.post("/rules/propose", data=form(**changes))
    assert 400 <= answer.status_code < 500
    assert said in answer.text
    with console.database.begin(read_only=True) as connection:
        assert proposals(connection) == ()


def test_nothing_that_people_write_becomes_markup(
    console: Console, editor: TestClient, approver: TestClient
) -> None:
    """Not in the editor, in remarks, in differences, in notes, nor in a file's page."""
    pack = SHORTER["talk.yaml"].decode().replace("Secrecy asked for", EVIL) + f"# {EVIL}\n"
    cases = CASES.decode() + f"  - {{name: '{EVIL}', say: nothing here, hit: qa.secrecy}}\n"
    texts = form(pack=pack, cases=cases, note=EVIL)
    pages: list[Response] = [
        editor.post("/rules/check", data=texts),
        editor.post("/rules/check", data=form(pack=f"pack: '{EVIL}'\n{EVIL}: 1")),
        editor.post("/rules/propose", data=form(name=f"{EVIL}.yaml")),
    ]
    assert editor.post("/rules/propose", data=texts).status_code == 303
    proposal = only_proposal(console.database)
    pages += [editor.get(f"/rules/proposals/{proposal}"), editor.get("/rules/proposals")]
    good = form(pack=pack, cases=CASES.decode(), note=EVIL)
    editor.post(f"/rules/proposals/{proposal}/withdraw")
    answer = editor.post("/rules/propose", data=good)
    approver.post(f"{answer.headers['location']}/approve", data={"note": EVIL})
    pages += [
        editor.get(path)
        for path in (
            "/rules", "/rules/versions", "/rules/versions/2", "/rules/diff?old=1&new=2",
            "/rules/file?version=2&name=talk.yaml", "/rules/edit?file=talk.yaml",
        )
    ]  # fmt: skip
    for page in pages:
        assert page.status_code < 500
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    assert sum("&lt;script&gt;alert" in page.text for page in pages) >= 9


@pytest.mark.parametrize(
    "path",
    [
        "/rules/versions/7", "/rules/versions/0", f"/rules/versions/{10**30}",
        "/rules/diff?old=1&new=9", "/rules/file?version=1&name=../../etc/passwd",
        "/rules/file?version=1&name=none.yaml", "/rules/edit?file=none.yaml",
        "/rules/edit?file=talk.cases.yaml", "/rules/proposals/none",
    ],
)  # fmt: skip
def test_what_is_not_there(editor: TestClient, path: str) -> None:
    """No page, whatever is asked for, and nothing of the machine's files."""
    answer = editor.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_a_backtest_is_noted(console: Console, editor: TestClient) -> None:
    """It shows what was said on calls, masked; the trail tells of how many."""
    page = editor.post("/rules/backtest", data=form())
    assert page.status_code == 200
    assert "0 calls since" in page.text
    assert trail_of(console.database) == [("link:edna", "view", "backtest")]
    broken = editor.post("/rules/backtest", data=form(pack="pack: ["))
    assert broken.status_code == 200
    assert "not valid YAML" in broken.text


def test_rules_that_nothing_uses_are_not_passed_off_as_in_use(
    console: Console, signed_in: SIGNED_IN
) -> None:
    """Where the machine's programs take their rules from files, the page says so."""
    imported(console.database)
    client = signed_in(Role.REVIEWER)
    assert "Not used on this machine." not in client.get("/rules").text
    app = client.app
    assert isinstance(app, FastAPI)
    app.state.console = replace(console, uses_published_rules=False)
    assert "Not used on this machine." in client.get("/rules").text


def test_rules_of_another_earmark_are_told(console: Console, signed_in: SIGNED_IN) -> None:
    """A version that does not load here is no defect of the page; quality is shown all the same."""
    files = {"a.yaml": b"x: 1"}
    check = replace(check_book(BOOK), content_hash=content_hash(files))
    with console.database.begin() as connection:
        import_first(connection, files, check=check, by="olga", note="n", now=console.now())
    client = signed_in(Role.LEAD)
    answer = client.get("/rules")
    assert answer.status_code == 503
    assert "published by another Earmark" in answer.text
    assert client.get("/quality").status_code == 200


def test_the_editor_completes_from_the_schema(editor: TestClient) -> None:
    """Packs and cases each have their own."""
    assert "rules" in editor.get("/rules/schema").json()["properties"]
    assert "cases" in editor.get("/rules/schema?cases=true").json()["properties"]
