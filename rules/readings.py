"""Readings of the same sound: which of several makes a number that somebody would give away.

A recogniser that heard "four five three nine, one four eight, oh three four three" lost a digit.
Who has the sound can have it heard once more; here stands when that is worth it, and which reading
to believe.
"""

from __future__ import annotations

import re

from rules.conditions import finds_personal_data
from rules.engine import Engine
from rules.spoken import Kind, split_word
from rules.state import State
from rules.topics import ANNOUNCING
from rules.types import CallEnded, HeardUntil, HitState, Utterance

# A hit with so much certainty is whole: its check digits hold, or it has none and was announced.
WHOLE_SCORE = 0.75
# The shortest number that counts by itself has three digits (a card's security code).
_MIN_DIGITS = 3
_MIN_LETTERS = 3
# Talk has two to four words a second. Where this few were read of so much speech, much was lost.
_MIN_WORDS_PER_S = 1.0
_MIN_SPEECH_S = 2.5
# Between "the security code is" and what should have been a number.
_MAX_WORDS_BEHIND = 6
# Behind it, every number that waits for more of itself has been given up or taken as it is.
_SETTLED_AFTER_S = 60.0

_NO_ID = re.compile(r"[$€£¥%@:/]")
_VALUES = frozenset({Kind.DIGITS, Kind.UNIT, Kind.TEEN, Kind.TENS, Kind.OH, Kind.PLURAL})


def may_hold_number(utterance: Utterance) -> bool:
    """Whether something like a number, whole or not, was read; or far less than was said."""
    n_digits = n_letters = 0
    for word in utterance.words:
        pieces = split_word(word.text)
        for piece in pieces:
            if piece.kind in _VALUES:
                n_digits += len(piece.value)
            elif piece.kind is Kind.REPEAT:
                n_digits += int(piece.value) - 1
        if len(pieces) == 1 and pieces[0].kind is Kind.BREAK and not _NO_ID.search(word.text):
            n_digits += sum(char.isdigit() for char in word.text)  # "33A", misheard
        n_letters += len(word.text.strip(".,-")) == 1 and word.text.casefold() not in {"a", "i"}
    if n_digits >= _MIN_DIGITS or n_letters >= _MIN_LETTERS:
        return True
    duration_s = utterance.span.duration_s
    return duration_s >= _MIN_SPEECH_S and len(utterance.words) < _MIN_WORDS_PER_S * duration_s


class Readings:
    """Weighs readings by what the rules would find.

    Args:
        engine: The rules in force.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules = frozenset(r.id for r in engine.rules if finds_personal_data(r.condition))

    @property
    def are_weighed(self) -> bool:
        """Whether a rule asks for personal data; without one, no reading matters."""
        return bool(self._rules)

    def is_awaited(self, state: State, utterance: Utterance) -> bool:
        """Whether a number was announced, and a few words follow that are none.

        Args:
            state: What came before.
            utterance: One reading, of which nothing was found.
        """
        heard = self._engine.feed(state, utterance).state.speakers.get(utterance.speaker)
        if heard is None or not heard.marks or heard.marks[-1].topic not in ANNOUNCING:
            return False
        n_behind = heard.n_words - 1 - heard.marks[-1].ordinal
        return 0 < n_behind <= min(_MAX_WORDS_BEHIND, len(utterance.words))

    def weigh(self, state: State, utterance: Utterance) -> float:
        """How certain the personal data is that a final utterance would lead to.

        Args:
            state: What came before.
            utterance: One reading.

        Returns:
            The highest score of a hit, in [0.0, 1.0]; 0.0 where there would be none.
        """
        step = self._engine.feed(state, utterance)
        hits = list(step.hits)
        at_s = utterance.span.end_s + _SETTLED_AFTER_S
        for event in (HeardUntil(at_s=at_s), CallEnded(at_s=at_s)):
            step = self._engine.feed(step.state, event)
            hits += step.hits
        return max(
            (
                hit.score
                for hit in hits
                if hit.rule_id in self._rules
                and hit.state is not HitState.RETRACTED
                and hit.speaker == utterance.speaker
            ),
            default=0.0,
        )
