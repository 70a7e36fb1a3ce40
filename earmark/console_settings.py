"""Settings of the review console."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from earmark.alert_settings import check_web_address

# As in `console.access`, which cannot be imported where the console's packages are not installed.
CONSOLE_ROLES = ("reviewer", "lead", "rule_editor", "auditor", "admin")


class ConsoleSettings(BaseSettings):
    """How the console is reached and entered."""

    console_url: str | None = Field(
        None,
        description="Address at which browsers reach `earmark console`, such as "
        "https://earmark.example.com; unset means loopback, where it listens.",
    )
    console_session_hours: float = Field(
        8.0, gt=0, le=24, description="Hours for which somebody stays signed in at most."
    )

    console_claim_minutes: float = Field(
        15.0,
        gt=0,
        le=480,
        description="Minutes for which a claimed call is a reviewer's without a word from them.",
    )
    console_double_review_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of calls that two reviewers judge without knowing of each other, from 0 "
        "to 1; where they disagree, a lead decides. It takes two reviewers.",
    )
    console_oidc_issuer: str | None = Field(
        None,
        description="Address of the OpenID Provider that people sign in by at `earmark console`, "
        "as it writes it itself; unset means one-time links, on loopback.",
    )
    console_oidc_client_id: str | None = Field(
        None, description="The console's client id at that provider."
    )
    console_oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret; unset for a public client, which PKCE alone holds."
    )
    console_oidc_scopes: str = Field(
        "openid profile",
        pattern=r"^openid( [\x21-\x7e]+)*$",
        description="Scopes that are asked for, `openid` first, separated by spaces.",
    )
    console_oidc_groups_claim: str = Field(
        "groups", min_length=1, description="Claim that lists a person's groups."
    )
    console_oidc_roles: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="What groups of the provider mean at the console, such as "
        "`qa=reviewer,qa-leads=lead`; separated by ','. Roles are reviewer, lead, rule_editor, "
        "auditor and admin. Whoever is in none of the groups does not get in.",
    )

    @field_validator("console_oidc_roles", mode="before")
    @classmethod
    def _split_groups(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(each.strip() for each in value.split(",") if each.strip())
        return value

    @field_validator("console_oidc_roles")
    @classmethod
    def _are_groups(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            group, _, role = each.rpartition("=")
            if not group or role not in CONSOLE_ROLES:
                raise ValueError(
                    "must be GROUP=ROLE with a role of " + ", ".join(CONSOLE_ROLES)
                    + ", separated by ','"
                )  # fmt: skip
        return value

    @field_validator("console_oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str | None) -> str | None:
        if value is not None:
            check_web_address(value)
            parts = urlsplit(value)
            is_near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
            if parts.scheme != "https" and not is_near:
                raise ValueError("must be an https address")
        return value

    @model_validator(mode="after")
    def _provider_is_whole(self) -> ConsoleSettings:
        if self.console_oidc_issuer is None:
            return self
        if self.console_oidc_client_id is None:
            raise ValueError("console_oidc_issuer is set: set console_oidc_client_id, too")
        if not self.console_oidc_roles:
            raise ValueError(
                "console_oidc_issuer is set: say with console_oidc_roles which groups get in"
            )
        return self

    @field_validator(
        "console_url", "console_oidc_issuer", "console_oidc_client_id",
        "console_oidc_client_secret",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _no_address_is_unset(cls, value: object) -> object:
        # A compose file passes on a variable that nobody set as an empty one.
        return None if value == "" else value

    @field_validator("console_url")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        check_web_address(value)
        parts = urlsplit(value)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("must be scheme and host only, such as https://earmark.example.com")
        return f"{parts.scheme}://{parts.netloc}".lower()
