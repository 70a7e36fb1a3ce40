"""Ranges of pack versions, such as `>=2,<4`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_PART = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*([0-9]{1,9})\s*")
_TESTS: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        ">": operator.gt,
        "<": operator.lt,
    }
)


def fault_of_range(text: str) -> str | None:
    """What is wrong with a range, or None.

    >>> fault_of_range(">=2,<4") is None
    True
    """
    if all(_PART.fullmatch(part) for part in text.split(",")):
        return None
    return "not a range of versions; write whole numbers, such as `3` or `>=2,<4`"


def in_range(version: int, text: str) -> bool:
    """Whether a version lies in a range; a bare number means just that version.

    >>> in_range(3, ">=2,<4"), in_range(4, ">=2,<4"), in_range(3, "3")
    (True, False, True)
    """
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or not _TESTS[match.group(1) or "=="](version, int(match.group(2))):
            return False
    return True
