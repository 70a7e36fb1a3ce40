"""What an audit prints: JSON lines, or a short table and where the report is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rules.types import Severity

if TYPE_CHECKING:
    from offline.audit import Outcome
    from offline.report import Report
    from offline.run import Summary
    from storage.objects import ObjectStore


class AuditOutput:
    """What goes to stdout: JSON lines, or a short table and where the report is."""

    def __init__(self, objects: ObjectStore, *, as_json: bool, show_text: bool) -> None:
        self._objects = objects
        self._as_json = as_json
        self._show_text = show_text

    @property
    def shows_text(self) -> bool:
        """Whether it prints what was really said."""
        return self._show_text

    def show(self, outcome: Outcome) -> None:
        """Print one audit."""
        if self._as_json:
            for line in self._lines(outcome):
                self._echo(line)
        else:
            self._print(outcome)

    def show_not_audited(self, room_sid: str, code: str) -> None:
        """Print that a call has no report, which is a finding of its own.

        Args:
            room_sid: The call.
            code: Why.
        """
        if self._as_json:
            finding = {"kind": "coverage", "code": "not_audited", "detail": code}
            times = {"speaker": None, "start_s": None, "end_s": None}
            message = "This call was not audited."
            self._echo(
                {"type": "finding", **finding, "room_sid": room_sid, **times, "message": message,
                 "harmless": False}
            )  # fmt: skip

    def show_summary(self, summary: Summary) -> None:
        """Print what a run over many calls came to."""
        if self._as_json:
            self._echo({"type": "summary", **summary.counts()})
            return
        found = ", ".join(
            f"{summary.findings[severity]} {severity.value}"
            for severity in reversed(Severity)
            if summary.findings.get(severity)
        )
        parts = [
            f"{summary.n_calls} calls in {shown_length(summary.elapsed_s)}:",
            f"{summary.n_audited} audited, {summary.n_already_done} already done,",
            f"{summary.n_failed} failed, {summary.n_poisoned} left alone,",
            f"{summary.n_busy} with another run." if summary.n_busy else "none with another run.",
            f"Findings: {found or 'none'}; {summary.n_incomplete} calls not wholly checked.",
        ]
        Console(highlight=False).print(" ".join(parts), markup=False, soft_wrap=True)

    def _echo(self, line: dict[str, object]) -> None:
        click.echo(json.dumps(line))

    def _lines(self, outcome: Outcome) -> Iterator[dict[str, object]]:
        report = outcome.report
        if outcome.was_done and self._show_text:
            click.echo(
                "earmark: this call was audited before, and its words are kept masked only: "
                "--show-text shows nothing more",
                err=True,
            )
        said = {utterance.id: utterance for utterance in outcome.utterances}
        for line in report.utterances:
            original = said.get(line.id)
            text = original.text if original and self._show_text else line.text
            times = {"start_s": line.start_s, "end_s": line.end_s}
            yield {"type": "segment", "speaker": line.speaker, **times, "text": text}
            for word in original.words if original else ():
                yield {
                    "type": "word",
                    "speaker": line.speaker,
                    "start_s": round(word.span.start_s, 3),
                    "end_s": round(word.span.end_s, 3),
                    # Masking keeps lengths, so offsets hold in both texts.
                    "text": text[word.start_chars : word.end_chars],
                    "confidence": word.confidence,
                }
        yield from self._findings(report)
        yield {
            "type": "report",
            "room_sid": report.call.room_sid,
            "headline": report.headline.value,
            "complete": report.is_complete,
            "html": self._objects.url(outcome.html_key),
            "json": self._objects.url(outcome.json_key),
            "already_audited": outcome.was_done,
        }

    def _findings(self, report: Report) -> Iterator[dict[str, object]]:
        for found in report.findings:
            yield {
                "type": "finding",
                "kind": "rule",
                "rule": found.rule_id,
                "severity": found.severity.value,
                "speaker": found.speaker,
                "start_s": found.start_s,
                "end_s": found.end_s,
                "excerpt": found.excerpt,
                "verdict": found.verdict.value,
                "live_delay_s": found.live_delay_s,
            }
        for gap in report.coverage:
            yield {
                "type": "finding",
                "kind": "coverage",
                "code": gap.code.value,
                "detail": gap.detail,
                "speaker": gap.speaker,
                "start_s": gap.start_s,
                "end_s": gap.end_s,
                "message": gap.message,
                "harmless": gap.is_harmless,
            }

    def _print(self, outcome: Outcome) -> None:
        from offline.pages import minutes
        from offline.report_html import summary

        report = outcome.report
        console = Console(highlight=False)
        done = " (already audited)" if outcome.was_done else ""
        console.print(f"{report.call.room_sid}{done}: {summary(report)}", markup=False)
        if report.findings:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for title in ("Severity", "Rule", "Speaker", "Time", "What", "Live"):
                table.add_column(title, overflow="fold")
            for found in report.findings:
                table.add_row(
                    found.severity.value,
                    escape(found.title),
                    escape(found.speaker or "whole call"),
                    minutes(found.start_s),
                    escape(found.excerpt),
                    found.verdict.value.replace("_", " "),
                )
            console.print(table)
        for gap in report.coverage:
            who = f"{gap.speaker}: " if gap.speaker else ""
            what = who if gap.is_harmless else f"Not checked: {who}"
            style = None if gap.is_harmless else "yellow"
            console.print(f"{what}{gap.message}", style=style, markup=False)
        console.print(
            f"Report: {self._objects.url(outcome.html_key)}", markup=False, soft_wrap=True
        )


def shown_length(elapsed_s: float) -> str:
    """A length of time for a person."""
    minutes, seconds = divmod(round(elapsed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
