"""Hearing codes: letters and digits, said or spelled, and judged by what was announced before them.

A run of words that may belong to a code is gathered and read once a silence or another word ends
it. Like the listener for numbers it goes by the times of words alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rules.alphabets import (
    awaits_example,
    bare,
    may_explain,
    n_explaining,
    split_code,
)
from rules.candidates import Candidate, candidates
from rules.detectors.codes import CODE_TYPES, ENTITIES
from rules.detectors.passage import word_set
from rules.detectors.verdict import Judgement, Topic
from rules.numbers import CLOSE_S, PAUSE_S, Found, Topics
from rules.said import SaidWord
from rules.spoken import STARTERS, Kind, Token, read
from rules.types import Entity

MAX_RUN_WORDS = 64
MIN_ALONE_SYMBOLS = 9  # the shortest code that counts unannounced
SPENT_S = 20.0  # an announcement that led to a code leads to no second one for so long

_COUNTED = word_set(
    """dollar dollars cents bucks euro euros pound pounds pence rupees percent times people
    customers items units years months weeks days hours minutes seconds miles kilometers meters feet
    inches degrees percentage points copies shares o'clock am pm a.m p.m thousand million billion
    calls emails pages kids children users"""
)

__all__ = ["EMPTY", "ENTITIES", "CodeListener", "CodeMemory"]


@dataclass(frozen=True, slots=True)
class CodeMemory:
    """The run that a speaker is in the middle of, and what his last announcement led to."""

    run: tuple[SaidWord, ...] = field(default=(), repr=False)
    looked: bool = False  # the run was judged at a short silence
    before: str = field(default="", repr=False)  # the word before the run
    spent: tuple[Topic, float] | None = None


EMPTY = CodeMemory()


@lru_cache(maxsize=65536)
def _goes_on(text: str, before: str) -> bool:
    return all(piece.kind is not Kind.BREAK for piece in split_code(text, before))


class CodeListener:
    """Finds the wanted kinds of codes; holds no memory of any speaker."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._types = tuple(each for each in CODE_TYPES if each.entity in wanted)

    def on_word(
        self, memory: CodeMemory, said: SaidWord, topics: Topics, before: str
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        """Hear one word.

        A word that opens no code (`Form.opens_announced`) tells nothing where no run is open.

        Args:
            memory: Of the speaker.
            said: The word.
            topics: What the talk is about.
            before: The bare form of the speaker's word before it.
        """
        form = said.form
        if not (memory.run or form.opens_announced):
            return memory, ()
        text = said.word.text
        run = memory.run
        found: tuple[Entity, ...] = ()
        if run:
            memory, found = self.on_silence(memory, said.speaker, said.word.span.start_s, topics)
            run = memory.run
        if run:
            last = [each.word.text for each in run[-3:]]
            if len(run) < MAX_RUN_WORDS and (
                _goes_on(text, before) or awaits_example(last) or may_explain(text, last[-1])
            ):
                return CodeMemory((*run, said), False, memory.before, memory.spent), found
            if bare(text).casefold() in _COUNTED:
                memory = CodeMemory(spent=memory.spent)  # "120 dollars"
            memory, more = self.on_end(memory, said.speaker, said.word.span.end_s, topics)
            found += more
        opens = form.opens_code or (
            form.opens_announced and topics(said.ordinal, said.word.span.start_s) is not None
        )
        if self._types and opens:
            return CodeMemory((said,), False, before, memory.spent), found
        return memory, found

    def on_silence(
        self, memory: CodeMemory, speaker: str | None, until_s: float, topics: Topics
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        if not memory.run:
            return memory, ()
        end_s = memory.run[-1].word.span.end_s
        if until_s > end_s + PAUSE_S and not memory.looked:
            found = self._judge(memory, topics, early=True)
            if found is not None:
                return self._spent(memory, found, speaker, end_s + PAUSE_S)
            memory = CodeMemory(memory.run, True, memory.before, memory.spent)
        if until_s > end_s + CLOSE_S:
            return self.on_end(memory, speaker, end_s + CLOSE_S, topics)
        return memory, ()

    def on_end(
        self, memory: CodeMemory, speaker: str | None, at_s: float, topics: Topics
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        """Learn that the speaker went on to something else, or that the call is over."""
        if not memory.run:
            return memory, ()
        found = self._judge(memory, topics, early=False)
        if found is not None:
            return self._spent(memory, found, speaker, at_s)
        return CodeMemory(spent=memory.spent), ()

    def _spent(
        self, memory: CodeMemory, found: _Code, speaker: str | None, at_s: float
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        last = memory.run[-1].word
        spent = memory.spent if found.topic is None else (found.topic, last.span.end_s)
        entity = Found(found.type, found.judgement, found.tokens).entity(speaker, at_s)
        return CodeMemory(spent=spent), (entity,)

    def _judge(self, memory: CodeMemory, topics: Topics, *, early: bool) -> _Code | None:
        first = memory.run[0]
        topic = topics(first.ordinal, first.word.span.start_s)
        if memory.spent is not None and topic is memory.spent[0]:
            since_s = first.word.span.start_s - memory.spent[1]
            topic = None if since_s < SPENT_S else topic
        if topic is None and len(memory.run) == 1 and len(first.word.text) < MIN_ALONE_SYMBOLS:
            return None
        kinds = [kind for kind in self._types if topic in kind.topics or kind.alone]
        if not any(topic in kind.topics for kind in kinds) and not _may_be_alone(memory.run):
            return None
        tokens, spoken = spelled(memory.run, memory.before)
        if not tokens:
            return None
        reading = read(tokens)
        offered = tuple(_trimmed(candidates(reading)))
        restated = bool(reading.corrections)
        best: _Code | None = None
        for kind in kinds:
            if (early and not kind.early) or (kind.spoken_only and not spoken):
                continue
            start = tokens[0]
            near = topics(start.ordinal, start.start_s, kind.reach_words)
            announced = topic in kind.topics and near is topic
            min_symbols = 0 if announced else MIN_ALONE_SYMBOLS
            if not announced and (not kind.alone or topic is Topic.OTHER):
                continue
            for number, candidate in enumerate(offered):
                if len(candidate.digits) < min_symbols:
                    continue
                found = kind.judge(candidate, announced)
                if found is None:
                    continue
                value, score = found
                if restated and number == 0:
                    score -= 0.05  # what was said before it was taken back counts least
                if best is None or score > best.judgement.score:
                    judged = Judgement(candidate=candidate, value=value, score=score)
                    best = _Code(kind.entity, judged, tokens, topic if announced else None)
        return best


@dataclass(frozen=True, slots=True)
class _Code:
    type: str
    judgement: Judgement
    tokens: tuple[Token, ...]
    topic: Topic | None


def _may_be_alone(run: Sequence[SaidWord]) -> bool:
    """Whether a run has letters, or a group of digits as a taxpayer number has, or is one word."""
    return len(run) == 1 or any(_tells(said.word.text) for said in run)


@lru_cache(maxsize=65536)
def _tells(text: str) -> bool:
    return (
        text.startswith("9")
        or bare(text).casefold() in {"nine", "ninety"}
        or any(piece.kind is Kind.LETTER for piece in split_code(text))
    )


def _trimmed(offered: Iterator[Candidate]) -> Iterator[Candidate]:
    """Each candidate, and without an "a" or "I" at its edges that may be a word."""
    for candidate in offered:
        yield candidate
        digits = candidate.digits
        if digits[0].value in {"A", "I"}:
            digits = digits[1:]
        if digits and digits[-1].value in {"A", "I"}:
            digits = digits[:-1]
        if digits and len(digits) < len(candidate.digits):
            yield Candidate(digits, whole=candidate.whole, at_end=candidate.at_end)


def spelled(run: Sequence[SaidWord], before: str = "") -> tuple[tuple[Token, ...], bool]:
    """The tokens of a run up to a word that is no part of a code, and whether any was spoken."""
    tokens: list[Token] = []
    spoken = False
    i = 0
    while i < len(run):
        said = run[i]
        if tokens and tokens[-1].kind is Kind.LETTER:
            texts = [each.word.text for each in run[i : i + 4]]
            explained = n_explaining(texts, tokens[-1].value)
            if explained is not None:
                n, letter = explained
                tokens[-1] = tokens[-1]._replace(value=letter)
                i += n
                continue
        previous = run[i - 1].form.bare if i else before
        after_pause = bool(i) and said.word.span.start_s - run[i - 1].word.span.end_s > PAUSE_S
        for n, piece in enumerate(split_code(said.word.text, previous)):
            if piece.kind is Kind.BREAK:
                return tuple(tokens), spoken
            spoken = spoken or (piece.kind in STARTERS and piece.kind is not Kind.DIGITS)
            tokens.append(said.token(piece, paused=after_pause and n == 0))
        i += 1
    return tuple(tokens), spoken
