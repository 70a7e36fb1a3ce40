"""Anything that files and speech may hold: rules or placed problems, finds or none, no crash."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.cases import load_cases, sentence_events
from rules.document import parse_document
from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.errors import Problem, RuleLoadError
from rules.lint import lint
from rules.loader import BUILT_IN_BOOK, is_case_file, load_rulebook, yaml_files
from rules.phrases import phrase_words
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import rules_with_similarity
from rules.spoken import split_word
from rules.types import (
    CallEnded,
    Event,
    HeardUntil,
    Span,
    TextRange,
    Utterance,
    utterance_from_text,
    words_from_text,
)

pytestmark = pytest.mark.timeout(240)  # a stall would take hours
FILES = yaml_files(BUILT_IN_BOOK)
PACKS = [path for path in FILES if not is_case_file(path)]
KEYS = sorted(
    {
        line.strip("- ").split(":")[0]
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if ": " in line or line.endswith(":")
    }
)
ODD = [
    "", "~", "null", "[]", "{}", "-1", "0", "1e999", "999999999999999999999", ".nan", "true", "yes",
    "'", '"', "|", ">", "&a x", "*a", "!!int x", "<<", "{a: {b: {c: [[[[x]]]]}}}", "\u0664\u0665",
    "2020-01-01", "{text: x}", "{list: x}", "{macro: x}", "{pii: X}", "'(a+)+$'", "{regex: '('}",
    "[" * 20 + "]" * 20, "{when: " * 30 + "x" + "}" * 30, "\x00", "\x85", "\u2028", "\ufeff", "?",
]  # fmt: skip
Change = Callable[[list[str], int], list[str]]


def indented(lines: list[str], at: int, by: int) -> list[str]:
    """The same lines, one of them moved sideways."""
    line = lines[at]
    moved = " " * by + line if by > 0 else line[min(-by, len(line) - len(line.lstrip())) :]
    return [*lines[:at], moved, *lines[at + 1 :]]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """One way to spoil a file at a line."""
    kind = draw(
        st.sampled_from(["drop", "double", "swap", "key", "value", "indent", "odd", "cut", "deep"])
    )
    odd, key = draw(st.sampled_from(ODD)), draw(st.sampled_from(KEYS))
    by = draw(st.integers(-4, 4))
    text = draw(st.text(max_size=8))

    def change(lines: list[str], at: int) -> list[str]:
        line, before, after = lines[at], lines[:at], lines[at + 1 :]
        head, colon, _ = line.partition(":")
        match kind:
            case "drop":
                return before + after
            case "double":
                return [*before, line, line, *after]
            case "swap":
                return [*before, *after[:1], line, *after[1:]]
            case "key":
                margin = line[: len(line) - len(line.lstrip("- "))]
                return [*before, f"{margin}{key}{colon}{line.partition(':')[2]}", *after]
            case "value":
                return [*before, f"{head}: {odd}", *after]
            case "indent":
                return indented(lines, at, by)
            case "odd":
                return [*before, f"{line}{text}{odd}", *after]
            case "cut":
                return [*before, line[: len(line) // 2]]
            case _:
                return [*before, *(f"{' ' * i}- {key}:" for i in range(4, 40, 2)), *after]

    return change


def spoiled(data: st.DataObject, path: Path) -> bytes:
    """A file of the book with some things changed, and perhaps some bytes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for change in data.draw(st.lists(changes(), min_size=1, max_size=4)):
        if lines:
            lines = change(lines, data.draw(st.integers(0, len(lines) - 1)))
    raw = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    for at in data.draw(st.lists(st.integers(0, max(0, len(raw) - 1)), max_size=2)):
        if raw:
            raw[at] = data.draw(st.integers(0, 255))
    return bytes(raw)


