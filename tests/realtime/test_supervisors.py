"""Alerts in the room reach supervisors, and nobody else."""

from dataclasses import dataclass, field, replace

from realtime.alerts import ALERT, TOPIC, UPDATE
from realtime.envelope import unseal
from realtime.supervisors import SupervisorSink
from rules.types import HitState
from tests.realtime.builders import SECRET, alert, hit


@dataclass
class Room:
    """Stands for the LiveKit room: notes what was sent to whom."""

    sent: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    fails: bool = False

    @property
    def local_participant(self) -> "Room":
        """The room stands for its own participant too."""
        return self

    async def publish_data(
        self, payload: bytes, *, reliable: bool, destination_identities: list[str], topic: str
    ) -> None:
        """Note a data message, or fail as a closed room does."""
        if self.fails:
            raise RuntimeError("room closed")
        opened = unseal(payload, SECRET)
        assert opened is not None
        assert topic == TOPIC
        assert reliable
        self.sent.append((str(opened["hit_id"]), tuple(destination_identities)))
        self.told.append((str(opened["type"]), str(opened["state"])))


async def test_without_supervisors_nothing_is_sent() -> None:
    """An empty list of destinations would reach the monitored caller."""
    room = Room()
    await SupervisorSink(room, secret=SECRET).publish(alert())
    assert room.sent == []


async def test_every_supervisor_gets_every_alert_once() -> None:
    """Whoever joins late gets what was raised before; whoever left gets nothing more."""
    room = Room()
    sink = SupervisorSink(room, secret=SECRET)
    await sink.joined("sue")
    await sink.publish(alert(hit(id="a")))
    await sink.joined("sam")
    await sink.joined("sam")
    await sink.publish(alert(hit(id="b")))
    sink.left("sue")
    await sink.publish(alert(hit(id="c")))
    assert room.sent == [("a", ("sue",)), ("a", ("sam",)), ("b", ("sam", "sue")), ("c", ("sam",))]


async def test_a_closed_room_loses_no_alert_for_the_other_sinks() -> None:
    """A data message that cannot be sent does not stop the hit from being stored."""
    room = Room(fails=True)
    sink = SupervisorSink(room, secret=SECRET)
    await sink.joined("sue")
    await sink.publish(alert())
    room.fails = False
    sink.left("sue")
    await sink.joined("sue")
    assert room.sent == [("hit1", ("sue",))]


async def test_what_became_of_an_alert_is_told() -> None:
    """An update follows the alert; who comes later gets the latest state, and nothing retracted."""
    room = Room()
    sink = SupervisorSink(room, secret=SECRET)
    await sink.joined("sue")
    for id, state in (("a", HitState.CONFIRMED), ("b", HitState.RETRACTED)):
        guess = alert(replace(hit(id=id), state=HitState.PROVISIONAL))
        await sink.publish(guess)
        await sink.publish(replace(guess, hit=replace(guess.hit, state=state), is_update=True))
    assert room.told == [
        (ALERT, "provisional"),
        (UPDATE, "confirmed"),
        (ALERT, "provisional"),
        (UPDATE, "retracted"),
    ]
    room.told.clear()
    await sink.joined("sam")
    assert room.told == [(ALERT, "confirmed")]
