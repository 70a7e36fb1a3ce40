"""Poor rules are found, each kind of fault once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.cases import load_cases
from rules.lint import Fault, lint
from rules.loader import load_rulebook

PACK = """pack: a.b
version: 1
rules:
  - id: a.poor
    title: T
    description: D
    severity: low
    scope: {live: false, report: false}
    when: {phrase: {any_of: [can't lose, "Cannot lose!", we can not lose, lose]}}
  - id: a.old
    title: T
    description: D
    severity: low
    status: deprecated
    when: {phrase: {any_of: [x]}}
  - id: a.good
    title: T
    description: D
    severity: low
    references: [R]
    when: {phrase: {any_of: [x]}}
"""


def test_every_fault_is_found(tmp_path: Path) -> None:
    """Missing cases, missing references, dead phrases and idle rules; deprecated ones rest."""
    (tmp_path / "a.yaml").write_text(PACK)
    (tmp_path / "a.cases.yaml").write_text(
        "cases:\n  - {say: x, hit: a.good}\n  - {say: y, no_hit: a.good}\n"
    )
    book = load_rulebook([tmp_path])
    issues = lint(book, load_cases([tmp_path], book))
    assert [(issue.rule_id, issue.fault) for issue in issues] == [
        ("a.poor", Fault.NO_HIT_CASE),
        ("a.poor", Fault.NO_NEAR_MISS),
        ("a.poor", Fault.NO_REFERENCE),
        ("a.poor", Fault.UNUSED),
        ("a.poor", Fault.REPEATED_PHRASE),
        ("a.poor", Fault.UNREACHABLE_PHRASE),
        ("a.poor", Fault.UNREACHABLE_PHRASE),
        ("a.poor", Fault.UNREACHABLE_PHRASE),
        ("a.b", Fault.NO_OWNER),
    ]
    assert str(issues[-1]).endswith(
        "a.yaml:1:7: a.b: the pack has no owner; write under `owner` who answers for it [no-owner]"
    )
    assert str(issues[0]).endswith(
        "a.yaml:4:5: a.poor: no case hits it; add one under `hit` [no-hit-case]"
    )


def test_names_and_measures(tmp_path: Path) -> None:
    """Lists and macros that nobody uses, and live rules that only a whole call can decide."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "pack: a.b\nversion: 1\n"
        "lists: {used: [x], spare: [y]}\n"
        "macros:\n  m: {phrase: {list: used}}\n  idle: z\n"
        "defaults: {severity: low, references: [R]}\n"
        "rules:\n"
        "  - {id: a.one, title: T, description: D, when: {macro: m}}\n"
        "  - {id: a.two, title: T, description: D,\n"
        "     when: {metric: {name: talk_ratio, above: 0.9}}}\n"
        "  - {id: a.three, title: T, description: D, scope: {live: false},\n"
        "     when: {metric: {name: sentiment, below: -0.5}}}\n"
    )
    (tmp_path / "a.cases.yaml").write_text("cases:\n  - {say: x, hit: [a.one], no_hit: [a.two]}\n")
    book = load_rulebook([path])
    wanted = {Fault.UNUSED_NAME, Fault.REPORT_ONLY}
    found = [issue for issue in lint(book, load_cases([path], book)) if issue.fault in wanted]
    assert [(i.fault, i.rule_id, i.location.line, i.location.column) for i in found] == [
        (Fault.REPORT_ONLY, "a.two", 10, 5),
        (Fault.UNUSED_NAME, "a.b", 3, 20),
        (Fault.UNUSED_NAME, "a.b", 6, 3),
    ]
    assert all("; " in issue.message for issue in found)


TWO = """pack: a.p
version: 1
rules:
  - {{id: a.one, title: T, description: D, severity: low, references: [r], {one}}}
  - {{id: a.two, title: T, description: D, severity: low, references: [r], {two}}}
"""


@pytest.mark.parametrize(
    ("one", "two", "fault"),
    [
        ("when: {phrase: zap}", "when: {phrase: zap}", "a.two duplicate-rule"),
        (
            "when: {phrase: zap}",
            "scope: {roles: [agent]}, when: {phrase: zap}",
            "a.two shadowed-rule",
        ),
        ("when: {phrase: [zap]}", "when: {phrase: [zap, zip]}", "a.one shadowed-rule"),
        (
            "scope: {roles: [agent]}, when: {phrase: zap}",
            "scope: {roles: [customer]}, when: {phrase: zap}",
            None,
        ),
        ("when: {phrase: zap}", "scope: {report: false}, when: {phrase: [zap, zip]}", None),
        ("when: {phrase: call you back}", "when: {phrase: zip}", "a.one everyday-talk"),
        ("when: {lemma: block the card}", "when: {phrase: zip}", "a.one everyday-talk"),
        ("when: {regex: 'thank'}", "when: {phrase: zip}", "a.one everyday-talk"),
    ],
)
def test_rules_that_tell_nothing_of_their_own(
    tmp_path: Path, one: str, two: str, fault: str | None
) -> None:
    """Doubles, rules in another one's shadow, and phrases of ordinary calls."""
    (tmp_path / "a.yaml").write_text(TWO.format(one=one, two=two))
    found = {f"{issue.rule_id} {issue.fault}" for issue in lint(load_rulebook([tmp_path]), ())}
    wanted = {"duplicate-rule", "shadowed-rule", "everyday-talk"}
    assert {each for each in found if each.split()[1] in wanted} == ({fault} if fault else set())
