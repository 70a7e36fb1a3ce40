"""The manifest of a stage: what it made, of what and how, as JSON that can be checked."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offline.earmark_version import earmark_version
from offline.stages.stage import Given, Made, Stage, stage_key

SCHEMA_VERSION: Final = 1
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StageManifest(BaseModel):
    """What lies in the store. `key` is the hash of stage, version, inputs and settings."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    schema_version: Literal[1]
    stage: str
    stage_version: int
    key: _Sha256
    inputs: dict[str, _Sha256]
    settings: dict[str, Any]
    earmark_version: str  # of the code that ran; tells, and does not decide
    made_at: datetime
    output_sha256: _Sha256
    output: Any


class UnusableManifestError(ValueError):
    """A manifest that is none, is damaged, or belongs to something else. The text is a code."""


def dump_made(stage: Stage[Given, Made], given: Given, made: Made, *, made_at: datetime) -> bytes:
    """The manifest of what a stage made, JSON in UTF-8.

    Args:
        stage: Made it.
        given: Of this.
        made: What came of it.
        made_at: UTC.
    """
    inputs, settings = stage.inputs(given), stage.settings(given)
    output = stage.made.dump_json(made)
    return (
        StageManifest(
            schema_version=SCHEMA_VERSION,
            stage=stage.name,
            stage_version=stage.version,
            key=stage_key(stage.name, stage.version, inputs, settings),
            inputs=dict(inputs),
            settings=dict(settings),
            earmark_version=earmark_version(),
            made_at=made_at,
            output_sha256=hashlib.sha256(output).hexdigest(),
            output=stage.made.dump_python(made, mode="json"),
        ).model_dump_json()
        + "\n"
    ).encode()


def load_made(data: bytes, stage: Stage[Given, Made], key: str) -> Made:
    """What a stage has made, if the manifest is whole and says that it is this.

    Args:
        data: The manifest.
        stage: Whose it should be.
        key: Of what is wanted.

    Raises:
        UnusableManifestError: it is not. Nothing of what it holds is told.
    """
    try:
        manifest = StageManifest.model_validate_json(data)
    except ValidationError:
        raise UnusableManifestError("unreadable") from None
    told = stage_key(manifest.stage, manifest.stage_version, manifest.inputs, manifest.settings)
    if not manifest.key == told == key:
        raise UnusableManifestError("foreign")
    try:
        made = stage.made.validate_python(manifest.output)
    except ValidationError:
        raise UnusableManifestError("other_shape") from None
    # Writing gives the same bytes for the same value, so this also sees what was left out.
    if hashlib.sha256(stage.made.dump_json(made)).hexdigest() != manifest.output_sha256:
        raise UnusableManifestError("changed")
    return made
