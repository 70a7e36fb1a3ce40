"""Metrics of conduct, on calls laid out by hand."""

from __future__ import annotations

import pytest

from offline.conduct import ARC_POINTS, Conduct, measure
from rules.types import Span, utterance_from_words

# Who speaks from when to when.
Speech = list[tuple[str, float, float]]


def measured(speech: Speech, *, end_s: float = 60.0) -> Conduct:
    return measure([(who, Span(a, b)) for who, a, b in speech], (), end_s=end_s)


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        pytest.param([("a", 0, 5), ("b", 4, 8)], {"b": (1, 0), "a": (0, 1)}, id="b-cuts-a-short"),
        pytest.param([("a", 0, 9), ("b", 4, 6)], {"b": (0, 0), "a": (0, 0)}, id="a-goes-on"),
        pytest.param([("a", 0, 5), ("b", 4.7, 8)], {"b": (0, 0), "a": (0, 0)}, id="barely-at-once"),
        pytest.param([("a", 0, 5), ("b", 0.3, 8)], {"b": (0, 0), "a": (0, 0)}, id="both-began"),
        pytest.param([("a", 0, 5), ("b", 5, 8)], {"b": (0, 0), "a": (0, 0)}, id="in-turn"),
        pytest.param(
            # A breath is not the end of a turn.
            [("a", 0, 4), ("a", 4.8, 9), ("b", 3, 4.5)],
            {"b": (0, 0), "a": (0, 0)},
            id="a-breathes",
        ),
        pytest.param(
            [("a", 0, 5), ("b", 4, 8), ("a", 7, 12)], {"b": (1, 1), "a": (1, 1)}, id="each-other"
        ),
        pytest.param(
            [("a", 0, 5), ("b", 1, 6), ("c", 4, 9)],
            {"a": (0, 2), "b": (1, 1), "c": (1, 0)},
            id="one-cuts-two-short",
        ),
    ],
)
def test_interruptions(speech: Speech, expected: dict[str, tuple[int, int]]) -> None:
    """Who begins in the middle, speaks on top for half a second, and makes the other stop."""
    found = measured(speech)
    assert {
        name: (each.n_interruptions, each.n_interrupted) for name, each in found.speakers.items()
    } == expected
    assert found.call.n_interruptions == sum(n for n, _ in expected.values())


def test_shares_of_a_call() -> None:
    """Talk, silence and overlap add up to the call."""
    found = measured([("a", 5, 15), ("b", 14, 24), ("a", 30, 40)], end_s=50.0)
    assert (found.speakers["a"].talk_s, found.speakers["a"].talk_ratio) == (20.0, 0.6667)
    assert (found.speakers["b"].talk_s, found.speakers["b"].talk_ratio) == (10.0, 0.3333)
    call = found.call
    assert (call.talk_s, call.non_talk_s, call.non_talk_ratio) == (29.0, 21.0, 0.42)
    assert (call.overlap_s, call.n_overlaps, call.longest_silence_s) == (1.0, 1, 10.0)
    assert found.speakers["a"].overlap_s == found.speakers["b"].overlap_s == 1.0


@pytest.mark.parametrize(
    ("speech", "expected_s"),
    [
        pytest.param([("a", 0, 10), ("a", 12, 20), ("b", 30, 35)], 20.0, id="a-pause"),
        pytest.param([("a", 0, 10), ("b", 10.2, 10.9), ("a", 12, 20)], 20.0, id="mm-hm"),
        pytest.param([("a", 0, 10), ("b", 10.2, 11.8), ("a", 12, 20)], 10.0, id="an-answer"),
        pytest.param([("a", 0, 10), ("a", 14, 20)], 10.0, id="a-long-silence"),
    ],
)
def test_longest_monologue(speech: Speech, expected_s: float) -> None:
    """Pauses and murmurs of a listener do not end a monologue; answers do."""
    assert measured(speech).speakers["a"].longest_monologue_s == expected_s


def test_time_to_answer() -> None:
    """From the end of another's turn; not after one's own, not after a long silence."""
    found = measured(
        [("a", 0, 5), ("b", 6, 8), ("a", 8.4, 10), ("a", 13, 14), ("b", 16, 17), ("a", 40, 41)]
    )
    assert (found.speakers["b"].n_responses, found.speakers["b"].response_latency_s) == (2, 1.5)
    assert (found.speakers["a"].n_responses, found.speakers["a"].response_latency_s) == (1, 0.4)


def test_turns_begin_and_end_with_their_words() -> None:
    """Speech detection pads what it finds: padding is neither talk nor overlap."""
    said = [
        utterance_from_words(
            [("Hello", Span(1.2, 1.6), None), ("there.", Span(1.6, 2.0), None)], id="1", speaker="a"
        ),
        utterance_from_words([("Hi.", Span(2.1, 2.5), None)], id="2", speaker="b"),
    ]
    padded = [("a", Span(1.0, 2.3)), ("b", Span(1.8, 2.8))]
    found = measure(padded, said, end_s=10.0)
    assert (found.speakers["a"].talk_s, found.speakers["b"].talk_s) == (0.8, 0.4)
    assert (found.call.overlap_s, found.speakers["b"].response_latency_s) == (0.0, 0.1)
    assert found.speakers["a"].speech_rate_wpm == 150.0


def test_mood_over_the_call() -> None:
    """Sentences are scored one by one and put where they were said; silence has no mood."""
    said = [
        utterance_from_words(
            [
                (word, Span(at_s + i / 10, at_s + i / 10 + 0.1), None)
                for i, word in enumerate(text.split())
            ],
            id=str(at_s),
            speaker="a",
        )
        for at_s, text in ((5, "This is wonderful, I love it!"), (85, "This is awful. I hate it."))
    ]
    found = measure([("a", u.span) for u in said], said, end_s=90.0)
    first, second, third = found.speakers["a"].sentiment_thirds
    assert first is not None
    assert third is not None
    assert first > 0.5
    assert second is None
    assert third < -0.3
    arc = found.speakers["a"].sentiment_arc
    assert len(arc) == ARC_POINTS
    assert arc[0] == first
    assert arc[6] is None
    assert found.call.sentiment_arc == arc


def test_a_call_in_which_nobody_speaks() -> None:
    """Nothing is measured as nothing, and not as zero where zero would mean something."""
    found = measure([], [], end_s=0.0)
    assert found.speakers == {}
    call = found.call
    assert (call.non_talk_ratio, call.speech_rate_wpm, call.sentiment) == (None, None, None)
    assert measured([], end_s=30.0).call.non_talk_ratio == 1.0
