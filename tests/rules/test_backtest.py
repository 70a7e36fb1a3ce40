"""Two rule books over the same calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rules.backtest import (
    Comparison,
    Decision,
    PastCall,
    Review,
    decision_of,
    precision_ratio,
    same_packs,
)
from rules.call_events import call_events
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.types import Span, utterance_from_text

CONFIRMED, FALSE, ESCALATED, DISPUTED, NONE = Decision
WHERE = Span(1, 2)


def review(decision: Decision, by: str | None = None, *, final: bool = False) -> Review:
    return Review(
        rule_id="t.safe",
        speaker="ann",
        span=WHERE,
        decision=decision,
        reviewer=by,
        is_final=final,
    )


@pytest.mark.parametrize(
    ("reviews", "decision"),
    [
        pytest.param([], NONE, id="nobody"),
        pytest.param([review(CONFIRMED, "a")], CONFIRMED, id="one"),
        pytest.param([review(CONFIRMED, "a"), review(CONFIRMED, "b")], CONFIRMED, id="agreed"),
        pytest.param([review(CONFIRMED, "a"), review(FALSE, "b")], DISPUTED, id="disagreed"),
        pytest.param([review(CONFIRMED, "a"), review(FALSE, "a")], FALSE, id="second-thoughts"),
        pytest.param([review(CONFIRMED), review(FALSE)], DISPUTED, id="unnamed-are-several"),
        pytest.param(
            [review(CONFIRMED, "a"), review(FALSE, "b", final=True), review(CONFIRMED, "c")],
            FALSE,
            id="settled",
        ),
        pytest.param(
            [review(FALSE, "a", final=True), review(CONFIRMED, "b", final=True)],
            CONFIRMED,
            id="settled-anew",
        ),
        pytest.param([review(ESCALATED, "a"), review(CONFIRMED, "b")], DISPUTED, id="escalated"),
    ],
)
def test_what_verdicts_come_to(reviews: list[Review], decision: Decision) -> None:
    """The final one counts, else the last of each reviewer, and disagreement is told."""
    assert decision_of(reviews) is decision


@pytest.mark.parametrize(
    ("hits", "ratio"),
    [
        ({}, None),
        ({NONE: 5, ESCALATED: 1, DISPUTED: 1}, None),
        ({CONFIRMED: 3, FALSE: 1, DISPUTED: 9}, 0.75),
        ({FALSE: 2}, 0.0),
    ],
)
def test_precision(hits: Mapping[Decision, int], ratio: float | None) -> None:
    """Only what reviewers decided counts."""
    assert precision_ratio(hits) == ratio


def book(folder: Path, *rules: str, pack: str = "t.pack") -> Rulebook:
    path = folder / f"{pack}-{len(list(folder.iterdir()))}.yaml"
    listed = "".join(f"  - {{title: T, description: D, severity: low, {rule}}}\n" for rule in rules)
    path.write_text(f"pack: {pack}\nversion: 1\nrules:\n{listed}")
    return load_rulebook((path,))


def past_call(*lines: tuple[str, float, float], id: str = "one", **more: object) -> PastCall:
    utterances = [
        utterance_from_text(text, Span(start_s, end_s), id=str(n), speaker="ann")
        for n, (text, start_s, end_s) in enumerate(lines)
    ]
    events = tuple(call_events([], utterances, end_s=120.0))
    return PastCall(id=id, events=events, **more)  # type: ignore[arg-type]


SAFE = "id: t.safe, when: {phrase: [totally safe]}"
OTHER = "id: t.other, when: {phrase: [something else]}"


def test_a_deadline_that_moves_is_the_same_absence(tmp_path: Path) -> None:
    """What nobody said is joined by its rule alone, as in a report."""
    rule = "id: t.notice, when: {{absent: {{any_of: [call is recorded], within_s: {}}}}}"
    in_force, changed = book(tmp_path, rule.format(30)), book(tmp_path, rule.format(60))
    comparison = Comparison(in_force=in_force, changed=changed, max_examples=9)
    said = Review(rule_id="t.notice", speaker=None, span=Span(0, 30), decision=CONFIRMED)
    changes = comparison.add(past_call(("hello", 1, 2), reviews=(said,)))
    assert (changes.added, changes.lost) == ((), ())
    (rule_change,) = comparison.result().rules
    assert rule_change.kept == {CONFIRMED: 1}


def test_a_verdict_belongs_to_the_hit_that_it_overlaps(tmp_path: Path) -> None:
    """Of two hits close to each other, each has its own verdicts."""
    comparison = Comparison(
        in_force=book(tmp_path, SAFE), changed=book(tmp_path, OTHER), max_examples=9
    )
    verdicts = tuple(
        Review(rule_id="t.safe", speaker="ann", span=span, decision=decision)
        for span, decision in ((Span(1, 2), FALSE), (Span(3, 4), CONFIRMED))
    )
    lines = [("totally safe", 1.0, 2.0), ("totally safe", 3.0, 4.0)]
    changes = comparison.add(past_call(*lines, reviews=verdicts))
    assert [(c.hit.span.start_s, c.decision) for c in changes.lost] == [
        (1.0, FALSE),
        (3.0, CONFIRMED),
    ]


def test_close_hits_on_other_words_are_other_hits(tmp_path: Path) -> None:
    """One phrase in the place of another, a moment later, is one lost and one added."""
    comparison = Comparison(
        in_force=book(tmp_path, SAFE),
        changed=book(tmp_path, "id: t.safe, when: {phrase: [no risk]}"),
        max_examples=9,
    )
    confirmed = Review(rule_id="t.safe", speaker="ann", span=Span(1, 1.5), decision=CONFIRMED)
    changes = comparison.add(past_call(("totally safe no risk", 1, 3), reviews=(confirmed,)))
    assert [(c.hit.excerpt, c.decision) for c in changes.lost] == [("totally safe", CONFIRMED)]
    assert [(c.hit.excerpt, c.decision) for c in changes.added] == [("no risk", NONE)]


def test_a_verdict_on_other_times_is_about_the_hit_beside_it(tmp_path: Path) -> None:
    """A verdict on what was heard live counts for the audit's hit no more than 2 s away."""
    for gap_s, decision in ((1.9, FALSE), (2.1, NONE)):
        comparison = Comparison(
            in_force=book(tmp_path, SAFE), changed=book(tmp_path, SAFE), max_examples=9
        )
        span = Span(3 + gap_s, 6)
        verdict = Review(rule_id="t.safe", speaker=None, span=span, decision=FALSE)
        comparison.add(past_call(("totally safe", 1, 3), reviews=(verdict,)))
        (rule,) = comparison.result().rules
        assert rule.kept == {decision: 1}


