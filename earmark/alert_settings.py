"""The settings of one alert target, and how they become what the live side works with."""

from __future__ import annotations

import os
from base64 import b64decode
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from realtime.targets import PAGERDUTY_URL, Target, TargetKind
from rules.types import Severity

_FROM_VARIABLE = "env:"


def _from_variable(value: object) -> object:
    """`env:NAME` stands for what the variable NAME holds, so that no file need hold a secret."""
    if not isinstance(value, str) or not value.startswith(_FROM_VARIABLE):
        return value
    name = value.removeprefix(_FROM_VARIABLE)
    found = os.environ.get(name)
    if not found:
        raise ValueError(f"the variable {name} is not set")
    return found


Secret = Annotated[SecretStr, BeforeValidator(_from_variable)]


def check_signing_secret(secret: SecretStr) -> None:
    """See that a secret can sign.

    Raises:
        ValueError: it is not `whsec_` and base64.
    """
    try:
        b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError(
            "must be whsec_ and base64, as `openssl rand -base64 24` makes it"
        ) from None


def check_web_address(url: str) -> None:
    """See that an address is one of the web.

    Raises:
        ValueError: it is not.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError("must be an address like https://HOST/PATH")


class AlertTarget(BaseModel):
    """Somewhere that alerts go, as it is written in the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    kind: TargetKind = TargetKind.WEBHOOK
    url: Secret | None = None
    secrets: tuple[Secret, ...] = Field((), max_length=4)
    routing_key: Secret | None = None
    min_severity: Severity = Severity.INFO
    rules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    provisional: bool | None = None
    group_s: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> AlertTarget:
        if self.kind is not TargetKind.PAGERDUTY and self.url is None:
            raise ValueError(f"the target {self.name} needs a url")
        if (self.kind is TargetKind.PAGERDUTY) != (self.routing_key is not None):
            raise ValueError(
                f"the target {self.name}: a routing_key is for the kind pagerduty, which needs one"
            )
        if self.secrets and self.kind is not TargetKind.WEBHOOK:
            raise ValueError(
                f"the target {self.name}: secrets sign webhooks, and {self.kind} has no signature"
            )
        for secret in self.secrets:
            check_signing_secret(secret)
        if self.url is not None:
            check_web_address(self.url.get_secret_value())
        return self

    def target(self) -> Target:
        """What the live side works with."""
        # A person who is called does not want to be called for a guess; a program can take it back.
        is_program = self.kind is TargetKind.WEBHOOK
        return Target(
            name=self.name,
            kind=self.kind,
            url=self.url.get_secret_value() if self.url is not None else PAGERDUTY_URL,
            secrets=tuple(secret.get_secret_value() for secret in self.secrets),
            routing_key=self.routing_key.get_secret_value() if self.routing_key else None,
            min_severity=self.min_severity,
            rules=self.rules,
            tags=self.tags,
            provisional=is_program if self.provisional is None else self.provisional,
            group_s=self.group_s,
        )
