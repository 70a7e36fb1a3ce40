"""What an engine tells of its work to somebody who asks why."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from rules.plan import Node
from rules.watchers.occurrence import Occurrence


class Verdict(StrEnum):
    """What became of something that a condition came upon."""

    FOUND = "found"
    HIT = "hit"
    OUT_OF_SCOPE = "out of scope"  # said by somebody whom the rule passes over
    TAKEN_BACK = "taken back"  # by a word before it
    BELOW_SCORE = "below the score"
    UNLIKE = "closer to a near miss"  # than to what the rule looks for
    REPEATED = "repeated"  # the same words again, or within the cooldown


# Called with the condition's node, what became of it, a masked excerpt, and the occurrence.
Trace = Callable[[Node, Verdict, str, Occurrence | None], None]
