"""What was not checked."""

from __future__ import annotations

import pytest

from offline.call import Call, Member
from offline.coverage import call_faults, checked_spans
from offline.hearing import Heard
from rules.types import Role, Span
from storage.gaps import Gap, GapKind
from tests.offline.builders import call, heard, hit, live, source


def member(identity: str, role: Role | None = None) -> Member:
    return Member(identity=identity, role=role, joined_s=0.0, left_s=60.0)


def gap(kind: GapKind, identity: str | None = "customer", end_s: float | None = 20.0) -> Gap:
    return Gap(room_sid="RM_1", identity=identity, kind=kind, start_s=10.0, end_s=end_s)


EGRESS = source(recorder="egress")


@pytest.mark.parametrize(
    ("of", "heard_", "expected"),
    [
        pytest.param(call(), [heard()], [], id="all-checked"),
        pytest.param(
            call(members=(member("customer"), member("agent"))),
            [heard()],
            [("no_recording", "agent", False)],
            id="a-participant-without-recording",
        ),
        pytest.param(
            call(members=(member("customer"), member("boss", Role.SUPERVISOR)), live=live()),
            [heard()],
            [],
            id="a-silent-supervisor-needs-none",
        ),
        pytest.param(
            call(
                members=(member("customer"), member("boss", Role.SUPERVISOR)),
                live=live(hits=(hit(speaker="boss"),)),
            ),
            [heard()],
            [("no_recording", "boss", False)],
            id="a-supervisor-who-spoke-does",
        ),
        pytest.param(
            call(sources=(), members=()), [], [("no_recordings", None, False)], id="empty-call"
        ),
        pytest.param(
            call(live=live(gaps=(gap(GapKind.OVERLOAD),))),
            [heard()],
            [("overload", "customer", True)],
            id="dropped-live-but-recorded",
        ),
        pytest.param(
            call(live=live(gaps=(gap(GapKind.DEAF_TRACK),))),
            [heard()],
            [("deaf_track", "customer", False)],
            id="a-deaf-observer-records-silence",
        ),
        pytest.param(
            call(sources=(EGRESS,), live=live(gaps=(gap(GapKind.DEAF_TRACK),))),
            [heard(EGRESS)],
            [("deaf_track", "customer", True)],
            id="egress-hears-what-a-deaf-observer-does-not",
        ),
        pytest.param(
            call(sources=(EGRESS,), live=live(gaps=(gap(GapKind.DEAF_TRACK, end_s=None),))),
            [heard(EGRESS, checked=(("customer", Span(3, 20)),))],
            [("deaf_track", "customer", False)],
            id="an-open-gap-lasts-to-the-end",
        ),
        pytest.param(
            call(sources=(EGRESS,), live=live(gaps=(gap(GapKind.ENCRYPTED),))),
            [heard(EGRESS)],
            [("encrypted", "customer", False)],
            id="encrypted-is-never-checked",
        ),
        pytest.param(
            call(live=live(joined_s=40.0)),
            [heard()],
            [("late_join", None, False)],
            id="an-observer-that-came-late",
        ),
        pytest.param(
            call(live=live(), ended_s=None),
            [heard()],
            [("call_not_ended", None, False)],
            id="nobody-saw-the-end",
        ),
    ],
)
def test_faults(
    of: Call, heard_: list[Heard], expected: list[tuple[str, str | None, bool]]
) -> None:
    """Whatever was not checked is named, and what the recordings make good is harmless."""
    assert [
        (fault.detail, fault.speaker, fault.is_harmless) for fault in call_faults(of, heard_)
    ] == expected


def test_checked_spans_merge_over_recordings() -> None:
    """Two recordings of one speaker that touch are one checked span."""
    parts = [
        heard(checked=(("customer", Span(20, 30)), ("agent", Span(0, 5)))),
        heard(checked=(("customer", Span(3, 20)), ("customer", Span(40, 50)))),
    ]
    assert checked_spans(parts, "customer") == (Span(3, 30), Span(40, 50))
