"""Every kind of condition, from YAML to hits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import (
    CallEnded,
    Entity,
    Event,
    HeardUntil,
    Hit,
    Participant,
    Role,
    Span,
    Utterance,
    utterance_from_text,
    utterance_from_words,
)

Feed = Callable[[Engine, Sequence[Event]], tuple[list[Hit], list[Entity]]]
Write = Callable[..., Path]
ROLES = [Participant(identity="a", role=Role.AGENT), Participant(identity="c", role=Role.CUSTOMER)]


def said(text: str, start_s: float = 0.0, *, by: str = "a") -> Utterance:
    """An utterance at half a second a word."""
    span = Span(start_s, start_s + 0.5 * len(text.split()))
    return utterance_from_text(text, span, id=f"{by}{start_s}", speaker=by)


def times(
    write_pack: Write, feed_all: Feed, when: str, events: Sequence[Event], extra: str = ""
) -> list[float]:
    """When the only rule of a pack hits."""
    engine = Engine(load_rulebook([write_pack(when, extra=extra)]))
    hits, _ = feed_all(engine, [*ROLES, *events, CallEnded(at_s=600)])
    return [round(hit.at_s, 3) for hit in hits]


@pytest.mark.parametrize(
    ("when", "text", "n_hits"),
    [
        ("boom", "then boom", 1),
        ("{phrase: [boom, bang]}", "bang boom", 2),
        ("{phrase: {any_of: [{text: guaranteed returns, fuzzy: 1}]}}", "garanteed retuns", 1),
        ("{phrase: {any_of: [{text: guaranteed returns}]}}", "garanteed retuns", 0),
        ("{phrase: {any_of: [{text: we sue, fuzzy: 1}]}}", "we sub", 0),  # too short to blur
        ("{phrase: {any_of: [{text: we will sue you, sounds_like: true}]}}", "we will sew you", 1),
        ("{lemma: promise return}", "they promised returns", 1),
        ("{phrase: promise return}", "they promised returns", 0),
        ("{lemma: [{text: promise return, slop: 1}]}", "promising good returns", 1),
        (r"{regex: '\bcase [a-z]{2}-?\d{4}\b'}", "your case AB-1234, ok", 1),
        (r"{regex: '\bcase [a-z]{2}-?\d{4}\b'}", "your case AB-12345", 0),
        ("{regex: {any_of: [ABC], case_sensitive: true}}", "abc", 0),
        ("{regex: 'x y'}", "x y x y", 2),
        ("{near: {of: [red, car], within_words: 3}}", "red old car", 1),
        ("{near: {of: [red, car], within_words: 3}}", "car is red", 1),
        ("{near: {of: [red, car], within_words: 3}}", "red one two three car", 0),
        ("{near: {of: [red, car], within_s: 2}}", "red one car", 1),
        ("{near: {of: [red, car], within_s: 2}}", "red one two three car", 0),
        ("{any: [red, {phrase: blue}]}", "blue red", 2),
        ("{all: [red, blue]}", "blue then red", 1),
        ("{all: [red, blue]}", "blue blue", 0),
        ("{all: {of: [red, blue], within_s: 2}}", "red a b c d e blue", 0),
        ("{all: [sure, {not: {when: not, within_words: 2}}]}", "it is not so sure", 0),
        ("{all: [sure, {not: {when: not, within_words: 2}}]}", "not at all so sure", 1),
        ("{all: [sure, {not: {when: not, within_words: 2}}]}", "sure not", 1),
        ("{all: [sure, {not: {when: not, within_words: 2, side: after}}]}", "sure it not", 0),
        ("{all: [sure, {not: {when: not, within_words: 2, side: after}}]}", "sure a b not", 1),
        ("{all: [sure, {not: {when: not, within_words: 2, side: either}}]}", "not sure", 0),
        ("{count: {of: hold, at_least: 3}}", "hold hold a hold hold", 1),
        ("{count: {of: hold, at_least: 3, within_s: 2}}", "hold a b hold a b hold", 0),
        ("{digits: 6}", "it is one two three, 456 okay", 1),
        ("{digits: 6}", "it is one two three, 4567 okay", 0),
        ("{digits: {min: 4, max: 6}}", "double five oh one is it and 12", 1),
        ("{pii: [CREDIT_CARD, US_SSN]}", "visa 4111 1111 1111 1111 and ssn 536-90-4399 ok", 2),
    ],
)
def test_what_a_sentence_hits(
    write_pack: Write, feed_all: Feed, when: str, text: str, n_hits: int
) -> None:
    """Each condition hits what it describes and passes over the near miss."""
    assert len(times(write_pack, feed_all, when, [said(text)])) == n_hits


STOP_CALLING = (
    "{sequence: [{when: stop calling, said_by: [customer]}, "
    "{when: call again, said_by: [agent], within_s: 10}]}"
)
NEXT_TURN = "{sequence: [{when: agree, said_by: [agent]}, {when: 'yes', next_turn: true}]}"
RISK = "{absent: {what: at risk, after: returns, unless: savings account, within_s: 20}}"


@pytest.mark.parametrize(
    ("when", "events", "expected_s"),
    [
        pytest.param(
            STOP_CALLING, [said("stop calling", 1, by="c"), said("we call again", 5)], [6.5], id="2"
        ),
        pytest.param(
            STOP_CALLING, [said("stop calling", 1), said("we call again", 5)], [], id="wrong role"
        ),
        pytest.param(
            STOP_CALLING, [said("call again", 1), said("stop calling", 5, by="c")], [], id="order"
        ),
        pytest.param(
            STOP_CALLING, [said("stop calling", 1, by="c"), said("call again", 50)], [], id="late"
        ),
        pytest.param(
            NEXT_TURN, [said("do you agree", 1), said("yes", 3, by="c")], [3.5], id="next turn"
        ),
        pytest.param(
            NEXT_TURN,
            [said("agree", 1), said("what", 3, by="c"), said("well", 4), said("yes", 6, by="c")],
            [],
            id="a later turn",
        ),
        pytest.param(RISK, [said("good returns", 1), HeardUntil(at_s=21.9)], [22.0], id="due"),
        pytest.param(RISK, [said("good returns", 1), said("at risk", 9)], [], id="said"),
        pytest.param(RISK, [said("at risk", 1), said("good returns", 9)], [30.0], id="before"),
        pytest.param(RISK, [said("returns", 1), said("at risk", 29)], [21.5], id="too late"),
        pytest.param(
            RISK, [said("good returns", 1), said("a savings account", 9)], [], id="lifted"
        ),
        pytest.param(
            RISK,
            [said("returns", 1), HeardUntil(at_s=99), said("returns", 100), HeardUntil(at_s=199)],
            [21.5, 120.5],
            id="each time",
        ),
        pytest.param(
            "{metric: {name: silence_s, above: 20}}",
            [said("hello", 1), HeardUntil(at_s=21.6), said("ok", 60), HeardUntil(at_s=70)],
            [21.5, 80.5],
            id="silence, once each",
        ),
        pytest.param(
            "{all: [sure, {not: {when: 'no', within_s: 5, side: after}}]}",
            [said("sure", 1), said("no", 4, by="c")],
            [],
            id="taken back by another",
        ),
        pytest.param(
            "{all: [sure, {not: {when: 'no', within_s: 5, side: after}}]}",
            [said("sure", 1), said("no", 8, by="c")],
            [6.5],
            id="not taken back in time",
        ),
        pytest.param(
            "{count: {of: hold, at_least: 2, same_speaker: false}}",
            [said("hold", 1), said("hold", 8, by="c")],
            [8.5],
            id="counted over speakers",
        ),
    ],
)
def test_when_a_call_hits(
    write_pack: Write, feed_all: Feed, when: str, events: list[Event], expected_s: list[float]
) -> None:
    """Order, turns, deadlines and silences are judged on the clock of the call."""
    assert times(write_pack, feed_all, when, events) == expected_s


@pytest.mark.parametrize(
    ("limit", "n_hits"),
    [
        ("name: talk_ratio, above: 0.7", 1),
        ("name: talk_ratio, below: 0.2", 0),
        ("name: non_talk_ratio, above: 0.9", 1),
        ("name: interruptions, above: 0", 1),
        ("name: interruptions, above: 1", 0),
        ("name: speech_rate_wpm, above: 100", 2),
        ("name: speech_rate_wpm, above: 100, after_s: 5", 1),
        ("name: speech_rate_wpm, above: 130", 0),
        ("name: sentiment, below: -0.3", 1),
        ("name: sentiment, above: 0.3", 1),
    ],
)
def test_metrics(write_pack: Write, feed_all: Feed, limit: str, n_hits: int) -> None:
    """Measures are taken over the whole call, of ten seconds against two and a half."""
    praise = "what a wonderful great and lovely day this is my very dear good friend indeed yes "
    events = [
        said(praise + "and so on", 1),
        said("this is terrible, awful service", 5, by="c"),
    ]
    found = times(write_pack, feed_all, f"{{metric: {{{limit}}}}}", events)
    assert found == [600.0] * n_hits


def test_cooldown_threshold_and_evidence(write_pack: Write, feed_all: Feed) -> None:
    """A rule's own limits hold whatever its condition is."""
    events = [said("boom", 1), said("boom", 5), said("boom", 40), said("boom", 41, by="c")]
    assert times(write_pack, feed_all, "boom", events, "    cooldown_s: 30\n") == [1.5, 40.5, 41.5]
    alike = "{phrase: {any_of: [{text: boomerang, fuzzy: 1}]}}"
    events = [said("bomerang", 1), said("boomerang", 5)]
    assert times(write_pack, feed_all, alike, events, "    threshold: 0.9\n") == [5.5]
    path = write_pack("boom", extra="    evidence: none\n")
    hits, _ = feed_all(Engine(load_rulebook([path])), [said("boom")])
    assert [hit.excerpt for hit in hits] == [""]


