"""What is remembered of a speaker's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rules import codes, names, written
from rules.codes import CodeMemory
from rules.digits import NO_DIGITS, DigitsMemory
from rules.names import NameMemory
from rules.numbers import EMPTY, NumberMemory
from rules.phrases import MAX_PAUSE_S, NOTHING, Followed
from rules.said import SaidWord
from rules.topics import Mark
from rules.types import Entity, TextRange
from rules.written import WrittenMemory

REMEMBERED_WORDS = 96  # more than any phrase is long
REMEMBERED_IDS = 64


class Hearing(NamedTuple):
    """One speaker's latest words, and what is half said."""

    n_words: int = 0
    recent: tuple[SaidWord, ...] = ()
    followed: Followed = NOTHING
    marks: tuple[Mark, ...] = ()
    numbers: NumberMemory = EMPTY
    written: WrittenMemory = written.EMPTY
    codes: CodeMemory = codes.EMPTY
    names: NameMemory = names.EMPTY
    held: tuple[Entity, ...] = ()  # found, but a run of written data is still open around it
    reported: tuple[tuple[int, int, float], ...] = ()  # first and last ordinal, score
    digits: DigitsMemory = NO_DIGITS
    sentence_from: int | None = None  # ordinal where the open sentence begins
    final_ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Hearing(…)"  # what was said stays out of logs

    def opened(self) -> OpenHearing:
        """The same, to be changed."""
        return OpenHearing(
            n_words=self.n_words,
            recent=list(self.recent),
            followed=self.followed,
            marks=self.marks,
            numbers=self.numbers,
            written=self.written,
            codes=self.codes,
            names=self.names,
            held=self.held,
            reported=self.reported,
            digits=self.digits,
            sentence_from=self.sentence_from,
            final_ids=self.final_ids,
            is_open=self.listens(),
        )

    def listens(self) -> bool:
        """Whether something is half said, so that a silence or any word may decide it."""
        return _listens(self)


@dataclass(slots=True, kw_only=True)
class OpenHearing:
    """A speaker's memory while an event is worked on."""

    n_words: int
    recent: list[SaidWord] = field(repr=False)
    followed: Followed
    marks: tuple[Mark, ...]
    numbers: NumberMemory = field(repr=False)
    written: WrittenMemory = field(repr=False)
    codes: CodeMemory = field(repr=False)
    names: NameMemory = field(repr=False)
    held: tuple[Entity, ...]
    reported: tuple[tuple[int, int, float], ...]
    digits: DigitsMemory = field(repr=False)
    sentence_from: int | None
    final_ids: tuple[str, ...]
    is_open: bool  # what `listens` said after the last word

    def listens(self) -> bool:
        """Whether something is half said, so that a silence or any word may decide it."""
        return _listens(self)

    def closed(self) -> Hearing:
        """The same, to be kept."""
        return Hearing(
            n_words=self.n_words,
            recent=tuple(self.recent[-REMEMBERED_WORDS:]),
            followed=self.followed,
            marks=self.marks,
            numbers=self.numbers,
            written=self.written,
            codes=self.codes,
            names=self.names,
            held=self.held,
            reported=self.reported,
            digits=self.digits,
            sentence_from=self.sentence_from,
            final_ids=self.final_ids,
        )

    def places(self, first: int, last: int) -> list[SaidWord]:
        """The words from one ordinal to another, as far as they are remembered."""
        oldest = self.n_words - len(self.recent)
        return self.recent[max(0, first - oldest) : last - oldest + 1]

    def ordinals(self, parts: Iterable[TextRange]) -> tuple[int, int]:
        """First and last ordinal of the words that text ranges touch; (-1, -1) if forgotten."""
        wanted = {part.utterance_id: part for part in parts}
        oldest = self.n_words - len(self.recent)
        found = [
            oldest + i
            for i, place in enumerate(self.recent)
            if (part := wanted.get(place.utterance_id)) is not None
            and place.word.start_chars < part.end_chars
            and part.start_chars < place.word.end_chars
        ]
        return (found[0], found[-1]) if found else (-1, -1)

    def words_before(self, ordinal: int, n_words: int) -> tuple[str, ...]:
        """Up to so many normalised words of the same sentence before a word, the latest first."""
        start = ordinal - (self.n_words - len(self.recent))
        before: list[str] = []
        later_start_s = self.recent[start].word.span.start_s
        for place in reversed(self.recent[:start]):
            if place.form.stop or later_start_s - place.word.span.end_s > MAX_PAUSE_S:
                break
            before += reversed(place.form.words)
            later_start_s = place.word.span.start_s
            if len(before) >= n_words:
                break
        return tuple(before[:n_words])


def _listens(memory: Hearing | OpenHearing) -> bool:
    return bool(
        memory.numbers.is_open
        or memory.written.run
        or memory.codes.run
        or memory.names.words
        or memory.digits.run
        or memory.held
    )
