"""What Egress was to record of a call and did not, or not wholly."""

from __future__ import annotations

from collections.abc import Iterator

from offline.call import Call
from offline.heard import Fault
from storage.egresses import Egress, EgressStatus
from storage.findings import CoverageCode

_BAD_ENDS = {
    EgressStatus.FAILED: "egress_failed",
    EgressStatus.ABORTED: "egress_aborted",
    EgressStatus.LOST: "egress_lost",
}


def egress_faults(call: Call) -> Iterator[Fault]:
    """Faults of Egress's recordings that the files themselves do not tell of."""
    readable = {source.name for source in call.sources if source.is_there}
    whole = {
        egress.track_id
        for egress in call.egresses
        if egress.status is EgressStatus.COMPLETE and egress.object_key in readable
    }
    for egress in call.egresses:
        found = _fault_of(egress, has_file=egress.object_key in readable)
        # A track that was recorded by another try is whole.
        if found is not None and (egress.track_id not in whole or egress.object_key in readable):
            code, detail = found
            yield Fault(
                code=code,
                detail=detail,
                speaker=_speaker(call, egress),
                source=egress.object_key or egress.track_id,
            )
    taken = {egress.track_id for egress in call.egresses}
    for claim in call.claims:
        if claim.egress_id is None and claim.track_id not in taken:
            yield Fault(
                code=CoverageCode.RECORDING_MISSING,
                detail="not_recorded",
                speaker=claim.identity,
                source=claim.track_id,
            )


def _fault_of(egress: Egress, *, has_file: bool) -> tuple[CoverageCode, str] | None:
    status = egress.status
    if not status.is_final:
        return None if has_file else (CoverageCode.RECORDING_MISSING, "egress_running")
    if status in _BAD_ENDS:
        missing, cut = CoverageCode.RECORDING_MISSING, CoverageCode.RECORDING_TRUNCATED
        return (cut if has_file else missing), _BAD_ENDS[status]
    if egress.object_key is None:
        return CoverageCode.RECORDING_MISSING, "egress_without_file"
    if status is EgressStatus.LIMIT_REACHED:
        return CoverageCode.RECORDING_TRUNCATED, "egress_limit_reached"
    if has_file and egress.problem == "size_differs":
        return CoverageCode.RECORDING_CORRUPT, "size_differs"
    return None


def _speaker(call: Call, egress: Egress) -> str | None:
    for claim in call.claims:
        if claim.track_id == egress.track_id:
            return claim.identity
    for source in call.sources:
        if source.id == egress.track_id and not source.is_mix:
            return source.speakers[0]
    return None
