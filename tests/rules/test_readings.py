"""Which of several readings makes a number, and when another one is worth having."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.engine import Engine
from rules.loader import load_rulebook
from rules.readings import WHOLE_SCORE, Readings, may_hold_number
from rules.types import Span, Utterance, utterance_from_text


def said(text: str, *, start_s: float = 0.0, duration_s: float | None = None) -> Utterance:
    span_s = duration_s if duration_s is not None else 0.4 * len(text.split())
    return utterance_from_text(text, Span(start_s, start_s + span_s), id=text, speaker="customer")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_rulebook(()))


@pytest.mark.parametrize(
    "text",
    [
        "4539, 148, 0343647",
        "four five three nine one four eight",
        "it is oh four one",
        "M-2-1-2-O-9-76-9-4",
        "my iban is G B W E S T",
    ],
)
def test_something_like_a_number_is_worth_another_hearing(text: str) -> None:
    assert may_hold_number(said(text))


@pytest.mark.parametrize(
    "text",
    ["good morning and thank you for calling", "I have two of them", "at 10:30 it was a hassle"],
)
def test_other_talk_is_not(text: str) -> None:
    assert not may_hold_number(said(text))


def test_far_fewer_words_than_were_said_are_worth_another_hearing() -> None:
    assert may_hold_number(said("My", duration_s=6.0))
    assert not may_hold_number(said("My", duration_s=1.0))


def test_a_whole_number_weighs_more_than_one_with_a_lost_digit(engine: Engine) -> None:
    readings = Readings(engine)
    whole = readings.weigh(engine.start(), said("my card number is 4539 1488 0343 6467"))
    near = readings.weigh(engine.start(), said("my card number is 4539 148 0343 6467"))
    none = readings.weigh(engine.start(), said("my card number is not here"))
    assert none == 0.0
    assert none < near < WHOLE_SCORE <= whole


def test_what_came_before_counts_and_is_left_as_it_was(engine: Engine) -> None:
    before = engine.feed(engine.start(), said("my social security number is")).state
    digits = said("536 90 4399", start_s=3.0)
    announced = Readings(engine).weigh(before, digits)
    assert announced > Readings(engine).weigh(engine.start(), digits)
    assert Readings(engine).weigh(before, digits) == announced


def test_where_no_rule_asks_for_personal_data_no_reading_matters(
    write_pack: Callable[..., Path],
) -> None:
    pack = write_pack("{phrase: [goodbye]}")
    assert not Readings(Engine(load_rulebook((pack,)))).are_weighed
