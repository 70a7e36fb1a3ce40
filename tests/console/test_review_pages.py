"""The pages of the review, as people of each role ask for them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.access import Role
from console.state import Console
from rules.types import Severity
from storage.calls import save_call
from storage.hits import save_hit
from storage.queue import Queue
from storage.queue_filter import QueueFilter
from storage.review_tables import QUEUE_STALE
from storage.trail_tables import TRAIL
from storage.verdicts import verdicts_of
from tests.console.seed import STARTED_AT, live_call
from tests.storage.builders import call, hit
from tests.storage.reviews import add_hits, hit_at

People = Callable[..., TestClient]


@pytest.fixture
def double(console: Console) -> None:
    """Every call is judged by two."""
    object.__setattr__(console.options, "double_review_share", 1.0)


def trail_of(console: Console, *actions: str) -> list[tuple[str, str, str | None]]:
    """Who did what on which call, of some actions."""
    with console.database.begin(read_only=True) as connection:
        rows = connection.execute(select(TRAIL).order_by(TRAIL.c.seq)).mappings()
        return [
            (row["actor"], row["action"], row["room_sid"])
            for row in rows
            if row["action"] in actions
        ]


def verdict_form(room_sid: str, decision: str = "confirmed", **changes: str) -> dict[str, str]:
    """What the page of a call sends."""
    return {
        "subject": "hit", "subject_id": "h0", "decision": decision, "note": "",
        "form_id": f"form-{room_sid}-{decision}",
    } | changes  # fmt: skip


def judge(client: TestClient, room_sid: str, decision: str = "confirmed", **changes: str) -> Any:
    """Claim a call and judge its first flag."""
    client.post(f"/calls/{room_sid}/claim")
    return client.post(
        f"/calls/{room_sid}/verdicts", data=verdict_form(room_sid, decision, **changes)
    )


def test_the_queue_shows_what_its_address_asks_for(console: Console, signed_in: People) -> None:
    """Filters stand in the address; a part of a page gets the rows only."""
    high, low = (
        live_call(console.database, 1, severity=Severity.HIGH),
        live_call(console.database, 2, severity=Severity.LOW, n_hits=2),
    )
    client = signed_in(Role.REVIEWER)
    page = client.get("/queue").text
    assert page.index(high) < page.index(low)
    assert "<strong>2</strong> calls" in page
    only = client.get("/queue?severity=high&about=customer&since=2026-03-01&until=2026-03-01")
    assert high in only.text
    assert low not in only.text
    assert 'value="2026-03-01"' in only.text
    part = client.get("/queue?sort=newest", headers={"hx-request": "true"}).text
    assert "<html" not in part
    assert part.index(low) < part.index(high)
    back = client.get(
        "/queue", headers={"hx-request": "true", "hx-history-restore-request": "true"}
    )
    assert "<html" in back.text
    assert "No call fits" in client.get("/queue?rule=pii.us-ssn").text


@pytest.mark.parametrize(
    "query",
    ["status=x", "severity=x", "since=x", "until=9999-12-31", "about=x", "differ=x", "sort=x",
     "after=x", f"rule={'x' * 201}"],
)  # fmt: skip
def test_an_address_that_makes_no_sense(signed_in: People, query: str) -> None:
    """A filter that cannot be read is said to be one."""
    assert signed_in(Role.REVIEWER).get(f"/queue?{query}").status_code == 400


def test_pages_follow_each_other(console: Console, signed_in: People) -> None:
    """The link to more leads through the whole queue, each call once."""
    for n in range(120):
        add_hits(console.database, hit_at("h0", 3.0), room_sid=f"RM_{n:03}",
                 at=STARTED_AT + timedelta(minutes=n))  # fmt: skip
    client = signed_in(Role.REVIEWER)
    address, seen = "/queue", []
    while address:
        text = client.get(address).text
        seen += [part.split('"')[0] for part in text.split('class="open" href="/calls/')[1:]]
        more = text.split('rel="next" href="')[1:]
        address = more[0].split('"')[0].replace("&amp;", "&") if more else ""
    assert seen == [f"RM_{n:03}" for n in range(120)]


def test_what_is_not_in_the_queue_yet_is_told(console: Console, signed_in: People) -> None:
    """After an upgrade the queue says what it does not show."""
    with console.database.begin() as connection:
        connection.execute(QUEUE_STALE.insert().values(room_sid="RM_old"))
    assert "1 call is not in the queue yet" in signed_in(Role.REVIEWER).get("/queue").text


def test_claiming_and_releasing(console: Console, signed_in: People) -> None:
    """A call is one reviewer's; another can neither take it nor give it back for them."""
    room_sid = live_call(console.database)
    rita, sam = signed_in(Role.REVIEWER, name="rita"), signed_in(Role.REVIEWER, name="sam")
    assert rita.post(f"/calls/{room_sid}/claim").headers["location"] == f"/calls/{room_sid}"
    for action in ("claim", "release", "renew"):
        answer = sam.post(f"/calls/{room_sid}/{action}")
        assert answer.status_code == 409, action
    assert "Release" not in sam.get("/queue?status=claimed").text
    assert "Yours until" in rita.get(f"/calls/{room_sid}/claim").text
    assert "rita is at it" in sam.get(f"/calls/{room_sid}/claim").text
    part = rita.post(f"/calls/{room_sid}/release", headers={"hx-request": "true"})
    assert part.headers["hx-trigger"] == "claim-changed"
    assert sam.post(f"/calls/{room_sid}/claim").status_code == 303
    assert rita.post("/calls/RM_none/claim").status_code == 409
    assert trail_of(console, "claim", "release") == [
        ("link:rita", "claim", room_sid),
        ("link:rita", "release", room_sid),
        ("link:sam", "claim", room_sid),
    ]


