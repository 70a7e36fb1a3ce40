"""What the engine hears, decides, and when."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Engine
from rules.loader import load_rulebook
from rules.rulebook import Rulebook, RuleStatus
from rules.types import (
    CallEnded,
    Entity,
    Event,
    HeardUntil,
    Hit,
    HitState,
    Participant,
    Role,
    Span,
    Utterance,
    utterance_from_text,
    utterance_from_words,
)

CARD = "4539 1488 0343 6467"
Feed = Callable[[Engine, Sequence[Event]], tuple[list[Hit], list[Entity]]]


def said(
    text: str, start_s: float = 0.0, end_s: float | None = None, *, by: str = "c", id: str = ""
) -> Utterance:
    """An utterance at half a second a word, unless its end is given."""
    span = Span(start_s, end_s or start_s + 0.5 * len(text.split()))
    return utterance_from_text(text, span, id=id or f"{by}{start_s}", speaker=by)


def of_rule(hits: Sequence[Hit], rule_id: str) -> list[Hit]:
    return [hit for hit in hits if hit.rule_id == rule_id]


def test_card_hit_is_whole(book: Rulebook, feed_all: Feed) -> None:
    """A hit carries rule, speaker, span, text range, score and an excerpt with four digits."""
    hits, entities = feed_all(Engine(book), [said(f"my card number is {CARD} thanks", 2.0, 6.5)])
    (hit,) = hits
    (entity,) = entities
    assert (hit.rule_id, hit.rule_version, hit.speaker) == ("pii.card-number", 1, "c")
    assert hit.excerpt == "••••••••••••6467"
    assert hit.score == 1.0
    assert entity.value == "4539148803436467"
    assert [(p.utterance_id, p.start_chars, p.end_chars) for p in hit.parts] == [("c2.0", 18, 37)]
    assert hit.parts == entity.parts
    assert hit.at_s == hit.span.end_s  # decided with its last word, before "thanks"


@pytest.mark.parametrize(
    ("events", "scores"),
    [
        pytest.param([said(f"well {CARD} bye")], [0.85], id="bare, at the next word"),
        pytest.param([said(f"well {CARD}")], [], id="bare, more may come"),
        pytest.param([said(f"well {CARD}"), HeardUntil(at_s=3.9)], [], id="bare, short silence"),
        pytest.param([said(f"well {CARD}"), HeardUntil(at_s=4.1)], [0.85], id="bare, silence"),
        pytest.param([said(f"well {CARD}"), CallEnded(at_s=2.6)], [0.85], id="bare, call ends"),
        pytest.param(
            [said("what is the card number", by="a"), said(CARD, 4)], [1.0], id="asked for"
        ),
        pytest.param(
            [said("what is the card number", by="a"), said(CARD, 40), CallEnded(at_s=50)],
            [0.85],
            id="asked for long ago",
        ),
        pytest.param([said(f"well {CARD} {CARD} bye")], [0.85], id="said twice"),
        pytest.param(
            [said("card number 4539 148 0343 647"), HeardUntil(at_s=5.0)], [], id="may go on"
        ),
        pytest.param(
            [said("card number 4539 148 0343 647"), HeardUntil(at_s=7.1)], [0.6], id="lossy"
        ),
        pytest.param([said("4539 148 0343 647 bye")], [], id="lossy, not announced"),
        pytest.param([said(f"order number {CARD} bye")], [], id="an order"),
        pytest.param([said("its 94001 4539148803436467 2204 bye")], [], id="within a longer one"),
        pytest.param([said(f"card number {CARD} 12 27 123 bye")], [1.0], id="one hit for a run"),
        pytest.param(
            [said(f"card number {CARD}"), HeardUntil(at_s=9), CallEnded(at_s=10)],
            [1.0],
            id="not twice after silence",
        ),
        pytest.param(
            [said("visa 4539 1488"), said("mm-hm go on", 2.1, by="a"), said("0343 6467", 6)],
            [1.0],
            id="interrupted",
        ),
    ],
)
def test_when_a_card_is_decided(
    book: Rulebook, feed_all: Feed, events: list[Event], scores: list[float]
) -> None:
    """A number is decided once, as soon as nothing that follows could change it."""
    hits, _ = feed_all(Engine(book), events)
    assert [hit.score for hit in of_rule(hits, "pii.card-number")] == scores


def test_deadline_times_do_not_depend_on_when_silence_is_told(
    book: Rulebook, feed_all: Feed
) -> None:
    """A silence is measured between words, so late news of it gives the very same hit."""
    told = [said(f"well {CARD}"), HeardUntil(at_s=5), said("bye", 9), CallEnded(at_s=10)]
    late = [said(f"well {CARD}"), said("bye", 9), CallEnded(at_s=10)]
    assert feed_all(Engine(book), told) == feed_all(Engine(book), late)
    assert feed_all(Engine(book), told)[0][0].at_s == 4.0


def test_interim_words_give_provisional_hits(book: Rulebook, feed_all: Feed) -> None:
    """A hit is raised once from interim words and confirmed, under its id, by the final ones."""
    final = said(f"my visa is {CARD} thanks", id="u1")
    interim = dataclasses.replace(final, is_final=False)
    guess = said(f"my visa is {CARD}", id="u1")
    first = dataclasses.replace(guess, is_final=False)
    later = dataclasses.replace(final, revision=3)
    events = [first, interim, interim, final, later, interim, CallEnded(at_s=9)]
    hits, entities = feed_all(Engine(book), events)
    assert [hit.state for hit in hits] == [HitState.PROVISIONAL, HitState.CONFIRMED]
    assert len({hit.id for hit in hits}) == 1
    assert len(entities) == 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([said("guarantee the returns policy", 2, id="u1")], id="other final words"),
        pytest.param([said("four turns", 2, id="u2"), CallEnded(at_s=60)], id="no final words"),
    ],
)
def test_final_words_retract(book: Rulebook, feed_all: Feed, after: list[Event]) -> None:
    """What interim words promised and final ones don't hold is taken back."""
    guess = dataclasses.replace(said("guaranteed returns", 2, id="u1"), is_final=False)
    hits, _ = feed_all(Engine(book, timeline=False), [guess, *after])
    assert [(hit.state, hit.rule_id) for hit in hits] == [
        (HitState.PROVISIONAL, "conduct.promissory-claim"),
        (HitState.RETRACTED, "conduct.promissory-claim"),
    ]
    assert hits[0].id == hits[1].id


