"""Runs of digits, said or written, whatever they may be: for conditions that ask for a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rules.numbers import CLOSE_S, MAX_TOKENS
from rules.said import SaidWord
from rules.spoken import STARTERS, Kind, Token, read


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitRun:
    """A run that is over."""

    n_digits: int
    first: int  # ordinal of the speaker's word with its first digit
    last: int
    at_s: float  # when it was clear that it is over


class DigitsMemory(NamedTuple):
    """The run that a speaker is in the middle of."""

    run: tuple[Token, ...] = ()

    def __repr__(self) -> str:
        return "DigitsMemory(…)"  # what was said stays out of logs


NO_DIGITS = DigitsMemory()


def on_word(
    memory: DigitsMemory, said: SaidWord, before: str
) -> tuple[DigitsMemory, tuple[DigitRun, ...]]:
    """Hear one word; `before` is the bare form of the speaker's word before it."""
    if not (memory.run or said.form.opens_number):
        return memory, ()
    word = said.word
    memory, found = on_silence(memory, word.span.start_s)
    run = list(memory.run)
    for piece in said.pieces(before):
        if piece.kind is Kind.BREAK or not (run or piece.kind in STARTERS):
            found += _closed(tuple(run), word.span.end_s)
            run = []
            continue
        run.append(said.token(piece))
    return DigitsMemory(run=tuple(run[:MAX_TOKENS])), found


def on_silence(memory: DigitsMemory, until_s: float) -> tuple[DigitsMemory, tuple[DigitRun, ...]]:
    """Learn that the speaker said no more before `until_s`."""
    if not memory.run:
        return memory, ()
    over_s = memory.run[-1].end_s + CLOSE_S
    if until_s <= over_s:
        return memory, ()
    return NO_DIGITS, _closed(memory.run, over_s)


def on_end(memory: DigitsMemory, at_s: float) -> tuple[DigitsMemory, tuple[DigitRun, ...]]:
    """Learn that the call is over."""
    return NO_DIGITS, _closed(memory.run, at_s)


def _closed(run: tuple[Token, ...], at_s: float) -> tuple[DigitRun, ...]:
    digits = read(run).digits
    if not digits:
        return ()
    first, last = run[digits[0].first].ordinal, run[digits[-1].last].ordinal
    return (DigitRun(n_digits=len(digits), first=first, last=last, at_s=at_s),)
