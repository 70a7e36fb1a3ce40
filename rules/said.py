"""A word that somebody said, with its place in the call and what its form alone tells.

Most words of a call begin no number, no code and no address. Their form says so once, and is
remembered, so that what listens for such things does not have to look at every word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rules.alphabets import is_article, is_letter, split_code
from rules.clues import Clue, clues
from rules.detectors.passage import bare
from rules.phrases import phrase_words
from rules.spoken import LEADS, STARTERS, Kind, Piece, Token, split_word
from rules.types import Span, TextRange, Word
from rules.word_cache import word_cache

_OPENS = int(Clue.OPENS | Clue.ASKED)


class Form(NamedTuple):
    """What a word tells whatever stands around it."""

    words: tuple[str, ...]  # normalised, as phrases are
    stop: bool  # a sentence ends behind it
    clue: int  # `Clue` bits
    bare: str  # in lower case, without the punctuation around it
    pieces: tuple[Piece, ...]  # as `split_word` gives them where no word leads to another meaning
    code_pieces: tuple[Piece, ...]  # and as `split_code` does
    opens_number: bool
    opens_written: bool
    opens_code: bool
    opens_announced: bool  # a code that needs an announcement may begin with it: "alpha", "a"
    opens_nothing: bool  # of all these


@word_cache
def form_of(text: str) -> Form:
    """The form of a word as a recogniser wrote it.

    >>> form_of("Hello.").words, form_of("Hello.").stop, form_of("four,").opens_number
    (('hello',), True, True)
    """
    clue = clues(text)
    spelled = split_code(text)
    opens_code = (
        any(piece.kind in STARTERS for piece in spelled)
        or is_letter(text)
        or spelled[0].value == "+"
    )
    pieces = split_word(text)
    opens_number = any(piece.kind in STARTERS for piece in pieces)
    opens_written = bool(clue & _OPENS)
    opens_announced = opens_code or spelled[0].kind is Kind.LETTER or is_article(text)
    return Form(
        words=phrase_words(text),
        stop=text.rstrip("\"')").endswith((".", "?", "!")),
        clue=clue,
        bare=bare(text),
        pieces=pieces,
        code_pieces=spelled,
        opens_number=opens_number,
        opens_written=opens_written,
        opens_code=opens_code,
        opens_announced=opens_announced,
        opens_nothing=not (opens_number or opens_written or opens_announced),
    )


class SaidWord(NamedTuple):
    """A word in its place."""

    word: Word
    utterance_id: str
    speaker: str | None
    ordinal: int  # number of the word among the speaker's words
    turn: int
    form: Form

    def __repr__(self) -> str:
        return f"SaidWord(ordinal={self.ordinal})"  # what was said stays out of logs

    def pieces(self, before: str) -> tuple[Piece, ...]:
        """What the word is to somebody who reads digits.

        Args:
            before: The bare form of the same speaker's word before it, or "".
        """
        return split_word(self.word.text, before) if before in LEADS else self.form.pieces

    def code_pieces(self, before: str) -> tuple[Piece, ...]:
        """What the word is within a code, where letters count as digits do."""
        return split_code(self.word.text, before) if before in LEADS else self.form.code_pieces

    def token(self, piece: Piece, *, paused: bool = False) -> Token:
        """The token of a piece of the word."""
        word = self.word
        return Token(
            piece.kind,
            piece.value,
            piece.joined,
            piece.comma,
            piece.stop,
            paused,
            self.ordinal,
            self.utterance_id,
            word.start_chars + piece.start_chars,
            word.start_chars + piece.end_chars,
            word.span.start_s,
            word.span.end_s,
        )


def before_of(recent: Sequence[SaidWord]) -> str:
    """The bare form of the word before a speaker's last one, "" where there is none."""
    return recent[-2].form.bare if len(recent) > 1 else ""


def hull(said: Sequence[SaidWord]) -> Span:
    """The time from the first to the last of some words."""
    return Span(
        min(each.word.span.start_s for each in said), max(each.word.span.end_s for each in said)
    )


def ranges(said: Iterable[SaidWord]) -> tuple[TextRange, ...]:
    """The text of some words, one range for each utterance."""
    found: dict[str, tuple[int, int]] = {}
    for each in said:
        start, _ = found.get(each.utterance_id, (each.word.start_chars, 0))
        found[each.utterance_id] = (start, each.word.end_chars)
    return tuple(
        TextRange(utterance_id=utterance_id, start_chars=start, end_chars=end)
        for utterance_id, (start, end) in found.items()
    )
