from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rules.engine import Engine
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.types import Entity, Event, Hit

Feed = Callable[[Engine, Sequence[Event]], tuple[list[Hit], list[Entity]]]


@pytest.fixture(scope="session")
def book() -> Rulebook:
    """The built-in book."""
    return load_rulebook()


@pytest.fixture(scope="session")
def feed_all() -> Feed:
    """Feed events to a fresh call and gather what comes."""

    def feed(engine: Engine, events: Sequence[Event]) -> tuple[list[Hit], list[Entity]]:
        state = engine.start()
        hits: list[Hit] = []
        entities: list[Entity] = []
        for event in events:
            step = engine.feed(state, event)
            state = step.state
            hits += step.hits
            entities += step.entities
        return hits, entities

    return feed


@pytest.fixture
def write_pack(tmp_path: Path) -> Callable[..., Path]:
    """Write a pack with one rule from its condition in YAML flow style."""

    def write(condition: str, *, name: str = "pack.yaml", extra: str = "") -> Path:
        path = tmp_path / name
        path.write_text(
            f"pack: {path.stem}.pack\nversion: 2\nrules:\n"
            f"  - id: {path.stem}.rule\n    title: T\n    description: D\n    severity: low\n"
            f"    when: {condition}\n{extra}"
        )
        return path

    return write
