"""The engine: events of a call in, hits out. One engine for the live side and for the audit.

`feed` is a pure function of state and event. Words are taken one by one for each speaker, so the
way a recogniser cuts speech into utterances changes no hit, and somebody else's "mm-hm" does not
break a number. Only final utterances count; interim ones are passed over, and a final one that
comes again with the same id is not heard twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rules.detectors import card, ssn
from rules.detectors.verdict import Topic
from rules.numbers import EMPTY, NumberListener, NumberMemory, NumberWord, Topics
from rules.phrases import MAX_PAUSE_S, Match, Partial, Pattern, PhraseMatcher, phrase_words
from rules.rulebook import (
    AbsentCondition,
    Anchor,
    EntityCondition,
    Phrase,
    PhraseCondition,
    Rule,
    Rulebook,
    RuleStatus,
)
from rules.topics import MAX_MARKS, Mark, mark_of, topic_at, topic_patterns
from rules.types import (
    CallEnded,
    Entity,
    Event,
    HeardUntil,
    Hit,
    HitState,
    Participant,
    Role,
    Span,
    TextRange,
    Utterance,
    Word,
)

REMEMBERED_WORDS = 96  # more than any phrase is long
REMEMBERED_IDS = 64
_TOPIC_OWNER = -1
_ABSENT_EXCERPT = "The required phrase was not said in time."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a spoken word stands, and how it reads normalised."""

    words: tuple[str, ...] = field(repr=False)
    utterance_id: str
    start_chars: int
    end_chars: int
    span: Span
    stop: bool  # a sentence ends behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speaker:
    n_words: int = 0
    recent: tuple[_Place, ...] = ()
    partials: tuple[Partial, ...] = ()
    marks: tuple[Mark, ...] = ()
    numbers: NumberMemory = field(default=EMPTY, repr=False)
    # By rule: ordinal of the last word of its last hit.
    last_hits: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    final_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the engine remembers of a call. Immutable: keep one to come back to it."""

    speakers: Mapping[str | None, _Speaker] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    roles: Mapping[str, Role | None] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    first_speech_s: float | None = None
    # By rule: who said the phrase that must not be missing, and when they first had said it.
    notices: tuple[tuple[int, tuple[tuple[str | None, float], ...]], ...] = field(
        default=(), repr=False
    )
    fired: frozenset[int] = frozenset()  # absences that have been reported
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one event led to."""

    state: State
    hits: tuple[Hit, ...]
    entities: tuple[Entity, ...]


