"""Live hits against audit hits."""

from __future__ import annotations

import pytest

from offline.reconcile import RuleScore, reconcile, scores
from rules.types import Hit, HitState, Span
from storage.findings import LiveVerdict
from tests.offline.builders import hit

NOTICE = hit(id="n", rule_id="disclosure.notice", speaker=None, span=Span(0, 30))


def at(start_s: float, end_s: float, id: str, **changes: object) -> Hit:
    return hit(id=id, span=Span(start_s, end_s), **changes)


@pytest.mark.parametrize(
    ("audit", "live", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param(
            [at(10, 14, "a")], [at(11, 15, "l")], [("a", "l", "confirmed")], id="overlapping"
        ),
        pytest.param([at(10, 14, "a")], [at(15.5, 17, "l")], [("a", "l", "confirmed")], id="near"),
        pytest.param(
            [at(10, 14, "a")],
            [at(17, 19, "l")],
            [("a", None, "missed_live"), (None, "l", "false_alarm_live")],
            id="too-far",
        ),
        pytest.param(
            [at(10, 14, "a")],
            [at(10, 14, "l", speaker="agent")],
            [("a", None, "missed_live"), (None, "l", "false_alarm_live")],
            id="another-speaker",
        ),
        pytest.param(
            [at(10, 14, "a")],
            [at(10, 14, "l", rule_id="pii.ssn")],
            [("a", None, "missed_live"), (None, "l", "false_alarm_live")],
            id="another-rule",
        ),
        pytest.param([at(10, 14, "a")], None, [("a", None, "live_not_run")], id="nobody-live"),
        pytest.param(
            [at(10, 11, "a"), at(12, 13, "b")],
            [at(12, 13, "l")],
            [("a", None, "missed_live"), ("b", "l", "confirmed")],
            id="two-close-together-one-heard",
        ),
        pytest.param(
            [at(10, 14, "a")],
            [at(10, 13, "l"), at(12, 14, "m")],
            [("a", "l", "confirmed")],
            id="live-repeats-itself",
        ),
        pytest.param(
            [at(10, 12, "a"), at(11, 14, "b")],
            [at(10, 14, "l")],
            [("a", "l", "confirmed"), ("b", "l", "confirmed")],
            id="live-joined-two",
        ),
        pytest.param(
            [at(10, 14, "a")],
            [at(10, 14, "l", state=HitState.RETRACTED)],
            [("a", None, "missed_live")],
            id="live-took-it-back",
        ),
        pytest.param(
            [NOTICE],
            [hit(id="l", rule_id="disclosure.notice", speaker=None, span=Span(90, 120))],
            [("n", "l", "confirmed")],
            id="nobody-said-it-joins-by-rule",
        ),
    ],
)
def test_verdicts(
    audit: list[Hit],
    live: list[Hit] | None,
    expected: list[tuple[str | None, str | None, str]],
) -> None:
    """Hits join by rule, speaker and place, nearest first."""
    pairs = reconcile(audit, live, was_heard=lambda hit: True, everything_heard=True)
    assert [
        (
            pair.audit.id if pair.audit else None,
            pair.live.id if pair.live else None,
            pair.verdict.value,
        )
        for pair in pairs
    ] == expected


@pytest.mark.parametrize(
    ("audit", "live", "expected"),
    [
        pytest.param(
            [], [at(10, 14, "l")], LiveVerdict.UNVERIFIED, id="live-hit-in-an-unheard-part"
        ),
        pytest.param([NOTICE], [], LiveVerdict.UNVERIFIED, id="notice-may-be-in-the-missing-part"),
        pytest.param([NOTICE], None, LiveVerdict.UNVERIFIED, id="the-same-without-live"),
        pytest.param([], [NOTICE], LiveVerdict.UNVERIFIED, id="live-missed-a-notice"),
        pytest.param([NOTICE], [NOTICE], LiveVerdict.CONFIRMED, id="both-miss-it"),
        pytest.param([at(10, 14, "a")], [], LiveVerdict.MISSED_LIVE, id="what-was-said-was-said"),
    ],
)
def test_what_could_not_be_heard_is_undecided(
    audit: list[Hit], live: list[Hit] | None, expected: LiveVerdict
) -> None:
    """Without the sound nothing is called a false alarm, and no phrase is called missing."""
    (pair,) = reconcile(audit, live, was_heard=lambda hit: False, everything_heard=False)
    assert pair.verdict is expected


def test_a_rule_that_does_not_run_live_is_not_missed_live() -> None:
    """Rules kept out of the live side cannot fail there."""
    (pair,) = reconcile(
        [at(10, 14, "a")],
        [],
        was_heard=lambda hit: True,
        everything_heard=True,
        runs_live=lambda rule_id: False,
    )
    assert pair.verdict is LiveVerdict.LIVE_NOT_RUN


def test_scores_count_by_rule() -> None:
    """Precision and recall come from counts, and are unknown where there is nothing to count."""
    pairs = reconcile(
        [at(10, 14, "a"), at(30, 34, "b"), at(50, 54, "c"), NOTICE],
        [at(10, 14, "l"), at(31, 35, "m"), at(80, 84, "x")],
        was_heard=lambda hit: True,
        everything_heard=True,
    )
    (card,) = (score for score in scores(pairs) if score.rule_id == "pii.card-number")
    (notice,) = (score for score in scores(pairs) if score.rule_id == "disclosure.notice")
    assert card == RuleScore(
        rule_id="pii.card-number",
        n_confirmed=2,
        n_missed_live=1,
        n_false_alarm_live=1,
        n_unverified=0,
    )
    assert (card.precision_ratio, card.recall_ratio) == (2 / 3, 2 / 3)
    assert (notice.precision_ratio, notice.recall_ratio) == (None, 0.0)
