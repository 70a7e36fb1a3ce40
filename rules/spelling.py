"""Addresses said aloud: "jo dot smith at gmail dot com" as jo.smith@gmail.com, with the way back.

A host is read from its "at" or "www" on to an ending that exists, the name before it backwards to
where the sentence around it ends. Every character of the result knows the words it came from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.detectors.passage import word_set
from rules.hosts import Reader
from rules.symbols import Role, Symbol, symbols

_LOCAL_SIGNS = frozenset({".", "-", "_", "+"})
_LOCAL = re.compile(r"\w[\w.'-]*")
_MAIL_NAMES = word_set(
    """gmail googlemail yahoo ymail outlook hotmail aol icloud proton protonmail rediffmail gmx
    fastmail tutanota btinternet comcast sbcglobal verizon libero"""
)
_MAIL_HOSTS = word_set(
    "live.com live.co.uk msn.com me.com mac.com mail.com att.net web.de zoho.com"
)
_MAIL_WORDS = word_set(
    """email e-mail emails email's e-mail's mail mails address send invoice forward copy cc write
    login username registered contact"""
)
_ROLES = word_set(
    """support info sales accounts billing admin office contact hello enquiries inquiries service
    orders bookings reservations help team careers jobs press privacy returns customerservice
    noreply feedback complaints"""
)
_MAIL_REACH = 12  # words within which talk of mail speaks for an address
# Words of the sentence around an address. None of them is glued to a name without a sign.
_OUTSIDE = word_set(
    """a an the and or but so of in on to for from by with as is was are be been it it's its i i'm
    i've i'd you you're he she we they me my your his her our their this that that's thats there
    here just only then also well yes yeah yep no not okay ok sure right sorry please um uh if
    email e-mail emails email's e-mail's mail address addresses name name's account login username
    under use using send sent write reach call called contact try copy cc forward got get have has
    had can could would will let let's me's one's look looked looking find found visit go goes went
    going see saw check clicked click open opened order ordered buy bought shop shopping signed log
    logged registered website site page online who what which when where how do does did us them
    him out up over back now available cheaper at re it'll she's he's they're we're who's what's"""
)
_ALSO_LOCAL = frozenset({"me", "contact"})
_ANNOUNCING = word_set(
    """is it's its email e-mail email's e-mail's mail address that's thats to under as use was be
    at on visit www called"""
)
_MAX_GLUED = 3  # words of a name that are glued where nothing but the announcement says so
_MAX_ONE_WORD = 5
_MAX_YEAR_DIGITS = 4  # a longer number before a name is something else


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text as it would be written; `starts` and `ends` say where each character came from."""

    text: str = field(repr=False)
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def spell(text: str) -> Spelling:
    """Write out the addresses that were said aloud.

    >>> spell("it's john dot smith at gmail dot com").text
    "it's john.smith@gmail.com"
    >>> spell("we look at example dot com").text
    'we look at example.com'
    """
    speller = _Speller(symbols(text))
    speller.run()
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last: Symbol | None = None
    last_group = 0
    for symbol, group in zip(speller.said, speller.groups, strict=True):
        if group < 0 or (not group and symbol.role is Role.REMARK):
            continue
        if last is not None and not (group and group == last_group):
            chars.append(" ")
            starts.append(last.end)
            ends.append(symbol.start)
        for char in symbol.written if group else text[symbol.start : symbol.end]:
            chars.append(char)
            starts.append(symbol.start)
            ends.append(symbol.end)
        last, last_group = symbol, group
    return Spelling("".join(chars), tuple(starts), tuple(ends))


class _Speller(Reader):
    """Gives every symbol of an address the number of its group; -1 leaves it out."""

    def run(self) -> None:
        """Read all addresses: e-mail first, then machines, then hosts."""
        for i, symbol in enumerate(self.said):
            if symbol.written == "@" and symbol.role is Role.SIGN and not self.groups[i]:
                self._email(i)
            elif symbol.role is Role.WORD and "@" in symbol.written[1:-1]:
                self._half_written(i)
        for i, symbol in enumerate(self.said):
            if symbol.written == "." and symbol.role is Role.SIGN and not self.groups[i]:
                _ = self.machine(i) or self._site(i)

    # E-mail

    def _email(self, at: int) -> None:
        host = self.host(at + 1)
        last = self.before(at)
        if host is None or last < 0 or not self._may_be_local(last):
            return
        start = self._start(last, at, host.name)
        local = [i for i in range(start, last + 1) if self.said[i].role is not Role.REMARK]
        if _is_sign(self.said[at]) or self._is_address(local, host.name):
            self.group([*local, at, *host.kept], start, host.end)

    def _half_written(self, i: int) -> None:
        """Take the signs before "doe@example.com" for a part of it, as in "jane dot doe@…"."""
        if self.sign(self.before(i)) in _LOCAL_SIGNS:
            start = self._start(i, i + 1, "")
            kept = [k for k in range(start, i + 1) if self.said[k].role is not Role.REMARK]
            self.group(kept, start, i + 1)

    def _may_be_local(self, i: int) -> bool:
        symbol = self.said[i]
        if self.groups[i] or not _LOCAL.fullmatch(symbol.written):
            return False
        outside = symbol.role is Role.WORD and symbol.written in _OUTSIDE - _ALSO_LOCAL
        return not outside or self.sign(self.before(i)) in _LOCAL_SIGNS

    def _start(self, last: int, at: int, host: str) -> int:
        """Where the name before an "at" begins."""
        one_word = any(self.said[i].one_word for i in range(last, at))
        start = last
        while True:
            before = self.before(start)
            if before < 0 or self.groups[before]:
                break
            if self.sign(before):
                name = self.before(before)
                if self.sign(before) not in _LOCAL_SIGNS or name < 0 or self.groups[name]:
                    break
                if self.said[name].role is Role.SIGN:
                    break
                start = name
            elif self._continues(before, start):
                start = before
            else:
                break
            one_word = one_word or any(self.said[i].one_word for i in range(before, start))
        if one_word:
            return self._glued(start, _MAX_ONE_WORD, announced=False)
        if self._is_of_mail(host) or self._talks_of_mail(start):
            return self._glued(start, _MAX_GLUED, announced=True)
        return start

    def _continues(self, before: int, start: int) -> bool:
        """Whether two neighbours are one name without any sign between them."""
        left, right = self.said[before], self.said[start]
        if left.role is Role.WORD:
            return right.role is Role.DIGITS and _is_name(left)
        if right.role is Role.WORD:
            return left.role is Role.LETTERS and left.written not in {"a", "i"}
        return not (left.role is Role.DIGITS and left.stop and right.role is Role.LETTERS)

    def _glued(self, start: int, n_words: int, *, announced: bool) -> int:
        """Where a name of several words begins; `announced`: only if an announcement precedes."""
        first = start
        for _ in range(n_words):
            before = self.before(first)
            if before < 0 or self.groups[before]:
                break
            symbol = self.said[before]
            if symbol.role is Role.SIGN or symbol.stop or not _is_name(symbol):
                break
            first = before
        if first == start:
            return start
        before = self.before(first)
        if announced and (before < 0 or self.said[before].written not in _ANNOUNCING):
            return start
        symbol = self.said[first]
        if symbol.role is Role.DIGITS and len(symbol.written) > _MAX_YEAR_DIGITS:
            return start
        return first

    def _is_of_mail(self, host: str) -> bool:
        return host.partition(".")[0] in _MAIL_NAMES or host in _MAIL_HOSTS

    def _talks_of_mail(self, start: int) -> bool:
        first = max(0, start - _MAIL_REACH)
        return any(self.said[i].written in _MAIL_WORDS for i in range(first, start))

    def _is_address(self, local: Sequence[int], host: str) -> bool:
        """Whether "somebody at example dot com" is an address, and not a place to look at."""
        first = self.said[local[0]]
        if len(local) == 1 and first.written == "me":
            before = self.before(local[0])
            return before >= 0 and self.said[before].written in {"just", "only", "it's", "is"}
        if len(local) > 1 or self._is_of_mail(host) or first.written in _ROLES:
            return True
        if not first.written.isalpha() or self._talks_of_mail(local[0]):
            return True
        before = self.before(local[0])
        told = before >= 0 and self.said[before].written in {"it's", "its", "is", "that's"}
        return told and not first.written.endswith(("er", "ed", "ly", "ing"))  # "it's cheaper at"

    # Sites and machines

    def _site(self, dot: int) -> bool:
        last = self.before(dot)
        if last < 0 or self.groups[last] or self.said[last].role is Role.SIGN:
            return False
        start = self._site_start(last)
        host = self.host(start)
        if host is None:
            return False
        kept, end = [*range(start, host.kept[0]), *host.kept], host.end
        kept, end = self.path(kept, end)
        kept, start = self.scheme(kept, start)
        self.group([i for i in kept if self.said[i].role is not Role.REMARK], start, end)
        return True

    def _site_start(self, last: int) -> int:
        start = last
        if self.said[last].role is Role.LETTERS:
            said = ""
            while start >= 0 and self.said[start].role is Role.LETTERS and said != "www":
                said = self.said[start].written + said
                start -= 1
            return start + 1
        while self.sign(self.before(start)) == "-" and self.before(self.before(start)) >= 0:
            start = self.before(self.before(start))
        return self._glued(start, _MAX_GLUED - 1, announced=True)


def _is_sign(symbol: Symbol) -> bool:
    """Whether an "at" can be nothing but the sign: "at sign", "@"."""
    return symbol.end - symbol.start != len("at")


def _is_name(symbol: Symbol) -> bool:
    """Whether a symbol may be a part of a name that is glued to the next without a sign."""
    if symbol.role is Role.WORD:
        return symbol.written not in _OUTSIDE and symbol.written.replace("'", "").isalnum()
    return symbol.role is not Role.SIGN and symbol.written not in {"a", "i"}
