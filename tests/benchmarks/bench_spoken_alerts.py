"""How many spoken identifiers raise an alert, and how many harmless lines, by synthetic voices.

Usage: python tests/benchmarks/bench_spoken_alerts.py [--lines N] [--voice flite|espeak-ng]

Needs flite or espeak-ng on PATH. Lines of the sets `spoken_calls` and `spoken_ids` that a voice can
say (no digits in writing) go through replay: detection, recogniser, rules, alerts. A line is right
if it raises the rule that its text raises. The peers are what a second ear could use for the same
sound: the larger model of the audit, and the same with a prompt of digits, each once over the whole
line. A second ear cannot do better than its own reading of everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from realtime.alerts import Alert  # noqa: E402 - the path comes first
from realtime.recognition import LIVE_MODEL_ID, ThreadRecogniser, load_second_ear, second_recogniser  # noqa: E402
from realtime.replay import Replay, Voice  # noqa: E402
from rules.engine import Engine  # noqa: E402
from rules.loader import load_rulebook  # noqa: E402
from rules.rulebook import Rulebook  # noqa: E402
from rules.types import CallEnded, HitState, Span, utterance_from_text  # noqa: E402
from speech.audio import decode  # noqa: E402
from speech.batched_whisper import BatchedWhisper  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.vad import VadModel  # noqa: E402
from speech.whisper import LIVE, load_whisper  # noqa: E402

DATA = ROOT / "tests/rules/data"
MODELS = user_cache_path("earmark") / "models"
VOICES = {"flite": ("slt", "rms", "awb"), "espeak-ng": ("en-us", "en-us+f2", "en-gb")}
PROMPT = "My card number is 4539 1488 0343 6467. My social is 536-90-4399."
SEED = 5

Samples = NDArray[np.float32]


def rules_of(engine: Engine, text: str) -> set[str]:
    """The rules about personal data that a text hits."""
    if not text.strip():
        return set()
    heard = utterance_from_text(text, Span(0.0, 0.4 * len(text.split())), id="0", speaker="a")
    step = engine.feed(engine.start(), heard)
    over = engine.feed(step.state, CallEnded(at_s=heard.span.end_s + 60.0))
    hits = [hit for hit in (*step.hits, *over.hits) if hit.state is not HitState.RETRACTED]
    return {hit.rule_id for hit in hits if hit.rule_id.startswith("pii.")}


def lines(engine: Engine, n: int) -> tuple[list[str], list[str]]:
    """Lines that raise an alert as text, and lines that raise none."""
    rows = [
        json.loads(line)
        for name in ("spoken_calls", "spoken_ids")
        for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    said = [row["text"] for row in rows if not re.search(r"[0-9@]", row["text"])]
    random.Random(SEED).shuffle(said)  # noqa: S311 - the same lines each time
    right = [text for text in said if rules_of(engine, text)]
    harmless = {row["text"] for row in rows if not row["entities"]}
    return right[:n], [text for text in said if text in harmless][: n // 2]


def spoken(text: str, program: str, voice: str) -> Samples:
    """A line as samples, shape (n_samples,), 16 kHz."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = {
            "flite": ["flite", "-voice", voice, "-t", text, "-o", file.name],
            "espeak-ng": ["espeak-ng", "-v", voice, "-s", "145", "-w", file.name, text],
        }[program]
        subprocess.run(command, check=True)
        samples = decode(Path(file.name)).samples[0]
    return np.concatenate((samples, np.zeros(16_000, dtype=np.float32)))


class Alerts:
    """A sink that keeps which rules stood."""

    def __init__(self) -> None:
        self.states: dict[str, tuple[str, HitState]] = {}

    async def publish(self, alert: Alert) -> None:
        """Take an alert, or a later state of one."""
        self.states[alert.hit.id] = (alert.hit.rule_id, alert.hit.state)

    @property
    def rules(self) -> set[str]:
        """Rules about personal data whose alerts were not taken back."""
        return {
            rule
            for rule, state in self.states.values()
            if rule.startswith("pii.") and state is not HitState.RETRACTED
        }


def live(rulebook: Rulebook, *, second_ear: bool) -> Callable[[Samples], set[str]]:
    """The live path, with its second ear or without."""
    vad = VadModel(find_model("silero-vad", MODELS))
    whisper = BatchedWhisper(find_model(LIVE_MODEL_ID, MODELS), LIVE, name=LIVE_MODEL_ID)

    second = second_recogniser(load_second_ear(MODELS)) if second_ear else None

    def heard(samples: Samples) -> set[str]:
        alerts = Alerts()
        replay = Replay(
            voices=[Voice(speaker="a", samples=samples)],
            rulebook=rulebook,
            vad=vad,
            recogniser=ThreadRecogniser(whisper, second=second),
            sinks=[alerts],
        )
        asyncio.run(replay.run(speed_ratio=None))
        return alerts.rules

    return heard


def second(engine: Engine, prompt: str | None) -> Callable[[Samples], set[str]]:
    """The audit's model over the whole line."""
    model = load_whisper(find_model("faster-whisper-base", MODELS), LIVE, cpu_threads=2)

    def heard(samples: Samples) -> set[str]:
        segments, _ = model.transcribe(
            samples, language="en", beam_size=1, temperature=[0.0], initial_prompt=prompt,
            condition_on_previous_text=False, without_timestamps=True, max_new_tokens=200,
        )  # fmt: skip
        return rules_of(engine, " ".join(segment.text for segment in segments))

    return heard


def report(
    name: str,
    heard: Callable[[Samples], set[str]],
    right: Sequence[tuple[str, Samples]],
    harmless: Sequence[tuple[str, Samples]],
    engine: Engine,
) -> None:
    """Print how many lines raised what they should."""
    n_right = sum(bool(heard(sound) & rules_of(engine, text)) for text, sound in right)
    n_flagged = sum(bool(heard(sound)) for _, sound in harmless)
    print(
        f"{name:<34}{n_right:>4} of {len(right)} ({n_right / len(right):.0%}) raised, "
        f"{n_flagged} of {len(harmless)} harmless ones flagged",
        flush=True,
    )


def main() -> None:
    """Speak, hear, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=60, help="lines with an identifier (60)")
    parser.add_argument("--voice", choices=sorted(VOICES), default="espeak-ng", help="the program")
    options = parser.parse_args()
    rulebook = load_rulebook(())
    engine = Engine(rulebook, timeline=False)
    voices = VOICES[options.voice]
    said = [
        [(text, spoken(text, options.voice, voices[i % 3])) for i, text in enumerate(texts)]
        for texts in lines(engine, options.lines)
    ]
    print(f"voices: {options.voice}, {', '.join(voices)}")
    report("replay", live(rulebook, second_ear=True), *said, engine=engine)
    report("replay without a second ear", live(rulebook, second_ear=False), *said, engine=engine)
    report("base, whole line", second(engine, None), *said, engine=engine)
    report("base with a prompt of digits", second(engine, PROMPT), *said, engine=engine)


if __name__ == "__main__":
    main()
