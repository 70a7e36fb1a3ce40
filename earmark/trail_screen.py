"""What a person reads of the trail: faults, what is anchored and what is not, entries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from storage.trail import TrailEntry
    from storage.trail_verify import OnProgress, Verification


@contextmanager
def verifying() -> Iterator[OnProgress]:
    """A bar on stderr, on a terminal only."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        tasks = {
            "heads": bars.add_task("Reading heads", total=None, visible=False),
            "entries": bars.add_task("Verifying entries", total=None, visible=False),
        }

        def update(what: str, n: int, total: int | None) -> None:
            bars.update(tasks[what], completed=n, total=total, visible=True)

        yield update


def summed(found: Verification) -> list[str]:
    """What a verification came to: sentences, the verdict first."""
    if found.n_entries == 0 and found.is_intact:
        return ["The trail has no entry yet."]
    n = len(found.faults) + found.n_more_faults
    entries = "1 entry" if found.n_entries == 1 else f"{found.n_entries} entries"
    faults = "1 fault" if n == 1 else f"{n} faults"
    lines = [
        f"{entries}, {faults if n else 'each as it was written'}; "
        f"the last is number {found.last_seq}, {found.last_hash}."
    ]
    if not found.are_heads_read:
        return [*lines, "Heads were not looked at, so nothing says that the chain is not another."]
    if not found.anchored_seq:
        lines.append(
            "Nothing of it is anchored: whoever can write the database could have made it anew. "
            "`earmark trail anchor` signs and stores where it stands."
        )
    else:
        at = f", signed {found.anchored_at:%Y-%m-%d %H:%M} UTC" if found.anchored_at else ""
        lines.append(f"Anchored up to entry {found.anchored_seq}{at}; {_heads(found.n_heads)}.")
        if found.n_unanchored:
            what = (
                f"Entry {found.last_seq} is"
                if found.n_unanchored == 1
                else f"Entries {found.anchored_seq + 1} to {found.last_seq} are"
            )
            lines.append(
                f"{what} not anchored: whoever can write the database could cut off or make anew "
                "what stands there, and nothing would show it."
            )
    if found.n_waiting:
        lines.append(f"{_heads(found.n_waiting)} signed that still wait to be stored.")
    return lines


def _heads(n: int) -> str:
    return "1 head" if n == 1 else f"{n} heads"


def entry_line(entry: TrailEntry) -> str:
    """An entry on one line."""
    what = " ".join(each for each in (entry.room_sid, entry.subject) if each)
    detail = ", ".join(f"{key}={value}" for key, value in entry.detail.items())
    line = f"{entry.seq:>8}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}  {entry.action}"
    return "  ".join(each for each in (line, what, detail) if each)
