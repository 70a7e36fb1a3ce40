"""What two passes agree on may be believed."""

import pytest

from realtime.agreement import Agreement
from speech.recogniser import RecognisedWord

Pass = tuple[str, bool]


def heard(text: str) -> tuple[RecognisedWord, ...]:
    """Words a second apart."""
    return tuple(
        RecognisedWord(text=word, start_s=n, end_s=n + 0.5, confidence=None)
        for n, word in enumerate(text.split())
    )


@pytest.mark.parametrize(
    ("passes", "told"),
    [
        pytest.param([("so you", False)], [""], id="one-pass-says-nothing"),
        pytest.param(
            [("so your", False), ("so you can", False)], ["", "so"], id="common-beginning"
        ),
        pytest.param(
            [("So, you", False), ("so you can", False)], ["", "so you"], id="marks-mean-nothing"
        ),
        pytest.param(
            [("a b", False), ("a b c", False), ("a b c", False)], ["", "a b", "a b c"], id="grows"
        ),
        pytest.param(
            [("a b c", False), ("a b c", False), ("a x", False), ("a b c", False)],
            ["", "a b c", "", ""],
            id="nothing-twice",
        ),
        pytest.param([("a b", True)], ["a b"], id="a-pause-needs-no-second-pass"),
        pytest.param([("a b", True), ("a b", True)], ["a b", ""], id="the-same-pause"),
        pytest.param(
            [("a b.", True), ("a bit more", False), ("a bit more of", False)],
            ["a b.", "", "a bit more"],
            id="a-pause-that-was-none",
        ),
        pytest.param([("", False), ("", True)], ["", ""], id="no-words"),
    ],
)
def test_agreement(passes: list[Pass], told: list[str]) -> None:
    """Words are told once, as the newest pass writes them."""
    agreement = Agreement()
    believed = [agreement.hear(heard(text), is_whole=is_whole) for text, is_whole in passes]
    assert [" ".join(word.text for word in words) for words in believed] == told