def test_scope_attributes(write_pack: Write, feed_all: Feed) -> None:
    """A rule for a department passes over everybody who does not carry its attribute."""
    path = write_pack("boom", extra="    scope: {attributes: {team: [sales, desk]}}\n")
    engine = Engine(load_rulebook([path]))
    for attributes, n_hits in [((("team", "desk"),), 1), ((("team", "hr"),), 0), ((), 0)]:
        events = [Participant(identity="a", attributes=attributes), said("boom")]
        assert len(feed_all(engine, events)[0]) == n_hits


def test_attributes_stay_out_of_repr() -> None:
    """Attributes may hold telephone numbers."""
    shown = repr(Participant(identity="a", attributes=(("sip.phoneNumber", "5550100"),)))
    assert "5550100" not in shown


PACK = """pack: t.pack
version: 4
owner: Tests
locale: en-GB
imports: [{pack: t.base, version: ">=2,<4"}]
lists: {bad: [boom, big bang]}
macros:
  loud: {phrase: [{list: bad}, {list: base-words}]}
defaults: {severity: low, tags: [x], cooldown_s: 3, status: shadow, threshold: 0.2}
rules:
  - {id: t.one, title: T, description: D, when: {macro: loud}}
  - {id: t.two, title: T, description: D, when: {macro: base-macro}, severity: high, tags: []}
"""
BASE = """pack: t.base
version: 3
lists: {base-words: [kaboom]}
macros: {base-macro: {any: [{phrase: {list: base-words}}, hello]}}
"""


