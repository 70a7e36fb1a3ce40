"""The traps of LiveKit that an observer must survive, each on a real server.

docs/operations.md has the table of all of them; those that need whole processes are in
test_watch.py and test_worker_limits.py; trap 13 is in test_event_receiver.py.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.rtc import SimulateScenarioKind
from livekit.rtc.room import EventTypes
from numpy.typing import NDArray

from earmark.demo_call import Access, ReceivedAlert, SupervisorClient
from realtime.devserver import DevServer
from realtime.recognition import ThreadRecogniser
from rules.types import Role
from speech.models import find_model
from speech.vad import VadModel
from storage.gaps import GapKind
from tests.realtime.builders import SECRET, access_to
from tests.realtime.observed_room import Guest, observed_room, speech, until
from tests.realtime.scripted import ScriptedEngine

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]


@pytest.fixture
def access(livekit_server: DevServer) -> Access:
    """The server, as callers see it."""
    return access_to(livekit_server)


@pytest.mark.parametrize("scenario", ["SIMULATE_FULL_RECONNECT", "SIMULATE_SIGNAL_RECONNECT"])
async def test_trap_01_deaf_after_a_reconnect(
    access: Access, tmp_path: Path, scenario: str
) -> None:
    """After the observer's connection was made anew it hears on, and what it missed is a gap."""
    async with observed_room(access, tmp_path) as seen:
        ann = Guest(seen, "ann")
        await ann.join()
        await ann.publish()
        reconnected = asyncio.Event()
        seen.room.on("reconnected", reconnected.set)
        await ann.speak(speech(3.0))
        await until(lambda: bool(seen.heard("ann")))
        cut_s = seen.clock.now_s()
        await seen.room.simulate_scenario(SimulateScenarioKind.Value(scenario))
        async with asyncio.timeout(60):
            await reconnected.wait()
        await asyncio.sleep(1.5)
        back_s = seen.clock.now_s()
        await ann.speak(speech(3.0))
        await until(lambda: bool(seen.heard("ann", since_s=back_s)))
        await ann.leave()
        await asyncio.sleep(0.5)
        found = seen.gaps()
    if scenario == "SIMULATE_FULL_RECONNECT":
        (gap,) = [gap for gap in found if gap.kind is GapKind.OBSERVER_LOST]
        assert gap.end_s is not None
        assert cut_s - 1 < gap.start_s < gap.end_s < back_s


async def test_trap_02_track_that_ends_without_a_sign(access: Access, tmp_path: Path) -> None:
    """A stream that gets no end is ended by us: when its track goes, and when its speaker does."""
    async with observed_room(access, tmp_path) as seen:
        ann, bob = Guest(seen, "ann"), Guest(seen, "bob")
        for each in (ann, bob):
            await each.join()
            await each.publish()
        await asyncio.gather(ann.speak(speech(2.5)), bob.speak(speech(2.5)))
        await ann.room.local_participant.unpublish_track(ann.publication.sid)
        await bob.leave()
        await until(lambda: len(seen.recordings()) == 2)
        assert {each.identity for each in seen.recordings()} == {"ann", "bob"}
        assert seen.observer.queue_depths() == {"chunks": 0, "segments": 0, "rows": 0}
        await ann.leave()


class SlowVad(VadModel):
    """Speech detection that takes longer than the sound lasts."""

    def score(
        self, *args: NDArray[np.float32]
    ) -> tuple[float, NDArray[np.float32], NDArray[np.float32]]:
        threading.Event().wait(0.05)  # 50 ms for a window of 32 ms, on the event loop
        return super().score(*args)


async def test_trap_03_frames_that_a_close_throws_away(access: Access, tmp_path: Path) -> None:
    """What waits when a track ends is heard and recorded to its end, however slow we are."""
    slow = SlowVad(find_model("silero-vad", tmp_path / "models"))
    async with observed_room(access, tmp_path, vad=slow) as seen:
        ann = Guest(seen, "ann")
        await ann.join()
        await ann.publish()
        await ann.speak(speech(4.0))
        await asyncio.sleep(0.2)
        await ann.leave()
        await until(lambda: len(seen.recordings()) == 1)
        (recording,) = seen.recordings()
    # A second passes between publishing and speaking.
    assert recording.duration_s > 4.5


