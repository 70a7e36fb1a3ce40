"""The summary of a day as one page: no script, nothing fetched, links to the reports beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from offline.nightly import MEASURES, TREND_DAYS, Distribution, Nightly, TrendDay, trend_begin
from offline.pages import mood, percent, template, tenths, whole
from offline.report import Headline

# A page of thousands of calls is no summary; the JSON beside it has them all.
MAX_CALLS_SHOWN = 200
_SPARK_WIDTH, _SPARK_HEIGHT, _SPARK_EDGE = 220.0, 44.0, 5.0
_BOX_WIDTH, _BOX_EDGE = 300.0, 6.0
_NAMES = {
    "talk_ratio": "Share of speech",
    "speech_rate_wpm": "Speech rate",
    "longest_monologue_s": "Longest monologue",
    "n_interruptions": "Cut others short",
    "response_latency_s": "Time to answer",
    "sentiment": "Mood",
}
_SHOWN: dict[str, Callable[[float], str]] = {
    "talk_ratio": percent,
    "speech_rate_wpm": whole,
    "sentiment": mood,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A ratio over the days of the trend, as a small line."""

    path: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A distribution as a box between quartiles, on the scale of its measure."""

    role: str
    n: int
    least_x: float
    lower_x: float
    middle_x: float
    upper_x: float
    most_x: float
    least: str
    lower: str
    middle: str
    upper: str
    most: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureBoxes:
    """All roles of one measure."""

    name: str
    unit: str
    boxes: tuple[Box, ...]


def render_nightly(nightly: Nightly) -> str:
    """The page of a day."""
    severe = {each: n for each, n in nightly.n_by_severity.items() if n}
    return template("nightly.html.j2").render(
        nightly=nightly,
        headline=headline(nightly),
        verdict=verdict(nightly),
        n_findings=sum(nightly.n_by_severity.values()),
        severe=severe,
        checked_ratio=(
            min(1.0, nightly.checked_s / nightly.recorded_s) if nightly.recorded_s else None
        ),
        sparks={
            rule.rule_id: (
                spark(nightly.day, rule.trend, lambda each: each.precision_ratio),
                spark(nightly.day, rule.trend, lambda each: each.recall_ratio),
            )
            for rule in nightly.rules
        },
        most_findings=max((rule.n_findings for rule in nightly.rules), default=0) or 1,
        boxes=tuple(_boxes(nightly.conduct)),
        calls=nightly.calls[:MAX_CALLS_SHOWN],
        n_more=max(0, len(nightly.calls) - MAX_CALLS_SHOWN),
        n_days=TREND_DAYS,
        width=_SPARK_WIDTH,
        height=_SPARK_HEIGHT,
        edge=_SPARK_EDGE,
        box_width=_BOX_WIDTH,
    )


def headline(nightly: Nightly) -> str:
    """The day in a sentence or two."""
    n_calls = nightly.n_calls
    said = f"{n_calls} {'call was' if n_calls == 1 else 'calls were'} audited"
    n_found = nightly.n_by_headline.get(Headline.FINDINGS, 0)
    if not n_calls:
        said = "No call was audited."
    elif n_found:
        said += f", {n_found} with findings."
    else:
        said += ", none with findings."
    n_open = len(nightly.not_audited) + len(nightly.unreadable)
    if n_open:
        said += f" {n_open} {'has' if n_open == 1 else 'have'} no report that can be read."
    n_incomplete = sum(not call.is_complete for call in nightly.calls)
    if n_incomplete:
        said += f" {n_incomplete} could not be checked wholly."
    return said


def verdict(nightly: Nightly) -> str:
    """The colour of the day: findings, incomplete or clean."""
    if nightly.n_by_headline.get(Headline.FINDINGS, 0):
        return "findings"
    return "clean" if nightly.is_whole and nightly.n_calls else "incomplete"


def spark(day: date, trend: Sequence[TrendDay], of: Callable[[TrendDay], float | None]) -> Spark:
    """Geometry of one line; days without a value are passed over."""
    first = trend_begin(day)
    step = (_SPARK_WIDTH - 2 * _SPARK_EDGE) / (TREND_DAYS - 1)
    points = tuple(
        (
            round(_SPARK_EDGE + (each.day - first).days * step, 1),
            round(_SPARK_EDGE + (1.0 - ratio) * (_SPARK_HEIGHT - 2 * _SPARK_EDGE), 1),
        )
        for each in trend
        if (ratio := of(each)) is not None
    )
    path = "M" + "L".join(f"{x} {y}" for x, y in points) if points else ""
    return Spark(path=path, points=points)


def _boxes(conduct: Sequence[Distribution]) -> Iterator[MeasureBoxes]:
    for measure, unit in MEASURES.items():
        of_measure = [each for each in conduct if each.measure == measure]
        if not of_measure:
            continue
        low = min([0.0, *(each.least for each in of_measure)])
        high = max(each.most for each in of_measure)
        if measure == "sentiment":
            low, high = -1.0, 1.0
        elif measure == "talk_ratio":
            low, high = 0.0, 1.0
        scale = (_BOX_WIDTH - 2 * _BOX_EDGE) / ((high - low) or 1.0)
        shown = _SHOWN.get(measure, tenths)

        def x(value: float, low: float = low, scale: float = scale) -> float:
            return round(_BOX_EDGE + (value - low) * scale, 1)

        yield MeasureBoxes(
            name=_NAMES[measure],
            unit=unit,
            boxes=tuple(
                Box(
                    role=each.role.replace("_", " "),
                    n=each.n,
                    least_x=x(each.least),
                    lower_x=x(each.lower),
                    middle_x=x(each.middle),
                    upper_x=x(each.upper),
                    most_x=x(each.most),
                    least=shown(each.least),
                    lower=shown(each.lower),
                    middle=shown(each.middle),
                    upper=shown(each.upper),
                    most=shown(each.most),
                )
                for each in of_measure
            ),
        )
