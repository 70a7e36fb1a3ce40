"""`earmark alerts`: what became of alerts, dead ones again, and whether a target is reached."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from realtime.guard import Allowed, Guard
from realtime.pump import AlertPump
from storage.database import open_database
from tests.earmark.command import InProcess
from tests.realtime.builders import SECRET, alert, hit, ledger_of, target_at
from tests.servers.webhooks import running_webhook_receiver


@pytest.fixture
def alerts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> InProcess:
    """`earmark alerts`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return InProcess(subcommand="alerts", monkeypatch=monkeypatch, capsys=capsys)


def settings(url: str) -> dict[str, str]:
    """A webhook on this machine."""
    return {
        "EARMARK_WEBHOOK_URL": url,
        "EARMARK_WEBHOOK_SECRET": SECRET,
        "EARMARK_ALLOW_PRIVATE_TARGETS": "127.0.0.1",
    }


async def tell(folder: Path, url: str) -> int:
    """Raise two alerts and deliver them once."""
    (folder / "earmark-data").mkdir(exist_ok=True)
    database = open_database(f"sqlite:///{folder / 'earmark-data' / 'earmark.db'}")
    try:
        ledger = ledger_of(database)
        ledger.start()
        for id in ("a", "b"):
            await ledger.publish(alert(hit(id=id)))
        await ledger.close()
        guard = Guard(Allowed.parse(["127.0.0.1"]))
        return await AlertPump(database, [target_at(url)], guard=guard).deliver_due()
    finally:
        database.close()


def test_dead_letters(alerts: InProcess, tmp_path: Path) -> None:
    """What was given up is listed with its reason, and leaves again under the same id."""
    assert alerts("list")[:2] == (0, "No alert was queued for a target.\n")
    with running_webhook_receiver(SECRET, statuses=[404, 404]) as receiver:
        asyncio.run(tell(tmp_path, receiver.url))
        code, out, err = alerts("list", "--dead", "--json")
        rows = [json.loads(line) for line in out.splitlines()]
        assert (code, err, len(rows)) == (1, "", 2)
        assert {(row["type"], row["fate"], row["last_error"]) for row in rows} == {
            ("delivery", "dead", "status 404")
        }
        code, out, _ = alerts("list")
        assert code == 1
        assert all(row["id"] in out for row in rows)
        assert alerts("replay", rows[0]["id"])[0] == 0
        code, out, _ = alerts("replay", "--all", "--json")
        assert [json.loads(line)["id"] for line in out.splitlines()] == [rows[1]["id"]]
        assert asyncio.run(tell(tmp_path, receiver.url)) == 2
    assert {webhook.id for webhook in receiver.received} == {row["id"] for row in rows}
    assert alerts("list", "--dead")[:2] == (0, "No delivery is dead.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["replay"], "give the ids of dead deliveries, or --all"),
        (["replay", "--all", "dl_1"], "give the ids of dead deliveries, or --all"),
        (["replay", "dl_1"], "no dead delivery has the id dl_1"),
        (["test", "pager"], "no alert target is named 'pager'; there are: none"),
    ],
)
def test_mistakes(alerts: InProcess, arguments: list[str], sentence: str) -> None:
    """One sentence, exit code 2."""
    code, out, err = alerts(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_target_is_tried(alerts: InProcess) -> None:
    """A test message is signed and says what it is; a refusal is told with its status."""
    with running_webhook_receiver(SECRET, statuses=[204, 500]) as receiver:
        assert alerts("test", "webhook", **settings(receiver.url))[0] == 0
        code, _, err = alerts("test", "webhook")
    assert (code, "did not take it: status 500" in err) == (3, True)
    assert [webhook.authentic for webhook in receiver.received] == [True, True]
    assert receiver.received[0].payload["type"] == "compliance_alert_test"


def test_a_private_target_is_refused(alerts: InProcess) -> None:
    """The sentence says how to allow it, and holds no secret part of the address."""
    code, _, err = alerts("test", "webhook", EARMARK_WEBHOOK_URL="https://127.0.0.1:9/hush")
    assert code == 2
    assert "allow_private_targets" in err
    assert "hush" not in err
