"""The forms in which targets are told: from a queued delivery to a request.

All of them are thin. They carry ids, the rule and its title, times, role, severity and the masked
excerpt, and neither names, identities, room names nor anything else that was said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from standardwebhooks import Webhook

from realtime.targets import Target, TargetKind
from rules.types import HitState, Severity
from storage.deliveries import Delivery, Kind

_MAX_TEXT_CHARS = 2000  # of one block; Slack takes 3000
_PAGERDUTY_SEVERITY = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.INFO: "info",
}
# What is said of each hit that a collected message tells of besides its first.
_OF_EACH = ("hit_id", "participant_sid", "role", "state", "start_s", "end_s", "at_s", "excerpt")

Payload = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST that tells a target of something."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def request_of(target: Target, delivery: Delivery, *, sent_at: datetime) -> Request:
    """What a target is sent.

    Args:
        target: Who is told.
        delivery: Of one hit, or of several that were collected.
        sent_at: UTC; part of the signature.
    """
    match target.kind:
        case TargetKind.WEBHOOK:
            return signed(target, delivery.id, webhook_body(delivery), sent_at=sent_at)
        case TargetKind.SLACK:
            return _unsigned(slack_body(delivery))
        case TargetKind.PAGERDUTY:
            return _unsigned(pagerduty_body(delivery, target.routing_key or ""))


def signed(target: Target, id: str, body: Payload, *, sent_at: datetime) -> Request:
    """A Standard Webhooks request, with a signature by each of the target's secrets."""
    text = json.dumps(body, separators=(",", ":"))
    headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
    }
    if target.secrets:
        headers["webhook-signature"] = " ".join(
            Webhook(secret).sign(id, sent_at, text) for secret in target.secrets
        )
    return Request(body=text.encode(), headers=headers)


def _unsigned(body: Payload) -> Request:
    return Request(
        body=json.dumps(body, separators=(",", ":")).encode(),
        headers={"content-type": "application/json"},
    )


def webhook_body(delivery: Delivery) -> Payload:
    """Our own form: the payload, with the further hits of a collected message under `more`."""
    body = dict(delivery.payload) | {"count": 1 + len(delivery.more)}
    if delivery.more:
        body["more"] = [{name: payload.get(name) for name in _OF_EACH} for payload in delivery.more]
    return body


def slack_body(delivery: Delivery) -> Payload:
    """Blocks for an incoming webhook of Slack; `text` is what notifications show."""
    payload = delivery.payload
    headline = _headline(delivery)
    # plain_text: nothing of an excerpt is read as a link, a mention or markup.
    blocks: list[Payload] = [_block(headline)]
    excerpts = [
        f"{_clock(each.get('start_s'))}  {each.get('excerpt') or 'no excerpt'}"
        for each in (payload, *delivery.more)
    ]
    if delivery.kind is not Kind.RETRACTION:
        blocks.append(_block("\n".join(excerpts)))
    facts = [
        f"Rule {payload.get('rule')}",
        f"Call {payload.get('room_sid')}",
        f"Participant {payload.get('participant_sid') or 'nobody'}"
        + (f" ({payload['role']})" if payload.get("role") else ""),
        f"Hit {payload.get('hit_id')}",
    ]
    context = [{"type": "plain_text", "text": fact, "emoji": False} for fact in facts]
    blocks.append({"type": "context", "elements": context})
    # Of `text`, Slack reads these three characters as markup.
    text = headline.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text, "blocks": blocks}


def pagerduty_body(delivery: Delivery, routing_key: str) -> Payload:
    """An event of PagerDuty's Events API v2: a trigger, or the end of one on a retraction.

    All that is told of one hit bears one `dedup_key`, so a retraction resolves what the hit
    triggered.
    """
    payload = delivery.payload
    event: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": "resolve" if delivery.kind is Kind.RETRACTION else "trigger",
        "dedup_key": dedup_key(delivery.room_sid, delivery.hit_id),
    }
    if delivery.kind is Kind.RETRACTION:
        return event
    severity = Severity(str(payload.get("severity", Severity.INFO.value)))
    event["payload"] = {
        "summary": _cut(_headline(delivery), 1024),
        "source": str(payload.get("room_sid")),
        "severity": _PAGERDUTY_SEVERITY[severity],
        "timestamp": payload.get("raised_at"),
        "component": payload.get("role"),
        "group": payload.get("room_sid"),
        "class": payload.get("rule"),
        "custom_details": dict(payload),
    }
    event["client"] = "Earmark"
    return event


def dedup_key(room_sid: str, hit_id: str) -> str:
    """By which PagerDuty knows all that is told of one hit."""
    return f"earmark-{room_sid}-{hit_id}"[:255]


def _headline(delivery: Delivery) -> str:
    payload = delivery.payload
    title = f"{payload.get('title') or payload.get('rule')}"
    n_hits = 1 + len(delivery.more)
    if delivery.kind is Kind.RETRACTION:
        return f"Taken back: {title}"
    unsure = ", not yet sure" if payload.get("state") == HitState.PROVISIONAL else ""
    headline = f"{payload.get('severity')}{unsure}: {title}"
    return headline if n_hits == 1 else f"{headline}, {n_hits} more times on this call"


def _block(text: str) -> Payload:
    text = _cut(text, _MAX_TEXT_CHARS)
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _clock(position_s: object) -> str:
    seconds = int(position_s) if isinstance(position_s, int | float) else 0
    return f"{seconds // 60}:{seconds % 60:02d}"


def _cut(text: str, n_chars: int) -> str:
    return text if len(text) <= n_chars else text[: n_chars - 1] + "…"


def trial_requests(target: Target, *, id: str, sent_at: datetime) -> Sequence[Request]:
    """What shows a person that a target is reached, marked as a test, and leaves nothing open.

    Args:
        target: Who is told.
        id: Of this test.
        sent_at: UTC.
    """
    text = "Test message from Earmark. Nothing happened on any call."
    match target.kind:
        case TargetKind.WEBHOOK:
            body = {"type": "compliance_alert_test", "title": text, "at": sent_at.isoformat()}
            return [signed(target, id, body, sent_at=sent_at)]
        case TargetKind.SLACK:
            return [_unsigned({"text": text, "blocks": [_block(text)]})]
        case TargetKind.PAGERDUTY:
            event = {"routing_key": target.routing_key, "dedup_key": f"earmark-{id}"}
            payload = {"summary": text, "source": "earmark alerts test", "severity": "info"}
            return [
                _unsigned(event | {"event_action": "trigger", "payload": payload}),
                _unsigned(event | {"event_action": "resolve"}),
            ]