class Engine:
    """A rule book, compiled."""

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        timeline: bool = True,
        statuses: Collection[RuleStatus] = (RuleStatus.ACTIVE,),
    ) -> None:
        """Compile the rules.

        Args:
            rulebook: The rules.
            timeline: False for sentences without a call around them: what is missing in them
                means nothing, so rules about absence don't apply.
            statuses: Which rules run; shadow rules run only where a caller asks for them.
        """
        self._rules = tuple(rule for rule in rulebook.rules if rule.status in statuses)
        patterns = topic_patterns(_TOPIC_OWNER)
        self._thresholds: dict[str, float] = {}
        self._absences: dict[int, AbsentCondition] = {}
        self._unless: dict[int, frozenset[str]] = {}
        for i, rule in enumerate(self._rules):
            condition = rule.condition
            match condition:
                case EntityCondition():
                    known = self._thresholds.get(condition.type, 1.0)
                    self._thresholds[condition.type] = min(known, condition.min_score)
                case PhraseCondition():
                    patterns += _patterns(i, condition.any_of)
                    self._unless[i] = frozenset(
                        word for said in condition.unless_before for word in phrase_words(said)
                    )
                case AbsentCondition():
                    if timeline:
                        self._absences[i] = condition
                        patterns += _patterns(i, condition.any_of)
        self._matcher = PhraseMatcher(patterns)
        self._numbers = NumberListener(frozenset(self._thresholds))

    def start(self) -> State:
        """The state of a call in which nothing has happened yet."""
        return State()

    def feed(self, state: State, event: Event) -> Step:
        """Take in one event; events come in the order of time."""
        match event:
            case Participant():
                roles = MappingProxyType({**state.roles, event.identity: event.role})
                return Step(state=replace(state, roles=roles), hits=(), entities=())
            case Utterance():
                return self._utterance(state, event)
            case HeardUntil():
                return self._silence(state, event.at_s, ended=False)
            case CallEnded():
                return self._silence(state, event.at_s, ended=True)

    def _utterance(self, state: State, utterance: Utterance) -> Step:
        memory = state.speakers.get(utterance.speaker, _Speaker())
        if not utterance.is_final or utterance.id in memory.final_ids or state.ended:
            return Step(state=state, hits=(), entities=())
        memory = replace(memory, final_ids=(*memory.final_ids, utterance.id)[-REMEMBERED_IDS:])
        hits: list[Hit] = []
        entities: list[Entity] = []
        others = _other_marks(state, utterance.speaker)
        for word in utterance.words:
            memory, matches = self._heard(memory, utterance, word)
            topics = _topics(memory, others)
            for found in self._phrase_hits(state, memory, utterance.speaker, matches):
                rule_index, last, hit = found
                memory = replace(
                    memory, last_hits=MappingProxyType({**memory.last_hits, rule_index: last})
                )
                hits.append(hit)
            state = self._noticed(state, memory, utterance.speaker, matches)
            said = NumberWord(
                word=word,
                utterance_id=utterance.id,
                speaker=utterance.speaker,
                ordinal=memory.n_words - 1,
            )
            numbers, found_entities = self._numbers.on_word(memory.numbers, said, topics)
            memory = replace(memory, numbers=numbers)
            entities += found_entities
            if state.first_speech_s is None or word.span.start_s < state.first_speech_s:
                state = replace(state, first_speech_s=word.span.start_s)
        speakers = MappingProxyType({**state.speakers, utterance.speaker: memory})
        state = replace(state, speakers=speakers)
        return self._step(state, hits, entities)

    def _heard(
        self, memory: _Speaker, utterance: Utterance, word: Word
    ) -> tuple[_Speaker, tuple[Match, ...]]:
        place = _Place(
            words=phrase_words(word.text),
            utterance_id=utterance.id,
            start_chars=word.start_chars,
            end_chars=word.end_chars,
            span=word.span,
            stop=word.text.rstrip("\"')").endswith((".", "?", "!")),
        )
        partials = memory.partials
        if memory.recent and word.span.start_s - memory.recent[-1].span.end_s > MAX_PAUSE_S:
            partials = ()
        partials, matches = self._matcher.step(partials, place.words, memory.n_words)
        mark = mark_of((m for m in matches if m.pattern.owner == _TOPIC_OWNER), word.span.end_s)
        return replace(
            memory,
            n_words=memory.n_words + 1,
            recent=(*memory.recent[-REMEMBERED_WORDS + 1 :], place),
            partials=partials,
            marks=(*memory.marks, mark)[-MAX_MARKS:] if mark else memory.marks,
        ), matches

    def _phrase_hits(
        self, state: State, memory: _Speaker, speaker: str | None, matches: Iterable[Match]
    ) -> Iterable[tuple[int, int, Hit]]:
        done: set[int] = set()
        for match in matches:
            index = match.pattern.owner
            if index not in self._unless or index in done:
                continue
            rule = self._rules[index]
            if not rule.scope.covers(_role(state, speaker)):
                continue
            if match.first <= memory.last_hits.get(index, -1):
                continue
            if self._taken_back(rule, self._unless[index], memory, match):
                continue
            done.add(index)
            places = _places(memory, match)
            yield (
                index,
                match.last,
                _hit(
                    rule,
                    speaker=speaker,
                    span=_hull(place.span for place in places),
                    parts=_ranges(places),
                    excerpt=match.pattern.text,
                    score=1.0,
                    at_s=places[-1].span.end_s,
                ),
            )

    def _taken_back(
        self, rule: Rule, unless: frozenset[str], memory: _Speaker, match: Match
    ) -> bool:
        condition = rule.condition
        if not unless or not isinstance(condition, PhraseCondition):
            return False
        inside = [word for place in _places(memory, match) for word in place.words]
        for word in phrase_words(match.pattern.text):
            inside.remove(word)
        if unless.intersection(inside):
            return True
        oldest = memory.n_words - len(memory.recent)
        before: list[str] = []
        later_start_s = memory.recent[match.first - oldest].span.start_s
        for place in reversed(memory.recent[: match.first - oldest]):
            if place.stop or later_start_s - place.span.end_s > MAX_PAUSE_S:
                break
            before += reversed(place.words)
            later_start_s = place.span.start_s
            if len(before) >= condition.not_within_words:
                break
        return bool(unless.intersection(before[: condition.not_within_words]))

    def _noticed(
        self, state: State, memory: _Speaker, speaker: str | None, matches: Iterable[Match]
    ) -> State:
        notices = dict(state.notices)
        for match in matches:
            index = match.pattern.owner
            if index in self._absences and index not in state.fired:
                end_s = max(place.span.end_s for place in _places(memory, match))
                by_speaker = dict(notices.get(index, ()))
                if end_s < by_speaker.get(speaker, float("inf")):
                    by_speaker[speaker] = end_s
                    notices[index] = tuple(by_speaker.items())
        if not matches:
            return state
        return replace(state, notices=tuple(notices.items()))

    def _silence(self, state: State, at_s: float, *, ended: bool) -> Step:
        if state.ended:
            return Step(state=state, hits=(), entities=())
        entities: list[Entity] = []
        changed: dict[str | None, _Speaker] = {}
        for speaker, memory in state.speakers.items():
            if not memory.numbers.run:
                continue
            topics = _topics(memory, _other_marks(state, speaker))
            numbers, found = self._numbers.on_silence(memory.numbers, speaker, at_s, topics)
            entities += found
            if ended:
                numbers, found = self._numbers.on_end(numbers, speaker, at_s, topics)
                entities += found
            if numbers is not memory.numbers:
                changed[speaker] = replace(memory, numbers=numbers)
        if changed:
            state = replace(state, speakers=MappingProxyType({**state.speakers, **changed}))
        hits: list[Hit] = []
        for index, condition in self._absences.items():
            hit = self._absence(state, index, condition, at_s)
            if hit is not None:
                hits.append(hit)
                state = replace(state, fired=state.fired | {index})
        return self._step(replace(state, ended=ended), hits, entities)

    def _absence(
        self, state: State, index: int, condition: AbsentCondition, at_s: float
    ) -> Hit | None:
        anchor_s = 0.0 if condition.anchor is Anchor.CALL_START else state.first_speech_s
        if index in state.fired or anchor_s is None or at_s < anchor_s + condition.within_s:
            return None
        deadline_s = anchor_s + condition.within_s
        for speaker, end_s in dict(state.notices).get(index, ()):
            role = _role(state, speaker)
            may_say = not condition.said_by or role is None or role in condition.said_by
            if end_s <= deadline_s and may_say:
                return None
        return _hit(
            self._rules[index],
            speaker=None,
            span=Span(anchor_s, deadline_s),
            parts=(),
            excerpt=_ABSENT_EXCERPT,
            score=1.0,
            at_s=deadline_s,
        )

    def _step(self, state: State, hits: list[Hit], entities: list[Entity]) -> Step:
        reported = tuple(e for e in entities if e.score >= self._thresholds[e.type])
        for entity in reported:
            for rule in self._rules:
                condition = rule.condition
                if (
                    isinstance(condition, EntityCondition)
                    and condition.type == entity.type
                    and entity.score >= condition.min_score
                    and rule.scope.covers(_role(state, entity.speaker))
                ):
                    hits.append(_entity_hit(rule, entity))
        return Step(state=state, hits=tuple(hits), entities=reported)


