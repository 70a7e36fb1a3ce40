"""The stream of what goes on, over a real server: no loss, no repeats, and an end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect
from sqlalchemy import select
from starlette.testclient import TestClient

from console.access import Role
from console.app import create_app
from console.live_feed import MAX_STREAMS_EACH, StreamSeats, TooManyStreamsError
from console.pages.live import stream_seats
from console.state import Console, ConsoleOptions
from rules.types import Role as Speaker
from storage import heartbeats, hits
from storage.calls import CallParticipant, save_call, save_participant
from storage.console_sessions import end_session, hash_of
from storage.database import Database
from storage.gaps import Gap, GapKind, save_gap
from storage.live_view import Cursor
from storage.trail_tables import TRAIL
from tests.console.conftest import (
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    signed_in_token,
    sticks_out,
)
from tests.storage.builders import call, hit


def raised(database: Database, at: datetime, *names: str, **changes: object) -> None:
    """Hits that are recorded now."""
    with database.begin() as connection:
        for name in names:
            hits.save_hit(connection, "RM_1", hit(id=name, **changes), recorded_at=at)


class Window:
    """A browser's window on the stream."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> tuple[str, str, str]:
        """The next event's kind, id and data."""
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and "event" in found:
                return found["event"], found.get("id", ""), found.get("data", "")
            key, _, value = line.partition(": ")
            found[key] = f"{found[key]}\n{value}" if key in found else value
        return "end", "", ""

    def hits(self, n: int) -> tuple[list[str], str]:
        """Marks of the next hits, and the id of the last one."""
        marks, last = [], ""
        while len(marks) < n:
            kind, last_id, data = self.next()
            assert kind in {"hit", "calls", "still"}, kind
            if kind == "hit":
                marks.append(data.split('id="hit-')[1][:8])
                last = last_id
        return marks, last


