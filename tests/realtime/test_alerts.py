"""Alerts leave signed and without personal data."""

import json

import pytest

from realtime.alerts import envelope
from realtime.envelope import unseal
from tests.realtime.builders import SECRET, alert, hit


def test_envelope_is_authentic() -> None:
    """Whoever has the secret reads the payload that was sent."""
    assert unseal(envelope(alert(), SECRET), SECRET) == alert().payload()


def _altered(key: str, value: object) -> bytes:
    message = json.loads(envelope(alert(), SECRET))
    message[key] = value
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_altered("body", '{"rule": "another"}'), id="another-body"),
        pytest.param(_altered("id", "hit2"), id="another-id"),
        pytest.param(_altered("timestamp", 1_600_000_000), id="old"),
        pytest.param(_altered("signature", None), id="unsigned"),
        pytest.param(_altered("signature", "v1,AAAA"), id="wrong-signature"),
        pytest.param(_altered("body", 7), id="body-is-no-text"),
        pytest.param(envelope(alert(), None), id="sent-without-a-secret"),
        pytest.param(b"\xff\xfe", id="not-json"),
        pytest.param(b"[]", id="not-an-object"),
    ],
)
def test_envelope_that_is_not_authentic(data: bytes) -> None:
    """A message that was forged, altered, replayed late or left unsigned is none."""
    assert unseal(data, SECRET) is None


def test_payload_names_nobody() -> None:
    """An identity may be a telephone number, so the payload has session id and role instead."""
    sent = envelope(alert(hit(speaker="+1 555 0100")), SECRET).decode()
    assert "555" not in sent
    assert json.loads(json.loads(sent)["body"])["participant_sid"] == "PA_1"