def _patterns(owner: int, phrases: Iterable[Phrase]) -> list[Pattern]:
    return [Pattern(owner=owner, text=phrase.text, slop=phrase.slop) for phrase in phrases]


def _role(state: State, speaker: str | None) -> Role | None:
    return None if speaker is None else state.roles.get(speaker)


def _other_marks(state: State, speaker: str | None) -> tuple[Mark, ...]:
    return tuple(
        mark
        for other, memory in state.speakers.items()
        if other != speaker
        for mark in memory.marks
    )


def _topics(memory: _Speaker, others: tuple[Mark, ...]) -> Topics:
    def topic_of(ordinal: int, start_s: float) -> Topic | None:
        return topic_at(memory.marks, others, ordinal=ordinal, start_s=start_s)

    return topic_of


def _places(memory: _Speaker, match: Match) -> tuple[_Place, ...]:
    oldest = memory.n_words - len(memory.recent)
    return memory.recent[max(0, match.first - oldest) : match.last - oldest + 1]


def _hull(spans: Iterable[Span]) -> Span:
    known = tuple(spans)
    return Span(min(s.start_s for s in known), max(s.end_s for s in known))


def _ranges(places: Iterable[_Place]) -> tuple[TextRange, ...]:
    ranges: dict[str, tuple[int, int]] = {}
    for place in places:
        start, _ = ranges.get(place.utterance_id, (place.start_chars, 0))
        ranges[place.utterance_id] = (start, place.end_chars)
    return tuple(
        TextRange(utterance_id=utterance_id, start_chars=start, end_chars=end)
        for utterance_id, (start, end) in ranges.items()
    )


def _entity_hit(rule: Rule, entity: Entity) -> Hit:
    shown = {card.ENTITY: card.excerpt, ssn.ENTITY: ssn.excerpt}[entity.type]
    return _hit(
        rule,
        speaker=entity.speaker,
        span=entity.span,
        parts=entity.parts,
        excerpt=shown(entity.value),
        score=entity.score,
        at_s=entity.at_s,
    )


def _hit(
    rule: Rule,
    *,
    speaker: str | None,
    span: Span,
    parts: tuple[TextRange, ...],
    excerpt: str,
    score: float,
    at_s: float,
) -> Hit:
    place = (
        (parts[0].utterance_id, parts[0].start_chars, parts[0].end_chars)
        if parts
        else (f"{span.end_s:.6f}",)
    )
    identity = repr((rule.id, rule.version, speaker, *place))
    return Hit(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        rule_id=rule.id,
        rule_version=rule.version,
        severity=rule.severity,
        speaker=speaker,
        span=span,
        parts=parts,
        excerpt=excerpt,
        score=score,
        state=HitState.CONFIRMED,
        at_s=at_s,
    )
