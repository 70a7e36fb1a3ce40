"""The page on the rule language and the schema hold each other up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from rules import schema
from rules.document import parse_document
from rules.validation import validated

PAGE = (Path(__file__).parents[2] / "docs" / "rule-language.md").read_text(encoding="utf-8")

# The line that comes before the table of each model's keys.
TABLES: dict[str, type[BaseModel]] = {
    "## Keys of a pack": schema.PackModel,
    "## Keys of a rule": schema.RuleModel,
    "## Keys of a scope": schema.ScopeModel,
    "## Keys of a condition": schema.ConditionModel,
    "### `entity`": schema.EntityModel,
    "### `phrases`": schema.PhrasesModel,
    "A phrase has these keys:": schema.PhraseModel,
    "### `absent`": schema.AbsentModel,
    "## Keys of a case file": schema.CasesModel,
    "Keys of a case:": schema.CaseModel,
    "Keys of what is said in a call:": schema.SaidModel,
}


@pytest.mark.parametrize("heading", TABLES)
def test_tables_list_the_keys(heading: str) -> None:
    """Each table names exactly the keys that the schema knows, in its order."""
    after = PAGE.split(f"\n{heading}\n", 1)[1]
    table = after.split("| key | meaning |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    model = TABLES[heading]
    keys = [info.alias or name for name, info in model.model_fields.items()]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == keys


def test_no_model_is_left_out() -> None:
    """Every model of the schema has a table."""
    models = {
        found
        for found in vars(schema).values()
        if isinstance(found, type)
        and issubclass(found, BaseModel)
        and not found.__name__.startswith("_")
        and found is not BaseModel
    }
    assert models == set(TABLES.values())


def test_examples_are_valid() -> None:
    """Each YAML example is what its section describes."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    models: list[type[BaseModel]] = []
    for example in examples:
        document, problems = parse_document(example.encode(), Path("rule-language.md"))
        assert problems == ()
        assert document is not None
        if "condition" in document.data:
            document, _ = parse_document(
                "\n".join(line[2:] for line in example.splitlines()[1:]).encode(), Path("x")
            )
            assert document is not None
            model: type[BaseModel] = schema.ConditionModel
        else:
            model = schema.PackModel if "pack" in document.data else schema.CasesModel
        assert validated(document, model)[1] == ()
        models.append(model)
    assert models.count(schema.ConditionModel) == 3
    assert {schema.PackModel, schema.CasesModel} < set(models)
