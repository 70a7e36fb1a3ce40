"""Who spoke when is kept, bounded and without words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.types import Span
from storage import speech
from storage.database import open_database


def test_who_spoke_when(tmp_path: Path) -> None:
    """Spans come back in time order, of one call only; the same span twice is one."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.begin() as connection:
        speech.save_speech(connection, "RM_1", [("ben", Span(5.0, 7.0)), ("anna", Span(1.0, 4.0))])
        speech.save_speech(connection, "RM_1", [("ben", Span(5.0, 7.5))])
        speech.save_speech(connection, "RM_2", [("carl", Span(1.0, 2.0))])
        assert speech.speech_of(connection, "RM_1") == (
            ("anna", Span(1.0, 4.0)),
            ("ben", Span(5.0, 7.5)),
        )
        speech.forget_speech(connection, "RM_1")
        assert speech.speech_of(connection, "RM_1") == ()
        assert len(speech.speech_of(connection, "RM_2")) == 1
    database.close()


def test_a_call_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is no room for is counted."""
    monkeypatch.setattr(speech, "MOST_SPANS", 3)
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.begin() as connection:
        first = [("anna", Span(n, n + 0.5)) for n in range(2)]
        assert speech.save_speech(connection, "RM_1", first) == 0
        more = [("ben", Span(n, n + 0.5)) for n in range(4)]
        assert speech.save_speech(connection, "RM_1", more) == 3
        assert len(speech.speech_of(connection, "RM_1")) == 3
    database.close()
