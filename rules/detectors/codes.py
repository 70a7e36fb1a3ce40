"""Numbers and codes that count where somebody announces them, each with its form and check digits.

Most have forms that half of all order numbers fit, so the talk must tell; a few carry check digits
and letters enough to speak for themselves. Names of types are those of Presidio where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from stdnum import iban, luhn
from stdnum.au import tfn
from stdnum.es import dni, nie
from stdnum.exceptions import ValidationError
from stdnum.gb import nhs
from stdnum.in_ import aadhaar, pan
from stdnum.it import codicefiscale
from stdnum.us import rtn

from rules.candidates import Candidate
from rules.detectors import birth, expiry, licence, phone
from rules.detectors import iban as written_iban
from rules.detectors.verdict import Topic

SCORE_CHECKED = 0.95  # announced, and its check digits are right
SCORE_FORM = 0.85  # announced, and of the right form
SCORE_ALONE = 0.8  # not announced, but it carries check digits that chance hardly gives
SCORE_LOOSE = 0.65  # announced, of a form that much else has
SCORE_NEAR = 0.5  # announced, but the check digits are wrong: a digit was lost or misheard

_TO_DIGIT = MappingProxyType({"O": "0", "I": "1", "L": "1"})
_TO_LETTER = MappingProxyType({"0": "O", "1": "I"})

Found = tuple[str, float]  # value and score
Judge = Callable[[Candidate, bool], Found | None]  # of a candidate, and whether it was announced


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeType:
    """A kind of code."""

    entity: str
    topics: frozenset[Topic]
    judge: Judge
    reach_words: int  # between the announcement and the code
    alone: bool = False  # it may count unannounced
    never_of: frozenset[Topic | None] = frozenset({Topic.OTHER})  # unless something else was
    pieces: bool = False  # it may be said in several goes
    early: bool = False  # a short silence is enough to judge it: nothing follows a valid one
    spoken_only: bool = False  # what is written in digits is left to the written listener


def fitted(candidate: Candidate, form: str) -> str | None:
    """The value in a form of A (letter), 9 (digit) and X (either), None when it does not fit.

    "oh" counts as the letter where the form wants one, and a written O as a zero.
    """
    value = candidate.value
    if len(value) != len(form):
        return None
    chars: list[str] = []
    for char, wanted in zip(value, form, strict=True):
        if wanted == "9":
            char = _TO_DIGIT.get(char, char)
            if not char.isdigit():
                return None
        elif wanted == "A":
            char = _TO_LETTER.get(char, char)
            if not char.isalpha():
                return None
        chars.append(char)
    return "".join(chars)


def _is_valid(check: Callable[[str], object], value: str) -> bool:
    try:
        check(value)
    except ValidationError:
        return False
    return True


def _by_form(form: str, score: float = SCORE_FORM) -> Judge:
    def judge(candidate: Candidate, announced: bool) -> Found | None:
        value = fitted(candidate, form) if announced else None
        return None if value is None else (value, score)

    return judge


def _checked(check: Callable[[str], object], *forms: str, alone: bool = False) -> Judge:
    def judge(candidate: Candidate, announced: bool) -> Found | None:
        for form in forms:
            value = fitted(candidate, form)
            if value is None:
                continue
            if _is_valid(check, value):
                if announced:
                    return value, SCORE_CHECKED
                return (value, SCORE_ALONE) if alone else None
            if announced and candidate.whole:
                return value, SCORE_NEAR
        return None

    return judge


def _is_digits(candidate: Candidate) -> str | None:
    return fitted(candidate, "9" * len(candidate.digits))


def _pin(candidate: Candidate, announced: bool) -> Found | None:
    value = _is_digits(candidate)
    if value is None or not announced or not candidate.whole:
        return None
    if len(value) == 4:
        return value, SCORE_FORM
    return (value, SCORE_LOOSE) if len(value) in {5, 6} else None


def _security_code(candidate: Candidate, announced: bool) -> Found | None:
    value = _is_digits(candidate)
    if value is None or not announced or len(value) not in {3, 4}:
        return None
    return value, SCORE_CHECKED if len(value) == 3 else SCORE_FORM


_EXPIRY = re.compile(r"(0[1-9]|1[0-2])(?:20)?([2-4][0-9])|([1-9])(?:20)?([2-4][0-9])")


def _expiry(candidate: Candidate, announced: bool) -> Found | None:
    value = _is_digits(candidate)
    match = _EXPIRY.fullmatch(value) if value and announced else None
    if match is None:
        return None
    month, year = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{int(month):02}/{year}", SCORE_CHECKED if match[1] else SCORE_FORM


def _birth(candidate: Candidate, announced: bool) -> Found | None:
    """Month, day, year in digits, as the United States say it; day first where that alone fits."""
    value = _is_digits(candidate)
    if value is None or not announced or not candidate.whole or not 5 <= len(value) <= 8:
        return None
    for splits in _splits(candidate, value):
        for month, day in ((0, 1), (1, 0)):
            for split in splits:
                read = _calendar_day(split[2], split[month], split[day])
                if read is not None:
                    return read, SCORE_FORM
    return None


Split = tuple[str, str, str]


def _splits(candidate: Candidate, value: str) -> Iterator[list[Split]]:
    """The ways to make three numbers of digits, the likely ones first.

    Pauses part them, or else the words they were said in: "nineteen seven eighty eight".
    """
    digits = candidate.digits
    groups = _joined(value, [digit.group for digit in digits])
    if len(groups) == 3:
        yield [(groups[0], groups[1], groups[2])]
        return
    for pieces in (_joined(value, [digit.first for digit in digits]), list(value)):
        n = len(pieces)
        yield [
            ("".join(pieces[:i]), "".join(pieces[i:j]), "".join(pieces[j:]))
            for i in range(1, n - 1)
            for j in range(i + 1, n)
        ]


def _joined(value: str, marks: Sequence[int]) -> list[str]:
    """A value in pieces: its characters with the same mark in one."""
    runs = groupby(zip(marks, value, strict=True), lambda pair: pair[0])
    return ["".join(char for _, char in run) for _, run in runs]


def _calendar_day(year: str, month: str, day: str) -> str | None:
    if len(year) not in {2, 4} or len(month) > 2 or len(day) > 2:
        return None
    full = birth.year_of_birth(year)
    if not (1900 <= full <= 2099 and 1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{full}-{int(month):02}-{int(day):02}"


def _account(candidate: Candidate, announced: bool) -> Found | None:
    value = _is_digits(candidate)
    if value is None or not announced or not candidate.whole or not 6 <= len(value) <= 17:
        return None
    if luhn.is_valid(value) and len(value) == 16:
        return None  # a card
    return value, SCORE_LOOSE if len(value) >= 8 else SCORE_NEAR - 0.1


_GROUPED_PHONE = re.compile(r"[2-9][0-9]{2}[2-9][0-9]{6}")  # of North America
_FULL_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")  # ITU-T E.164


def _phone(candidate: Candidate, announced: bool) -> Found | None:
    if _FULL_PHONE.fullmatch(candidate.value):
        return candidate.value, SCORE_FORM if announced else SCORE_ALONE
    value = _is_digits(candidate)
    if value is None:
        return None
    if not announced:
        grouped = candidate.whole and candidate.groups == (3, 3, 4)
        return (value, SCORE_LOOSE) if grouped and _GROUPED_PHONE.fullmatch(value) else None
    n_digits = len(value)
    national = n_digits == 10 or (n_digits == 11 and value[0] in "01")
    if national or (candidate.whole and n_digits in {11, 12, 13}):
        return value, SCORE_FORM if national else SCORE_LOOSE
    if n_digits == 7 and candidate.whole:
        return value, SCORE_LOOSE
    return None


def _licence(candidate: Candidate, announced: bool) -> Found | None:
    value = candidate.value
    if not announced or value.isalpha() or not licence.FORMS.fullmatch(value):
        return None
    return value, licence.SCORE


def _medical(candidate: Candidate, announced: bool) -> Found | None:
    """DEA numbers carry a check digit; the licences of the states have letters and digits."""
    value = fitted(candidate, "AA9999999")
    if value is not None and announced:
        return value, SCORE_CHECKED if _is_dea(value) else SCORE_FORM
    if not announced or not candidate.whole:
        return None
    if re.fullmatch(r"[A-Z]{0,3}[0-9]{4,8}", candidate.value):
        return candidate.value, SCORE_LOOSE
    return None


def _is_dea(value: str) -> bool:
    """The last digit is that of d1 + d3 + d5 + 2 (d2 + d4 + d6), as the DEA publishes it."""
    digits = [int(char) for char in value[2:]]
    return (sum(digits[0:5:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")


def _nino(candidate: Candidate, announced: bool) -> Found | None:
    value = fitted(candidate, "AA999999A")
    if value is None:
        short = fitted(candidate, "AA999999")  # the last letter is often left out
        return (short, SCORE_LOOSE) if short and announced and candidate.whole else None
    if _NINO.fullmatch(value):
        return value, SCORE_CHECKED if announced else SCORE_ALONE
    return (value, SCORE_LOOSE) if announced else None


_NRIC_ENDS: Mapping[str, str] = MappingProxyType(
    {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK"}
)
_NRIC_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


def _nric(candidate: Candidate, announced: bool) -> Found | None:
    """Weighted sum modulo 11; T and G, of this century, start from 4, M from 3."""
    value = fitted(candidate, "A9999999A")
    if value is None or value[0] not in "STFGM" or not announced:
        return None
    total = sum(w * int(d) for w, d in zip(_NRIC_WEIGHTS, value[1:8], strict=True))
    if value[0] == "M":
        expected = "KLJNPQRTUWX"[10 - (total + 3) % 11]
    else:
        total += 4 if value[0] in "TG" else 0
        expected = _NRIC_ENDS[value[0]][total % 11]
    return value, SCORE_CHECKED if value[8] == expected else SCORE_NEAR


def _iban(candidate: Candidate, announced: bool) -> Found | None:
    n_chars = len(candidate.value)
    if not written_iban.MIN_CHARS <= n_chars <= written_iban.MAX_CHARS:
        return None
    value = fitted(candidate, "AA99" + "X" * (n_chars - 4))
    if value is None:
        return None
    if iban.is_valid(value, check_country=False):
        return value, written_iban.SCORE
    return (value, written_iban.SCORE_NEAR) if announced and candidate.whole else None


def _form_of_nif(value: str) -> object:
    return dni.validate(value) if value[0].isdigit() else nie.validate(value)


def _sort_code(candidate: Candidate, announced: bool) -> Found | None:
    value = fitted(candidate, "999999")
    return (value, SCORE_FORM) if value and announced else None


_ITIN = re.compile(r"9[0-9]{2}(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[0-9]{4}")  # the IRS


def _itin(candidate: Candidate, announced: bool) -> Found | None:
    value = fitted(candidate, "9" * 9)
    if value is None or not _ITIN.fullmatch(value):
        return None
    if announced:
        return value, SCORE_FORM
    return (value, SCORE_LOOSE) if candidate.groups == (3, 2, 4) else None


def _passport(candidate: Candidate, announced: bool) -> Found | None:
    if not announced:
        return None
    for form in ("999999999", "A99999999"):
        value = fitted(candidate, form)
        if value is not None:
            return value, SCORE_FORM
    return None


def _type(
    entity: str,
    topics: Topic | tuple[Topic, ...],
    judge: Judge,
    *,
    reach_words: int = 12,
    alone: bool = False,
    never_of: frozenset[Topic | None] = frozenset({Topic.OTHER}),
    early: bool = False,
    pieces: bool = False,
    spoken_only: bool = False,
) -> CodeType:
    wanted = topics if isinstance(topics, tuple) else (topics,)
    return CodeType(
        entity=entity,
        topics=frozenset(wanted),
        judge=judge,
        reach_words=reach_words,
        alone=alone,
        never_of=never_of,
        early=early,
        pieces=pieces,
        spoken_only=spoken_only,
    )


BIRTH = birth.ENTITY

CODE_TYPES = (
    _type("CREDIT_CARD_CVV", Topic.CVV, _security_code, early=True),
    _type(expiry.ENTITY, Topic.EXPIRY, _expiry, early=True),
    _type("PIN", Topic.PIN, _pin, early=True),
    _type("US_SSN_LAST4", Topic.SSN_LAST4, _by_form("9999"), early=True),
    _type("US_ITIN", (Topic.ITIN, Topic.SSN), _itin, reach_words=20, alone=True),
    _type("US_PASSPORT", Topic.PASSPORT, _passport, reach_words=16),
    _type(licence.ENTITY, Topic.LICENCE, _licence, reach_words=16),
    _type("MEDICAL_LICENSE", Topic.MEDICAL, _medical, reach_words=16),
    _type("US_BANK_NUMBER", Topic.ACCOUNT, _account),
    _type(
        "ABA_ROUTING_NUMBER",
        Topic.ROUTING,
        _checked(rtn.validate, "999999999"),
        early=True,
    ),
    _type(
        phone.ENTITY,
        (Topic.PHONE, Topic.NUMBER),
        _phone,
        reach_words=16,
        alone=True,
        never_of=frozenset(Topic) - {Topic.PHONE, Topic.NUMBER},
        pieces=True,
        spoken_only=True,
    ),
    _type("UK_NHS", Topic.NHS, _checked(nhs.validate, "9" * 10), early=True, pieces=True),
    _type("UK_NINO", Topic.NINO, _nino, alone=True),
    _type("UK_SORT_CODE", Topic.SORT_CODE, _sort_code, early=True),
    _type(
        "IN_AADHAAR", Topic.AADHAAR, _checked(aadhaar.validate, "9" * 12), early=True, pieces=True
    ),
    _type("IN_PAN", Topic.PAN, _checked(pan.validate, "AAAAA9999A"), early=True),
    _type(
        "ES_NIF",
        Topic.NIF,
        _checked(_form_of_nif, "99999999A", "A9999999A"),
        early=True,
    ),
    _type(
        "IT_FISCAL_CODE",
        Topic.FISCAL,
        _checked(codicefiscale.validate, "AAAAAA99A99A999A", alone=True),
        alone=True,
    ),
    _type("AU_TFN", Topic.TFN, _checked(tfn.validate, "9" * 9, "9" * 8)),
    _type("SG_NRIC_FIN", Topic.NRIC, _nric),
    _type(written_iban.ENTITY, Topic.IBAN, _iban, reach_words=16, alone=True, pieces=True),
    _type(BIRTH, Topic.BIRTH, _birth),
)
ENTITIES = frozenset(each.entity for each in CODE_TYPES)
COMPANIONS = frozenset({BIRTH, expiry.ENTITY})  # may be told of the same words as a date
