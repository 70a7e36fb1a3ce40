"""How long after a phrase its alert is there, against a plain observer, on a real server.

Usage: python tests/benchmarks/bench_live_delay.py [--voices N] [--verbose]

Needs livekit-server (`make test` builds it) and espeak-ng on PATH. Two rooms of one server hear the
same sentences in turn: one has `earmark observe` in it, the other a plain livekit-agents observer
(`plain_observer.py`: `stt.StreamAdapter` behind its Silero detector) with the same weights and
rules. In each room a supervisor's client takes the alerts. A delay counts from when the last sound
of a phrase was given to the publisher's track until the alert is at that client; the end of a
phrase is where an unhurried pass over the whole sentence places its last word. The ratio is that of
the phrases which both sides raised: what one of them alone raised has no delay at the other.

Own work is what lies between the recogniser and the subscriber: from when the words of the pass
that decided had been computed until the alert was there, and the time for which the request had
waited while the recogniser was idle (`timed_worker.py` notes both). Phrases count for it, and not
numbers: a number may be told by the silence behind it, and then no pass decides.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from livekit import api, rtc
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from earmark.demo_call import Access, Caller, ReceivedAlert, SupervisorClient  # noqa: E402
from earmark.observer_process import READY as WORKER_READY  # noqa: E402
from realtime.devserver import DevServer, running_livekit_server  # noqa: E402
from realtime.dispatch import dispatch, livekit_api  # noqa: E402
from realtime.recognition import LIVE_MODEL_ID  # noqa: E402
from rules.engine import Engine  # noqa: E402
from rules.loader import load_rulebook  # noqa: E402
from rules.types import Hit, Role, Utterance, utterance_from_words  # noqa: E402
from scripts.tools import find_tool  # noqa: E402
from speech.audio import SAMPLE_RATE_HZ, decode  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.vad import LIVE as LIVE_VAD  # noqa: E402
from speech.vad import VadModel, speech_ranges  # noqa: E402
from speech.whisper import AUDIT, FasterWhisper  # noqa: E402
from tests.benchmarks.plain_observer import READY as PLAIN_READY  # noqa: E402
from tests.benchmarks.plain_observer import TOPIC as PLAIN_TOPIC  # noqa: E402
from tests.benchmarks.timed_worker import TIMES_VARIABLE  # noqa: E402
from tests.realtime.builders import SECRET  # noqa: E402

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
    "If you do not pay today we will have you arrested, and I mean that.",
    "You are going to jail if this is not settled by Friday evening, let me be clear about it.",
    "There is no risk at all in this product, and my mother has bought it as well.",
    "You should be ashamed of yourself, and I say that as somebody who pays every bill on time.",
    "This product has guaranteed income for life, which you can hand on to your children.",
    "I know where you live, and I know where your children go to school.",
    "It is one hundred percent safe, I have sold it to hundreds of people this year.",
    "I will tell your employer about your debt, unless we find an agreement before the weekend.",
    "Listen to me, this is a risk free investment, whatever the newspapers say about it.",
    "You can double your money in a year, and nobody else in this town will tell you that.",
    "Our fund comes with guaranteed profits, and it has done so for the last twenty years.",
    "You are a liar, and I will not listen to this for one minute longer.",
)
VOICES = ("en-us", "en-us+f2", "en-us+m3")
WARM_UP = "Good morning, thank you for your patience, and how may I help you today?"
SUBJECTS = ("conduct.", "pii.")  # of the rules that count; a missing notice is none of these
BY_WORDS = "conduct."  # these wait for nothing but words
SUPERVISOR = "supervisor"
PAUSE_S = 2.5  # behind a sentence, for the alerts that come late
READY_WITHIN_S = 600.0


@dataclass
class Side:
    """One room with its speaker, its supervisor's client, and the alerts that came."""

    name: str
    caller: Caller
    client: Caller
    raised: list[tuple[str, float]] = field(default_factory=list)  # rule, monotonic
    delays_s: list[float | None] = field(default_factory=list)  # of each phrase, None if unheard
    arrived_s: list[float] = field(default_factory=list)  # monotonic; of phrases
    n_unasked: int = 0
    n_retracted: int = 0

    def take(self, rule: str) -> None:
        """An alert has come."""
        if rule.startswith(SUBJECTS):
            self.raised.append((rule, time.monotonic()))

    async def hear(self, samples: Samples, true: list[Hit]) -> list[float | None]:
        """Say something; gives the delay of each alert that was asked for, None if none came."""
        self.raised.clear()
        said_s: list[float] = []
        at_s: list[float] = []

        def progress(until_s: float) -> None:
            said_s.append(until_s)
            at_s.append(time.monotonic())

        await self.caller.speak(samples, progress)
        await asyncio.sleep(PAUSE_S)
        left = list(self.raised)
        delays: list[float | None] = []
        for hit in true:
            found = next((each for each in left if each[0] == hit.rule_id), None)
            if found is None:
                delays.append(None)
            else:
                left.remove(found)
                ended_s = at_s[min(bisect.bisect_left(said_s, hit.span.end_s), len(at_s) - 1)]
                delays.append(found[1] - ended_s)
                if hit.rule_id.startswith(BY_WORDS):
                    self.arrived_s.append(found[1])
        self.n_unasked += len(left)
        self.delays_s += delays
        return delays