async def test_trap_04_muted_track(access: Access, tmp_path: Path) -> None:
    """Words behind a mute lie where they were said on the call clock, and a mute is not deaf."""
    async with observed_room(access, tmp_path) as seen:
        ann = Guest(seen, "ann")
        await ann.join()
        await ann.publish()
        began_s = seen.clock.now_s()
        await ann.speak(speech(3.0))
        await until(lambda: bool(seen.heard("ann")))
        (before, *_) = seen.heard("ann")
        track = ann.publication.track
        assert isinstance(track, rtc.LocalAudioTrack)
        track.mute()
        await asyncio.sleep(7)  # longer than a track may be silent before it counts as deaf
        track.unmute()
        await asyncio.sleep(0.5)
        spoke_s = seen.clock.now_s()
        await ann.speak(speech(3.0))
        await until(lambda: bool(seen.heard("ann", since_s=spoke_s)))
        (later, *_) = seen.heard("ann", since_s=spoke_s)
        # The same words, as long after the beginning; the way to a subscriber takes its time.
        after_s = later.span.start_s - spoke_s
        assert after_s == pytest.approx(before.span.start_s - began_s, abs=0.7)
        await ann.leave()
        assert [gap.kind for gap in seen.gaps()] == []


async def test_trap_05_identity_that_comes_back(access: Access, tmp_path: Path) -> None:
    """Who comes back under the same identity is heard, is there, and is not taken for gone."""
    async with observed_room(access, tmp_path) as seen:
        first = Guest(seen, "ann")
        await first.join()
        await first.publish()
        await first.speak(speech(2.5))
        await until(lambda: bool(seen.heard("ann")))
        again = Guest(seen, "ann")
        await again.join()  # the server sends the first one away
        await again.publish()
        back_s = seen.clock.now_s()
        await again.speak(speech(2.5))
        await until(lambda: bool(seen.heard("ann", since_s=back_s)))
        assert seen.people()["ann"].left_s is None
        await until(lambda: len(seen.recordings()) == 1)
        await again.leave()
        await until(lambda: seen.people()["ann"].left_s is not None)
        await until(lambda: len(seen.recordings()) == 2)


@pytest.mark.parametrize("is_told_late", [False, True])
async def test_trap_05_supervisor_that_comes_back(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told_late: bool
) -> None:
    """A supervisor's new client gets what was raised before, and what is raised from then on.

    Whether the observer is told of the old client's end before or after the new one is there.
    """
    first: list[ReceivedAlert] = []
    again: list[ReceivedAlert] = []
    async with observed_room(access, tmp_path) as seen:
        ann = Guest(seen, "ann")
        sue = SupervisorClient(access, seen.name, "sue", secret=SECRET, on_alert=first.append)
        await ann.join()
        await ann.publish()
        await sue.join()
        await ann.speak(speech(2.5))
        await until(lambda: bool(first))
        late: list[rtc.RemoteParticipant] = []
        tell = seen.room.emit

        def hold_back(event: EventTypes, *told: Any) -> None:
            if event == "participant_disconnected":
                late.append(*told)
            else:
                tell(event, *told)

        if is_told_late:
            monkeypatch.setattr(seen.room, "emit", hold_back)
        back = SupervisorClient(access, seen.name, "sue", secret=SECRET, on_alert=again.append)
        await back.join()  # the server sends the first one away
        await until(lambda: bool(again))
        for gone in late:
            tell("participant_disconnected", gone)
        assert len(late) == is_told_late
        monkeypatch.undo()
        n_raised = len(again)
        spoke_s = seen.clock.now_s()
        await ann.speak(speech(2.5))
        await until(lambda: bool(seen.heard("ann", since_s=spoke_s)))
        await until(lambda: len(again) > n_raised)
        await back.leave()
        await ann.leave()


