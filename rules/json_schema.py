"""The JSON Schema of rule files, short forms included, for editors."""

from __future__ import annotations

from typing import Any

from rules.case_schema import CasesModel
from rules.schema import PackModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(*, cases: bool = False) -> dict[str, Any]:
    """The schema of packs, or of the case files beside them.

    What it accepts may still be refused by the loader, which knows more: names of lists and macros,
    patterns, versions. What the loader accepts, it accepts.
    """
    model = CasesModel if cases else PackModel
    title = "Earmark rule cases" if cases else "Earmark rule pack"
    return {"$schema": DIALECT, **model.model_json_schema(by_alias=True), "title": title}
