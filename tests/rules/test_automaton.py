"""Plain phrases in a stream of words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.automaton import START, Automaton

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


@given(st.lists(WORDS, max_size=8), st.lists(st.sampled_from("abcd"), max_size=30))
def test_finds_what_a_search_from_every_word_finds(
    phrases: list[list[str]], said: list[str]
) -> None:
    """Each phrase is found with each of its places, the longest first, and nothing else."""
    automaton: Automaton[int] = Automaton()
    for number, phrase in enumerate(phrases):
        automaton.add(phrase, number)
    automaton.link()
    place = START
    for i, word in enumerate(said):
        place = automaton.step(place, word, 10 * i)
        found = [(number, place.ordinals[-n]) for number, n in automaton.ends(place)]
        expected = [
            (number, 10 * (i + 1 - len(phrase)))
            for number, phrase in enumerate(phrases)
            if said[: i + 1][-len(phrase) :] == phrase
        ]
        assert sorted(found) == sorted(expected)
        lengths = [len(phrases[number]) for number, _ in found]
        assert lengths == sorted(lengths, reverse=True)


def test_words_of_no_phrase_lead_back_to_the_start() -> None:
    """What nobody looks for leaves nothing behind, so a snapshot of it costs nothing."""
    automaton: Automaton[str] = Automaton()
    automaton.add(["a", "b"], "ab")
    automaton.link()
    assert automaton.step(automaton.step(START, "a", 0), "x", 1) is START
