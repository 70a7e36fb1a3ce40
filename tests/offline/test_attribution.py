"""Whose voices are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from offline.attribute import voices_on
from offline.attribution import TimelineAttributor, owners
from offline.call import Member
from offline.clock import RecordingClock
from offline.diarization.turns import VoiceBounds
from offline.lanes import Lane
from offline.stages.records import Diarized, Turn
from rules.types import Role, Span
from tests.offline.builders import call, live, source

pytest.importorskip("scipy", reason="telling voices apart needs the extra offline")

LANE = Lane(number=0, channel=None, speaker="unknown")
Spans = Sequence[tuple[float, float]]


def spans(*pairs: tuple[float, float]) -> list[Span]:
    return [Span(*pair) for pair in pairs]


def heard(**people: Spans) -> list[tuple[str, Span]]:
    return [(who, Span(*pair)) for who, pairs in people.items() for pair in pairs]


def member(identity: str, role: Role | None = None) -> Member:
    return Member(identity=identity, role=role, joined_s=0.0, left_s=None)


def diarized(**voices: Spans) -> Diarized:
    turns = tuple(
        sorted(
            (
                Turn(voice=voice, start_s=a, end_s=b)
                for voice, pairs in voices.items()
                for a, b in pairs
            ),
            key=lambda turn: turn.start_s,
        )
    )
    return Diarized(engine="test", turns=turns, exclusive=turns)


@pytest.mark.parametrize(
    ("voices", "live_side", "expected"),
    [
        pytest.param(
            {"V1": spans((0, 5), (10, 15)), "V2": spans((5, 10))},
            heard(anna=[(0.2, 4.9), (10.1, 15)], ben=[(5.1, 9.8)]),
            {"V1": "anna", "V2": "ben"},
            id="two-and-two",
        ),
        pytest.param(
            {"V1": spans((0, 5)), "V2": spans((5, 10)), "V3": spans((10, 14))},
            heard(bridge=[(5, 14)], anna=[(0, 5)]),
            {"V1": "anna", "V2": "bridge", "V3": "bridge"},
            id="two-people-behind-one-telephone",
        ),
        pytest.param(
            {"V1": spans((0, 10))},
            heard(anna=[(0, 10)], ben=[(0, 9.5)]),
            {},
            id="two-who-always-talk-at-once",
        ),
        pytest.param(
            {"V1": spans((0, 5)), "V2": spans((20, 30))},
            heard(anna=[(0, 5)]),
            {"V1": "anna"},
            id="nobody-was-heard-then",
        ),
        pytest.param({"V1": spans((0, 0.5))}, heard(anna=[(0, 0.5)]), {}, id="too-short"),
        pytest.param({}, heard(anna=[(0, 5)]), {}, id="no-voices"),
        pytest.param({"V1": spans((0, 5))}, [], {}, id="nobody-heard"),
    ],
)
def test_owners(
    voices: dict[str, list[Span]], live_side: list[tuple[str, Span]], expected: dict[str, str]
) -> None:
    """A voice is whose speech it overlaps clearly; else it is nobody's."""
    assert owners(voices, live_side) == expected


def attributed(found: Diarized, **changes: Any) -> Any:
    mix = source(speakers=("unknown",), is_mix=True, clock=RecordingClock(offset_s=3.0))
    values: dict[str, Any] = {"sources": (mix,), **changes}
    return TimelineAttributor().attribute(found, mix, LANE, call(**values))


def test_a_mix_is_named_on_the_call_clock() -> None:
    """The recording begins at 3 s; who was silent counts as heard all the same."""
    voices = attributed(
        diarized(V1=[(0.0, 5.0)], V2=[(5.0, 9.0)]),
        members=(member("anna"), member("ben"), member("carl")),
        live=live(speech=tuple(heard(anna=[(3.0, 8.0)], ben=[(8.0, 12.0)]))),
    )
    assert [turn.speaker for turn in voices.turns] == ["anna", "ben"]
    assert voices.exclusive == voices.turns
    assert voices.speakers == ("anna", "ben", "carl")
    assert voices.n_unknown == 0


def test_a_voice_that_is_nobody_s_has_a_name_of_its_own() -> None:
    """It is told of, and nobody silent counts as heard."""
    voices = attributed(
        diarized(V1=[(0.0, 5.0)], V2=[(30.0, 39.0)]),
        members=(member("anna"), member("ben")),
        live=live(speech=tuple(heard(anna=[(3.0, 8.0)]))),
    )
    assert voices.speakers == ("anna", "Voice 2")
    assert voices.n_unknown == 1


def test_the_only_person_is_whoever_speaks() -> None:
    """Without a timeline one voice is the one person who was there; supervisors only listen."""
    members = (member("anna"), member("boss", Role.SUPERVISOR))
    assert attributed(diarized(V1=[(0.0, 5.0)]), members=members).speakers == ("anna", "boss")


@pytest.mark.parametrize(
    ("n_voices", "expected"),
    [pytest.param(1, ("mix",), id="one"), pytest.param(2, ("Voice 1", "Voice 2"), id="two")],
)
def test_voices_of_a_file(n_voices: int, expected: tuple[str, ...]) -> None:
    """In a file that nobody knows one voice has the file's name, and several have numbers."""
    mix = source(speakers=("mix",), is_mix=True)
    lane = Lane(number=0, channel=None, speaker="mix")
    found = diarized(**{f"V{n}": [(n * 5.0, n * 5.0 + 4)] for n in range(1, n_voices + 1)})
    of = call(source="files", sources=(mix,))
    assert TimelineAttributor().attribute(found, mix, lane, of).speakers == expected


@pytest.mark.parametrize(
    ("n_members", "bounds"),
    [(0, VoiceBounds()), (1, VoiceBounds(at_most=2)), (4, VoiceBounds(at_most=4))],
)
def test_no_more_voices_than_people(n_members: int, bounds: VoiceBounds) -> None:
    """People who are known bound how many voices there can be."""
    members = tuple(member(f"p{n}") for n in range(n_members))
    assert voices_on(call(members=members)) == bounds