def test_provisional_number_waits_for_its_silence(book: Rulebook, feed_all: Feed) -> None:
    """A number that final words leave open is confirmed when it closes, not retracted before."""
    guess = dataclasses.replace(said(f"well {CARD} bye", 2, id="u1"), is_final=False)
    events = [guess, said(f"well {CARD}", 2, id="u1"), HeardUntil(at_s=9), CallEnded(at_s=20)]
    hits, _ = feed_all(Engine(book), events)
    assert [hit.state for hit in hits] == [HitState.PROVISIONAL, HitState.CONFIRMED]


def test_feed_is_pure(book: Rulebook) -> None:
    """A kept state can be fed again and gives the same step."""
    engine = Engine(book)
    state = engine.feed(engine.start(), said("my card number is 4539 1488")).state
    first = engine.feed(state, said("0343 6467", 3.5))
    engine.feed(state, said("something else", 3.5))
    assert engine.feed(state, said("0343 6467", 3.5)) == first
    assert len(first.hits) == 1


def test_ids_are_stable_over_processes() -> None:
    """The id of a hit is the same in a fresh process with another hash seed."""
    code = (
        "from rules.loader import load_rulebook; from rules.records import *\n"
        "e = Scanner.of(load_rulebook()).sentence\n"
        'print(scan_record(parse_record(\'{"id":1,"text":"visa 4111111111111111 ok bye"}\'), e)'
        "[1][0].id)"
    )
    root = Path(__file__).parents[2]
    ids = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(ids) == 1
    assert len(ids.pop().strip()) == 32


def test_personal_data_stays_out_of_repr(book: Rulebook) -> None:
    """Neither a state nor a step shows what was said."""
    engine = Engine(book)
    step = engine.feed(engine.start(), said(f"my secretword card is {CARD}"))
    assert "4539" not in repr(step)
    assert "secretword" not in repr(step)


# Phrases


@pytest.mark.parametrize(
    ("text", "n_hits"),
    [
        ("we offer Guaranteed Returns.", 1),
        ("guaranteed, returns", 1),
        ("guaranteed good returns", 0),
        ("these are not guaranteed returns", 0),
        ("not, I say, really any guaranteed returns", 1),
        ("Of course not. Guaranteed returns are ours.", 1),
        ("guaranteed returns and guaranteed returns", 2),
        ("you can\u2019t lose", 1),
    ],
)
def test_phrases(book: Rulebook, feed_all: Feed, text: str, n_hits: int) -> None:
    """Phrases match normalised words, unless a denial stands close before in the sentence."""
    hits, _ = feed_all(Engine(book), [said(text)])
    assert len(of_rule(hits, "conduct.promissory-claim")) == n_hits


