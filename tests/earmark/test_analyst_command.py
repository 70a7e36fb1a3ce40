"""`earmark analyst`: what it refuses to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.earmark.command import InProcess
from tests.servers.ports import free_port

SECRET = "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo"
ACCESS = {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            {}, "EARMARK_SIGNING_SECRET not set; the analyst proves by it that it may have records",
            id="no-secret",
        ),
        pytest.param(
            {
                "EARMARK_SIGNING_SECRET": SECRET,
                "EARMARK_ANALYST_LLM_URL": "http://127.0.0.1:1/v1",
            },
            "EARMARK_ANALYST_LLM_URL and EARMARK_ANALYST_LLM_MODEL: set both, or none of them",
            id="half-a-model",
        ),
    ],
)  # fmt: skip
def test_bad_input(
    variables: dict[str, str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bad input is one sentence and exit code 2."""
    monkeypatch.chdir(tmp_path)
    run = InProcess(subcommand="analyst", monkeypatch=monkeypatch, capsys=capsys)
    code, out, err = run(LIVEKIT_URL="ws://127.0.0.1:1", **ACCESS, **variables)
    assert (code, out, err) == (2, "", f"earmark: {sentence}\n")


def test_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a server it says so with exit code 3."""
    monkeypatch.chdir(tmp_path)
    run = InProcess(subcommand="analyst", monkeypatch=monkeypatch, capsys=capsys)
    url = f"ws://127.0.0.1:{free_port()}"
    code, out, err = run(LIVEKIT_URL=url, EARMARK_SIGNING_SECRET=SECRET, **ACCESS)
    assert (code, out) == (3, "")
    assert f"no LiveKit server answers at {url}" in err
