"""The command: help for everything, one sentence for every mistake, one meaning an exit code."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from earmark.cli import SUBCOMMANDS
from realtime.devserver import DevServer

ROOT = Path(__file__).parents[2]
AGENT_AUDIO = str(ROOT / "earmark" / "demo_audio" / "agent.ogg")


def run(
    *arguments: str, cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, with no settings but the given ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EARMARK_", "LIVEKIT_", "AWS_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "earmark", *arguments],
        cwd=cwd, env={**kept, **(variables or {})}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_every_subcommand_teaches(name: str, tmp_path: Path) -> None:
    """`--help` of every subcommand explains it."""
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")
    assert len(done.stdout.split()) > 25


def _closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


KEYS = {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "sentence"),
    [
        pytest.param(["observe"], {}, 2, "LIVEKIT_URL and LIVEKIT_API_KEY", id="no-livekit"),
        pytest.param(
            ["dispatch", "room"],
            {"LIVEKIT_URL": "ws://127.0.0.1:1"},
            2,
            "LIVEKIT_API_KEY and LIVEKIT_API_SECRET not set",
            id="no-keys",
        ),
        pytest.param(
            ["dispatch", "room"],
            {"LIVEKIT_URL": "example", **KEYS},
            2,
            "is no address",
            id="bad-url",
        ),
        pytest.param(
            ["dispatch", "room"],
            {"LIVEKIT_URL": f"ws://127.0.0.1:{_closed_port()}", **KEYS},
            3,
            "no LiveKit server answers",
            id="livekit-away",
        ),
        pytest.param(["replay", "gone.ogg"], {}, 2, "gone.ogg", id="no-such-audio"),
        pytest.param(["replay", __file__], {}, 2, "test_cli.py", id="not-audio"),
        pytest.param(["replay", AGENT_AUDIO, "--speed", "fast"], {}, 2, "'max'", id="bad-speed"),
        pytest.param(
            ["replay", AGENT_AUDIO, "--rules", "gone.yaml"], {}, 2, "gone.yaml", id="no-such-rules"
        ),
        pytest.param(
            ["replay", AGENT_AUDIO, "--speaker", "a", "--speaker", "b"],
            {},
            2,
            "--speaker was given 2 times for 1",
            id="too-many-speakers",
        ),
        pytest.param(
            ["replay", AGENT_AUDIO, AGENT_AUDIO], {}, 2, "two speakers", id="same-speaker-twice"
        ),
        pytest.param(
            ["replay", AGENT_AUDIO], {"EARMARK_MODLES_DIR": "x"}, 2, "MODLES_DIR", id="typo-in-env"
        ),
        pytest.param(["frobnicate"], {}, 2, "No such command", id="no-such-command"),
    ],
)
def test_mistakes(
    arguments: list[str], variables: dict[str, str], code: int, sentence: str, tmp_path: Path
) -> None:
    """A mistake is one sentence on stderr, without a traceback, and its exit code."""
    done = run(*arguments, cwd=tmp_path, variables=variables)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    complaints = [
        line for line in done.stderr.splitlines() if line.startswith(("earmark:", "Error:"))
    ]
    assert len(complaints) == 1


@pytest.mark.livekit
def test_wrong_keys(livekit_server: DevServer, tmp_path: Path) -> None:
    """Keys that the server refuses are named."""
    done = run(
        "dispatch", "room", cwd=tmp_path, variables={"LIVEKIT_URL": livekit_server.url, **KEYS}
    )
    assert done.returncode == 3
    assert "refuses" in done.stderr


@pytest.mark.livekit
def test_dispatch_without_a_worker(livekit_server: DevServer, tmp_path: Path) -> None:
    """LiveKit would drop the job without a word; the command says that nobody came."""
    done = run(
        "dispatch", "room", cwd=tmp_path,
        variables={
            "LIVEKIT_URL": livekit_server.url,
            "LIVEKIT_API_KEY": livekit_server.api_key,
            "LIVEKIT_API_SECRET": livekit_server.api_secret,
        },
    )  # fmt: skip
    assert done.returncode == 3
    assert "earmark observe" in done.stderr
