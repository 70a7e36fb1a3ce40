"""What people say in the middle of a number while they look for the next digit, or take one back.

Such phrases belong to no number and do not end one either: "four seven one six, let me see, …". A
phrase is followed word by word; the longest one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rules.spoken import Kind

_HESITATIONS = """let me see|let me check|let me look|let me find it|let me get my glasses
let me read that|let me read it|let me read it out|let's see|hang on|hang on a second|hang on a sec
hang on a minute|hold on|hold on a second|hold on a sec|hold on a minute|bear with me
bear with me a second|just a second|just a sec|just a moment|just a minute|just one second
just one moment|just one sec|give me a second|give me a sec|give me a moment|give me a minute
i think|i believe|i guess|i suppose|you know|what is it|what was it|what's next|where was i
got that|you got that|have you got that|did you get that|got it|are you with me|you with me
excuse me|pardon me|bless you|and then it's|then it's|and it's|followed by|that's it
let me turn it over|let me turn the card over|still there|are you there|are you ready|you ready
my glasses|where are my glasses|it's small print|it's hard to read|hard to read|if i can read it
sorry about that|and after that|after that|then there's|then there is|and then there's"""
_CORRECTIONS = """i mean|make that|no make that|sorry make that|or rather|i meant|my mistake
let me start again|let me start over|let me try again|let me try that again|let me repeat that
let me say that again|start again|start over|strike that|forget that|not that|that's wrong
that is wrong|i misread that|i misspoke|i said that wrong|from the top|from the beginning
scratch that last bit|scratch that last part|not that last bit|that last bit is wrong"""
# Words with which somebody goes on behind a correction: "no, it's five".
RESUMING = frozenset(
    {"it's", "its", "it", "is", "that's", "that", "the", "should", "be", "was", "i", "meant"}
)

Path = tuple[str, ...]


def _phrases() -> tuple[Mapping[Path, Kind], frozenset[Path]]:
    whole: dict[Path, Kind] = {}
    for kind, text in ((Kind.FILLER, _HESITATIONS), (Kind.CORRECTION, _CORRECTIONS)):
        for line in text.splitlines():
            for phrase in line.split("|"):
                whole[tuple(phrase.split())] = kind
    begun = {path[:n] for path in whole for n in range(1, len(path) + 1)}
    return MappingProxyType(whole), frozenset(begun)


_WHOLE, _BEGUN = _phrases()
MAX_ASIDE_WORDS = max(len(path) for path in _WHOLE)


def may_be_aside(words: Path) -> bool:
    """Whether bare words in lower case begin a phrase, or are one.

    >>> may_be_aside(("let", "me")), may_be_aside(("let", "him"))
    (True, False)
    """
    return words in _BEGUN


def aside(words: Path) -> Kind | None:
    """What a whole phrase is, a filler or a correction; None where it is not one.

    >>> aside(("let", "me", "see")).name, aside(("let", "me"))
    ('FILLER', None)
    """
    return _WHOLE.get(words)
