"""Settings of the audit trail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode


class TrailSettings(BaseSettings):
    """Who signs heads of the trail, and how often."""

    trail_key_file: Path | None = Field(
        None,
        description="File with the Ed25519 private key, PEM, that signs heads of the audit trail; "
        "`earmark trail key` makes one. Unset, with the embedded database, makes one in the data "
        "folder. To verify, the public key is enough.",
    )
    trail_known_keys: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Files with public keys, PEM, that signed heads of the audit trail before; "
        "separated by ':'.",
    )
    trail_anchor_entries: int = Field(
        100,
        ge=1,
        description="Entries of the audit trail after which `earmark console` anchors it.",
    )
    trail_anchor_minutes: float = Field(
        10.0,
        gt=0,
        le=1440,
        description="Minutes after which `earmark console` anchors the audit trail, however few "
        "entries were added.",
    )

    @field_validator("trail_known_keys", mode="before")
    @classmethod
    def _split_key_files(cls, value: object) -> object:
        return tuple(value.split(os.pathsep)) if isinstance(value, str) and value else value or ()

    @field_validator("trail_key_file", mode="before")
    @classmethod
    def _no_file_is_unset(cls, value: object) -> object:
        # A compose file passes on a variable that nobody set as an empty one.
        return None if value == "" else value
