"""`earmark rules schema`, run as people run it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from earmark.commands.rules import command


@pytest.mark.parametrize("options", [[], ["--cases"]])
def test_it_prints_a_json_schema(options: list[str]) -> None:
    result = CliRunner().invoke(command, ["schema", *options])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    Draft202012Validator.check_schema(schema)
    assert ("cases" in schema["properties"]) is bool(options)
