"""What differs between two books: rule by rule, and how a rule is put on trial in its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rules.document import Document, parse_document
from rules.errors import Problem, RuleInputError, RuleLoadError
from rules.rulebook import Rule, Rulebook, RuleStatus


class ChangeKind(StrEnum):
    """How a rule differs."""

    NEW = "new"
    CHANGED = "changed"
    STATUS = "status"  # its status, and nothing else
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDifference:
    """One rule that is not the same in both books."""

    rule_id: str
    kind: ChangeKind
    pack_id: str
    before: RuleStatus | None  # None of a new rule
    after: RuleStatus | None  # None of a removed one
    is_unnumbered: bool = False  # it finds something else under the same version

    @property
    def silences(self) -> bool:
        """Whether a rule that raises alerts would raise none any more."""
        return self.before is RuleStatus.ACTIVE and self.after is not RuleStatus.ACTIVE


def rule_differences(before: Rulebook, after: Rulebook) -> tuple[RuleDifference, ...]:
    """Rules that are not the same in both, by id; a new number alone makes no difference."""
    old = {rule.id: rule for rule in before.rules}
    new = {rule.id: rule for rule in after.rules}
    found = (_difference(id, old.get(id), new.get(id)) for id in sorted(old | new))
    return tuple(
        each
        for each in found
        if each.kind is not ChangeKind.STATUS or each.before is not each.after
    )


def _difference(rule_id: str, was: Rule | None, now: Rule | None) -> RuleDifference:
    either = now or was
    kind = ChangeKind.CHANGED
    if was is None:
        kind = ChangeKind.NEW
    elif now is None:
        kind = ChangeKind.REMOVED
    elif _without_status(was) == _without_status(now):
        kind = ChangeKind.STATUS
    return RuleDifference(
        rule_id=rule_id,
        kind=kind,
        pack_id=either.pack_id if either else "",
        before=was.status if was else None,
        after=now.status if now else None,
        is_unnumbered=(
            kind is ChangeKind.CHANGED
            and was is not None
            and now is not None
            and was.version == now.version
        ),
    )


def _without_status(rule: Rule) -> Rule:
    # A pack's version counts for all its rules: one that only got a new number is the same.
    return replace(rule, status=RuleStatus.ACTIVE, version=0)


def with_status(raw: bytes, name: str, rule_ids: Iterable[str], status: RuleStatus) -> bytes:
    """The text of a pack with the status of some rules changed, and everything else as it was.

    Args:
        raw: The pack's file.
        name: Its name, for messages.
        rule_ids: Rules of this pack; those that it does not hold are passed over.
        status: What they are to have.

    Raises:
        RuleLoadError: the file is no pack.
        RuleInputError: a rule is written in a way in which it cannot be changed by hand of ours.
    """
    document = _document(raw, name)
    wanted = set(rule_ids)
    lines = raw.decode("utf-8-sig").splitlines(keepends=True)
    rules = document.data.get("rules") if isinstance(document.data, dict) else None
    places = [
        i
        for i, rule in enumerate(rules if isinstance(rules, list) else ())
        if isinstance(rule, dict) and rule.get("id") in wanted
    ]
    for i in reversed(places):  # from the end, so that the places before stay where they are
        _put_status(document, lines, i, status)
    changed = "".join(lines).encode()
    after = _document(changed, name)
    if not _differs_by_status(document, after, places, status):
        raise RuleInputError(f"{name}: its layout is unusual; write `status: {status}` by hand")
    return changed


def _document(raw: bytes, name: str) -> Document:
    document, problems = parse_document(raw, Path(name))
    if document is None:
        raise RuleLoadError(problems)
    if not isinstance(document.data, dict):
        problem = Problem(path=Path(name), line=1, column=1, message="no pack; write one")
        raise RuleLoadError([problem])
    return document


def _put_status(document: Document, lines: list[str], i: int, status: RuleStatus) -> None:
    rule = document.data["rules"][i]
    if "status" in rule:
        row, column = (n - 1 for n in document.values["rules", i, "status"])
        line = lines[row]
        quote = line[column] if line[column] in "'\"" else ""
        length = len(str(rule["status"])) + 2 * len(quote)
        lines[row] = line[:column] + status.value + line[column + length :]
        return
    keys = sorted(document.keys["rules", i, key] for key in rule)
    (first_line, first_column), is_block = keys[0], len({line for line, _ in keys}) == len(keys)
    column = first_column - 1
    line = lines[first_line - 1]
    if is_block and len(keys) > 1 and line[:column].strip() in {"", "-"}:
        second = keys[1][0] - 1
        lines.insert(second, f"{' ' * column}status: {status}\n")
    else:
        lines[first_line - 1] = f"{line[:column]}status: {status}, {line[column:]}"


def _differs_by_status(
    before: Document, after: Document, places: Iterable[int], status: RuleStatus
) -> bool:
    expected = dict(before.data)
    expected["rules"] = list(expected.get("rules") or [])
    for i in places:
        expected["rules"][i] = {**expected["rules"][i], "status": status.value}
    return bool(expected == {**after.data, "rules": list(after.data.get("rules") or [])})
