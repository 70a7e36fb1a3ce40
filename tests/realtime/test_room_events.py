"""Events of a room become records; of keys only how many were pressed."""

from dataclasses import dataclass
from typing import Any

from realtime.room_events import RoomEvents
from realtime.roster import Person
from rules.types import Role
from tests.realtime.flow_builders import HandClock, Notes, flow_to

ANN = Person(identity="ann", sid="PA_1", role=None, kind="sip")


@dataclass
class Presser:
    """Who presses a key, as far as it matters."""

    identity: str


@dataclass
class Key:
    """A key that was pressed, as LiveKit tells it."""

    digit: str
    participant: Presser | None


def press(events: RoomEvents, keys: str, identity: str = "ann") -> None:
    """Press keys."""
    handler: Any = events.handlers["sip_dtmf_received"]
    for key in keys:
        handler(Key(key, Presser(identity)))


async def test_keys() -> None:
    """Keys in a row are one entry, a pause ends it, and nobody learns which they were."""
    clock, notes = HandClock(), Notes()
    flow = flow_to(notes, clock=clock)
    flow.start()
    events = RoomEvents(flow, clock=clock)
    press(events, "4539")
    clock.at_s = 2.0
    press(events, "12")
    events.tick(4.0)
    events.tick(6.0)
    press(events, "7", "bob")
    press(events, "8" * 250)
    events.finish()
    await flow.close()
    assert [content for _, content in notes.seen()] == [
        "6 digits entered", "200 digits entered", "1 digit entered", "50 digits entered",
    ]  # fmt: skip
    assert "4539" not in str([each.payload() for each in notes.records])


async def test_who_comes_and_goes() -> None:
    """A join is told once, a new role too, and a leave only of somebody who was there."""
    notes = Notes()
    flow = flow_to(notes)
    flow.start()
    events = RoomEvents(flow, clock=HandClock())
    events.welcome(ANN, {"sip.callStatus": "ringing"})
    events.welcome(ANN, {"sip.callStatus": "ringing"})
    known = Person(identity="ann", sid="PA_1", role=Role.CUSTOMER, kind="sip")
    events.welcome(known, {"sip.callStatus": "+1 555 0199"})
    events.gone("ann", "PA_1")
    events.gone("ann", "PA_1")
    await flow.close()
    assert notes.seen() == [
        ("join", "joined"),
        ("sip_status", "ringing"),
        ("role", "is customer now"),
        ("sip_status", "other"),
        ("leave", "left"),
    ]
