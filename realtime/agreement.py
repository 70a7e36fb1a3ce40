"""Agreement of passes: which words of a growing piece of speech may be believed already.

A recogniser that hears a sentence that is not over invents its end. What two passes over a growing
piece write alike at its beginning stays, as a rule, in the final words too ("LocalAgreement-2":
Liu, Spanakis and Niehues, Interspeech 2020; Macháček, Dabre and Bojar, arXiv:2307.14743).
"""

from __future__ import annotations

from collections.abc import Sequence

from speech.recogniser import RecognisedWord

# Punctuation changes from pass to pass and means nothing for what was said.
_MARKS = ".,;:!?-'\"()…"


class Agreement:
    """Follows the passes over one piece of speech."""

    def __init__(self) -> None:
        self._last: tuple[str, ...] = ()
        self._told: tuple[str, ...] = ()

    def hear(
        self, words: Sequence[RecognisedWord], *, is_whole: bool
    ) -> tuple[RecognisedWord, ...]:
        """Take the words of one more pass.

        Args:
            words: What the pass heard, from the beginning of the piece.
            is_whole: Whether the speaker paused where the pass ended, so that its last words are as
                good as final ones and need no second opinion.

        Returns:
            The words that may be believed, where they hold something that was not told before;
            none otherwise.
        """
        keys = tuple(_key(word.text) for word in words)
        n_agreed = len(keys) if is_whole else _common(self._last, keys)
        self._last = keys
        if n_agreed == 0 or self._told[:n_agreed] == keys[:n_agreed]:
            return ()
        self._told = keys[:n_agreed]
        return tuple(words[:n_agreed])

    def believe(self, words: Sequence[RecognisedWord]) -> None:
        """Words were told for another reason: they are nothing new any more."""
        self._told = tuple(_key(word.text) for word in words)


def _key(text: str) -> str:
    return text.casefold().strip(_MARKS)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):  # one of them is longer
        if x != y:
            break
        n += 1
    return n
