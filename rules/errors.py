"""Errors of the rule language.

RulesError
├── SpanError            a time interval that is none
├── RuleLoadError        a pack or case file that cannot be loaded; holds every problem found
└── RuleInputError       text or segments handed to the engine that break its contract
"""

from __future__ import annotations


class RulesError(Exception):
    """Base of everything that `rules` raises on purpose."""


class SpanError(RulesError, ValueError):
    """A time interval with an end before its start, a negative start, or not a number."""


class RuleInputError(RulesError, ValueError):
    """Input that breaks the engine's contract; the message names the record, never its text."""
