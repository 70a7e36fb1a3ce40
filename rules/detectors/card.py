"""Payment card numbers: the prefix says who issued a card and how long its number is.

Source: ISO/IEC 7812 prefixes as the card networks publish them. Recognisers lose and double digits
(measured: the usual case for spoken numbers), so where a card number was announced, a run of about
the right length counts even when its check digit fails.
"""

from __future__ import annotations

from stdnum import luhn

from rules.candidates import Candidate
from rules.detectors.verdict import Judgement, Moment, Topic

ENTITY = "CREDIT_CARD"

# (first prefix, last prefix, lengths; the first length is the usual one)
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),
    ("3095", "3095", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("3528", "3589", (16, 17, 18, 19)),
    ("35", "35", (16,)),
    ("2131", "2131", (15,)),
    ("1800", "1800", (15,)),
    ("4", "4", (16, 13, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("2200", "2204", (16,)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("60", "60", (16,)),
    ("62", "62", (16, 17, 18, 19)),
    ("67", "67", (16, 13, 14, 15, 17, 18, 19)),
    ("50", "50", (16, 13, 14, 15, 17, 18, 19)),
    ("56", "58", (16, 13, 14, 15, 17, 18, 19)),
    ("9792", "9792", (16,)),
)
MIN_DIGITS = 13  # ISO/IEC 7812 has shorter ones, which no network issues
MIN_NEAR_DIGITS = 12
MAX_NEAR_DIGITS = 19
MAX_WITH_EXTRAS_DIGITS = 27  # number, expiry date and security code read in one breath
LOOP_DIGITS = 8  # recognisers that stumble over a number end in one digit, over and over

SCORE_EXPECTED = 1.0
SCORE_BARE = 0.85
SCORE_PIECES = 0.7  # complete and unannounced, but said in several goes
SCORE_NEAR = 0.6
SCORE_NEAR_WEAK = 0.5
SCORE_AGAINST = 0.4  # fits, but the talk was of an order or a parcel

ABOUT = frozenset({Topic.CARD, Topic.CARD_NUMBER, Topic.CVV, Topic.EXPIRY, Topic.FIRST_FOUR})
_NO_REASON_AGAINST = frozenset(
    {Topic.NUMBER, Topic.THING, Topic.ACCOUNT, Topic.PIN, Topic.BIRTH, Topic.SSN, Topic.SSN_LAST4}
)


def lengths(digits: str) -> tuple[int, ...]:
    """How long a number that begins like this may be, the usual length first; () = no card."""
    for first, last, allowed in _ISSUERS:
        if first <= digits[: len(first)] <= last and len(digits) >= len(first):
            return allowed
    return ()


def judge(candidate: Candidate, topic: Topic | None, moment: Moment) -> Judgement | None:
    """Say whether a candidate is a card number."""
    value = candidate.value
    allowed = lengths(value)
    about_card = topic in ABOUT
    if len(value) in allowed and luhn.is_valid(value) and len(set(value)) > 1:
        usual = len(value) == allowed[0]
        if moment is Moment.WORD and not (about_card and usual and candidate.at_end):
            return None
        if not usual and not (candidate.whole and moment is not Moment.PIECES):
            return None
        if moment is Moment.PAIRS and not (about_card and usual and candidate.whole):
            return None
        score = SCORE_PIECES if moment is Moment.PIECES else SCORE_BARE
        if about_card:
            score = SCORE_EXPECTED
        elif topic is not None and topic not in _NO_REASON_AGAINST:
            score = SCORE_AGAINST
        return Judgement(candidate=candidate, value=value, score=score)
    if about_card and candidate.whole and moment in {Moment.PAUSE, Moment.CLOSED}:
        return _near(candidate, allowed, topic, moment)
    return None


def _near(
    candidate: Candidate, allowed: tuple[int, ...], topic: Topic | None, moment: Moment
) -> Judgement | None:
    value = candidate.value
    n_digits = len(value)
    if n_digits < MIN_NEAR_DIGITS or len(set(value)) == 1:
        return None
    usual = allowed[0] if allowed else 16
    if moment is Moment.PAUSE and n_digits < usual:
        return None  # people pause between groups
    announced = topic is Topic.CARD_NUMBER
    if n_digits > MAX_NEAR_DIGITS:
        extras = announced and n_digits <= MAX_WITH_EXTRAS_DIGITS
        looped = len(set(value[-LOOP_DIGITS:])) == 1
        if not (allowed and (extras or looped)):
            return None
        cut = Candidate(candidate.digits[:usual], whole=False, at_end=False)
        return Judgement(candidate=cut, value=cut.value, score=SCORE_NEAR_WEAK)
    if allowed:
        score = SCORE_NEAR if announced else SCORE_NEAR_WEAK
        return Judgement(candidate=candidate, value=value, score=score)
    if announced and n_digits > MIN_NEAR_DIGITS:
        return Judgement(candidate=candidate, value=value, score=SCORE_NEAR_WEAK)
    return None


def excerpt(value: str) -> str:
    """The number with all but its last four digits masked (PCI DSS 3.4.1 lets four be shown)."""
    return "•" * (len(value) - 4) + value[-4:]
