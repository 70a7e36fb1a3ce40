"""Cases: sentences and calls that a rule must find, and near misses that it must not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rules.case_schema import CaseModel, CasesModel, SaidModel, SilenceModel
from rules.document import Document, parse_document, read_document
from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.errors import Problem, RuleLoadError
from rules.loader import BUILT_IN_BOOK, CASES_SUFFIXES, is_case_file, yaml_files
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder
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
    utterance_from_text,
)
from rules.validation import validated

TESTED = frozenset(RuleStatus) - {RuleStatus.DEPRECATED}  # of rules: what cases try
SECONDS_PER_WORD = 0.4  # an ordinary pace, for sentences that come without times


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedHit:
    """A hit that must come."""

    rule_id: str
    at_s: float | None = None
    within_s: float = 0.5
    speaker: str | None = None
    state: HitState = HitState.CONFIRMED
    times: int | None = None  # None = at least once

    def is_met_by(self, hit: Hit) -> bool:
        """Whether a hit is of the rule, by the speaker, and in time."""
        return (
            hit.rule_id == self.rule_id
            and hit.state is self.state
            and self.speaker in {None, hit.speaker}
            and (self.at_s is None or abs(hit.at_s - self.at_s) <= self.within_s)
        )

    def __str__(self) -> str:
        said = self.rule_id
        if self.state is not HitState.CONFIRMED:
            said += f", {self.state.value}"
        if self.times is not None:
            said += f", {self.times} times"
        if self.at_s is not None:
            said += f", at {self.at_s:g} s (+-{self.within_s:g})"
        return said if self.speaker is None else f"{said}, by {self.speaker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case, ready to be fed."""

    name: str
    path: Path
    line: int
    timeline: bool
    events: tuple[Event, ...] = field(repr=False)
    hit: tuple[ExpectedHit, ...]
    no_hit: tuple[str, ...]
    find: tuple[tuple[str, str | None], ...] = field(default=(), repr=False)  # type and value
    never: bool = False  # no rule may hit but those of `hit`
    todo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of a case."""

    case: Case
    hits: tuple[Hit, ...] = field(repr=False)
    missing: tuple[ExpectedHit, ...]  # hits that should have come
    unexpected: tuple[str, ...]  # rules that should not have hit
    not_found: tuple[tuple[str, str | None], ...] = field(default=(), repr=False)
    not_expected: tuple[Entity, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not (self.missing or self.unexpected or self.not_found or self.not_expected)


def load_cases(paths: Sequence[Path], rulebook: Rulebook) -> tuple[Case, ...]:
    """Load the cases that lie beside and below rule files.

    Args:
        paths: As for `load_rulebook`, and case files themselves; empty means the built-in book.
        rulebook: The rules that cases may name.

    Raises:
        RuleLoadError: with every problem of every case file.
    """
    return _cases(
        (read_document(path) for path in _case_files(paths or (BUILT_IN_BOOK,))), rulebook
    )


def load_book_cases(files: Mapping[str, bytes], rulebook: Rulebook) -> tuple[Case, ...]:
    """Load the cases of a book that is held in memory; see `rules.loader.load_book`.

    Raises:
        RuleLoadError: with every problem of every case file.
    """
    named = ((Path(name), files[name]) for name in sorted(files))
    return _cases(
        (parse_document(raw, path) for path, raw in named if is_case_file(path)), rulebook
    )


def _cases(
    documents: Iterable[tuple[Document | None, tuple[Problem, ...]]], rulebook: Rulebook
) -> tuple[Case, ...]:
    known = {rule.id for rule in rulebook.rules}
    problems: list[Problem] = []
    cases: list[Case] = []
    for document, faults in documents:
        problems += faults
        if document is None:
            continue
        model, faults = validated(document, CasesModel)
        problems += faults
        if model is None:
            continue
        for i, case in enumerate(model.cases):
            expected = [hit.rule for hit in case.hit]
            for key, ids in (("hit", expected), ("no_hit", case.no_hit)):
                problems += [
                    document.problem(
                        ("cases", i, key), f"no rule {rule_id} among these rules; correct the id"
                    )
                    for rule_id in ids
                    if rule_id not in known
                ]
            cases.append(_case(document, case, i))
    if problems:
        raise RuleLoadError(problems)
    return tuple(cases)


def run_case(case: Case, rulebook: Rulebook, embedder: Embedder | None = None) -> CaseResult:
    """Feed a case to a fresh engine; every rule but the deprecated ones takes part.

    Raises:
        RuleInputError: a rule needs a model that is not there.
    """
    engine = Engine(
        rulebook,
        timeline=case.timeline,
        statuses=TESTED,
        entities=ENTITY_TYPES if case.find else (),
        embedder=embedder,
    )
    state = engine.start()
    told: list[Hit] = []
    entities: list[Entity] = []
    for event in case.events:
        step = engine.feed(state, event)
        state = step.state
        told += step.hits
        entities += step.entities
    hits = [hit for hit in told if hit.state is HitState.CONFIRMED]
    found = dict.fromkeys(hit.rule_id for hit in hits)
    allowed = {expected.rule_id for expected in case.hit}
    left = list(entities) if case.find else []
    not_found: list[tuple[str, str | None]] = []
    for name, value in case.find:
        match = next((e for e in left if e.type == name and value in {None, e.value}), None)
        if match is None:
            not_found.append((name, value))
        else:
            left.remove(match)
    return CaseResult(
        case=case,
        hits=tuple(hits),
        missing=tuple(expected for expected in case.hit if not _is_met(expected, told)),
        unexpected=tuple(
            rule_id
            for rule_id in found
            if rule_id in case.no_hit or (case.never and rule_id not in allowed)
        ),
        not_found=tuple(not_found),
        not_expected=tuple(left),
    )


def _is_met(expected: ExpectedHit, hits: Sequence[Hit]) -> bool:
    n_hits = sum(expected.is_met_by(hit) for hit in hits)
    return n_hits >= 1 if expected.times is None else n_hits == expected.times


def rule_files_of(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The same paths, with each case file replaced by the rule file that it lies beside."""
    return tuple(_rules_beside(path) if is_case_file(path) else path for path in paths)


