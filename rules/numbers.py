"""Hearing numbers: gathers each speaker's digits word by word and decides when to judge them.

All waiting is measured between the times of words, and `HeardUntil` only makes a silence known
sooner, so how words were cut into utterances changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from rules.candidates import Candidate, candidates
from rules.detectors import card, ssn
from rules.detectors.verdict import Judgement, Moment, Topic
from rules.hesitations import RESUMING, aside, may_be_aside
from rules.said import SaidWord
from rules.spoken import STARTERS, Kind, Piece, Token, has_sums, read
from rules.topics import OWN_REACH_WORDS
from rules.types import Entity, Span, TextRange

PAUSE_S = 1.5  # a silence after which a complete number is taken as complete
CLOSE_S = 4.0  # a silence after which no more digits are waited for
FORGET_S = 15.0  # a silence after which new digits belong to a new number
MAX_TOKENS = 96  # longer runs are loops of a recogniser, not numbers
MAX_FRAGMENTS = 6
FRAGMENT_GAP_WORDS = 8
MIN_DIGITS = 8


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
_NEAR_SCORES = frozenset({card.SCORE_NEAR, card.SCORE_NEAR_WEAK, ssn.SCORE_NEAR})


class NumberMemory(NamedTuple):
    """What is remembered of one speaker's digits."""

    run: tuple[Token, ...] = ()
    aside: tuple[SaidWord, ...] = ()  # words behind the run that may be a hesitation
    n_digits: int = 0  # that the run may have at most
    end_s: float = 0.0  # end of the run
    decided: bool = False  # the run has its finding
    overflow: bool = False
    checked: Moment | None = None  # the latest silence at which the run was judged
    fragments: tuple[tuple[Token, ...], ...] = ()  # earlier runs with other words between
    near: Found | None = None  # of the last fragment: told if the rest of the number does not come

    def __repr__(self) -> str:
        return "NumberMemory(…)"  # what was said stays out of logs

    @property
    def is_open(self) -> bool:
        """Whether the next word matters, whatever it is."""
        return bool(self.run) or self.near is not None

    def told(self, found: Found, speaker: str | None, at_s: float) -> tuple[Entity, ...]:
        """What is reported with a find: a short number before it, unless it is a part of it."""
        entity = found.entity(speaker, at_s)
        if self.near is None or found.tokens[0].ordinal < self.run[0].ordinal:
            return (entity,)
        return (self.near.entity(speaker, at_s), entity)

    def grown(self, token: Token) -> NumberMemory:
        """With one more token; what was decided of the run stays decided."""
        overflow = self.overflow or len(self.run) >= MAX_TOKENS
        # The last token is kept up to date, so that silence is measured from the end of the run.
        run = (*self.run[:-1], token) if overflow else (*self.run, token)
        return NumberMemory(
            run,
            (),
            self.n_digits + (_MULTIPLYING.get(token.kind) or len(token.value)),
            max(self.end_s, token.end_s),
            self.decided,
            overflow,
            None,
            self.fragments,
            self.near,
        )


