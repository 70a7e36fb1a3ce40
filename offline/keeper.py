"""Keeping what was really said, where somebody has asked for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from offline.call import Call
from offline.composition import Evidence
from offline.outputs import Finished
from offline.redaction import FORBIDDEN
from rules.call_events import call_events
from rules.masking import mask_text
from rules.types import TextRange, Utterance
from storage.objects import ObjectStore
from storage.transcripts import CONTENT_TYPE, Transcript, dump_transcript, transcript_key


class Keeper:
    """Puts transcripts away, or sees that none is left.

    Args:
        objects: Where they go.
        days: For how long they are kept; None = they are not. `storage.transcripts` removes them.
    """

    def __init__(self, objects: ObjectStore, days: int | None) -> None:
        self._objects = objects
        self._days = days

    def describe(self) -> Mapping[str, object]:
        """See `Output.describe`: what is kept for how long makes no other report."""
        return {}

    def lacks(self, call: Call) -> bool:
        """Whether a transcript should be there and is not.

        So whoever begins to keep transcripts gets those of young calls too. Those of older calls
        would have been removed by now, and are not brought back.
        """
        if self._days is None:
            return False
        is_young = call.day > datetime.now(UTC).date() - timedelta(days=self._days)
        return is_young and self._objects.head(_key(call)) is None

    def write(self, finished: Finished) -> None:
        """Put a call's transcript in the place of an earlier one, or remove that one."""
        report, evidence = finished.report, finished.evidence
        key = _key(evidence.call)
        if self._days is None:
            # It belongs to a report that goes away now.
            if self._objects.head(key) is not None:
                self._objects.delete(key)
            return
        transcript = Transcript(
            room_sid=report.call.room_sid,
            audit_key=report.audit_key,
            rulebook_fingerprint=report.rulebook.fingerprint,
            pipeline=finished.pipeline,
            is_complete=report.is_complete,
            made_at=report.made_at,
            events=tuple(
                call_events(evidence.participants, _without_codes(evidence), end_s=evidence.end_s)
            ),
        )
        self._objects.put_bytes(key, dump_transcript(transcript), content_type=CONTENT_TYPE)


def _without_codes(evidence: Evidence) -> Sequence[Utterance]:
    """What was said, but for codes that may not be kept, whoever asks to keep the rest."""
    ranges: dict[str, list[TextRange]] = {}
    for entity in evidence.judgement.entities:
        if entity.type in FORBIDDEN:
            for part in entity.parts:
                ranges.setdefault(part.utterance_id, []).append(part)
    return [_masked(utterance, ranges.get(utterance.id)) for utterance in evidence.utterances]


def _masked(utterance: Utterance, ranges: Sequence[TextRange] | None) -> Utterance:
    if not ranges:
        return utterance
    text = mask_text(utterance.text, ranges)
    words = tuple(w._replace(text=text[w.start_chars : w.end_chars]) for w in utterance.words)
    return replace(utterance, text=text, words=words)


def _key(call: Call) -> str:
    return transcript_key(call.day, call.room_sid)