def test_phrase_excerpt_is_the_rules_own(book: Rulebook, feed_all: Feed) -> None:
    """The excerpt is the phrase as the rule has it, the ranges say where it was."""
    hits, _ = feed_all(Engine(book), [said("so these are GUARANTEED"), said("Returns!", 3)])
    assert [hit.excerpt for hit in hits] == ["guaranteed returns"]
    assert [(p.utterance_id, p.start_chars, p.end_chars) for p in hits[0].parts] == [
        ("c0.0", 13, 23),
        ("c3", 0, 8),
    ]


def test_phrase_does_not_cross_a_long_silence(book: Rulebook, feed_all: Feed) -> None:
    """Words with seven seconds between them are no phrase."""
    hits, _ = feed_all(Engine(book), [said("guaranteed"), said("returns", 8)])
    assert hits == []


@pytest.mark.parametrize(
    ("role", "n_hits"), [(Role.AGENT, 1), (Role.CUSTOMER, 0), (None, 1)], ids=str
)
def test_scope_roles(book: Rulebook, feed_all: Feed, role: Role | None, n_hits: int) -> None:
    """A rule for agents passes customers over, but not a speaker of unknown role."""
    events = [Participant(identity="c", role=role), said("guaranteed returns")]
    assert len(feed_all(Engine(book), events)[0]) == n_hits


def test_slop_and_unless_inside(write_pack: Callable[..., Path], feed_all: Feed) -> None:
    """Gaps are counted over the whole phrase, and a denial within a gap takes it back."""
    path = write_pack("{phrase: {any_of: [{text: we will sue, slop: 2}], unless_before: [not]}}")
    engine = Engine(load_rulebook([path]))
    texts = {
        "we will sue": 1,
        "we surely will then sue": 1,
        "we surely will then also sue": 0,
        "we will not sue": 0,
    }
    found = {text: len(feed_all(engine, [said(text)])[0]) for text in texts}
    assert found == texts


@pytest.mark.parametrize(
    ("status", "n_hits"), [("active", 1), ("shadow", 0), ("draft", 0), ("deprecated", 0)]
)
def test_only_active_rules_run(
    write_pack: Callable[..., Path], feed_all: Feed, status: str, n_hits: int
) -> None:
    """Other rules run only where a caller asks for their status."""
    path = write_pack("{phrase: {any_of: [boom]}}", extra=f"    status: {status}\n")
    book = load_rulebook([path])
    assert len(feed_all(Engine(book), [said("boom")])[0]) == n_hits
    wanted = Engine(book, statuses=[RuleStatus(status)])
    assert len(feed_all(wanted, [said("boom")])[0]) == 1


# Absence

NOTICE = "this call is being recorded"


@pytest.mark.parametrize(
    ("events", "deadlines"),
    [
        pytest.param([said("hello", 2), HeardUntil(at_s=31.9)], [], id="not yet"),
        pytest.param([said("hello", 2), HeardUntil(at_s=32)], [32.0], id="due"),
        pytest.param(
            [said("hello", 2), HeardUntil(at_s=40), HeardUntil(at_s=50), CallEnded(at_s=60)],
            [32.0],
            id="once",
        ),
        pytest.param([said("hello", 2), CallEnded(at_s=20)], [], id="call over before"),
        pytest.param([said("hello", 2), CallEnded(at_s=33)], [32.0], id="call over after"),
        pytest.param([HeardUntil(at_s=100)], [], id="nobody spoke"),
        pytest.param([said(NOTICE, 2), HeardUntil(at_s=100)], [], id="said"),
        pytest.param(
            [said("hello", 2), said(NOTICE, 33), HeardUntil(at_s=100)], [32.0], id="said too late"
        ),
        pytest.param(
            [Participant(identity="c", role=Role.CUSTOMER), said(NOTICE, 2), HeardUntil(at_s=99)],
            [32.0],
            id="said by the wrong one",
        ),
        pytest.param(
            [said(NOTICE, 2), Participant(identity="c", role=Role.CUSTOMER), HeardUntil(at_s=99)],
            [32.0],
            id="role known later",
        ),
    ],
)
def test_absence(
    book: Rulebook, feed_all: Feed, events: list[Event], deadlines: list[float]
) -> None:
    """A missing notice hits once, at its deadline, and only when the deadline was reached."""
    hits = of_rule(feed_all(Engine(book), events)[0], "disclosure.recording-notice")
    assert [hit.at_s for hit in hits] == deadlines
    assert [(hit.speaker, hit.span, hit.parts) for hit in hits] == [
        (None, Span(2.0, 32.0), ()) for _ in deadlines
    ]


