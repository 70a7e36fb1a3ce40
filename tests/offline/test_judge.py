"""Whole calls through the engine."""

from __future__ import annotations

import pytest

from offline.judge import Judge
from rules.loader import load_rulebook
from rules.types import Participant, Role
from tests.offline.builders import CARD, said

AGENT = Participant(identity="agent", role=Role.AGENT)
NOTICE = "This call is being recorded for quality."


@pytest.mark.parametrize(
    ("lines", "end_s", "expected"),
    [
        pytest.param([], 300.0, [], id="silence"),
        pytest.param(
            [(NOTICE, 1, 4, "agent"), ("My card number is", 5, 7, "customer"),
             (CARD, 8, 14, "customer")],
            60.0,
            [("pii.card-number", "customer")],
            id="number-over-two-utterances",
        ),
        pytest.param(
            [("Good morning.", 1, 2, "agent")],
            60.0,
            [("disclosure.recording-notice", None)],
            id="missing-notice",
        ),
        pytest.param(
            [("Good morning.", 1, 2, "agent"), (NOTICE, 55, 58, "agent")],
            60.0,
            [("disclosure.recording-notice", None)],
            id="notice-too-late",
        ),
        pytest.param(
            [(NOTICE, 1, 4, "agent"), ("It has guaranteed returns.", 5, 7, "agent"),
             ("Guaranteed returns, you say?", 8, 9, "customer")],
            60.0,
            [("conduct.promissory-claim", "agent")],
            id="by-role",
        ),
    ],
)  # fmt: skip
def test_judgement(
    lines: list[tuple[str, float, float, str]], end_s: float, expected: list[tuple[str, str | None]]
) -> None:
    """The audit finds with the built-in book what the live engine would find."""
    judgement = Judge(load_rulebook()).judge(
        [AGENT, Participant(identity="customer", role=Role.CUSTOMER)],
        [said(*line, id=f"u{number}") for number, line in enumerate(lines)],
        end_s=end_s,
    )
    assert [(hit.rule_id, hit.speaker) for hit in judgement.hits] == expected
