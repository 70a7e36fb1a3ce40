"""Limits on how people behave."""

from __future__ import annotations

from collections.abc import Iterator

from rules.conditions import Metric, MetricCondition
from rules.conduct import Conduct
from rules.types import Span
from rules.watchers.occurrence import Occurrence
from rules.watchers.watcher import Context, Memory, Outcome


class MetricWatcher:
    """Compares a measure with its limit: silence as time passes, the rest when the call is over."""

    on_time = True
    on_words = False

    def __init__(self, condition: MetricCondition) -> None:
        self._condition = condition

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """It has no parts."""
        return memory, ()

    def pass_time(
        self, memory: Memory, until_s: float, context: Context, *, ended: bool
    ) -> Outcome:
        """Judge; memory is the end of the speech after which a silence was reported."""
        if self._condition.metric is Metric.SILENCE_S:
            return self._silence(memory, until_s, context.conduct)
        if not ended or until_s <= 0:
            return memory, ()
        return memory, tuple(self._over(until_s, context.conduct))

    def pass_word(
        self, memory: Memory, speaker: str | None, ordinal: int, start_s: float
    ) -> Outcome:
        """Words are counted by the engine."""
        return memory, ()

    def _silence(self, memory: Memory, until_s: float, conduct: Conduct) -> Outcome:
        limit_s = self._condition.above
        since_s = conduct.last_end_s or 0.0
        if limit_s is None or memory == since_s or since_s < self._condition.after_s:
            return memory, ()
        due_s = since_s + limit_s
        if until_s <= due_s:
            return memory, ()
        return since_s, (
            Occurrence(
                speaker=None,
                span=Span(since_s, due_s),
                excerpt=f"Nobody spoke for {limit_s:g} s.",
                at_s=due_s,
            ),
        )

    def _over(self, end_s: float, conduct: Conduct) -> Iterator[Occurrence]:
        metric = self._condition.metric
        if metric is Metric.NON_TALK_RATIO:
            value = conduct.non_talk_ratio(end_s)
            if value is not None and end_s >= self._condition.after_s and self._crossed(value):
                yield self._occurrence(None, value, Span(0.0, end_s), end_s)
            return
        for speaker, own in conduct.speakers.items():
            if own.talk_s < self._condition.after_s or not own.stretches:
                continue
            whole = Span(own.stretches[0][0], max(stop_s for _, stop_s in own.stretches))
            measured: float | None
            match metric:
                case Metric.TALK_RATIO:
                    measured = conduct.talk_ratio(speaker)
                case Metric.INTERRUPTIONS:
                    measured = float(len(conduct.interruptions(speaker)))
                case Metric.SPEECH_RATE_WPM:
                    measured = own.speech_rate_wpm
                case _:
                    measured = own.sentiment
            if measured is not None and self._crossed(measured):
                yield self._occurrence(speaker, measured, whole, end_s)

    def _crossed(self, value: float) -> bool:
        above, below = self._condition.above, self._condition.below
        return (above is not None and value > above) or (below is not None and value < below)

    def _occurrence(self, speaker: str | None, value: float, span: Span, at_s: float) -> Occurrence:
        above, below = self._condition.above, self._condition.below
        limit = f"above {above:g}" if above is not None else f"below {below:g}"
        return Occurrence(
            speaker=speaker,
            span=span,
            excerpt=f"{self._condition.metric.value} is {value:.2f}, {limit}.",
            at_s=at_s,
        )
