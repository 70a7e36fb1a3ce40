"""Hosts said aloud, label by label: "proton mail dot com", "north dash gate dot c o dot u k".

And what stands around one: the path of a site, its "https", the numbers of a machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rules.detectors.domain import ENDINGS
from rules.symbols import Role, Symbol

_MAX_LABEL_WORDS = 4
_TAKING_BACK = frozenset({"no", "sorry", "wait", "not", "actually", "rather"})
_SPELLED = frozenset({Role.LETTERS, Role.DIGITS})
_MAX_OCTET = 255
_OCTETS = 4
_LABEL = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Host:
    """A host: the symbols that make its name, and where what was said of it ends."""

    kept: tuple[int, ...]
    end: int
    name: str


class Reader:
    """Symbols on the way to addresses: each address is a group of symbols with one number.

    Group 0 is what belongs to no address, -1 what was said within one and is no part of it.
    """

    def __init__(self, said: Sequence[Symbol]) -> None:
        self.said = said
        self.groups = [0] * len(said)
        self._n_groups = 0

    def group(self, kept: Sequence[int], start: int, end: int) -> None:
        """Make an address of some symbols of a range, and leave the others in it out."""
        self._n_groups += 1
        self.groups[start:end] = [-1] * (end - start)
        for i in kept:
            self.groups[i] = self._n_groups

    def before(self, i: int) -> int:
        """The symbol before one, remarks left out; -1 where there is none."""
        i -= 1
        while i >= 0 and self.said[i].role is Role.REMARK:
            i -= 1
        return i

    def behind(self, i: int) -> int:
        """The first from `i` on that is no remark; the number of symbols where there is none."""
        while i < len(self.said) and self.said[i].role is Role.REMARK:
            i += 1
        return i

    def sign(self, i: int) -> str:
        """The sign that a symbol is, "" for any other."""
        if 0 <= i < len(self.said) and self.said[i].role is Role.SIGN:
            return self.said[i].written
        return ""

    def host(self, start: int) -> Host | None:
        """The host that begins with a symbol; None where no ending follows that exists."""
        labels: list[list[int]] = []
        n_labels = end = 0
        dot: list[int] = []
        i = self.behind(start)
        while (label := self._label(i, may_end=bool(dot))) is not None:
            labels.append([*dot, *label])
            i = label[-1] + 1
            if self._has_ending(label, whole=bool(dot)):
                n_labels, end = len(labels), i
                if self.said[label[-1]].stop:
                    break
            i = self.behind(i)
            if self.sign(i) != ".":
                break
            dot, i = [i], self.behind(i + 1)
        return self._settled(labels[:n_labels], end) if n_labels else None

    def _label(self, start: int, *, may_end: bool) -> list[int] | None:
        """The symbols of one label: up to a dot, or to where it is an ending that exists."""
        kept: list[int] = []
        n_words = 0
        i = start
        while (i := self.behind(i)) < len(self.said) and not self.groups[i]:
            symbol = self.said[i]
            if symbol.role is Role.SIGN:
                if symbol.written != "-" or not kept:
                    break
            elif kept and not self._fits(kept[-1], i):
                break
            if symbol.role is Role.WORD:
                n_words += 1
                if n_words > _MAX_LABEL_WORDS or not _LABEL.fullmatch(symbol.written):
                    return None
            kept.append(i)
            i += 1
            if (may_end or "." in symbol.written) and self._ends(kept, i):
                return kept
        return kept if kept and self.sign(i) == "." else None

    def _fits(self, last: int, i: int) -> bool:
        """Whether two symbols can be parts of one label: punctuation only parts what is spelled."""
        if self.sign(last) == "-" or not self.said[last].stop:
            return True
        return Role.WORD not in {self.said[last].role, self.said[i].role}

    def _ends(self, kept: Sequence[int], i: int) -> bool:
        """Whether an ending is complete: letters may yet make a longer one, as in "c o m"."""
        if not self._has_ending(kept, whole=True):
            return False
        following = self.behind(i)
        if following == len(self.said) or self.said[kept[-1]].role is not Role.LETTERS:
            return True
        longer = self.said[following]
        name = self.name(kept) + longer.written
        return longer.role is not Role.LETTERS or name not in ENDINGS

    def _has_ending(self, kept: Sequence[int], *, whole: bool) -> bool:
        name = self.name(kept)
        return (whole or "." in name) and name.rpartition(".")[2] in ENDINGS

    def name(self, kept: Sequence[int]) -> str:
        """Some symbols, written."""
        return "".join(self.said[i].written for i in kept)

    def _settled(self, labels: list[list[int]], end: int) -> Host:
        """With the ending corrected: "dot com, no, dot co dot uk"; "not dot com" only rejects."""
        rejected = False
        while True:
            place = i = self.behind(end)
            while place < len(self.said) and self.said[place].written in _TAKING_BACK:
                place = self.behind(place + 1)
            if self.sign(place) != "." or (place == i and not rejected):
                break
            rejected = place > i and self.said[self.before(place)].written == "not"
            ending, end_of_it = self._ending(place)
            if not ending:
                break
            end = end_of_it
            if not rejected:
                labels = [*labels[: -_n_in_ending([self.name(label) for label in labels])], *ending]
        kept = [i for label in labels for i in label]
        return Host(tuple(kept), end, self.name(kept))

    def _ending(self, dot: int) -> tuple[list[list[int]], int]:
        """The labels from a dot on, and where they end."""
        labels: list[list[int]] = []
        end = dot
        while self.sign(dot) == ".":
            label = self._label(self.behind(dot + 1), may_end=True)
            if label is None or not self._has_ending(label, whole=True):
                break
            labels.append([dot, *label])
            end = label[-1] + 1
            dot = len(self.said) if self.said[label[-1]].stop else self.behind(end)
        return labels, end

    def path(self, kept: list[int], end: int) -> tuple[list[int], int]:
        """With what follows a host: "slash help dash desk", "colon 8080"."""
        while True:
            sign = self.behind(end)
            joins = self.sign(sign)
            first = self.behind(sign + 1)
            in_path = any(self.sign(k) == "/" for k in kept)
            wanted = {"/", ".", "-", "_"} if in_path else {"/", ":"}
            if joins not in wanted or first >= len(self.said) or self.sign(first):
                return kept, end
            end = first + 1
            while end < len(self.said) and _are_spelled(self.said[end - 1], self.said[end]):
                end += 1
            kept = [*kept, sign, *range(first, end)]

    def scheme(self, kept: list[int], start: int) -> tuple[list[int], int]:
        """With "https colon slash slash" before it."""
        i = self.before(start)
        slashes: list[int] = []
        while self.sign(i) in {"/", "//"}:
            slashes.insert(0, i)
            i = self.before(i)
        if not slashes or self.sign(i) != ":":
            return kept, start
        first = self.before(i)
        letters = ""
        place = first
        while place >= 0 and letters not in {"http", "https"}:
            if self.said[place].role not in {Role.LETTERS, Role.WORD} or len(letters) > 5:
                break
            letters = self.said[place].written + letters
            place -= 1
        if letters not in {"http", "https"}:
            return kept, start
        return [*range(place + 1, first + 1), i, *slashes, *kept], place + 1

    def machine(self, dot: int) -> bool:
        """Four numbers with dots between them."""
        last = self.before(dot)
        if last < 0 or self.said[last].role is not Role.DIGITS:
            return False
        start = last
        while start and self.said[start - 1].role is Role.DIGITS and not self.said[start - 1].stop:
            start -= 1
        kept = list(range(start, last + 1))
        end = dot
        for _ in range(_OCTETS - 1):
            sign = self.behind(end)
            first = self.behind(sign + 1)
            end = first
            value = ""
            while end < len(self.said) and self.said[end].role is Role.DIGITS:
                if int(value + self.said[end].written) > _MAX_OCTET:
                    break
                value += self.said[end].written
                end += 1
                if self.said[end - 1].stop:
                    break
            if self.sign(sign) != "." or not value:
                return False
            kept += [sign, *range(first, end)]
        self.group(kept, start, end)
        return True


def _n_in_ending(labels: Sequence[str]) -> int:
    """How many labels are the ending: two of "example.co.uk"."""
    return 2 if len(labels) > 2 and labels[-2].removeprefix(".") in ENDINGS else 1


def _are_spelled(left: Symbol, right: Symbol) -> bool:
    """Whether two neighbours are letters or digits of one thing."""
    return Role.WORD not in {left.role, right.role} and not left.stop and right.role in _SPELLED
