"""Whose data is to be erased, and how they are found in text, JSON and names of reports."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from rules.masking import mask_numbers
from storage.errors import ErasureError
from storage.mentions import forms

MIN_WORD_CHARS = 3
# Under which a record names somebody; an entry of a list that is theirs goes as a whole.
_NAMING = ("speaker", "identity", "name", "participant", "publisher_identity", "who")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, by their identity in LiveKit and whatever else they are known by."""

    identity: str = field(repr=False)
    also: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Refuse what would be found all over the place."""
        for word in self.words:
            if len(word.strip()) < MIN_WORD_CHARS or word.startswith(ERASED):
                raise ErasureError(
                    f"an identity needs {MIN_WORD_CHARS} characters or more, and may not be a "
                    "pseudonym of an earlier erasure"
                )

    @property
    def words(self) -> tuple[str, ...]:
        """All that they are known by."""
        return (self.identity, *self.also)

    def is_them(self, value: object) -> bool:
        """Whether a value is one of their names."""
        return value in self.words

    def mentioned_in(self, text: str) -> bool:
        """Whether a text has one of their names, as a word of its own."""
        return any(word in text for word in self.words) and bool(self._pattern.search(text))

    def removed_from(self, text: str, pseudonym: str) -> str:
        """The text with the pseudonym in the place of their names."""
        return self._pattern.sub(lambda found: pseudonym, text)

    def shown_among(self, names: Collection[str]) -> set[str]:
        """Which names of a report could be theirs: numbers in names are masked there."""
        found: set[str] = set()
        for word in self.words:
            masked = mask_numbers(word)
            found |= {
                name
                for name in names
                if name in (word, masked) or re.fullmatch(rf"{re.escape(masked)} \(\d+\)", name)
            }
        return found

    def hashed(self, key: bytes) -> str:
        """A hash by which a receipt is found again by whoever has the key and the identity."""
        return hmac.new(key, self.identity.encode(), hashlib.sha256).hexdigest()

    @property
    def _pattern(self) -> re.Pattern[str]:
        spelt = {form for word in self.words for form in forms(word)}
        longest_first = sorted(spelt, key=len, reverse=True)
        # "ann" is not in "annual". A name that begins with a sign, as +49, may stand anywhere.
        return re.compile(
            "|".join(
                f"{_edge(form[0], before=True)}{re.escape(form)}{_edge(form[-1], before=False)}"
                for form in longest_first
            )
        )


ERASED = "erased-"


def pseudonym_of(erasure_id: str, room_sid: str) -> str:
    """What stands in the place of the person on one call; tells nothing about them."""
    return f"{ERASED}{hashlib.sha256(f'{erasure_id}/{room_sid}'.encode()).hexdigest()[:8]}"


def without_person(tree: object, person: Person, names: Collection[str], pseudonym: str) -> object:
    """JSON without a person: their entries of lists are dropped, their names elsewhere replaced.

    Args:
        tree: As `json.loads` gives it. Not modified.
        person: Who.
        names: Further names of theirs in it, as a report shows them.
        pseudonym: What stands in their place.
    """

    def is_theirs(value: object) -> bool:
        return isinstance(value, str) and (person.is_them(value) or value in names)

    def is_their_entry(value: object) -> bool:
        if not isinstance(value, dict):
            return False
        if any(is_theirs(value.get(key)) for key in _NAMING):
            return True
        speakers = value.get("speakers")
        return bool(isinstance(speakers, list) and speakers and all(map(is_theirs, speakers)))

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {
                cleaned(key): cleaned(each) for key, each in value.items() if not is_theirs(key)
            }
        if isinstance(value, list):
            return [cleaned(each) for each in value if not is_their_entry(each)]
        if isinstance(value, str):
            return pseudonym if is_theirs(value) else person.removed_from(value, pseudonym)
        return value

    return cleaned(tree)


def _edge(char: str, *, before: bool) -> str:
    if not (char.isalnum() or char == "_"):
        return ""
    return r"(?<!\w)" if before else r"(?!\w)"