def test_absence_needs_a_timeline(book: Rulebook, feed_all: Feed) -> None:
    """Bare sentences miss nothing."""
    engine = Engine(book, timeline=False)
    assert feed_all(engine, [said("hello", 2), CallEnded(at_s=100)]) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "Calls are recorded for training.",
        "you're on a recorded line",
        "This call may be monitored or recorded.",
        "we're recording this call",
        "your call will be being recorded",
        "This call is may be recorded for quality assurance.",
        "we record all calls",
    ],
)
def test_notice_in_other_words(book: Rulebook, feed_all: Feed, text: str) -> None:
    """The recording notice is understood in the wordings that agents use."""
    hits, _ = feed_all(Engine(book), [said(text), HeardUntil(at_s=60)])
    assert hits == []


# Cutting into utterances

SENTENCES = st.sampled_from(
    [
        "my card number is four five three nine one four eight eight zero three four three six "
        "four six seven and thanks",
        "it is 4539-1488-0343-6467, okay bye",
        "my social is five three six dash ninety dash forty three ninety nine now",
        "card number 4539, 148, 0343647 that is all",
        "these are guaranteed returns and you can't lose anything",
        "the first four are 4539, the next four 1488, then 0343, and the last four 6467",
        "we will have you arrested, visa double five triple five 5555 5555 4444 yes",
        "no sorry it was four five three eight, sorry, nine, 1488 0343 6467",
        "let me see hang on I think five I mean six that's my card",
        "is the social I have for you",
        "the c v v one eight three and my phone is oh two oh seven nine four six oh three two one",
    ]
)
WORD_GAPS_S = st.sampled_from([0.0, 0.1, 0.3, 1.0, 1.6, 2.5, 5.0, 13.0])


@given(data=st.data(), sentences=st.lists(SENTENCES, min_size=1, max_size=3))
def test_any_split_gives_the_same_hits(
    book: Rulebook, feed_all: Feed, data: st.DataObject, sentences: list[str]
) -> None:
    """Words fed in any split into utterances, with others speaking between, hit the same."""
    timed: list[tuple[str, Span, float | None]] = []
    at_s = 0.0
    for word in " ".join(sentences).split():
        at_s += data.draw(WORD_GAPS_S)
        timed.append((word, Span(at_s, at_s + 0.3), None))
        at_s += 0.3
    cuts = data.draw(st.sets(st.integers(1, len(timed) - 1), max_size=8))
    edges = [0, *sorted(cuts), len(timed)]
    split: list[Event] = []
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        split.append(utterance_from_words(timed[a:b], id=f"u{i}", speaker="c"))
        end_s = timed[b - 1][1].end_s
        split.append(said("mm-hm right", end_s, end_s + 0.1, by="a"))
        if b < len(timed) and data.draw(st.booleans()):
            split.append(HeardUntil(at_s=timed[b][1].start_s))
    ended = CallEnded(at_s=at_s + 60)
    whole = [utterance_from_words(timed, id="u", speaker="c"), ended]
    engine = Engine(book, timeline=False)

    def shown(events: Sequence[Event]) -> list[tuple[object, ...]]:
        hits, _ = feed_all(engine, events)
        return sorted((h.rule_id, str(h.speaker), h.span, h.score, h.at_s) for h in hits)

    assert shown([*split, ended]) == shown(whole)


def test_long_loops_stay_bounded(book: Rulebook, feed_all: Feed) -> None:
    """A recogniser that loops on a digit gives no hit, and the next number is still found."""
    loop = "card number " + "-".join("1" * 400) + " four one" * 300
    events = [said(loop, 0, 60), said(f"sorry my visa is {CARD} bye", 70), CallEnded(at_s=90)]
    hits, _ = feed_all(Engine(book), events)
    assert [hit.excerpt for hit in of_rule(hits, "pii.card-number")] == ["••••••••••••6467"]
