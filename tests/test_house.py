"""Rules of the house that no linter knows: what may be logged, what may be said of an error."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.logs import SAFE_KEYS
from rules.types import Entity, Span, TextRange, Word, utterance_from_text
from tests.conftest import unexplained_skips

ROOT = Path(__file__).parents[1]
PACKAGES = ("rules", "speech", "storage", "realtime", "offline", "console", "earmark")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# What holds speech or names somebody: it may be in no message, not even an exception's.
PRIVATE = {
    "text", "excerpt", "value", "transcript", "utterance", "word", "words", "identity", "speaker",
    "room_name", "phone", "payload",
}  # fmt: skip
# Messages that must name what somebody typed into a file or on the command line.
EXPLAINED = {
    "rules/": "quotes the author's own rule file, and only its keys and short values",
    "earmark/commands/replay.py": "names the speaker that was given on the command line",
}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """All calls in a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_log_call(call: ast.Call) -> bool:
    """`log.warning(...)` and the like."""
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in LEVELS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"log", "logger"}
    )


def extra_keys(call: ast.Call) -> set[str]:
    """The keys that a log call names in `extra=`."""
    return {
        key.value
        for keyword in call.keywords
        if keyword.arg == "extra"
        for node in ast.walk(keyword.value)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def names_in_messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names that an f-string in a `raise` interpolates, with their lines."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        for part in ast.walk(node.exc):
            if isinstance(part, ast.FormattedValue):
                value = part.value
                if isinstance(value, ast.Attribute):
                    yield node.lineno, value.attr
                elif isinstance(value, ast.Name):
                    yield node.lineno, value.id


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_log_calls_carry_no_values_in_their_text(path: Path) -> None:
    """A log message is constant, and its values are under keys that are declared safe."""
    for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
        if is_log_call(call):
            where = f"{path.name}:{call.lineno}"
            assert isinstance(call.args[0], ast.Constant), f"{where}: the message is not constant"
            assert len(call.args) == 1, f"{where}: the message takes arguments"
            assert extra_keys(call) <= SAFE_KEYS, (
                f"{where}: declare {extra_keys(call) - SAFE_KEYS} in earmark/logs.py or remove it"
            )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_errors_quote_nobody(path: Path) -> None:
    """No error message interpolates what was said or who said it."""
    relative = str(path.relative_to(ROOT))
    if any(relative.startswith(prefix) for prefix in EXPLAINED):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [(line, name) for line, name in names_in_messages(tree) if name in PRIVATE]
    assert found == []


def test_repr_shows_no_speech() -> None:
    """What people said stays out of `repr`, and so out of logs and tracebacks."""
    span = Span(0, 1)
    said = utterance_from_text("4539 secret", span, id="u", speaker="ann")
    entity = Entity(
        type="CREDIT_CARD", value="4539", speaker="ann", span=span,
        parts=(TextRange(utterance_id="u", start_chars=0, end_chars=4),), score=1.0, at_s=1.0,
    )  # fmt: skip
    shown = repr(said) + repr(said.words[0]) + repr(entity)
    assert isinstance(said.words[0], Word)
    assert "4539" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("skipped", "unexplained"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["tests/a.py::test_gpu[1]"], [], id="listed"),
        pytest.param(["tests/a.py::test_b"], ["tests/a.py::test_b"], id="not-listed"),
    ],
)
def test_skips_must_be_explained(skipped: list[str], unexplained: list[str]) -> None:
    """In CI a skipped test needs a reason in the list."""
    assert unexplained_skips(skipped, {"tests/a.py::test_gpu*": "no GPU here"}) == unexplained


def test_a_skip_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that skips something unseen is red."""
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest("from tests.conftest import pytest_sessionfinish")
    pytester.makepyfile("import pytest\n\n\ndef test_x():\n    pytest.skip('no server')\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*skipped without a reason*test_x*"])
