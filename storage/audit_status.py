"""How far an audit is: a word that both the ledger of audits and the queue of reviews need."""

from __future__ import annotations

from enum import StrEnum


class AuditStatus(StrEnum):
    """How far an audit is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    POISONED = "poisoned"
