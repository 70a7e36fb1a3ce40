"""Sentences that mean what a rule's examples mean, on the real model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.cases import sentence_events
from rules.engine import Engine
from rules.errors import RuleInputError, RuleLoadError
from rules.explain import explain
from rules.lint import Fault, lint
from rules.loader import load_rulebook
from rules.similarity import Embedder, windows
from rules.trace import Verdict
from rules.types import (
    CallEnded,
    Event,
    HeardUntil,
    HitState,
    Participant,
    Role,
    Span,
    Utterance,
    utterance_from_text,
    utterance_from_words,
)
from speech.embedding import load_embedder
from tests.rules.conftest import Feed

pytestmark = pytest.mark.model
Write = Callable[..., Path]
SAFE = (
    "{similar: {to: [You will never lose money with us., This investment cannot go wrong.], "
    "unlike: [You may lose money with us., Is my money safe?, The investment went wrong.], "
    "min_similarity: 0.7}}"
)
PROMISE = "I can assure you that you will not lose any money with us."


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The model of the package."""
    return load_embedder(tmp_path_factory.mktemp("models"))


def said(text: str, start_s: float = 0.0, *, by: str = "a", is_final: bool = True) -> Utterance:
    """An utterance at half a second a word."""
    span = Span(start_s, start_s + 0.5 * len(text.split()))
    return utterance_from_text(text, span, id=f"{by}{start_s}", speaker=by, is_final=is_final)


@pytest.mark.parametrize(
    ("when", "text", "n_hits"),
    [
        (SAFE, PROMISE, 1),
        (SAFE, "There is no way this investment could fail.", 1),
        (SAFE, "So, let me tell you, with us you are never going to lose money, okay?", 1),
        (SAFE, "you may lose money with us", 0),
        (SAFE, "The weather is nice today.", 0),
        (SAFE, "Is my money safe with you?", 0),
        (SAFE, f"{PROMISE} {PROMISE}", 2),
        ("{similar: You cannot lose.}", "Nobody can win.", 0),
        ("{similar: You cannot lose.}", "you can not lose", 1),
        ("{similar: [It rained., You cannot lose.]}", "It has been raining.", 1),
        ("{similar: {list: said}}", "it was raining", 1),
        ("{all: [hello, {similar: It rained.}]}", "Hello. It was raining.", 1),
        ("{similar: {to: It rained., min_similarity: 1}}", "It was raining.", 0),
        ("{similar: {to: It rained., min_similarity: 1}}", "It rained.", 0),  # two words
    ],
)
def test_what_a_sentence_hits(
    write_pack: Write, feed_all: Feed, embedder: Embedder, when: str, text: str, n_hits: int
) -> None:
    """Other words for the same hit; another matter, and what is closer to a near miss, do not."""
    path = write_pack(when, extra="lists: {said: [It rained.]}\n")
    engine = Engine(load_rulebook([path]), embedder=embedder)
    hits, _ = feed_all(engine, [said(text), CallEnded(at_s=60)])
    assert len(hits) == n_hits


def test_a_hit_points_at_the_stretch_that_is_alike(
    write_pack: Write, feed_all: Feed, embedder: Embedder
) -> None:
    """Span and text are those of the clause, the score is the similarity, no words are quoted."""
    engine = Engine(load_rulebook([write_pack(SAFE)]), embedder=embedder)
    text = "Well, you will never lose money with us, Mister Miller, I can tell you that."
    (hit,) = feed_all(engine, [said(text)])[0]
    (part,) = hit.parts
    assert text[part.start_chars : part.end_chars] == "you will never lose money with us,"
    assert hit.excerpt == "like 'You will never lose money with us.'"
    assert 0.95 < hit.score <= 1.0
    assert hit.at_s == 7.5  # when the sentence was over


@pytest.mark.parametrize(
    ("events", "expected_s"),
    [
        pytest.param([said(PROMISE)], [6.5], id="full stop"),
        pytest.param([said(PROMISE[:-1]), HeardUntil(at_s=8.0)], [], id="may go on"),
        pytest.param([said(PROMISE[:-1]), HeardUntil(at_s=8.1)], [8.0], id="silence"),
        pytest.param([said(PROMISE[:-1]), said("And now", 9)], [8.0], id="new words"),
        pytest.param([said(PROMISE[:-1]), CallEnded(at_s=7)], [7.0], id="end"),
        pytest.param(
            [said(PROMISE[:-1] + " and" * 40), CallEnded(at_s=90)], [20.1], id="no full stop"
        ),
    ],
)
def test_when_it_is_decided(
    write_pack: Write,
    feed_all: Feed,
    embedder: Embedder,
    events: Sequence[Event],
    expected_s: list[float],
) -> None:
    """With the end of the sentence, or the silence that makes one."""
    engine = Engine(load_rulebook([write_pack(SAFE)]), embedder=embedder)
    assert [round(hit.at_s, 1) for hit in feed_all(engine, events)[0]] == expected_s


def test_scope_and_guesses(write_pack: Write, feed_all: Feed, embedder: Embedder) -> None:
    """Roles count as for other conditions, and a guess is confirmed or taken back."""
    path = write_pack(SAFE, extra="    scope: {roles: [agent]}\n")
    engine = Engine(load_rulebook([path]), embedder=embedder)
    roles = [Participant(identity="c", role=Role.CUSTOMER)]
    assert feed_all(engine, [*roles, said(PROMISE, by="c"), CallEnded(at_s=60)])[0] == []
    for final, state in ((PROMISE, HitState.CONFIRMED), ("I see.", HitState.RETRACTED)):
        guess, words = said(PROMISE, is_final=False), said(final)
        hits, _ = feed_all(engine, [guess, words, CallEnded(at_s=60)])
        assert [hit.state for hit in hits] == [HitState.PROVISIONAL, state]


