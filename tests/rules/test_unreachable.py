"""What can never be met is told, and what can is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rules.cases import sentence_events
from rules.engine import Engine
from rules.entities import ENTITY_TYPES, MAX_SCORES
from rules.lint import Fault, LintIssue, lint
from rules.loader import load_rulebook
from rules.rulebook import Rulebook

Write = Callable[..., Path]
FAULTS = {Fault.UNREACHABLE, Fault.UNREACHABLE_PHRASE, Fault.IDLE_ROLES}
NEVER = "unreachable"


def told(path: Path) -> list[tuple[str, str]]:
    """Kind and message of every fault of this kind, at the rule's place and with a mend."""
    issues = [issue for issue in lint(load_rulebook([path]), ()) if issue.fault in FAULTS]
    assert all((i.location.line, i.location.column) == (4, 5) for i in issues)
    assert all("; " in issue.message for issue in issues)
    return [(issue.fault.value, issue.message) for issue in issues]


@pytest.mark.parametrize(
    ("when", "extra", "expected"),
    [
        # near
        (
            "{near: {of: [stop calling me, my lawyer], within_words: 1}}",
            "",
            [(NEVER, "the parts of `near` take 3 words or more, and within_words is 1; raise it to "
              "2 or more")],
        ),
        ("{near: {of: [stop calling me, my lawyer], within_words: 2}}", "", []),
        ("{near: {of: [can not, not now], within_words: 1}}", "", []),  # "not" may be shared
        ("{near: {of: [a b c d, {lemma: x y z u}], within_words: 1}}", "", []),  # may share, too
        (
            "{near: {of: [x, {metric: {name: silence_s, above: 9}}], within_s: 5}}",
            "",
            [(NEVER, "a metric has no words, so it is near to none; use `all`")],
        ),
        (
            "{near: {of: [x, {absent: {what: y, within_s: 9}}], within_words: 5}}",
            "",
            [(NEVER, "an absence has no words, so it is near to none; use `all`")],
        ),
        # scores
        (
            "{pii: {type: [PERSON, US_SSN], min_score: 0.9}}",
            "",
            [(NEVER, "PERSON never scores 0.9, 0.85 is the most; lower min_score")],
        ),
        (
            "{all: [x, {pii: DATE_TIME}]}",
            "    threshold: 0.95\n",
            [(NEVER, "threshold 0.95 is never reached, 0.9 is the most; lower it")],
        ),
        ("{any: [x, {pii: DATE_TIME}]}", "    threshold: 0.95\n", []),
        # measures
        (
            "{metric: {name: talk_ratio, above: 1}}",
            "    scope: {live: false}\n",
            [(NEVER, "talk_ratio is never above 1, 1 is the most; lower the limit")],
        ),
        (
            "{metric: {name: sentiment, below: -1}}",
            "    scope: {live: false}\n",
            [(NEVER, "sentiment is never below -1, -1 is the least; raise the limit")],
        ),
        (
            "{metric: {name: silence_s, below: 3}}",
            "",
            [(NEVER, "silence_s is only known to grow, so `below` never hits; use `above`")],
        ),
        ("{metric: {name: sentiment, below: -0.9}}", "    scope: {live: false}\n", []),
        ("{metric: {name: interruptions, above: 90}}", "    scope: {live: false}\n", []),
        # all with not
        (
            "{all: [no risk at all, {not: {when: no risk, within_words: 3}}]}",
            "",
            [(NEVER, "a `not` looks for what one of the other parts is made of, so it takes that "
              "part back itself; narrow the `not`")],
        ),
        (
            "{all: [x, {phrase: [a, b]}, {not: {when: {phrase: [b, a]}, within_s: 3}}]}",
            "",
            [(NEVER, "a `not` looks for what one of the other parts is made of, so it takes that "
              "part back itself; narrow the `not`")],
        ),
        ("{all: [{phrase: [a, c]}, {not: {when: {phrase: [b, a]}, within_s: 3}}]}", "", []),
        # count
        (
            "{count: {of: {absent: {what: x, within_s: 9}}, at_least: 2}}",
            "",
            [(NEVER, "what is counted happens once a call, so never 2 times; count less")],
        ),
        (
            "{count: {of: {metric: {name: silence_s, above: 20}}, at_least: 3, within_s: 30}}",
            "",
            [(NEVER, "3 times 20 s do not fit into within_s 30; raise it or count less")],
        ),
        ("{count: {of: {absent: {what: x, after: y, within_s: 9}}, at_least: 2, within_s: 18}}", "",
         []),
        # sequences
        (
            "{sequence: [{when: {metric: {name: talk_ratio, above: 0.9}}}, {when: x}]}",
            "    scope: {live: false}\n",
            [(NEVER, "step 1 is known when the call is over, so nothing is said after it; put it "
              "last, or use `all`")],
        ),
        (
            "{sequence: [{when: x}, {when: {absent: {what: y, within_s: 4}}, next_turn: true}]}",
            "",
            [(NEVER, "step 2 has no words, so it is in no turn; take next_turn away")],
        ),
        (
            "{sequence: [{when: {absent: {what: y, within_s: 4}}}, {when: x, next_turn: true}]}",
            "",
            [(NEVER, "step 1 has no words, so no turn is next to it; take next_turn away")],
        ),
        (
            "{sequence: [{when: x, said_by: [customer]}, {when: y, said_by: [agent]}]}",
            "    scope: {roles: [agent]}\n",
            [("idle-roles", "the scope leaves customer out, and a step asks for them; take one of "
              "both out")],
        ),
        ("{sequence: [{when: x, said_by: [customer]}, {when: y}]}",
         "    scope: {roles: [agent]}\n", []),
        (
            "{absent: {what: x, within_s: 5}}",
            "    scope: {roles: [agent]}\n",
            [("idle-roles", "every part says by itself who may speak, so the scope's roles change "
              "nothing; remove")],
        ),
        # patterns
        (
            r"{regex: ['good\nbye', 'a\tb', 'a  b', '(?:x|y\r)\n', 'ok', '[\n\t]z', 'good\s+bye']}",
            "",
            [
                (NEVER, f"pattern {pattern!r} asks for a line break, a tab or two blanks in a row, "
                 "which spoken words never have; write one blank or \\s")
                for pattern in (r"good\nbye", r"a\tb", "a  b", r"(?:x|y\r)\n", r"[\n\t]z")
            ],
        ),
        (r"{regex: ['(?:a|\n)b', '[ \n]', 'a\n?b', '\pN+ x', 'a {0,3}b']}", "", []),
        (
            r"{regex: '(?:[a-z]+ ){50}'}",
            "",
            [(NEVER, "pattern '(?:[a-z]+ ){50}' takes more than 40 words; shorten it")],
        ),
        # phrases in one list
        (
            "{phrase: [calling you from, {text: calling from, slop: 1}, {text: now, fuzzy: 1}]}",
            "",
            [("unreachable-phrase", "phrase 'calling you from' always comes after 'calling from' "
              "hit; remove it")],
        ),
        ("{phrase: [{text: calling you from, slop: 1}, {text: calling from, slop: 1}]}", "", []),
        ("{phrase: [{text: calling you, fuzzy: 1}, calling]}", "", []),
        ("{phrase: {any_of: [not sure at all, sure at all], unless_before: [not]}}", "", []),
        (
            "{phrase: [{text: a b, slop: 2}, b]}",
            "",
            [("unreachable-phrase", "phrase 'a b' always comes after 'b' hit; remove it")],
        ),
        ("{phrase: [{text: a b c, slop: 1}, a b]}", "", []),
        # scope
        ("x", "    scope: {attributes: {team: []}}\n",
         [(NEVER, "no value of attribute 'team' counts, so nobody is in scope; give one")]),
    ],
)  # fmt: skip
def test_what_is_told(
    write_pack: Write, when: str, extra: str, expected: list[tuple[str, str]]
) -> None:
    """Whole lists, each with its place and a mend."""
    assert told(write_pack(when, extra=extra)) == expected


