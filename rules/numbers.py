"""Hearing numbers: gathers each speaker's digits word by word and decides when to judge them.

All waiting is measured between the times of words, and `HeardUntil` only makes a silence known
sooner, so how words were cut into utterances changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rules.candidates import Candidate, candidates
from rules.detectors import card, ssn
from rules.detectors.verdict import Judgement, Moment, Topic
from rules.said import SaidWord
from rules.spoken import STARTERS, Kind, Token, read, split_word
from rules.topics import OWN_REACH_WORDS
from rules.types import Entity, Span, TextRange

PAUSE_S = 1.5  # a silence after which a complete number is taken as complete
CLOSE_S = 4.0  # a silence after which no more digits are waited for
FORGET_S = 15.0  # a silence after which new digits belong to a new number
MAX_TOKENS = 96  # longer runs are loops of a recogniser, not numbers
MAX_FRAGMENTS = 6
FRAGMENT_GAP_WORDS = 8
MIN_DIGITS = 8
MIN_SURE_DIGITS = 9  # of a number that is complete with its last word


class Topics(Protocol):
    """Tells what a number is about."""

    def __call__(
        self, ordinal: int, start_s: float, reach_words: int = OWN_REACH_WORDS
    ) -> Topic | None:
        """The topic at a number's first word."""
        ...

    def are_of(self, topics: frozenset[Topic]) -> bool:
        """Whether any of these has been talked about lately."""
        ...


_DETECTORS = ((card.ENTITY, card.judge), (ssn.ENTITY, ssn.judge))
_ANNOUNCING = card.ABOUT | ssn.EXPECTED


@dataclass(frozen=True, slots=True)
class NumberMemory:
    """What is remembered of one speaker's digits."""

    run: tuple[Token, ...] = ()
    n_digits: int = 0  # that the run may have at most
    end_s: float = 0.0  # end of the run
    decided: bool = False  # the run has its finding
    overflow: bool = False
    checked: Moment | None = None  # the latest silence at which the run was judged
    fragments: tuple[tuple[Token, ...], ...] = ()  # earlier runs with other words between

    def grown(self, token: Token) -> NumberMemory:
        """With one more token; what was decided of the run stays decided."""
        overflow = self.overflow or len(self.run) >= MAX_TOKENS
        # The last token is kept up to date, so that silence is measured from the end of the run.
        run = (*self.run[:-1], token) if overflow else (*self.run, token)
        return NumberMemory(
            run,
            self.n_digits + (_MULTIPLYING.get(token.kind) or len(token.value)),
            max(self.end_s, token.end_s),
            self.decided,
            overflow,
            None,
            self.fragments,
        )

    def judged(self, *, decided: bool, moment: Moment | None = None) -> NumberMemory:
        """The same run, looked at."""
        return NumberMemory(
            self.run,
            self.n_digits,
            self.end_s,
            decided,
            self.overflow,
            moment or self.checked,
            self.fragments,
        )


EMPTY = NumberMemory()
_MULTIPLYING = {Kind.REPEAT: 4, Kind.PLURAL: 9, Kind.HUNDRED: 2}