EMPTY = NumberMemory()
_MULTIPLYING = {Kind.REPEAT: 4, Kind.PLURAL: 9, Kind.HUNDRED: 2, Kind.THOUSAND: 3}


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
        if not self._detectors or not (memory.is_open or said.form.opens_number):
            return memory, ()
        start_s, end_s = said.word.span.start_s, said.word.span.end_s
        paused = False
        entities: tuple[Entity, ...] = ()
        if start_s > memory.end_s + PAUSE_S:
            memory, entities = self.on_silence(memory, said.speaker, start_s, topics)
            paused = bool(memory.run)
        if memory.near is not None:
            memory, found = self._given_up(memory, said)
            entities += found
        if memory.run and (memory.aside or not _is_plain(memory.run[-1], said)):
            memory, taken, found = self._stepped_aside(memory, said, topics)
            entities += found
            if taken:
                return memory, entities
        grown = False
        for i, piece in enumerate(said.pieces(before)):
            if piece.kind is Kind.BREAK or not (memory.run or piece.kind in STARTERS):
                memory, found = self._broken(memory, said.speaker, end_s, topics)
                entities += found
                grown = False
                continue
            memory = memory.grown(said.token(piece, paused=paused and i == 0))
            grown = True
        if grown and not memory.decided and not memory.overflow:
            judgement = self._judge(memory, topics, Moment.WORD)
            if judgement is not None:
                entities += memory.told(judgement, said.speaker, end_s)
                memory = memory._replace(decided=True, near=None)
        return memory, entities

    def _stepped_aside(
        self, memory: NumberMemory, said: SaidWord, topics: Topics
    ) -> tuple[NumberMemory, bool, tuple[Entity, ...]]:
        """Follow a phrase such as "let me see", and say whether the word belongs to one."""
        path = tuple(each.form.bare for each in (*memory.aside, said))
        if may_be_aside(path) and (len(path) > 1 or not said.form.opens_number):
            return memory._replace(aside=(*memory.aside, said)), True, ()
        found: tuple[Entity, ...] = ()
        if memory.aside:
            kind = aside(path[:-1])
            last = memory.aside[-1]
            if kind is None:
                memory, found = self._taken_up(memory, said, topics)
            else:
                memory = memory.grown(last.token(Piece(kind, "", 0, len(last.word.text))))
        resumes = bool(memory.run) and memory.run[-1].kind is Kind.CORRECTION
        if resumes and path[-1] in RESUMING:
            return memory, True, found
        if memory.run and len(path) > 1 and may_be_aside(path[-1:]):
            return memory._replace(aside=(said,)), True, found
        return memory, False, found

    def _taken_up(
        self, memory: NumberMemory, said: SaidWord, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Take the words aside for what they are: they were no phrase after all."""
        for each in memory.aside:
            for piece in each.form.pieces:
                if piece.kind is Kind.BREAK:
                    return self._broken(memory, said.speaker, said.word.span.end_s, topics)
                memory = memory.grown(each.token(piece))
        return memory, ()

    def _given_up(
        self, memory: NumberMemory, said: SaidWord
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Tell of a number that stayed short, when nothing more can come of it."""
        if memory.near is None or memory.run:
            return memory, ()
        if said.ordinal - memory.fragments[-1][-1].ordinal <= FRAGMENT_GAP_WORDS:
            return memory, ()
        entity = memory.near.entity(said.speaker, said.word.span.end_s)
        return EMPTY, (entity,)

    def on_silence(
        self, memory: NumberMemory, speaker: str | None, until_s: float, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        end_s = memory.end_s
        if not memory.is_open or until_s <= end_s + PAUSE_S:
            return memory, ()
        entities: tuple[Entity, ...] = ()
        if memory.near is not None and not memory.run:
            if until_s <= end_s + CLOSE_S:
                return memory, ()
            return EMPTY, (memory.near.entity(speaker, end_s + CLOSE_S),)
        if not memory.decided:
            for moment, wait_s in ((Moment.PAUSE, PAUSE_S), (Moment.CLOSED, CLOSE_S)):
                due = until_s > end_s + wait_s and memory.checked is not Moment.CLOSED
                if not due or memory.checked is moment or memory.decided:
                    continue
                judgement = self._judge(memory, topics, moment)
                memory = memory._replace(checked=moment, decided=judgement is not None)
                if judgement is not None:
                    entities = memory.told(judgement, speaker, end_s + wait_s)
                    memory = memory._replace(near=None)
        closed = memory.checked is Moment.CLOSED
        if closed and memory.near is not None and not memory.decided:
            entities += (memory.near.entity(speaker, end_s + CLOSE_S),)
            memory = memory._replace(near=None)
        if memory.decided or (memory.overflow and closed) or until_s > end_s + FORGET_S:
            memory = EMPTY
        return memory, entities

    def _broken(
        self, memory: NumberMemory, speaker: str | None, at_s: float, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn that the speaker went on to something else, but may yet come back to the number."""
        if not memory.run:
            return memory, ()
        if memory.decided:
            return EMPTY, ()
        judgement = self._judge(memory, topics, Moment.CLOSED)
        near = memory.near
        if judgement is not None:
            if not judgement.is_near:
                return EMPTY, memory.told(judgement, speaker, at_s)
            near = judgement
        if memory.overflow:
            return EMPTY, () if near is None else (near.entity(speaker, at_s),)
        fragments = (*memory.fragments, memory.run)[-MAX_FRAGMENTS:]
        return NumberMemory(end_s=memory.end_s, fragments=fragments, near=near), ()

    def on_end(
        self, memory: NumberMemory, speaker: str | None, at_s: float, topics: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn that the call is over."""
        memory, found = self._broken(memory, speaker, at_s, topics)
        if memory.near is not None:
            found += (memory.near.entity(speaker, at_s),)
        return EMPTY, found

    def on_label(
        self, memory: NumberMemory, speaker: str | None, at_s: float, label: Topics
    ) -> tuple[NumberMemory, tuple[Entity, ...]]:
        """Learn what the last run was: "…, that's the debit card".

        Args:
            memory: Of the speaker.
            speaker: Identity, or None when unknown.
            at_s: When it was said.
            label: Says the same of every number.
        """
        if memory.run or not memory.fragments or not self._detectors:
            return memory, ()
        run = memory.fragments[-1]
        n_digits = sum(_MULTIPLYING.get(token.kind) or len(token.value) for token in run)
        last = NumberMemory(run=run, n_digits=n_digits, fragments=memory.fragments[:-1])
        judgement = self._judge(last, label, Moment.CLOSED)
        if judgement is None:
            return memory, ()
        return EMPTY, (judgement.entity(speaker, at_s),)

    def _may_be_complete(self, memory: NumberMemory, topics: Topics) -> bool:
        """Whether a run may be complete with its last word: only what was announced ever is."""
        if memory.fragments or memory.n_digits >= card.MIN_DIGITS:
            return topics.are_of(_ANNOUNCING)
        return memory.n_digits >= ssn.N_DIGITS and topics.are_of(ssn.EXPECTED)

    def _judge(self, memory: NumberMemory, topics: Topics, moment: Moment) -> Found | None:
        if not memory.fragments and memory.n_digits < MIN_DIGITS:
            return None
        if moment is Moment.WORD:
            if not self._may_be_complete(memory, topics):
                return None
        elif not (memory.fragments or topics.are_of(_ANNOUNCING)) and _is_of_no_length(memory):
            return None
        best: Found | None = None
        for tokens, candidate, at in _possible(memory, moment):
            first = tokens[candidate.digits[0].first]
            topic = topics(first.ordinal, first.start_s)
            for entity_type, judge in self._detectors:
                judgement = judge(candidate, topic, at)
                if judgement and (best is None or judgement.score > best.judgement.score):
                    best = Found(entity_type, judgement, tokens)
        return best


class Found(NamedTuple):
    """A number that was found, with the tokens that its candidate was read from."""

    type: str
    judgement: Judgement
    tokens: tuple[Token, ...]

    def __repr__(self) -> str:
        return "Found(…)"  # what was said stays out of logs

    @property
    def is_near(self) -> bool:
        """Whether digits seem to be missing."""
        return self.judgement.score in _NEAR_SCORES

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


def _is_plain(last: Token, said: SaidWord) -> bool:
    """Whether a word goes on with a number and can be nothing else."""
    return said.form.opens_number and last.kind is not Kind.CORRECTION


def _without_oh(fragment: tuple[Token, ...]) -> tuple[Token, ...]:
    """A fragment without an interjection at its end: "four seven three, oh, the kettle …"."""
    apart = len(fragment) > 1 and fragment[-1].kind is Kind.OH and fragment[-2].comma
    return fragment[:-1] if apart else fragment


def _unmerged(run: Sequence[Token]) -> Iterator[int]:
    """Where "ninety four" may be 90 and 4."""
    for i, (token, following) in enumerate(pairwise(run)):
        pair = token.kind is Kind.TENS and following.kind is Kind.UNIT
        if pair and not (token.comma or following.joined or following.value == "0"):
            yield i


_ONE_BY_ONE = frozenset({Kind.UNIT, Kind.OH, Kind.FILLER, Kind.SEPARATOR})
_IN_GROUPS = frozenset({Kind.DIGITS, Kind.FILLER, Kind.SEPARATOR})


def _is_of_no_length(memory: NumberMemory) -> bool:
    """Whether digits are too many or too few for what counts unannounced.

    Only where they can be counted without reading them, and where no number begins within them.
    """
    kinds = {token.kind for token in memory.run}
    return (
        memory.n_digits < card.MIN_DIGITS
        and memory.n_digits != ssn.N_DIGITS
        and (kinds <= _ONE_BY_ONE or kinds <= _IN_GROUPS)
        and not any(token.paused for token in memory.run)
        and not any(token.stop for token in memory.run[:-1])
    )


def _possible(
    memory: NumberMemory, moment: Moment
) -> Iterator[tuple[tuple[Token, ...], Candidate, Moment]]:
    reading = read(memory.run)
    if moment is Moment.WORD and (memory.overflow or not reading.settled or reading.corrections):
        return  # how much was taken back shows only when all has been said
    if len(reading.digits) >= MIN_DIGITS:
        # "Five thousand to twelve thousand" are no digits of a number that is nearly complete.
        at = Moment.PIECES if has_sums(memory.run) and moment is not Moment.WORD else moment
        for candidate in candidates(reading):
            yield memory.run, candidate, at
    if moment is not Moment.WORD and has_sums(memory.run):
        for candidate in candidates(read(memory.run, sums=False)):
            yield memory.run, candidate, Moment.WORD  # a check digit must bear it out
    if moment is not Moment.WORD:
        for i in _unmerged(memory.run):
            apart = (*memory.run[:i], memory.run[i]._replace(comma=True), *memory.run[i + 1 :])
            for candidate in candidates(read(apart)):
                yield apart, candidate, Moment.PAIRS
    # Digits in several goes: "first four are …, the next four …". Only what is complete and of
    # valid form counts, which is what `Moment.WORD` and `Moment.PIECES` ask of a candidate.
    tokens = memory.run
    for fragment in reversed(memory.fragments):
        near = tokens[0].ordinal - fragment[-1].ordinal <= FRAGMENT_GAP_WORDS
        if not near or tokens[0].start_s - fragment[-1].end_s > FORGET_S:
            return
        tokens = (*_without_oh(fragment), tokens[0]._replace(paused=True), *tokens[1:])
        if len(tokens) > MAX_TOKENS:
            return
        digits = read(tokens).digits
        if len(digits) >= MIN_DIGITS:
            at = Moment.WORD if moment is Moment.WORD else Moment.PIECES
            yield tokens, Candidate(digits, whole=True, at_end=True), at


def _parts(tokens: Sequence[Token]) -> tuple[TextRange, ...]:
    ranges: dict[str, tuple[int, int]] = {}
    for token in tokens:
        start, end = ranges.get(token.utterance_id, (token.start_chars, token.end_chars))
        ranges[token.utterance_id] = (min(start, token.start_chars), max(end, token.end_chars))
    return tuple(
        TextRange(utterance_id=utterance_id, start_chars=start, end_chars=end)
        for utterance_id, (start, end) in ranges.items()
    )
