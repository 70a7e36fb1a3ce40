"""Lanes on the call clock, and outlines that the console draws."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from console.digests import Digests
from console.lanes import Lane, Strip, n_steps_of, on_call_clock, report_strips
from console.outlines import Outlines
from console.reports import Report, Waveform
from offline.report import dump_report
from storage.errors import ObjectChangedError, ObjectMissingError
from storage.objects import ObjectStore, open_objects
from tests.offline.builders import made_report

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"


def strip(start_s: float, step_s: float, *levels: int) -> Strip:
    return Strip(start_s=start_s, step_s=step_s, levels=np.array(levels, np.uint8))


def lane(name: str, *, speech: tuple[tuple[float, float], ...] = (), is_mix: bool = False) -> Lane:
    return Lane(
        number=0, name=name, role=None, speech_s=None, checked_s=None, speech=speech, sounds=(),
        is_mix=is_mix,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("strips", "expected"),
    [
        pytest.param([strip(0.0, 0.05, 1, 2, 3, 4)], [1, 2, 3, 4], id="same-steps"),
        pytest.param([strip(0.1, 0.05, 5, 6)], [0, 0, 5, 6], id="begins-later"),
        pytest.param([strip(0.0, 0.1, 5, 6)], [5, 5, 6, 6], id="coarser"),
        pytest.param([strip(0.0, 0.025, 1, 9, 3, 4)], [9, 4, 0, 0], id="finer"),
        pytest.param(
            [strip(0.0, 0.05, 1, 1), strip(0.05, 0.05, 7)], [1, 7, 0, 0], id="two-recordings"
        ),
        pytest.param([], [0, 0, 0, 0], id="none"),
    ],
)
def test_strips_on_the_call_clock(strips: list[Strip], expected: list[int]) -> None:
    """Whatever its steps are, a strip lies where its time is; the loudest counts."""
    assert on_call_clock(strips, 0.2).tolist() == expected


def test_a_long_call_has_no_more_steps() -> None:
    """A lane of hours is as many bytes as one of minutes."""
    assert n_steps_of(4 * 3600.0) == 4000
    loud = strip(0.0, 1.0, *([10] * 3600))
    assert on_call_clock([loud], 4 * 3600.0)[:999].tolist() == [10] * 999


def report_with(*waveforms: Waveform) -> Report:
    read: Report = TypeAdapter(Report).validate_json(dump_report(made_report()))
    return replace(read, waveforms=waveforms)


def waveform(*speakers: str, levels: bytes = bytes([9] * 10)) -> Waveform:
    return Waveform(
        speakers=speakers, start_s=0.0, step_s=1.0, levels=b64encode(levels).decode("ascii")
    )


def test_a_mix_is_shown_where_its_speaker_speaks() -> None:
    """Of a mixed recording, each lane shows what lies within the speaker's own speech."""
    report = report_with(waveform("ana", "bo"))
    (found,) = report_strips(report, lane("ana", speech=((2.0, 4.0),), is_mix=True))
    assert found.levels.tolist() == [0, 0, 9, 9, 0, 0, 0, 0, 0, 0]


def test_ones_own_recording_comes_first() -> None:
    """Who was recorded alone is shown as recorded."""
    report = report_with(waveform("ana"), waveform("ana", "bo"))
    (found,) = report_strips(report, lane("ana"))
    assert found.levels.tolist() == [9] * 10
    assert report_strips(report, lane("cy")) == ()


def test_levels_that_cannot_be_read_are_none() -> None:
    """A waveform that is no base64 draws nothing, and breaks nothing."""
    broken = Waveform(speakers=("ana",), start_s=0.0, step_s=1.0, levels="*")
    (found,) = report_strips(report_with(broken), lane("ana"))
    assert on_call_clock([found], 10.0).max() == 0


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """An empty folder."""
    return open_objects(str(tmp_path / "objects"))


def put(objects: ObjectStore, key: str, name: str) -> None:
    objects.put_bytes(key, (AUDIO / name).read_bytes(), content_type="audio/ogg")


def test_an_outline_is_drawn_once_a_version(objects: ObjectStore) -> None:
    """The same object gives the same outline without being read again; a new one is drawn anew."""
    put(objects, "a.ogg", "clean-agent.ogg")
    outlines = Outlines(objects)
    info = objects.head("a.ogg")
    assert info is not None
    first = outlines.of(info)
    assert first.note is None
    objects.delete("a.ogg")
    assert outlines.of(info) is first
    put(objects, "a.ogg", "noise.ogg")
    changed = objects.head("a.ogg")
    assert changed is not None
    second = outlines.of(changed)
    assert second.strip is not None
    assert first.strip is not None
    assert len(second.strip.levels) < len(first.strip.levels)


def test_an_object_that_is_gone_has_a_note(objects: ObjectStore) -> None:
    """Between the listing and the drawing a recording may be deleted."""
    put(objects, "a.ogg", "noise.ogg")
    info = objects.head("a.ogg")
    assert info is not None
    objects.delete("a.ogg")
    drawn = Outlines(objects).of(info)
    assert drawn.strip is None
    assert drawn.note == "The recording itself is not in the object store."


def test_digests(objects: ObjectStore) -> None:
    """The hash is that of the version which is asked for, or there is none."""
    put(objects, "a.ogg", "noise.ogg")
    info = objects.head("a.ogg")
    assert info is not None
    digests = Digests(objects)
    assert digests.of(info) == hashlib.sha256((AUDIO / "noise.ogg").read_bytes()).hexdigest()
    put(objects, "a.ogg", "silence.ogg")
    with pytest.raises(ObjectChangedError):
        Digests(objects).of(info)
    objects.delete("a.ogg")
    with pytest.raises(ObjectMissingError):
        Digests(objects).of(info)
