"""What a person sees while an audit lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from offline.audit import Progress


class AuditScreen:
    """Progress bars and remarks, on stderr."""

    def __init__(self) -> None:
        self.n_unreadable = 0
        self._console = Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._n_shown = 0

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say that something of unknown length goes on."""
        with self._task(what, None):
            yield

    @contextmanager
    def bar(self, label: str) -> Iterator[Callable[[Progress], None]]:
        """Show how far an audit is."""
        with self._task(label, 1.0) as task:

            def update(progress: Progress) -> None:
                self._bars.update(
                    task,
                    completed=progress.done_ratio,
                    description=f"{label}: {progress.stage} recording {progress.source_number} "
                    f"of {progress.n_sources}",
                )

            yield update

    def warn(self, text: str) -> None:
        """Tell of something that went wrong."""
        self._console.print(text, style="yellow", markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Tell of something that went well."""
        self._console.print(text, markup=False, soft_wrap=True)

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
