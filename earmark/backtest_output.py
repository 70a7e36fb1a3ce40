"""What a backtest prints: text for people, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from rules.backtest import (
    Backtest,
    CallChanges,
    Change,
    Decision,
    NotChecked,
    RuleChange,
    precision_ratio,
)
from rules.masking import mask_numbers
from rules.rulebook import Rulebook
from storage.past_calls import NotJudged


class TextOutput:
    """Text on stdout, rule by rule, at the end.

    Args:
        max_shown: Added hits, lost hits and calls without judgement that are listed, of each.
    """

    def __init__(self, max_shown: int) -> None:
        self._max_shown = max_shown
        self._not_judged: list[str] = []
        self._n_not_judged = 0

    def begin(self, *, in_force: Rulebook, changed: Rulebook) -> None:
        """Say what is held against what."""
        click.echo(f"changed: {_packs(changed)}")
        click.echo(f"in force: {_packs(in_force)}")

    def changes(self, changes: CallChanges) -> None:
        """Called after each call."""

    def not_judged(self, call_id: str, why: NotJudged) -> None:
        """Called for a call of which nothing can be said."""
        self._n_not_judged += 1
        if len(self._not_judged) < self._max_shown:
            self._not_judged.append(f"{call_id}: not judged: {why.value}")

    def end(self, result: Backtest, *, is_store: bool) -> None:
        """Print everything."""
        for rule in result.rules:
            self._show_rule(rule)
        for each in result.not_checked:
            click.echo(_not_checked_line(each))
        for line in self._not_judged:
            click.echo(line)
        if self._n_not_judged > len(self._not_judged):
            click.echo(f"… {self._n_not_judged - len(self._not_judged)} more calls not judged")
        n_changed = sum(not rule.is_same for rule in result.rules)
        judged = f"{_counted(result.n_calls, 'call')}"
        if is_store:
            judged += (
                f" judged, {result.n_calls - result.n_masked} by what was said, "
                f"{result.n_masked} by masked text; {self._n_not_judged} not judged"
            )
        click.echo(f"{judged}, {_counted(len(result.rules), 'rule')} hit, {n_changed} changed")
        if result.n_incomplete:
            click.echo(
                f"{_counted(result.n_incomplete, 'call')} not wholly heard: what seems missing "
                "there may have been said"
            )

    def _show_rule(self, rule: RuleChange) -> None:
        n_kept, n_added, n_lost = (sum(n.values()) for n in (rule.kept, rule.added, rule.lost))
        click.echo(f"{rule.rule_id}: {n_kept} kept, {n_added} added, {n_lost} lost")
        for sign, shown, n_all in (
            ("+", rule.added_examples, n_added),
            ("-", rule.lost_examples, n_lost),
        ):
            for change in shown:
                click.echo(f"  {sign} {_change_line(change)}")
            if n_all > len(shown):
                click.echo(f"  {sign} … {n_all - len(shown)} more; --show lists more of them")
        for remark in _remarks(rule):
            click.echo(f"  {remark}")


class JsonOutput:
    """JSON lines on stdout, as soon as they are known."""

    def __init__(self) -> None:
        self._n_not_judged = 0

    def begin(self, *, in_force: Rulebook, changed: Rulebook) -> None:
        """Say what is held against what."""
        _print(
            type="rules",
            in_force=[{"pack": pack.id, "version": pack.version} for pack in in_force.packs],
            changed=[{"pack": pack.id, "version": pack.version} for pack in changed.packs],
        )

    def changes(self, changes: CallChanges) -> None:
        """Called after each call."""
        for kind, found in (("added", changes.added), ("lost", changes.lost)):
            for change in found:
                _print(
                    type=kind,
                    rule=change.hit.rule_id,
                    call=change.call_id,
                    start_s=change.hit.span.start_s,
                    end_s=change.hit.span.end_s,
                    excerpt=change.hit.excerpt,
                    verdict=change.decision.value,
                )

    def not_judged(self, call_id: str, why: NotJudged) -> None:
        """Called for a call of which nothing can be said."""
        self._n_not_judged += 1
        _print(type="not_judged", call=call_id, reason=why.name.lower())

    def end(self, result: Backtest, *, is_store: bool) -> None:
        """Print what it comes to."""
        for rule in result.rules:
            _print(
                type="rule",
                rule=rule.rule_id,
                n_kept=sum(rule.kept.values()),
                n_added=sum(rule.added.values()),
                n_lost=sum(rule.lost.values()),
                kept_by_verdict=_by_verdict(rule.kept),
                added_by_verdict=_by_verdict(rule.added),
                lost_by_verdict=_by_verdict(rule.lost),
                precision_before=precision_ratio(rule.before),
                precision_after=precision_ratio(rule.after),
            )
        for each in result.not_checked:
            _print(
                type="not_checked",
                rule=each.rule_id,
                n_calls=each.n_calls,
                is_changed=each.is_changed,
            )
        if is_store:
            _print(
                type="summary",
                n_calls=result.n_calls,
                n_masked=result.n_masked,
                n_incomplete=result.n_incomplete,
                n_not_judged=self._n_not_judged,
            )


def _packs(book: Rulebook) -> str:
    packs = ", ".join(f"{pack.id} {pack.version}" for pack in book.packs) or "no such pack"
    return f"{_counted(len(book.rules), 'rule')} of {packs}"


def _not_checked_line(each: NotChecked) -> str:
    line = f"{each.rule_id}: not checked on {_counted(each.n_calls, 'masked call')}"
    return f"{line}, and it is a rule that changes" if each.is_changed else line


def _remarks(rule: RuleChange) -> Iterator[str]:
    before, after = rule.before, rule.after
    if any(decision is not Decision.NONE for decision in (*before, *after)):
        yield f"precision by verdicts: {_precision(before)} before, {_precision(after)} after"
    for decision, said in (
        (Decision.CONFIRMED, "confirmed"),
        (Decision.ESCALATED, "escalated"),
        (Decision.DISPUTED, "disagree on"),
    ):
        if n := rule.lost.get(decision, 0):
            yield f"! loses {n} that reviewers {said}"
    if n := rule.added.get(Decision.FALSE_ALARM, 0):
        yield f"! adds {n} that reviewers called false alarms"
    if n := rule.lost.get(Decision.FALSE_ALARM, 0):
        yield f"removes {n} that reviewers called false alarms"
    if n := rule.added.get(Decision.CONFIRMED, 0):
        yield f"finds {n} more that reviewers confirmed"


def _precision(hits: Mapping[Decision, int]) -> str:
    ratio = precision_ratio(hits)
    if ratio is None:
        return "none decided"
    n_true = hits.get(Decision.CONFIRMED, 0)
    return f"{ratio:.0%} ({n_true} of {n_true + hits.get(Decision.FALSE_ALARM, 0)})"


def _change_line(change: Change) -> str:
    hit = change.hit
    by = "" if hit.speaker is None else f" by {mask_numbers(hit.speaker)}"
    place = f"{change.call_id} {hit.span.start_s:.1f}-{hit.span.end_s:.1f} s{by}"
    return f"{place}: {hit.excerpt} ({change.decision.value})"


def _by_verdict(hits: Mapping[Decision, int]) -> dict[str, int]:
    return {decision.value: n for decision, n in hits.items()}


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _print(**line: Any) -> None:
    click.echo(json.dumps(line, ensure_ascii=False))
