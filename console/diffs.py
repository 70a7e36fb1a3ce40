"""How two texts differ, line by line, for a page to show."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rules.book_files import BookFiles

MAX_LINES = 4000  # of all files of one page
_CONTEXT_LINES = 3
_LONG_LINES = 1500


class LineKind(StrEnum):
    """What became of a line."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    SKIPPED = "skipped"  # stands for lines that are the same and not shown


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One line."""

    kind: LineKind
    old: int | None = None  # its number before, from 1
    new: int | None = None  # its number after
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """One file that differs."""

    name: str
    is_new: bool
    is_gone: bool
    n_added: int
    n_removed: int
    lines: tuple[DiffLine, ...]
    is_cut: bool  # not all lines are shown


def file_diffs(before: BookFiles, after: BookFiles) -> tuple[FileDiff, ...]:
    """Files that differ, by name."""
    left = MAX_LINES
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        lines = list(_lines(_text(before, name), _text(after, name)))
        shown = lines[: max(0, left)]
        left -= len(shown)
        found.append(
            FileDiff(
                name=name,
                is_new=name not in before,
                is_gone=name not in after,
                n_added=sum(line.kind is LineKind.ADDED for line in lines),
                n_removed=sum(line.kind is LineKind.REMOVED for line in lines),
                lines=tuple(shown),
                is_cut=len(shown) < len(lines),
            )
        )
    return tuple(found)


def _text(files: Mapping[str, bytes], name: str) -> list[str]:
    return files.get(name, b"").decode("utf-8-sig", "replace").splitlines()


def _lines(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    # Lines that come again and again make a long comparison quadratic, unless they are passed over.
    is_long = max(len(before), len(after)) > _LONG_LINES
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=is_long)
    shown_until = 0
    for group in matcher.get_grouped_opcodes(_CONTEXT_LINES):
        skipped = group[0][1] - shown_until
        if skipped:
            yield DiffLine(kind=LineKind.SKIPPED, text=f"{skipped} lines as before")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                for n in range(old_end - old_start):
                    yield DiffLine(
                        kind=LineKind.SAME, old=old_start + n + 1, new=new_start + n + 1,
                        text=before[old_start + n],
                    )  # fmt: skip
                continue
            for n in range(old_start, old_end):
                yield DiffLine(kind=LineKind.REMOVED, old=n + 1, text=before[n])
            for n in range(new_start, new_end):
                yield DiffLine(kind=LineKind.ADDED, new=n + 1, text=after[n])
        shown_until = group[-1][2]
    if shown_until < len(before) and shown_until:
        rest = len(before) - shown_until
        yield DiffLine(kind=LineKind.SKIPPED, text=f"{rest} lines as before")
