"""Objects with text in them: found by what they say, rewritten without the person, or erased."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from storage.erasure_files import clean_csv, clean_json, clean_lines, clean_parquet
from storage.erasure_hand import Hand
from storage.erasure_plan import Reports
from storage.errors import ManifestError, ObjectMissingError
from storage.manifest import parse_manifest
from storage.mentions import PARQUET, word_in
from storage.versions import ObjectVersion, versions_of

_RECORDINGS = "recordings/"
_REPORTS = "reports/"
_REPORT = "/report.json"
_PAGE = "/report.html"


class Texts:
    """Takes the person out of objects with text.

    Args:
        hand: Does it.
        reports: Rewrites reports.
    """

    def __init__(self, hand: Hand, reports: Reports) -> None:
        self._hand = hand
        self._reports = reports

    def settle(self, key: str, versions: tuple[ObjectVersion, ...], room_sid: str | None) -> None:
        """Look into one object, and do what is needed."""
        hand = self._hand
        if hand.is_named(key):
            hand.erase(key, versions, room_sid, "named_key")
            return
        is_report = room_sid is not None and key.startswith(_REPORTS)
        is_mentioned = self._is_mentioned(key, versions)
        if is_report and is_mentioned and room_sid is not None:
            hand.plan.calls.add(room_sid)
        # In reports and tables a name may stand masked, which looking for it does not find.
        may_hide = (is_report and room_sid in hand.plan.calls) or (
            key.endswith(PARQUET) and bool(hand.plan.calls)
        )
        if not is_mentioned and not may_hide:
            return
        if key.startswith(_RECORDINGS):
            self._manifest(key, versions, room_sid)
        elif is_report and key.endswith(_REPORT):
            self._report(key, versions, room_sid)
        elif is_report and key.endswith(_PAGE):
            # Written anew with its JSON, which comes next.
            if hand.store.head(f"{key.removesuffix('html')}json") is None:
                hand.erase(key, versions, room_sid, "report")
        else:
            self._rewrite(key, versions, room_sid)

    def _is_mentioned(self, key: str, versions: Sequence[ObjectVersion]) -> bool:
        for version in versions:
            if version.is_marker:
                continue
            try:
                data = self._hand.store.read(version)
            except ObjectMissingError:
                continue
            for word in self._hand.person.words:
                if word_in(key, data, word) and self._is_word(key, data):
                    return True
        return False

    def _is_word(self, key: str, data: bytes) -> bool:
        if key.endswith(PARQUET):
            return True
        return self._hand.person.mentioned_in(data.decode("utf-8", "replace"))

    def _manifest(
        self, key: str, versions: tuple[ObjectVersion, ...], room_sid: str | None
    ) -> None:
        """A manifest of the person's goes; one of a mix only loses the name of the room."""
        try:
            read = parse_manifest(self._hand.newest(versions), manifest_key=key)
            is_theirs = self._hand.person.is_them(read.identity)
        except (ManifestError, ObjectMissingError):
            is_theirs = True
        if is_theirs:
            self._hand.erase(key, versions, room_sid, "manifest")
        else:
            self._rewrite(key, versions, room_sid)

    def _report(self, key: str, versions: tuple[ObjectVersion, ...], room_sid: str | None) -> None:
        page_key = f"{key.removesuffix('json')}html"
        try:
            data = self._hand.newest(versions)
        except ObjectMissingError:
            self._hand.erase(key, versions, room_sid, "report")
            return
        made = self._reports.rewrite(data, self._hand.person, self._hand.pseudonym(room_sid))
        if made is not None:
            self._hand.replace(key, versions, room_sid, made[0], "application/json", "report")
            self._hand.replace(
                page_key, versions_of(self._hand.store, page_key), room_sid, made[1],
                "text/html; charset=utf-8", "report",
            )  # fmt: skip
            return
        self._hand.erase(key, versions, room_sid, "report")
        self._hand.erase(page_key, versions_of(self._hand.store, page_key), room_sid, "report")
        if room_sid is not None and room_sid not in self._hand.held.room_sids:
            self._hand.plan.audit_again.add(room_sid)

    def _rewrite(self, key: str, versions: tuple[ObjectVersion, ...], room_sid: str | None) -> None:
        try:
            data = self._hand.newest(versions)
        except ObjectMissingError:  # deleted, and older versions mention the person
            self._hand.erase(key, versions, room_sid, "older_versions")
            return
        pseudonym = self._hand.pseudonym(room_sid)
        held = self._hand.held.room_sids
        try:
            if key.endswith(PARQUET):
                cleaned, n_changed = clean_parquet(
                    data, self._hand.person, pseudonym, calls=self._hand.plan.calls, held=held
                )
                if not n_changed and cleaned == data and len(versions) == 1:
                    return
            elif key.endswith(".jsonl"):
                cleaned = clean_lines(data, self._hand.person, pseudonym)
            elif key.endswith(".json"):
                cleaned = clean_json(data, self._hand.person, pseudonym)
            elif key.endswith(".csv"):
                cleaned = clean_csv(data, self._hand.person, pseudonym, held)
            else:
                cleaned = self._hand.person.removed_from(data.decode(), pseudonym).encode()
        except ValueError:  # neither text nor what its name says
            self._hand.erase(key, versions, room_sid, "unreadable")
            return
        self._hand.replace(key, versions, room_sid, cleaned, _content_type(key), "text")


def _content_type(key: str) -> str:
    return {
        ".json": "application/json",
        ".jsonl": "application/jsonl",
        ".csv": "text/csv; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        PARQUET: "application/vnd.apache.parquet",
    }.get(posixpath.splitext(key)[1], "text/plain; charset=utf-8")
