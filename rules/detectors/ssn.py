"""US social security numbers: nine digits without a check digit, so form or talk must tell.

Recognisers lose and double digits, so where the number was announced, eight or ten digits count
with a low score, unless they are grouped as a phone number is.
"""

from __future__ import annotations

from stdnum.us import ssn

from rules.candidates import Candidate
from rules.detectors.verdict import Judgement, Moment, Topic

ENTITY = "US_SSN"

GROUPS = (3, 2, 4)
N_DIGITS = 9
SCORE_BOTH = 1.0  # announced, and said in its groups
SCORE_EXPECTED = 0.9
SCORE_GROUPED = 0.75
SCORE_NEAR = 0.5
SCORE_AGAINST = 0.4

_PHONE_GROUPS = (3, 3, 4)
EXPECTED = frozenset({Topic.SSN, Topic.ITIN})
_NO_REASON_AGAINST = frozenset(
    {Topic.NUMBER, Topic.THING, None, Topic.ACCOUNT, Topic.BIRTH, Topic.LICENCE, Topic.SSN_LAST4}
)
_NEVER_ISSUED = ("000", "666", "9")


def judge(candidate: Candidate, topic: Topic | None, moment: Moment) -> Judgement | None:
    """Say whether a candidate is a social security number."""
    value = candidate.value
    if _near(candidate, topic, moment):
        return Judgement(candidate=candidate, value=value, score=SCORE_NEAR)
    if len(value) != N_DIGITS or not ssn.is_valid(ssn.format(value)):
        return None
    grouped = grouped_as_ssn(candidate.groups)
    expected = topic in EXPECTED
    if moment is Moment.PAIRS and not (expected and _has_pair_in_the_middle(candidate)):
        return None
    if moment is Moment.WORD and not (grouped and expected and candidate.at_end):
        return None
    if not expected and (not grouped or moment is Moment.PIECES):
        return None
    if expected:
        score = SCORE_BOTH if grouped else SCORE_EXPECTED
    else:
        score = SCORE_GROUPED if topic in _NO_REASON_AGAINST else SCORE_AGAINST
    return Judgement(candidate=candidate, value=value, score=score)


def _near(candidate: Candidate, topic: Topic | None, moment: Moment) -> bool:
    return (
        topic is Topic.SSN
        and moment is Moment.CLOSED
        and candidate.whole
        and len(candidate.digits) in {N_DIGITS - 1, N_DIGITS + 1}
        and candidate.groups != _PHONE_GROUPS
        and not candidate.value.startswith(_NEVER_ISSUED)
    )


def _has_pair_in_the_middle(candidate: Candidate) -> bool:
    """Whether the fourth and fifth digit were one word, such as "ninety"."""
    fourth, fifth = candidate.digits[3:5]
    return fourth.first == fifth.first and candidate.whole


def grouped_as_ssn(groups: tuple[int, ...]) -> bool:
    """Whether the digits came as three, two and four."""
    return groups == GROUPS


def excerpt(value: str) -> str:
    """Nothing but that there was one."""
    return "•••-••-••••"
