"""Builders of the objects that tests of the live side need."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from earmark.demo_call import Access
from realtime.alerts import Alert
from realtime.devserver import DevServer
from realtime.ledger import CallLedger
from realtime.routes import Routes
from realtime.targets import Target
from rules.rulebook import Rulebook
from rules.types import Hit, HitState, Role, Severity, Span, TextRange
from storage.database import Database

DEMO_AUDIO = Path(str(files("earmark") / "demo_audio"))
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ="


def hit(rule_id: str = "pii.card-number", *, id: str = "hit1", speaker: str | None = "ann") -> Hit:
    """A hit with a masked excerpt."""
    return Hit(
        id=id,
        rule_id=rule_id,
        rule_version=1,
        severity=Severity.CRITICAL,
        speaker=speaker,
        span=Span(10.0, 14.5),
        parts=(TextRange(utterance_id="TR_1/0", start_chars=0, end_chars=19),),
        excerpt="•••• •••• •••• 6467",
        score=1.0,
        state=HitState.CONFIRMED,
        at_s=14.5,
    )


def alert(of: Hit | None = None) -> Alert:
    """An alert of a hit."""
    return Alert(
        hit=of or hit(),
        room_sid="RM_1",
        participant_sid="PA_1",
        role=Role.CUSTOMER,
        raised_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        raised_s=15.25,
    )


def worker_environment(server: DevServer, folder: Path) -> dict[str, str]:
    """Settings of a worker on embedded storage."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "EARMARK_DATA_DIR": str(folder),
        "EARMARK_SIGNING_SECRET": SECRET,
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
    }


def access_to(server: DevServer) -> Access:
    """The server, as callers see it."""
    return Access(url=server.url, api_key=server.api_key, api_secret=server.api_secret)


def target_at(url: str = "https://receiver.example/alerts", **values: Any) -> Target:
    """A target of alerts."""
    return Target(**{"name": "webhook", "url": url, "secrets": (SECRET,), **values})


def ledger_of(
    database: Database, *targets: Target, on_queued: Callable[[], None] = lambda: None
) -> CallLedger:
    """The ledger of a call whose alerts go to targets, by default to a webhook."""
    return CallLedger(
        database=database,
        room_sid="RM_1",
        room_name="a room",
        call_started_at=datetime(2026, 1, 2, tzinfo=UTC),
        rulebook_fingerprint="f",
        source="livekit",
        on_queued=on_queued,
        routes=Routes(targets or (target_at(),), Rulebook(rules=(), packs=(), fingerprint="f")),
    )
