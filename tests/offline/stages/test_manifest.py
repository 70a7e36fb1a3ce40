"""Manifests of stages: whole in and out, and of no use when anything about them is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from offline.stages.manifest import UnusableManifestError, dump_made, load_made
from offline.stages.stage import stage_key
from tests.offline.stages.builders import Counted, CountStage

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
STAGE = CountStage()
GIVEN = "héllo\u2028wörld"
MADE = Counted(n_chars=11, shares=(0.1 + 0.2, 1 / 3), text=GIVEN)
KEY = stage_key("count", 1, STAGE.inputs(GIVEN), STAGE.settings(GIVEN))
DATA = dump_made(STAGE, GIVEN, MADE, made_at=NOW)


def test_whole() -> None:
    """What comes back is what was made, to the last digit; the manifest says of what and how."""
    assert load_made(DATA, STAGE, KEY) == MADE
    told = json.loads(DATA)
    assert (told["stage"], told["stage_version"], told["key"]) == ("count", 1, KEY)
    assert told["inputs"] == STAGE.inputs(GIVEN)
    assert told["settings"] == STAGE.settings(GIVEN)
    assert set(told) >= {"earmark_version", "made_at", "output_sha256", "output"}


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(DATA), **changes}).encode()


def output(**changes: object) -> bytes:
    return changed(output={**json.loads(DATA)["output"], **changes})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "unreadable", id="empty"),
        pytest.param(DATA[: len(DATA) // 2], "unreadable", id="cut-off"),
        pytest.param(b"\xff" + DATA, "unreadable", id="not-text"),
        pytest.param(b"[1, 2]", "unreadable", id="something-else"),
        pytest.param(changed(schema_version=2), "unreadable", id="newer"),
        pytest.param(changed(extra=1), "unreadable", id="unknown-key"),
        pytest.param(changed(output_sha256="x"), "unreadable", id="no-hash"),
        pytest.param(changed(stage="other"), "foreign", id="other-stage"),
        pytest.param(changed(stage_version=2), "foreign", id="other-code"),
        pytest.param(changed(settings={"engine": "other"}), "foreign", id="other-engine"),
        pytest.param(changed(inputs={"text": "ab" * 32}), "foreign", id="other-input"),
        pytest.param(changed(key="ab" * 32), "foreign", id="other-key"),
        pytest.param(output(n_chars="many"), "other_shape", id="output-of-other-type"),
        pytest.param(output(extra=1), "other_shape", id="output-with-more"),
        pytest.param(changed(output=None), "other_shape", id="no-output"),
        pytest.param(output(text="hello world"), "changed", id="output-changed"),
        pytest.param(output(shares=[0.3, 1 / 3]), "changed", id="a-digit-changed"),
        pytest.param(changed(output_sha256="ab" * 32), "changed", id="hash-changed"),
    ],
)
def test_unusable(data: bytes, problem: str) -> None:
    """Nothing of a manifest is believed that is damaged or another one's; and nothing is quoted."""
    with pytest.raises(UnusableManifestError) as caught:
        load_made(data, STAGE, KEY)
    assert str(caught.value) == problem
    assert caught.value.__cause__ is None


def test_a_manifest_of_another_engine_is_foreign() -> None:
    """The key of another engine's outcome is another key."""
    other = CountStage(engine="quipu")
    key = stage_key("count", 1, other.inputs(GIVEN), other.settings(GIVEN))
    assert key != KEY
    with pytest.raises(UnusableManifestError, match="foreign"):
        load_made(DATA, other, key)
