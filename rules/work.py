"""One event's work: words go to phrases and listeners, and what these find to the conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from rules import streets
from rules.compiled import TOPIC_OWNER, Compiled
from rules.conditions import DigitsCondition
from rules.conduct import Conduct, SpeakerConduct, closed, heard
from rules.detectors import date, expiry
from rules.detectors.codes import COMPANIONS
from rules.digits import DigitRun, on_end, on_silence, on_word
from rules.entities import excerpt_of
from rules.hearing import REMEMBERED_IDS, Hearing, OpenHearing
from rules.hits import Provisional
from rules.overlaps import without_overlaps
from rules.patterns import Window
from rules.phrases import MAX_PAUSE_S, NOTHING, Match, phrase_words
from rules.plan import Node
from rules.said import SaidWord, before_of, form_of
from rules.similarity import MAX_SENTENCE_WORDS, OVERLAP_WORDS, PAUSE_S
from rules.similarity import NEAR_MISS_RATIO as NEAR_MISS
from rules.state import State
from rules.topics import Label, Mark, Talk, is_label, mark_of, marked
from rules.trace import Verdict
from rules.tree import Tree
from rules.types import Entity, Hit, Utterance
from rules.watchers.occurrence import Occurrence

MAX_REPORTED = 8  # places of a speaker where personal data was found, the latest
SURE_SCORE = 0.9  # a surer entity does not wait for what the next words bring
SCORE_ALIKE = 0.8  # of a phrase of which a word was only alike


class Work:
    """One event's work on a copy of the state."""

    def __init__(self, compiled: Compiled, state: State) -> None:
        self._compiled = compiled
        self._plan = compiled.plan
        self._state = state
        self._tree = Tree(compiled.plan, state, compiled.trace)
        self._speakers = state.speakers
        self._open: dict[str | None, OpenHearing] = {}
        self._ended = state.ended
        self._turn, self._turn_of = state.turn, state.turn_of
        self.entities: list[Entity] = []

    @property
    def hits(self) -> list[Hit]:
        """What rules found."""
        return self._tree.hits

    def state(self, provisional: tuple[Provisional, ...]) -> State:
        """The state after the work."""
        speakers = {
            **self._speakers,
            **{speaker: memory.closed() for speaker, memory in self._open.items()},
        }
        return State(
            speakers=MappingProxyType(speakers),
            participants=self._state.participants,
            first_speech_s=self._tree.first_speech_s,
            turn=self._turn,
            turn_of=self._turn_of,
            conduct=self._tree.conduct,
            memories=MappingProxyType(self._tree.memories),
            past=MappingProxyType(self._tree.past),
            provisional=provisional,
            ended=self._ended,
        )

    def _opened(self, speaker: str | None) -> OpenHearing:
        memory = self._open.get(speaker)
        if memory is None:
            memory = self._open[speaker] = self._speakers.get(speaker, _NOBODY).opened()
        return memory

    def hear(self, utterance: Utterance) -> None:
        """Take in final words, or interim ones on trial."""
        speaker = utterance.speaker
        memory = self._opened(speaker)
        memory.final_ids = (*memory.final_ids, utterance.id)[-REMEMBERED_IDS:]
        if speaker != self._turn_of or self._turn < 0:
            self._turn, self._turn_of = self._turn + 1, speaker
        talk = self._talk(memory, speaker)
        plan, step = self._plan, self._compiled.matcher.step
        recent, turn, utterance_id = memory.recent, self._turn, utterance.id
        hears_all = self._compiled.hears_all
        for word in utterance.words:
            start_s = word.span.start_s
            ordinal = memory.n_words
            form = form_of(word.text)
            said = SaidWord(word, utterance_id, speaker, ordinal, turn, form)
            for node in plan.on_words:
                if node.watcher is not None and self._tree.memories.get(node.number) is not None:
                    known = self._tree.memories[node.number]
                    self._tree.done(node, node.watcher.pass_word(known, speaker, ordinal, start_s))
            if memory.sentence_from is not None:
                self._pause(memory, speaker, start_s)
            followed = memory.followed
            if followed is not NOTHING and start_s - recent[-1].word.span.end_s > MAX_PAUSE_S:
                followed = NOTHING
            memory.followed, matches = step(followed, form.words, ordinal)
            memory.n_words = ordinal + 1
            recent.append(said)
            if self._tree.first_speech_s is None or start_s < self._tree.first_speech_s:
                self._tree.first_speech_s = start_s
            is_name = False  # the last letter of "C V V"
            if matches:
                topical = [m for m in matches if m.pattern.owner == TOPIC_OWNER]
                mark = mark_of(topical, word.span.end_s)
                if mark is not None:
                    mark = talk.named(mark)
                    memory.marks = talk.own = marked(memory.marks, mark)
                    self._label(memory, said, mark, talk)
                    is_name = mark.first < ordinal
                    memory.codes = self._compiled.codes.on_name(memory.codes, mark.first)
                if len(topical) < len(matches):
                    self._phrases(memory, speaker, matches)
            if plan.regexes:
                self._regexes(memory, speaker)
            if memory.is_open or hears_all or not form.opens_nothing:
                self._listen(memory, said, talk, is_name=is_name)
            if plan.similar:
                self._go_on(memory, speaker, said)
        self._behaved(utterance)

    def _listen(self, memory: OpenHearing, said: SaidWord, talk: Talk, *, is_name: bool) -> None:
        """Hear a word for personal data: where a run is open, or one may begin with it."""
        compiled, form = self._compiled, said.form
        found: tuple[Entity, ...] = ()
        if memory.numbers.is_open or form.opens_number:
            before = before_of(memory.recent)
            memory.numbers, found = compiled.numbers.on_word(memory.numbers, said, talk, before)
            if self._plan.digits:
                memory.digits, runs = on_word(memory.digits, said, before)
                self._digits(said.speaker, runs)
        elif memory.digits.run:
            memory.digits, runs = on_word(memory.digits, said, before_of(memory.recent))
            self._digits(said.speaker, runs)
        if memory.written.run or form.opens_written:
            read = compiled.written.on_word
            memory.written, more = read(memory.written, said, talk, memory.recent)
            found += more
        if memory.codes.run or (form.opens_announced and not is_name):
            before = before_of(memory.recent)
            memory.codes, more = compiled.codes.on_word(memory.codes, said, talk, before)
            found += more
        if compiled.has_names:
            memory.names, more = compiled.names.on_word(memory.names, said)
            found += more
        if compiled.has_streets:
            found += streets.street_addresses(memory.recent)
        if found or memory.held:
            self._weigh(memory, found)
        memory.is_open = memory.listens()

    def _label(self, memory: OpenHearing, said: SaidWord, mark: Mark, talk: Talk) -> None:
        """Tell what was said before what it was: "…, that's my direct line"."""
        past, fragments = memory.codes.past, memory.numbers.fragments
        last = max(past[-1].ordinal if past else -1, fragments[-1][-1].ordinal if fragments else -1)
        if last < 0:
            return
        between = memory.places(last + 1, mark.first - 1)
        if not is_label([said.form.bare for said in between]):
            return
        label, at_s, speaker = Label(mark.topic), mark.end_s, said.speaker
        numbers, codes = self._compiled.numbers, self._compiled.codes
        # What a silence decides comes first, whether somebody told of the silence or not.
        start_s = said.word.span.start_s
        memory.numbers, found = numbers.on_silence(memory.numbers, speaker, start_s, talk)
        memory.numbers, more = numbers.on_label(memory.numbers, speaker, at_s, label)
        memory.codes, also = codes.on_label(memory.codes, speaker, at_s, label)
        if found or more or also:
            self._weigh(memory, (*found, *more, *also))

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
        speakers = self._tree.conduct.speakers
        if self._plan.has_metrics:
            own = speakers.get(utterance.speaker, SpeakerConduct())
            own = heard(own, utterance.words, mood=True)
            speakers = MappingProxyType({**speakers, utterance.speaker: own})
        last_end_s = max(self._tree.conduct.last_end_s or 0.0, end_s)
        self._tree.conduct = Conduct(speakers=speakers, last_end_s=last_end_s)

    def pass_time(self, at_s: float, *, ended: bool) -> None:
        """Learn that everything before `at_s` has been heard."""
        self._ended = ended
        for speaker in self._speakers:
            idle = self._speakers[speaker]
            if not (idle.listens() or idle.sentence_from is not None or ended):
                continue
            memory = self._opened(speaker)
            talk = self._talk(memory, speaker)
            numbers, written = self._compiled.numbers, self._compiled.written
            codes, called = self._compiled.codes, self._compiled.names
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
            speakers = {who: closed(own) for who, own in self._tree.conduct.speakers.items()}
            self._tree.conduct = replace(self._tree.conduct, speakers=MappingProxyType(speakers))
        for node in self._plan.on_time:
            if node.watcher is not None:
                known = self._tree.memories.get(node.number)
                self._tree.done(node, node.watcher.pass_time(known, at_s, self._tree, ended=ended))

    # What conditions without parts find

    def _phrases(self, memory: OpenHearing, speaker: str | None, matches: Iterable[Match]) -> None:
        done: set[int] = set()
        for match in matches:
            number = match.pattern.owner
            if number == TOPIC_OWNER or number in done:
                continue
            node = self._plan.nodes[number]
            if not self._tree.is_next(node, speaker, match.first):
                continue
            done.add(number)
            if not self._tree.covers(node, speaker):
                self._tree.tell(node, Verdict.OUT_OF_SCOPE, match.pattern.text)
                continue
            if self._taken_back(node, memory, match):
                self._tree.tell(node, Verdict.TAKEN_BACK, match.pattern.text)
                done.discard(number)  # another phrase that ends here may stand
                continue
            score = 1.0 if match.exact else SCORE_ALIKE
            self._tree.said(
                node, memory, speaker, match.first, match.last, match.pattern.text, score
            )

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
            if self._tree.is_next(node, speaker, first) and self._tree.covers(node, speaker):
                self._tree.said(node, memory, speaker, first, last, "(a pattern)", 1.0)

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
        examples, trace = self._compiled.examples, self._compiled.trace
        nodes = [
            n for n in self._plan.similar if trace is not None or self._tree.covers(n, speaker)
        ]
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
                    self._tree.tell(node, verdict, f"{excerpt}, {close.similarity:.2f}")
            elif not self._tree.covers(node, speaker):
                self._tree.tell(node, Verdict.OUT_OF_SCOPE, excerpt)
            elif self._tree.is_next(node, speaker, start):
                self._tree.said(node, memory, speaker, start, end, excerpt, score, at_s)

    def _digits(self, speaker: str | None, runs: Iterable[DigitRun]) -> None:
        for run in runs:
            for node in self._plan.digits:
                condition = node.condition
                if not isinstance(condition, DigitsCondition) or not self._tree.covers(
                    node, speaker
                ):
                    continue
                if condition.min_digits <= run.n_digits <= condition.max_digits:
                    excerpt = f"({run.n_digits} digits)"
                    memory = self._opened(speaker)
                    self._tree.said(
                        node, memory, speaker, run.first, run.last, excerpt, 1.0, run.at_s
                    )

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
            if entity.score >= self._compiled.thresholds[entity.type]:
                self.entities.append(entity)
                known = (*memory.reported, (first, last, entity.score))
                memory.reported = known[-MAX_REPORTED:]
            elif self._compiled.trace is None:
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
            self._tree.entity(entity, found)


_NOBODY = Hearing()