def places(tree: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a tree of dicts and lists."""
    if not isinstance(tree, dict | list):
        return [at]
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [at, *(place for key, part in inside for place in places(part, (*at, key)))]


def part_at(tree: Any, at: tuple[str | int, ...]) -> Any:
    """What stands at a place."""
    for key in at:
        tree = tree[key]
    return tree


TREES = [parse_document(path.read_bytes(), path)[0] for path in PACKS]
PARTS = [
    part_at(tree.data, place)
    for tree in TREES
    if tree is not None
    for place in places(tree.data)
    if place
]
CONDITIONS = [
    {"similar": "x y z"}, {"macro": "m"}, {"phrase": {"list": "l"}}, {"digits": {"min": 4}},
    {"near": {"of": ["x", "y"], "within_words": 3}}, {"all": ["x", {"not": {"when": "y"}}]},
    {"all": ["x", {"not": {"when": "x", "within_s": 3}}]}, {"regex": "a|b"}, {"metric": {}},
    {"sequence": [{"when": "x"}, {"when": {"pii": "US_SSN"}, "next_turn": True}]},
    {"metric": {"name": "silence_s", "above": 1e300}}, {"count": {"of": "x", "at_least": 2}},
    {"absent": {"what": "x", "within_s": 9, "after": {"lemma": "y"}}}, {"any": []},
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(PARTS),
    st.sampled_from(CONDITIONS),
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False),
    st.text(max_size=20),
    st.recursive(st.text(max_size=3), lambda inner: st.dictionaries(st.sampled_from(KEYS), inner)),
)


def reshaped(data: st.DataObject) -> bytes:
    """A rule file of the book with some of its parts replaced, as one line of YAML."""
    tree = data.draw(st.sampled_from([tree.data for tree in TREES if tree is not None]))
    tree = json.loads(json.dumps(tree))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, key = data.draw(st.sampled_from([place for place in places(tree) if place]))
        parent = part_at(tree, tuple(above))
        value = json.loads(json.dumps(data.draw(VALUES)))
        if isinstance(parent, dict) and data.draw(st.booleans()):
            parent[data.draw(st.sampled_from(KEYS))] = parent.pop(key)
        else:
            parent[key] = value
    return json.dumps(tree).encode()


def placed(problems: tuple[Problem, ...], raw: bytes) -> bool:
    """Whether every problem has a place within the file, and a mend."""
    n_lines = raw.count(b"\n") + raw.count(b"\r") + raw.count(b"\xe2\x80") + raw.count(b"\x85") + 2
    return bool(problems) and all(
        1 <= p.line <= n_lines and p.column >= 1 and "; " in p.message for p in problems
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_change_breaks_the_loader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A spoiled rule file loads and can be linted and run, or its problems are placed."""
    path = tmp_path_factory.getbasetemp() / "spoiled.yaml"
    check_pack(path, spoiled(data, data.draw(st.sampled_from(PACKS))))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_shape_breaks_the_loader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """The same where the file is sound YAML, and its parts are not what they should be."""
    check_pack(tmp_path_factory.getbasetemp() / "reshaped.yaml", reshaped(data))


def check_pack(path: Path, raw: bytes) -> None:
    """Load, and where that goes well lint and run."""
    path.write_bytes(raw)
    book, problems = loaded(path)
    assert (book is None) == bool(problems)
    if book is None:
        assert placed(problems, raw)
        return
    lint(book, ())
    if not rules_with_similarity(book, tuple(RuleStatus)):
        engine = Engine(book, statuses=tuple(RuleStatus))
        state = engine.start()
        for event in sentence_events("x y z my card is 4111 1111 1111 1111, not a risk at all."):
            state = engine.feed(state, event).state


def loaded(path: Path) -> tuple[Rulebook | None, tuple[Problem, ...]]:
    """A rule book, or why there is none."""
    try:
        return load_rulebook([path]), ()
    except RuleLoadError as exc:
        return None, exc.problems


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_change_breaks_case_files(
    tmp_path_factory: pytest.TempPathFactory, book: Rulebook, data: st.DataObject
) -> None:
    """The same for cases."""
    path = tmp_path_factory.getbasetemp() / "spoiled.cases.yaml"
    raw = spoiled(data, data.draw(st.sampled_from([p for p in FILES if is_case_file(p)])))
    path.write_bytes(raw)
    problems: tuple[Problem, ...] = ()
    try:
        cases = load_cases([path], book)
    except RuleLoadError as exc:
        cases, problems = (), exc.problems
    assert bool(cases) != bool(problems)
    assert not problems or placed(problems, raw)


# Speech

NUMBERS = """oh double triple four ones forty twelve hundred thousand and no sorry dash dot at slash
my card number is ssn social security iban pin expires june 2027 s as in sam nhs dea 4539 1488-0343
453-I-1488-0343-6467 4,111 $5.00 @ a@b.co http:// 1.2.3.4 +1 0x1f 1e9 % 's n't -- ... ?! () $ #"""
ODD_WORDS = [
    "\u0664\u0665\u0663\u0669", "\uff14\uff15", "\u00b2\u00bd", "\u2163", "\U0001d7ec",
    "\ud800", "\udfff", "\u200b", "\u202e", "\u0301", "\u1e9e", "\u0130", "\ufb03", "\u00df",
    "\x00", "\U0001f600\U0001f3fd", "x" * 3000, "9" * 500, "4-" * 300, "o" * 200, "a." * 200,
    "1/2/" * 80, "\u2019ll", "\u2026", "\u00bc\u0661",
]  # fmt: skip
SAYABLE = [*NUMBERS.split(), *ODD_WORDS]
ANY_CHARS = st.characters(exclude_categories=())  # surrogates, too
TEXTS = st.lists(
    st.sampled_from(SAYABLE) | st.text(ANY_CHARS, max_size=12), min_size=1, max_size=30
).map(" ".join)


def within(part: TextRange, texts: dict[str, str]) -> bool:
    """Whether a range lies in the text of its utterance, and is not empty."""
    return 0 <= part.start_chars < part.end_chars <= len(texts[part.utterance_id])


@pytest.fixture(scope="module")
def engine(book: Rulebook) -> Engine:
    """The whole book, all statuses, all kinds of data."""
    return Engine(book, statuses=tuple(RuleStatus), entities=ENTITY_TYPES)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_no_speech_breaks_the_engine(engine: Engine, data: st.DataObject, texts: list[str]) -> None:
    """Whatever is said, hits and finds lie within the texts and in time, and nothing is raised."""
    said: dict[str, str] = {}
    events: list[Event] = []
    at_s = 0.0
    for i, text in enumerate(texts):
        at_s += data.draw(st.sampled_from([0.0, 0.5, 5.0, 40.0]))
        speaker = data.draw(st.sampled_from(["a", "b", None]))
        span = Span(at_s, at_s + 0.3 * len(text.split(" ")) + 0.1)
        is_final = data.draw(st.booleans()) or i == len(texts) - 1
        if not text.strip() or not words_from_text(text, span):
            continue
        said[str(i)] = text
        events.append(
            utterance_from_text(text, span, id=str(i), speaker=speaker, is_final=is_final)
        )
        at_s = span.end_s
        if data.draw(st.booleans()):
            events.append(HeardUntil(at_s=at_s))
    state = engine.start()
    for event in [*events, HeardUntil(at_s=at_s + 90), CallEnded(at_s=at_s + 90)]:
        step = engine.feed(state, event)
        state = step.state
        for found in (*step.hits, *step.entities):
            assert all(within(part, said) for part in found.parts)
            assert 0.0 <= found.score <= 1.0
            assert found.at_s <= at_s + 90
            assert found.span.end_s <= at_s + 90
        repr(step)
        assert all(hit.excerpt == "" or hit.excerpt.isprintable() for hit in step.hits)


@settings(max_examples=500, deadline=None)
@given(word=st.sampled_from(SAYABLE) | st.text(ANY_CHARS, max_size=40), before=st.text(max_size=9))
def test_no_word_breaks_the_normaliser(word: str, before: str) -> None:
    """Pieces of a word lie within it, in order, and its normalised words are words."""
    pieces = split_word(word, before)
    spans = [(piece.start_chars, piece.end_chars) for piece in pieces]
    assert all(0 <= start <= end <= len(word) for start, end in spans)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(spans))
    assert all(part and not any(char.isspace() for char in part) for part in phrase_words(word))


def test_utterances_of_odd_words(engine: Engine) -> None:
    """One word of each kind alone, as a recogniser may give them."""
    for i, word in enumerate(SAYABLE):
        utterance = utterance_from_text(word, Span(0.0, 0.4), id=str(i), speaker="a")
        assert isinstance(utterance, Utterance)
        state = engine.feed(engine.start(), utterance).state
        engine.feed(state, CallEnded(at_s=60))
