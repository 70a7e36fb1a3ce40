"""Each case of the built-in book is a test of its own."""

from __future__ import annotations

import pytest

from rules.cases import Case, load_cases, run_case
from rules.lint import lint
from rules.loader import load_rulebook
from rules.rulebook import Rulebook, RuleStatus

CASES = load_cases((), load_rulebook())


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{c.path.name.split('.')[0]}: {c.name}") for c in CASES]
)
def test_case(case: Case, book: Rulebook) -> None:
    """The case hits what it should and nothing that it should not."""
    result = run_case(case, book)
    assert (result.missing, result.unexpected) == ((), ())


def test_book_is_lint_free(book: Rulebook) -> None:
    """Every built-in rule has cases of both kinds, references, and no dead phrase."""
    assert lint(book, CASES) == ()


def test_book_is_in_force_and_asks_for_review(book: Rulebook) -> None:
    """Built-in rules are active and say that counsel must review them."""
    assert [rule.id for rule in book.rules] == [
        "conduct.abusive-language",
        "conduct.profanity",
        "conduct.promissory-claim",
        "conduct.sexual-harassment",
        "conduct.threat",
        "disclosure.caller-identity",
        "disclosure.capital-at-risk",
        "disclosure.debt-collector",
        "disclosure.recording-notice",
        "finance.off-channel",
        "finance.pressure",
        "finance.vulnerable-customer",
        "health.identified-data",
        "pii.bank-account",
        "pii.card-number",
        "pii.card-security-code",
        "pii.identity-number",
        "pii.personal-identification-number",
        "pii.us-ssn",
        "requests.cease-communication",
        "requests.complaint",
        "requests.data-subject",
        "requests.do-not-call",
    ]
    assert all(rule.status is RuleStatus.ACTIVE for rule in book.rules)
    assert all("ounsel must review" in rule.description for rule in book.rules)


def test_packs_say_who_answers_for_them(book: Rulebook) -> None:
    """Each pack has an owner and a locale, and its file begins with who must review it."""
    assert {(pack.owner, pack.locale in {"en", "en-US", "en-GB"}) for pack in book.packs} == {
        ("Earmark", True)
    }
    for path in {rule.location.path for rule in book.rules}:
        assert path.read_text(encoding="utf-8").startswith(
            "# A start, not advice: counsel must review this pack"
        )
