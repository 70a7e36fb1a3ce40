"""What the talk is about when digits are read: the words that make a number expected, or harmless.

The nearest word decides, whoever said it: "what is the card number?" counts for the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

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
your social|my social|social is|soc|social security card|his social|her social|their social
the social"""
_NUMBERED = """order tracking confirmation reference invoice serial case ticket booking reservation
policy claim member membership loyalty part model item
package parcel shipment shipping registration customer employee product tail vin waybill lottery
receipt voucher coupon warranty docket job order batch lot unit seat gate container prescription
locker meter plate flight train bus channel winning contract quote purchase request"""
_OTHER = """social media|social worker|social network|social event|social distancing|gift card
loyalty card|library card|sim card|business card|report card|membership card|rewards card|imei
tracking|isbn|barcode|upc|extension|zip code|zip|postcode|postal code|license plate
tracking code|gift card number|loyalty card number|library card number|sim card number
membership card number|rewards card number|meter reading|serial|software license|license key
fishing license|hunting license|business license|customer account number|utility account number
email account|username|user name|instagram account|twitter account|one time code|verification code
one time passcode|access code|promo code|discount code|ip address|country code|dress code
account manager|account holder|account executive|invoice|booking|score|flight|room number"""
_CODES: Mapping[Topic, str] = MappingProxyType(
    {
        Topic.CVV: """cvv|cvc|cvv2|cvv number|cvv code|c v v|c v c|cvc code|security code
        card verification code|card verification number|verification number
        card verification value|verification number on the back
        code on the back|number on the back|digits on the back|three digits on the back
        3 digits on the back|three digit code|3 digit code|three digit number on the back
        code on the front|four digits on the front|csc|cid|three on the back
three numbers on the back|digits on the reverse|code on the reverse|numbers on the reverse
code of security|security number
three little numbers on the back|last three on the back|little number on the back|card's code""",
        Topic.EXPIRY: """expiry|expiry date|expiration|expiration date|expires|expiring|exp date
        exp|valid until|valid through|valid thru|good through|good thru|card expires|expires on
        expires in|expire|runs out|runs out in|good until|valid to|valid till|expiring in""",
        Topic.PIN: """pin|pin number|pin code|pin is|p i n|passcode|pass code
        personal identification number|atm pin|card pin|telephone banking pin""",
        Topic.ITIN: """itin|i t i n|itin number|taxpayer id|tax id|tax id number
        taxpayer identification number|individual taxpayer identification number""",
        Topic.PASSPORT: "passport|passport number|passport no|passport id",
        Topic.LICENCE: """driver's license|driver's license number|drivers license|driver license
        license to drive|licence to drive
        drivers license number|driver license number|driver's licence|drivers licence
        driver's licence number|drivers licence number|driving licence|driving licence number
        driving license|driving license number|license number|licence number|license no
        license is|licence is|dl number|d l number|learner's permit|dmv number""",
        Topic.MEDICAL: """medical license|medical license number|medical licence
        medical licence number|dea|dea number|d e a number|dea registration
        d e a registration|dea registration number
        prescriber number|physician license|physician license number|nursing license number""",
        Topic.ACCOUNT: """account number|account|account no|pay into|paid into|bank details
        account details|count number|bank account|bank account number
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
        text us at|give me a call at|give us a call at|home phone|work phone|area code|direct line
direct number|callback line|phone line|hotline
office line|switchboard|pager|voicemail|get disconnected|gets disconnected
get cut off|gets cut off|lose the connection|speed dial|text it to|send a text to|telephone no
phone no|mobile no|tel no|landline number|daytime number|evening number|emergency contact
emergency contact number""",
        Topic.NHS: "nhs|nhs number|mnhs number|n h s number|n h s|national health service number",
        Topic.NINO: """national insurance|national insurance number|ni number|n i number|nino
        national insurance no""",
        Topic.SORT_CODE: "sort code|sortcode|sort codes",
        Topic.AADHAAR: """aadhaar|aadhaar number|aadhar|aadhar number|adhar|adhar number|adar
        aadhaar card|aadhar card|aadhaar card number|aadhar card number|adhaar|adhaar number""",
        Topic.PAN: "pan|pan number|pan card|pan card number|p a n|permanent account number",
        Topic.NIF: """nif|dni|nie|n i f|d n i|n i e|nif number|dni number|nie number
        spanish id|spanish tax number|spanish id number""",
        Topic.FISCAL: "codice fiscale|fiscal code|italian tax code|italian fiscal code",
        Topic.TFN: "tax file number|tfn|t f n|tax file|tfn number",
        Topic.NRIC: """nric|n r i c|nric number|fin number|fin|f i n|singapore id
        identity card number|nric or fin|fin card|nric card""",
        Topic.IBAN: "iban|iban number|i b a n|i ban|international bank account number|iban is",
        Topic.BIRTH: """date of birth|birth date|birthdate|birthday|born|born on|dob|d o b
        was born|birth""",
    }
)
# Words that only sound like a topic.
_NOTHING = """credit check|credit score|credit report|credit rating|credit history|credit union
credit note|credit limit|credit line|store credit|account credit|tax credit|credit for|debit note
social life|social services
social care|social studies|social club|social call|phone call|phone calls|phone rang|phone died
pin point|pan out|pan of|frying pan|cell phone case|cell membrane|dea agent|visa application
work visa|student visa|travel visa|tourist visa|on account of|take into account|account for
passport control|passport office|passport photo|passport photos|birthday party|birthday present
birthday cake|happy birthday|birthday card|new born|newborn|pin badge|safety pin|bowling pin"""
# What else expires: nothing of a card.
_EXPIRING = """warranty offer lease contract policy passport licence license promotion points miles
voucher coupon subscription trial membership quote visa insurance permit certificate discount deal
sale milk ticket guarantee domain code password token booking medication medicine prescription"""
_EXPIRES = """expires|expire|expiry|expiration|expiring|expiry date|expiration date|expires on
expires in|runs out|will expire|is expiring|about to expire|was expiring|would expire"""
# Said of much: these only count where nothing else was talked about.
_WEAK: Mapping[Topic, str] = MappingProxyType(
    {
        Topic.NUMBER: """my number|my number is|your number|your number is|his number|her number
our number|their number|new number|get me on|get me at|get him on|get her on|get hold of me
try me on|try me at|give me a ring|give me a call|give me a shout|call my|call us|call me|call him
call her|ring my|text my|sms me|sms|text me|reach me|whatsapp me|the number to|best number is""",
        Topic.FIRST_FOUR: "first four|first four digits|first four numbers",
        Topic.THING: """order|orders|ticket|tickets|invoice|case|reference|booking|confirmation
flight|room|waybill|parcel|package|lottery|receipt|voucher|coupon|policy|claim|serial|tracking
warranty|docket|prescription|batch|lot|container|shipment|delivery""",
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
    topics |= dict.fromkeys(_LAST4_BEFORE, Topic.LAST_FOUR)
    for of in _LAST4_OF:
        for before in _LAST4_BEFORE:
            topics[f"{of}'s {before}"] = Topic.SSN_LAST4
        for ends in ("ends in", "ends with", "ending in", "ending with"):
            topics[f"{of} {ends}"] = Topic.SSN_LAST4
    for what in _NUMBERED.split():
        kinds = ("number", "numbers", "code", "id", "no")
        topics |= dict.fromkeys([f"{what} {kind}" for kind in kinds], Topic.OTHER)
    topics |= dict.fromkeys(_split(_OTHER), Topic.OTHER)
    weak = {said: topic for topic, phrases in _WEAK.items() for said in _split(phrases)}
    topics = weak | topics
    # "the mobile's", "my passport's": the words as they are where nothing else is meant by them.
    short = {f"{said}'s": topic for said, topic in topics.items() if not said.endswith("s")}
    nothing = _split(_NOTHING)
    nothing += [f"{what} {how}" for what in _EXPIRING.split() for how in _split(_EXPIRES)]
    return MappingProxyType(short | topics | dict.fromkeys(nothing, Topic.NOTHING))


_TOPICS = _topics()


# Who talks of one of these is about to give a number, or has just done so. Of cards, accounts and
# telephones people talk without any number.
ANNOUNCING = frozenset(
    {
        Topic.CARD_NUMBER, Topic.SSN, Topic.CVV, Topic.PIN, Topic.ITIN, Topic.PASSPORT,
        Topic.LICENCE, Topic.MEDICAL, Topic.ROUTING, Topic.NHS, Topic.NINO, Topic.SORT_CODE,
        Topic.AADHAAR, Topic.PAN, Topic.NIF, Topic.FISCAL, Topic.TFN, Topic.NRIC, Topic.IBAN,
        Topic.LAST_FOUR,
    }
)  # fmt: skip


class Mark(NamedTuple):
    """A topic word, and where it was said."""

    topic: Topic
    first: int  # ordinal of its first word
    ordinal: int  # and of its last
    end_s: float


def topic_patterns(owner: int) -> list[Pattern]:
    """The phrases that set a topic, for the matcher that hears every word."""
    return [Pattern(owner=owner, text=text) for text in _TOPICS]


def mark_of(matches: Iterable[Match], end_s: float) -> Mark | None:
    """The mark that a word sets: of several phrases that end here, the longest speaks."""
    best = min(matches, key=lambda match: match.first, default=None)
    if best is None:
        return None
    topic = _TOPICS[best.pattern.text]
    return Mark(topic=topic, first=best.first, ordinal=best.last, end_s=end_s)


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
    if mark.topic is Topic.LAST_FOUR:
        return marks  # nobody said of what
    if mark.topic is Topic.NOTHING:
        return tuple(known for known in marks if known.ordinal < mark.first)
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
        nearest = (False, -1.0)  # whether it is strong, and when it was said
        topic = None
        for mark in self.own:
            is_other = mark.topic in _OTHERS
            n_words = OTHER_REACH_WORDS if is_other else reach_words
            reach_s = OTHER_REACH_S if is_other else OWN_REACH_S
            rank = (mark.topic not in _WEAK, mark.end_s)
            in_words = 0 < ordinal - mark.ordinal <= n_words
            if in_words and start_s - mark.end_s <= reach_s and rank > nearest:
                nearest, topic = rank, mark.topic
        for mark in self.others:
            reach_s = OTHER_REACH_S if mark.topic in _OTHERS else OTHERS_REACH_S
            rank = (mark.topic not in _WEAK, mark.end_s)
            if 0 <= start_s - mark.end_s <= reach_s and rank > nearest:
                nearest, topic = rank, mark.topic
        return topic

    def named(self, mark: Mark) -> Mark:
        """A mark by the speaker; "the last four" are those of the number that was talked of."""
        if mark.topic is Topic.LAST_FOUR and self(mark.first, mark.end_s) in _WITH_LAST_FOUR:
            return mark._replace(topic=Topic.SSN_LAST4)
        return mark

    def are_of(self, topics: frozenset[Topic]) -> bool:
        """Whether any of these has been talked about lately."""
        return any(mark.topic in topics for mark in (*self.own, *self.others))


_WITH_LAST_FOUR = frozenset({Topic.SSN, Topic.SSN_LAST4})
_OTHERS = frozenset({Topic.OTHER, Topic.THING})
_LABEL_STARTS = frozenset({"is", "that's", "that", "it's", "was", "as", "for", "are", "which"})
_DETERMINERS = frozenset({"the", "my", "your", "his", "her", "their", "our", "a", "an"})
_LABEL_WORDS = _LABEL_STARTS | {
    *("the", "my", "your", "his", "her", "their", "our", "a", "an", "this", "on", "of", "i"),
    *("have", "you", "just", "also", "new", "old", "current", "full", "be", "would", "should"),
}
MAX_LABEL_WORDS = 7


def is_label(words: Sequence[str]) -> bool:
    """Whether bare words between a number and a topic make the one the name of the other.

    One word of another kind may stand right before the topic: "that's the office phone".

    >>> is_label(["is", "the"]), is_label(["and", "my"]), is_label(["that's", "her", "office"])
    (True, False, True)
    """
    if not 0 < len(words) <= MAX_LABEL_WORDS or words[0] not in _LABEL_STARTS:
        return False
    *before, last = words
    named = last in _LABEL_WORDS or (bool(before) and before[-1] in _DETERMINERS)
    return named and all(word in _LABEL_WORDS for word in before)


class Label:
    """A talk that is of one thing, whatever is asked about."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def __call__(
        self, ordinal: int, start_s: float, reach_words: int = OWN_REACH_WORDS
    ) -> Topic | None:
        """The topic."""
        return self._topic

    def are_of(self, topics: frozenset[Topic]) -> bool:
        """Whether it is one of these."""
        return self._topic in topics
