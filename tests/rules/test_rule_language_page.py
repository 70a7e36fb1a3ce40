"""The page on the rule language and the schema hold each other up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from rules import case_schema, schema
from rules.document import parse_document
from rules.entities import KNOWN_TYPES
from rules.loader import load_rulebook
from rules.validation import validated

PAGE = (Path(__file__).parents[2] / "docs" / "rule-language.md").read_text(encoding="utf-8")

# The line that comes before the table of each model's keys.
TABLES: dict[str, type[BaseModel]] = {
    "## Keys of a pack": schema.PackModel,
    "Keys of an import:": schema.ImportModel,
    "Keys of the defaults:": schema.DefaultsModel,
    "## Keys of a rule": schema.RuleModel,
    "## Keys of a scope": schema.ScopeModel,
    "## Keys of a condition": schema.ConditionModel,
    "### `pii`": schema.PiiModel,
    "### `named_entity`": schema.NamedEntityModel,
    "### `phrase`": schema.PhrasesModel,
    "A phrase has these keys:": schema.PhraseModel,
    "### `regex`": schema.RegexModel,
    "### `lemma`": schema.LemmaModel,
    "### `similar`": schema.SimilarModel,
    "An example has these keys:": schema.ExampleModel,
    "### `digits`": schema.DigitsModel,
    "### `near`": schema.NearModel,
    "### `sequence`": schema.SequenceModel,
    "A step has these keys:": schema.StepModel,
    "### `absent`": schema.AbsentModel,
    "### `all`": schema.AllModel,
    "### `not`": schema.NotModel,
    "### `any`": schema.AnyModel,
    "### `count`": schema.CountModel,
    "### `metric`": schema.MetricModel,
    "## Keys of a case file": case_schema.CasesModel,
    "Keys of a case:": case_schema.CaseModel,
    "Keys of a hit that must come:": case_schema.ExpectedHitModel,
    "Keys of personal data that must be found:": case_schema.ExpectedEntityModel,
    "Keys of what is said in a call:": case_schema.SaidModel,
    "In place of words, a call may hold silence:": case_schema.SilenceModel,
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
        for module in (schema, case_schema)
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, BaseModel)
        and found not in {BaseModel, schema.StrictModel}
    }
    assert models == set(TABLES.values())


def test_examples_are_valid(tmp_path: Path) -> None:
    """Each YAML example loads: packs and conditions as rules, cases as cases."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    n_conditions = 0
    for i, example in enumerate(examples):
        if example.startswith("cases:"):
            document, problems = parse_document(example.encode(), Path("x"))
            assert problems == ()
            assert document is not None
            assert validated(document, case_schema.CasesModel)[1] == ()
            continue
        path = tmp_path / f"{i}.yaml"
        if example.startswith("when:"):
            n_conditions += 1
            head = f"pack: x.p{i}\nversion: 1\nrules:\n"
            rule = f"id: x.r{i}\ntitle: T\ndescription: D\nseverity: low\n{example}"
            lines = rule.splitlines()
            example = head + "".join(
                f"  {'-' if n == 0 else ' '} {s}\n" for n, s in enumerate(lines)
            )
        path.write_text(example)
        assert load_rulebook([path]).rules
    assert n_conditions >= 12


def test_every_type_of_entity_is_described() -> None:
    """The page lists just the kinds of personal data that can be found."""
    table = PAGE.split("| type | what | how it is known |\n|---|---|---|\n", 1)[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == KNOWN_TYPES
