"""Utterances are read: personal data is covered, and mood and keywords are found."""

import asyncio
from functools import cache

import pytest

from realtime.errors import LanguageError
from realtime.language import Language, SharedLanguage, ThreadLanguage, answer


@cache
def language() -> Language:
    """The models, loaded once."""
    return Language()


@pytest.mark.parametrize(
    ("text", "hidden", "shown"),
    [
        pytest.param(
            "My card is four five three nine one four eight eight zero three four three six four "
            "six seven, thanks.",
            ["four", "nine", "seven"], ["card", "thanks"], id="spoken-card",
        ),
        pytest.param("Call me on 555 0199 123.", ["555", "0199"], ["Call"], id="number"),
        pytest.param("Mail jo.doe@example.com now", ["doe", "example"], ["Mail"], id="email"),
        pytest.param("I live at 12 Main Street.", ["Main"], ["live"], id="street"),
        pytest.param("My name is Carl Jones.", ["Carl", "Jones"], ["name"], id="name"),
        pytest.param("I want to cancel my policy.", [], ["cancel", "policy"], id="harmless"),
    ],
)  # fmt: skip
def test_personal_data_is_covered(text: str, hidden: list[str], shown: list[str]) -> None:
    """What the detectors find is covered in place; the rest stays readable."""
    reading = language().read(text)
    assert len(reading.masked) == len(text)
    assert [word for word in hidden if word in reading.masked] == []
    assert [word for word in shown if word not in reading.masked] == []
    assert not set(hidden) & set(" ".join(reading.keywords).split())


def test_a_number_that_straddles_two_utterances() -> None:
    """Two digits are nothing, unless they end a number that was begun before."""
    assert "six" in language().read("six seven").masked
    assert "six" not in language().read("six seven", before="four eight eight zero").masked


def test_mood_and_keywords() -> None:
    """A complaint is negative and about its things; keywords are whole phrases."""
    reading = language().read("This broken dishwasher is terrible and I hate the long refund form.")
    assert reading.sentiment < -0.5
    assert {"broken dishwasher", "long refund form"} <= set(reading.keywords)
    assert language().read("Wonderful, thank you so much!").sentiment > 0.5


class Executor:
    """Stands for livekit-agents' way to the shared process."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Answer as the process does, or fail as it does."""
        if method == "broken":
            raise RuntimeError("secret words")
        return answer(language(), data)


async def test_the_shared_process_gives_the_same() -> None:
    """A reading survives the way between the processes; a failure says nothing of the words."""
    text = "The dishwasher of Carl Jones broke."
    there = await SharedLanguage(Executor(), method="language").read(text)
    thread = ThreadLanguage(language)
    assert there == await thread.read(text) == language().read(text)
    await asyncio.to_thread(thread.close)
    with pytest.raises(LanguageError, match=r"^the shared process failed$"):
        await SharedLanguage(Executor(), method="broken").read(text)
