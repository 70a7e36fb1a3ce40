"""Recordings that hold other people, too: deleted, kept, or silenced where the person speaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import delete, update

from storage.erasure_hand import Hand
from storage.erasure_plan import Mixed, Reports, Silence
from storage.manifest import Recording, manifest_key
from storage.retention_policy import call_of
from storage.tables import RECORDINGS
from storage.versions import ObjectVersion, versions_of

_REPORT = "/report.json"


class MixedRecordings:
    """Does with them what was decided.

    Args:
        hand: Does it.
        decision: What; None only in a dry run.
        reports: Say where the person speaks.
        silence: Silences it.
    """

    def __init__(
        self, hand: Hand, decision: Mixed | None, reports: Reports, silence: Silence
    ) -> None:
        self._hand = hand
        self._mixed = decision
        self._reports = reports
        self._silence = silence

    def settle(self, mixed: Mapping[str, Recording]) -> None:
        """Settle all of them, by key."""
        for key, recording in sorted(mixed.items()):
            versions = versions_of(self._hand.store, key)
            if self._mixed is Mixed.DELETE:
                self._hand.erase(key, versions, recording.room_sid, "mixed_recording")
                manifest = manifest_key(key)
                found = versions_of(self._hand.store, manifest)
                if found:
                    self._hand.erase(manifest, found, recording.room_sid, "mixed_recording")
                self._forget_recording(key)
            elif self._mixed is Mixed.REDACT:
                self._redact(key, versions, recording)
            elif self._mixed is Mixed.KEEP:
                self._hand.plan.kept.append(key)

    def _redact(self, key: str, versions: tuple[ObjectVersion, ...], recording: Recording) -> None:
        spans: tuple[tuple[float, float], ...] | None = None
        for found in self._hand.store.list("reports/"):
            if found.key.endswith(_REPORT) and call_of(found.key) == recording.room_sid:
                data = self._hand.store.get_bytes(found.key)
                spans = self._reports.speech(data, self._hand.person, key)
        if spans is None:
            self._hand.plan.left[key] = (
                "no report says where the person speaks in it; delete or keep it"
            )
            return
        if not spans:
            return  # silenced by an earlier run, or they said nothing
        silenced = (
            b"" if self._hand.dry_run else self._silence(self._hand.newest(versions), key, spans)
        )
        if not self._hand.replace(
            key, versions, recording.room_sid, silenced, "audio/ogg", "mixed_recording"
        ):
            return
        if not self._hand.dry_run:
            self._rehash(key, silenced)

    def _rehash(self, key: str, data: bytes) -> None:
        """Tell row and manifest of the new bytes, or the audit would take them for forged."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self._hand.database.begin() as connection:
            connection.execute(
                update(RECORDINGS).where(RECORDINGS.c.object_key == key).values(sha256=sha256)
            )
        manifest = manifest_key(key)
        versions = versions_of(self._hand.store, manifest)
        if not versions:
            return
        told = json.loads(self._hand.newest(versions))
        if isinstance(told.get("earmark"), dict):
            told["earmark"]["sha256"] = sha256
            written = json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n"
            self._hand.replace(manifest, versions, None, written, "application/json", "text")

    def _forget_recording(self, key: str) -> None:
        if not self._hand.dry_run and key not in self._hand.plan.left:
            with self._hand.database.begin() as connection:
                connection.execute(delete(RECORDINGS).where(RECORDINGS.c.object_key == key))
