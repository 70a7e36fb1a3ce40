"""Settings of the review console."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from earmark.alert_settings import check_web_address


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

    @field_validator("console_url", mode="before")
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
