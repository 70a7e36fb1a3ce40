"""Letters as people spell them: by name, by alphabet, by example ("s as in sam", "b for bravo")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rules.spoken import Kind, Piece, split_word
from rules.word_cache import word_cache


def _letters() -> Mapping[str, str]:
    words = """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima
    mike november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray x-ray
    yankee zulu"""
    letters = {word: word[0].upper() for word in words.split()}
    names = """a:ay b:bee c:cee d:dee e:ee f:eff g:gee h:aitch h:haitch j:jay k:kay l:el l:ell m:em
    n:en p:pee q:cue q:queue r:ar s:ess t:tee v:vee x:ex y:wye z:zed z:zee z:izzard"""
    for pair in names.split():
        letter, _, name = pair.partition(":")
        letters[name] = letter.upper()
    return MappingProxyType(letters)


_LETTERS = _letters()
_EDGES = "\"'.,;:!?()[]{}<>\u2019\u2018\u201c\u201d\u2026"
_MIXED = re.compile(r"(?=.*[0-9])[A-Z0-9]+(?:[-./ ][A-Z0-9]+)*|(?=.*[0-9])[a-z]{1,6}[0-9]+[a-z]?")
_LETTERS_APART = re.compile(r"[A-Za-z](?:[-.][A-Za-z])+")
_CAPITALS = re.compile(r"[A-Z]{2,16}")
_PLUS = re.compile(r"\+[0-9]{1,15}")
_SLASHED = re.compile(r"[0-9]{1,4}(?:/[0-9]{1,4}){1,3}")
_PART = re.compile(r"[0-9]+|[A-Za-z]")
_LIKE = frozenset({"for", "like"})
_ARTICLES = frozenset({"a", "i"})  # letters, and words of every other sentence
_ABOUT_LETTERS = frozenset({"letter", "letters", "capital", "uppercase", "lowercase", "digit"})
# What announces a code is not part of it, though it is written like one.
_NAMES_OF_CODES = frozenset(
    """ABA BSB CCV CID CSC CVC CVV DEA DL DNI DOB EIN FIN IBAN ID IMEI ISBN ITIN LLC MRN NHS NI NIE
    NIF NINO NPI NRIC OK OTP PAN PCI PIN RSVP SKU SMS SSN TFN TIN UK UPC URL US USA USPS VIN VPN
    ZIP""".split()  # noqa: SIM905 - a list of so many is read better as words
)


def bare(text: str) -> str:
    """A word without the punctuation around it."""
    return text.strip(_EDGES)


def split_code(text: str, before: str = "") -> tuple[Piece, ...]:
    """The pieces of a word within a code, where letters count as digits do.

    Args:
        text: The word, punctuation included.
        before: The same speaker's word before it in lower case, or "".

    >>> [(piece.kind.name, piece.value) for piece in split_code("AB12,")]
    [('LETTER', 'A'), ('LETTER', 'B'), ('DIGITS', '12')]
    """
    return _lettered(text) or split_word(text, before)


@word_cache
def _lettered(text: str) -> tuple[Piece, ...]:
    """The pieces of a word with letters that count, () for any other."""
    said = bare(text)
    if said.isdigit():
        return ()
    folded = said.casefold()
    letter = _LETTERS.get(folded)
    start = text.find(said)
    if folded in _ABOUT_LETTERS:
        return (Piece(Kind.FILLER, "", start, start + len(said)),)
    if folded == "plus":
        return (Piece(Kind.LETTER, "+", start, start + len(said)),)
    if _PLUS.fullmatch(said):
        digits = Piece(Kind.DIGITS, said[1:], start + 1, start + len(said), joined=True)
        return (Piece(Kind.LETTER, "+", start, start + 1), digits._replace(comma="," in text))
    if letter is not None:
        return (_letter(letter, start, start + len(said), text),)
    if len(said) == 1 and said.isalpha() and said.isascii():
        if said.casefold() == "o":
            return ()
        return (_letter(said.upper(), start, start + 1, text),)
    if _is_code(said):
        return tuple(
            Piece(
                kind=Kind.LETTER if match.group().isalpha() else Kind.DIGITS,
                value=match.group().upper(),
                start_chars=start + match.start(),
                end_chars=start + match.end(),
                joined=bool(match.start()),
                comma=said[match.end() : match.end() + 1] in {"-", ".", "/"},
            )
            for match in _PART.finditer(said)
        )
    return ()


def _is_code(said: str) -> bool:
    if said in _NAMES_OF_CODES:
        return False
    if _CAPITALS.fullmatch(said):
        # "SORRY" and "DOUBLE" say something; "NWBK" does not.
        return split_word(said.casefold())[0].kind is Kind.BREAK
    return bool(
        (_MIXED.fullmatch(said) and not said.isdigit() and _has_letter(said))
        or _LETTERS_APART.fullmatch(said)
        or _SLASHED.fullmatch(said)
    )


def _has_letter(said: str) -> bool:
    return any(char.isalpha() for char in said)


def _letter(value: str, start: int, end: int, text: str) -> Piece:
    return Piece(
        Kind.LETTER,
        value,
        start,
        end,
        comma=any(mark in text[end:] for mark in ",-"),
        stop="." in text[end:] and len(text[end:]) > 1,
    )


def is_letter(text: str) -> bool:
    """Whether a word is a letter and hardly anything else.

    >>> is_letter("B."), is_letter("bravo"), is_letter("a")
    (True, False, False)
    """
    said = bare(text).casefold()
    return len(said) == 1 and said.isalpha() and said not in _ARTICLES


def is_article(text: str) -> bool:
    """Whether a word is a letter, and an everyday word, too."""
    return bare(text).casefold() in _ARTICLES


def n_explaining(words: Sequence[str], letter: str) -> tuple[int, str] | None:
    """How many words from here explain a letter, and the letter that they tell.

    What the example begins with counts: recognisers hear "n as in mike" for "m as in mike".

    >>> n_explaining(["as", "in", "Sam"], "F")
    (3, 'S')
    >>> n_explaining(["for", "me"], "B") is None
    True
    """
    said = [bare(word).casefold() for word in words[:4]]
    if said[:2] == ["as", "in"]:
        skipped = 3 if said[2:3] in (["the"], ["a"]) and len(said) > 3 else 2
        if len(said) > skipped and said[skipped][:1].isalpha():
            return skipped + 1, said[skipped][0].upper()
    if said and said[0] in _LIKE and len(said) > 1 and len(said[1]) > 1:
        example = said[1]
        if example[0].upper() == letter:
            return 2, letter
    return None


def awaits_example(words: Sequence[str]) -> bool:
    """Whether the last words begin to explain a letter, so that the next one belongs to them."""
    said = [bare(word).casefold() for word in words[-3:]]
    if said[-1:] == ["as"]:
        return True
    if said[-2:] == ["as", "in"] or (said[-3:-1] == ["as", "in"] and said[-1] in {"the", "a"}):
        return True
    return len(said) > 1 and said[-1] in _LIKE and _names_letter(words[-2])


def may_explain(text: str, last: str) -> bool:
    """Whether a word may begin the explanation of the letter before it."""
    return _names_letter(last) and bare(text).casefold() in {"as", *_LIKE}


def _names_letter(text: str) -> bool:
    pieces = split_code(text)
    return pieces[-1].kind is Kind.LETTER
