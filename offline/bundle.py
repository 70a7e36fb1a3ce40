"""The evidence bundle of a call: a ZIP whose signed manifest names every entry with its hash.

What is inside is masked, unless originals are asked for. Anybody can check it, with
`earmark bundle verify` or with openssl and sha256sum alone.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from offline.errors import BundleError
from offline.report import Report, parse_report
from rules.rulebook import Rulebook
from storage.audits import Audit, latest_done
from storage.database import Database
from storage.errors import ObjectMissingError
from storage.holds import holds_of
from storage.manifest import Recording, manifest_key
from storage.objects import ObjectStore
from storage.published_rules import files_of, numbers_by_fingerprint
from storage.recordings import recordings_of
from storage.signing_keys import fingerprint, public_pem
from storage.transcripts import transcript_key
from storage.verdicts import verdicts_of

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PUBLIC_KEY: Final = "signing-key.pem"
TYPE: Final = "earmark-evidence-bundle"
SCHEMA_VERSION: Final = 1
# A ZIP knows no zones, and the same evidence is to give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_STORED = (".ogg", ".mp3", ".mp4", ".m4a", ".flac", ".opus")  # compressed already

_README = """\
Evidence bundle of one call, made by Earmark.

manifest.json names every file here with its size and SHA-256. manifest.sig is the Ed25519
signature of manifest.json, 64 raw bytes, by the key whose public half is signing-key.pem. Get that
key, or its fingerprint in the manifest, by another way before you rely on it: whoever forges a
bundle can forge the key in it too.

  earmark bundle verify BUNDLE.zip --key THEIR-PUBLIC-KEY.pem

or without Earmark, in the unpacked folder:

  openssl pkeyutl -verify -pubin -inkey THEIR-PUBLIC-KEY.pem -rawin -in manifest.json \\
    -sigfile manifest.sig
  sha256sum FILE     and compare with manifest.json

