"""The model of a call: what its page is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from console.call_sound import Hearing, sound_id
from console.call_transcript import TextFrom
from console.calls import CallView, has_transcript, kept_transcript, load_call, unmasked
from console.flags import Standing
from console.reports import ReportState
from console.rule_texts import rule_texts
from console.state import Console
from offline.report import Report, dump_report
from rules.masking import MASK
from storage.gaps import Gap, GapKind, save_gap
from tests.console.rich_calls import MARKUP, rewrite_report
from tests.console.rich_fixtures import rich, rich_template  # noqa: F401 - fixtures

CARD = "four, five, three, nine, one, four"


def view_of(console: Console, room_sid: str) -> CallView:
    titles = rule_texts(()).titles
    found = load_call(console.database, console.objects, room_sid, titles=titles)
    assert found is not None
    return found


def test_live_and_audit_stand_side_by_side(rich: Console) -> None:  # noqa: F811
    """Each thing that was flagged is there once, with what either side said of it."""
    flags = view_of(rich, "RM_audited").flags
    found = [(f.rule_id, f.standing, f.live is not None, f.audit is not None) for f in flags]
    assert found == [
        ("disclosure.recording-notice", Standing.UNVERIFIED, False, True),
        ("pii.us-ssn", Standing.FALSE_ALARM_LIVE, True, False),
        ("conduct.promissory-claim", Standing.MISSED_LIVE, False, True),
        ("conduct.promissory-claim", Standing.MISSED_LIVE, False, True),
        ("pii.us-ssn", Standing.TAKEN_BACK, True, False),
        ("pii.card-number", Standing.CONFIRMED, True, True),
    ]
    assert [flag.number for flag in flags] == [1, 2, 3, 4, 5, 6]
    card = flags[5]
    assert card.live is not None
    assert card.live.delay_s == pytest.approx(4.0)
    assert card.live.decided_s == 40.2


def test_lanes_transcript_and_marks(rich: Console) -> None:  # noqa: F811
    """A lane a speaker with their sound; a masked transcript, cut where flags begin and end."""
    view = view_of(rich, "RM_audited")
    assert [(lane.name, lane.is_mix, len(lane.sounds)) for lane in view.lanes] == [
        ("agent", False, 1),
        ("customer", False, 1),
    ]
    assert view.text.source is TextFrom.REPORT
    marked = [
        (piece.text, piece.flags)
        for line in view.text.lines
        for piece in line.pieces
        if piece.flags
    ]
    assert marked[:2] == [("guaranteed returns,", (3,)), ("cannot lose.", (4,))]
    assert set(marked[2][0]) <= {MASK, ",", " "}
    assert view.duration_s == 52.0
    assert [gap.is_harmless for gap in view.unchecked] == [False]


def test_words_in_the_clear_come_from_a_kept_transcript(rich: Console) -> None:  # noqa: F811
    """Where it is kept, the same lines with the same marks are there in the clear."""
    view = view_of(rich, "RM_audited")
    transcript = kept_transcript(rich.objects, view)
    assert transcript is not None
    text = unmasked(view, transcript)
    shown = "".join(piece.text for line in text.lines for piece in line.pieces)
    assert text.is_unmasked
    assert CARD in shown
    assert [line.id for line in text.lines] == [line.id for line in view.text.lines]
    assert CARD not in "".join(p.text for line in view.text.lines for p in line.pieces)


def test_words_that_are_kept_nowhere(rich: Console) -> None:  # noqa: F811
    """Without a kept transcript there is none, and a page can know before it asks."""
    view = view_of(rich, "RM_nocopies")
    assert not has_transcript(rich.objects, view)
    assert kept_transcript(rich.objects, view) is None
    assert has_transcript(rich.objects, view_of(rich, "RM_audited"))


def test_a_transcript_of_another_call_is_not_taken(rich: Console) -> None:  # noqa: F811
    """What lies in the wrong place is not shown as this call's words."""
    view = view_of(rich, "RM_nocopies")
    data = rich.objects.get_bytes("transcripts/2026-03-01/RM_audited/transcript.jsonl")
    key = "transcripts/2026-03-01/RM_nocopies/transcript.jsonl"
    rich.objects.put_bytes(key, data, content_type="application/jsonl")
    assert kept_transcript(rich.objects, view) is None


