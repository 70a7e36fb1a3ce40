"""How long after a phrase its alert leaves, against a plain livekit-agents observer, in one run.

Usage: python tests/benchmarks/bench_live_delay.py [--voices N] [--peer-silence S]

Needs espeak-ng on PATH. Both sides hear the same sentences at the pace of real time, with the same
weights, recogniser and rules, sentence by sentence in turn. The peer is what livekit-agents gives
for a recogniser that does not stream: `stt.StreamAdapter` behind its own Silero detector. The end
of a phrase is where an unhurried pass over the whole sentence places its last word.

What is printed as own work is the time from the arrival of the sound that decided to the alert,
less the time in which the recogniser computed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from livekit.agents import inference, stt
from livekit.agents.language import LanguageCode
from livekit.agents.utils import merge_frames
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from realtime.alerts import Alert  # noqa: E402 - the path comes first
from realtime.clock import PacedClock  # noqa: E402
from realtime.ear import Ear  # noqa: E402
from realtime.listener import Listener  # noqa: E402
from realtime.plugins import audio_frame  # noqa: E402
from realtime.recognition import LIVE_MODEL_ID, ThreadRecogniser  # noqa: E402
from realtime.replay import CHUNK_SAMPLES  # noqa: E402
from realtime.session import CallSession  # noqa: E402
from rules.engine import Engine  # noqa: E402
from rules.loader import load_rulebook  # noqa: E402
from rules.types import (  # noqa: E402
    Hit,
    HitState,
    Span,
    Utterance,
    utterance_from_text,
    utterance_from_words,
)
from speech.audio import SAMPLE_RATE_HZ, decode  # noqa: E402
from speech.live_whisper import LiveWhisper  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.recogniser import Recognition  # noqa: E402
from speech.vad import LIVE as LIVE_VAD  # noqa: E402
from speech.vad import VadModel, speech_ranges  # noqa: E402
from speech.whisper import AUDIT, LIVE, FasterWhisper  # noqa: E402

Samples = NDArray[np.float32]

SENTENCES = (
    "Our savings plan has guaranteed returns, so please think about it until tomorrow morning.",
    "These are guaranteed returns.",
    "With this fund you cannot lose, and many people in your town have bought it already.",
    "I can promise you that with this fund you cannot lose.",
    "It is a risk free investment, and I will send you the papers this afternoon.",
    "Believe me, this is a risk free investment.",
    "You will definitely double your money, and that is what I told my own brother last week.",
    "In five years you will definitely double your money.",
    "My card number is four five three nine, one four eight eight, zero three four three, "
    "six four six seven, and it is valid for another year.",
    "My social security number is two one nine, zero nine, nine five two six, and I live alone.",
    "We give you guaranteed returns of seven per cent, which is more than any bank will offer.",
    "There is no chance that you lose, because these are guaranteed returns, as I said before.",
)
VOICES = ("en-us", "en-us+f2", "en-us+m3")
SILENCE_S = 2.0
SAME_HIT_S = 2.0


class TimedEngine:
    """The recogniser, with a note of when it computed and for how long."""

    def __init__(self, engine: LiveWhisper) -> None:
        self._engine = engine
        self.last_s = 0.0  # how long the latest call took

    def recognise(self, pieces: Sequence[Samples]) -> tuple[Recognition, ...]:
        """Recognise, timed."""
        began_s = time.monotonic()
        heard = self._engine.recognise(pieces)
        self.last_s = time.monotonic() - began_s
        return heard

    def close(self) -> None:
        """The weights are shared: whoever made them closes them."""


class PeerStt(stt.STT[Any]):
    """The same recogniser as a livekit-agents STT."""

    def __init__(self, engine: LiveWhisper) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engine = engine

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        data = merge_frames(buffer).data
        samples = np.frombuffer(data, np.int16).astype(np.float32) / np.float32(32768)
        words = await asyncio.to_thread(self._engine.transcribe, samples[: 30 * SAMPLE_RATE_HZ])
        said = stt.SpeechData(language=LanguageCode("en"), text=" ".join(w.text for w in words))
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])


def spoken(text: str, voice: str) -> Samples:
    """A sentence between silences."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", file.name, text], check=True)
        samples = decode(Path(file.name)).samples[0]
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    after = np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), np.float32)
    return np.concatenate([quiet, samples * np.float32(0.5 / np.abs(samples).max()), after])


