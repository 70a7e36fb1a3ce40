"""How results of rule cases are shown to CI: as JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from rules.case_difference import difference
from rules.cases import CaseResult


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
