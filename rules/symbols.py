"""What dictated words stand for in an address: signs, letters, digits, names, mere remarks.

"W-O-O-D", "f for freddie", "double nine", "at sign", "all one word": people spell an address in
many ways, and comment on it as they go. What is only a comment is told apart, and stays out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from rules.alphabets import n_explaining
from rules.detectors.calendar import NUMBER_WORDS
from rules.detectors.passage import word_set


class Role(Enum):
    """What a symbol is in an address."""

    SIGN = auto()
    LETTERS = auto()  # spelled
    DIGITS = auto()
    WORD = auto()
    REMARK = auto()  # "um", "all lower case": no part of an address


@dataclass(frozen=True, slots=True)
class Symbol:
    """A part of an address as it would be written, and the characters it was said in."""

    written: str = field(repr=False)
    role: Role
    start: int
    end: int
    stop: bool = False  # punctuation follows
    one_word: bool = False  # of a remark: what was said before it is written in one word
    explained: bool = False  # a letter with its example


class _Said(NamedTuple):
    text: str
    folded: str
    start: int
    end: int
    stop: bool


_EDGES = "\"'.,;:!?()[]{}<>\u2019\u2018\u201d\u201c"
_WORD = re.compile(r"\S+")
_SIGNS = {
    **{"dot": ".", "point": ".", "period": ".", "at": "@", "@": "@", "slash": "/", "dash": "-"},
    **{"hyphen": "-", "underscore": "_", "colon": ":", "plus": "+", "minus": "-"},
}
_SIGN_PHRASES = """@:the at sign|@:at sign|@:the at symbol|@:at symbol|@:at the rate of
@:at the rate|.:full stop|_:under score|/:forward slash|-:hyphen sign|-:dash sign|+:plus sign
w:double you|w:double u|w:double-u|w:double-you|www:triple w|www:triple double u|/:stroke"""
_REMARKS = """um|uh|er|erm|uhm|ah|hmm|mm|let me see|you know|lower case|lowercase|all lower case
all lowercase|in lower case|in lowercase|all in lower case|all in lowercase|all small letters
small letters|upper case|uppercase|all upper case|all capitals|in capitals|all caps|capital|capitals
with the number|the number|the numbers|number|the digits|the digit|digits|the letters|the letter
letter|the word|the figure|the figures"""
_ONE_WORD = """all one word|one word|as one word|all as one word|no spaces|no space|without spaces
with no spaces|all together|altogether|no gaps|no space in between"""
_BEFORE_LETTER = frozenset({"with", "not"})
_ABOUT_LETTER = re.compile(
    r"(?:with an?|with the|not an?|not with an?) (?:capital |big |small )?(?:letter )?[a-z](?!\S)"
)
_MAX_PHRASE_WORDS = 4
_APART = re.compile(r"(?:[A-Za-z0-9][-.]){2,}[A-Za-z0-9]|(?:[A-Za-z]-){2,}[A-Za-z](?:-[0-9]{1,4})+")
_ALPHABET = word_set(
    """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike
    november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray x-ray yankee
    zulu"""
)
_MIN_ALPHABET = 3  # "mike" alone is a name
_REPEATS = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_SPELLED_AS = frozenset({"that's", "thats", "spelled", "spelt", "which", "is"})
_MAX_SPELLING_ERROR = 2  # letters by which a heard name and its spelling may differ in length


def _phrases() -> Mapping[tuple[str, ...], Symbol]:
    table: dict[tuple[str, ...], Symbol] = {}
    for line in _SIGN_PHRASES.splitlines():
        for entry in line.split("|"):
            written, _, phrase = entry.partition(":")
            role = Role.LETTERS if written.isalpha() else Role.SIGN
            table[tuple(phrase.split())] = Symbol(written, role, 0, 0)
    for text, one_word in ((_REMARKS, False), (_ONE_WORD, True)):
        for line in text.splitlines():
            for phrase in line.split("|"):
                table[tuple(phrase.split())] = Symbol("", Role.REMARK, 0, 0, one_word=one_word)
    return MappingProxyType(table)


_PHRASES = _phrases()
_FIRST_WORDS = frozenset(path[0] for path in _PHRASES)


def symbols(text: str) -> list[Symbol]:
    """The symbols of a text, in order.

    >>> [symbol.written for symbol in symbols("w for wood, double nine at")]
    ['w', '99', '@']
    """
    said = [_said(match) for match in _WORD.finditer(text)]
    found: list[Symbol] = []
    i = 0
    while i < len(said):
        n, symbol = _next(said, i, found)
        if symbol is not None:
            last = said[i + n - 1]
            found.append(
                Symbol(
                    symbol.written,
                    symbol.role,
                    said[i].start,
                    last.end,
                    last.stop,
                    symbol.one_word,
                    symbol.explained,
                )
            )
        i += n
    return list(_without_repeats(found))


def _said(match: re.Match[str]) -> _Said:
    whole = match.group()
    bare = whole.strip(_EDGES)
    start = match.start() + (whole.index(bare) if bare else 0)
    end = start + (len(bare) or len(whole))
    folded = bare.casefold().replace("\u2019", "'")
    return _Said(bare, folded, start, end, end < match.end())


def _next(said: Sequence[_Said], i: int, before: Sequence[Symbol]) -> tuple[int, Symbol | None]:
    """How many words from here are one symbol, and the symbol without its place."""
    word = said[i]
    if not word.text:
        return 1, None
    longest = min(_MAX_PHRASE_WORDS, len(said) - i) if word.folded in _FIRST_WORDS else 0
    for n in range(longest, 0, -1):
        symbol = _PHRASES.get(tuple(each.folded for each in said[i : i + n]))
        if symbol is not None:
            return n, symbol
    if word.folded in _BEFORE_LETTER:
        about = _ABOUT_LETTER.match(" ".join(each.folded for each in said[i : i + 5]))
        if about:  # "catherine with a c"
            return about.group().count(" ") + 1, Symbol("", Role.REMARK, 0, 0)
    sign = _SIGNS.get(word.folded)
    if sign is not None:
        return 1, Symbol(sign, Role.SIGN, 0, 0)
    if _APART.fullmatch(word.text):
        return 1, Symbol(re.sub(r"\W", "", word.folded), Role.LETTERS, 0, 0)
    repeated = _repeated(said, i)
    if repeated is not None:
        return 2, repeated
    n, digits = number(said, i, follows=_follows_number(word, before))
    if n:
        return n, Symbol(digits, Role.DIGITS, 0, 0)
    if len(word.text) == 1 and word.text.isalpha():
        return _letter(said, i)
    run = 0
    while i + run < len(said) and said[i + run].folded in _ALPHABET:
        run += 1
    if run >= _MIN_ALPHABET:
        letters = "".join(each.folded[0] for each in said[i : i + run])
        return run, Symbol(letters, Role.LETTERS, 0, 0, explained=True)
    return 1, Symbol(word.folded, Role.WORD, 0, 0)


def _follows_number(word: _Said, before: Sequence[Symbol]) -> bool:
    """Whether an "oh" is a zero: behind a number, or behind its dot as in "ten dot oh"."""
    if word.folded == "oh" and before and before[-1].written == ".":
        before = before[:-1]
    return bool(before) and before[-1].role is Role.DIGITS


def _letter(said: Sequence[_Said], i: int) -> tuple[int, Symbol]:
    letter = said[i].folded
    following = [each.text for each in said[i + 1 : i + 5]]
    explained = n_explaining(following, letter.upper())
    if explained is None:
        return 1, Symbol(letter, Role.LETTERS, 0, 0)
    n, meant = explained
    return 1 + n, Symbol(meant.casefold(), Role.LETTERS, 0, 0, explained=True)


def _repeated(said: Sequence[_Said], i: int) -> Symbol | None:
    """What is said to come several times, as in "double nine", "triple a", "double slash"."""
    n_times = _REPEATS.get(said[i].folded)
    if n_times is None or i + 1 == len(said):
        return None
    following = said[i + 1].folded
    value = NUMBER_WORDS.get(following, 10)
    if value < 10 or (len(following) == 1 and following.isdigit()):
        digit = str(value) if value < 10 else following
        return Symbol(digit * n_times, Role.DIGITS, 0, 0)
    if len(following) == 1 and following.isalpha():
        return Symbol(following * n_times, Role.LETTERS, 0, 0)
    if following == "slash":
        return Symbol("/" * n_times, Role.SIGN, 0, 0)
    return None


def _without_repeats(found: Sequence[Symbol]) -> Iterator[Symbol]:
    """Turn into remarks what only spells a name or a letter that was said before."""
    said = list(found)
    for i, symbol in enumerate(said):
        if symbol.role is not Role.LETTERS or (i and said[i - 1].role is Role.LETTERS):
            continue
        run = 1
        while i + run < len(said) and said[i + run].role is Role.LETTERS:
            run += 1
        letters = "".join(each.written for each in said[i : i + run])
        if len(letters) > 1:
            _settle_spelling(said, i, run, letters)
    for i in range(1, len(said)):
        last, this = said[i - 1], said[i]
        again = last.role is Role.LETTERS and last.written == this.written
        if again and this.explained and not last.explained:
            said[i] = replace(this, role=Role.REMARK)
    return iter(said)


def _settle_spelling(said: list[Symbol], start: int, n: int, letters: str) -> None:
    name = start - 1
    while name > 0 and said[name].written in _SPELLED_AS:
        name -= 1
    if name < 0 or said[name].role is not Role.WORD:
        return
    heard = said[name].written
    linked = name < start - 1
    if heard == letters:
        dropped = range(name + 1, start + n)
    elif (
        linked and heard[0] == letters[0] and abs(len(heard) - len(letters)) <= _MAX_SPELLING_ERROR
    ):
        dropped = range(name, start)  # the spelling counts: "smith, that's s m y t h"
    else:
        return
    for i in dropped:
        said[i] = replace(said[i], role=Role.REMARK)


def number(said: Sequence[_Said], i: int, *, follows: bool = False) -> tuple[int, str]:
    """How many words from here are one number, and its digits.

    Args:
        said: All words.
        i: The first.
        follows: Whether a number stands before it, so that "oh" is a zero.
    """
    first = _value(said, i)
    if first is None:
        return 0, ""
    if said[i].folded in {"oh", "o"} and not follows:
        following = _value(said, i + 1)
        if following is None or said[i].stop or (said[i].folded == "o" and following >= 10):
            return 0, ""
    n = 1
    for name, factor in (("thousand", 1000), ("hundred", 100)):
        if 1 <= first <= 9 and _folded(said, i + 1) == name:
            n = 2
            if _folded(said, i + n) == "and" and _value(said, i + n + 1) is not None:
                n += 1
            more, rest = _below_100(said, i + n)
            return n + more, str(first * factor + rest)
    n, value = _below_100(said, i)
    written = said[i].folded
    return n, written if written.isdigit() else str(value)


def _below_100(said: Sequence[_Said], i: int) -> tuple[int, int]:
    first = _value(said, i)
    if first is None:
        return 0, 0
    unit = _value(said, i + 1)
    is_tens = first >= 20 and first % 10 == 0 and not said[i].folded.isdigit()
    if is_tens and unit is not None and 0 < unit < 10 and not said[i].stop:
        return 2, first + unit
    return 1, first


def _folded(said: Sequence[_Said], i: int) -> str:
    return said[i].folded if i < len(said) else ""


def _value(said: Sequence[_Said], i: int) -> int | None:
    word = _folded(said, i)
    if word.isdigit() and word.isascii() and len(word) <= 18:
        return int(word)
    if word == "o":
        return 0
    tens, _, unit = word.partition("-")
    if unit:
        both = tens in NUMBER_WORDS and unit in NUMBER_WORDS
        return NUMBER_WORDS[tens] + NUMBER_WORDS[unit] if both else None
    return NUMBER_WORDS.get(word)
