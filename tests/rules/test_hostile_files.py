"""Files and texts that are made to stall, to exhaust or to mislead: one clear answer, soon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.cases import sentence_events
from rules.engine import Engine
from rules.errors import RuleLoadError
from rules.linear_regex import fault_of_pattern
from rules.loader import load_rulebook
from rules.types import Entity, Event, Hit

pytestmark = pytest.mark.timeout(30)  # none of these takes a second; a stall would take hours

RULE = """pack: a.b
version: 1
rules:
  - {id: a.c, title: T, description: D, severity: low, when: x}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        pytest.param(BOMB.encode(), "1:4: anchors and aliases are not allowed", id="laughs"),
        pytest.param(b"a: &x {b: *x}", "1:4: anchors and aliases are not allowed", id="circle"),
        pytest.param(b"<<: *x", "1:5: anchors and aliases are not allowed", id="merge"),
        pytest.param(RULE.encode() * 90_000, "1:1: larger than 1048576 bytes", id="10 MB"),
        pytest.param(b"[" * 900_000, "nested deeper than 16 levels", id="brackets"),
        pytest.param(b"- " * 400_000, "nested deeper than 16 levels", id="dashes"),
        pytest.param(b"a:\n" + b" " * 1_000_000, "unknown key 'a'", id="blanks"),
        pytest.param(RULE.encode("utf-16"), "1:1: not UTF-8 text", id="utf-16"),
        pytest.param(
            RULE.replace("T,", "caf\u00e9,").encode("latin-1"), "4:1: not UTF-8 text", id="latin-1"
        ),
        pytest.param(RULE.encode().replace(b"T,", b"T\x00,"), "a.yaml:", id="nul"),
        pytest.param(b"\xff\xfe\x00", "1:1: not UTF-8 text", id="bytes"),
        pytest.param(b"!!python/object/apply:os.system [x]", "a.yaml:1:", id="code"),
        pytest.param(b"", "expected a mapping", id="empty"),
        pytest.param(
            RULE.replace("T,", r'"\ud83d\ude00",').encode(), "4:22: half a character", id="halves"
        ),
        pytest.param(rb'"\ud83d": x', "1:1: half a character", id="half a key"),
    ],
)
def test_hostile_file(tmp_path: Path, raw: bytes, problem: str) -> None:
    """Each is refused with its place and a mend, whatever its size, and nothing of it is run."""
    path = tmp_path / "a.yaml"
    path.write_bytes(raw)
    with pytest.raises(RuleLoadError) as caught:
        load_rulebook([path])
    assert problem in str(caught.value)
    assert all("; " in str(found) for found in caught.value.problems)
    assert len(str(caught.value)) < 2000


def test_utf8_with_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "a.yaml"
    path.write_bytes(RULE.encode("utf-8-sig"))
    assert len(load_rulebook([path]).rules) == 1


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(a|a?)+b", "^(([a-z])+.)+[A-Z]([a-z])+$", r"(.*a){20}"],
)
def test_no_pattern_stalls(
    write_pack: Callable[..., Path],
    feed_all: Callable[[Engine, list[Event]], tuple[list[Hit], list[Entity]]],
    pattern: str,
) -> None:
    """Patterns that take other engines years are looked for in time that grows with the text."""
    engine = Engine(load_rulebook([write_pack(f"{{regex: '{pattern}'}}")]))
    text = "a" * 20_000 + "! " + "aaaa " * 200
    feed_all(engine, list(sentence_events(text)))


@pytest.mark.parametrize(
    "pattern",
    ["((a{100}){100}){100}", "(?:a{999}b{999}){999}", "x" * 5000, "[" * 800, "(" * 900],
)
def test_costly_patterns_are_refused(pattern: str) -> None:
    """A pattern that grows too large when it is compiled is told so before any call."""
    fault = fault_of_pattern(pattern)
    assert fault is not None
    assert "; " in fault


def test_many_partial_phrases_stay_bounded(
    write_pack: Callable[..., Path],
    feed_all: Callable[[Engine, list[Event]], tuple[list[Hit], list[Entity]]],
) -> None:
    """A phrase with gaps over a text that begins it with every word stays quick."""
    phrase = " ".join(["a"] * 20)
    path = write_pack(f"{{phrase: {{any_of: [{{text: {phrase} b, slop: 10}}]}}}}")
    engine = Engine(load_rulebook([path]))
    hits, _ = feed_all(engine, list(sentence_events("a " * 2000)))
    assert hits == []
