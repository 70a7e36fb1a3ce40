"""Intents are found by the phrases of the lexicon."""

import pytest

from realtime.intents import load_lexicon


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("I'd like to cancel my policy.", ["cancel"], id="cancel"),
        pytest.param("No, I don't want to cancel anything.", [], id="negated"),
        pytest.param(
            "This is unacceptable, I want my money back!", ["complain", "refund"], id="two"
        ),
        pytest.param("I am not happy with this.", ["complain"], id="negation-in-the-phrase"),
        pytest.param("I would like to open the savings plan", ["buy"], id="buy"),
        pytest.param("Can I pay by card?", ["pay"], id="pay"),
        pytest.param("My router doesn\u2019t work", ["support"], id="apostrophe"),
        pytest.param("Good morning, how are you?", [], id="nothing"),
        pytest.param("The cancellations were concealed", [], id="whole-words"),
    ],
)
def test_intents(text: str, expected: list[str]) -> None:
    """Phrases of whole words, unless they are negated."""
    assert list(load_lexicon().intents_in(text)) == expected
