"""The three forms in which targets are told: thin, stable, and free of personal data."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from realtime.forms import request_of, trial_requests
from realtime.routes import Routes
from realtime.targets import Target, TargetKind
from rules.rulebook import Rulebook
from rules.types import HitState
from storage import departures, hits
from storage.database import open_database
from storage.deliveries import Delivery, Kind
from tests.realtime.builders import SECRET, alert, hit, target_at

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEBHOOK = target_at()
SLACK = target_at(name="chat", kind=TargetKind.SLACK, secrets=())
PAGERDUTY = target_at(name="pager", kind=TargetKind.PAGERDUTY, secrets=(), routing_key="key")
KINDS = pytest.mark.parametrize("target", [WEBHOOK, SLACK, PAGERDUTY], ids=lambda t: t.kind.value)
PRIVATE = ("+1 555 0100", "ward-seven", "4539 1488 0343 6467", "annabel")
BOOK = Rulebook(rules=(), packs=(), fingerprint="f")


def deliveries(folder: Path, target: Target, n_hits: int = 1) -> list[Delivery]:
    """Alerts and, of the first, its retraction, as they come out of a real outbox."""
    routes = Routes([replace(target, group_s=30.0 if n_hits > 1 else 0.0)], BOOK)
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    alerts = [alert(hit(id=f"h{n}", speaker=PRIVATE[0])) for n in range(n_hits)]
    first = replace(alerts[0], hit=replace(alerts[0].hit, state=HitState.RETRACTED))
    found: list[Delivery] = []
    try:
        for batch in (alerts, [replace(first, is_update=True)]):
            with database.begin() as connection:
                for each in batch:
                    hits.save_hit(connection, "RM_1", each.hit, recorded_at=NOW)
                    routes.queue(connection, each)
            while True:
                with database.begin() as connection:
                    due = departures.due(connection, now=NOW.replace(year=2030), limit=10)
                    for delivery in due:
                        departures.mark_delivered(connection, delivery.id, now=NOW)
                if not due:
                    break
                found += due
    finally:
        database.close()
    return found


def bodies(target: Target, told: list[Delivery]) -> list[dict[str, object]]:
    """What is posted."""
    return [json.loads(request_of(target, each, sent_at=NOW).body) for each in told]


@KINDS
def test_no_personal_data(target: Target, tmp_path: Path) -> None:
    """Neither the speaker's identity nor what was said is in any form, collected ones too."""
    for n_hits in (1, 3):
        folder = tmp_path / str(n_hits)
        folder.mkdir()
        for each in deliveries(folder, target, n_hits):
            request = request_of(target, each, sent_at=NOW)
            sent = request.body.decode() + json.dumps(dict(request.headers))
            for private in PRIVATE:
                assert private not in sent
                assert private not in json.loads(json.dumps(sent))
            assert "PA_1" in sent or each.kind is Kind.RETRACTION


def test_webhook_form(tmp_path: Path) -> None:
    """Our own form: the payload with its title and count, signed under the delivery's id."""
    told = deliveries(tmp_path, WEBHOOK)
    request = request_of(WEBHOOK, told[0], sent_at=datetime.now(UTC))
    assert request.headers["webhook-id"] == told[0].id
    body = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert body == {
        "type": "compliance_alert",
        "hit_id": "h0",
        "room_sid": "RM_1",
        "participant_sid": "PA_1",
        "role": "customer",
        "rule": "pii.card-number",
        "rule_version": 1,
        "severity": "critical",
        "state": "confirmed",
        "start_s": 10.0,
        "end_s": 14.5,
        "at_s": 15.25,
        "excerpt": "•••• •••• •••• 6467",
        "score": 1.0,
        "raised_at": "2026-01-02T03:04:05+00:00",
        "title": "pii.card-number",
        "count": 1,
    }
    retraction = bodies(WEBHOOK, told)[1]
    assert (retraction["type"], retraction["state"]) == ("compliance_alert_update", "retracted")


def test_slack_form(tmp_path: Path) -> None:
    """A headline, the excerpts as plain text, and the ids; a retraction has no excerpt."""
    told, taken_back = bodies(SLACK, deliveries(tmp_path, SLACK))
    assert told["text"] == "critical: pii.card-number"
    assert "0:10  •••• •••• •••• 6467" in json.dumps(told, ensure_ascii=False)
    assert "mrkdwn" not in json.dumps(told)
    assert taken_back["text"] == "Taken back: pii.card-number"
    assert "6467" not in json.dumps(taken_back)


def test_pagerduty_form(tmp_path: Path) -> None:
    """A trigger with PagerDuty's own severity; a retraction resolves what it triggered."""
    trigger, resolution = bodies(PAGERDUTY, deliveries(tmp_path, PAGERDUTY))
    details = trigger["payload"]
    assert isinstance(details, dict)
    assert (trigger["event_action"], trigger["routing_key"]) == ("trigger", "key")
    assert (details["severity"], details["source"]) == ("critical", "RM_1")
    assert (resolution["event_action"], resolution["dedup_key"]) == (
        "resolve",
        trigger["dedup_key"],
    )
    assert "payload" not in resolution


@KINDS
def test_trials(target: Target) -> None:
    """A test says that it is one; PagerDuty is left with nothing open."""
    sent = [json.loads(each.body) for each in trial_requests(target, id="test_1", sent_at=NOW)]
    assert "Test message" in json.dumps(sent[0])
    if target.kind is TargetKind.PAGERDUTY:
        assert [each["event_action"] for each in sent] == ["trigger", "resolve"]
    else:
        assert len(sent) == 1
