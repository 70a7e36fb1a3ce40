"""Makes the development set of written sentences.

Usage: python tests/rules/data/make_written.py [--seed N] > tests/rules/data/written.jsonl

The sentences are our own; values are drawn at random in the formats that people and data sets use,
with valid check digits, example domains and invented names. A value that is drawn could by chance
be somebody's; nothing connects it to anybody.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import string
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

from stdnum import iban, luhn

ROUNDS = 4

SENTENCES = """
My card {card} was declined twice at the till, can you see why?
Please put the deposit on {card}.
I'd like to close the credit card {card} and keep the other one.
The card number on file is {card}, but it should be {card}
Block {card} right away, I left my purse on the train.
cc {card} exp soon, please renew and mail me at {email}
My social security number is {ssn}, do you need anything else?
SSN: {ssn}
He read out his social, {ssn}, to the clerk.
You can write to {email} any time.
Her new address for mail is {email}, the old one bounces.
Contact: {email}; {phone}
What e-mail do you have for me? {email}?
Forward the invoice to <{email}> and copy {email}, please.
Our brochure is online at {url}.
Have you seen {url}? It went down on {date}
The photos are on my site ({url}).
I uploaded the documents here: {url}
Go to {url} and press the green button
The firewall dropped packets from {ip} all night.
Requests from {ip} are being refused, is that on your side?
|{ip}| was the last hop
Why do I get "address {ip} is in use"?
Wire it to {iban} by Friday's deadline is what she said? No date was given.
My account for the refund: {iban}.
The IBAN {iban} belongs to the landlord
Is {iban} still the right account for the rent?
Could you ring me at {phone} this evening?
Our new phone number is {phone}.
I never got the text message on my mobile {phone}, please check.
Tel. {phone}, ask for the night desk
Fax: {phone}
No one answers at {phone} any more
You may reach our front desk under {phone} or {phone}
Call {phone} and leave a message.
whatsapp me on {phone} when you land
Text {phone} to stop these offers
My driver's license number is {licence}
Driver license {licence} was issued by the state.
her driving licence ({licence}) has expired
DL# {licence}, no endorsements
Date of birth: {date}
I was born on {date} and moved here as a child.
Her birthday is {date}, is that what you have?
The contract was signed on {date}, witnessed by two clerks
On {date}, the council opened the bridge again.
It has hurt since {date}
When: {stamp} Where: the town hall
The log says {stamp}: login failed
The firm was founded in {year} and sold ten years later.
She retired in {year}.
It is a {year} recording of the concert
The flood of {year} ruined the archive.
See you {weekday} at the office
The technician comes on {weekday} morning.
Is {weekday} good for you?
Let's meet at {time} by the fountain.
The call is at {time}, don't be late
"""

HARMLESS = """
The invoice came to $1,249.50 before tax.
I ordered 12 boxes and got 11.
Version 2.14.3 breaks the printer.
My order 114-2938475-8827362 has not arrived
It weighs 3.5 kg and costs 20 euros.
Room 1204, second floor.
That will be 45.99, please.
We sold 2000 units and kept 150.
The score was 3-2 after extra time.
Add 1/2 cup of sugar and 3/4 of the milk.
Tracking number 1Z 999 AA1 01 2345 6784 shows no movement.
Run setup.py and then main.rs once more.
I read README.md twice.
Take two tablets three times a day.
They asked for 1500 dollars up front.
Interest is 4.75% over 30 years.
The ticket INC0048213 is still open.
Flight BA2490 is delayed by 40 minutes.
Take exit 24 off the I-95.
My score went from 640 to 720.
You may march to the front of the queue.
Can you help me at once, please?
It was the third time that I asked.
We are number one in the region.
Press one for sales and two for service.
At one point the dot on the screen went out.
I waited for 25 minutes, then I hung up.
Model XR-2500 needs 4 batteries.
The part number is 88-2231-90.
There are 365 entries, i.e. one a day.
e.g. the blue one, etc. and so on
I talked to Ms. Ortega, no? She said O.K.
Step 3 of 10 is complete.
The meter reads 004512.
Invoice 20240113 is unpaid.
The loan is for 250000 over 15 years.
Zip code 60614 or 94110?
The suite is 1,100 square feet.
Ratio 16:9 looks better than 4:3.
He ran 10.5 miles in 92 minutes.
I have 3 kids and a dog
It is 24/7 support, they said.
My account ends in 4432
Policy number 77 8120 4431 is active.
license key ABCD-1234 is invalid
Confirmation code QX7R2P please
Is the plan 5G or 4G?
Meet me at the corner at the light
Look at the dash. It is red.
No.17 won by 3 lengths.
Chapter 12.4.1.2 explains it.
It took 90 days.
The 1st and 2nd floors are closed
I need 1000 copies of page 14.
How much is 800 plus 90?
It's 5 feet 11.
Please wait a second.
We have 2 adults, 1 child.
serial 4T1BF1FK5CU
"""

SPOKEN = (
    ("my email is {0} thanks", "EMAIL_ADDRESS", "maria dot keller at gmail dot com"),
    ("you can write to {0}", "EMAIL_ADDRESS", "sales underscore team at example dot org"),
    ("it's {0} all lower case", "EMAIL_ADDRESS", "tomlin85 at yahoo.com"),
    ("so that is {0} okay", "EMAIL_ADDRESS", "j dot ruiz at mail dot example dot co dot uk"),
    ("just open {0} and log in", "URL", "w w w dot example dot co dot uk slash help"),
    ("the site is {0}", "URL", "example dot net slash orders"),
    ("the router is {0} i think", "IP_ADDRESS", "one nine two dot one six eight dot one dot ten"),
    ("try {0} instead", "IP_ADDRESS", "ten dot zero dot zero dot two hundred fifty four"),
    ("i was born {0} in ohio", "DATE_TIME", "march third nineteen eighty five"),
    ("it was {0} i believe", "DATE_TIME", "the fifth of May"),
    ("she was born on {0}", "DATE_TIME", "june twenty first two thousand and four"),
    ("they moved in on {0}", "DATE_TIME", "the twelfth of october twenty nineteen"),
)

TYPES = {
    **{"card": "CREDIT_CARD", "ssn": "US_SSN", "email": "EMAIL_ADDRESS", "url": "URL"},
    **{"ip": "IP_ADDRESS", "iban": "IBAN_CODE", "phone": "PHONE_NUMBER", "year": "DATE_TIME"},
    **{"licence": "US_DRIVER_LICENSE", "date": "DATE_TIME", "stamp": "DATE_TIME"},
    **{"weekday": "DATE_TIME", "time": "DATE_TIME"},
}
PHONES = """##########
!##-!##-####
!##-#######
07700 900###
07700 900 ###
(07700) 900###
+447700 900 ###
+447700900###
+91##########
+41 4# ### ## ##
+41 (0)7# ### ## ##
+46 (0)8 ### ### ##
+46 (0)## ## ## ##
(!##)!##-####
(!##) !##-####
!##.!##.####
!##-!##-####x###
(!##)!##-####x####
!##.!##.####x###
+1-!##-!##-####
001-!##-!##-####
+1-!##-!##-####x###
1-800-555-0###
## ## ## ##
### ####
### ### ## ##
0# ## ## ## ##
0#.##.##.##.##
(##) ###-###
(##) ####-####
0### #######
0##-###-###
0### ### ## ##
## ### ## ##""".splitlines()
LICENCES = """######
#######
########
#########
##########
############
?######
?#######
?########
?#########
??######
?############
?##############
###??####
##???#####
#######?
?#?#?
########??
????????
???????#####""".splitlines()
DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%m-%d-%Y"),
    *("%B %d", "%d %b %Y", "%m/%d/%y", "%A, %B %d, %Y", "%B %Y", "%d.%m.%Y", "%Y/%m/%d"),
)
STAMPS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d %B %Y %H:%M", "%m/%d/%Y %H:%M")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ISSUERS = (
    *(("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16)),
    *(("65", 16), ("3528", 16), ("36", 14), ("4", 13)),
)


class Maker:
    """Draws values from one random source."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data

    def value(self, kind: str) -> str:
        """Draw a value."""
        makers: dict[str, Callable[[], str]] = {
            **{"card": self._card, "ssn": self._ssn, "email": self._email, "url": self._url},
            **{"ip": self._ip, "iban": self._iban, "licence": self._licence},
            "phone": lambda: self._drawn(self._random.choice(PHONES)),
            "date": lambda: self._day().strftime(self._random.choice(DATES)),
            "stamp": lambda: self._day().strftime(self._random.choice(STAMPS)),
            "year": lambda: str(self._random.randint(1900, 2026)),
            "weekday": lambda: self._random.choice(DAYS),
            "time": self._time,
        }
        return makers[kind]()

    def _drawn(self, form: str) -> str:
        drawn = {"#": string.digits, "!": "23456789", "?": string.ascii_letters}
        return "".join(self._random.choice(drawn.get(char, char)) for char in form)

    def _day(self) -> datetime:
        return datetime(1930, 1, 1) + timedelta(minutes=self._random.randrange(50_000_000))  # noqa: DTZ001 - no zone is meant

    def _time(self) -> str:
        hour, minute = self._random.randint(1, 12), self._random.randrange(60)
        form = self._random.choice(("{}:{:02} pm", "{}:{:02}am", "{} a.m", "{}:{:02}"))
        return form.format(hour, minute)

    def _card(self) -> str:
        prefix, length = self._random.choice(ISSUERS)
        body = prefix + self._drawn("#" * (length - len(prefix) - 1))
        number = body + luhn.calc_check_digit(body)
        if length == 16 and self._random.random() < 0.4:
            return self._random.choice("- ").join(re.findall("....", number))
        return number

    def _ssn(self) -> str:
        area = self._random.randint(1, 665)
        return f"{area:03}-{self._random.randint(1, 99):02}-{self._random.randint(1, 9999):04}"

    def _email(self) -> str:
        name = self._random.choice(("LenaVoss", "tom.brady-hill", "r_ortiz92", "kim", "a.b+news"))
        return f"{name}@{self._host()}"

    def _host(self) -> str:
        name = self._random.choice(("example", "mail.example", "OakLamp", "blue-river", "FoxMeter"))
        ends = ("com", "org", "co.uk", "de", "com.br", "net", "dk", "fr", "ee", "co.za", "info")
        return f"{name}.{self._random.choice(ends)}"

    def _url(self) -> str:
        start = self._random.choice(("http://www.", "https://", "www.", "", ""))
        end = self._random.choice(("", "/", "/help/a-b", "/index.html?x=1&y=2"))
        return start + self._host() + end

    def _ip(self) -> str:
        if self._random.random() < 0.7:
            return ".".join(str(self._random.randint(1, 254)) for _ in range(4))
        return ":".join(f"{self._random.randrange(1, 65536):x}" for _ in range(8))

    def _iban(self) -> str:
        form = self._random.choice(
            ("GB??????##############", "DE##################", "NO###########")
        )
        country, body = form[:2], self._drawn(form[2:].replace("??????", "????")).upper()
        number = country + iban.calc_check_digits(country + "00" + body) + body
        return iban.format(number) if self._random.random() < 0.4 else number

    def _licence(self) -> str:
        return self._drawn(self._random.choice(LICENCES))


def fill(template: str, maker: Maker) -> tuple[str, list[dict[str, object]]]:
    """Put values into a sentence and say where they are."""
    text = ""
    entities: list[dict[str, object]] = []
    for i, part in enumerate(re.split(r"\{(\w+)\}", template)):
        if i % 2:
            value = maker.value(part)
            span = {"start_chars": len(text), "end_chars": len(text) + len(value)}
            entities.append({"entity": TYPES[part], **span})
            text += value
        else:
            text += part
    return text, entities


def main() -> None:
    """Write the set to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    maker = Maker(parser.parse_args().seed)
    rows = [fill(t, maker) for t in SENTENCES.strip().splitlines() * ROUNDS]
    rows += [(text, []) for text in HARMLESS.strip().splitlines()]
    for template, entity, said in SPOKEN:
        start = template.index("{0}")
        span = {"start_chars": start, "end_chars": start + len(said)}
        rows.append((template.format(said), [{"entity": entity, **span}]))
    for i, (text, entities) in enumerate(rows):
        row = {"id": f"written-{i:03}", "text": text, "entities": entities}
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
