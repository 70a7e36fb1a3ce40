"""Why a rule hit, or why it did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.cases import sentence_events
from rules.explain import explain
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.trace import Verdict
from rules.types import CallEnded, Event, Participant, Role, Span, utterance_from_text


@pytest.mark.parametrize(
    ("rule_id", "text", "reason"),
    [
        ("conduct.promissory-claim", "you can't lose", "1 hit"),
        ("conduct.promissory-claim", "you can't lose. No risk at all.", "2 hits"),
        (
            "conduct.promissory-claim",
            "there are no guaranteed returns",
            "no hit: a word before it takes it back",
        ),
        ("conduct.promissory-claim", "hello", "no hit: nothing that it looks for was found"),
        (
            "pii.card-number",
            "the order number is 4111 1111 1111 1111 bye",
            "no hit: what was found scores too low",
        ),
    ],
)
def test_reason(book: Rulebook, rule_id: str, text: str, reason: str) -> None:
    """One sentence says what became of the rule."""
    assert explain(book.rule(rule_id), sentence_events(text), timeline=False).reason == reason


def test_steps_of_a_tree(write_pack: Callable[..., Path]) -> None:
    """Every condition is listed below its parent with what it came upon, in order."""
    when = "{all: [red, {near: {of: [blue, green], within_words: 3}}]}"
    (rule,) = load_rulebook([write_pack(when)]).rules
    found = explain(rule, sentence_events("red blue and so on green"), timeline=False)
    assert [(each.depth, each.label, each.n_found) for each in found.conditions] == [
        (0, "all of these", 0),
        (1, "phrase 'red'", 1),
        (1, "near: all of these within 3 words", 0),
        (2, "phrase 'blue'", 1),
        (2, "phrase 'green'", 1),
    ]
    assert found.reason == "no hit: never found: near: all of these within 3 words"


def test_scope_is_told(book: Rulebook) -> None:
    """Words of somebody whom the rule passes over are told apart from words not said."""
    events: list[Event] = [
        Participant(identity="c", role=Role.CUSTOMER),
        utterance_from_text("you can't lose", Span(0.0, 2.0), id="1", speaker="c"),
        CallEnded(at_s=3.0),
    ]
    found = explain(book.rule("conduct.promissory-claim"), events, timeline=True)
    assert found.reason == "no hit: it was said by somebody whom the rule passes over"
    assert [f.verdict for f in found.conditions[0].findings] == [Verdict.OUT_OF_SCOPE]


def test_personal_data_is_masked(book: Rulebook) -> None:
    """An explanation shows of a card number what a hit shows: its last four digits."""
    text = "my card number is 4111 1111 1111 1111 thanks"
    found = explain(book.rule("pii.card-number"), sentence_events(text), timeline=False)
    shown = " ".join(f.excerpt for each in found.conditions for f in each.findings)
    assert "4111" not in shown.replace("••••••••••••1111", "")
    assert found.n_hits == 1
