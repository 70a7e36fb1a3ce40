"""Why a rule fired: what it looks for today, and whether that is what fired.

Hits and findings carry the number of the rule's version. The rules themselves come from the book in
force; where its version is another one, the page must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from console.flags import Flag
from rules.explain import described
from rules.loader import load_rulebook
from rules.rulebook import Rule, Rulebook
from rules.types import Severity
from storage.database import Database
from storage.published_rules import latest, load_in_force

_MAX_LINES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """A rule in words.

    Attributes:
        conditions: Depth and words of each, depth first.
        source: Its YAML as it stands in the file; None where the file cannot be read.
    """

    id: str
    version: int
    title: str
    description: str
    severity: Severity
    status: str
    pack: str
    min_score: float
    cooldown_s: float
    references: tuple[str, ...]
    tags: tuple[str, ...]
    conditions: tuple[tuple[int, str], ...] = field(repr=False)
    source: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What is known of why a flag was raised.

    Attributes:
        rule: The rule as it is today; None where the book has it no more.
        differs: In a sentence, how it differs from what fired; None where it does not.
    """

    rule: RuleText | None
    differs: str | None


class RuleTexts:
    """The rules of the book in force, in words.

    Args:
        rulebook: The book.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self._rules = {rule.id: rule for rule in rulebook.rules}
        self.fingerprint = rulebook.fingerprint
        self.titles = {rule.id: rule.title for rule in rulebook.rules}

    def why(self, flag: Flag) -> Why:
        """Why a flag was raised."""
        rule = self._rules.get(flag.rule_id)
        if rule is None:
            return Why(
                rule=None,
                differs=f"The rule is not in the book any more; version {flag.rule_version} fired.",
            )
        fired = sorted({side.rule_version for side in (flag.live, flag.audit) if side is not None})
        others = [version for version in fired if version != rule.version]
        differs = None
        if others:
            which = " and ".join(str(version) for version in others)
            differs = (
                f"Version {which} fired; the rule is at version {rule.version} today, "
                "and that is what stands here."
            )
        return Why(rule=_text(rule), differs=differs)


def rule_texts(paths: Sequence[Path]) -> RuleTexts:
    """The rules in files, read anew when a file was changed.

    Args:
        paths: As for `rules.loader.load_rulebook`; empty means the built-in book.

    Raises:
        RuleLoadError: they cannot be loaded.
    """
    return _loaded(tuple(paths), _changed_at(paths))


def published_texts(database: Database) -> RuleTexts | None:
    """The published rules in force, read anew when another version is; None where there are none.

    Raises:
        StorageError: the database cannot be reached.
    """
    with database.begin(read_only=True) as connection:
        version = latest(connection)
    return _published(database, version.number) if version is not None else None


@lru_cache(maxsize=2)
def _published(database: Database, number: int) -> RuleTexts:
    return RuleTexts(load_in_force(database, number).rulebook)


def _changed_at(paths: Sequence[Path]) -> tuple[int, ...]:
    files = [
        file
        for path in paths
        for file in ([path] if path.is_file() else sorted(path.rglob("*.y*ml")))
    ]
    return tuple(file.stat().st_mtime_ns for file in files)


@lru_cache(maxsize=4)
def _loaded(paths: tuple[Path, ...], changed_at: tuple[int, ...]) -> RuleTexts:
    return RuleTexts(load_rulebook(paths))


def _text(rule: Rule) -> RuleText:
    return RuleText(
        id=rule.id,
        version=rule.version,
        title=rule.title,
        description=" ".join(rule.description.split()),
        severity=rule.severity,
        status=rule.status.value,
        pack=rule.pack_id,
        min_score=rule.min_score,
        cooldown_s=rule.cooldown_s,
        references=rule.references,
        tags=rule.tags,
        conditions=described(rule),
        source=_source(rule),
    )


def _source(rule: Rule) -> str | None:
    """The rule's own lines of its file: from its first line to the next one as far to the left."""
    try:
        lines = rule.location.path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    first = rule.location.line - 1
    if not 0 <= first < len(lines):
        return None
    indent = _indent(lines[first])
    taken = [lines[first]]
    for line in lines[first + 1 : first + _MAX_LINES]:
        if line.strip() and _indent(line) <= indent:
            break
        taken.append(line)
    while taken and not taken[-1].strip():
        taken.pop()
    return "\n".join(line[indent:] for line in taken)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
