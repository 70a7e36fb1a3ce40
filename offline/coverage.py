"""What an audit did not check: of each recording, of each participant, and of the live side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from offline.call import Call, Member, covers
from offline.egress_coverage import egress_faults
from offline.heard import Fault, Heard
from offline.lack import LACKS
from rules.types import Role, Span
from storage.findings import CoverageCode
from storage.gaps import Gap, GapKind

# People are let into a room within this time; who says something of weight in it is rare.
LATE_JOIN_S = 10.0

_SENTENCES = {
    "object_missing": "The recording is listed, but its file is not there.",
    "manifest_unreadable": "The recording's manifest cannot be read.",
    "no_recording": "Was on the call, and there is no recording of them.",
    "no_recordings": "There is no recording of this call.",
    "hash_mismatch": "The file is not the one that was recorded: its sha256 differs.",
    "undecodable": "The file cannot be decoded.",
    "broken_off": "The file is damaged and breaks off; it was checked as far as it goes.",
    "shorter_than_promised": "The file is shorter than what was recorded; its end is missing.",
    "not_told_apart": "Several people may be in it, and nothing told their voices apart: what was "
    "said was checked, but not who said it.",
    "voice_unknown": "Not every voice in it could be given to somebody on the call.",
    "implausible_offset": "What is heard in it does not fit where its recorder puts it on the "
    "call; it was left there.",
    "clock_drift": "Its clock runs differently from the call's, so times in it may be off.",
    "recogniser_failed": "The recogniser failed on this piece of speech.",
    "diarizer_failed": "What tells voices apart failed on it: what was said was checked, but not "
    "who said it.",
    # See `offline.lack`. What mends it is told to whoever runs the audit.
    "extra_missing": "what that needs was not installed where the audit ran.",
    "device_missing": "the GPU that was asked for was not there, or could not be used.",
    "models_missing": "the models were not there when the audit ran.",
    "models_unusable": "the models could not be used: they are damaged, or other ones.",
    "deleted_card_security_code": "Was deleted on purpose: a card's security code was said in it, "
    "and such a recording must not be kept.",
    "deleted_pin": "Was deleted on purpose: a PIN was said in it, and such a recording must not be "
    "kept.",
    "deaf_track": "The live side got no audio from this track.",
    "encrypted": "The track was encrypted end to end.",
    "overload": "The live side dropped audio to keep up.",
    "observer_lost": "The live side lost the call for a while.",
    "late_join": "The live side came after the call had begun.",
    "not_recorded": "This track was to be recorded, and Egress did not take it.",
    "egress_failed": "Egress failed to record this track.",
    "egress_aborted": "Egress gave up on this track before anything was recorded.",
    "egress_lost": "Egress does not say what became of the recording of this track.",
    "egress_running": "Egress had not finished the recording of this track.",
    "egress_without_file": "Egress finished the recording of this track elsewhere, or nowhere.",
    "egress_limit_reached": "Egress ended the recording at its time limit; the rest is missing.",
    "size_differs": "The file is not as long as it was when it was written.",
    "unobserved": "No observer was on the call.",
    "call_not_ended": "Nobody saw the end of the call; recordings may still be missing.",
}


_UNDONE = {
    CoverageCode.NOT_TRANSCRIBED: "Was not transcribed",
    CoverageCode.NOT_DIARIZED: "Several people may be in it, and their voices were not told apart",
}


def sentence(fault: Fault) -> str:
    """What a person reads for a fault."""
    text = _SENTENCES[fault.detail]
    if fault.detail in LACKS:
        text = f"{_UNDONE[fault.code]}: {text}"
    return f"{text} The recording has it." if fault.is_harmless else text


def call_faults(call: Call, heard: Sequence[Heard]) -> tuple[Fault, ...]:
    """All that was not checked of a call, the recordings' own faults first."""
    faults = [fault for each in heard for fault in each.faults]
    of_egress = tuple(egress_faults(call))
    faults += of_egress
    told_of = {fault.speaker for fault in of_egress}
    faults += (fault for fault in _missing_recordings(call, heard) if fault.speaker not in told_of)
    faults += _live_faults(call, heard)
    return tuple(faults)


def checked_spans(heard: Sequence[Heard], speaker: str) -> tuple[Span, ...]:
    """Where on the call clock a speaker was checked, merged and in order."""
    spans = sorted(span for each in heard for who, span in each.checked if who == speaker)
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].gap_s(span) == 0:
            merged[-1] = merged[-1].hull(span)
        else:
            merged.append(span)
    return tuple(merged)