@pytest.mark.parametrize(
    ("room_sid", "expected"),
    [
        pytest.param("RM_audited", [(Hearing.COPY, True, True)] * 2, id="copies"),
        pytest.param("RM_clean", [(Hearing.WHOLE, True, True)] * 2, id="nothing-to-cover"),
        pytest.param("RM_nocopies", [(Hearing.CLOSED, False, True)] * 2, id="copies-switched-off"),
        pytest.param("RM_live", [(Hearing.CLOSED, False, True)] * 2, id="not-audited"),
        pytest.param("RM_deleted", [(Hearing.COPY, True, False)], id="recording-deleted"),
    ],
)
def test_what_can_be_heard(
    rich: Console,  # noqa: F811
    room_sid: str,
    expected: list[tuple[Hearing, bool, bool]],
) -> None:
    """Masked sound is the copy, or a recording that was wholly checked; all else is closed."""
    sounds = view_of(rich, room_sid).sounds
    assert [(s.hearing, s.masked is not None, s.original is not None) for s in sounds] == expected


def changed_speech(report: Report) -> Report:
    masked = replace(report.utterances[0], text=f"It is {MASK * 4}")
    return replace(report, utterances=(masked, *report.utterances[1:]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(
            lambda r: replace(r, is_complete=False), "could not check all", id="incomplete"
        ),
        pytest.param(
            lambda r: replace(
                r, recordings=tuple(replace(e, status="partly_checked") for e in r.recordings)
            ),
            "could not check all",
            id="partly-checked",
        ),
        pytest.param(changed_speech, "Personal data is said", id="personal-data"),
        pytest.param(
            lambda r: replace(
                r, recordings=tuple(replace(e, sha256="0" * 64) for e in r.recordings)
            ),
            "not the recording that the audit heard",
            id="another-file",
        ),
        pytest.param(lambda r: replace(r, recordings=()), "did not know", id="unknown-to-audit"),
        pytest.param(
            lambda r: replace(
                r, recordings=tuple(replace(e, to_be_deleted="pin") for e in r.recordings)
            ),
            "must not be kept",
            id="to-be-deleted",
        ),
    ],
)
def test_sound_fails_closed(
    rich: Console,  # noqa: F811
    change: Callable[[Report], Report],
    why: str,
) -> None:
    """Whatever is not sure closes the sound, and the page says why."""
    rewrite_report(rich.database, rich.objects, "RM_clean", change)
    sounds = view_of(rich, "RM_clean").sounds
    assert {sound.hearing for sound in sounds} == {Hearing.CLOSED}
    assert all(why in sound.why for sound in sounds)
    assert all(sound.masked is None for sound in sounds)


def test_a_copy_that_is_gone_closes_the_sound(rich: Console) -> None:  # noqa: F811
    """The original does not take the place of its redacted copy."""
    rich.objects.delete("redacted/2026-03-01/RM_audited/TR_2.ogg")
    heard = {s.names: (s.hearing, s.masked) for s in view_of(rich, "RM_audited").sounds}
    assert heard["customer",] == (Hearing.CLOSED, None)
    assert heard["agent",][0] is Hearing.COPY


def test_a_report_leads_to_no_other_calls_sound(rich: Console) -> None:  # noqa: F811
    """Keys in a report that lie elsewhere are not followed."""
    secret = "recordings/2026-03-01/RM_audited/TR_2.ogg"

    def steal(report: Report) -> Report:
        first = report.recordings[0]
        assert first.redacted is None
        stolen = replace(
            first,
            name=secret,
            redacted=report_copy(secret),
        )
        return replace(report, recordings=(stolen, replace(stolen, name="../../etc/passwd")))

    rewrite_report(rich.database, rich.objects, "RM_clean", steal)
    view = view_of(rich, "RM_clean")
    sent = {info.key for s in view.sounds for info in (s.masked, s.original) if info is not None}
    assert all("RM_clean" in key for key in sent)
    assert sound_id(secret) not in {s.id for s in view.sounds if s.is_there}


def report_copy(key: str) -> Any:
    from offline.report import RedactedCopy

    return RedactedCopy(key=key, n_covered=1, covered_s=1.0)


def test_a_report_of_version_1(rich: Console) -> None:  # noqa: F811
    """An older report is shown without what it has not: no waveforms, no redaction."""

    def older(report: Report) -> bytes:
        tree = json.loads(dump_report(report)) | {"schema_version": 1}
        for key in ("conduct", "waveforms", "redaction"):
            del tree[key]
        for recording in tree["recordings"]:
            del recording["redacted"]
        return json.dumps(tree).encode()

    rewrite_report(rich.database, rich.objects, "RM_audited", older)
    view = view_of(rich, "RM_audited")
    assert view.report_state is ReportState.THERE
    assert len(view.flags) == 6
    assert {s.hearing for s in view.sounds} == {Hearing.CLOSED}


