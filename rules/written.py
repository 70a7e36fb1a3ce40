"""Hearing what is written or spelled: dates, addresses, phones, accounts, licences, word by word.

A run of words that may belong together is gathered and judged once no next word can extend it: a
word that does not fit, a silence, or the end. How words were cut into utterances changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rules.clues import Clue
from rules.detectors import address, crypto, date, expiry, iban, ip, licence, phone
from rules.detectors.codes import BIRTH
from rules.detectors.passage import Detector, Find, Passage, word_set
from rules.detectors.verdict import Topic
from rules.numbers import Topics
from rules.said import SaidWord, hull
from rules.spelling import spell
from rules.types import Entity, TextRange

PAUSE_S = 1.5  # a silence after which a run is taken as complete
MAX_RUN_WORDS = 40
MIN_CHARS = 3  # of the shortest thing that one word can be: "May"
KEPT_WORDS = 12  # remembered before a run, for what was announced

# Plain numbers: `Clue.X & …` costs a microsecond each time, and most words ask several times.
_GOES_ON = int(Clue.OPENS | Clue.JOINS | Clue.SYMBOL)
_COMPLETE = int(Clue.ATOM | Clue.ENDS)
_SPOKEN = int(Clue.NUMBER | Clue.LETTER)
_SYMBOL, _DOT, _ATOM = int(Clue.SYMBOL), int(Clue.DOT), int(Clue.ATOM)
_MONTH, _NUMBER = int(Clue.MONTH), int(Clue.NUMBER)
_MAIL_HOSTS = word_set(
    """gmail.com googlemail.com yahoo.com ymail.com outlook.com hotmail.com hotmail.co.uk live.com
    msn.com aol.com icloud.com me.com mac.com proton.me protonmail.com gmx.com gmx.de mail.com
    comcast.net verizon.net att.net sbcglobal.net btinternet.com"""
)
_MAIL_WORDS = word_set("email e-mail emails mail mails address write send invoice forward copy cc")
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
        entities: tuple[Entity, ...] = ()
        if run:
            last = run[-1]
            if said.word.span.start_s - last.word.span.end_s > PAUSE_S:
                entities = self._judge(memory, "", last.word.span.end_s + PAUSE_S, topics)
                memory = EMPTY
            elif len(run) < MAX_RUN_WORDS and _goes_on(found, last.form.clue):
                memory = WrittenMemory((*run, said), memory.before)
            else:
                entities = self._judge(memory, form.bare, said.word.span.end_s, topics)
                memory = EMPTY
        if not memory.run:
            if not form.opens_written:
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
        run = memory.run
        alone = run[0].word.text if len(run) == 1 else None
        if alone is not None and (len(alone) < MIN_CHARS or alone in _EVERYDAY):
            return ()
        before = tuple(said.form.bare for said in memory.before)
        passage = Passage(text=" ".join(said.word.text for said in run), before=before, after=after)
        whole = passage
        finds: tuple[Find, ...] = ()
        if any(said.form.clue & _SYMBOL for said in run):
            finds = _spelled(passage)
        passage = passage.without(finds)
        for _, detect in _DETECTORS:
            more = tuple(detect(passage))
            if more:
                finds += more
                passage = passage.without(more)
        if expiry.ENTITY in self._wanted:
            first = run[0]
            if topics(first.ordinal, first.word.span.start_s) is Topic.EXPIRY:
                finds += tuple(expiry.expiries(whole))
        if BIRTH in self._wanted and any(_is_day(find) for find in finds):
            first = run[0]
            if topics(first.ordinal, first.word.span.start_s) is Topic.BIRTH:
                finds += tuple(replace(find, type=BIRTH) for find in finds if _is_day(find))
        return tuple(
            entity_of(find, run, at_s)
            for find in sorted(finds, key=lambda find: find.start)
            if find.type in self._wanted
        )


def _is_day(find: Find) -> bool:
    return find.type == date.ENTITY and find.score >= date.SCORE_DATE


def _goes_on(found: int, last: int) -> bool:
    return bool(found & _GOES_ON) or bool(last & _SYMBOL)


def _n_before(recent: Sequence[SaidWord], said: SaidWord) -> int:
    """How many words before an opening word belong to it."""
    found = said.form.clue
    if not found & (_DOT | _ATOM | _MONTH):
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
    if found & _MONTH:
        return bool(clue & _NUMBER) or text in {"of", "the"}
    return text == "at"  # "somebody at example.com"


def _spelled(passage: Passage) -> tuple[Find, ...]:
    spelling = spell(passage.text)
    finds: tuple[Find, ...] = ()
    spelled = Passage(text=spelling.text, before=passage.before, after=passage.after)
    for _, detect in _SPELLED:
        for find in detect(spelled):
            if find.type == address.EMAIL and not _is_address(find, passage.before):
                # "look at example dot com": the host is still a host
                at = find.start + find.value.index("@")
                text = spelled.text[:at] + " " + spelled.text[at + 1 :]
                spelled = replace(spelled, text=text)
            elif not _is_plain(find):
                finds += (find,)
        spelled = spelled.without(finds)
    return tuple(
        Find(
            find.type,
            spelling.starts[find.start],
            spelling.ends[find.end - 1],
            find.value.casefold(),
            find.score,
        )
        for find in finds
    )


def _is_address(find: Find, before: tuple[str, ...]) -> bool:
    """Whether "somebody at example dot com" is an address, and not a place to look at."""
    local, _, host = find.value.partition("@")
    return (
        host in _MAIL_HOSTS
        or not local.isalpha()
        or not _MAIL_WORDS.isdisjoint(before[-KEPT_WORDS:])
    )


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
