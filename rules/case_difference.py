"""What a case expected and what came, for people."""

from __future__ import annotations

from collections.abc import Iterator

from rules.cases import CaseResult
from rules.entities import excerpt_of


def difference(result: CaseResult, *, show_values: bool = False) -> Iterator[str]:
    """Lines that say what was expected (-) and what came (+); values only where asked for."""
    for expected in result.missing:
        yield f"  - a hit of {expected}"
        of_rule = [hit for hit in result.hits if hit.rule_id == expected.rule_id]
        for hit in of_rule:
            yield f"  + got one at {hit.at_s:.2f} s, by {hit.speaker or 'somebody'}"
        if not of_rule:
            yield "  + got none"
    for rule_id in result.unexpected:
        at = ", ".join(f"{hit.at_s:.2f} s" for hit in result.hits if hit.rule_id == rule_id)
        yield f"  - no hit of {rule_id}"
        yield f"  + got one at {at}"
    for name, value in result.not_found:
        yield f"  - {name}" + (f" {value}" if show_values and value else "")
    for entity in result.not_expected:
        shown = entity.value if show_values else excerpt_of(entity)
        yield f"  + {entity.type} {shown} at {entity.at_s:.2f} s"