def test_examples_are_bounded_and_reviewed_ones_stay(tmp_path: Path) -> None:
    """All hits are counted; of those that can be shown, the reviewed ones are."""
    comparison = Comparison(
        in_force=book(tmp_path, SAFE), changed=book(tmp_path, OTHER), max_examples=2
    )
    for n in range(5):
        reviews = (review(CONFIRMED),) if n == 4 else ()
        comparison.add(past_call(("totally safe", 1.0, 2.0), id=str(n), reviews=reviews))
    (rule,) = comparison.result().rules
    assert rule.lost == {CONFIRMED: 1, NONE: 4}
    assert [change.call_id for change in rule.lost_examples] == ["1", "4"]


def test_rules_that_masked_text_hides(tmp_path: Path) -> None:
    """Rules for personal data are not tried on masked calls, and those that differ are told."""
    ssn = "id: t.ssn, when: {pii: US_SSN}"
    in_force = book(tmp_path, "id: t.card, when: {pii: CREDIT_CARD}", ssn)
    changed = book(tmp_path, "id: t.card, when: {pii: IBAN_CODE}", ssn)
    comparison = Comparison(in_force=in_force, changed=changed, max_examples=9)
    comparison.add(past_call(("hello", 1, 2), id="unmasked"))
    assert comparison.result().is_whole
    comparison.add(past_call(("••••", 1, 2), id="masked", is_masked=True))
    comparison.add(past_call(("••••", 1, 2), id="again", is_masked=True, is_complete=False))
    result = comparison.result()
    assert [(n.rule_id, n.n_calls, n.is_changed) for n in result.not_checked] == [
        ("t.card", 2, True),
        ("t.ssn", 2, False),
    ]
    assert (result.n_calls, result.n_masked, result.n_incomplete) == (3, 2, 1)
    assert result.is_same
    assert not result.is_whole


def test_only_packs_that_are_replaced_are_compared(tmp_path: Path) -> None:
    """A changed pack is held against itself, not against the whole book."""
    for name, rule in (("t.one", SAFE), ("t.two", "id: t.sure, when: {phrase: [quite sure]}")):
        book(tmp_path, rule, pack=name)
    whole = load_rulebook((tmp_path,))
    elsewhere = tmp_path / "changed"
    elsewhere.mkdir()
    changed = book(elsewhere, "id: t.new, when: {phrase: [new]}", pack="t.one")
    kept = same_packs(whole, changed)
    assert [rule.id for rule in kept.rules] == ["t.safe"]
    assert [pack.id for pack in kept.packs] == ["t.one"]
    moved = book(elsewhere, "id: t.sure, when: {phrase: [sure]}", pack="t.three")
    assert [rule.id for rule in same_packs(whole, moved).rules] == ["t.sure"]