async def paced(samples: Samples, clock: PacedClock) -> Any:
    """Chunks at the pace of real time."""
    for start in range(0, len(samples), CHUNK_SAMPLES):
        chunk = samples[start : start + CHUNK_SAMPLES]
        await asyncio.sleep(max(0.0, (start + len(chunk)) / SAMPLE_RATE_HZ - clock.now_s()))
        yield chunk


class Ours:
    """An ear, a listener, a session."""

    def __init__(self, engine: LiveWhisper, vad: VadModel, rules: Engine) -> None:
        self._engine = TimedEngine(engine)
        self._vad = vad
        self._rules = rules
        self._recogniser = ThreadRecogniser(self._engine)
        self._transcribe = self._recogniser.transcribe
        self.own_s: list[float] = []
        self.n_retracted = 0

    async def hear(self, samples: Samples) -> list[tuple[Hit, float]]:
        """Hits with the time at which their alert left."""
        clock = PacedClock(1.0)
        raised: list[tuple[Hit, float]] = []
        put_s = asked_s = 0.0

        async def publish(alert: Alert) -> None:
            if alert.is_update:
                self.n_retracted += alert.state is HitState.RETRACTED
                return
            raised.append((alert.hit, clock.now_s()))
            self.own_s.append(clock.now_s() - asked_s - self._engine.last_s)

        async def transcribe(samples: Samples, ticket: Any, room: str = "") -> Recognition:
            nonlocal asked_s
            arrived_s = put_s
            heard = await self._transcribe(samples, ticket, room)
            asked_s = arrived_s
            return heard

        async def lost(*_: object) -> None:
            raise RuntimeError("nothing may be lost here")

        sink = type("Sink", (), {"publish": staticmethod(publish)})()
        session = CallSession(room_sid="bench", engine=self._rules, clock=clock, sinks=(sink,))
        recogniser = type(
            "Timed",
            (),
            {"guesses": self._recogniser.guesses, "transcribe": staticmethod(transcribe)},
        )()
        ear = Ear(speaker="a", track_id="t", anchor_s=0.0, model=self._vad, options=LIVE_VAD)
        listener = Listener(ear=ear, recogniser=recogniser, session=session, on_lost=lost)
        listener.start()
        async for chunk in paced(samples, clock):
            put_s = clock.now_s()
            await listener.put(chunk)
            await session.advance(ear.position_s)
        await listener.close()
        return raised


class Peer:
    """`StreamAdapter` over the same recogniser, and the same rules."""

    def __init__(self, engine: LiveWhisper, rules: Engine, silence_s: float | None) -> None:
        self._rules = rules
        options = {} if silence_s is None else {"min_silence_duration": silence_s}
        self._adapter = stt.StreamAdapter(stt=PeerStt(engine), vad=inference.VAD(**options))

    async def hear(self, samples: Samples) -> list[tuple[Hit, float]]:
        """Hits with the time at which they were found."""
        clock = PacedClock(1.0)
        raised: list[tuple[Hit, float]] = []
        stream = self._adapter.stream()

        async def listen() -> None:
            state, n, since_s = self._rules.start(), 0, 0.0
            async for event in stream:
                if event.type is not stt.SpeechEventType.FINAL_TRANSCRIPT:
                    continue
                now_s = clock.now_s()
                span = Span(since_s, max(now_s, since_s + 0.1))
                text = event.alternatives[0].text
                said = utterance_from_text(text, span, id=f"u{n}", speaker="a")
                step = self._rules.feed(state, said)
                state, n, since_s = step.state, n + 1, span.end_s
                raised.extend((hit, clock.now_s()) for hit in step.hits)

        listening = asyncio.create_task(listen())
        async for chunk in paced(samples, clock):
            stream.push_frame(audio_frame(chunk))
        stream.end_input()
        await listening
        await stream.aclose()
        return raised


