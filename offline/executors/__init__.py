"""Auditing many calls at once: processes of this machine, or Ray.

An executor is given calls one by one and says what became of them, in any order. It knows nothing
of the ledger: which calls are done, whose they are and which are poison is decided where they are
audited (`offline.claims`), so that several runs, on several machines, share their work.
"""

from offline.executors.task import (
    Audited,
    Busy,
    CallError,
    Event,
    Executor,
    Failed,
    Lost,
    Moved,
    Opening,
    Poisoned,
    Task,
    Workplace,
)

__all__ = [
    "Audited",
    "Busy",
    "CallError",
    "Event",
    "Executor",
    "Failed",
    "Lost",
    "Moved",
    "Opening",
    "Poisoned",
    "Task",
    "Workplace",
]
