"""An embedded database and object store, and a short real sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from tests.offline.builders import demo_sound, write_wav


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_objects(str(tmp_path / "objects"))


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The first twelve seconds of the demo's agent, one sentence, as a WAV file."""
    path = tmp_path_factory.mktemp("sound") / "agent.wav"
    return write_wav(path, demo_sound("agent")[: 12 * 16_000]).read_bytes()