def test_next(console: Console, signed_in: People) -> None:
    """The next call is claimed and shown; when there is none, one's work says so."""
    room_sid = live_call(console.database)
    client = signed_in(Role.REVIEWER)
    assert client.post("/queue/next").headers["location"] == f"/calls/{room_sid}"
    assert room_sid in client.get("/work").text
    judge(client, room_sid)
    answer = client.post("/queue/next")
    assert answer.headers["location"].startswith("/work")
    assert "nothing left" in client.get(answer.headers["location"]).text


def test_a_verdict(console: Console, signed_in: People) -> None:
    """It needs a claim, is taken once however often it is sent, and is noted without its note."""
    room_sid = live_call(console.database)
    client = signed_in(Role.REVIEWER, name="rita")
    form = verdict_form(room_sid, note="a bank card")
    assert client.post(f"/calls/{room_sid}/verdicts", data=form).status_code == 409
    client.post(f"/calls/{room_sid}/claim")
    first = client.post(f"/calls/{room_sid}/verdicts", data=form)
    assert (first.status_code, first.headers["location"]) == (303, f"/calls/{room_sid}")
    again = client.post(
        f"/calls/{room_sid}/verdicts", data=form, headers={"sec-fetch-mode": "cors"}
    )
    assert (again.status_code, again.headers["x-earmark-call-done"]) == (204, "yes")
    with console.database.begin(read_only=True) as connection:
        (verdict,) = verdicts_of(connection, room_sid)
        assert (verdict.reviewer, verdict.note) == ("link:rita", "a bank card")
        rows = connection.execute(select(TRAIL.c.detail).where(TRAIL.c.action == "verdict"))
        assert [json.loads(row.detail) for row in rows] == [
            {"verdict": verdict.id, "on": "hit", "rule": "pii.card-number",
             "decision": "confirmed", "has_note": True},
        ]  # fmt: skip
    other = client.post(f"/calls/{room_sid}/verdicts", data=form | {"decision": "false_alarm"})
    assert other.status_code == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"subject": "x"}, 400), ({"decision": "x"}, 400), ({"form_id": ""}, 400),
        ({"subject_id": "h9"}, 404), ({"subject_id": ""}, 400), ({"note": "x" * 4001}, 400),
        ({"subject": "finding", "subject_id": "h0"}, 404),
    ],
    ids=str,
)  # fmt: skip
def test_a_verdict_that_cannot_be_taken(
    console: Console, signed_in: People, changes: dict[str, str], status: int
) -> None:
    """What cannot be read, and flags that the call does not have, change nothing."""
    room_sid = live_call(console.database)
    assert judge(signed_in(Role.REVIEWER), room_sid, **changes).status_code == status
    with console.database.begin(read_only=True) as connection:
        assert verdicts_of(connection, room_sid) == ()


