"""Reading spoken numbers: from words to digits, each with the words that it came from.

Knows how people say digits ("double four", "eighteen eighty one", "oh", "four ones", "five, no,
sorry, six") and how recognisers write them ("4539-1488", "453-I-1488", "4539, 148"). It reads what
was said and decides nothing: whether digits are a card number is for the detectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum, auto
from types import MappingProxyType
from typing import NamedTuple

from rules.word_cache import word_cache


class Kind(IntEnum):
    """What a piece of a word means to somebody who reads digits."""

    DIGITS = auto()  # written digits
    UNIT = auto()  # one .. nine, zero
    TEEN = auto()  # ten .. nineteen
    TENS = auto()  # twenty .. ninety
    HUNDRED = auto()
    THOUSAND = auto()
    REPEAT = auto()  # double, triple: the value says how often
    PLURAL = auto()  # "ones" in "four ones"
    OH = auto()  # a zero, or an interjection
    HOMOPHONE = auto()  # "for": a digit between digits, else a word
    SEPARATOR = auto()  # "dash"
    FILLER = auto()  # "uh"
    CONNECTOR = auto()  # "and then"
    CORRECTION = auto()  # "sorry"
    LETTER = auto()  # a letter of a code, spelled; the reader of a number takes it for a break
    BREAK = auto()  # any other word


STARTERS = frozenset({Kind.DIGITS, Kind.UNIT, Kind.TEEN, Kind.TENS, Kind.OH, Kind.REPEAT})

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def _vocabulary() -> Mapping[str, tuple[Kind, str]]:
    words: dict[str, tuple[Kind, str]] = {}
    words |= {word: (Kind.UNIT, str(n)) for n, word in enumerate(_UNITS)}
    words |= {word: (Kind.TEEN, str(n)) for n, word in enumerate(_TEENS, 10)}
    words |= {word: (Kind.TENS, str(n * 10)) for n, word in enumerate(_TENS, 2)}
    words |= {f"{w}s": (Kind.PLURAL, str(n)) for n, w in enumerate(_UNITS) if w != "six"}
    words |= {"sixes": (Kind.PLURAL, "6"), "zeroes": (Kind.PLURAL, "0"), "ohs": (Kind.PLURAL, "0")}
    words |= dict.fromkeys(("nought", "naught", "nil", "null"), (Kind.UNIT, "0"))
    words |= {"niner": (Kind.UNIT, "9"), "fourty": (Kind.TENS, "40")}
    words |= dict.fromkeys(("oh", "o", "ooh"), (Kind.OH, "0"))
    words |= {"hundred": (Kind.HUNDRED, ""), "thousand": (Kind.THOUSAND, "")}
    words |= {"double": (Kind.REPEAT, "2"), "triple": (Kind.REPEAT, "3")}
    words |= {"treble": (Kind.REPEAT, "3"), "quadruple": (Kind.REPEAT, "4")}
    words |= dict.fromkeys(("for", "fore"), (Kind.HOMOPHONE, "4"))
    words |= dict.fromkeys(("to", "too"), (Kind.HOMOPHONE, "2"))
    words |= {"ate": (Kind.HOMOPHONE, "8"), "won": (Kind.HOMOPHONE, "1")}
    words |= {"free": (Kind.HOMOPHONE, "3")}  # "th" is hard to hear, and for many to say
    words |= {"i": (Kind.HOMOPHONE, "1")}  # "4 5 I 6"
    separators = "dash hyphen minus dot period point comma space slash stroke"
    words |= dict.fromkeys(separators.split(), (Kind.SEPARATOR, ""))
    fillers = "uh uhh um umm uhm er err erm ah hm hmm mm mmm mhm like okay ok yeah yep yes right"
    words |= dict.fromkeys(fillers.split(), (Kind.FILLER, ""))
    words |= dict.fromkeys(("and", "then", "so", "next"), (Kind.CONNECTOR, ""))
    corrections = "sorry no wait actually correction scratch oops"
    words |= dict.fromkeys(corrections.split(), (Kind.CORRECTION, ""))
    return MappingProxyType(words)


_VOCABULARY = _vocabulary()
_ORDINALS = frozenset({"last", "first", "next", "final", "ending", "other"})
LEADS = _ORDINALS | {"scratch"}  # words that change what the next one means
_PIECE = re.compile(r"[0-9]+|[^\W0-9_]+(?:['\u2019][^\W0-9_]+)*")
_PLURAL_DIGIT = re.compile(r"\W*([0-9])['\u2019]?s\W*")
# A recogniser's "M-212-09" for "um, two one two, oh nine".
_HESITANT = re.compile(r"[Mm]-(?=[0-9](?:[\W0-9IilOo])*$)")
_LOOKALIKE = re.compile(r"[0-9IilOo\W_]+")
_LOOKALIKES = str.maketrans("IilOo", "11100")
_NOT_AN_ID = re.compile(r"[$€£¥%@+°=]|[0-9]:[0-9]")
_LONG_JOIN = re.compile(r"[\u2014:;\u2026|]|\.\.+|--+")  # joins sentences, not digits
_STARTS = "(["
_ENDS = ".,;:?!"
_MIN_SLASHED_DIGITS = 12  # fewer digits between slashes are a date or a fraction


class Piece(NamedTuple):
    """A part of one word; offsets are within the word."""

    kind: Kind
    value: str
    start_chars: int
    end_chars: int
    joined: bool = False  # by punctuation to the piece before it, within the same word
    comma: bool = False  # punctuation follows, so a group of digits ends here
    stop: bool = False  # a sentence ends here


def split_word(text: str, before: str = "") -> tuple[Piece, ...]:
    """The pieces of one word as a recogniser wrote it.

    Args:
        text: The word, punctuation included.
        before: The same speaker's word before it, or "".

    >>> [(piece.kind.name, piece.value) for piece in split_word("forty-five,")]
    [('TENS', '40'), ('UNIT', '5')]
    """
    return _split(text, before if before in LEADS else "")


@word_cache
def _split(text: str, before: str) -> tuple[Piece, ...]:
    whole = (Piece(Kind.BREAK, "", 0, len(text)),)
    core = text.rstrip(_ENDS)
    if core.isdigit() and core.isascii():  # nearly all words with digits
        if len(core) == 1 and before in _ORDINALS:
            return (Piece(Kind.BREAK, "", 0, len(core)),)
        tail = text[len(core) :]
        stop = any(mark in tail for mark in ".?!")
        return (Piece(Kind.DIGITS, core, 0, len(core), comma=bool(tail), stop=stop),)
    core = core.lstrip(_STARTS)
    if core.isalpha():  # and nearly all the others
        return (_plain(core, text, before),)
    plural = _PLURAL_DIGIT.fullmatch(text)
    if plural:
        return (Piece(Kind.PLURAL, plural.group(1), plural.start(1), plural.end(1)),)
    hesitation = _HESITANT.match(text)
    if hesitation:
        return _behind(hesitation.group(), text)
    n_digits = sum(char in "0123456789" for char in text)
    if n_digits and _NOT_AN_ID.search(text):
        return whole
    if "/" in text and 0 < n_digits < _MIN_SLASHED_DIGITS:
        return whole
    n_letters = sum(char in "IilOo" for char in text)
    if n_letters and n_digits >= max(2, n_letters) and _LOOKALIKE.fullmatch(text):
        text = text.translate(_LOOKALIKES)
    matches = list(_PIECE.finditer(text))
    if not matches:
        return (Piece(Kind.SEPARATOR, "", 0, len(text)),)
    pieces: list[Piece] = []
    for i, match in enumerate(matches):
        said = match.group()
        kind, value = _meaning(said)
        gap_before = text[matches[i - 1].end() : match.start()] if i else ""
        tail = text[match.end() : matches[i + 1].start() if i + 1 < len(matches) else len(text)]
        sentence_join = bool(_LONG_JOIN.search(gap_before))
        if i and not sentence_join and {kind, pieces[-1].kind} == {Kind.DIGITS, Kind.BREAK}:
            return whole  # letters and digits in one code, such as an order number
        if i and not gap_before and Kind.DIGITS in {kind, pieces[-1].kind}:
            return whole
        if i == 0 and kind in {Kind.UNIT, Kind.DIGITS} and len(value) == 1 and before in _ORDINALS:
            kind, value = Kind.BREAK, ""  # "the last four"
        if i == 0 and said.casefold() == "that" and before == "scratch":
            kind = Kind.FILLER
        pieces.append(
            Piece(
                kind=kind,
                value=value,
                start_chars=match.start(),
                end_chars=match.end(),
                joined=bool(i) and not sentence_join,
                comma=bool(tail.strip("'\"\u2019")),
                stop=any(mark in tail for mark in ".?!") and i + 1 == len(matches),
            )
        )
    return tuple(pieces)


def _behind(hesitation: str, text: str) -> tuple[Piece, ...]:
    """The pieces of a text behind a hesitation that was written on to it."""
    n = len(hesitation)
    return (
        Piece(Kind.FILLER, "", 0, 1),
        *(
            piece._replace(start_chars=piece.start_chars + n, end_chars=piece.end_chars + n)
            for piece in _split(text[n:], "")
        ),
    )


def _plain(word: str, text: str, before: str) -> Piece:
    """The piece of a text that is a word and the punctuation around it."""
    kind, value = _meaning(word)
    if kind is Kind.UNIT and before in _ORDINALS:
        kind, value = Kind.BREAK, ""
    elif before == "scratch" and word.casefold() == "that":
        kind = Kind.FILLER
    start = text.index(word)
    end = start + len(word)
    tail = text[end:]
    stop = any(mark in tail for mark in ".?!")
    return Piece(kind, value, start, end, comma=bool(tail), stop=stop)


def _meaning(said: str) -> tuple[Kind, str]:
    if "0" <= said[0] <= "9":
        return Kind.DIGITS, said
    return _VOCABULARY.get(said.casefold(), (Kind.BREAK, ""))


class Token(NamedTuple):
    """A piece with its place in the call."""

    kind: Kind
    value: str
    joined: bool
    comma: bool
    stop: bool
    paused: bool  # after a silence
    ordinal: int  # number of its word among the speaker's words
    utterance_id: str
    start_chars: int  # in the utterance's text
    end_chars: int
    start_s: float  # of its word
    end_s: float

    @classmethod
    def of(
        cls,
        piece: Piece,
        *,
        ordinal: int,
        start_chars: int,
        utterance_id: str = "",
        start_s: float = 0.0,
        end_s: float = 0.0,
        paused: bool = False,
    ) -> Token:
        """The token of a piece.

        Args:
            piece: A part of a word.
            ordinal: Number of the word among the speaker's words.
            start_chars: Where the word begins in its utterance's text.
            utterance_id: The utterance.
            start_s: When the word begins.
            end_s: When it ends.
            paused: Whether a silence came before it.
        """
        return cls(
            kind=piece.kind,
            value=piece.value,
            joined=piece.joined,
            comma=piece.comma,
            stop=piece.stop,
            paused=paused,
            ordinal=ordinal,
            utterance_id=utterance_id,
            start_chars=start_chars + piece.start_chars,
            end_chars=start_chars + piece.end_chars,
            start_s=start_s,
            end_s=end_s,
        )


class Digit(NamedTuple):
    """One digit, and the tokens [first, last] that it was read from."""

    value: str
    first: int
    last: int
    group: int  # digits with the same number were said or written together
    cut: bool = False  # another number may begin here
    oh: bool = False  # said as "oh", so perhaps no digit where it leads
    unsure: bool = False  # a homophone with no digit after it yet


class Reading(NamedTuple):
    """What a run of tokens says."""

    digits: tuple[Digit, ...]
    corrections: tuple[int, ...]  # positions in `digits` before which somebody corrected himself
    settled: bool  # whether no next word can change the digits so far

    def __repr__(self) -> str:
        return "Reading(…)"  # what was said stays out of logs


def read(tokens: Sequence[Token], *, sums: bool = True) -> Reading:
    """Read digits from tokens; the same tokens give the same reading, whatever came before.

    Args:
        tokens: A run.
        sums: Whether "five hundred twelve" is 512 or, group by group, 500 12. A detector that has
            a check digit may try both (`has_sums`).
    """
    reader = _Reader(tokens, sums=sums)
    for i in range(len(tokens)):
        reader.take(i)
    return reader.result()


def has_sums(tokens: Sequence[Token]) -> bool:
    """Whether there are hundreds or thousands in a run, which can be read in two ways."""
    return any(token.kind in _BIG for token in tokens)


_NONE = -9  # an index that is next to no token
_BIG = frozenset({Kind.HUNDRED, Kind.THOUSAND})
_COUNTABLE = frozenset({Kind.UNIT, Kind.TEEN, Kind.DIGITS})


class _Reader:
    def __init__(self, tokens: Sequence[Token], *, sums: bool) -> None:
        self._tokens = tokens
        self._sums = sums
        self._last_starter = max(
            (i for i, t in enumerate(tokens) if t.kind in STARTERS), default=-1
        )
        self._digits: list[Digit] = []
        self._corrections: list[int] = []
        self._group = 0
        self._repeat = 0
        self._repeat_at = 0
        self._cut = False
        self._skip = -1
        self._open_tens = _NONE  # index of the token whose zero a unit may fill
        self._open_hundred = _NONE  # the same for the zeros of a hundred or a thousand

    def take(self, i: int) -> None:
        token = self._tokens[i]
        before = self._tokens[i - 1] if i else None
        if token.paused or (before is not None and before.stop):
            self._cut = True
        if token.paused or (before is not None and before.comma and not self._fills_tens(i)):
            self._group += 1
        if i == self._skip:
            return
        match token.kind:
            case Kind.DIGITS:
                self._written(i, token)
            case Kind.UNIT:
                self._unit(i, token)
            case Kind.TEEN | Kind.TENS:
                self._pair(i, token)
            case Kind.OH:
                self._emit(i, "0", oh=True)
            case Kind.HOMOPHONE:
                self._homophone(i, token)
            case Kind.HUNDRED:
                self._zeros(i, "00")
            case Kind.THOUSAND:
                self._zeros(i, "000")
            case Kind.REPEAT:
                self._repeat, self._repeat_at = int(token.value), i
            case Kind.LETTER:
                self._letter(i, token)
            case Kind.SEPARATOR:
                self._group += 1
            case Kind.CONNECTOR:
                self._group += 1
                self._cut = self._cut or self._open_hundred != i - 1
            case Kind.CORRECTION:
                if self._digits and (not self._corrections or self._corrections[-1] != self._n):
                    self._corrections.append(self._n)
                self._group += 1
            case Kind.PLURAL | Kind.FILLER | Kind.BREAK:
                pass

    @property
    def _n(self) -> int:
        return len(self._digits)

    def _fills_tens(self, i: int) -> bool:
        return self._open_tens == i - 1 and self._tokens[i].joined

    def _emit(self, i: int, values: str, *, oh: bool = False, unsure: bool = False) -> None:
        first = i
        if self._repeat:
            values = values[0] * self._repeat + values[1:] if len(values) != 2 else values * 2
            first = self._repeat_at
            self._repeat = 0
        group, cut = self._group, self._cut
        for value in values:
            self._digits.append(Digit(value, first, i, group, cut, oh, unsure))
            cut = False
        self._cut = False

    def _written(self, i: int, token: Token) -> None:
        if len(token.value) == 1:
            self._unit(i, token)
            return
        if i and self._tokens[i - 1].kind in {Kind.UNIT, Kind.OH}:
            self._cut = True  # "number two 4539…": spoken and written digits rarely mix
        self._group += 1
        repeat = self._repeat
        self._repeat = 0
        first = token.value[0] * (repeat or 1)
        self._emit(i, first + token.value[1:])
        self._group += 1

    def _unit(self, i: int, token: Token) -> None:
        following = self._tokens[i + 1] if i + 1 < len(self._tokens) else None
        if self._open_tens == i - 1 and token.value != "0" and token.kind is Kind.UNIT:
            tens = self._tokens[i - 1]
            if token.joined or not tens.comma:
                last = self._digits.pop()
                self._digits.append(Digit(token.value, last.first, i, last.group))
                return
        counted = following is not None and following.kind is Kind.PLURAL
        if counted and following is not None and "2" <= token.value <= "9":
            self._skip = i + 1
            for _ in range(int(token.value)):
                self._emit(i + 1, following.value)
                self._digits[-1] = _from(self._digits[-1], i)
            return
        if self._open_hundred == i - 2 and self._said_and(i - 1):
            self._replace_tail(1, i, token.value)
            return
        self._emit(i, token.value)

    def _letter(self, i: int, token: Token) -> None:
        if token.value == "U" and self._repeat == 2:
            self._repeat = 0
            self._emit(i, "W")
            self._digits[-1] = _from(self._digits[-1], self._repeat_at)
            return
        self._emit(i, token.value)

    def _pair(self, i: int, token: Token) -> None:
        opened = self._open_hundred
        if opened != _NONE and (opened == i - 1 or (opened == i - 2 and self._said_and(i - 1))):
            self._replace_tail(2, i, token.value)
        else:
            self._emit(i, token.value)
        if token.kind is Kind.TENS:
            self._open_tens = i

    def _said_and(self, i: int) -> bool:
        return i >= 0 and self._tokens[i].kind is Kind.CONNECTOR

    def _replace_tail(self, n: int, i: int, values: str) -> None:
        kept = self._digits[-n:]
        del self._digits[-n:]
        for old, value in zip(kept, values, strict=True):
            self._digits.append(Digit(value, old.first, i, old.group))
        self._open_hundred = _NONE
        self._cut = False

    def _zeros(self, i: int, zeros: str) -> None:
        before = self._tokens[i - 1].kind if i else None
        counted = before in _COUNTABLE or (before is Kind.TENS and zeros == "000")
        if not (counted and self._digits and self._digits[-1].last == i - 1):
            return
        self._group = self._digits[-1].group
        self._emit(i, zeros)
        if self._sums and not self._tokens[i].comma:
            self._open_hundred = i

    def _homophone(self, i: int, token: Token) -> None:
        if self._n < 2:
            return
        if i + 1 < len(self._tokens) and self._tokens[i + 1].kind is Kind.PLURAL:
            self._unit(i, token)  # "for ones": four of them
            return
        digit_follows = self._last_starter > i
        self._cut = True
        self._emit(i, token.value, unsure=not digit_follows)
        self._cut = digit_follows

    def result(self) -> Reading:
        last = len(self._tokens) - 1
        unsettled = (
            self._repeat
            or self._open_tens == last
            or self._open_hundred
            in {
                last,
                last - 1,
            }
        )
        if self._digits and self._digits[-1].unsure:
            unsettled = True
        return Reading(tuple(self._digits), tuple(self._corrections), not unsettled)


def _from(digit: Digit, first: int) -> Digit:
    return digit._replace(first=first)
