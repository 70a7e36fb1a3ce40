"""YAML as plain data with a position for every value, refusing what a rule file never needs.

Anchors, aliases, custom tags, repeated keys, deep nesting and large files are errors: rule files
are edited by many hands and read by machines that must not be stalled by one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, MappingStartEvent, NodeEvent, SequenceStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rules.errors import Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16

KeyPath = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_SURROGATE = re.compile("[\ud800-\udfff]")  # from an escape such as "\\ud83d"
_HALF = "half a character (a surrogate escape); write the character itself"
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file as plain dicts, lists, strings, numbers, booleans and None."""

    path: Path
    data: Any
    values: Mapping[KeyPath, tuple[int, int]]  # (line, column) of each value, from 1
    keys: Mapping[KeyPath, tuple[int, int]]  # the same of each mapping key

    def problem(self, where: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A problem at a value, or at the nearest enclosing value that has a position."""
        where = self.placed(where)
        spots = self.keys if at_key and where in self.keys else self.values
        while where and where not in spots:
            where = where[:-1]
        line, column = spots.get(where, (1, 1))
        return Problem(path=self.path, line=line, column=column, message=message)

    def placed(self, where: KeyPath) -> KeyPath:
        """The same place without the keys that a short form of writing leaves out."""
        current = self.data
        kept: list[str | int] = []
        for part in where:
            inside = (isinstance(current, dict) and part in current) or (
                isinstance(current, list) and isinstance(part, int) and part < len(current)
            )
            if inside:
                kept.append(part)
                current = current[part]
        return tuple(kept)


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def read_document(path: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """Read one YAML file.

    Returns:
        The document, or None with the problems that keep it from being one.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        reason = exc.strerror or "cannot be read"
        return None, (_at(path, f"{reason}; give a readable YAML file or a folder"),)
    return parse_document(raw, path)


def parse_document(raw: bytes, path: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """Turn the bytes of a file into a document; `path` is only named in problems."""
    if len(raw) > MAX_BYTES:
        return None, (_at(path, f"larger than {MAX_BYTES} bytes; split the file"),)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        return None, (_at(path, "not UTF-8 text; save the file as UTF-8", line),)
    try:
        _refuse_tricks(text, path)
        node = YAML(typ="safe", pure=True).compose(text)
        builder = _Builder(path)
        data = None if node is None else builder.build(node, (), 1)
    except _Refused as exc:
        return None, (exc.problem,)
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(str(exc.problem or exc.context or "malformed").split())
        return None, (_at(path, f"not valid YAML: {said}; mend the syntax here", line, column),)
    except (YAMLError, ValueError, RecursionError, AttributeError, IndexError, KeyError):
        # The scanner answers some malformed inputs with plain Python errors.
        return None, (_at(path, "not valid YAML; look for stray control characters"),)
    if builder.problems:
        return None, tuple(builder.problems)
    return Document(path=path, data=data, values=builder.values, keys=builder.keys), ()


def _at(path: Path, message: str, line: int = 1, column: int = 1) -> Problem:
    return Problem(path=path, line=line, column=column, message=message)


def _refuse_tricks(text: str, path: Path) -> None:
    """Look at the event stream first: it is flat, so depth cannot exhaust the stack."""
    depth = 0
    n_documents = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        name = type(event).__name__
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            message = "anchors and aliases are not allowed; write the value out"
            raise _Refused(_at(path, message, line, column))
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                message = f"nested deeper than {MAX_DEPTH} levels; flatten it"
                raise _Refused(_at(path, message, line, column))
        elif name in {"MappingEndEvent", "SequenceEndEvent"}:
            depth -= 1
        elif name == "DocumentStartEvent":
            n_documents += 1
            if n_documents > 1:
                message = "a second document starts here; one file holds one document"
                raise _Refused(_at(path, message, line, column))


@dataclass(slots=True)
class _Builder:
    path: Path
    problems: list[Problem] = field(default_factory=list)
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)

    def build(self, node: Node, where: KeyPath, depth: int) -> Any:
        self.values[where] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, where, depth)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(child, (*where, i), depth + 1) for i, child in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        return self._refuse(node, f"tag {node.tag} is not allowed; write a plain value")

    def _mapping(self, node: MappingNode, where: KeyPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag != f"{_TAG}str":
                self._refuse(key_node, "a key must be plain text; quote it")
                continue
            key = str(key_node.value)
            if _SURROGATE.search(key):
                self._refuse(key_node, _HALF)
                continue
            place = (*where, key)
            if key in result:
                self._refuse(key_node, f"key {key!r} is given twice; keep one")
                continue
            self.keys[place] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, place, depth + 1)
        return result

    def _scalar(self, node: ScalarNode) -> Any:
        text = str(node.value)
        if _SURROGATE.search(text):  # cannot be written anywhere, and so not hashed either
            return self._refuse(node, _HALF)
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        return self._refuse(node, "not a plain value; quote it, or write a decimal number")

    def _refuse(self, node: Node, message: str) -> None:
        mark = node.start_mark
        self.problems.append(_at(self.path, message, mark.line + 1, mark.column + 1))