def _rules_beside(path: Path) -> Path:
    for suffix in CASES_SUFFIXES:
        if path.name.endswith(suffix):
            return path.with_name(path.name.removesuffix(suffix) + suffix.removeprefix(".cases"))
    return path


def _case_files(paths: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files = [file for file in yaml_files(path) if is_case_file(file)]
        elif is_case_file(path):
            files = [path]
        else:
            beside = [path.with_name(path.stem + suffix) for suffix in CASES_SUFFIXES]
            files = [file for file in beside if file.is_file()]
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _case(document: Document, model: CaseModel, index: int) -> Case:
    texts = (s.text for s in model.say if isinstance(s, SaidModel))
    said = model.say if isinstance(model.say, str) else " / ".join(texts)
    return Case(
        name=model.name or said[:60],
        path=document.path,
        line=document.values["cases", index][0],
        timeline=not isinstance(model.say, str),
        events=sentence_events(model.say) if isinstance(model.say, str) else _call_events(model),
        hit=tuple(
            ExpectedHit(
                rule_id=expected.rule,
                at_s=expected.at_s,
                within_s=expected.within_s,
                speaker=expected.speaker,
                state=HitState(expected.state),
                times=expected.times,
            )
            for expected in model.hit
        ),
        no_hit=tuple(model.no_hit),
        find=tuple((expected.entity, expected.value) for expected in model.find),
        never=model.never,
        todo=model.todo,
    )


def sentence_events(text: str) -> tuple[Event, ...]:
    """A bare sentence as events: its words at an ordinary pace, then the end."""
    end_s = SECONDS_PER_WORD * max(1, len(text.split()))
    utterance = utterance_from_text(text, Span(0.0, end_s), id="0", speaker=None)
    return (utterance, CallEnded(at_s=end_s))


def _call_events(model: CaseModel) -> tuple[Event, ...]:
    if isinstance(model.say, str):
        return ()
    events: list[Event] = []
    announced: dict[str, Participant] = {}
    for i, said in enumerate(model.say):
        if isinstance(said, SilenceModel):
            events.append(HeardUntil(at_s=said.silence_until_s))
            continue
        events.append(HeardUntil(at_s=said.start_s))
        known = announced.get(said.speaker, Participant(identity=said.speaker))
        speaker = replace(
            known,
            role=known.role if said.role is None else Role(said.role),
            attributes=tuple(sorted({**dict(known.attributes), **said.attributes}.items())),
        )
        if speaker != known:
            announced[said.speaker] = speaker
            events.append(speaker)
        final = next(
            n
            for n, later in enumerate(model.say[i:], i)
            if isinstance(later, SaidModel) and later.final and later.speaker == said.speaker
        )
        events.append(
            utterance_from_text(
                said.text,
                Span(said.start_s, said.end_s),
                id=str(final),
                speaker=said.speaker,
                is_final=said.final,
            )
        )
    ends_s = model.ends_s or max(
        said.end_s if isinstance(said, SaidModel) else said.silence_until_s for said in model.say
    )
    return (*events, CallEnded(at_s=ends_s))