@pytest.mark.usefixtures("double")
def test_the_second_reviewer_learns_nothing_of_the_first(
    console: Console, signed_in: People
) -> None:
    """No page, header or export differs for the second one, whether there was a first or not."""
    with_first, without = live_call(console.database, 1), live_call(console.database, 2)
    rita, sam, lea = (
        signed_in(role, name=name)
        for role, name in ((Role.REVIEWER, "rita"), (Role.REVIEWER, "sam"), (Role.LEAD, "lea"))
    )
    assert judge(rita, with_first, "false_alarm", note="only a test number").status_code == 303

    for client in (sam, lea):
        page = client.get("/queue").text
        assert "only a test" not in page
        assert with_first in page
        rows = page.split("<tr data-row>")[1:]
        one, other = (next(r for r in rows if sid in r) for sid in (with_first, without))
        same = [
            row.replace(sid, "SID").replace(f"T{10 + n}:00", "").replace(f" {10 + n}:00", "")
            for n, (row, sid) in enumerate([(one, with_first), (other, without)])
        ]
        assert "SID" in same[0]
        # Begun an hour apart, so that they may be one day apart in age.
        same = [re.sub(r"\b\d+ d\b", "", row) for row in same]
        assert same[0].split("</tr>")[0] == same[1].split("</tr>")[0]
    assert lea.get("/export/verdicts.jsonl?status=all").text == ""
    assert lea.get(f"/adjudication/{with_first}").status_code == 404
    assert "done by you" in rita.get("/queue?status=all").text
    assert with_first not in rita.get("/queue").text


@pytest.mark.usefixtures("double")
def test_adjudication(console: Console, signed_in: People) -> None:
    """A lead sees both verdicts without names, decides, and it is noted; a reviewer may not."""
    room_sid = live_call(console.database)
    rita, sam, lea = (
        signed_in(role, name=name)
        for role, name in ((Role.REVIEWER, "rita"), (Role.REVIEWER, "sam"), (Role.LEAD, "lea"))
    )
    judge(rita, room_sid, "confirmed", note="she reads it out")
    judge(sam, room_sid, "false_alarm", note="<b>not</b> a card")
    assert room_sid in lea.get("/adjudication").text
    page = lea.get(f"/adjudication/{room_sid}").text
    assert "she reads it out" in page
    assert "&lt;b&gt;not&lt;/b&gt;" in page
    assert "rita" not in page
    assert ">sam" not in page
    assert "link:sam" not in page
    assert sam.post(f"/adjudication/{room_sid}", data=verdict_form(room_sid)).status_code == 403
    form = verdict_form(room_sid, "false_alarm", form_id="f")
    assert lea.post(f"/adjudication/{room_sid}", data=form).status_code == 303
    assert lea.post(f"/adjudication/{room_sid}", data=form).status_code == 303
    late = form | {"form_id": "g"}
    assert lea.post(f"/adjudication/{room_sid}", data=late).status_code == 400
    assert "Settled" in lea.get(f"/adjudication/{room_sid}").text
    assert trail_of(console, "adjudicate") == [("link:lea", "adjudicate", room_sid)]
    assert ("link:lea", "view", room_sid) in trail_of(console, "view")
    agreement = lea.get("/agreement").text
    assert "rita and sam" in agreement
    assert "pii.card-number" in agreement
    assert lea.get("/agreement?since=2020-01-01&until=2020-01-02").text.count("No flag") == 1
    assert lea.get("/agreement?since=x").status_code == 400


