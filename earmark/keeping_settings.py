"""Settings of how long things are kept, what is locked, and the keys of bundles and receipts."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from earmark.alert_settings import check_signing_secret
from storage.retention_policy import Policy
from storage.versions import LockMode, LockRules

_MOST_DAYS = 36_500
_KEPT_BY_DEFAULT = "unset keeps them until a time is set"


def _days(what: str) -> int | None:
    found: int | None = Field(
        None,
        ge=1,
        le=_MOST_DAYS,
        description=f"Days after which `earmark retention apply` deletes {what}; "
        f"{_KEPT_BY_DEFAULT}.",
    )
    return found


def _lock(what: str) -> int | None:
    found: int | None = Field(
        None,
        ge=1,
        le=_MOST_DAYS,
        description=f"Days for which {what} are locked when they are written, so that nobody "
        "replaces or erases them; unset locks nothing. On S3 the bucket needs Object Lock.",
    )
    return found


class KeepingSettings(BaseSettings):
    """What is kept, for how long, and how firmly."""

    keep_recordings_days: int | None = _days("recordings, counted from the day of the call")
    keep_redacted_days: int | None = _days("redacted copies, counted from the day of the call")
    keep_reports_days: int | None = _days("reports, counted from the day of the call")
    keep_tables_days: int | None = _days("Parquet and CSV tables, counted from their day")
    keep_bundles_days: int | None = _days("evidence bundles in the object store")
    keep_rows_days: int | None = Field(
        None,
        ge=1,
        le=_MOST_DAYS,
        description="Days after which `earmark retention apply` deletes all rows of a call, "
        "reviewers' verdicts too, counted from its beginning; unset keeps them. Not shorter than "
        "recordings and redacted copies are kept.",
    )
    lock_recordings_days: int | None = _lock("recordings by the built-in recorder")
    lock_reports_days: int | None = _lock("reports")
    lock_bundles_days: int | None = _lock("evidence bundles in the object store")
    lock_trail_days: int | None = _lock("signed heads of the audit trail")
    lock_mode: LockMode = Field(
        LockMode.GOVERNANCE,
        description="How firmly: `governance` (whoever has the right to may lift it) or "
        "`compliance` (nobody may, not even the owner of the account).",
    )
    lock_compliance_max_days: int | None = Field(
        None,
        ge=1,
        le=_MOST_DAYS,
        description="The most days that may be locked in compliance mode, which cannot be undone; "
        "without it, that mode is refused.",
    )
    bundle_key_file: Path | None = Field(
        None,
        description="File with the Ed25519 private key, PEM, that signs evidence bundles; "
        "`earmark bundle key` makes one.",
    )
    erasure_key: SecretStr | None = Field(
        None,
        description="Secret that turns identities into the hashes of erasure receipts, as whsec_ "
        "and base64; unset makes one in the data folder.",
    )

    @field_validator(
        "keep_recordings_days", "keep_redacted_days", "keep_reports_days", "keep_tables_days",
        "keep_bundles_days", "keep_rows_days", "lock_recordings_days",
        "lock_reports_days", "lock_bundles_days", "lock_trail_days",
        "lock_compliance_max_days", "bundle_key_file", "erasure_key",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_means_unset(cls, value: object) -> object:
        # A compose file passes on a variable that nobody set as an empty one.
        return None if value == "" else value

    @field_validator("erasure_key")
    @classmethod
    def _is_erasure_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_signing_secret(value)
        return value

    @model_validator(mode="after")
    def _times_go_together(self) -> KeepingSettings:
        retention_policy(self)
        for kind in ("recordings", "reports", "bundles", "trail"):
            locked = getattr(self, f"lock_{kind}_days")
            kept = getattr(self, f"keep_{kind}_days", None)
            if locked is not None and kept is not None and locked > kept:
                raise ValueError(
                    f"lock_{kind}_days is {locked} and keep_{kind}_days {kept}: what is locked "
                    "cannot be deleted then"
                )
            ceiling = self.lock_compliance_max_days
            if locked is not None and self.lock_mode is LockMode.COMPLIANCE:
                if ceiling is None:
                    raise ValueError(
                        "lock_mode compliance cannot be undone; say with "
                        "lock_compliance_max_days how many days may be locked at most"
                    )
                if locked > ceiling:
                    raise ValueError(
                        f"lock_{kind}_days is {locked}, more than the {ceiling} of "
                        "lock_compliance_max_days"
                    )
        return self


def retention_policy(settings: KeepingSettings) -> Policy:
    """For how long what is kept.

    Raises:
        ValueError: the times contradict each other.
    """
    return Policy(
        recordings_days=settings.keep_recordings_days,
        redacted_days=settings.keep_redacted_days,
        reports_days=settings.keep_reports_days,
        tables_days=settings.keep_tables_days,
        transcripts_days=getattr(settings, "keep_transcripts_days", None),
        stages_days=getattr(settings, "keep_stages_days", None),
        bundles_days=settings.keep_bundles_days,
        rows_days=settings.keep_rows_days,
    )


def lock_rules(settings: KeepingSettings) -> LockRules | None:
    """What is locked when it is written; None = nothing."""
    days = {
        "recordings/": settings.lock_recordings_days,
        "reports/": settings.lock_reports_days,
        "bundles/": settings.lock_bundles_days,
        "trail/": settings.lock_trail_days,
    }
    wanted = {prefix: each for prefix, each in days.items() if each is not None}
    return LockRules(days_by_prefix=wanted, mode=settings.lock_mode) if wanted else None