def truth(samples: Samples, engine: FasterWhisper, vad: VadModel, rules: Engine) -> list[Hit]:
    """The hits of an unhurried pass."""
    state, hits = rules.start(), []
    for number, found in enumerate(speech_ranges(samples, vad, LIVE_VAD)):
        offset_s = found.start_sample / SAMPLE_RATE_HZ
        words = engine.transcribe(samples[found.start_sample : found.end_sample])
        if not words:
            continue
        said: Utterance = utterance_from_words(
            ((w.text, w.span_after(offset_s), w.confidence) for w in words),
            id=f"u{number}",
            speaker="a",
        )
        step = rules.feed(state, said)
        state = step.state
        hits.extend(step.hits)
    return hits


def delays(true: list[Hit], raised: list[tuple[Hit, float]], *, by_time: bool) -> list[float]:
    """Seconds from the end of each true hit to its alert; what was not raised is left out."""
    left = list(raised)
    found = []
    for hit in true:
        for pair in left:
            other, at_s = pair
            if other.rule_id == hit.rule_id and (
                not by_time or other.span.gap_s(hit.span) < SAME_HIT_S
            ):
                left.remove(pair)
                found.append(at_s - hit.span.end_s)
                break
    return found


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def rounded(values: list[float]) -> str:
    """Delays for a line of text."""
    return "/".join(f"{value:.2f}" for value in values) or "-"


def main() -> None:
    """Measure and print both sides and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--voices", type=int, default=2, choices=(1, 2, 3), help="default 2")
    parser.add_argument(
        "--peer-silence", type=float, help="pause in s that ends the peer's pieces; default its own"
    )
    parser.add_argument("--verbose", action="store_true", help="print each sentence")
    options = parser.parse_args()
    models_dir = user_cache_path("earmark") / "models"
    folder = find_model(LIVE_MODEL_ID, models_dir)
    vad = VadModel(find_model("silero-vad", models_dir))
    engine = LiveWhisper(folder, LIVE, name=LIVE_MODEL_ID)
    unhurried = FasterWhisper(folder, AUDIT, name=LIVE_MODEL_ID)
    rules = Engine(load_rulebook().for_live(), timeline=False)
    ours = Ours(engine, vad, rules)

    async def measure() -> tuple[list[float], list[float], int]:
        peer = Peer(engine, rules, options.peer_silence)
        mine: list[float] = []
        theirs: list[float] = []
        n_true = 0
        for voice in VOICES[: options.voices]:
            for text in SENTENCES:
                samples = spoken(text, voice)
                true = truth(samples, unhurried, vad, rules)
                n_true += len(true)
                of_ours = delays(true, await ours.hear(samples), by_time=True)
                of_peer = delays(true, await peer.hear(samples), by_time=False)
                mine, theirs = mine + of_ours, theirs + of_peer
                if options.verbose:
                    rules_hit = ", ".join(hit.rule_id for hit in true)
                    print(f"{text[:50]:<52}{rounded(of_ours)} {rounded(of_peer)} {rules_hit}")
        return mine, theirs, n_true

    mine, theirs, n_true = asyncio.run(measure())
    print(f"{n_true} phrases in {options.voices * len(SENTENCES)} sentences")
    print(f"{'':<10}{'raised':>8}{'median':>10}{'p95':>10}")
    for name, side in (("ours", mine), ("peer", theirs)):
        print(f"{name:<10}{len(side):>8}{statistics.median(side):>8.2f} s{p95(side):>8.2f} s")
    ratios = statistics.median(mine) / statistics.median(theirs), p95(mine) / p95(theirs)
    print(f"{'ratio':<18}{ratios[0]:>10.2f}{ratios[1]:>10.2f}")
    print(f"own work beside the recogniser: p95 {p95(ours.own_s) * 1000:.0f} ms")
    print(f"taken back again: {ours.n_retracted}")


if __name__ == "__main__":
    main()
