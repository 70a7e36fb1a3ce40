"""Why a rule fired, in words, against the book in force."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from console.flags import Flag, Side, Standing
from console.rule_texts import RuleTexts, rule_texts
from rules.loader import load_rulebook
from rules.types import Severity


def flag(rule_id: str = "pii.card-number", *, live: int | None = 1, audit: int | None = 1) -> Flag:
    def side(version: int | None) -> Side | None:
        if version is None:
            return None
        return Side(rule_version=version, start_s=1.0, end_s=2.0, excerpt="", score=1.0)

    return Flag(
        number=1, subject="finding", subject_id="f", rule_id=rule_id, rule_version=audit or 1,
        title="t", severity=Severity.HIGH, name="customer", start_s=1.0, end_s=2.0,
        standing=Standing.CONFIRMED, live=side(live), audit=side(audit),
    )  # fmt: skip


def test_a_rule_in_words_and_as_written() -> None:
    """Title, description, each condition with its depth, and the rule's own lines of its file."""
    why = rule_texts(()).why(flag())
    assert why.differs is None
    assert why.rule is not None
    assert why.rule.title == "Payment card number spoken"
    assert why.rule.conditions == ((0, "pii CREDIT_CARD with a score of 0.5 or more"),)
    assert why.rule.source is not None
    assert why.rule.source.startswith("- id: pii.card-number\n")
    assert why.rule.source.count("- id:") == 1


def test_nested_conditions_have_their_depth() -> None:
    """A condition that is made of others stands above them."""
    depths = {
        rule.id: [depth for depth, _ in text.conditions]
        for rule in load_rulebook().rules
        if (text := rule_texts(()).why(flag(rule.id)).rule) is not None
    }
    assert depths["disclosure.recording-notice"][0] == 0
    assert max(max(each) for each in depths.values()) >= 1


def test_another_version_is_said_to_be_another() -> None:
    """What fired may not be what the book says today."""
    why = rule_texts(()).why(flag(live=3, audit=1))
    assert why.differs == (
        "Version 3 fired; the rule is at version 1 today, and that is what stands here."
    )


def test_a_rule_that_is_gone() -> None:
    """A rule that the book has no more is named, with the version that fired."""
    why = rule_texts(()).why(flag("old.rule", audit=7))
    assert why.rule is None
    assert why.differs == "The rule is not in the book any more; version 7 fired."


def test_rules_are_read_anew_when_their_file_changes(tmp_path: Path) -> None:
    """The page shows the book in force, and not the one of when the console was started."""
    path = tmp_path / "pack.yaml"
    pack = (
        "pack: a.b\nversion: 1\ntitle: T\nrules:\n  - id: a.b-c\n    title: {}\n"
        "    description: d\n    severity: low\n    when: {{phrase: hello}}\n"
    )
    path.write_text(pack.format("First"))
    os.utime(path, ns=(1, 1))
    assert rule_texts((tmp_path,)).titles == {"a.b-c": "First"}
    path.write_text(pack.format("Second"))
    os.utime(path, ns=(2, 2))
    assert rule_texts((tmp_path,)).titles == {"a.b-c": "Second"}


def test_a_file_that_is_gone_takes_only_the_source(tmp_path: Path) -> None:
    """Where the rule's file cannot be read, its words are left."""
    book = load_rulebook()
    rule = next(rule for rule in book.rules if rule.id == "pii.card-number")
    moved = replace(rule, location=replace(rule.location, path=tmp_path / "gone.yaml"))
    text = RuleTexts(replace(book, rules=(moved,))).why(flag()).rule
    assert text is not None
    assert text.source is None
    assert text.conditions