def spoken(text: str, voice: str) -> Samples:
    """A sentence between silences, shape (n_samples,), 16 kHz."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", file.name, text], check=True)
        samples = decode(Path(file.name)).samples[0]
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    after = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    return np.concatenate([quiet, samples * np.float32(0.5 / np.abs(samples).max()), after])


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
        hits.extend(hit for hit in step.hits if hit.rule_id.startswith(SUBJECTS))
    return hits


@contextmanager
def running(arguments: list[str], environment: dict[str, str], ready: str) -> Iterator[None]:
    """A Python module as a child, from when it says that it is ready."""
    log = Path(environment["EARMARK_DATA_DIR"]) / f"{arguments[0]}.log"
    with log.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while ready not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit(f"{arguments[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def sides(server: DevServer, rooms: tuple[str, str]) -> tuple[Side, Side]:
    """Both rooms, with people in them and observers who have heard them."""
    access = Access(url=server.url, api_key=server.api_key, api_secret=server.api_secret)
    made: list[Side] = []
    for room in rooms:
        caller = Caller(access, room, "speaker", Role.AGENT)
        side = Side(room, caller, caller)

        def on_alert(alert: ReceivedAlert, side: Side = side) -> None:
            if alert.payload["type"] == "compliance_alert":
                side.take(str(alert.payload["rule"]))
            elif alert.payload["state"] == "retracted":
                side.n_retracted += 1

        def on_data(packet: rtc.DataPacket, side: Side = side) -> None:
            if packet.topic == PLAIN_TOPIC:
                side.take(str(json.loads(packet.data)["rule"]))

        side.client = SupervisorClient(access, room, SUPERVISOR, secret=SECRET, on_alert=on_alert)
        side.client.room.on("data_received", on_data)
        made.append(side)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        await client.room.create_room(api.CreateRoomRequest(name=rooms[0]))
        await dispatch(client, rooms[0])
    for side in made:
        await side.client.join()
        await side.caller.join()
        await side.caller.publish()
    return made[0], made[1]


def own_work(times: Path, arrived_s: list[float]) -> list[float]:
    """Seconds of each alert that were neither the recogniser's nor the wait for it."""
    lines = [json.loads(line) for line in times.read_text().splitlines()]
    answers = [line for line in lines if line["kind"] == "answered"]
    computed = [line for line in lines if line["kind"] == "computed"]
    found = []
    for at_s in arrived_s:
        answer = max((a for a in answers if a["until_s"] <= at_s), key=lambda a: a["until_s"])
        of_it = [c for c in computed if c["until_s"] <= answer["until_s"]]
        work = of_it[-1]
        free_s = of_it[-2]["until_s"] if len(of_it) > 1 else 0.0
        waited_s = max(0.0, work["from_s"] - max(answer["from_s"], free_s))
        found.append(at_s - work["until_s"] + waited_s)
    return found


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def rounded(values: list[float | None]) -> str:
    """Delays for a line of text."""
    return "/".join("-" if value is None else f"{value:.2f}" for value in values)


