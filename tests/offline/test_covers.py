"""What must not be heard in a redacted copy."""

from __future__ import annotations

import pytest

from offline.composition import Evidence
from offline.covers import Words, covers, spans_of
from offline.judge import Judge
from rules.loader import load_rulebook
from rules.types import Participant, Span, Utterance, utterance_from_words
from tests.offline.builders import call, heard

PAD_S = 0.25


def spoken(text: str, at_s: float, *, speaker: str = "customer", each_s: float = 0.5) -> Utterance:
    """Words of equal length, one after the other; `~` stands for one that was not recognised."""
    words = [
        (word, Span(at_s + i * each_s, at_s + (i + 1) * each_s), None)
        for i, word in enumerate(text.split())
        if word != "~"
    ]
    return utterance_from_words(words, id=f"{speaker}/{at_s}", speaker=speaker)


def evidence(*said: Utterance, speech: tuple[tuple[str, Span], ...] | None = None) -> Evidence:
    book = load_rulebook()
    people = tuple(Participant(identity=name) for name in ("agent", "customer"))
    pieces = tuple((u.speaker or "", u.span) for u in said) if speech is None else speech
    return Evidence(
        call=call(),
        heard=(heard(speech=pieces),),
        participants=people,
        utterances=said,
        judgement=Judge(book).judge(people, said, end_s=60.0),
        rulebook=book,
        end_s=60.0,
    )


def places(found: Evidence, words: Words = "personal") -> list[tuple[float, float]]:
    merged = spans_of(covers(found, words, pad_s=PAD_S), None)
    return [(round(span.start_s, 2), round(span.end_s, 2)) for span in merged]


CARD = "four five three nine one four eight eight zero three four three six four six seven"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("we talked about the weather", [], id="nothing-personal"),
        # Words 4 to 19 of half a second each, from 10 s on.
        pytest.param(f"my card number is {CARD} thanks", [(11.75, 20.25)], id="card"),
        pytest.param("call me on five five five one two three four", [(11.25, 15.25)], id="number"),
        pytest.param("that is guaranteed returns my friend", [], id="a-phrase-stays"),
    ],
)
def test_covers_what_is_masked(said: str, expected: list[tuple[float, float]]) -> None:
    """From the first to the last word that the transcript masks, padded."""
    assert places(evidence(spoken(said, 10.0))) == expected


def test_all_findings_on_request() -> None:
    """With `hits`, forbidden phrases go too."""
    found = evidence(spoken("that is guaranteed returns my friend", 10.0, speaker="agent"))
    assert places(found, "hits") == [(10.75, 12.25)]


def test_a_cover_goes_on_where_words_are_lost() -> None:
    """Digits that the recogniser lost lie before, between and behind those that it wrote."""
    lost = (
        "my card is ~ ~ five three nine one four eight eight zero three ~ four three six four six ~"
    )
    said = spoken(lost, 10.0)
    whole = Span(10.0, 10.0 + 0.5 * len(lost.split()))
    found = places(evidence(said, speech=(("customer", whole),)))
    # From behind "is" to the end of speech.
    assert found == [(11.25, 20.75)]


def test_speech_without_words_is_covered() -> None:
    """Nobody knows what was said where the recogniser wrote nothing down."""
    said = spoken("hello there", 10.0)
    speech = (("customer", Span(10.0, 16.0)), ("agent", Span(30.0, 33.0)))
    assert places(evidence(said, speech=speech)) == [(11.0, 16.0), (30.0, 33.0)]
    # A pause within a piece of speech is none.
    assert places(evidence(said, speech=(("customer", Span(10.0, 12.0)),))) == []


def test_everybody_is_covered_in_their_own_channel_and_in_mixes() -> None:
    """What one says is not cut out of another's track; in a mix it must be."""
    found = covers(evidence(spoken(f"my card is {CARD}", 10.0)), "personal", pad_s=0.0)
    assert spans_of(found, ["agent"]) == ()
    assert spans_of(found, ["customer"]) == spans_of(found, None) == (Span(11.5, 19.5),)
