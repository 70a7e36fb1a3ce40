"""What a person sees while an audit lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

if TYPE_CHECKING:
    from offline.audit import Outcome, Progress

# Calls take minutes, so the rate is one of the last quarter of an hour.
_RATE_OVER_S = 900.0


class _RateColumn(ProgressColumn):
    """Calls done, of how many, and how many a minute."""

    def render(self, task: Task) -> Text:
        if task.total is None or "n_done" not in task.fields:
            return Text()
        text = f"{task.fields['n_done']}/{task.total:.0f} calls"
        if task.speed:
            text += f", {60 * task.speed:.1f} a minute"
        return Text(text)


class AuditScreen:
    """Progress bars and remarks, on stderr unless another console is given."""

    def __init__(self, console: Console | None = None) -> None:
        self.n_unreadable = 0
        self._console = console or Console(stderr=True, highlight=False)
        self._bars = self._make(
            TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), over_s=30.0
        )
        self._run_bars = self._make(
            _RateColumn(), TimeRemainingColumn(elapsed_when_finished=True), over_s=_RATE_OVER_S
        )
        self._n_shown = 0

    def _make(self, *columns: ProgressColumn, over_s: float) -> Bars:
        return Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
            speed_estimate_period=over_s,
        )

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say that something of unknown length goes on."""
        with self._task(what, None):
            yield

    @contextmanager
    def bar(self, label: str) -> Iterator[Callable[[Progress], None]]:
        """Show how far the audit of one call is."""
        with self._task(label, 1.0) as task:

            def update(progress: Progress) -> None:
                self._bars.update(
                    task,
                    completed=progress.done_ratio,
                    description=f"{label}: {progress.stage} recording {progress.source_number} "
                    f"of {progress.n_sources}",
                )

            yield update

    @contextmanager
    def run_bar(self, n_calls: int) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
        """Show how far a run over many calls is, in one bar."""
        with self._run_bars:
            task = self._run_bars.add_task("Audit", total=n_calls, n_done=0)

            def update(n_done: int, under_way: Mapping[str, float]) -> None:
                self._run_bars.update(
                    task, completed=n_done + sum(under_way.values()), n_done=n_done
                )

            yield update

    def warn(self, text: str) -> None:
        """Tell of something that went wrong."""
        self._console.print(text, style="yellow", markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Tell of something that went well."""
        self._console.print(text, markup=False, soft_wrap=True)

    def tell_of_lacks(self, lacks: Iterable[str]) -> None:
        """Tell what was not to be had, once each."""
        for lack in lacks:
            self.warn(f"earmark: {lack}")

    def tell_of_kept(self, outcome: Outcome) -> None:
        """Tell that a call has its report of before."""
        if outcome.is_kept:
            self.warn(
                f"{outcome.report.call.room_sid}: recordings were deleted on purpose since it was "
                "audited, so its report stays; --replace makes a new one of what is left"
            )

    @contextmanager
    def _task(self, description: str, total: float | None) -> Iterator[TaskID]:
        if self._n_shown == 0:
            self._bars.start()
        self._n_shown += 1
        task = self._bars.add_task(description, total=total)
        try:
            yield task
        finally:
            self._bars.remove_task(task)
            self._n_shown -= 1
            if self._n_shown == 0:
                self._bars.stop()