async def measure(server: DevServer, rooms: tuple[str, str], options: argparse.Namespace) -> Side:
    """Let both hear everything, and print what came of it; gives our side."""
    models_dir = user_cache_path("earmark") / "models"
    vad = VadModel(find_model("silero-vad", models_dir))
    unhurried = FasterWhisper(find_model(LIVE_MODEL_ID, models_dir), AUDIT, name=LIVE_MODEL_ID)
    rules = Engine(load_rulebook().for_live(), timeline=False)
    lines = [(voice, text) for voice in VOICES[: options.voices] for text in SENTENCES]
    said = [spoken(text, voice) for voice, text in lines]
    true = [truth(samples, unhurried, vad, rules) for samples in said]
    unhurried.close()
    ours, plain = await sides(server, rooms)
    for side in (ours, plain):
        await side.hear(spoken(WARM_UP, VOICES[0]), [])
    for (_, text), samples, hits in zip(lines, said, true, strict=True):
        of_ours, of_plain = await ours.hear(samples, hits), await plain.hear(samples, hits)
        if options.verbose:
            rules_hit = ", ".join(hit.rule_id for hit in hits)
            shown = f"{rounded(of_ours):>6}{rounded(of_plain):>6}  {rules_hit}"
            print(f"{text[:50]:<52}{shown}", flush=True)
    for side in (ours, plain):
        await side.caller.leave()
        await side.client.leave()
    print(f"{sum(map(len, true))} phrases in {len(lines)} sentences, on a real server")
    print(f"{'':<10}{'raised':>8}{'unasked':>9}{'taken back':>12}{'median':>10}{'p95':>10}")
    for side in (ours, plain):
        of_it = [delay_s for delay_s in side.delays_s if delay_s is not None]
        counts = f"{len(of_it):>8}{side.n_unasked:>9}{side.n_retracted:>12}"
        print(f"{side.name:<10}{counts}{statistics.median(of_it):>8.2f} s{p95(of_it):>8.2f} s")
    pairs = zip(ours.delays_s, plain.delays_s, strict=True)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    of_ours, of_plain = [a for a, _ in both], [b for _, b in both]
    print(f"the {len(both)} phrases that both raised:")
    for name, of_it in ((ours.name, of_ours), (plain.name, of_plain)):
        print(f"{name:<39}{statistics.median(of_it):>8.2f} s{p95(of_it):>8.2f} s")
    by_median = statistics.median(of_ours) / statistics.median(of_plain)
    print(f"{'ratio':<39}{by_median:>8.2f}{p95(of_ours) / p95(of_plain):>10.2f}")
    return ours


def main() -> None:
    """Measure and print both sides and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--voices", type=int, default=2, choices=(1, 2, 3), help="default 2")
    parser.add_argument("--verbose", action="store_true", help="print each sentence")
    options = parser.parse_args()
    binary = find_tool("livekit-server")
    if binary is None:
        raise SystemExit("livekit-server is not installed; `make test` builds it")
    rooms = ("ours", "plain")
    with tempfile.TemporaryDirectory(prefix="earmark-delay-") as name:
        folder = Path(name)
        times = folder / "times.jsonl"
        with running_livekit_server(binary, folder) as server:
            environment = {
                **os.environ,
                "EARMARK_DATA_DIR": str(folder),
                "EARMARK_SIGNING_SECRET": SECRET,
                TIMES_VARIABLE: str(times),
                "LIVEKIT_URL": server.url,
                "LIVEKIT_API_KEY": server.api_key,
                "LIVEKIT_API_SECRET": server.api_secret,
            }
            plain = ["tests.benchmarks.plain_observer", rooms[1], SUPERVISOR]
            with (
                running(["tests.benchmarks.timed_worker"], environment, WORKER_READY),
                running(plain, environment, PLAIN_READY),
            ):
                ours = asyncio.run(measure(server, rooms, options))
        own_s = own_work(times, ours.arrived_s)
    print(
        f"own work beside the recogniser: median {statistics.median(own_s) * 1000:.0f} ms, "
        f"p95 {p95(own_s) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
