"""What the talk is about when digits are read: the words that make a number expected, or harmless.

The nearest word decides, whoever said it: "what is the card number?" counts for the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rules.detectors.verdict import Topic
from rules.phrases import Match, Pattern

MAX_MARKS = 8  # remembered for each speaker
OWN_REACH_S = 30.0
OWN_REACH_WORDS = 40
OTHERS_REACH_S = 20.0
OTHER_REACH_WORDS = 10  # "order number" only speaks for the number right behind it
OTHER_REACH_S = 10.0

_CARD_NUMBER = """card number|card numbers|credit card|debit card|long number|sixteen digit|16 digit
sixteen digits|16 digits|number on the card|number on your card|number on the front|card is|cards is
card details|visa|mastercard|master card|amex|american express|visa card|payment card|bank card
card no|cc number|primary account number|discover card|card ending|number of the card
number on my card|number of your card|number of my card|corporate card|new card|other card"""
_CARD = "card|debit|credit|discover|maestro|diners"
_SSN = """social security|social security number|social security no|ssn|s s n|social|social number
your social|my social|social is|soc"""
_NUMBERED = """order tracking confirmation reference invoice serial case ticket booking reservation
policy claim member membership loyalty part model item
package parcel shipment shipping registration customer employee product tail vin"""
_OTHER = """social media|social worker|social network|social event|social distancing|gift card
loyalty card|library card|sim card|business card|report card|membership card|rewards card|imei
tracking|isbn|barcode|upc|extension|zip code|zip|postcode|postal code|license plate
tracking code|gift card number|loyalty card number|library card number|sim card number
membership card number|rewards card number|meter reading|serial|software license|license key
fishing license|hunting license|business license|customer account number|utility account number
email account|username|user name|instagram account|twitter account|one time code|verification code
one time passcode|access code|promo code|discount code|ip address|area code|country code|dress code
account manager|account holder|account executive|invoice|booking|score|flight|room number"""
_CODES: Mapping[Topic, str] = MappingProxyType(
    {
        Topic.CVV: """cvv|cvc|cvv2|cvv number|cvv code|c v v|c v c|cvc code|security code
        card verification code|card verification value|verification number on the back
        code on the back|number on the back|digits on the back|three digits on the back
        3 digits on the back|three digit code|3 digit code|three digit number on the back
        code on the front|four digits on the front|csc|cid""",
        Topic.EXPIRY: """expiry|expiry date|expiration|expiration date|expires|expiring|exp date
        exp|valid until|valid through|valid thru|good through|good thru|card expires|expires on
        expires in|expire""",
        Topic.PIN: """pin|pin number|pin code|pin is|p i n|passcode|pass code
        personal identification number|atm pin|card pin|telephone banking pin""",
        Topic.ITIN: """itin|i t i n|itin number|taxpayer id|tax id|tax id number
        taxpayer identification number|individual taxpayer identification number""",
        Topic.PASSPORT: "passport|passport number|passport no|passport id",
        Topic.LICENCE: """driver's license|driver's license number|drivers license|driver license
        drivers license number|driver license number|driver's licence|drivers licence
        driver's licence number|drivers licence number|driving licence|driving licence number
        driving license|driving license number|license number|licence number|license no
        license is|licence is|dl number|d l number|learner's permit|dmv number""",
        Topic.MEDICAL: """medical license|medical license number|medical licence
        medical licence number|dea|dea number|d e a number|dea registration|dea registration number
        prescriber number|physician license|physician license number|nursing license number""",
        Topic.ACCOUNT: """account number|account|account no|bank account|bank account number
        checking account|checking account number|savings account|savings account number
        current account|account is|acct number|acct""",
        Topic.ROUTING: """routing number|routing|aba|aba number|a b a number|aba routing number
        routing transit number|routing code|transit number|routing is""",
        Topic.PHONE: """phone number|phone|telephone number|telephone|mobile number|mobile
        cell number|cell phone number|cell phone|cell|callback number|call back number|call me at
        call me on|call us at|call us on|call him at|call her at|call them at|reach me at
        reach me on|reach us at|reach us on|reach him at|reach her at|contact number|text me at
        text me on|phone is|cell is|mobile is|call back at|ring me on|ring us on|fax number
        number to call|number to reach|best number|home number|work number|office number|dial
        landline|whatsapp|whatsapp number|phone numbers|call me back at|call me back on
        text us at|give me a call at|give us a call at|home phone|work phone""",
        Topic.NHS: "nhs|nhs number|n h s number|n h s|national health service number",
        Topic.NINO: """national insurance|national insurance number|ni number|n i number|nino
        national insurance no""",
        Topic.SORT_CODE: "sort code|sortcode|sort codes",
        Topic.AADHAAR: """aadhaar|aadhaar number|aadhar|aadhar number|adhar|adhar number
        aadhaar card|aadhar card|aadhaar card number|aadhar card number|adhaar|adhaar number""",
        Topic.PAN: "pan|pan number|pan card|pan card number|p a n|permanent account number",
        Topic.NIF: """nif|dni|nie|n i f|d n i|n i e|nif number|dni number|nie number
        spanish id|spanish tax number|spanish id number""",
        Topic.FISCAL: "codice fiscale|fiscal code|italian tax code|italian fiscal code",
        Topic.TFN: "tax file number|tfn|t f n|tax file|tfn number",
        Topic.NRIC: """nric|n r i c|nric number|fin number|fin|f i n|singapore id
        identity card number|nric or fin""",
        Topic.IBAN: "iban|iban number|i b a n|i ban|international bank account number|iban is",
        Topic.BIRTH: """date of birth|birth date|birthdate|birthday|born|born on|dob|d o b
        was born|birth""",
    }
)
_LAST4_BEFORE = ("last four", "last 4", "final four", "last four digits", "last 4 digits")
_LAST4_WHOSE = ("my", "your", "the", "his", "her", "their", "")
_LAST4_OF = ("social", "social security", "social security number", "ssn")


