"""Reports without a person whose data was erased: what is left says that something is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from offline.errors import ReportFormatError
from offline.report import CoverageFinding, Headline, Report, dump_report, parse_report
from offline.report_html import render_html
from storage.erasure_person import Person, without_person
from storage.findings import CoverageCode

DETAIL = "erased"
_MESSAGE = "What this person said was erased on request; it is no longer in this report."


class StoredReports:
    """Rewrites reports for `storage.erasure`."""

    def rewrite(self, data: bytes, person: Person, pseudonym: str) -> tuple[bytes, bytes] | None:
        """A report without the person, as JSON and as page.

        Returns:
            None where it is none of a known version, or where it cannot be told who in it they are:
            two masked names look alike.
        """
        try:
            names = _names(parse_report(data), person)
            if names is None:
                return None
            tree = without_person(json.loads(data), person, names, pseudonym)
            report = parse_report(json.dumps(_without_dangling(tree)).encode())
        except ReportFormatError:
            return None
        if names and not any(gap.detail == DETAIL for gap in report.coverage):
            report = _with_gap(report, pseudonym)
        page = render_html(report).encode()
        written = dump_report(report)
        if any(person.mentioned_in(each.decode()) for each in (written, page)):
            return None
        return written, page

    def speech(
        self, data: bytes, person: Person, recording: str
    ) -> tuple[tuple[float, float], ...] | None:
        """Where the person speaks in a recording, by the clock of its file.

        Returns:
            None where this report does not know the recording, or not who in it they are.
        """
        try:
            report = parse_report(data)
        except ReportFormatError:
            return None
        names = _names(report, person)
        place = next((each for each in report.recordings if each.name == recording), None)
        if place is None or names is None:
            return None
        if not names:
            was_erased = any(gap.detail == DETAIL for gap in report.coverage)
            return () if was_erased else None
        end_s = place.start_s + place.duration_s
        return tuple(
            (max(0.0, start_s - place.start_s), min(end, end_s) - place.start_s)
            for speaker in report.speakers
            if speaker.name in names
            for start_s, end in speaker.speech
            if end > place.start_s and start_s < end_s
        )


def _names(report: Report, person: Person) -> set[str] | None:
    """The person's names in a report; None where another's could be among them."""
    found = person.shown_among([speaker.name for speaker in report.speakers])
    sure = {name for name in found if person.is_them(name)}
    masked = found - sure
    # One masked name for each identity that is masked so is theirs; of more, which one?
    return None if len(masked) > 1 else found


def _without_dangling(tree: Any) -> Any:
    """Marks of other people's findings may point to lines that are gone."""
    lines = {line["id"] for line in tree["utterances"]}
    findings = [
        {**found, "marks": [mark for mark in found["marks"] if mark["utterance_id"] in lines]}
        for found in tree["findings"]
    ]
    return {**tree, "findings": findings}


def _with_gap(report: Report, pseudonym: str) -> Report:
    gap = CoverageFinding(
        code=CoverageCode.RECORDING_MISSING,
        detail=DETAIL,
        message=_MESSAGE,
        speaker=pseudonym,
        recording=None,
        start_s=None,
        end_s=None,
        is_harmless=False,
    )
    return replace(
        report,
        coverage=(*report.coverage, gap),
        is_complete=False,
        headline=Headline.FINDINGS if report.audit_findings else Headline.INCOMPLETE,
    )
