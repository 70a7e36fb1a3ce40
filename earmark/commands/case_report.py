"""How results of rule cases are shown: as a difference for people, as JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

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


def junit(results: Sequence[CaseResult]) -> bytes:
    """The results as JUnit XML; a `todo` that still fails counts as skipped."""
    failed = [r for r in results if not r.passed and r.case.todo is None]
    skipped = [r for r in results if not r.passed and r.case.todo is not None]
    suite = ET.Element(
        "testsuite",
        name="earmark rules",
        tests=str(len(results)),
        failures=str(len(failed)),
        skipped=str(len(skipped)),
    )
    for result in results:
        case = result.case
        element = ET.SubElement(
            suite,
            "testcase",
            classname=case.path.name,
            name=case.name,
            file=str(case.path),
            line=str(case.line),
        )
        if result.passed:
            continue
        if case.todo is not None:
            ET.SubElement(element, "skipped", message=case.todo)
            continue
        failure = ET.SubElement(element, "failure", message="not what was expected")
        failure.text = "\n".join(difference(result))
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
