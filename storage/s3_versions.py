"""Versions and locks of a bucket: S3's versioning, Object Lock and legal holds.

A delete without a version only hides an object behind a marker. To erase is to delete each version
by its id, the markers too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypedDict

from botocore.exceptions import ClientError, HTTPClientError

from storage.errors import ObjectMissingError, StorageUnavailableError
from storage.keys import checked_prefix
from storage.s3_bucket import Bucket
from storage.versions import Lock, Locking, LockMode, ObjectVersion, refuse_locked

# What stores say of a version on which nobody has set a lock.
_NOT_LOCKED = frozenset(
    {
        "InvalidRequest",  # Amazon, of a bucket without Object Lock
        "MethodNotAllowed",  # of a delete marker
        "NoSuchObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
    }
)
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_DAYS_A_YEAR = 365


class _Place(TypedDict):
    Bucket: str
    Key: str
    VersionId: str


class S3Versions(Bucket):
    """A bucket of which versions can be listed, locked and erased."""

    def locking(self) -> Locking:
        """See `KeepingStore.locking`."""
        with self._mapped():
            status = self._client.get_bucket_versioning(Bucket=self._bucket).get("Status")
        has_versions = status in {"Enabled", "Suspended"}
        try:
            with self._mapped():
                found = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except (StorageUnavailableError, ObjectMissingError):
            # A bucket without Object Lock answers with an error; one that is away was told before.
            return Locking(has_versions=has_versions, can_lock=False, is_enforced=False)
        lock = found.get("ObjectLockConfiguration", {})
        can_lock = lock.get("ObjectLockEnabled") == "Enabled"
        default = lock.get("Rule", {}).get("DefaultRetention", {})
        mode = default.get("Mode")
        days = default.get("Days") or (default.get("Years") or 0) * _DAYS_A_YEAR or None
        return Locking(
            has_versions=has_versions,
            can_lock=can_lock,
            is_enforced=can_lock,
            default_mode=LockMode(mode.lower()) if mode else None,
            default_days=days,
        )

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """See `KeepingStore.versions`."""
        start = self._prefix + checked_prefix(prefix)
        with self._mapped():
            pages = iter(
                self._client.get_paginator("list_object_versions").paginate(
                    Bucket=self._bucket, Prefix=start
                )
            )
        while True:
            with self._mapped():
                page = next(pages, None)
            if page is None:
                return
            found = [
                self._version(
                    entry["Key"],
                    entry.get("VersionId"),
                    entry["LastModified"],
                    is_latest=entry["IsLatest"],
                    size_bytes=entry["Size"],
                )
                for entry in page.get("Versions", ())
            ]
            found += [
                self._version(
                    entry["Key"],
                    entry.get("VersionId"),
                    entry["LastModified"],
                    is_latest=entry["IsLatest"],
                    size_bytes=None,
                )
                for entry in page.get("DeleteMarkers", ())
            ]
            # A page names versions and markers apart. Folders that consoles make are left out.
            yield from sorted(
                (version for version in found if version.key and not version.key.endswith("/")),
                key=lambda version: version.key.encode(),
            )

    def read(self, version: ObjectVersion) -> bytes:
        """See `KeepingStore.read`."""
        if version.is_marker:
            raise ObjectMissingError(f"object {version.key!r}: a delete marker has no bytes")
        try:
            with self._mapped(version.key):
                return self._client.get_object(**self._place(version))["Body"].read()
        except HTTPClientError as exc:
            raise StorageUnavailableError(
                f"object {version.key!r} broke off while it was read ({type(exc).__name__})"
            ) from None

    def lock_of(self, version: ObjectVersion) -> Lock:
        """See `KeepingStore.lock_of`."""
        if version.is_marker:
            return Lock()
        place = self._place(version)
        with self._mapped(version.key):
            try:
                held = self._client.get_object_legal_hold(**place)["LegalHold"].get("Status")
            except ClientError as exc:
                _raise_unless(exc, _NOT_LOCKED | _GONE)
                held = None
            try:
                retention = self._client.get_object_retention(**place)["Retention"]
            except ClientError as exc:
                _raise_unless(exc, _NOT_LOCKED | _GONE)
                retention = {}
        until, mode = retention.get("RetainUntilDate"), retention.get("Mode")
        return Lock(
            is_held=held == "ON",
            retain_until=until.astimezone(UTC) if until else None,
            mode=LockMode(mode.lower()) if mode else None,
        )

    def hold(self, version: ObjectVersion, *, on: bool) -> None:
        """See `KeepingStore.hold`."""
        if version.is_marker:
            return
        with self._mapped(version.key):
            try:
                self._client.put_object_legal_hold(
                    **self._place(version), LegalHold={"Status": "ON" if on else "OFF"}
                )
            except ClientError as exc:
                _raise_unless(exc, _GONE)

    def retain(self, version: ObjectVersion, until: datetime, mode: LockMode) -> None:
        """See `KeepingStore.retain`."""
        known = self.lock_of(version).retain_until
        if version.is_marker or (known is not None and known >= until):
            return
        with self._mapped(version.key):
            self._client.put_object_retention(
                **self._place(version),
                Retention={
                    "Mode": "COMPLIANCE" if mode is LockMode.COMPLIANCE else "GOVERNANCE",
                    "RetainUntilDate": until,
                },
            )

    def erase(self, version: ObjectVersion, *, bypass_governance: bool = False) -> None:
        """See `KeepingStore.erase`."""
        try:
            with self._mapped(version.key):
                # The header by itself is refused where a bucket has no Object Lock.
                if bypass_governance:
                    self._client.delete_object(
                        **self._place(version), BypassGovernanceRetention=True
                    )
                else:
                    self._client.delete_object(**self._place(version))
        except ObjectMissingError:
            return
        except StorageUnavailableError:
            # S3 answers "access denied" both to a lock and to a policy.
            refuse_locked(version.key, self.lock_of(version), datetime.now(UTC))
            raise

    def _version(
        self,
        name: str,
        version_id: str | None,
        modified_at: datetime,
        *,
        is_latest: bool,
        size_bytes: int | None,
    ) -> ObjectVersion:
        return ObjectVersion(
            key=name[len(self._prefix) :],
            version_id=version_id or "null",
            is_latest=is_latest,
            is_marker=size_bytes is None,
            size_bytes=size_bytes or 0,
            modified_at=modified_at.astimezone(UTC),
        )

    def _place(self, version: ObjectVersion) -> _Place:
        return {
            "Bucket": self._bucket,
            "Key": self._name(version.key),
            "VersionId": version.version_id or "null",
        }


def _raise_unless(exc: ClientError, codes: frozenset[str]) -> None:
    if str(exc.response.get("Error", {}).get("Code")) not in codes:
        raise exc