report/       what the audit found, as page and as data; personal data is masked
recordings.json   every recording with its hash as recorded, as audited, and as it is now
pipeline.json     what ran: engines, versions, rules
rules/        the rules in force, where the ones of the audit are still there
holds.json, verdicts.json   legal holds and reviewers' decisions, without names and notes
redacted/     copies in which personal data cannot be heard
originals/    recordings, manifests and transcripts as they are, only where asked for
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was made."""

    path: Path
    n_entries: int
    size_bytes: int
    sha256: str
    key_fingerprint: str
    has_originals: bool
    has_rules: bool
    missing: tuple[str, ...]  # keys of recordings that are not there


class Bundler:
    """Packs evidence.

    Args:
        database: Open.
        objects: Where reports and recordings lie.
        rulebook: Rules from files; they go in if they are those of the audit. Published ones are
            found without. None = only published ones are looked for.
        key: Signs the manifest.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        rulebook: Rulebook | None,
        key: Ed25519PrivateKey,
    ) -> None:
        self._database = database
        self._objects = objects
        self._rulebook = rulebook
        self._key = key

    def make(self, room_sid: str, out: Path, *, now: datetime, originals: bool = False) -> Bundle:
        """Pack a call's evidence into a file that is there whole or not at all.

        Args:
            room_sid: The call.
            out: The file to make; none may be there.
            now: UTC.
            originals: Pack recordings, manifests and a kept transcript unmasked, too.

        Raises:
            BundleError: the call has no report, or the file cannot be made.
            StorageError: the store or the database failed.
        """
        if out.exists():
            raise BundleError(f"{out}: is there already; give another name")
        with self._database.begin(read_only=True) as connection:
            audit = latest_done(connection, room_sid)
            recordings = recordings_of(connection, room_sid)
            holds = holds_of(connection, room_sid)
            verdicts = verdicts_of(connection, room_sid)
        report_json, report, folder = self._report(room_sid, audit)
        with TemporaryDirectory(prefix="earmark-bundle-", dir=_folder_of(out)) as temporary:
            target = Path(temporary) / "bundle.zip"
            with zipfile.ZipFile(target, "w") as file:
                writer = _Writer(file, Path(temporary), self._objects)
                writer.add("README.txt", _README.encode())
                writer.add("report/report.json", report_json)
                writer.add_object("report/report.html", f"reports/{folder}/report.html")
                told, missing = self._recordings(report, recordings, writer)
                writer.add("recordings.json", _json(told))
                writer.add("pipeline.json", _json(_pipeline(report, audit)))
                has_rules = self._rules(report, writer)
                writer.add("holds.json", _json([
                    {"hold_id": each.hold_id, "set_at": each.set_at.isoformat(),
                     "released_at": each.released_at.isoformat() if each.released_at else None}
                    for each in holds
                ]))  # fmt: skip
                writer.add("verdicts.json", _json([
                    {"verdict_id": each.id, "subject": each.subject.value,
                     "subject_id": each.subject_id, "rule_id": each.rule_id,
                     "rule_version": each.rule_version, "decision": each.decision.value,
                     "is_final": each.is_final, "decided_at": each.decided_at.isoformat()}
                    for each in verdicts
                ]))  # fmt: skip
                for found in self._objects.list(f"redacted/{folder}/"):
                    writer.add_object(found.key, found.key)
                if originals:
                    self._originals(report, recordings, writer)
                manifest = self._manifest(report, writer, now=now, originals=originals)
                writer.add(MANIFEST, manifest)
                writer.add(SIGNATURE, self._key.sign(manifest))
                writer.add(PUBLIC_KEY, public_pem(self._key.public_key()))
            try:
                size_bytes = target.stat().st_size
                with target.open("rb") as packed:
                    digest = hashlib.file_digest(packed, "sha256").hexdigest()
                target.rename(out)
            except OSError as exc:
                raise BundleError(f"{out}: cannot be made: {exc.strerror}") from None
        return Bundle(
            path=out,
            n_entries=len(writer.entries),
            size_bytes=size_bytes,
            sha256=digest,
            key_fingerprint=fingerprint(self._key.public_key()),
            has_originals=originals,
            has_rules=has_rules,
            missing=missing,
        )

    def _report(self, room_sid: str, audit: Audit | None) -> tuple[bytes, Report, str]:
        if audit is None or audit.report_key is None:
            raise BundleError(f"call {room_sid}: has no report; run `earmark audit` first")
        folder = audit.report_key.removeprefix("reports/").removesuffix("/report.html")
        try:
            data = self._objects.get_bytes(f"reports/{folder}/report.json")
        except ObjectMissingError:
            raise BundleError(
                f"call {room_sid}: its report is gone from {self._objects.describe()}; audit it "
                "again"
            ) from None
        return data, parse_report(data), folder

    def _recordings(
        self, report: Report, rows: tuple[Recording, ...], writer: _Writer
    ) -> tuple[list[dict[str, object]], tuple[str, ...]]:
        """Every recording with its hashes; no identity is in it, but the report's masked name."""
        by_key = {row.object_key: row for row in rows}
        audited = {each.name: each for each in report.recordings}
        told: list[dict[str, object]] = []
        missing: list[str] = []
        for key in sorted({*by_key, *(name for name in audited if "/" in name)}):
            row, heard = by_key.get(key), audited.get(key)
            now = writer.hash_of(key)
            if now is None:
                missing.append(key)
            told.append(
                {
                    "object_key": key,
                    "sha256_recorded": row.sha256 if row else None,
                    "sha256_audited": heard.sha256 if heard else None,
                    "sha256_now": now,
                    "speakers": list(heard.speakers) if heard else None,
                    "egress_id": row.egress_id if row else None,
                    "track_id": row.track_id if row else None,
                    "recorder": row.recorder if row else None,
                    "started_at": row.started_at.isoformat() if row else None,
                    "duration_s": row.duration_s if row else None,
                }
            )
        return told, tuple(missing)

    def _rules(self, report: Report, writer: _Writer) -> bool:
        """Pack the rule files that the audit had, if they are published or in force."""
        with self._database.begin(read_only=True) as connection:
            number = numbers_by_fingerprint(connection).get(report.rulebook.fingerprint)
            files = {} if number is None else files_of(connection, number)
        for name, raw in files.items():
            writer.add(f"rules/{name}", raw)
        if files:
            return True
        if self._rulebook is None or self._rulebook.fingerprint != report.rulebook.fingerprint:
            return False
        paths = {pack.location.path for pack in self._rulebook.packs if pack.location is not None}
        names: set[str] = set()
        for path in sorted(paths):
            name = path.name
            while name in names:
                name = f"_{name}"
            names.add(name)
            writer.add(f"rules/{name}", path.read_bytes())
        return True

    def _originals(
        self, report: Report, recordings: tuple[Recording, ...], writer: _Writer
    ) -> None:
        keys = [key for row in recordings for key in (row.object_key, manifest_key(row.object_key))]
        keys.append(transcript_key(report.call.day, report.call.room_sid))
        for key in dict.fromkeys(keys):
            if self._objects.head(key) is not None:
                writer.add_object(f"originals/{key}", key)

    def _manifest(
        self, report: Report, writer: _Writer, *, now: datetime, originals: bool
    ) -> bytes:
        return _json(
            {
                "type": TYPE,
                "schema_version": SCHEMA_VERSION,
                "room_sid": report.call.room_sid,
                "audit_key": report.audit_key,
                "made_at": now.isoformat(),
                "made_by": f"earmark {version('earmark')}",
                "is_masked": not originals,
                "signing_key_sha256": fingerprint(self._key.public_key()),
                "entries": [
                    {"path": path, **facts} for path, facts in sorted(writer.entries.items())
                ],
            }
        )