def test_it_is_explained(write_pack: Write, embedder: Embedder) -> None:
    """Found or not, the similarity and the nearest example are told."""
    (rule,) = load_rulebook([write_pack(SAFE)]).rules

    def told(text: str) -> tuple[str, list[tuple[Verdict, str, float | None]]]:
        found = explain(rule, sentence_events(text), timeline=False, embedder=embedder)
        return found.reason, [
            (f.verdict, f.excerpt, f.score) for c in found.conditions for f in c.findings
        ]

    reason, findings = told("You will never lose money with us.")
    assert reason == "1 hit"
    assert findings[0] == (Verdict.FOUND, "like 'You will never lose money with us.'", 1.0)
    reason, findings = told("You may lose money with us.")
    assert reason == "no hit: what was said is closer to a near miss that the rule names"
    assert findings[0][:2] == (Verdict.UNLIKE, "like 'You will never lose money with us.', 0.87")
    reason, findings = told("I lost some money with you.")
    assert reason == "no hit: what was found scores too low"
    assert findings[0][0] is Verdict.BELOW_SCORE
    assert told("It rained all day.") == ("no hit: nothing that it looks for was found", [])


def test_without_a_model_nothing_runs(write_pack: Write) -> None:
    """Never silently no hit."""
    book = load_rulebook([write_pack(SAFE)])
    with pytest.raises(RuleInputError) as caught:
        Engine(book)
    assert str(caught.value) == (
        "rule pack.rule has a `similar` condition, and no model of sentences was given; "
        "install the extra `earmark[similarity]`"
    )
    Engine(load_rulebook([write_pack(SAFE, extra="    status: shadow\n")]))


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("{similar: []}", "to: list should have at least 1 item"),
        ("{similar: {unlike: [x]}}", "key 'to' is missing"),
        ("{similar: '...'}", "a text without a word; write some"),
        ("{similar: {to: x, min_similarity: 0.1}}", "min_similarity"),
        ("{similar: {list: none}}", "no list 'none' here"),
        ("{similar: {to: [{text: x, list: y}]}}", "exactly one of the keys text and list"),
        ("{similar: {to: x, unlik: y}}", "unknown key 'unlik'; did you mean 'unlike'?"),
    ],
)
def test_problems(write_pack: Write, when: str, problem: str) -> None:
    """Each is told at its place."""
    with pytest.raises(RuleLoadError, match=r"pack\.yaml:\d+:\d+: .+; .+") as caught:
        load_rulebook([write_pack(when)])
    assert problem in str(caught.value)


def test_examples_of_everyday_talk(write_pack: Write, embedder: Embedder) -> None:
    """Lint tells of an example that people say anyway, where it has the model."""
    book = load_rulebook([write_pack("{similar: Please hold the line.}")])
    found = [i for i in lint(book, (), embedder) if i.fault is Fault.EVERYDAY_TALK]
    assert [issue.message for issue in found] == [
        "hits everyday talk ('Please hold the line while I look that up.'); "
        "raise min_similarity, or put such a sentence under `unlike`"
    ]
    assert Fault.EVERYDAY_TALK not in [issue.fault for issue in lint(book, ())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", ()),
        ("yes of course", ((0, 2),)),
        ("one two three, four five six", ((0, 5), (0, 2), (3, 5))),
        ("a, b c d, e", ((0, 4), (1, 3), (0, 3), (1, 4))),
        (" ".join("abcdefghijklmno"), ((0, 14), (0, 11), (3, 14))),
    ],
)
def test_windows(text: str, expected: tuple[tuple[int, int], ...]) -> None:
    """The sentence, its clauses, two in a row, and pieces of long ones."""
    assert windows(text.split()) == expected


WORDS = "you will never lose, money with us. not it cannot go wrong and? then".split()  # noqa: SIM905


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(data=st.data(), words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=50))
def test_any_split_gives_the_same_hits(
    write_pack: Write,
    feed_all: Feed,
    embedder: Embedder,
    data: st.DataObject,
    words: list[str],
) -> None:
    """Windows depend on words, punctuation and times, never on how utterances are cut."""
    when = "{similar: {to: [You will never lose money with us.], min_similarity: 0.5}}"
    engine = Engine(load_rulebook([write_pack(when)]), embedder=embedder)
    timed: list[tuple[str, Span, float | None]] = []
    at_s = 0.0
    for word in words:
        at_s += data.draw(st.sampled_from([0.0, 0.0, 0.2, 1.4, 1.6, 7.0]))
        timed.append((word, Span(at_s, at_s + 0.3), None))
        at_s += 0.3
    cuts = data.draw(st.sets(st.integers(1, len(timed) - 1), max_size=6))
    split: list[Event] = []
    for i, (a, b) in enumerate(itertools.pairwise([0, *sorted(cuts), len(timed)])):
        if data.draw(st.booleans()):
            split.append(HeardUntil(at_s=timed[a][1].start_s))
        split.append(utterance_from_words(timed[a:b], id=f"u{i}", speaker="c"))
    whole: list[Event] = []
    for i, word in enumerate(timed):
        whole += [HeardUntil(at_s=word[1].start_s)]
        whole += [utterance_from_words([word], id=f"w{i}", speaker="c")]
    ended = CallEnded(at_s=at_s + 60)

    def shown(events: Sequence[Event]) -> list[tuple[object, ...]]:
        return [(h.span, h.score, h.at_s) for h in feed_all(engine, events)[0]]

    assert shown([*split, ended]) == shown([*whole, ended])