def test_lists_macros_defaults_and_imports(tmp_path: Path, feed_all: Feed) -> None:
    """Names are written out, and a rule has what the defaults say unless it says otherwise."""
    (tmp_path / "a.yaml").write_text(PACK.replace("status: shadow, ", ""))
    (tmp_path / "b.yaml").write_text(BASE)
    book = load_rulebook([tmp_path])
    one, two = book.rules
    assert (one.severity, two.severity, one.tags, two.tags) == ("low", "high", ("x",), ())
    assert (one.cooldown_s, one.min_score, one.pack_id) == (3.0, 0.2, "t.pack")
    assert [(p.id, p.version, p.owner, p.locale) for p in book.packs] == [
        ("t.base", 3, None, None),
        ("t.pack", 4, "Tests", "en-GB"),
    ]
    assert book.unused == ()
    hits, _ = feed_all(Engine(book), [said("big bang", 1), said("kaboom", 9), said("hello", 20)])
    assert [hit.rule_id for hit in hits] == ["t.one", "t.one", "t.two", "t.two"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (("<4", "<3"), "3:11: no pack t.base"),
    ],
)
def test_missing_pack(tmp_path: Path, changed: tuple[str, str], problem: str) -> None:
    """An import that no file answers is a problem at its place."""
    (tmp_path / "a.yaml").write_text(PACK.replace(*changed))
    with pytest.raises(Exception, match=r"no pack t\.base among the loaded ones") as caught:
        load_rulebook([tmp_path])
    assert f"{tmp_path / 'a.yaml'}:5:11: " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("<4", "<3", "5:11: pack t.base is loaded in version 3, outside >=2,<3; change the range"),
        ('">=2,<4"', "soon", "5:11: not a range of versions"),
        ("{list: bad}", "{list: bed}", "8:26: no list 'bed' here; did you mean 'bad'?"),
        ("macro: loud", "macro: lout", "11:57: no macro 'lout' here; did you mean 'loud'?"),
        ("{phrase: [{list: bad}", "{macro: loud, x: [", None),
        ("loud: {phrase:", "loud: {macro: loud}\n  soft: {phrase:", "macro loud uses itself"),
        ("severity: low, ", "", "11:5: key 'severity' is missing; add it, or give the pack a"),
    ],
)
def test_problems_of_names(tmp_path: Path, old: str, new: str, problem: str | None) -> None:
    """Unknown names, wrong versions and circles are told with their place and a mend."""
    (tmp_path / "a.yaml").write_text(PACK.replace(old, new))
    (tmp_path / "b.yaml").write_text(BASE)
    with pytest.raises(Exception, match=r"a\.yaml:\d+:\d+: .+; .+") as caught:
        load_rulebook([tmp_path])
    assert problem is None or problem in str(caught.value)


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("{regex: '(?<!not )sure'}", "lookaround is not available"),
        (r"{regex: '(a)\1'}", "back-references are not available"),
        ("{regex: 'a*'}", "matches the empty text"),
        ("{regex: '('}", "not a pattern in RE2 syntax"),
        ("{regex: '((a{100}){100}){100}'}", "; "),
        ("{not: {when: x, within_words: 2}}", "`not` only stands within `all`"),
        ("{all: [{not: {when: x, within_words: 2}}]}", "`all` needs a part that is no `not`"),
        ("{near: {of: [x, y]}}", "`near` needs exactly one of the keys"),
        ("{near: {of: [x], within_words: 2}}", "of: list should have at least 2 items"),
        ("{pii: CREDIT_CART}", "did you mean CREDIT_CARD?"),
        ("{metric: {name: silence_s}}", "`metric` needs exactly one of the keys"),
        ("{absent: {within_s: 3}}", "`absent` needs exactly one of the keys"),
        ("{absent: {any_of: x, within_s: 3, from: call_start, after: y}}", "not both"),
        ("{phrase: {any_of: [{text: x, list: y}]}}", "exactly one of the keys text and list"),
        ("{digits: {min: 4, max: 2}}", "`max` is less than `min`"),
        ("{count: {of: x, at_least: 1}}", "at_least"),
        ("{all: [{any: [{phrse: x}]}]}", "unknown key 'phrse'; did you mean 'phrase'?"),
        ("{macro: x, phrase: y}", "exactly one of the keys"),
    ],
)
def test_problems_of_conditions(write_pack: Write, when: str, problem: str) -> None:
    """A condition that cannot work is refused with one sentence that says how to mend it."""
    with pytest.raises(Exception, match=r"pack\.yaml:\d+:\d+: .+; .+") as caught:
        load_rulebook([write_pack(when)])
    assert problem in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_macro_bomb_is_refused(tmp_path: Path) -> None:
    """Macros that double themselves are stopped at a number of conditions, at once."""
    lines = ["pack: t.bomb", "version: 1", "macros:", "  m0: boom"]
    lines += [f"  m{i}: {{any: [{{macro: m{i - 1}}}, {{macro: m{i - 1}}}]}}" for i in range(1, 30)]
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    with pytest.raises(Exception, match="more than 200 conditions"):
        load_rulebook([tmp_path])


