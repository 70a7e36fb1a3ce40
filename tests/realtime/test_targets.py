"""Which targets are told of a hit, and whose filters let nothing through."""

from dataclasses import replace
from typing import Any

import pytest

from rules.loader import load_rulebook
from rules.types import HitState, Severity
from tests.realtime.builders import hit, target_at

BOOK = load_rulebook(())
CARD = BOOK.rule("pii.card-number")


@pytest.mark.parametrize(
    ("filters", "state", "is_told"),
    [
        pytest.param({}, HitState.PROVISIONAL, True, id="no-filter"),
        pytest.param({"min_severity": Severity.CRITICAL}, HitState.CONFIRMED, True, id="severe"),
        pytest.param({"rules": ("pii.*",)}, HitState.CONFIRMED, True, id="pattern"),
        pytest.param({"rules": ("conduct.*", "pii.ssn")}, HitState.CONFIRMED, False, id="others"),
        pytest.param({"tags": CARD.tags[:1]}, HitState.CONFIRMED, True, id="tag"),
        pytest.param({"tags": ("no-such",)}, HitState.CONFIRMED, False, id="other-tag"),
        pytest.param({"provisional": False}, HitState.PROVISIONAL, False, id="not-sure"),
        pytest.param({"provisional": False}, HitState.CONFIRMED, True, id="sure"),
    ],
)
def test_filters(filters: dict[str, Any], state: HitState, is_told: bool) -> None:
    """All filters must let a hit through."""
    assert target_at(**filters).wants(replace(hit(), state=state), CARD) is is_told


def test_milder_hits() -> None:
    """A target may ask for severe hits only."""
    mild = replace(hit(), severity=Severity.MEDIUM)
    assert not target_at(min_severity=Severity.HIGH).wants(mild, CARD)
    assert target_at(min_severity=Severity.MEDIUM).wants(mild, CARD)


def test_idle_filters() -> None:
    """Names that no rule has are found: they would let nothing through, without a word."""
    target = target_at(rules=("pii.*", "pi.card"), tags=(*CARD.tags[:1], "no-such"))
    assert target.idle_filters(BOOK.rules) == ("pi.card", "no-such")


def test_repr_hides_what_is_secret() -> None:
    """Addresses of chat webhooks are secrets by themselves."""
    shown = repr(target_at("https://h.example/hush", secrets=("hush",), routing_key="hush"))
    assert "hush" not in shown
    assert "webhook" in shown
