"""Loading rule files: the only module of the room, with `cases.py`, that opens files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rules.document import Document, read_document
from rules.errors import Problem, RuleLoadError
from rules.rulebook import (
    AbsentCondition,
    Anchor,
    Condition,
    EntityCondition,
    PackInfo,
    Phrase,
    PhraseCondition,
    Rule,
    Rulebook,
    RuleLocation,
    RuleStatus,
    Scope,
)
from rules.schema import ConditionModel, PackModel, PhraseModel, RuleModel
from rules.types import Role, Severity
from rules.validation import validated

BUILT_IN_BOOK = Path(__file__).parent / "book"
CASES_SUFFIXES = (".cases.yaml", ".cases.yml")


def load_rulebook(paths: Sequence[Path] = ()) -> Rulebook:
    """Load rule files.

    Args:
        paths: YAML files, or folders that are searched with all their subfolders; empty means the
            built-in book. Case files (`*.cases.yaml`) are passed over in folders.

    Raises:
        RuleLoadError: with every problem of every file.
    """
    problems: list[Problem] = []
    packs: list[tuple[Document, PackModel]] = []
    for path in _pack_files(paths or (BUILT_IN_BOOK,), problems):
        document, faults = read_document(path)
        problems += faults
        if document is None:
            continue
        pack, faults = validated(document, PackModel)
        problems += faults
        if pack is not None:
            packs.append((document, pack))
    problems += _duplicates(packs)
    if problems:
        raise RuleLoadError(problems)
    rules = [_rule(document, pack, i) for document, pack in packs for i in range(len(pack.rules))]
    return Rulebook(
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        packs=tuple(
            PackInfo(id=pack.pack, version=pack.version)
            for _, pack in sorted(packs, key=lambda found: found[1].pack)
        ),
        fingerprint=_fingerprint([pack for _, pack in packs]),
    )


def is_case_file(path: Path) -> bool:
    """Whether the name says that a file holds cases, not rules."""
    return path.name.endswith(CASES_SUFFIXES)


def yaml_files(folder: Path) -> list[Path]:
    """All YAML files below a folder, in a fixed order."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"} and path.is_file()
    )


def _pack_files(paths: Sequence[Path], problems: list[Problem]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files = [file for file in yaml_files(path) if not is_case_file(file)]
            if not files:
                problems.append(_of_path(path, "no rule file in this folder; give another"))
        elif is_case_file(path):
            problems.append(_of_path(path, "a case file holds no rules; give the rule file"))
            continue
        else:
            files = [path]  # a missing file is reported when it is read
        for file in files:
            resolved = file.resolve()
            if resolved not in seen:
                seen.add(resolved)
                yield file


def _of_path(path: Path, message: str) -> Problem:
    return Problem(path=path, line=1, column=1, message=message)


def _duplicates(packs: Sequence[tuple[Document, PackModel]]) -> Iterator[Problem]:
    first_pack: dict[str, Path] = {}
    first_rule: dict[str, Path] = {}
    for document, pack in packs:
        if pack.pack in first_pack:
            other = first_pack[pack.pack]
            yield document.problem(
                ("pack",), f"pack {pack.pack} is also in {other}; give each pack its own id"
            )
        first_pack.setdefault(pack.pack, document.path)
        for i, rule in enumerate(pack.rules):
            if rule.id in first_rule:
                other = first_rule[rule.id]
                yield document.problem(
                    ("rules", i, "id"), f"rule {rule.id} is also in {other}; rename one"
                )
            first_rule.setdefault(rule.id, document.path)


def _rule(document: Document, pack: PackModel, index: int) -> Rule:
    model: RuleModel = pack.rules[index]
    line, column = document.values["rules", index]
    return Rule(
        id=model.id,
        version=model.version or pack.version,
        title=model.title,
        description=model.description.strip(),
        severity=Severity(model.severity),
        status=RuleStatus(model.status),
        tags=tuple(model.tags),
        references=tuple(model.references),
        scope=Scope(
            roles=tuple(Role(role) for role in model.scope.roles),
            live=model.scope.live,
            report=model.scope.report,
        ),
        condition=_condition(model.condition),
        location=RuleLocation(path=document.path, line=line, column=column),
    )


def _condition(model: ConditionModel) -> Condition:
    if model.entity is not None:
        return EntityCondition(type=model.entity.type, min_score=model.entity.min_score)
    if model.phrases is not None:
        return PhraseCondition(
            any_of=_phrases(model.phrases.any_of),
            unless_before=tuple(model.phrases.unless_before),
            not_within_words=model.phrases.not_within_words,
        )
    absent = model.absent
    if absent is None:  # the schema asks for exactly one
        raise AssertionError("a condition without a kind passed the schema")
    return AbsentCondition(
        any_of=_phrases(absent.any_of),
        within_s=absent.within_s,
        anchor=Anchor(absent.from_),
        said_by=tuple(Role(role) for role in absent.said_by),
    )


def _phrases(models: Sequence[PhraseModel]) -> tuple[Phrase, ...]:
    return tuple(Phrase(text=model.text, slop=model.slop) for model in models)


def _fingerprint(packs: Sequence[PackModel]) -> str:
    content = sorted(
        (pack.model_dump(mode="json", by_alias=True) for pack in packs), key=lambda c: c["pack"]
    )
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
