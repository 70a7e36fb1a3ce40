"""The key of an audit: one hash over everything that decides its report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from offline.call import Call, Source


def audit_key(call: Call, pipeline: Mapping[str, object], rulebook_fingerprint: str) -> str:
    """The same recordings, live facts, models and rules give the same key, in any process.

    Args:
        call: What was found.
        pipeline: Models, options and version of the audit's code, as JSON.
        rulebook_fingerprint: The rules in force.

    Returns:
        Sha256, hex.
    """
    content = {
        "room_sid": call.room_sid,
        "recordings": sorted(_recording(source) for source in call.sources),
        # Live facts that came in late make another report.
        "live": _live(call),
        # Egress may say more later than it had when the call was first audited.
        **_egress(call),
        "members": sorted([member.identity, member.role or ""] for member in call.members),
        "ended_s": call.ended_s,
        "pipeline": pipeline,
        "rulebook": rulebook_fingerprint,
    }
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _egress(call: Call) -> dict[str, object]:
    """How recordings by Egress stand; nothing where there are none, as it was before Egress."""
    if not call.egresses and not call.claims:
        return {}
    return {
        "egress": [
            [e.egress_id, e.track_id, e.status.value, e.size_bytes, e.problem]
            for e in call.egresses
        ],
        "egress_claims": [[c.track_id, c.identity, c.is_settled] for c in call.claims],
    }


def repeated_key(key: str, repeat: int) -> str:
    """The key under which an audit is done again whose report is no longer there."""
    return key if repeat == 0 else hashlib.sha256(f"{key}#{repeat}".encode()).hexdigest()


def _recording(source: Source) -> list[str]:
    where = "" if source.path is not None else source.name
    return [
        where,
        source.sha256 or "",
        # A file that turns up, or is mended, is another one than before.
        "" if source.size_bytes is None else str(source.size_bytes),
        f"{source.clock.offset_s:.3f}",
        source.problem or "",
        *source.speakers,
        *(["mix"] if source.is_mix and source.path is not None else []),
    ]


def _live(call: Call) -> object:
    if call.live is None:
        return None
    # Who spoke when decides whose a voice is, and where a recording lies.
    speech = [[who, span.start_s, span.end_s] for who, span in sorted(call.live.speech)]
    return {
        **({"speech": speech} if speech else {}),
        "hits": sorted([hit.id, hit.state.value] for hit in call.live.hits),
        "gaps": sorted(json.dumps(asdict(gap), sort_keys=True) for gap in call.live.gaps),
        "joined_s": call.live.joined_s,
        "rulebook": call.live.rulebook_fingerprint,
    }
