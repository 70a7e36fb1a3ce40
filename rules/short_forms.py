"""Shorter ways of writing a value in a rule file, known to loader and JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function


class StrictModel(BaseModel):
    """Refuses unknown keys and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: a schema is a dict
class ShortForm:
    """Lets something shorter stand for a value, and says so in the JSON Schema.

    `key` names the one key of a mapping whose value may stand alone; `shorter` is the schema of
    what may be written where that cannot be looked up; neither: an item of the list alone.
    """

    written_out: Callable[[Any], Any]
    key: str = ""
    shorter: JsonSchemaValue | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(self.written_out, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler(core)
        if self.shorter is not None:
            return {"anyOf": [written, self.shorter]}
        if not self.key:
            return {"anyOf": [written, written["items"]]}
        return {"anyOf": [written, handler.resolve_ref_schema(written)["properties"][self.key]]}


def short_form(key: str, *shorter: str) -> ShortForm:
    """Let a value stand for a mapping with this one key.

    `shorter` are its JSON types, where the mapping holds itself and its schema is not made yet.
    """

    def written_out(value: Any) -> Any:
        return value if isinstance(value, dict) else {key: value}

    return ShortForm(written_out, key, {"type": list(shorter)} if shorter else None)


def _texts_under(key: str) -> ShortForm:
    """A text, a mapping with `text` or `list`, or a list of such, for a mapping with one key."""

    def written_out(value: Any) -> Any:
        if isinstance(value, dict) and not {"text", "list"} & value.keys():
            return value
        return {key: value}

    return ShortForm(
        written_out,
        shorter={
            "anyOf": [
                {"type": ["string", "array"]},
                {"type": "object", "anyOf": [{"required": ["text"]}, {"required": ["list"]}]},
            ]
        },
    )


phrases_short_form = _texts_under("any_of")
examples_short_form = _texts_under("to")


def _list_from_one(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


one_or_many = ShortForm(_list_from_one)