def test_a_macro_that_only_deprecated_rules_use(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "pack: a.b\nversion: 1\nlists: {l: [x], k: [y]}\n"
        "macros: {old: {phrase: {list: l}}, new: {phrase: {list: k}}}\n"
        "defaults: {severity: low}\nrules:\n"
        "  - {id: a.one, title: T, description: D, status: deprecated, when: {macro: old}}\n"
        "  - {id: a.two, title: T, description: D, when: {macro: new}}\n"
    )
    found: list[LintIssue] = [
        issue for issue in lint(load_rulebook([path]), ()) if issue.fault is Fault.UNUSED_NAME
    ]
    assert [(i.message, i.location.line, i.location.column) for i in found] == [
        ("only deprecated rules use macro 'old'; write it out in them", 4, 10)
    ]


def test_no_find_scores_more_than_the_table_says(book: Rulebook) -> None:
    """The table of best scores holds on every sentence of the development sets."""
    engine = Engine(book, timeline=False, entities=ENTITY_TYPES)
    n_found = 0
    for name in ("spoken_ids", "written"):
        data = Path(__file__).parent / "data" / f"{name}.jsonl"
        for line in data.read_text(encoding="utf-8").splitlines():
            state = engine.start()
            for event in sentence_events(json.loads(line)["text"]):
                step = engine.feed(state, event)
                state = step.state
                n_found += len(step.entities)
                assert all(e.score <= MAX_SCORES[e.type] for e in step.entities)
    assert n_found > 400
