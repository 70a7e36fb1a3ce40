"""`earmark replay`: audio files through the live path."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from earmark.errors import BadInputError
from earmark.settings import load_settings
from earmark.wiring import RULES_OPTION, SPEAKER_OPTION, rules_in_force
from rules.rulebook import RuleStatus
from rules.types import HitState, Utterance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from realtime.alerts import Alert
    from realtime.replay import Voice


class _Speed(click.ParamType[float | None]):
    name = "N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value == "max" or value is None:
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed <= 100:
            self.fail(f"{value!r} is neither 'max' nor a number above 0 and up to 100", param, ctx)
        return speed


@click.command
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=_Speed(),
    metavar="N|max",
    default="max",
    show_default=True,
    help="Multiple of real time, or as fast as can be.",
)
@RULES_OPTION
@SPEAKER_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, with what was said.")
@click.option("--shadow", is_flag=True, help="Run shadow rules too; their hits are marked as such.")
@click.option("--show-text", is_flag=True, help="Show numbers and hits in the transcript unmasked.")
def command(
    files: tuple[Path, ...],
    speed: float | None,
    rules: tuple[Path, ...],
    speakers: tuple[str, ...],
    as_json: bool,
    shadow: bool,
    show_text: bool,
) -> None:
    """Run audio files through the live path: the same ears, rules and alerts as in a room.

    Give one file a speaker, all beginning at the same moment, or one file with a channel a speaker.
    No server and no account is needed. An alert may be raised from a sentence that is not over;
    when its end proves it wrong, it is taken back. Exit code 1 says that there were alerts that
    stood, or that something was not heard; 0 that there were none. Hits of shadow rules are shown
    only with --shadow, and are no alerts.

    \b
    Examples:
      earmark replay agent.ogg customer.ogg
      earmark replay stereo.wav --speaker agent --speaker customer --speed 1
      earmark replay call.mp3 --rules my-rules/ --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    console = Console(stderr=True)
    # The speech libraries take seconds to import: not before the arguments are known to be good.
    from realtime.live_recogniser import open_recogniser
    from realtime.replay import Replay
    from realtime.trial import LIVE_STATUSES
    from rules.masking import mask_numbers
    from speech.embedding import embedder_for
    from speech.models import find_model
    from speech.vad import VadModel

    rulebook = rules_in_force(rules, settings).rulebook
    statuses = LIVE_STATUSES if shadow else (RuleStatus.ACTIVE,)
    embedder = embedder_for(rulebook.for_live(), settings.models_dir, statuses=statuses)
    voices, damages = _voices(files, speakers)
    for damage in damages:
        console.print(f"Not fully heard: {damage}", style="yellow", highlight=False, markup=False)
    vad = VadModel(find_model("silero-vad", settings.models_dir))
    loading = console.status("Loading the speech model")

    n_alerts: Counter[str] = Counter()

    async def say_interim(utterance: Utterance) -> None:
        if as_json:
            click.echo(json.dumps(_utterance_line(utterance)))

    async def say(utterance: Utterance) -> None:
        if as_json:
            click.echo(json.dumps(_utterance_line(utterance)))
            return
        text = utterance.text if show_text else mask_numbers(utterance.text)
        progress.console.print(
            f"{_clock(utterance.span.start_s)}  {utterance.speaker}: {text}",
            highlight=False, markup=False, soft_wrap=True, style="dim",
        )  # fmt: skip

    class Screen:
        async def publish(self, alert: Alert) -> None:
            _count(n_alerts, alert)
            if as_json:
                click.echo(json.dumps(_alert_line(alert)))
                return
            if alert.is_update and alert.state is HitState.CONFIRMED:
                return  # it was shown, and stands
            title = rulebook.rule(alert.hit.rule_id).title
            who = f" by {alert.hit.speaker}" if alert.hit.speaker else ""
            if alert.state is HitState.RETRACTED:
                progress.console.print(
                    f"{_clock(alert.raised_s)}  taken back: {title}{who}",
                    highlight=False, markup=False, soft_wrap=True, style="dim",
                )  # fmt: skip
                return
            label = "SHADOW" if alert.shadow else "ALERT"
            progress.console.print(
                f"{_clock(alert.raised_s)}  {label} {alert.hit.severity.value}: {title}{who} "
                f"[{alert.hit.excerpt}], {alert.raised_s - alert.hit.span.end_s:.1f} s after it",
                highlight=False, markup=False, soft_wrap=True,
                style="magenta" if alert.shadow else "bold red",
            )  # fmt: skip

    progress = Progress(
        TextColumn("Listening"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(), console=console, disable=as_json, transient=True,
    )  # fmt: skip

    async def play() -> Replay:
        loading.start()
        try:
            async with open_recogniser(
                settings.live_stt, settings.models_dir, second_ear=settings.second_ear
            ) as recogniser:
                loading.stop()
                replay = Replay(
                    voices=voices,
                    rulebook=rulebook,
                    embedder=embedder,
                    vad=vad,
                    recogniser=recogniser,
                    sinks=(Screen(),),
                    trial_sinks=(Screen(),) if shadow else (),
                    on_utterance=say,
                    on_interim=say_interim,
                    on_progress=lambda position_s: progress.update(task, completed=position_s),
                )
                with progress:
                    task = progress.add_task("listen", total=replay.duration_s)
                    await replay.run(speed_ratio=speed)
                return replay
        finally:
            loading.stop()

    replay = asyncio.run(play())
    for speaker, span, reason in replay.lost:
        where = f"{_clock(span.start_s)} to {_clock(span.end_s)}"
        console.print(
            f"Not fully heard: {speaker}, {where} ({reason})",
            style="yellow", highlight=False, markup=False,
        )  # fmt: skip
    if not as_json:
        _summary(console, replay.duration_s, n_alerts)
    if n_alerts.total() or replay.lost or damages:
        raise SystemExit(1)


def _voices(files: Sequence[Path], speakers: Sequence[str]) -> tuple[tuple[Voice, ...], list[str]]:
    from realtime.replay import Voice
    from speech.audio import decode

    channels: list[tuple[str, NDArray[np.float32]]] = []
    damages: list[str] = []
    for path in files:
        audio = decode(path)
        if audio.damage:
            damages.append(f"{path}: {audio.damage}")
        many = len(audio.samples) > 1
        channels.extend(
            (f"{path.stem}#{number}" if many else path.stem, samples)
            for number, samples in enumerate(audio.samples, start=1)
        )
    if speakers and len(speakers) != len(channels):
        raise BadInputError(
            f"--speaker was given {len(speakers)} times for {len(channels)} channels of audio; "
            "give one name a channel, or none"
        )
    names = [*speakers] or [name for name, _ in channels]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise BadInputError(f"two speakers are named {repeated[0]!r}; name them apart by --speaker")
    voices = tuple(
        Voice(speaker=name, samples=samples)
        for name, (_, samples) in zip(names, channels, strict=True)
    )
    return voices, damages


def _utterance_line(utterance: Utterance) -> dict[str, object]:
    return {
        "type": "utterance",
        "speaker": utterance.speaker,
        "start_s": round(utterance.span.start_s, 3),
        "end_s": round(utterance.span.end_s, 3),
        "text": utterance.text,
        "final": utterance.is_final,
        "revision": utterance.revision,
    }


def _alert_line(alert: Alert) -> dict[str, object]:
    line: dict[str, object] = {
        "type": "alert_update" if alert.is_update else "alert",
        "hit": alert.hit.id,
        "state": alert.state.value,
        "rule": alert.hit.rule_id,
        "severity": alert.hit.severity.value,
        "speaker": alert.hit.speaker,
        "start_s": round(alert.hit.span.start_s, 3),
        "end_s": round(alert.hit.span.end_s, 3),
        "excerpt": alert.hit.excerpt,
        "at_s": round(alert.raised_s, 3),
    }
    return line | {"shadow": True} if alert.shadow else line


def _count(n_alerts: Counter[str], alert: Alert) -> None:
    """Count an alert when it is raised, and no longer when it is taken back."""
    if alert.shadow:
        return
    if alert.state is HitState.RETRACTED:
        n_alerts[alert.hit.severity.value] -= 1
    elif not alert.is_update:
        n_alerts[alert.hit.severity.value] += 1


def _clock(position_s: float) -> str:
    return f"{int(position_s) // 60:d}:{position_s % 60:04.1f}"


def _summary(console: Console, duration_s: float, n_alerts: Counter[str]) -> None:
    if not n_alerts.total():
        console.print(f"{_clock(duration_s)} of audio, no alert.")
        return
    counts = ", ".join(f"{n} {severity}" for severity, n in n_alerts.most_common() if n)
    console.print(
        f"{_clock(duration_s)} of audio, {n_alerts.total()} alert(s): {counts}. "
        "`earmark audit` with the same files writes the report.",
        highlight=False,
        soft_wrap=True,
    )
