"""Align: where a recording lies on the call clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter

from offline.call import Call
from offline.stages.records import Aligned
from offline.stages.stage import OnProgress, Stage
from offline.stages.take import Take

_ALIGNED = TypeAdapter(Aligned)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTake:
    """A recording, and the call that it belongs to."""

    take: Take
    call: Call


class Aligner(Protocol):
    """Finds out where a recording lies, better than its recorder knew."""

    def describe(self) -> Mapping[str, object]:
        """All that decides how, as JSON."""

    def reads(self, given: CallTake) -> object:
        """The facts of the call that it goes by besides the sound and `Source.clock`, as JSON."""

    def align(self, given: CallTake) -> Aligned:
        """Where the recording lies; by `Source.clock` where nothing better can be found."""


class AlignStage(Stage[CallTake, Aligned]):
    """Puts a recording on the call clock.

    Args:
        aligner: Does it.
    """

    name = "align"
    version = 1

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner

    @property
    def made(self) -> TypeAdapter[Aligned]:
        """See `Stage.made`."""
        return _ALIGNED

    def inputs(self, given: CallTake) -> Mapping[str, str]:
        """See `Stage.inputs`. Facts of the call name people, so their hash goes in."""
        facts = json.dumps(self._aligner.reads(given), sort_keys=True, ensure_ascii=False)
        return {
            "recording": given.take.sha256,
            "call": hashlib.sha256(facts.encode()).hexdigest(),
        }

    def settings(self, given: CallTake) -> Mapping[str, object]:
        """See `Stage.settings`."""
        return {**self._aligner.describe(), "offset_s": given.take.source.clock.offset_s}

    def run(self, given: CallTake, on_progress: OnProgress) -> Aligned:
        """Align the recording."""
        return self._aligner.align(given)
