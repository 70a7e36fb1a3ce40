"""What was not checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from offline.call import Call, Member
from offline.coverage import call_faults, checked_spans
from offline.heard import Heard, unheard
from rules.types import Role, Span
from storage.egress_claims import EgressClaim
from storage.egresses import Egress, EgressStatus
from storage.findings import CoverageCode
from storage.gaps import Gap, GapKind
from tests.offline.builders import STARTED_AT, call, heard, hit, live, source


def member(identity: str, role: Role | None = None) -> Member:
    return Member(identity=identity, role=role, joined_s=0.0, left_s=60.0)


def gap(kind: GapKind, identity: str | None = "customer", end_s: float | None = 20.0) -> Gap:
    return Gap(room_sid="RM_1", identity=identity, kind=kind, start_s=10.0, end_s=end_s)


EGRESS = source(recorder="egress")
DELETED_MIX = source(speakers=("unknown",), is_mix=True, size_bytes=None, problem="deleted_pin")


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
            call(sources=(DELETED_MIX,), members=(member("customer"), member("agent"))),
            [unheard(DELETED_MIX, CoverageCode.RECORDING_MISSING, "deleted_pin")],
            [("deleted_pin", "unknown", False)],
            id="everybody-was-in-a-mix-that-was-deleted",
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


def egress(status: EgressStatus, **changes: Any) -> Egress:
    """An egress of the customer's track."""
    values: dict[str, Any] = {
        "egress_id": "EG_1",
        "room_sid": "RM_1",
        "room_name": "support",
        "track_id": "TR_c",
        "status": status,
        "updated_at": STARTED_AT,
        "object_key": EGRESS.name if status is EgressStatus.COMPLETE else None,
    }
    return Egress(**(values | changes))


CLAIM = EgressClaim(
    room_sid="RM_1", track_id="TR_c", room_name="support", identity="customer",
    claimed_at=STARTED_AT, lease_until=STARTED_AT, egress_id="EG_1",
)  # fmt: skip
UNTAKEN = replace(CLAIM, egress_id=None)
NOT_RECORDED = live(gaps=(gap(GapKind.NOT_RECORDED),))
FAILED, COMPLETE = egress(EgressStatus.FAILED), egress(EgressStatus.COMPLETE)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(
            call(sources=(EGRESS,), egresses=(COMPLETE,), claims=(CLAIM,)), [], id="complete"
        ),
        *(
            pytest.param(
                call(sources=(), egresses=(egress(status),), claims=(CLAIM,)),
                [("recording_missing", detail, "customer")],
                id=detail,
            )
            for status, detail in (
                (EgressStatus.FAILED, "egress_failed"),
                (EgressStatus.ABORTED, "egress_aborted"),
                (EgressStatus.LOST, "egress_lost"),
                (EgressStatus.ACTIVE, "egress_running"),
            )
        ),
        pytest.param(
            call(sources=(EGRESS,), egresses=(FAILED, replace(COMPLETE, egress_id="EG_2")),
                 claims=(CLAIM,)),
            [],
            id="a-second-try-has-it-whole",
        ),
        pytest.param(
            call(sources=(EGRESS,),
                 egresses=(egress(EgressStatus.FAILED, object_key=EGRESS.name),)),
            [("recording_truncated", "egress_failed", "customer")],
            id="failed-with-a-file",
        ),
        pytest.param(
            call(sources=(EGRESS,),
                 egresses=(egress(EgressStatus.LIMIT_REACHED, object_key=EGRESS.name),)),
            [("recording_truncated", "egress_limit_reached", "customer")],
            id="ended-at-the-limit",
        ),
        pytest.param(
            call(sources=(EGRESS,), egresses=(replace(COMPLETE, problem="size_differs"),)),
            [("recording_corrupt", "size_differs", "customer")],
            id="another-size",
        ),
        pytest.param(
            call(sources=(), egresses=(replace(COMPLETE, object_key=None),), claims=(CLAIM,)),
            [("recording_missing", "egress_without_file", "customer")],
            id="nowhere",
        ),
        pytest.param(
            call(sources=(), claims=(UNTAKEN,)),
            [("recording_missing", "not_recorded", "customer")],
            id="asked-by-somebody-who-died",
        ),
        pytest.param(
            call(sources=(), members=(member("customer"),), live=NOT_RECORDED,
                 claims=(replace(UNTAKEN, gave_up_at=STARTED_AT, reason="unavailable"),)),
            [("recording_missing", "not_recorded", "customer")],
            id="given-up-is-told-once",
        ),
        pytest.param(
            call(sources=(), members=(member("customer"),), live=NOT_RECORDED),
            [("recording_missing", "no_recording", "customer"),
             ("recording_missing", "not_recorded", "customer")],
            id="given-up-without-a-claim",
        ),
    ],
)  # fmt: skip
def test_recordings_by_egress(of: Call, expected: list[tuple[str, str, str]]) -> None:
    """What Egress did not record, or not wholly, is said of the speaker, once a track."""
    faults = [f for f in call_faults(of, [heard(s) for s in of.sources]) if not f.is_harmless]
    said = [(f.code.value, f.detail, f.speaker) for f in faults]
    assert [each for each in said if each[1] != "no_recordings"] == expected