@pytest.fixture
def server(console: Console) -> Iterator[tuple[Console, str]]:
    """The console on a port of its own, without a browser."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    reached = Console(
        database=console.database, objects=console.objects, options=ConsoleOptions(url=url),
        now=console.now,
    )  # fmt: skip
    config = uvicorn.Config(
        create_app(reached), log_config=None, access_log=False, timeout_graceful_shutdown=3
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield reached, url
    running.should_exit = True
    thread.join(timeout=20)
    listener.close()


@contextmanager
def window(server: tuple[Console, str], token: str, **headers: str) -> Iterator[Window]:
    """An open stream."""
    console, url = server
    with httpx.stream(
        "GET", f"{url}/live/stream", headers=headers, timeout=30,
        cookies={console.options.cookie: token},
    ) as answer:  # fmt: skip
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield Window(answer.iter_lines())


def test_a_lost_connection_loses_nothing_and_repeats_nothing(
    server: tuple[Console, str],
) -> None:
    """The browser says what it saw last; the rest comes, each once."""
    console, _ = server
    token = signed_in_token(console, Role.REVIEWER)
    raised(console.database, console.now(), "a", "b")
    with window(server, token) as open_window:
        first, last = open_window.hits(2)
    raised(console.database, console.now(), "c")
    # Recorded before the others, and visible only now.
    raised(console.database, console.now() - timedelta(seconds=5), "late")
    with window(server, token, **{"last-event-id": last}) as open_window:
        second, last = open_window.hits(2)
        raised(console.database, console.now(), "d")
        third, last = open_window.hits(1)
    with window(server, token, **{"last-event-id": last}) as open_window:
        assert open_window.next()[0] == "calls"
        assert open_window.next()[0] == "still"
    assert len({*first, *second, *third}) == 5


def test_the_end_of_the_session_is_the_end_of_the_stream(server: tuple[Console, str]) -> None:
    """Whoever is signed out sees nothing more."""
    console, _ = server
    token = signed_in_token(console, Role.REVIEWER)
    with window(server, token) as open_window:
        assert open_window.next()[0] == "calls"
        with console.database.begin() as connection:
            end_session(connection, hash_of(token))
        kinds = []
        while not kinds or kinds[-1] != "end":
            kinds.append(open_window.next()[0])
    assert kinds[-2:] == ["ended", "end"]


def test_who_was_away_for_long_loads_the_page_anew(server: tuple[Console, str]) -> None:
    """Instead of a flood."""
    console, _ = server
    old = str(Cursor(horizon=console.now() - timedelta(hours=2)))
    token = signed_in_token(console, Role.REVIEWER)
    with window(server, token, **{"last-event-id": old}) as open_window:
        assert open_window.next()[0] == "reload"
        assert open_window.next()[0] == "end"


def test_one_person_opens_so_many_windows(server: tuple[Console, str]) -> None:
    """One more is turned away; when one is closed, there is room again."""
    console, url = server
    token = signed_in_token(console, Role.REVIEWER, name="many")
    cookies = {console.options.cookie: token}
    seats = stream_seats()
    for _ in range(MAX_STREAMS_EACH):
        seats.take("link:many")
    answer = httpx.get(f"{url}/live/stream", cookies=cookies)
    assert answer.status_code == 503
    assert "Too many windows" in answer.text
    for _ in range(MAX_STREAMS_EACH):
        seats.leave("link:many")
    with window(server, token) as open_window:
        assert open_window.next()[0] == "calls"


def test_all_windows_together_are_bounded() -> None:
    """However many people open them."""
    seats = StreamSeats(total=3, each=2)
    for who in ("a", "a", "b"):
        seats.take(who)
    with pytest.raises(TooManyStreamsError):
        seats.take("c")
    seats.leave("a")
    seats.take("c")


def test_what_is_watched_is_noted(console: Console, signed_in) -> None:  # type: ignore[no-untyped-def]
    """The page shows excerpts, so that it was opened stands in the trail; nothing unmasked does."""
    raised(console.database, console.now(), "a", excerpt="<b>my card</b> ****1111")
    client: TestClient = signed_in(Role.REVIEWER)
    page = client.get("/live").text
    assert "&lt;b&gt;my card&lt;/b&gt; ****1111" in page
    with console.database.begin(read_only=True) as connection:
        entries = connection.execute(select(TRAIL)).all()
    assert [(entry.action, entry.subject) for entry in entries if entry.action == "view"] == [
        ("view", "live")
    ]
    assert "1111" not in str(entries)


def test_alerts_come_in_the_browser(site: Site) -> None:
    """As they are raised; paused, they wait; and the page says when the session is over."""
    console = site.console
    now = console.now()
    with console.database.begin() as connection:
        for n, beat_s in ((1, 0), (2, 90)):
            sid = f"RM_{n}"
            save_call(connection, call(room_sid=sid, created_at=now - timedelta(minutes=4)))
            began = now - timedelta(seconds=beat_s)
            heartbeats.take_seat(connection, sid, "job", now=began)
            save_participant(
                connection,
                CallParticipant(
                    room_sid=sid, identity="ann", role=Speaker.AGENT, kind="standard", joined_s=0.0
                ),
            )
        save_gap(
            connection,
            Gap(room_sid="RM_1", identity="ann", kind=GapKind.DEAF_TRACK, start_s=1.0),
        )
    raised(console.database, now - timedelta(minutes=3), "old")
    page = site.page(Role.REVIEWER, name="rita")
    page.goto("/live")
    state = page.locator("#live-state")
    alerts = page.locator("#live-alerts li")
    expect(state).to_have_text("up to date")
    expect(alerts).to_have_count(1)
    expect(page.locator("#live-calls")).to_contain_text("observer lost")
    expect(page.locator("#live-calls")).to_contain_text("deaf track")
    raised(console.database, console.now(), "new")
    expect(alerts).to_have_count(2)
    assert accessibility_faults(page) == []
    keep_shot(page, "live-light")
    page.get_by_role("button", name="Pause").click()
    raised(console.database, console.now(), "while-paused")
    expect(state).to_have_text("paused")
    page.keyboard.press("p")
    expect(alerts).to_have_count(3)
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    page.emulate_media(color_scheme="dark")
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, "live-narrow-dark")
    (cookie,) = page.context.cookies()
    with console.database.begin() as connection:
        end_session(connection, hash_of(cookie["value"]))
    expect(state).to_have_text("your session is over; sign in again")
