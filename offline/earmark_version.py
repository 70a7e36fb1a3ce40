"""Which Earmark this is."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def earmark_version() -> str:
    """The installed version. Read once: looking it up takes milliseconds.

    >>> earmark_version().count(".") > 0
    True
    """
    return version("earmark")