CONDITIONS = [
    "{phrase: {any_of: [{text: red car, slop: 2}]}}",
    "{phrase: {any_of: [{text: guaranteed returns, fuzzy: 1, sounds_like: true}]}}",
    "{lemma: promise return}",
    r"{regex: ['red (?:car|bus)', '\d{3}']}",
    "{near: {of: [red, car, bus], within_words: 6}}",
    "{all: [red, car, {not: {when: not, within_words: 3, side: either}}]}",
    "{count: {of: {phrase: [red, bus]}, at_least: 3, within_s: 9}}",
    "{sequence: [{when: red}, {when: car, within_s: 5}, {when: bus}]}",
    "{digits: {min: 3, max: 5}}",
    "{absent: {what: bus, after: red, within_s: 4, unless: not}}",
]
SAYINGS = "red car bus not promised returns garanteed guaranteed 123 45, old. new"
VOCABULARY = st.sampled_from(SAYINGS.split())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), words=st.lists(VOCABULARY, min_size=2, max_size=24))
def test_any_split_gives_the_same_hits(
    tmp_path: Path, feed_all: Feed, data: st.DataObject, words: list[str]
) -> None:
    """However words are cut into utterances, every kind of condition hits the same."""
    path = tmp_path / "all.yaml"
    if not path.exists():
        rules = "".join(
            f"  - {{id: a.r{i}, title: T, description: D, severity: low, when: {when}}}\n"
            for i, when in enumerate(CONDITIONS)
        )
        path.write_text(f"pack: a.all\nversion: 1\nrules:\n{rules}")
    engine = Engine(load_rulebook([path]))
    timed: list[tuple[str, Span, float | None]] = []
    at_s = 0.0
    for word in words:
        at_s += data.draw(st.sampled_from([0.0, 0.2, 1.2, 5.0, 7.0]))
        timed.append((word, Span(at_s, at_s + 0.3), None))
        at_s += 0.3
    cuts = data.draw(st.sets(st.integers(1, len(timed) - 1), max_size=6))
    edges = [0, *sorted(cuts), len(timed)]
    split: list[Event] = []
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        if data.draw(st.booleans()):
            split.append(HeardUntil(at_s=timed[a][1].start_s))
        split.append(utterance_from_words(timed[a:b], id=f"u{i}", speaker="c"))
    whole: list[Event] = []
    for i, word in enumerate(timed):  # a silence is known as soon as the next word comes
        whole += [HeardUntil(at_s=word[1].start_s)]
        whole += [utterance_from_words([word], id=f"w{i}", speaker="c")]
    ended = CallEnded(at_s=at_s + 60)

    def shown(events: Sequence[Event]) -> list[tuple[object, ...]]:
        hits, _ = feed_all(engine, events)
        return sorted((h.rule_id, str(h.speaker), h.span, h.score, h.at_s) for h in hits)

    assert shown([*split, ended]) == shown([*whole, ended])


@pytest.mark.parametrize(("by", "n_hits"), [("a", 1), ("c", 0)])
def test_a_measure_is_of_those_in_scope(
    write_pack: Write, feed_all: Feed, by: str, n_hits: int
) -> None:
    """Roles of the scope count for measures of a speaker as well."""
    extra = "    scope: {roles: [agent], live: false}\n"
    when = "{metric: {name: talk_ratio, above: 0.5}}"
    events = [said("hello there how are you", 1, by=by)]
    assert len(times(write_pack, feed_all, when, events, extra)) == n_hits
