"""Answers about words that are kept, but for those that may be somebody's number or address."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Concatenate, ParamSpec, TypeVar

MAX_REMEMBERED = 65_536  # speech repeats its words
_PRIVATE = re.compile(r"[0-9@]")

P = ParamSpec("P")
T = TypeVar("T")


def word_cache(function: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
    """Keep what a pure function of a word said, unless the word has digits or is an address.

    What somebody dictated must not stay in memory when the call is over, and hardly ever comes
    again.
    """
    kept = lru_cache(maxsize=MAX_REMEMBERED)(function)

    def answer(text: str, *args: P.args, **kwargs: P.kwargs) -> T:
        if _PRIVATE.search(text):
            return function(text, *args, **kwargs)
        return kept(text, *args, **kwargs)  # type: ignore[arg-type]  # words and flags are hashable

    return update_wrapper(answer, function)  # type: ignore[return-value]
