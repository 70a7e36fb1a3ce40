"""Hearing codes: letters and digits, said or spelled, and judged by what was announced before them.

A run of words that may belong to a code is gathered and read once a silence or another word ends
it. Like the listener for numbers it goes by the times of words alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rules.alphabets import (
    awaits_example,
    bare,
    may_explain,
    n_explaining,
)
from rules.candidates import Candidate, candidates
from rules.detectors.codes import CODE_TYPES, ENTITIES, SCORE_FORM, CodeType
from rules.detectors.passage import word_set
from rules.detectors.verdict import Judgement, Topic
from rules.hesitations import MAX_ASIDE_WORDS, RESUMING, aside, may_be_aside
from rules.numbers import CLOSE_S, FORGET_S, FRAGMENT_GAP_WORDS, PAUSE_S, Found, Topics
from rules.said import SaidWord
from rules.spoken import STARTERS, Kind, Piece, Token, read
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


class CodeMemory(NamedTuple):
    """The run that a speaker is in the middle of, and what his last announcement led to."""

    run: tuple[SaidWord, ...] = ()
    looked: bool = False  # the run was judged at a short silence
    before: str = ""  # the word before the run
    spent: tuple[Topic, float] | None = None  # what the last code was announced as, and when
    past: tuple[SaidWord, ...] = ()  # the last run that led to nothing
    aside: tuple[SaidWord, ...] = ()  # it may be a hesitation

    def __repr__(self) -> str:
        return "CodeMemory(…)"  # what was said stays out of logs


EMPTY = CodeMemory()


def _goes_on(said: SaidWord, before: str) -> bool:
    return all(piece.kind is not Kind.BREAK for piece in said.code_pieces(before))


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
        found: tuple[Entity, ...] = ()
        start_s = said.word.span.start_s
        if memory.run and start_s > memory.run[-1].word.span.end_s + PAUSE_S:
            memory, found = self.on_silence(memory, said.speaker, start_s, topics)
        if memory.run:
            longer = _longer(memory, said, before)
            if longer is not None:
                return longer, found
            if bare(said.word.text).casefold() in _COUNTED:
                memory = CodeMemory(spent=memory.spent)  # "120 dollars"
            memory, more = self.on_end(memory, said.speaker, said.word.span.end_s, topics)
            found += more
        opens = form.opens_code or (
            form.opens_announced and topics(said.ordinal, said.word.span.start_s) is not None
        )
        if self._types and opens and said.code_pieces(before)[0].kind is not Kind.BREAK:
            return CodeMemory((said,), before=before, spent=memory.spent, past=memory.past), found
        return memory, found

    def on_silence(
        self, memory: CodeMemory, speaker: str | None, until_s: float, topics: Topics
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        if not memory.run:
            return memory, ()
        end_s = (memory.aside or memory.run)[-1].word.span.end_s
        if until_s > end_s + PAUSE_S and not memory.looked:
            found = self._judge(memory, topics, early=True)
            if found is not None:
                return self._spent(memory, found, speaker, end_s + PAUSE_S)
            memory = memory._replace(looked=True)
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
        return CodeMemory(spent=memory.spent, past=memory.run), ()

    def on_name(self, memory: CodeMemory, first: int) -> CodeMemory:
        """Learn that the words from an ordinal on name a code: the letters of "C V V" are none."""
        run = tuple(said for said in memory.run if said.ordinal < first)
        return memory if len(run) == len(memory.run) else memory._replace(run=run, aside=())

    def on_label(
        self, memory: CodeMemory, speaker: str | None, at_s: float, label: Topics
    ) -> tuple[CodeMemory, tuple[Entity, ...]]:
        """Learn what the last run was: "…, that's my direct line".

        Args:
            memory: Of the speaker.
            speaker: Identity, or None when unknown.
            at_s: When it was said.
            label: Says the same of every code.
        """
        if memory.run or not memory.past:
            return memory, ()
        past = CodeMemory(memory.past)
        found = self._judge(past, label, early=False)
        return (memory, ()) if found is None else self._spent(past, found, speaker, at_s)

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
        kinds = [kind for kind in self._types if topic in kind.topics]
        if _may_be_alone(memory.run):
            kinds += [kind for kind in self._types if kind.alone and topic not in kind.never_of]
        if not kinds:
            return None
        tokens, spoken = spelled(memory.run, memory.before)
        kinds = [kind for kind in kinds if spoken or not kind.spoken_only]
        if not (tokens and kinds):
            return None
        best = _best(kinds, tokens, topic, topics, early=early)
        if best is not None and best.judgement.score >= SCORE_FORM:
            return best
        return self._in_pieces(memory, tokens, topics) or best

    def _in_pieces(
        self, memory: CodeMemory, tokens: tuple[Token, ...], topics: Topics
    ) -> _Code | None:
        """What the last run and this one are together: "seven one eight, that's Brooklyn, …"."""
        if not memory.past or memory.past[-1].ordinal < tokens[0].ordinal - FRAGMENT_GAP_WORDS:
            return None
        first, last = memory.past[0], memory.past[-1]
        if tokens[0].start_s - last.word.span.end_s > FORGET_S:
            return None
        topic = topics(first.ordinal, first.word.span.start_s)
        kinds = [kind for kind in self._types if kind.pieces and topic in kind.topics]
        if not kinds:
            return None
        earlier, _ = spelled(memory.past)
        both = (*earlier, tokens[0]._replace(paused=True), *tokens[1:])
        found = _best(kinds, both, topic, topics, early=False)
        return found if found is not None and found.judgement.score >= SCORE_FORM else None


def _longer(memory: CodeMemory, said: SaidWord, before: str) -> CodeMemory | None:
    """The run with one more word, None where the word ends it."""
    run = memory.run
    text, said_bare = said.word.text, said.form.bare
    plain = said.form.opens_number and not memory.aside and len(run) < MAX_RUN_WORDS
    if plain and _goes_on(said, before):
        return CodeMemory((*run, said), False, memory.before, memory.spent, memory.past)
    path = tuple(each.form.bare for each in (*memory.aside, said))
    if memory.aside:
        if may_be_aside(path):
            return memory._replace(aside=(*memory.aside, said))
        if aside(path[:-1]) is None:
            return None
        run = (*run, *memory.aside)
        before = ""
    if len(run) >= MAX_RUN_WORDS:
        return None
    last = [each.word.text for each in run[-3:]]
    resumes = said_bare in RESUMING and _takes_back(run)
    if resumes or _goes_on(said, before) or awaits_example(last) or may_explain(text, last[-1]):
        return CodeMemory((*run, said), False, memory.before, memory.spent, memory.past)
    if run[-1].form.bare == "i" and may_be_aside(("i", said_bare)) and len(run) > 1:
        return memory._replace(run=run[:-1], aside=(run[-1], said))
    if may_be_aside((said_bare,)):
        return memory._replace(run=run, aside=(said,))
    return None


def _takes_back(run: Sequence[SaidWord]) -> bool:
    """Whether a run ends in a correction: "no", "sorry", "I mean"."""
    if run[-1].form.code_pieces[-1].kind is Kind.CORRECTION:
        return True
    return _phrase_at(run, len(run) - 2)[1] is Kind.CORRECTION


def _phrase_at(run: Sequence[SaidWord], i: int) -> tuple[int, Kind | None]:
    """How many words from here are a hesitation or take something back, and which it is."""
    if i < 0 or not may_be_aside((run[i].form.bare,)):
        return 0, None
    for n in range(min(MAX_ASIDE_WORDS, len(run) - i), 0, -1):
        kind = aside(tuple(said.form.bare for said in run[i : i + n]))
        if kind is not None:
            return n, kind
    return 0, None


def _best(
    kinds: Sequence[CodeType],
    tokens: tuple[Token, ...],
    topic: Topic | None,
    topics: Topics,
    *,
    early: bool,
) -> _Code | None:
    """The reading that suits one of some kinds best."""
    reading = read(tokens)
    offered = tuple(_trimmed(candidates(reading)))
    restated = bool(reading.corrections)
    start = tokens[0]
    best: _Code | None = None
    for kind in kinds:
        if early and not kind.early:
            continue
        near = topics(start.ordinal, start.start_s, kind.reach_words)
        announced = topic in kind.topics and near is topic
        if not announced and (not kind.alone or restated or topic in kind.never_of):
            continue
        min_symbols = 0 if announced else MIN_ALONE_SYMBOLS
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


class _Code(NamedTuple):
    type: str
    judgement: Judgement
    tokens: tuple[Token, ...]
    topic: Topic | None

    def __repr__(self) -> str:
        return "_Code(…)"  # what was said stays out of logs


def _may_be_alone(run: Sequence[SaidWord]) -> bool:
    """Whether a run has letters, or is grouped as a taxpayer number or a telephone number is."""
    if len(run) == 1 and len(run[0].word.text) < MIN_ALONE_SYMBOLS:
        return False
    return any(_tells(said) for said in run)


def _tells(said: SaidWord) -> bool:
    text, pieces = said.word.text, said.form.code_pieces
    return (
        text.startswith("9")
        or said.form.bare in {"nine", "ninety"}
        or (text.endswith(",") and pieces[-1].kind in STARTERS)
        or any(piece.kind is Kind.LETTER for piece in pieces)
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
        n_aside, kind = (0, None) if said.form.opens_number else _phrase_at(run, i)
        if tokens and kind is not None and (n_aside > 1 or not _goes_on(said, "")):
            tokens.append(said.token(Piece(kind, "", 0, len(said.word.text))))
            i += n_aside
            continue
        if tokens and tokens[-1].kind is Kind.CORRECTION and said.form.bare in RESUMING:
            i += 1
            continue
        previous = run[i - 1].form.bare if i else before
        after_pause = bool(i) and said.word.span.start_s - run[i - 1].word.span.end_s > PAUSE_S
        for n, piece in enumerate(said.code_pieces(previous)):
            if piece.kind is Kind.BREAK:
                return tuple(tokens), spoken
            spoken = spoken or (piece.kind in STARTERS and _is_dictated(piece, said, run[i + 1 :]))
            tokens.append(said.token(piece, paused=after_pause and n == 0))
        i += 1
    return tuple(tokens), spoken


def _is_dictated(piece: Piece, said: SaidWord, rest: Sequence[SaidWord]) -> bool:
    """Whether digits were said one by one or in groups, rather than written as a whole."""
    if piece.kind is not Kind.DIGITS or len(piece.value) == 1:
        return True
    return bool(rest) and said.word.text.endswith((",", ".", ";"))
