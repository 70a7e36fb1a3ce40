"""The command: help for everything, one sentence for every mistake, one meaning an exit code."""

import json
import socket
from pathlib import Path

import pytest

from earmark.cli import SUBCOMMANDS
from realtime.devserver import DevServer
from speech.models import pull_model
from tests.earmark.command import ROOT, run_process
from tests.servers.ports import free_port

AGENT_AUDIO = str(ROOT / "earmark" / "demo_audio" / "agent.ogg")


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_every_subcommand_teaches(name: str, tmp_path: Path) -> None:
    """`--help` of every subcommand explains it."""
    done = run_process(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")
    assert len(done.stdout.split()) > 25
    assert "\\b" not in done.stdout  # click's mark, where it is not understood


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
            {"LIVEKIT_URL": f"ws://127.0.0.1:{free_port()}", **KEYS},
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
    done = run_process(*arguments, cwd=tmp_path, variables=variables)
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
    done = run_process(
        "dispatch", "room", cwd=tmp_path, variables={"LIVEKIT_URL": livekit_server.url, **KEYS}
    )
    assert done.returncode == 3
    assert "refuses" in done.stderr


@pytest.mark.livekit
def test_dispatch_without_a_worker(livekit_server: DevServer, tmp_path: Path) -> None:
    """LiveKit would drop the job without a word; the command says that nobody came."""
    done = run_process(
        "dispatch", "room", cwd=tmp_path,
        variables={
            "LIVEKIT_URL": livekit_server.url,
            "LIVEKIT_API_KEY": livekit_server.api_key,
            "LIVEKIT_API_SECRET": livekit_server.api_secret,
        },
    )  # fmt: skip
    assert done.returncode == 3
    assert "earmark observe" in done.stderr


@pytest.mark.livekit
@pytest.mark.model
def test_observe_on_a_taken_port(livekit_server: DevServer, tmp_path: Path) -> None:
    """A port that somebody has is named before any room is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_process(
            "observe", "--port", port, cwd=tmp_path,
            variables={
                "LIVEKIT_URL": livekit_server.url,
                "LIVEKIT_API_KEY": livekit_server.api_key,
                "LIVEKIT_API_SECRET": livekit_server.api_secret,
            },
        )  # fmt: skip
    assert done.returncode == 3
    assert f"earmark: --port: {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_that_are_not_the_pinned_ones(tmp_path: Path) -> None:
    """A changed model in the models folder stops the command, which names the file."""
    path = pull_model("silero-vad", tmp_path / "models")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = run_process(
        "replay",
        AGENT_AUDIO,
        cwd=tmp_path,
        variables={"EARMARK_MODELS_DIR": str(tmp_path / "models")},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"earmark: {path}: sha256 is ")


@pytest.mark.model
def test_replay_speaks_json(tmp_path: Path) -> None:
    """`replay --json` prints utterances and alerts in order of time, and nothing else."""
    customer = str(ROOT / "earmark" / "demo_audio" / "customer.ogg")
    done = run_process("replay", AGENT_AUDIO, customer, "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    said = [line for line in lines if line["type"] == "utterance"]
    alerts = [line for line in lines if line["type"] == "alert"]
    updates = [line for line in lines if line["type"] == "alert_update"]
    assert len(said) + len(alerts) + len(updates) == len(lines)
    assert {line["speaker"] for line in said} == {"agent", "customer"}
    assert set(said[0]) == {"type", "speaker", "start_s", "end_s", "text", "final", "revision"}
    assert set(alerts[0]) == {
        "type", "hit", "state", "rule", "severity", "speaker", "start_s", "end_s", "excerpt",
        "at_s",
    }  # fmt: skip
    provisional = [line["hit"] for line in alerts if line["state"] == "provisional"]
    assert sorted(line["hit"] for line in updates) == sorted(provisional)
    finals = [(line["speaker"], line["start_s"]) for line in said if line["final"]]
    assert len(finals) == len(set(finals))
    assert any(not line["final"] for line in said)
    (card,) = (alert for alert in alerts if alert["rule"] == "pii.card-number")
    assert card["speaker"] == "customer"
    assert card["excerpt"].endswith("6467")
    assert card["excerpt"].count("•") == 12
    assert card["end_s"] < card["at_s"]


@pytest.mark.model
def test_replay_with_shadow_rules(tmp_path: Path) -> None:
    """A shadow rule's hits are shown where they are asked for, and never count as alerts."""
    (tmp_path / "trial.yaml").write_text(
        "pack: trial.words\nversion: 1\nrules:\n"
        "  - {id: trial.guaranteed, title: T, description: D, severity: high, status: shadow,\n"
        "     when: {phrase: guaranteed}}\n"
    )
    for options, n_hits in (((), 0), (("--shadow",), 1)):
        done = run_process(
            "replay", AGENT_AUDIO, "--rules", "trial.yaml", "--json", *options, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        lines = map(json.loads, done.stdout.splitlines())
        hits = [line for line in lines if line["type"] == "alert"]
        assert len(hits) >= n_hits if n_hits else hits == []
        assert all(hit["shadow"] for hit in hits)


@pytest.mark.model
def test_replay_of_a_harmless_call(tmp_path: Path) -> None:
    """A call with its notice and without personal data raises nothing, and the exit code is 0."""
    folder = ROOT / "tests" / "fixtures" / "audio"
    done = run_process(
        "replay", str(folder / "clean-agent.ogg"), str(folder / "clean-customer.ogg"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "no alert" in done.stderr


def test_replay_of_what_is_not_heard(tmp_path: Path) -> None:
    """Speech that no words came of is told, and no call with such a gap counts as clean."""
    harmless = str(ROOT / "tests" / "fixtures" / "audio" / "clean-agent.ogg")
    variables = {
        "EARMARK_LIVE_STT": "tests.realtime.scripted_stt:FailingStt",
        "PYTHONPATH": str(ROOT),
    }
    done = run_process("replay", harmless, cwd=tmp_path, variables=variables)
    assert done.returncode == 1
    assert done.stderr.count("Not fully heard: clean-agent") >= 3
    assert "personal" not in done.stderr


@pytest.mark.model
def test_replay_in_real_time(tmp_path: Path) -> None:
    """At a fixed speed, alerts leave when their words were heard, not before."""
    done = run_process("replay", AGENT_AUDIO, "--json", "--speed", "8", cwd=tmp_path)
    alerts = [json.loads(line) for line in done.stdout.splitlines() if '"alert"' in line]
    promises = [alert for alert in alerts if alert["rule"] == "conduct.promissory-claim"]
    assert len(promises) == 2
    assert all(alert["at_s"] >= alert["end_s"] for alert in promises)
