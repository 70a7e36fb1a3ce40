"""Patterns that authors write, in an engine whose time grows with the text and nothing else."""

from __future__ import annotations

import re

import re2

MAX_PATTERN_CHARS = 1000
_MAX_PROGRAM_BYTES = 1 << 20  # a pattern such as (a{1000}){1000} is refused, not compiled

_LOOKAROUND = re.compile(r"\(\?(?:[=!]|<[=!])")
_BACKREFERENCE = re.compile(r"\\[1-9]|\(\?P=")
_ATOMIC = re.compile(r"\(\?>|[*+?}]\+")


def _options(*, case_sensitive: bool) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = case_sensitive
    options.max_mem = _MAX_PROGRAM_BYTES
    options.log_errors = False
    return options


def compiled(pattern: str, *, case_sensitive: bool = False) -> re2._Regexp:
    """A pattern, ready to search.

    Raises:
        re2.error: `fault_of_pattern` says what is wrong.
    """
    return re2.compile(pattern, _options(case_sensitive=case_sensitive))


def fault_of_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern and how to mend it, or None.

    >>> fault_of_pattern("(?<!not )guaranteed")
    'lookaround is not available, because it has no linear time; use `all` with `not` instead'
    """
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        return f"a pattern has 1 to {MAX_PATTERN_CHARS} characters; split it"
    try:
        found = compiled(pattern)
    except re2.error as exc:
        if _LOOKAROUND.search(pattern):
            return (
                "lookaround is not available, because it has no linear time; "
                "use `all` with `not` instead"
            )
        if _BACKREFERENCE.search(pattern):
            return "back-references are not available, because they have no linear time; spell out"
        if _ATOMIC.search(pattern):
            return "atomic groups and possessive repeats are not available; plain ones cost no more"
        said = exc.args[0] if exc.args else b"malformed"
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        if "too large" in text:
            return "the pattern grows too large when it is compiled; lower its repeat counts"
        return f"not a pattern in RE2 syntax: {' '.join(text.split())[:200]}; mend it here"
    if found.search("") is not None:
        return "the pattern matches the empty text, so it would hit everywhere; ask for something"
    return None