def test_a_report_with_more_in_it_is_still_shown(rich: Console) -> None:  # noqa: F811
    """A key that this console does not know takes nothing away."""

    def newer(report: Report) -> bytes:
        return json.dumps(json.loads(dump_report(report)) | {"moods": [1, 2]}).encode()

    rewrite_report(rich.database, rich.objects, "RM_audited", newer)
    assert view_of(rich, "RM_audited").report_state is ReportState.THERE


@pytest.mark.parametrize(
    ("data", "state"),
    [
        pytest.param(b"{", ReportState.UNREADABLE, id="broken"),
        pytest.param(b'{"schema_version": 3}', ReportState.UNREADABLE, id="newer-version"),
        pytest.param(None, ReportState.GONE, id="gone"),
    ],
)
def test_what_is_left_without_a_report(
    rich: Console,  # noqa: F811
    data: bytes | None,
    state: ReportState,
) -> None:
    """The findings' rows are left: flags without transcript, and closed sound."""
    key = rewrite_report(rich.database, rich.objects, "RM_audited", lambda _: data or b"{}")
    if data is None:
        rich.objects.delete(key)
    view = view_of(rich, "RM_audited")
    assert view.report_state is state
    assert [(f.rule_id, f.standing) for f in view.flags if f.audit] == [
        ("disclosure.recording-notice", Standing.UNVERIFIED),
        ("conduct.promissory-claim", Standing.MISSED_LIVE),
        ("conduct.promissory-claim", Standing.MISSED_LIVE),
        ("pii.card-number", Standing.CONFIRMED),
    ]
    assert view.text.source is TextFrom.NOWHERE
    assert {s.hearing for s in view.sounds} == {Hearing.CLOSED}
    assert [gap.sentence for gap in view.unchecked]


def test_a_report_of_another_call_is_not_shown(rich: Console) -> None:  # noqa: F811
    """A report that says it is about another call is no report of this one."""

    def other(report: Report) -> Report:
        return replace(report, call=replace(report.call, room_sid="RM_other"))

    rewrite_report(rich.database, rich.objects, "RM_audited", other)
    assert view_of(rich, "RM_audited").report_state is ReportState.UNREADABLE


def test_a_call_that_is_not_audited(rich: Console) -> None:  # noqa: F811
    """Live hits alone, the observer's records as transcript, and gaps of the live side."""
    with rich.database.begin() as connection:
        gap = Gap(room_sid="RM_live", identity="+15551234567", kind=GapKind.OVERLOAD, start_s=3.0)
        save_gap(connection, gap)
    view = view_of(rich, "RM_live")
    assert view.report_state is ReportState.NOT_AUDITED
    assert [(f.subject, f.subject_id, f.standing) for f in view.flags] == [
        ("hit", "L1", Standing.NOT_AUDITED)
    ]
    assert view.text.source is TextFrom.RECORDS
    assert [line.flags for line in view.text.lines] == [(), (), (1,)]
    assert [gap.name for gap in view.unchecked] == [f"+{MASK * 11}"]


def test_names_are_masked_and_apart(rich: Console) -> None:  # noqa: F811
    """Two telephone numbers look alike when masked; they stay two people."""
    names = view_of(rich, "RM_live").names
    first, second = names.of("+15551234567"), names.of("+15551234568")
    assert first != second
    assert "1555" not in first + second
    assert names.of("+15551234567") == first


def test_a_deleted_recording_says_why(rich: Console) -> None:  # noqa: F811
    """Who misses the recording reads why it is gone, and hears its copy."""
    (sound,) = view_of(rich, "RM_deleted").sounds
    assert sound.note == (
        "The recording was deleted on 2026-03-02: the security code of a card is said in it."
    )


def test_no_such_call(rich: Console) -> None:  # noqa: F811
    """A call of which there is no row is none."""
    assert load_call(rich.database, rich.objects, "RM_none", titles={}) is None


def test_hostile_names_are_just_names(rich: Console) -> None:  # noqa: F811
    """Markup in names and words changes nothing in the model; numbers in it are masked."""
    view = view_of(rich, "RM_hostile")
    assert "<script>" in view.title
    assert len(view.lanes) == 1
    assert any(MARKUP[:8] in flag.title for flag in view.flags)
