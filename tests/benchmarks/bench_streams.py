"""How many speaking tracks one core carries, with speech detection and plumbing only.

Usage: python tests/benchmarks/bench_streams.py [--tracks N] [--seconds S]

The recogniser is left out: it answers at once with nothing. Everything else of a track is there:
frames as LiveKit delivers them, conversion, listener, ear, Silero, guesses and their pace, session
and rules. The peer is livekit-agents' own Silero detector on the same frames, alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import numpy as np
from livekit import rtc
from livekit.agents import inference
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from realtime.clock import VirtualClock  # noqa: E402 - the path comes first
from realtime.ear import Ear  # noqa: E402
from realtime.listener import Listener  # noqa: E402
from realtime.plugins import audio_frame  # noqa: E402
from realtime.recognition import Guesses  # noqa: E402
from realtime.replay import CHUNK_SAMPLES  # noqa: E402
from realtime.session import CallSession  # noqa: E402
from realtime.ticket import Ticket  # noqa: E402
from rules.engine import Engine  # noqa: E402
from rules.loader import load_rulebook  # noqa: E402
from rules.types import Span  # noqa: E402
from speech.audio import SAMPLE_RATE_HZ, decode  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.recogniser import Recognition  # noqa: E402
from speech.vad import LIVE, VadModel  # noqa: E402

TARGET = 40
AUDIO = ROOT / "tests/fixtures/audio/clean-agent.ogg"


class Nothing:
    """A recogniser that hears nothing, at once."""

    guesses = Guesses.SURE
    second = None

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """No words."""
        return Recognition(words=())


async def lost(ear: Ear, span: Span, reason: str) -> None:
    """Nothing may be lost here."""
    raise RuntimeError(reason)


async def ours(frames: list[rtc.AudioFrame], n_tracks: int, vad: VadModel) -> None:
    """All tracks of one call, frame by frame."""
    session = CallSession(
        room_sid="bench", engine=Engine(load_rulebook().for_live()), clock=VirtualClock(), sinks=()
    )
    listeners = [
        Listener(
            ear=Ear(speaker=f"s{n}", track_id=f"t{n}", anchor_s=0.0, model=vad, options=LIVE),
            recogniser=Nothing(),
            session=session,
            on_lost=lost,
        )
        for n in range(n_tracks)
    ]
    for listener in listeners:
        listener.start()
    for frame in frames:
        for listener in listeners:
            pcm = np.frombuffer(frame.data, dtype=np.int16)
            await listener.put(pcm.astype(np.float32) / np.float32(32768))
        await asyncio.sleep(0)
        await session.advance(min(listener.ear.position_s for listener in listeners))
    for listener in listeners:
        await listener.close()


async def peer(frames: list[rtc.AudioFrame], n_tracks: int) -> None:
    """livekit-agents' detector on the same frames."""
    model = inference.VAD()

    async def track() -> None:
        stream = model.stream()
        for frame in frames:
            stream.push_frame(frame)
        stream.end_input()
        async for _ in stream:
            pass
        await stream.aclose()

    await asyncio.gather(*(track() for _ in range(n_tracks)))


def main() -> None:
    """Measure processor time, and print how many tracks a core would carry."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=20, help="tracks at a time (default 20)")
    parser.add_argument("--seconds", type=int, default=30, help="of speech each (default 30)")
    options = parser.parse_args()
    vad = VadModel(find_model("silero-vad", user_cache_path("earmark") / "models"))
    samples = decode(AUDIO).samples[0][: options.seconds * SAMPLE_RATE_HZ]
    frames = [
        audio_frame(samples[start : start + CHUNK_SAMPLES])
        for start in range(0, len(samples) - CHUNK_SAMPLES, CHUNK_SAMPLES)
    ]
    heard_s = options.tracks * len(frames) * CHUNK_SAMPLES / SAMPLE_RATE_HZ
    carried = {}
    for name, run in (
        ("ours", lambda: ours(frames, options.tracks, vad)),
        ("peer", lambda: peer(frames, options.tracks)),
    ):
        began_s = time.process_time()
        asyncio.run(run())
        carried[name] = heard_s / (time.process_time() - began_s)
    print(f"{options.tracks} tracks of {options.seconds} s, processor time of all threads")
    print(f"{'ours: tracks a core':<36}{carried['ours']:>8.0f}   (target {TARGET})")
    print(f"{'peer, its detector alone':<36}{carried['peer']:>8.0f}")
    print(f"{'ratio':<36}{carried['ours'] / carried['peer']:>8.2f}")


if __name__ == "__main__":
    main()
