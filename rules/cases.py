"""Cases: sentences and calls that a rule must find, and near misses that it must not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rules.case_schema import CaseModel, CasesModel
from rules.document import Document, read_document
from rules.engine import Engine
from rules.errors import Problem, RuleLoadError
from rules.loader import BUILT_IN_BOOK, CASES_SUFFIXES, is_case_file, yaml_files
from rules.rulebook import Rulebook, RuleStatus
from rules.types import (
    CallEnded,
    Event,
    HeardUntil,
    Participant,
    Role,
    Span,
    utterance_from_text,
)
from rules.validation import validated

SECONDS_PER_WORD = 0.4  # an ordinary pace, for sentences that come without times


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case, ready to be fed."""

    name: str
    path: Path
    line: int
    timeline: bool
    events: tuple[Event, ...] = field(repr=False)
    hit: tuple[str, ...]
    no_hit: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of a case."""

    case: Case
    missing: tuple[str, ...]  # rules that should have hit
    unexpected: tuple[str, ...]  # rules that should not have

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.missing and not self.unexpected


def load_cases(paths: Sequence[Path], rulebook: Rulebook) -> tuple[Case, ...]:
    """Load the cases that lie beside and below rule files.

    Args:
        paths: As for `load_rulebook`, and case files themselves; empty means the built-in book.
        rulebook: The rules that cases may name.

    Raises:
        RuleLoadError: with every problem of every case file.
    """
    known = {rule.id for rule in rulebook.rules}
    problems: list[Problem] = []
    cases: list[Case] = []
    for path in _case_files(paths or (BUILT_IN_BOOK,)):
        document, faults = read_document(path)
        problems += faults
        if document is None:
            continue
        model, faults = validated(document, CasesModel)
        problems += faults
        if model is None:
            continue
        for i, case in enumerate(model.cases):
            for key, ids in (("hit", case.hit), ("no_hit", case.no_hit)):
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


def run_case(case: Case, rulebook: Rulebook) -> CaseResult:
    """Feed a case to a fresh engine; every rule but the deprecated ones takes part."""
    statuses = set(RuleStatus) - {RuleStatus.DEPRECATED}
    engine = Engine(rulebook, timeline=case.timeline, statuses=statuses)
    state = engine.start()
    found: set[str] = set()
    for event in case.events:
        step = engine.feed(state, event)
        state = step.state
        found |= {hit.rule_id for hit in step.hits}
    return CaseResult(
        case=case,
        missing=tuple(rule_id for rule_id in case.hit if rule_id not in found),
        unexpected=tuple(rule_id for rule_id in case.no_hit if rule_id in found),
    )


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
    said = model.say if isinstance(model.say, str) else " / ".join(s.text for s in model.say)
    return Case(
        name=model.name or said[:60],
        path=document.path,
        line=document.values["cases", index][0],
        timeline=not isinstance(model.say, str),
        events=sentence_events(model.say) if isinstance(model.say, str) else _call_events(model),
        hit=tuple(model.hit),
        no_hit=tuple(model.no_hit),
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
    announced: dict[str, str] = {}
    for i, said in enumerate(model.say):
        events.append(HeardUntil(at_s=said.start_s))
        if said.role is not None and announced.get(said.speaker) != said.role:
            announced[said.speaker] = said.role
            events.append(Participant(identity=said.speaker, role=Role(said.role)))
        span = Span(said.start_s, said.end_s)
        events.append(utterance_from_text(said.text, span, id=str(i), speaker=said.speaker))
    ends_s = model.ends_s or max(said.end_s for said in model.say)
    return (*events, CallEnded(at_s=ends_s))
