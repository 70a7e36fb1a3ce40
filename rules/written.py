"""Hearing what is written or spelled: dates, addresses, phones, accounts, licences, word by word.

A run of words that may belong together is gathered and judged once no next word can extend it: a
word that does not fit, a silence, or the end. How words were cut into utterances changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from rules.clues import Clue
from rules.detectors import address, birth, crypto, date, expiry, iban, ip, licence, phone
from rules.detectors.codes import BIRTH
from rules.detectors.passage import TAKEN, Detector, Find, Passage
from rules.detectors.verdict import Topic
from rules.numbers import Topics
from rules.remarks import AT_SIGNS, HESITATIONS, comments, has_dot, without_corrections
from rules.said import SaidWord, hull
from rules.spelling import spell
from rules.types import Entity, TextRange

PAUSE_S = 1.5  # a silence after which a run is taken as complete
MAX_RUN_WORDS = 40
MIN_CHARS = 3  # of the shortest thing that one word can be: "May"
KEPT_WORDS = 48  # remembered before a run: a name that is spelled letter by letter is long
TOLD_WORDS = 12  # of these, in which something may have been announced

# Plain numbers: `Clue.X & …` costs a microsecond each time, and most words ask several times.
_OPENS, _ASKED = int(Clue.OPENS), int(Clue.ASKED)
_GOES_ON = int(Clue.OPENS | Clue.JOINS | Clue.SYMBOL)
_COMPLETE = int(Clue.ATOM | Clue.ENDS)
_SPOKEN = int(Clue.NUMBER | Clue.LETTER)
_SYMBOL, _DOT, _ATOM = int(Clue.SYMBOL), int(Clue.DOT), int(Clue.ATOM)
_MONTH, _NUMBER = int(Clue.MONTH), int(Clue.NUMBER)
_EVERYDAY = frozenset({"may", "march", "sat", "sun", "dot"})  # alone they tell nothing
_STOPS = frozenset({"the", "a", "an", "of", "and", "in", "on", "is", "it", "to", "my", "your"})
# In the order in which they take what they find; the phone is last, since so much looks like one.
_DETECTORS: tuple[tuple[str, Detector], ...] = (
    (address.EMAIL, address.emails),
    (address.URL, address.urls),
    (ip.ENTITY, ip.ip_addresses),
    (crypto.ENTITY, crypto.wallets),
    (iban.ENTITY, iban.ibans),
    (date.ENTITY, date.dates),
    (licence.ENTITY, licence.licences),
    (phone.ENTITY, phone.phones),
)
_SPELLED = (
    (address.EMAIL, address.emails),
    (address.URL, address.urls),
    (ip.ENTITY, ip.ip_addresses),
)
ENTITIES = frozenset({BIRTH, expiry.ENTITY, *(name for name, _ in _DETECTORS)})


class WrittenMemory(NamedTuple):
    """The run that a speaker is in the middle of, and the words before it."""

    run: tuple[SaidWord, ...] = ()
    before: tuple[SaidWord, ...] = ()

    def __repr__(self) -> str:
        return "WrittenMemory(…)"  # what was said stays out of logs


EMPTY = WrittenMemory()


class WrittenListener:
    """Finds the wanted kinds of written data; holds no memory of any speaker."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted & ENTITIES

    def on_word(
        self, memory: WrittenMemory, said: SaidWord, topics: Topics, recent: Sequence[SaidWord]
    ) -> tuple[WrittenMemory, tuple[Entity, ...]]:
        """Hear one word.

        A word that opens nothing (`Form.opens_written`) tells nothing where no run is open.

        Args:
            memory: Of the speaker.
            said: The word.
            topics: What the talk is about.
            recent: The speaker's latest words, this one last.
        """
        form = said.form
        run = memory.run
        if not self._wanted or not (run or form.opens_written):
            return memory, ()
        found = form.clue
        if not run and not found & _OPENS and not _is_asked(said, topics, recent):
            return memory, ()
        if run and form.bare in HESITATIONS and not has_dot(run):
            return memory, ()
        entities: tuple[Entity, ...] = ()
        if run:
            last = run[-1]
            if said.word.span.start_s - last.word.span.end_s > PAUSE_S:
                entities = self._judge(memory, "", last.word.span.end_s + PAUSE_S, topics)
                memory = EMPTY
            elif len(run) < MAX_RUN_WORDS and (
                _goes_on(found, last.form.clue) or comments(run, said)
            ):
                memory = WrittenMemory((*run, said), memory.before)
            else:
                entities = self._judge(memory, form.bare, said.word.span.end_s, topics)
                memory = EMPTY
        if not memory.run:
            if not found & _OPENS and not _is_asked(said, topics, recent):
                return EMPTY, entities
            start = len(recent) - 1 - _n_before(recent, said)
            memory = WrittenMemory(
                tuple(recent[start:]), tuple(recent[max(0, start - KEPT_WORDS) : start])
            )
        if found & _COMPLETE:
            entities += self._judge(memory, "", said.word.span.end_s, topics)
            memory = EMPTY
        return memory, entities

    def on_silence(
        self, memory: WrittenMemory, until_s: float, topics: Topics
    ) -> tuple[WrittenMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        if not memory.run:
            return memory, ()
        due_s = memory.run[-1].word.span.end_s + PAUSE_S
        if until_s <= due_s:
            return memory, ()
        return EMPTY, self._judge(memory, "", due_s, topics)

    def on_end(
        self, memory: WrittenMemory, at_s: float, topics: Topics
    ) -> tuple[WrittenMemory, tuple[Entity, ...]]:
        """Learn that nothing more will be said."""
        return EMPTY, self._judge(memory, "", at_s, topics) if memory.run else ()

    def _judge(
        self, memory: WrittenMemory, after: str, at_s: float, topics: Topics
    ) -> tuple[Entity, ...]:
        run = without_corrections(memory.run)
        alone = run[0].word.text if len(run) == 1 else None
        if alone is not None and (len(alone) < MIN_CHARS or alone in _EVERYDAY):
            return ()
        before = tuple(said.form.bare for said in memory.before[-TOLD_WORDS:])
        passage = Passage(text=" ".join(said.word.text for said in run), before=before, after=after)
        whole = passage
        spelled: tuple[Entity, ...] = ()
        if has_dot(run) or _is_host_at(memory):
            passage, spelled = _spelled(passage, memory.before, run, at_s)
        finds: tuple[Find, ...] = ()
        for _, detect in _DETECTORS:
            more = tuple(detect(passage))
            if more:
                finds += more
                passage = passage.without(more)
        finds += tuple(self._called(whole, finds, run[0], topics))
        return tuple(
            entity
            for entity in (
                *spelled,
                *(entity_of(find, run, at_s) for find in sorted(finds, key=lambda f: f.start)),
            )
            if entity.type in self._wanted
        )

    def _called(
        self, passage: Passage, finds: Sequence[Find], first: SaidWord, topics: Topics
    ) -> Iterator[Find]:
        """What the talk calls an expiry date, or a date of birth."""
        topic = topics(first.ordinal, first.word.span.start_s)
        if expiry.ENTITY in self._wanted and (
            topic is Topic.EXPIRY or expiry.is_announced(passage.before)
        ):
            yield from expiry.expiries(passage)
        if BIRTH in self._wanted:
            days = [find for find in finds if _is_day(find)]
            yield from birth.births(passage, days, announced=topic is Topic.BIRTH)


def _is_day(find: Find) -> bool:
    return find.type == date.ENTITY and find.score >= date.SCORE_DATE


def _is_host_at(memory: WrittenMemory) -> bool:
    """Whether a run is an address that was said in part: "jo at gmail.com", "jo dot lee@…"."""
    if not memory.run[-1].form.clue & _ATOM:
        return False
    words = (*memory.before[-1:], *memory.run[:-1])
    return bool(words) and bool(
        words[-1].form.clue & _SYMBOL or words[-1].form.bare in {"sign", "symbol"}
    )


def _is_asked(said: SaidWord, topics: Topics, recent: Sequence[SaidWord]) -> bool:
    """Whether a word that opens a run only at times does so here."""
    clue = said.form.clue
    if not clue & _ASKED:
        return False
    if clue & _DOT:  # "ten point zero", "gmail period com"
        return any(each.form.opens_number or each.form.bare in AT_SIGNS for each in recent[-4:-1])
    return topics(said.ordinal, said.word.span.start_s) is Topic.BIRTH  # "the fifth of the third"


def _goes_on(found: int, last: int) -> bool:
    return bool(found & _GOES_ON) or bool(last & _SYMBOL)


def _n_before(recent: Sequence[SaidWord], said: SaidWord) -> int:
    """How many words before an opening word belong to it."""
    found = said.form.clue
    if not found & (_DOT | _ATOM | _MONTH | _ASKED):
        return 0
    n = 0
    start_s = said.word.span.start_s
    wanted = bool(found & _DOT)  # "dot" needs the word before it, whatever it is
    for other in reversed(recent[-1 - KEPT_WORDS : -1]):
        text = other.word.text
        if start_s - other.word.span.end_s > PAUSE_S or text.endswith((".", "?", "!")):
            break
        clue = other.form.clue
        if not (wanted or _leads_to(found, clue, other.form.bare)):
            break
        wanted = bool(clue & _SYMBOL)
        n += 1
        start_s = other.word.span.start_s
    return n


def _leads_to(found: int, clue: int, text: str) -> bool:
    if found & _DOT:
        return bool(clue & (_SYMBOL | _SPOKEN))
    if found & (_MONTH | _ASKED):
        return bool(clue & _NUMBER) or text in {"of", "the"}
    return text == "at"  # "somebody at example.com"


def _spelled(
    passage: Passage, before: Sequence[SaidWord], run: Sequence[SaidWord], at_s: float
) -> tuple[Passage, tuple[Entity, ...]]:
    """Addresses said aloud, which may begin before the run, and the passage without them."""
    words = (*before, *run)
    text = " ".join(said.word.text for said in words)
    n_before = len(text) - len(passage.text)
    spelling = spell(text)
    spelled = Passage(text=spelling.text, after=passage.after)
    entities: list[Entity] = []
    taken = passage.text
    for _, detect in _SPELLED:
        finds = tuple(detect(spelled))
        spelled = spelled.without(finds)
        for find in finds:
            start, end = spelling.starts[find.start], spelling.ends[find.end - 1]
            if end <= n_before or _is_plain(find):
                continue  # it was told when it was said
            said = Find(find.type, start, end, find.value.casefold(), find.score)
            entities.append(entity_of(said, words, at_s))
            first, last = max(0, start - n_before), end - n_before
            taken = taken[:first] + TAKEN * (last - first) + taken[last:]
    return replace(passage, text=taken), tuple(entities)


def _is_plain(find: Find) -> bool:
    """Whether a host of one word and an ending is ordinary talk, such as "the dot net"."""
    return find.type == address.URL and find.value.partition(".")[0].casefold() in _STOPS


def entity_of(find: Find, run: Sequence[SaidWord], at_s: float) -> Entity:
    """A find in a run of words that are joined by single spaces."""
    parts: dict[str, tuple[int, int]] = {}
    used: list[SaidWord] = []
    start = 0
    for said in run:
        end = start + len(said.word.text)
        if start < find.end and find.start < end:
            first = said.word.start_chars + max(0, find.start - start)
            last = said.word.start_chars + min(end, find.end) - start
            known, _ = parts.get(said.utterance_id, (first, last))
            parts[said.utterance_id] = (known, last)
            used.append(said)
        start = end + 1
    return Entity(
        type=find.type,
        value=find.value,
        speaker=run[0].speaker,
        span=hull(used),
        parts=tuple(
            TextRange(utterance_id=utterance_id, start_chars=first, end_chars=last)
            for utterance_id, (first, last) in parts.items()
        ),
        score=find.score,
        at_s=at_s,
    )
