"""`earmark recordings` and `earmark webhooks`: what people and programs read, and bad input."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.database import open_database
from storage.egress_claims import claim_track, give_up_claim
from storage.objects import open_objects
from tests.earmark.command import InProcess


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> InProcess:
    """The command, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    return InProcess(subcommand="recordings", monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def trouble(tmp_path: Path) -> None:
    """A track that nobody recorded, a file that nobody knows, a manifest that is none."""
    data = tmp_path / "earmark-data"
    database = open_database(f"sqlite:///{data / 'earmark.db'}")
    now = datetime.now(UTC)
    with database.begin() as connection:
        claim_track(
            connection, room_sid="RM_1", track_id="TR_1", room_name="ward", identity="ann", now=now
        )
        give_up_claim(connection, "RM_1", "TR_1", reason="unavailable", now=now)
    database.close()
    objects = open_objects(str(data / "objects"))
    objects.put_bytes("recordings/2026-03-01/RM_1/EG_1.json", b"{", content_type="a/b")
    objects.put_bytes("recordings/2026-03-01/RM_1/TR_9.ogg", b"?", content_type="a/b")


def test_nothing_recorded(run: InProcess) -> None:
    """An empty house is in order."""
    said = "0 recordings, 0 of Egress's; webhooks had missed 0; nothing wrong.\n"
    assert run("reconcile", "--offline") == (0, said, "")


@pytest.mark.usefixtures("trouble")
def test_for_people(run: InProcess) -> None:
    """Each thing that is wrong is one line that says where, and the exit code is 1."""
    code, out, err = run("reconcile", "--offline", "--settle", "0")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "recordings/2026-03-01/RM_1/EG_1.json: the manifest cannot be read",
        "RM_1 TR_1: was to be recorded, and no recording was begun (unavailable)",
        "recordings/2026-03-01/RM_1/TR_9.ogg: a file that no recording and no manifest tells of",
        "0 recordings, 0 of Egress's; webhooks had missed 0; 3 wrong.",
    ]


@pytest.mark.usefixtures("trouble")
def test_for_programs(run: InProcess) -> None:
    """`--json` prints the same as lines, without names of people or rooms."""
    code, out, err = run("reconcile", "--offline", "--settle", "0", "--json")
    assert (code, err) == (1, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "type": "finding", "problem": "manifest_unreadable",
            "object_key": "recordings/2026-03-01/RM_1/EG_1.json",
        },
        {
            "type": "finding", "problem": "not_started", "room_sid": "RM_1", "track_id": "TR_1",
            "detail": "unavailable",
        },
        {
            "type": "finding", "problem": "orphan",
            "object_key": "recordings/2026-03-01/RM_1/TR_9.ogg",
        },
        {"type": "reconciled", "egresses": 0, "recordings": 0, "news": 0, "findings": 3},
    ]  # fmt: skip


@pytest.mark.usefixtures("trouble")
def test_what_may_still_be_under_way(run: InProcess) -> None:
    """A file that was just put there may yet get its row."""
    _, out, _ = run("reconcile", "--offline", "--json")
    assert "orphan" not in out


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "sentence"),
    [
        pytest.param(("reconcile",), {}, 2, "LIVEKIT_URL", id="no-server-set"),
        pytest.param(
            ("reconcile", "--offline"), {"EARMARK_RECORDER": "egress"}, 2,
            "recorder: egress needs a bucket", id="no-bucket",
        ),
        pytest.param(
            ("reconcile", "--offline"),
            {"EARMARK_EGRESS_AUTO": "true"}, 2, "recorder: egress needs a bucket",
            id="no-bucket-for-rooms",
        ),
        pytest.param(
            ("reconcile", "--offline"),
            {
                "EARMARK_EGRESS_SEND_ACCOUNT": "true", "EARMARK_OBJECTS_URL": "s3://bucket",
                "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            2, "egress_send_account: there is no S3 account", id="no-account",
        ),
        pytest.param(("reconcile", "--since", "soon"), {}, 2, "soon", id="no-time"),
    ],
)  # fmt: skip
def test_bad_input(
    run: InProcess, arguments: tuple[str, ...], variables: dict[str, str], code: int, sentence: str
) -> None:
    """What cannot be is said in one sentence."""
    got, out, err = run(*arguments, **variables)
    assert (got, out) == (code, "")
    assert sentence in err


def test_port_that_is_taken(run: InProcess) -> None:
    """The receiver says that it cannot have its address, and ends with 3."""
    run = replace(run, subcommand="webhooks")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, out, err = run(
            "serve", "--port", port,
            LIVEKIT_URL="ws://127.0.0.1:1", LIVEKIT_API_KEY="k", LIVEKIT_API_SECRET="s" * 32,
        )  # fmt: skip
    assert (code, out) == (3, "")
    assert f"127.0.0.1:{port} cannot be had" in err