def test_views_are_private_unless_a_lead_shares_them(console: Console, signed_in: People) -> None:
    """One sees one's own and what is shared, and deletes only one's own."""
    rita, lea = signed_in(Role.REVIEWER, name="rita"), signed_in(Role.LEAD, name="lea")
    kept = rita.post("/queue/views", data={"name": "Cards", "query": "rule=pii.card-number&x=1"})
    assert kept.headers["location"] == "/queue?rule=pii.card-number"
    assert rita.post("/queue/views", data={"name": "A", "shared": "true"}).status_code == 403
    assert rita.post("/queue/views", data={"name": "A", "query": "sort=x"}).status_code == 400
    lea.post("/queue/views", data={"name": "Worst", "query": "severity=high", "shared": "true"})
    lea.post("/queue/views", data={"name": "Hidden", "query": "severity=low"})
    page = rita.get("/queue").text
    assert "Cards" in page
    assert "Worst" in page
    assert "Hidden" not in page
    hidden = lea.get("/queue").text.split("/queue/views/")
    ids = {part.split("/delete")[0] for part in hidden if part.startswith("view_")}
    assert len(ids) == 2
    for view_id in ids:
        assert rita.post(f"/queue/views/{view_id}/delete").status_code == 404
    assert lea.post(f"/queue/views/{ids.pop()}/delete").status_code == 303


def test_assigning(console: Console, signed_in: People) -> None:
    """A lead gives marked calls to somebody and takes them back; each is noted."""
    first, second = live_call(console.database, 1), live_call(console.database, 2)
    rita, lea = signed_in(Role.REVIEWER, name="rita"), signed_in(Role.LEAD, name="lea")
    given = lea.post(
        "/assignments", data={"call": [first, second, "RM_x"], "assignee": "link:rita",
                              "back": "sort=newest"},
    )  # fmt: skip
    assert given.headers["location"] == "/queue?sort=newest"
    assert "for rita" in lea.get("/queue").text
    assert first in rita.get("/work").text
    assert 'href="/queue?assignee=link%3Arita"' in lea.get("/assignments").text
    assert second in rita.get("/queue?assignee=link:rita").text
    lea.post("/assignments", data={"call": [second], "assignee": ""})
    assert second not in rita.get("/queue?assignee=link:rita").text
    assert lea.post("/assignments", data={"assignee": "link:rita"}).status_code == 400
    assert len(trail_of(console, "assign")) == 3
    for back in ("//evil.example", "a b", "x\r\ny"):
        answer = lea.post(
            "/assignments", data={"call": [first], "assignee": "link:rita", "back": back}
        )
        assert answer.headers["location"].startswith("/queue")
        assert "\n" not in answer.headers["location"]


def quiet_call(console: Console, number: int) -> str:
    """A call that nothing flags."""
    room_sid = f"RM_quiet{number}"
    began = STARTED_AT + timedelta(minutes=number)
    with console.database.begin() as connection:
        save_call(
            connection,
            call(room_sid=room_sid, created_at=began, ended_at=began + timedelta(minutes=3)),
        )
    return room_sid


def test_sampling(console: Console, signed_in: People) -> None:
    """A lead draws, a reviewer listens and says what was missed; the page says what it means."""
    quiet = {quiet_call(console, n) for n in range(8)}
    flagged = live_call(console.database, 1)
    rita, sam, lea = (
        signed_in(role, name=name)
        for role, name in ((Role.REVIEWER, "rita"), (Role.REVIEWER, "sam"), (Role.LEAD, "lea"))
    )
    form = {"name": "March", "since": "2026-03-01", "until": "2026-03-01", "by": "day",
            "n_calls": "4", "seed": "7"}  # fmt: skip
    assert rita.post("/samples", data=form).status_code == 403
    assert lea.post("/samples", data=form | {"n_calls": "0"}).status_code == 400
    assert lea.post("/samples", data=form | {"since": "2020-01-01", "until": "2020-01-02"}
                    ).status_code == 400  # fmt: skip
    place = lea.post("/samples", data=form).headers["location"]
    page = rita.get(place).text
    drawn = [sid for sid in sorted(quiet) if sid in page]
    assert len(drawn) == 4
    assert flagged not in page
    decide = f"{place}/calls/{drawn[0]}"
    assert rita.post(decide, data={"outcome": "missed", "rule": ""}).status_code == 400
    assert rita.post(decide, data={"outcome": "missed", "rule": "pii.us-ssn"}).status_code == 303
    assert sam.post(decide, data={"outcome": "nothing"}).status_code == 400
    assert rita.post(f"{place}/calls/{flagged}", data={"outcome": "nothing"}).status_code == 404
    assert rita.post(f"/samples/none/calls/{drawn[0]}", data={"outcome": "nothing"}
                     ).status_code == 404  # fmt: skip
    for sid in drawn[1:]:
        rita.post(f"{place}/calls/{sid}", data={"outcome": "nothing"})
    text = lea.get(place).text
    assert "<strong>25.0 %</strong>" in text
    assert "Few calls were heard" in text
    assert "has to be reviewed" in text or "have to be reviewed" in text
    judge(rita, flagged)
    assert "recall" in lea.get(place).text
    assert "25.0 %" in rita.get("/samples").text
    assert rita.get("/samples/none").status_code == 404
    assert len(trail_of(console, "sample")) == 5


