"""What a stage is, and the key of what it makes."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, TypeVar

from pydantic import TypeAdapter

Given = TypeVar("Given")
Made = TypeVar("Made")
OnProgress = Callable[[float], None]  # how much is done, in [0.0, 1.0]


class Stage(ABC, Generic[Given, Made]):
    """Turns one record into another, and says what decides the outcome."""

    name: ClassVar[str]  # letters only; begins the names of its manifests
    version: ClassVar[int]  # goes up with every change of the code that changes what is made

    @property
    @abstractmethod
    def made(self) -> TypeAdapter[Made]:
        """The type of what is made, for its way into and out of JSON."""

    @abstractmethod
    def inputs(self, given: Given) -> Mapping[str, str]:
        """Sha256, hex, of everything that is read, by name."""

    @abstractmethod
    def settings(self, given: Given) -> Mapping[str, object]:
        """All that decides the outcome besides the inputs: models, weights, options; as JSON.

        No personal data: it is written beside the outcome.
        """

    @abstractmethod
    def run(self, given: Given, on_progress: OnProgress) -> Made:
        """Make it."""

    def is_final(self, made: Made) -> bool:
        """Whether the same would come of another try. What would not is not kept."""
        return True


def stage_key(
    name: str, version: int, inputs: Mapping[str, str], settings: Mapping[str, object]
) -> str:
    """The same stage, code, inputs and settings give the same key, in any process.

    Returns:
        Sha256, hex.
    """
    content = {"stage": name, "version": version, "inputs": inputs, "settings": settings}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