def _missing_recordings(call: Call, heard: Sequence[Heard]) -> Iterator[Fault]:
    if not call.sources and not call.members:
        yield Fault(code=CoverageCode.RECORDING_MISSING, detail="no_recordings")
    recorded = {speaker for source in call.sources for speaker in source.speakers}
    recorded |= {speaker for each in heard for speaker in each.speakers}  # told apart in a mix
    # In a mix of the whole room is everybody; who could not be told apart in it is told there, and
    # so is that it was deleted, or could not be transcribed.
    is_mixed = any(
        each.source.is_mix and (each.checked or each.lacks or each.source.is_deleted)
        for each in heard
    )
    for member in call.members:
        if not is_mixed and member.identity not in recorded and _should_be_recorded(call, member):
            yield Fault(
                code=CoverageCode.RECORDING_MISSING,
                detail="no_recording",
                speaker=member.identity,
                span=_presence(member),
            )


def _should_be_recorded(call: Call, member: Member) -> bool:
    """Supervisors listen; unless one was heard or should have been, they have no recording."""
    if member.role is not Role.SUPERVISOR:
        return True
    if call.live is None:
        return False
    spoke = any(hit.speaker == member.identity for hit in call.live.hits)
    return spoke or any(gap.identity == member.identity for gap in call.live.gaps)


def _presence(member: Member) -> Span | None:
    if member.left_s is None or member.left_s <= member.joined_s:
        return None
    return Span(max(0.0, member.joined_s), member.left_s)


def _live_faults(call: Call, heard: Sequence[Heard]) -> Iterator[Fault]:
    if call.live is None:
        return
    given_up = {claim.identity for claim in call.claims if claim.gave_up_at is not None}
    for gap in call.live.gaps:
        is_of_recorder = gap.kind is GapKind.NOT_RECORDED
        if is_of_recorder and gap.identity in given_up:
            continue  # the claim tells of it
        span = _gap_span(call, gap)
        yield Fault(
            code=(
                CoverageCode.RECORDING_MISSING if is_of_recorder else CoverageCode.NOT_HEARD_LIVE
            ),
            detail=gap.kind.value,
            speaker=gap.identity,
            span=span,
            is_harmless=_is_recorded(call, heard, gap, span),
        )
    joined_s = call.live.joined_s or 0.0
    is_known = any(gap.kind is GapKind.LATE_JOIN for gap in call.live.gaps)
    if joined_s > LATE_JOIN_S and not is_known:
        late = Gap(
            room_sid=call.room_sid,
            identity=None,
            kind=GapKind.LATE_JOIN,
            start_s=0.0,
            end_s=joined_s,
        )
        span = Span(0.0, joined_s)
        yield Fault(
            code=CoverageCode.NOT_HEARD_LIVE,
            detail=late.kind.value,
            span=span,
            is_harmless=_is_recorded(call, heard, late, span),
        )
    if call.source == "livekit" and call.ended_s is None:
        yield Fault(code=CoverageCode.NOT_HEARD_LIVE, detail="call_not_ended")


def _gap_span(call: Call, gap: Gap) -> Span | None:
    end_s = gap.end_s
    if end_s is None:
        end_s = call.ended_s if call.ended_s is not None else call.recordings_end_s()
    start_s = max(0.0, gap.start_s)
    return Span(start_s, end_s) if end_s > start_s else None


def _is_recorded(call: Call, heard: Sequence[Heard], gap: Gap, span: Span | None) -> bool:
    """Whether the recordings have what the live side did not hear.

    What was dropped under load is in every recording. What never reached the observer is not in
    one of its own, where silence stands for it, but Egress may have got it.
    """
    if span is None or gap.kind is GapKind.ENCRYPTED:
        return False
    reliable = [
        each for each in heard if gap.kind is GapKind.OVERLOAD or each.source.recorder == "egress"
    ]
    speakers = {who for each in reliable for who, _ in each.checked}
    expected = {gap.identity} if gap.identity is not None else set(_expected(call))
    return bool(expected) and all(
        who in speakers and covers(checked_spans(reliable, who), span, share_ratio=0.95)
        for who in expected
        if who is not None
    )


def _expected(call: Call) -> Iterator[str]:
    for member in call.members:
        if _should_be_recorded(call, member):
            yield member.identity
