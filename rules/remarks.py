"""What people say in the middle of an address or a date: "um", "all one word", "no, the sixth"."""

from __future__ import annotations

from collections.abc import Sequence

from rules.clues import Clue
from rules.detectors import birth
from rules.detectors.passage import word_set
from rules.said import SaidWord

_SYMBOL, _DOT, _ASKED = int(Clue.SYMBOL), int(Clue.DOT), int(Clue.ASKED)
_MONTH, _NUMBER, _LETTER = int(Clue.MONTH), int(Clue.NUMBER), int(Clue.LETTER)
HESITATIONS = word_set("um uh er erm uhm umm uhh ah hmm mm")
# What may be said in the middle of a dictated address.
_DICTATING = HESITATIONS | word_set(
    """no not sorry wait actually all one word words lower lowercase case small upper uppercase
    capital capitals caps letter letters number space spaces gap gaps with without together sign
    symbol rate for like as in full stop forward triple treble quadruple that's spelled"""
)
AT_SIGNS = frozenset({"at", "@", "sign", "symbol", "rate"})
_HOST_WORDS = 2  # of a host of several words, behind its first
_CORRECTIONS = word_set("no sorry wait actually mean rather")
_ABOUT_DATES = _CORRECTIONS | birth.LABEL_WORDS


def has_dot(run: Sequence[SaidWord]) -> bool:
    """Whether a sign was said that makes words an address."""
    for said in run:  # noqa: SIM110 - a generator costs more than the words of a run
        if said.form.clue & _DOT:
            return True
    return False


def comments(run: Sequence[SaidWord], said: SaidWord) -> bool:
    """Whether a word belongs to what is said about an address or a date within it."""
    word = said.form.bare
    if has_dot(run):
        return word in _DICTATING or _is_example(run) or (word.isalpha() and _is_in_host(run))
    if word not in _ABOUT_DATES:
        return False
    return any(each.form.clue & (_MONTH | _ASKED) or _is_numeric_day(each) for each in run)


def _is_numeric_day(said: SaidWord) -> bool:
    text = said.word.text
    return text[:1].isdigit() and ("/" in text or text.count("-") == 2 or text.count(".") >= 2)


def _is_example(run: Sequence[SaidWord]) -> bool:
    """Whether a letter's example comes next: "b for", "s as in"."""
    last = run[-1].form.bare
    if last in {"for", "like"}:
        return len(run) > 1 and bool(run[-2].form.clue & _LETTER)
    return last in {"in", "the"} and any(each.form.bare == "as" for each in run[-3:-1])


def _is_in_host(run: Sequence[SaidWord]) -> bool:
    """Whether a host of several words was begun: "at proton", "at the guardian"."""
    for each in reversed(run[-1 - _HOST_WORDS :]):
        if each.form.bare in AT_SIGNS:
            return True
        if each.form.clue & _SYMBOL or each.form.clue & _NUMBER or each.form.stop:
            return False
    return False


def without_corrections(run: tuple[SaidWord, ...]) -> tuple[SaidWord, ...]:
    """A run with what was taken back left out: "May fifth, no, sixth" is "May sixth"."""
    if len(run) == 1 or _CORRECTIONS.isdisjoint([said.form.bare for said in run]) or has_dot(run):
        return run
    kept: list[SaidWord] = []
    i = 0
    while i < len(run):
        if run[i].form.bare not in _CORRECTIONS:
            kept.append(run[i])
            i += 1
            continue
        while i < len(run) and run[i].form.bare in _CORRECTIONS | {"i"}:
            i += 1
        n = _n_corrected(run[i:])
        taken = kept[len(kept) - n :]
        if n and len(taken) == n and all(_kind(a) == _kind(run[i]) for a in taken):
            del kept[len(kept) - n :]
    return tuple(kept)


def _kind(said: SaidWord) -> int:
    return said.form.clue & (_MONTH | _NUMBER) or int(said.word.text[:1].isdigit())


def _n_corrected(run: Sequence[SaidWord]) -> int:
    """How many words a correction replaces: as many as it has, up to an ordinal or a comma."""
    n = 0
    for said in run:
        if not _kind(said) or _kind(said) != _kind(run[0]):
            break
        n += 1
        if said.form.clue & _ASKED or said.word.text.endswith((",", ".")):
            break
    return n
