"""The page of the trail: what it lists, how it pages, what it exports, and what it says of it."""

from __future__ import annotations

import csv
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.access import Role
from console.anchoring import Anchoring, AnchorOptions
from console.app import create_app
from console.state import Console
from storage import trail
from storage.objects import open_objects
from storage.trail import TrailAction, TrailEvent
from storage.trail_anchor import anchor_state
from storage.trail_heads import HEADS_PREFIX
from tests.storage.trails import KEY, OTHER_KEY, anchored, edit, fill, tamper

SIGNED_IN = Callable[..., TestClient]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def anchoring(console: Console) -> Anchoring:
    """What keeps the trail anchored, without its thread."""
    return Anchoring(
        console.database, console.objects, AnchorOptions(key=KEY, n_entries=5), now=console.now
    )


@pytest.fixture
def console_with_key(console: Console, anchoring: Anchoring) -> Console:
    return replace(console, anchoring=anchoring)


def numbers(page: str) -> list[int]:
    """The numbers of the entries on a page."""
    return [int(each) for each in re.findall(r'<td class="number"[^>]*>(\d+)</td>', page)]


def test_entries_are_paged(console: Console, signed_in: SIGNED_IN) -> None:
    """The newest first, fifty a page; the way to older ones keeps the filters."""
    fill(console.database, 130)
    client = signed_in(Role.AUDITOR)
    page = client.get("/trail").text
    assert numbers(page) == list(range(130, 80, -1))
    pages = 1
    while found := re.search(r'href="(/trail\?[^"]*before=[^"]*)"', page):
        page = client.get(found[1].replace("&amp;", "&")).text
        pages += 1
    assert pages == 3
    assert numbers(page) == list(range(30, 0, -1))
    page = client.get("/trail", params={"actor": "reviewer-1"}).text
    assert len(numbers(page)) == 44


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"actor": "reviewer-1"}, [10, 7, 4, 1]),
        ({"action": "play"}, [1]),
        ({"call": "RM_1"}, [11, 6, 1]),
        ({"call": " RM_1 ", "actor": "reviewer-0"}, [6]),
        ({"since": "2026-03-01", "until": "2026-03-01"}, list(range(12, 0, -1))),
        ({"since": "2026-03-02"}, []),
        ({"until": "2026-02-28"}, []),
        ({"before": "3"}, [2, 1]),
    ],
)
def test_filters(
    console: Console, signed_in: SIGNED_IN, filters: dict[str, str], expected: list[int]
) -> None:
    """Each alone and together, days with their end."""
    fill(console.database, 12)
    assert numbers(signed_in(Role.AUDITOR).get("/trail", params=filters).text) == expected


@pytest.mark.parametrize(
    "filters",
    [
        {"since": "yesterday"}, {"until": "2026-13-01"}, {"action": "peek"}, {"actor": "x" * 201},
        {"before": "0"}, {"before": "x"}, {"call": "RM\0"}, {"before": str(2**63)},
    ],
)  # fmt: skip
def test_filters_that_make_no_sense(signed_in: SIGNED_IN, filters: dict[str, str]) -> None:
    """A clear page, and what was typed is not repeated."""
    client = signed_in(Role.AUDITOR)
    for path in ("/trail", "/trail/export"):
        if "before" in filters and path.endswith("export"):
            continue
        answer = client.get(path, params=filters)
        assert answer.status_code == 400
        assert "x" * 201 not in answer.text


def test_what_staff_typed_is_shown_as_text(console: Console, signed_in: SIGNED_IN) -> None:
    """Nothing of an entry becomes a part of the page's code."""
    with console.database.begin() as connection:
        event = TrailEvent(
            actor=HOSTILE, action=TrailAction.UNMASK_TEXT, room_sid=HOSTILE, subject=HOSTILE,
            detail={"reason": HOSTILE, HOSTILE: 1},
        )  # fmt: skip
        trail.append(connection, event)
    client = signed_in(Role.AUDITOR)
    for params in ({}, {"actor": HOSTILE, "call": HOSTILE}):
        page = client.get("/trail", params=params).text
        assert numbers(page) == [1]
        assert "<script>alert" not in page
        assert "<img" not in page


def test_export_is_noted_first(console: Console, signed_in: SIGNED_IN) -> None:
    """What is filtered comes as a file, and that it did is an entry of its own."""
    fill(console.database, 12)
    client = signed_in(Role.AUDITOR, name="aud")
    answer = client.get("/trail/export", params={"actor": "reviewer-1", "format": "jsonl"})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="trail-')
    assert [json.loads(line)["seq"] for line in answer.text.splitlines()] == [1, 4, 7, 10]
    answer = client.get("/trail/export", params={"format": "csv"})
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert [int(row["seq"]) for row in rows] == list(range(1, 15))
    assert (rows[12]["actor"], rows[12]["action"]) == ("link:aud", "export")
    assert json.loads(rows[12]["detail"]) == {"format": "jsonl", "actor": "reviewer-1"}
    assert client.get("/trail/export", params={"format": "exe"}).status_code == 400


