"""What a detector is told and what it answers."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from rules.candidates import Candidate


class Topic(StrEnum):
    """What the talk is about, as far as numbers go."""

    CARD = "card"
    CARD_NUMBER = "card_number"  # the number of a card is asked for or announced
    SSN = "ssn"
    CVV = "cvv"
    EXPIRY = "expiry"
    PIN = "pin"
    SSN_LAST4 = "ssn_last4"
    ITIN = "itin"
    PASSPORT = "passport"
    LICENCE = "licence"
    MEDICAL = "medical"
    ACCOUNT = "account"
    ROUTING = "routing"
    PHONE = "phone"
    NHS = "nhs"
    NINO = "nino"
    SORT_CODE = "sort_code"
    AADHAAR = "aadhaar"
    PAN = "pan"
    NIF = "nif"
    FISCAL = "fiscal"
    TFN = "tfn"
    NRIC = "nric"
    IBAN = "iban"
    BIRTH = "birth"
    LAST_FOUR = "last_four"  # of what was talked about before
    FIRST_FOUR = "first_four"  # "the first four are …": weak, as the next two are
    NUMBER = "number"  # somebody's number, most likely that of a telephone
    THING = "thing"  # an order, a ticket
    NOTHING = "nothing"  # it only sounds like a topic: "credit check"
    OTHER = "other"  # an order, a parcel: numbers that are no personal data


class Moment(StrEnum):
    """Why a run is looked at now."""

    WORD = "word"  # a word came; more digits may follow
    PAUSE = "pause"  # a short silence; more digits may follow
    PAIRS = "pairs"  # a closed run, with "ninety four" read as 90 and 4
    PIECES = "pieces"  # the number was said in several goes
    CLOSED = "closed"  # the speaker went on to something else, or was silent for long


class Judgement(NamedTuple):
    """A candidate that is personal data."""

    candidate: Candidate
    value: str
    score: float  # in [0.0, 1.0]

    def __repr__(self) -> str:
        return "Judgement(…)"  # what was said stays out of logs