class _Writer:
    """Writes entries and remembers their hashes."""

    def __init__(self, file: zipfile.ZipFile, folder: Path, objects: ObjectStore) -> None:
        self.entries: dict[str, dict[str, object]] = {}
        self._file = file
        self._folder = folder
        self._objects = objects

    def add(self, path: str, data: bytes) -> None:
        """Add bytes."""
        self._file.writestr(_info(path), data)
        digest = hashlib.sha256(data).hexdigest()
        self.entries[path] = {"sha256": digest, "size_bytes": len(data)}

    def add_object(self, path: str, key: str) -> None:
        """Add an object of the store, by way of a file: it may be hours of sound."""
        local = self._folder / "object"
        self._objects.fetch(key, local)
        with local.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            size_bytes = source.tell()
            source.seek(0)
            with self._file.open(_info(path), "w", force_zip64=True) as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        self.entries[path] = {"sha256": digest, "size_bytes": size_bytes}

    def hash_of(self, key: str) -> str | None:
        """The hash that an object has now, None where it is not there."""
        local = self._folder / "object"
        try:
            self._objects.fetch(key, local)
        except ObjectMissingError:
            return None
        with local.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()


def _pipeline(report: Report, audit: Audit | None) -> Mapping[str, object]:
    return {
        "audit_key": report.audit_key,
        "pipeline": dict(audit.pipeline) if audit and audit.pipeline else None,
        "transcriber": report.engines.transcriber,
        "vad": report.engines.vad,
        "similarity": report.engines.similarity,
        "pipeline_version": report.engines.pipeline_version,
        "earmark_version": report.engines.earmark_version,
        "packs": [{"id": pack.id, "version": pack.version} for pack in report.rulebook.packs],
        "rules_fingerprint": report.rulebook.fingerprint,
        "rules_fingerprint_live": report.rulebook.live_fingerprint,
    }


def _info(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_STORED if path.endswith(_STORED) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _folder_of(out: Path) -> Path:
    folder = out.absolute().parent
    if not folder.is_dir():
        raise BundleError(f"{folder}: is no folder; make it first")
    return folder