async def test_trap_07_agents(access: Access, tmp_path: Path) -> None:
    """An AI agent is heard in its role; an agent of ours is not part of the call."""
    async with observed_room(access, tmp_path) as seen:
        ai = Guest(seen, "ai", kind="agent", attributes={"lk.agent.name": "sales-bot"})
        ours = Guest(seen, "ours", kind="agent", attributes={"lk.agent.name": "earmark-analyst"})
        for each in (ai, ours):
            await each.join()
            await each.publish()
        await asyncio.gather(ai.speak(speech(2.5)), ours.speak(speech(2.5)))
        await until(lambda: bool(seen.heard("ai")))
        await asyncio.sleep(1)
        assert seen.heard("ours") == []
        assert {name: each.role for name, each in seen.people().items()} == {"ai": Role.AI_AGENT}
        for each in (ai, ours):
            await each.leave()


async def test_trap_08_telephone(
    access: Access, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A telephone is on the call from when somebody takes it up; its number is in no log."""
    number = "+15550100123"
    caplog.set_level("DEBUG")
    async with observed_room(access, tmp_path) as seen:
        caller = Guest(
            seen, f"sip_{number}", kind="sip",
            attributes={
                "sip.callStatus": "ringing", "sip.phoneNumber": number, "sip.callID": "SCL_1"
            },
        )  # fmt: skip
        await caller.join()
        await caller.publish()
        await asyncio.sleep(1)
        assert seen.people() == {}
        await caller.room.local_participant.set_attributes({"sip.callStatus": "active"})
        await until(lambda: bool(seen.people()))
        assert seen.people()[caller.identity].kind == "PARTICIPANT_KIND_SIP"
        await caller.room.local_participant.publish_dtmf(code=4, digit="4")
        await caller.speak(speech(2.5))
        await until(lambda: bool(seen.heard(caller.identity)))
        await caller.leave()
    said = " ".join(
        f"{record.getMessage()} {record.__dict__}"
        for record in caplog.records
        if record.name.startswith(("realtime", "storage", "rules"))
    )
    assert number not in said
    assert number.strip("+") not in said


async def test_trap_09_encrypted(access: Access, tmp_path: Path) -> None:
    """Without the key nothing is heard, and that is said: never "clean"."""
    key = rtc.KeyProviderOptions(shared_key=b"a key that the observer has not")
    options = rtc.RoomOptions(encryption=rtc.E2EEOptions(key_provider_options=key))
    async with observed_room(access, tmp_path) as seen:
        ann = Guest(seen, "ann", options=options)
        await ann.join()
        await ann.publish()
        await ann.speak(speech(2.5))
        await asyncio.sleep(1)
        assert seen.hits() == ()
        await until(lambda: bool(seen.gaps()))
        (gap,) = seen.gaps()
        assert (gap.identity, gap.kind, gap.end_s) == ("ann", GapKind.ENCRYPTED, None)
        assert seen.recordings() == ()
        await ann.leave()


async def test_trap_10_slow_inference(access: Access, tmp_path: Path) -> None:
    """While a recogniser works, the event loop goes on: other things of the room happen."""
    engine = ScriptedEngine()  # holds its thread until the test lets it go
    recogniser = ThreadRecogniser(engine)
    async with observed_room(access, tmp_path, recogniser=recogniser) as seen:
        ann = Guest(seen, "ann")
        await ann.join()
        await ann.publish()
        await ann.speak(speech(3.0))
        await until(lambda: seen.observer.queue_depths()["chunks"] == 0)
        await until(engine.begun.is_set)
        # Somebody comes while the recogniser is busy, and is written down at once.
        bob = Guest(seen, "bob")
        await bob.join()
        await until(lambda: "bob" in seen.people())
        assert engine.begun.is_set()
        engine.free.set()
        await bob.leave()
        await ann.leave()
    recogniser.close()
    assert engine.batches
