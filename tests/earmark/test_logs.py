"""What is logged cannot carry personal data, whoever logs it."""

import json
import logging
import sys

import pytest

from earmark.logs import SafeFormatter

SECRETS = ("4539", "agnes", "support-room", "guaranteed")


def render(
    logger: str, message: str, *args: object, error: Exception | None = None, **extra: object
) -> dict[str, object]:
    """A record as it would be written."""
    exc_info = None
    if error is not None:
        try:
            raise error
        except Exception:
            exc_info = sys.exc_info()
    record = logging.LogRecord(logger, logging.WARNING, "ipc/job.py", 7, message, args, exc_info)
    for key, value in extra.items():
        setattr(record, key, value)
    line: dict[str, object] = json.loads(SafeFormatter().format(record))
    return line


def test_our_own_messages() -> None:
    """A constant message and safe keys are written."""
    line = render("realtime.observer", "observing", room_sid="RM_1")
    assert line["message"] == "observing"
    assert line["room_sid"] == "RM_1"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(render("realtime.x", "joined", identity="agnes"), id="unknown-key"),
        pytest.param(render("realtime.x", "heard %s", "4539 1488"), id="argument"),
        pytest.param(
            render("livekit.agents", "received job", room="support-room"), id="library-key"
        ),
        pytest.param(
            render("livekit", "signal connected to ws://h/support-room"), id="library-message"
        ),
        pytest.param(render("livekit.agents", "failed for %s", "agnes"), id="library-argument"),
        pytest.param(
            render("realtime.x", "failed", error=ValueError("guaranteed 4539")), id="exception"
        ),
    ],
)
def test_nothing_private_comes_through(line: dict[str, object]) -> None:
    """Arguments, unknown keys, library texts with values and exception messages are left out."""
    text = json.dumps(line)
    assert not [secret for secret in SECRETS if secret in text]


def test_an_exception_keeps_its_type_and_place() -> None:
    """An operator still sees what failed and where."""
    line = render("realtime.x", "failed", error=ValueError("4539"))
    assert line["exception"] == "ValueError"
    assert str(line["where"]).count("render") == 1


def test_constant_messages_of_libraries_are_kept() -> None:
    """A library's text without values says what it says to an operator."""
    assert render("livekit.agents", "draining worker")["message"] == "draining worker"
