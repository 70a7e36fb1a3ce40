"""Sets of numbers as ranges: of a million entries that were moved, two numbers are kept."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[int, int]  # first and last, both in it


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers, in order, in as few ranges as there can be.

    >>> merged([(5, 6), (1, 2), (3, 3), (6, 9)])
    [(1, 3), (5, 9)]
    """
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def without(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """Numbers of the first that are not in the second.

    >>> without([(1, 9)], [(3, 4), (9, 12)])
    [(1, 2), (5, 8)]
    """
    found = []
    taken = merged(others)
    for first, last in merged(ranges):
        for start, end in taken:
            if end < first:
                continue
            if start > last:
                break
            if start > first:
                found.append((first, start - 1))
            first = end + 1
        if first <= last:
            found.append((first, last))
    return found


def both(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """Numbers that are in both.

    >>> both([(1, 5), (8, 9)], [(4, 8)])
    [(4, 5), (8, 8)]
    """
    first = list(ranges)
    return without(first, without(first, others))
