"""From plain data to checked models, with every fault placed in the file."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rules.document import Document, KeyPath
from rules.errors import Problem

M = TypeVar("M", bound=BaseModel)


def validated(document: Document, model: type[M]) -> tuple[M | None, tuple[Problem, ...]]:
    """Check a document against a model.

    Returns:
        The model, or None with one problem for every fault. Problems quote keys, never values.
    """
    if not isinstance(document.data, dict):
        keys = ", ".join(_keys(model))
        return None, (document.problem((), f"expected a mapping; it begins with the keys {keys}"),)
    try:
        return model.model_validate(document.data), ()
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False, include_context=True)
    return None, tuple(_problem(document, model, dict(fault)) for fault in faults)


def _problem(document: Document, model: type[BaseModel], fault: dict[str, Any]) -> Problem:
    where: KeyPath = tuple(fault["loc"])
    kind = fault["type"]
    name = where[-1] if where else ""
    if kind == "extra_forbidden":
        known = _keys(_model_at(model, where[:-1]))
        near = difflib.get_close_matches(str(name), known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return document.problem(where, f"unknown key {str(name)!r}; {mend}", at_key=True)
    if kind == "missing":
        return document.problem(where[:-1], f"key {str(name)!r} is missing; add it")
    said = str(fault["msg"]).removeprefix("Value error, ")
    if kind == "value_error":
        return document.problem(where, f"{said}; see docs/rule-language.md")
    label = next((str(part) for part in reversed(where) if part in document_keys(where)), "value")
    said = said[:1].lower() + said[1:]
    return document.problem(where, f"{label}: {said}; see docs/rule-language.md")


def document_keys(where: KeyPath) -> set[str]:
    """The parts of a path that are keys of the file, not indices or names of alternatives."""
    return {part for part in where if isinstance(part, str) and part.isidentifier()}


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(model: type[BaseModel], where: KeyPath) -> type[BaseModel] | None:
    """The model that stands at a path, found by walking the annotations."""
    current: type[BaseModel] | None = model
    candidates: tuple[type[BaseModel], ...] = ()
    for part in where:
        if current is None:
            return None
        if not isinstance(part, str):
            continue
        for name, info in current.model_fields.items():
            if part in {name, info.alias}:
                candidates = tuple(_models_within(info.annotation))
                current = candidates[0] if candidates else None
                break
        else:  # of several models, a tag in the path names the one that was tried
            current = next((c for c in candidates if c.__name__ == part), current)
    return current


def _models_within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        for argument in typing.get_args(annotation):
            yield from _models_within(argument)