def test_exports(console: Console, signed_in: People) -> None:
    """Files hold what the view shows, no cell is a formula, and each is noted."""
    room_sid = live_call(console.database)
    with console.database.begin() as connection:
        save_hit(
            connection, "RM_evil", hit(id="h0", rule_id="=cmd|' /C calc'!A0", speaker=None),
            recorded_at=STARTED_AT,
        )  # fmt: skip
    rita, auditor = signed_in(Role.REVIEWER, name="rita"), signed_in(Role.AUDITOR, name="au")
    judge(rita, room_sid, note='=HYPERLINK("http://evil")')
    for path in ("queue.csv", "queue.jsonl", "verdicts.csv", "verdicts.jsonl"):
        assert rita.get(f"/export/{path}").status_code == 403
    answer = auditor.get("/export/queue.csv?status=all")
    assert answer.headers["content-disposition"] == 'attachment; filename="earmark-queue.csv"'
    rows = {row["room_sid"]: row for row in csv.DictReader(io.StringIO(answer.text[1:]))}
    assert set(rows) == {room_sid, "RM_evil"}
    assert rows["RM_evil"]["worst_rule_id"].startswith("'=")
    assert rows[room_sid]["status"] == "reviewed"
    lines = [json.loads(x) for x in auditor.get("/export/queue.jsonl?status=reviewed").iter_lines()]
    assert [line["room_sid"] for line in lines] == [room_sid]
    assert lines[0]["n_flags"] == 1
    (row,) = csv.DictReader(io.StringIO(auditor.get("/export/verdicts.csv?status=all").text[1:]))
    assert (row["decision"], row["note"][:2]) == ("confirmed", "'=")
    assert auditor.get("/export/queue.xlsx").status_code == 400
    assert auditor.get("/export/queue.csv?status=x").status_code == 400
    assert len(trail_of(console, "export")) == 3


def test_what_others_wrote_is_text(console: Console, signed_in: People) -> None:
    """Names of rules, views and samples that look like markup are shown as they are."""
    evil = "<script>alert(1)</script>"
    quiet_call(console, 1)
    with console.database.begin() as connection:
        save_hit(connection, "RM_1", hit(id="h0", rule_id=evil), recorded_at=STARTED_AT)
    lea = signed_in(Role.LEAD, name="lea")
    lea.post("/queue/views", data={"name": evil, "query": ""})
    lea.post("/samples", data={"name": evil, "since": "2026-03-01", "until": "2026-03-01",
                               "by": "day", "n_calls": "1", "seed": "1"})  # fmt: skip
    for path in ("/queue", f"/queue?rule={evil}", "/work", "/samples", "/assignments"):
        text = lea.get(path).text
        assert evil not in text, path
    assert "&lt;script&gt;alert" in lea.get("/queue").text


def test_the_queue_needs_no_hits(console: Console, signed_in: People) -> None:
    """Every page of the review stands when there is nothing at all."""
    client = signed_in(*Role)
    for path in ("/queue", "/work", "/assignments", "/adjudication", "/samples", "/agreement"):
        assert client.get(path).status_code == 200, path
    with console.database.begin(read_only=True) as connection:
        queue = Queue(connection, now=console.now(), viewer="x")
        assert queue.page(QueueFilter(status=None)).calls == ()