def _split(text: str) -> list[str]:
    return [phrase.strip() for line in text.splitlines() for phrase in line.split("|")]


def _topics() -> Mapping[str, Topic]:
    topics: dict[str, Topic] = {}
    topics |= dict.fromkeys(_split(_CARD_NUMBER), Topic.CARD_NUMBER)
    topics |= dict.fromkeys(_split(_CARD), Topic.CARD)
    topics |= dict.fromkeys(_split(_SSN), Topic.SSN)
    for topic, phrases in _CODES.items():
        topics |= dict.fromkeys(_split(phrases), topic)
    for before in _LAST4_BEFORE:
        for whose in _LAST4_WHOSE:
            for of in _LAST4_OF:
                named = " ".join(f"{before} of {whose} {of}".split())
                topics[named] = Topic.SSN_LAST4
                topics[f"{before} {of}"] = Topic.SSN_LAST4
    for what in _NUMBERED.split():
        kinds = ("number", "numbers", "code", "id", "no")
        topics |= dict.fromkeys([f"{what} {kind}" for kind in kinds], Topic.OTHER)
    topics |= dict.fromkeys(_split(_OTHER), Topic.OTHER)
    return MappingProxyType(topics)


_TOPICS = _topics()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A topic word, and where it was said."""

    topic: Topic
    ordinal: int
    end_s: float


def topic_patterns(owner: int) -> list[Pattern]:
    """The phrases that set a topic, for the matcher that hears every word."""
    return [Pattern(owner=owner, text=text) for text in _TOPICS]


def mark_of(matches: Iterable[Match], end_s: float) -> Mark | None:
    """The mark that a word sets: of several phrases that end here, the longest speaks."""
    best = min(matches, key=lambda match: match.first, default=None)
    if best is None:
        return None
    return Mark(topic=_TOPICS[best.pattern.text], ordinal=best.last, end_s=end_s)


_NARROWED = MappingProxyType(
    {
        Topic.CARD: frozenset({Topic.CVV, Topic.EXPIRY, Topic.PIN}),
        Topic.CARD_NUMBER: frozenset({Topic.CVV, Topic.EXPIRY, Topic.PIN}),
        Topic.SSN: frozenset({Topic.SSN_LAST4}),
    }
)
_NARROWING_WORDS = 5


def marked(marks: tuple[Mark, ...], mark: Mark) -> tuple[Mark, ...]:
    """The marks of a speaker with one more: "the code on my amex" goes on being about the code."""
    last = marks[-1] if marks else None
    narrowed = last is not None and last.topic in _NARROWED.get(mark.topic, ())
    if narrowed and last is not None and mark.ordinal - last.ordinal <= _NARROWING_WORDS:
        return marks
    return (*marks, mark)[-MAX_MARKS:]


class Talk:
    """What a speaker and the others talked about lately.

    Args:
        own: Marks by the speaker.
        others: Marks by everybody else.
    """

    __slots__ = ("others", "own")

    def __init__(self, own: tuple[Mark, ...], others: tuple[Mark, ...]) -> None:
        self.own = own
        self.others = others

    def __call__(
        self, ordinal: int, start_s: float, reach_words: int = OWN_REACH_WORDS
    ) -> Topic | None:
        """What a number is about that begins at this word of the speaker.

        Args:
            ordinal: Number of the word among the speaker's words.
            start_s: Start of the word on the call clock.
            reach_words: How far the speaker's own words carry; what others asked carries by time.
        """
        nearest_s, topic = -1.0, None
        for mark in self.own:
            is_other = mark.topic is Topic.OTHER
            n_words = OTHER_REACH_WORDS if is_other else reach_words
            reach_s = OTHER_REACH_S if is_other else OWN_REACH_S
            in_words = 0 < ordinal - mark.ordinal <= n_words
            if in_words and start_s - mark.end_s <= reach_s and mark.end_s > nearest_s:
                nearest_s, topic = mark.end_s, mark.topic
        for mark in self.others:
            reach_s = OTHER_REACH_S if mark.topic is Topic.OTHER else OTHERS_REACH_S
            if 0 <= start_s - mark.end_s <= reach_s and mark.end_s > nearest_s:
                nearest_s, topic = mark.end_s, mark.topic
        return topic

    def are_of(self, topics: frozenset[Topic]) -> bool:
        """Whether any of these has been talked about lately."""
        return any(mark.topic in topics for mark in (*self.own, *self.others))
