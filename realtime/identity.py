"""By what name observers are known to a LiveKit server."""

from __future__ import annotations

AGENT_NAME = "earmark-observer"
# Agents of ours carry such a name; their own voices, if they have any, are no part of a call.
OUR_AGENTS = "earmark-"


def observer_identity(job_id: str) -> str:
    """The identity of a job in its room.

    They must differ: a second participant of one identity evicts the first.
    """
    return f"{AGENT_NAME}-{job_id}"


ANALYST_NAME = "earmark-analyst"


def analyst_identity(job_id: str) -> str:
    """The identity of an analyst's job in its room."""
    return f"{ANALYST_NAME}-{job_id}"


def agent_named(given: str) -> str:
    """The name by which LiveKit knows an agent: ours have short names for people to type."""
    return {"observer": AGENT_NAME, "analyst": ANALYST_NAME}.get(given, given)
