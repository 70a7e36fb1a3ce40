"""Loading rule files: the only module of the room, with `cases.py`, that opens files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from rules.conditions import Condition
from rules.document import Document, KeyPath, parse_document, read_document
from rules.errors import Problem, RuleLoadError
from rules.resolution import LoadedPack, Resolver
from rules.rulebook import (
    ALERT,
    Evidence,
    PackInfo,
    Rule,
    Rulebook,
    RuleLocation,
    RuleStatus,
    Scope,
    UnusedName,
)
from rules.schema import DefaultsModel, PackModel, RuleModel, ScopeModel
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
    packs: list[LoadedPack] = []
    for path in _pack_files(paths or (BUILT_IN_BOOK,), problems):
        pack, faults = _read_pack(*read_document(path))
        problems += faults
        if pack is not None:
            packs.append(pack)
    return _rulebook(packs, problems, libraries=tuple(_imported(packs, paths)))


def load_book(files: Mapping[str, bytes]) -> Rulebook:
    """Load rules from memory; nothing outside of `files` is read, whatever they import.

    Args:
        files: Contents by name, such as `pii/card.yaml`; case files among them are passed over.

    Raises:
        RuleLoadError: with every problem of every file, whose `path` is the name.
    """
    problems: list[Problem] = []
    packs: list[LoadedPack] = []
    for name in sorted(files):
        if is_case_file(Path(name)):
            continue
        pack, faults = _parsed_pack(name, files[name])
        problems += faults
        if pack is not None:
            packs.append(pack)
    return _rulebook(packs, problems)


@lru_cache(maxsize=256)  # an editor asks again and again, and changes one file of many
def _parsed_pack(name: str, raw: bytes) -> tuple[LoadedPack | None, tuple[Problem, ...]]:
    return _read_pack(*parse_document(raw, Path(name)))


def _read_pack(
    document: Document | None, problems: tuple[Problem, ...]
) -> tuple[LoadedPack | None, tuple[Problem, ...]]:
    if document is None:
        return None, problems
    model, faults = validated(document, PackModel)
    pack = None if model is None else LoadedPack(document, model)
    return pack, (*problems, *faults)


def _rulebook(
    packs: Sequence[LoadedPack], problems: list[Problem], libraries: Sequence[LoadedPack] = ()
) -> Rulebook:
    problems += _duplicates([(pack.document, pack.model) for pack in packs])
    resolver = Resolver([*packs, *libraries])
    rules: list[Rule] = []
    for pack in packs:
        conditions, faults_of_pack = resolver.conditions(pack)
        problems += faults_of_pack
        for i, condition in enumerate(conditions):
            severity = pack.model.rules[i].severity or pack.model.defaults.severity
            if severity is None:
                message = "key 'severity' is missing; add it, or give the pack a default"
                problems.append(pack.document.problem(("rules", i), message))
            elif condition is not None:
                rules.append(_rule(pack, i, condition, Severity(severity)))
    if problems:
        raise RuleLoadError(sorted(set(problems)))
    return Rulebook(
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        packs=tuple(
            PackInfo(
                id=pack.model.pack,
                version=pack.model.version,
                owner=pack.model.owner,
                locale=pack.model.locale,
                location=_location(pack.document, ("pack",)),
            )
            for pack in sorted(packs, key=lambda found: found.model.pack)
        ),
        unused=tuple(_unused(packs, resolver)),
        fingerprint=_fingerprint([pack.model for pack in packs]),
    )


def _imported(packs: Sequence[LoadedPack], paths: Sequence[Path]) -> Iterator[LoadedPack]:
    """Packs of the built-in book that an import asks for and no path gave; only names come."""
    given = {pack.model.pack for pack in packs}
    wanted = {i.pack for pack in packs for i in pack.model.imports} - given
    if not paths or not wanted:
        return
    for file in yaml_files(BUILT_IN_BOOK):
        document, _ = (None, ()) if is_case_file(file) else read_document(file)
        if document is None:
            continue
        model, _ = validated(document, PackModel)
        if model is not None and model.pack in wanted:
            yield LoadedPack(document, model)


def _location(document: Document, where: KeyPath) -> RuleLocation:
    line, column = document.values[where]
    return RuleLocation(path=document.path, line=line, column=column)


def _unused(packs: Sequence[LoadedPack], resolver: Resolver) -> Iterator[UnusedName]:
    for pack in packs:
        if not pack.model.rules:
            continue  # a library: its users may not be loaded now
        for kind, name, is_retired in resolver.unused(pack):
            line, column = pack.document.keys[f"{kind}s", name]
            yield UnusedName(
                kind=kind,
                name=name,
                is_retired=is_retired,
                pack_id=pack.model.pack,
                location=RuleLocation(path=pack.document.path, line=line, column=column),
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


def _rule(pack: LoadedPack, index: int, condition: Condition, severity: Severity) -> Rule:
    model: RuleModel = pack.model.rules[index]
    defaults: DefaultsModel = pack.model.defaults
    line, column = pack.document.values["rules", index]
    threshold = defaults.threshold if model.threshold is None else model.threshold
    cooldown_s = defaults.cooldown_s if model.cooldown_s is None else model.cooldown_s
    actions = defaults.actions if model.actions is None else model.actions
    tags = defaults.tags if model.tags is None else model.tags
    references = defaults.references if model.references is None else model.references
    return Rule(
        id=model.id,
        version=model.version or pack.model.version,
        title=model.title,
        description=model.description.strip(),
        severity=severity,
        status=RuleStatus(model.status or defaults.status or RuleStatus.ACTIVE),
        min_score=threshold or 0.0,
        cooldown_s=cooldown_s or 0.0,
        actions=(ALERT,) if actions is None else tuple(actions),
        evidence=Evidence(model.evidence or defaults.evidence or Evidence.EXCERPT),
        tags=tuple(tags or ()),
        references=tuple(references or ()),
        scope=_scope(model.scope or defaults.scope or ScopeModel()),
        condition=condition,
        pack_id=pack.model.pack,
        location=RuleLocation(path=pack.document.path, line=line, column=column),
    )


def _scope(model: ScopeModel) -> Scope:
    return Scope(
        roles=tuple(Role(role) for role in model.roles),
        attributes=tuple((key, tuple(values)) for key, values in sorted(model.attributes.items())),
        live=model.live,
        report=model.report,
    )


def _fingerprint(packs: Sequence[PackModel]) -> str:
    content = sorted(
        (pack.model_dump(mode="json", by_alias=True) for pack in packs), key=lambda c: c["pack"]
    )
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
