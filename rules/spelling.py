"""Addresses said aloud: "jo dot smith at gmail dot com" as jo.smith@gmail.com, with the way back.

Words that stand for a sign are turned into it and glued to their neighbours; numbers beside them
become digits. Every character of the result knows the words it came from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.detectors.calendar import NUMBER_WORDS

_SIGNS = {
    **{"dot": ".", "point": ".", "at": "@", "slash": "/", "dash": "-", "hyphen": "-"},
    **{"underscore": "_", "colon": ":", "plus": "+", "minus": "-"},
}
_EDGES = "\"'.,;:!?()[]{}<>\u2019\u201d\u201c"
_WORD = re.compile(r"\S+")
_MAX_HUNDREDS = 9


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text as it would be written; `starts` and `ends` say where each character came from."""

    text: str = field(repr=False)
    starts: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    written: str
    start: int
    end: int
    sign: bool = False
    spelled: bool = False  # a letter or a number, which go together: "w w w", "one nine two"


def spell(text: str) -> Spelling:
    """Write out what was said aloud.

    >>> spell("john dot smith at gmail dot com").text
    'john.smith@gmail.com'
    """
    pieces = _numbers(_pieces(text))
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for i, piece in enumerate(pieces):
        before = pieces[i - 1] if i else None
        if before is not None and not _glued(before, piece):
            chars.append(" ")
            starts.append(before.end)
            ends.append(piece.start)
        for char in piece.written:
            chars.append(char)
            starts.append(piece.start)
            ends.append(piece.end)
    return Spelling("".join(chars), tuple(starts), tuple(ends))


def _glued(left: _Piece, right: _Piece) -> bool:
    both = left.spelled and right.spelled
    return left.sign or right.sign or (both and left.written.isdigit() == right.written.isdigit())


def _pieces(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    for match in _WORD.finditer(text):
        said = match.group()
        bare = said.strip(_EDGES)
        if not bare:
            continue
        start = match.start() + said.index(bare)
        end = start + len(bare)
        folded = bare.casefold()
        if folded in _SIGNS:
            pieces.append(_Piece(_SIGNS[folded], start, end, sign=True))
        else:
            pieces.append(_Piece(bare, start, end, spelled=len(bare) == 1 or bare.isdigit()))
    return pieces


def _numbers(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Turn number words into digits: "one ninety two" and "one hundred ninety two" are 192."""
    done: list[_Piece] = []
    i = 0
    while i < len(pieces):
        n, digits = _number(pieces, i)
        if n:
            done.append(_Piece(digits, pieces[i].start, pieces[i + n - 1].end, spelled=True))
            i += n
        else:
            done.append(pieces[i])
            i += 1
    return done


def _number(pieces: Sequence[_Piece], i: int) -> tuple[int, str]:
    """How many pieces from `i` on make one number, and its digits."""
    first = _value(pieces, i)
    if first is None:
        return 0, ""
    n = 1
    if 1 <= first <= _MAX_HUNDREDS and _said(pieces, i + 1) == "hundred":
        total, n = first * 100, 2
        if _said(pieces, i + n) == "and" and _value(pieces, i + n + 1) is not None:
            n += 1
        rest = _value(pieces, i + n)
        if rest is not None:
            total, n = total + rest, n + 1
            unit = _value(pieces, i + n)
            if rest >= 20 and rest % 10 == 0 and unit is not None and 0 < unit < 10:
                total, n = total + unit, n + 1
        return n, str(total)
    unit = _value(pieces, i + 1)
    if first >= 20 and first % 10 == 0 and unit is not None and 0 < unit < 10:
        return 2, str(first + unit)
    return 1, str(first)


def _said(pieces: Sequence[_Piece], i: int) -> str:
    return pieces[i].written.casefold() if i < len(pieces) else ""


def _value(pieces: Sequence[_Piece], i: int) -> int | None:
    said = _said(pieces, i)
    if "-" in said:
        tens, _, unit = said.partition("-")
        if tens in NUMBER_WORDS and unit in NUMBER_WORDS:
            return NUMBER_WORDS[tens] + NUMBER_WORDS[unit]
    return NUMBER_WORDS.get(said)