class NumberListener:
    """Finds the wanted kinds of numbers; holds no memory of any speaker."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._detectors = tuple((name, judge) for name, judge in _DETECTORS if name in wanted)

    def on_word(
        self, memory: NumberMemory, said: SaidWord, topics: Topics, before: str
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Hear one word.

        A word that opens no number (`Form.opens_number`) tells nothing where no run is open.

        Args:
            memory: Of the speaker.
            said: The word.
            topics: What the talk is about.
            before: The bare form of the speaker's word before it.
        """
        if not self._detectors or not (memory.run or said.form.opens_number):
            return memory, ()
        word = said.word
        start_s, end_s = word.span.start_s, word.span.end_s
        paused = False
        entities: list[Entity] = []
        if memory.run and start_s > memory.end_s + PAUSE_S:
            memory, found = self.on_silence(memory, said.speaker, start_s, topics)
            entities += found
            paused = bool(memory.run)
        grown = False
        for i, piece in enumerate(split_word(word.text, before)):
            if piece.kind is Kind.BREAK or not (memory.run or piece.kind in STARTERS):
                memory, found = self.on_end(memory, said.speaker, end_s, topics)
                entities += found
                grown = False
                continue
            memory = memory.grown(said.token(piece, paused=paused and i == 0))
            grown = True
        if grown and not memory.decided and not memory.overflow:
            judgement = self._judge(memory, topics, Moment.WORD)
            if judgement is not None:
                entities.append(judgement.entity(said.speaker, end_s))
                memory = memory.judged(decided=True)
        return memory, tuple(entities)

    def on_silence(
        self, memory: NumberMemory, speaker: str | None, until_s: float, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        end_s = memory.end_s
        if not memory.run or until_s <= end_s + PAUSE_S:
            return memory, ()
        entities: tuple[Entity, ...] = ()
        if not memory.decided:
            for moment, wait_s in ((Moment.PAUSE, PAUSE_S), (Moment.CLOSED, CLOSE_S)):
                due = until_s > end_s + wait_s and memory.checked is not Moment.CLOSED
                if not due or memory.checked is moment or memory.decided:
                    continue
                judgement = self._judge(memory, topics, moment)
                memory = memory.judged(decided=judgement is not None, moment=moment)
                if judgement is not None:
                    entities = (judgement.entity(speaker, end_s + wait_s),)
        closed = memory.checked is Moment.CLOSED
        if memory.decided or (memory.overflow and closed) or until_s > end_s + FORGET_S:
            memory = EMPTY
        return memory, entities

    def on_end(
        self, memory: NumberMemory, speaker: str | None, at_s: float, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn that the speaker went on to something else, or that the call is over."""
        if not memory.run:
            return memory, ()
        if memory.decided:
            return EMPTY, ()
        judgement = self._judge(memory, topics, Moment.CLOSED)
        if judgement is not None:
            return EMPTY, (judgement.entity(speaker, at_s),)
        if memory.overflow:
            return EMPTY, ()
        return NumberMemory(fragments=(*memory.fragments, memory.run)[-MAX_FRAGMENTS:]), ()

    def _judge(self, memory: NumberMemory, topics: Topics, moment: Moment) -> Found | None:
        if not memory.fragments and memory.n_digits < MIN_DIGITS:
            return None
        if moment is Moment.WORD and not (
            (memory.fragments or memory.n_digits >= MIN_SURE_DIGITS) and topics.are_of(_ANNOUNCING)
        ):
            return None  # only what was announced is complete with its last word
        best: Found | None = None
        for tokens, candidate, at in _possible(memory, moment):
            first = tokens[candidate.digits[0].first]
            topic = topics(first.ordinal, first.start_s)
            for entity_type, judge in self._detectors:
                judgement = judge(candidate, topic, at)
                if judgement and (best is None or judgement.score > best.judgement.score):
                    best = Found(entity_type, judgement, tokens)
        return best


@dataclass(frozen=True, slots=True)
class Found:
    """A number that was found, with the tokens that its candidate was read from."""

    type: str
    judgement: Judgement
    tokens: tuple[Token, ...]

    def entity(self, speaker: str | None, at_s: float) -> Entity:
        """What is reported of it."""
        digits = self.judgement.candidate.digits
        used = [
            self.tokens[i] for i in sorted({i for d in digits for i in range(d.first, d.last + 1)})
        ]
        return Entity(
            type=self.type,
            value=self.judgement.value,
            speaker=speaker,
            span=Span(min(t.start_s for t in used), max(t.end_s for t in used)),
            parts=_parts(used),
            score=self.judgement.score,
            at_s=at_s,
        )


def _possible(
    memory: NumberMemory, moment: Moment
) -> Iterator[tuple[tuple[Token, ...], Candidate, Moment]]:
    reading = read(memory.run)
    if moment is Moment.WORD and (memory.overflow or not reading.settled or reading.corrections):
        return  # how much was taken back shows only when all has been said
    if len(reading.digits) >= MIN_DIGITS:
        for candidate in candidates(reading):
            yield memory.run, candidate, moment
    # Digits in several goes: "first four are …, the next four …". Only what is announced,
    # complete and of valid form counts, which is what `Moment.WORD` asks of a candidate.
    tokens = memory.run
    for fragment in reversed(memory.fragments):
        near = tokens[0].ordinal - fragment[-1].ordinal <= FRAGMENT_GAP_WORDS
        if not near or tokens[0].start_s - fragment[-1].end_s > FORGET_S:
            return
        tokens = (*fragment, tokens[0]._replace(paused=True), *tokens[1:])
        if len(tokens) > MAX_TOKENS:
            return
        digits = read(tokens).digits
        if len(digits) >= MIN_DIGITS:
            yield tokens, Candidate(digits, whole=True, at_end=True), Moment.WORD


def _parts(tokens: Sequence[Token]) -> tuple[TextRange, ...]:
    ranges: dict[str, tuple[int, int]] = {}
    for token in tokens:
        start, end = ranges.get(token.utterance_id, (token.start_chars, token.end_chars))
        ranges[token.utterance_id] = (min(start, token.start_chars), max(end, token.end_chars))
    return tuple(
        TextRange(utterance_id=utterance_id, start_chars=start, end_chars=end)
        for utterance_id, (start, end) in ranges.items()
    )