def test_without_a_key(console: Console, signed_in: SIGNED_IN) -> None:
    """A console that cannot sign says so, and verifies nothing."""
    client = signed_in(Role.AUDITOR)
    assert "Nothing is anchored: this console has no key" in client.get("/trail").text
    assert client.post("/trail/verify").status_code == 404


def waited_for(anchoring: Anchoring) -> None:
    while anchoring.verified is not None and anchoring.verified.is_running:
        time.sleep(0.01)


def test_verifying(
    console_with_key: Console, anchoring: Anchoring, signed_in_to: SIGNED_IN
) -> None:
    """It is said what was found, and how far heads vouch for it."""
    console = console_with_key
    fill(console.database, 6)
    assert anchoring.look()
    fill(console.database, 1)
    client = signed_in_to(Role.AUDITOR)
    page = client.get("/trail").text
    assert "Not verified since this console started" in page
    assert client.post("/trail/verify").status_code == 303
    waited_for(anchoring)
    page = client.get("/trail").text
    assert "As it was written." in page
    assert "7 entries verified" in page
    assert "The last 1 no head vouches for yet" in page
    tamper(console.database, edit(3, actor="nobody"))
    client.post("/trail/verify")
    waited_for(anchoring)
    assert client.get("/trail").text.count('class="doubtful"') == 1
    page = client.get("/trail/state").text
    assert "Not as it was written." in page
    assert "entry 3: was changed, since the hash does not fit" in page


@pytest.fixture
def signed_in_to(console_with_key: Console, signed_in: SIGNED_IN) -> SIGNED_IN:
    """Clients of the console that has a key."""
    app = create_app(console_with_key)

    def make(*roles: Role) -> TestClient:
        client = signed_in(*roles)
        client.app = app
        client._transport.app = app  # type: ignore[attr-defined]
        return client

    return make


def test_anchoring_when_it_is_due(console: Console, anchoring: Anchoring) -> None:
    """After so many entries, after so long, and at the end; not before."""
    store = console.objects
    assert not anchoring.look()
    fill(console.database, 5)
    assert anchoring.look()
    assert not anchoring.look()
    later = Anchoring(
        console.database, store, AnchorOptions(key=KEY, after=timedelta(days=36_500)),
        now=console.now,
    )  # fmt: skip
    fill(console.database, 1)
    assert not later.look()
    assert later.look(is_last=True)
    assert len(list(store.list(HEADS_PREFIX))) == 2


def test_anchoring_in_its_thread(console: Console) -> None:
    """What is left when the console stops is anchored."""
    anchoring = Anchoring(
        console.database, console.objects, AnchorOptions(key=KEY), now=console.now
    )
    anchoring.start()
    with console.database.begin() as connection:
        trail.append(connection, TrailEvent(actor="a", action=TrailAction.SIGN_IN))
    anchoring.stop()
    with console.database.begin(read_only=True) as connection:
        assert anchor_state(connection).anchored_seq == 1


def test_store_that_is_away(
    console: Console, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged without a word of where, and made good at the next look."""
    folder = tmp_path / "elsewhere"
    folder.write_text("a file in the way")
    anchoring = Anchoring(
        console.database, open_objects(str(folder)), AnchorOptions(key=KEY, n_entries=1),
        now=console.now,
    )  # fmt: skip
    fill(console.database, 2)
    assert not anchoring.look()
    assert "the trail could not be anchored" in caplog.text
    assert str(folder) not in caplog.text
    anchoring.verify()
    waited_for(anchoring)
    assert anchoring.verified is not None
    assert anchoring.verified.has_failed
    folder.unlink()
    anchoring.look()
    with console.database.begin(read_only=True) as connection:
        assert anchor_state(connection).anchored_seq == 2


def test_earlier_keys_count(console: Console) -> None:
    """Heads of the key before are told from those of strangers."""
    fill(console.database, 2)
    anchored(console.database, console.objects, OTHER_KEY)
    for known, is_intact in (((), False), ((OTHER_KEY.public_key(),), True)):
        options = AnchorOptions(key=KEY, known_keys=known)
        anchoring = Anchoring(console.database, console.objects, options, now=console.now)
        anchoring.verify()
        waited_for(anchoring)
        assert anchoring.verified is not None
        assert anchoring.verified.found is not None
        assert anchoring.verified.found.is_intact is is_intact


def test_one_verification_at_a_time(console: Console, anchoring: Anchoring) -> None:
    """Asking again while one goes on begins no other."""
    fill(console.database, 50)
    before = threading.active_count()
    for _ in range(20):
        anchoring.verify()
        assert sum(each.name == "trail-verify" for each in threading.enumerate()) <= 1
    waited_for(anchoring)
    assert before <= threading.active_count() + 1
