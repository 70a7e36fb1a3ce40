"""The engine: events of a call in, hits out. One engine for the live side and for the audit.

`feed` is a pure function of state and event. Words are taken one by one for each speaker, so the
way a recogniser cuts speech into utterances changes no hit, and somebody else's "mm-hm" does not
break a number. Interim utterances are heard on trial: what they would lead to are provisional hits,
which the final words confirm or retract. A final utterance that comes again is not heard twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rules import streets
from rules.codes import CodeListener
from rules.conditions import DigitsCondition, EntityCondition, SimilarCondition
from rules.conduct import Conduct, SpeakerConduct, closed, heard
from rules.detectors import date, expiry
from rules.detectors.codes import COMPANIONS
from rules.digits import DigitRun, on_end, on_silence, on_word
from rules.entities import NAME_TYPES, excerpt_of
from rules.hearing import REMEMBERED_IDS, Hearing, OpenHearing
from rules.hits import Past, Provisional, confirmed, hit_of, is_new, remembered
from rules.lemmas import lemma
from rules.names import NameListener
from rules.numbers import NumberListener
from rules.overlaps import without_overlaps
from rules.patterns import Window
from rules.phrases import MAX_PAUSE_S, Match, PhraseMatcher, phrase_words
from rules.plan import Node, planned
from rules.rulebook import Rule, Rulebook, RuleStatus
from rules.said import SaidWord, before_of, form_of, hull, ranges
from rules.similarity import MAX_SENTENCE_WORDS, OVERLAP_WORDS, PAUSE_S, Embedder, examples_of
from rules.similarity import NEAR_MISS_RATIO as NEAR_MISS
from rules.topics import Label, Mark, Talk, is_label, mark_of, marked, topic_patterns
from rules.trace import Trace, Verdict
from rules.types import (
    CallEnded,
    Entity,
    Event,
    HeardUntil,
    Hit,
    HitState,
    Participant,
    Role,
    Utterance,
)
from rules.watchers.occurrence import Occurrence
from rules.watchers.watcher import Outcome
from rules.written import WrittenListener

MAX_REPORTED = 8  # places of a speaker where personal data was found, the latest
SETTLE_S = 6.0  # after final words, until a provisional hit that waits for more is taken back
SURE_SCORE = 0.9  # a surer entity does not wait for what the next words bring
MIN_REPORTED_SCORE = 0.5  # of what no rule asks for
SCORE_ALIKE = 0.8  # of a phrase of which a word was only alike
_TOPIC_OWNER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the engine remembers of a call. Immutable: keep one to come back to it."""

    speakers: Mapping[str | None, Hearing] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    participants: Mapping[str, Participant] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    first_speech_s: float | None = None
    turn: int = -1  # number of the present turn
    turn_of: str | None = None
    conduct: Conduct = field(default_factory=Conduct, repr=False)
    memories: Mapping[int, Any] = field(  # by node
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    past: Mapping[tuple[int, str | None], tuple[Past, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    provisional: tuple[Provisional, ...] = ()
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
        entities: Collection[str] = (),
        trace: Trace | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Compile the rules.

        Args:
            rulebook: The rules.
            timeline: False for sentences without a call around them: what is missing in them
                means nothing, so conditions about absence and conduct never hit.
            statuses: Which rules run; shadow rules run only where a caller asks for them.
            entities: Types of personal data to report although no rule asks for them.
            trace: Is told of everything that a condition finds or passes over, for explanations.
            embedder: Needed where a rule that runs has a `similar` condition.

        Raises:
            RuleInputError: such a rule, and no embedder; or names are asked for, and the language
                model is not installed.
        """
        self._trace = trace
        self._plan = planned(
            [rule for rule in rulebook.rules if rule.status in statuses], timeline=timeline
        )
        self._thresholds = dict.fromkeys(entities, MIN_REPORTED_SCORE)
        for name, score in self._plan.thresholds.items():
            self._thresholds[name] = min(score, self._thresholds.get(name, 1.0))
        self._matcher = PhraseMatcher(
            [*topic_patterns(_TOPIC_OWNER), *self._plan.patterns],
            lemma if self._plan.has_lemmas else None,
        )
        self._numbers = NumberListener(frozenset(self._thresholds))
        self._written = WrittenListener(frozenset(self._thresholds))
        self._codes = CodeListener(frozenset(self._thresholds))
        self._has_streets = streets.ENTITY in self._thresholds
        self._has_names = not NAME_TYPES.isdisjoint(self._thresholds)
        self._hears_all = self._has_streets or self._has_names
        self._names = NameListener(frozenset(self._thresholds))
        self._examples = examples_of(self._plan, embedder)
        self._patient = {
            node.rule_index
            for node in self._plan.nodes
            if isinstance(node.condition, EntityCondition | DigitsCondition | SimilarCondition)
            or (node.watcher and node.watcher.on_words)
        }

    def start(self) -> State:
        """The state of a call in which nothing has happened yet."""
        return State()

    def feed(self, state: State, event: Event) -> Step:
        """Take in one event; events come in the order of time."""
        match event:
            case Participant():
                known = MappingProxyType({**state.participants, event.identity: event})
                return Step(state=replace(state, participants=known), hits=(), entities=())
            case Utterance() if self._is_old(state, event):
                return Step(state=state, hits=(), entities=())
            case Utterance(is_final=True):
                return self._final(state, event)
            case Utterance():
                return self._interim(state, event)
            case HeardUntil() | CallEnded():
                return self._silence(state, event.at_s, ended=isinstance(event, CallEnded))

    def _is_old(self, state: State, utterance: Utterance) -> bool:
        known = state.speakers.get(utterance.speaker)
        return state.ended or (known is not None and utterance.id in known.final_ids)

    def _final(self, state: State, utterance: Utterance) -> Step:
        work = _Work(self, state)
        work.hear(utterance)
        hits, open_ones = confirmed(work.hits, state.provisional)
        kept: list[Provisional] = []
        for each in open_ones:
            if each.utterance_id != utterance.id:
                kept.append(each)
            elif self._may_still_come(each):
                kept.append(replace(each, final_end_s=utterance.span.end_s))
            else:
                hits.append(each.retracted(utterance.span.end_s))
        after = work.state(tuple(kept))
        return Step(state=after, hits=tuple(hits), entities=tuple(work.entities))

    def _may_still_come(self, provisional: Provisional) -> bool:
        return any(self._plan.rules[i].id == provisional.hit.rule_id for i in self._patient)

    def _interim(self, state: State, utterance: Utterance) -> Step:
        trial = _Work(self, state)
        trial.hear(utterance)
        new: list[Provisional] = []
        for hit in trial.hits:
            known = any(p.means(hit) for p in (*state.provisional, *new))
            if not known:
                guess = replace(hit, state=HitState.PROVISIONAL)
                new.append(Provisional(utterance_id=utterance.id, hit=guess))
        if not new:
            return Step(state=state, hits=(), entities=())
        after = replace(state, provisional=(*state.provisional, *new))
        return Step(state=after, hits=tuple(p.hit for p in new), entities=())

    def _silence(self, state: State, at_s: float, *, ended: bool) -> Step:
        if state.ended:
            return Step(state=state, hits=(), entities=())
        work = _Work(self, state)
        work.pass_time(at_s, ended=ended)
        hits, open_ones = confirmed(work.hits, state.provisional)
        over = [
            p
            for p in open_ones
            if ended or (p.final_end_s is not None and at_s > p.final_end_s + SETTLE_S)
        ]
        hits += [p.retracted(at_s) for p in over]
        kept = tuple(p for p in open_ones if p not in over)
        after = work.state(kept)
        return Step(state=after, hits=tuple(hits), entities=tuple(work.entities))


class _Work:
    """One event's work on a copy of the state."""

    def __init__(self, engine: Engine, state: State) -> None:
        self._engine = engine
        self._plan = engine._plan
        self._state = state
        self._speakers = state.speakers
        self._open: dict[str | None, OpenHearing] = {}
        self._memories = dict(state.memories)
        self._past = dict(state.past)
        self._ended = state.ended
        self._turn, self._turn_of = state.turn, state.turn_of
        self.first_speech_s = state.first_speech_s
        self.conduct = state.conduct
        self.hits: list[Hit] = []
        self.entities: list[Entity] = []

    def state(self, provisional: tuple[Provisional, ...]) -> State:
        """The state after the work."""
        speakers = {
            **self._speakers,
            **{speaker: memory.closed() for speaker, memory in self._open.items()},
        }
        return State(
            speakers=MappingProxyType(speakers),
            participants=self._state.participants,
            first_speech_s=self.first_speech_s,
            turn=self._turn,
            turn_of=self._turn_of,
            conduct=self.conduct,
            memories=MappingProxyType(self._memories),
            past=MappingProxyType(self._past),
            provisional=provisional,
            ended=self._ended,
        )

    def _opened(self, speaker: str | None) -> OpenHearing:
        memory = self._open.get(speaker)
        if memory is None:
            memory = self._open[speaker] = self._speakers.get(speaker, _NOBODY).opened()
        return memory

    def may_be(self, speaker: str | None, roles: tuple[Role, ...]) -> bool:
        """Whether a speaker has one of the roles, or a role that nobody knows."""
        known = None if speaker is None else self._state.participants.get(speaker)
        return not roles or known is None or known.role is None or known.role in roles

    def hear(self, utterance: Utterance) -> None:
        """Take in final words, or interim ones on trial."""
        speaker = utterance.speaker
        memory = self._opened(speaker)
        memory.final_ids = (*memory.final_ids, utterance.id)[-REMEMBERED_IDS:]
        if speaker != self._turn_of or self._turn < 0:
            self._turn, self._turn_of = self._turn + 1, speaker
        talk = self._talk(memory, speaker)
        plan, step = self._plan, self._engine._matcher.step
        recent, turn, utterance_id = memory.recent, self._turn, utterance.id
        hears_all = self._engine._hears_all
        for word in utterance.words:
            start_s = word.span.start_s
            ordinal = memory.n_words
            form = form_of(word.text)
            said = SaidWord(word, utterance_id, speaker, ordinal, turn, form)
            for node in plan.on_words:
                if node.watcher is not None and self._memories.get(node.number) is not None:
                    known = self._memories[node.number]
                    self._done(node, node.watcher.pass_word(known, speaker, ordinal, start_s))
            if memory.sentence_from is not None:
                self._pause(memory, speaker, start_s)
            if memory.partials and start_s - recent[-1].word.span.end_s > MAX_PAUSE_S:
                memory.partials = ()
            memory.partials, matches = step(memory.partials, form.words, ordinal)
            memory.n_words = ordinal + 1
            recent.append(said)
            if self.first_speech_s is None or start_s < self.first_speech_s:
                self.first_speech_s = start_s
            if matches:
                topical = [m for m in matches if m.pattern.owner == _TOPIC_OWNER]
                mark = mark_of(topical, word.span.end_s)
                if mark is not None:
                    memory.marks = talk.own = marked(memory.marks, mark)
                    self._label(memory, speaker, mark)
                if len(topical) < len(matches):
                    self._phrases(memory, speaker, matches)
            if plan.regexes:
                self._regexes(memory, speaker)
            if memory.is_open or hears_all or not form.opens_nothing:
                self._listen(memory, said, talk)
            if plan.similar:
                self._go_on(memory, speaker, said)
        self._behaved(utterance)

    def _listen(self, memory: OpenHearing, said: SaidWord, talk: Talk) -> None:
        """Hear a word for personal data: where a run is open, or one may begin with it."""
        engine, form = self._engine, said.form
        found: tuple[Entity, ...] = ()
        if memory.numbers.is_open or form.opens_number:
            before = before_of(memory.recent)
            memory.numbers, found = engine._numbers.on_word(memory.numbers, said, talk, before)
            if self._plan.digits:
                memory.digits, runs = on_word(memory.digits, said, before)
                self._digits(said.speaker, runs)
        elif memory.digits.run:
            memory.digits, runs = on_word(memory.digits, said, before_of(memory.recent))
            self._digits(said.speaker, runs)
        if memory.written.run or form.opens_written:
            read = engine._written.on_word
            memory.written, more = read(memory.written, said, talk, memory.recent)
            found += more
        if memory.codes.run or form.opens_announced:
            before = before_of(memory.recent)
            memory.codes, more = engine._codes.on_word(memory.codes, said, talk, before)
            found += more
        if engine._has_names:
            memory.names, more = engine._names.on_word(memory.names, said)
            found += more
        if engine._has_streets:
            found += streets.street_addresses(memory.recent)
        if found or memory.held:
            self._weigh(memory, found)
        memory.is_open = memory.listens()

    def _label(self, memory: OpenHearing, speaker: str | None, mark: Mark) -> None:
        """Tell what was said before what it was: "…, that's my direct line"."""
        past, fragments = memory.codes.past, memory.numbers.fragments
        last = max(past[-1].ordinal if past else -1, fragments[-1][-1].ordinal if fragments else -1)
        if last < 0:
            return
        between = memory.places(last + 1, mark.first - 1)
        if not is_label([said.form.bare for said in between]):
            return
        label, at_s = Label(mark.topic), mark.end_s
        engine = self._engine
        memory.numbers, found = engine._numbers.on_label(memory.numbers, speaker, at_s, label)
        memory.codes, more = engine._codes.on_label(memory.codes, speaker, at_s, label)
        if found or more:
            self._weigh(memory, (*found, *more))

    def _talk(self, memory: OpenHearing, speaker: str | None) -> Talk:
        others: tuple[Mark, ...] = ()
        for other, known in self._speakers.items():
            if other != speaker:
                others += known.marks
        return Talk(memory.marks, others)

    def _behaved(self, utterance: Utterance) -> None:
        end_s = max(word.span.end_s for word in utterance.words) if utterance.words else None
        if end_s is None:
            return
        speakers = self.conduct.speakers
        if self._plan.has_metrics:
            own = speakers.get(utterance.speaker, SpeakerConduct())
            own = heard(own, utterance.words, mood=True)
            speakers = MappingProxyType({**speakers, utterance.speaker: own})
        last_end_s = max(self.conduct.last_end_s or 0.0, end_s)
        self.conduct = Conduct(speakers=speakers, last_end_s=last_end_s)

    def pass_time(self, at_s: float, *, ended: bool) -> None:
        """Learn that everything before `at_s` has been heard."""
        self._ended = ended
        for speaker in self._speakers:
            idle = self._speakers[speaker]
            if not (idle.listens() or idle.sentence_from is not None or ended):
                continue
            memory = self._opened(speaker)
            talk = self._talk(memory, speaker)
            numbers, written = self._engine._numbers, self._engine._written
            codes, called = self._engine._codes, self._engine._names
            memory.numbers, found = numbers.on_silence(memory.numbers, speaker, at_s, talk)
            memory.written, more = written.on_silence(memory.written, at_s, talk)
            memory.codes, also = codes.on_silence(memory.codes, speaker, at_s, talk)
            memory.names, names = called.on_silence(memory.names, at_s)
            self._weigh(memory, (*found, *more, *also, *names))
            self._pause(memory, speaker, at_s, ended=ended)
            if ended:
                memory.numbers, found = numbers.on_end(memory.numbers, speaker, at_s, talk)
                memory.written, more = written.on_end(memory.written, at_s, talk)
                memory.codes, also = codes.on_end(memory.codes, speaker, at_s, talk)
                memory.names, names = called.on_end(memory.names, at_s)
                self._weigh(memory, (*found, *more, *also, *names))
            if self._plan.digits:
                memory.digits, runs = on_silence(memory.digits, at_s)
                self._digits(speaker, runs)
                if ended:
                    memory.digits, runs = on_end(memory.digits, at_s)
                    self._digits(speaker, runs)
        if ended and self._plan.has_metrics:
            speakers = {who: closed(own) for who, own in self.conduct.speakers.items()}
            self.conduct = replace(self.conduct, speakers=MappingProxyType(speakers))
        for node in self._plan.on_time:
            if node.watcher is not None:
                known = self._memories.get(node.number)
                self._done(node, node.watcher.pass_time(known, at_s, self, ended=ended))

    # What conditions without parts find

    def _phrases(self, memory: OpenHearing, speaker: str | None, matches: Iterable[Match]) -> None:
        done: set[int] = set()
        for match in matches:
            number = match.pattern.owner
            if number == _TOPIC_OWNER or number in done:
                continue
            node = self._plan.nodes[number]
            if not self._is_next(node, speaker, match.first):
                continue
            done.add(number)
            if not self._covers(node, speaker):
                self._tell(node, Verdict.OUT_OF_SCOPE, match.pattern.text)
                continue
            if self._taken_back(node, memory, match):
                self._tell(node, Verdict.TAKEN_BACK, match.pattern.text)
                done.discard(number)  # another phrase that ends here may stand
                continue
            score = 1.0 if match.exact else SCORE_ALIKE
            self._said(node, memory, speaker, match.first, match.last, match.pattern.text, score)

    def _taken_back(self, node: Node, memory: OpenHearing, match: Match) -> bool:
        unless = self._plan.unless_before.get(node.number)
        if not unless:
            return False
        inside = [w for said in memory.places(match.first, match.last) for w in said.form.words]
        for word in phrase_words(match.pattern.text):
            if word in inside:
                inside.remove(word)
        n_words = getattr(node.condition, "not_within_words", 0)
        return bool(
            unless.intersection(inside)
            or unless.intersection(memory.words_before(match.first, n_words))
        )

    def _regexes(self, memory: OpenHearing, speaker: str | None) -> None:
        window = Window(memory.recent)
        for leaf in self._plan.regexes:
            found = leaf.search(window)
            if found is None:
                continue
            node = self._plan.nodes[leaf.number]
            offset = memory.n_words - len(window.starts)
            first, last = found[0] + offset, found[1] + offset
            if self._is_next(node, speaker, first) and self._covers(node, speaker):
                self._said(node, memory, speaker, first, last, "(a pattern)", 1.0)

    def _go_on(self, memory: OpenHearing, speaker: str | None, said: SaidWord) -> None:
        """Take a word into the open sentence, which may be over with it."""
        first = memory.n_words - 1 if memory.sentence_from is None else memory.sentence_from
        memory.sentence_from = first
        if said.form.stop:
            memory.sentence_from = None
        elif memory.n_words - first == MAX_SENTENCE_WORDS:
            memory.sentence_from = memory.n_words - OVERLAP_WORDS
        else:
            return
        self._similar(memory, speaker, first, said.word.span.end_s)

    def _pause(
        self, memory: OpenHearing, speaker: str | None, until_s: float, *, ended: bool = False
    ) -> None:
        """End the open sentence if its speaker was silent for long before `until_s`."""
        if memory.sentence_from is None:
            return
        due_s = memory.recent[-1].word.span.end_s + PAUSE_S
        if ended or until_s > due_s:
            first, memory.sentence_from = memory.sentence_from, None
            self._similar(memory, speaker, first, min(due_s, until_s))

    def _similar(self, memory: OpenHearing, speaker: str | None, first: int, at_s: float) -> None:
        """Hold the sentence that ends with the latest word against the rules' examples."""
        examples, trace = self._engine._examples, self._engine._trace
        nodes = [n for n in self._plan.similar if trace is not None or self._covers(n, speaker)]
        words = [said.word.text for said in memory.places(first, memory.n_words - 1)]
        if examples is None:
            return
        for number, close in examples.compare(words, [node.number for node in nodes]):
            node = self._plan.nodes[number]
            excerpt, score = f"like {close.example!r}", max(0.0, min(1.0, close.similarity))
            start, end = first + close.first, first + close.last
            if not close.is_met:
                limit = getattr(node.condition, "min_similarity", 0.0)
                if close.similarity > limit - NEAR_MISS:
                    verdict = Verdict.UNLIKE if close.similarity >= limit else Verdict.BELOW_SCORE
                    self._tell(node, verdict, f"{excerpt}, {close.similarity:.2f}")
            elif not self._covers(node, speaker):
                self._tell(node, Verdict.OUT_OF_SCOPE, excerpt)
            elif self._is_next(node, speaker, start):
                self._said(node, memory, speaker, start, end, excerpt, score, at_s)

    def _is_next(self, node: Node, speaker: str | None, first: int) -> bool:
        """Whether it begins behind what the condition last found with this speaker."""
        last: int = dict(self._memories.get(node.number) or ()).get(speaker, -1)
        return first > last

    def _said(
        self,
        node: Node,
        memory: OpenHearing,
        speaker: str | None,
        first: int,
        last: int,
        excerpt: str,
        score: float,
        at_s: float | None = None,
    ) -> None:
        places = memory.places(first, last)
        known = dict(self._memories.get(node.number) or ())
        self._memories[node.number] = tuple({**known, speaker: last}.items())
        self._found(
            node,
            Occurrence(
                speaker=speaker,
                first=first,
                last=last,
                turn=places[-1].turn,
                span=hull(places),
                parts=ranges(places),
                excerpt=excerpt,
                score=score,
                at_s=places[-1].word.span.end_s if at_s is None else at_s,
            ),
        )

    def _digits(self, speaker: str | None, runs: Iterable[DigitRun]) -> None:
        for run in runs:
            for node in self._plan.digits:
                condition = node.condition
                if not isinstance(condition, DigitsCondition) or not self._covers(node, speaker):
                    continue
                if condition.min_digits <= run.n_digits <= condition.max_digits:
                    excerpt = f"({run.n_digits} digits)"
                    memory = self._opened(speaker)
                    self._said(node, memory, speaker, run.first, run.last, excerpt, 1.0, run.at_s)

    def _weigh(self, memory: OpenHearing, entities: Iterable[Entity]) -> None:
        """Report what was found, unless the words may still turn out to be something else."""
        found = (*memory.held, *(e for e in entities if not self._is_of_another(memory, e)))
        if not found:
            return
        unsure = tuple(e for e in found if memory.written.run and e.score < SURE_SCORE)
        memory.held = unsure
        told = without_overlaps(found) if len(found) > 1 else found
        self._report(e for e in told if e not in unsure)

    def _is_of_another(self, memory: OpenHearing, entity: Entity) -> bool:
        """Whether an expiry date is that of an offer, a passport or the like."""
        if entity.type != expiry.ENTITY:
            return False
        first, _ = memory.ordinals(entity.parts)
        before = memory.words_before(first, expiry.REACH_WORDS) if first >= 0 else ()
        return expiry.is_of_something_else(before[::-1])

    def _report(self, entities: Iterable[Entity]) -> None:
        for entity in entities:
            memory = self._opened(entity.speaker)
            first, last = memory.ordinals(entity.parts)
            companion = entity.type in COMPANIONS or entity.type == date.ENTITY
            if not companion and any(
                a <= last and first <= b and entity.score <= s for a, b, s in memory.reported
            ):
                continue  # the same words, read as something else before
            if entity.score >= self._engine._thresholds[entity.type]:
                self.entities.append(entity)
                known = (*memory.reported, (first, last, entity.score))
                memory.reported = known[-MAX_REPORTED:]
            elif self._engine._trace is None:
                continue
            places = memory.places(first, last) if first >= 0 else ()
            found = Occurrence(
                speaker=entity.speaker,
                first=first,
                last=last,
                turn=places[-1].turn if places else self._turn,
                span=entity.span,
                parts=entity.parts,
                excerpt=excerpt_of(entity),
                score=entity.score,
                at_s=entity.at_s,
            )
            for node in self._plan.entities:
                condition = node.condition
                if not isinstance(condition, EntityCondition):
                    continue
                if entity.type not in condition.types:
                    continue
                if entity.score < condition.min_score:
                    self._tell(node, Verdict.BELOW_SCORE, found.excerpt, found)
                elif not self._covers(node, entity.speaker):
                    self._tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
                else:
                    self._found(node, found)

    def _covers(self, node: Node, speaker: str | None) -> bool:
        if not node.in_scope:
            return True
        known = None if speaker is None else self._state.participants.get(speaker)
        return self._plan.rules[node.rule_index].scope.covers(known)

    def _concerns(self, rule: Rule) -> bool:
        """Whether somebody on the call has the attributes that a rule asks for."""
        everybody = self._state.participants.values()
        return not rule.scope.attributes or any(rule.scope.has_attributes(who) for who in everybody)

    # What it means for the conditions above them

    def _done(self, node: Node, outcome: Outcome) -> None:
        memory, found = outcome
        if memory is not None:
            self._memories[node.number] = memory
        for occurrence in found:
            self._found(node, occurrence)

    def _tell(
        self, node: Node, verdict: Verdict, excerpt: str = "", found: Occurrence | None = None
    ) -> None:
        if self._engine._trace is not None:
            self._engine._trace(node, verdict, excerpt, found)

    def _found(self, node: Node, found: Occurrence) -> None:
        if node.is_metric and found.speaker is not None and not self._covers(node, found.speaker):
            self._tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
            return
        self._tell(node, Verdict.FOUND, found.excerpt, found)
        if node.parent is not None:
            above = self._plan.nodes[node.parent]
            if above.watcher is not None:
                known = self._memories.get(above.number)
                self._done(above, above.watcher.take(known, node.slot, found, self))
            return
        rule = self._plan.rules[node.rule_index]
        if found.speaker is None and not self._concerns(rule):
            self._tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
            return
        key = (node.rule_index, found.speaker)
        past = self._past.get(key, ())
        if found.score < rule.min_score:
            self._tell(node, Verdict.BELOW_SCORE, found.excerpt, found)
            return
        if not is_new(rule, past, found):
            self._tell(node, Verdict.REPEATED, found.excerpt, found)
            return
        self._tell(node, Verdict.HIT, found.excerpt, found)
        self._past[key] = remembered(past, found)
        self.hits.append(hit_of(rule, found))


_NOBODY = Hearing()
