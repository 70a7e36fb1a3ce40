"""Who is who in a room: roles from attributes, metadata, settings and kinds."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from rules.types import Role

ROLE_ATTRIBUTE = "earmark.role"


def role_of(
    *,
    identity: str,
    attributes: Mapping[str, str],
    metadata: str,
    is_agent_kind: bool,
    supervisors: Collection[str] = (),
) -> Role | None:
    """The role of a participant, by the first of these that names one.

    The settings' list of supervisors, the attribute `earmark.role`, the key `role` in JSON
    metadata, and for programs that join as agents, that kind. A telephone caller gets no role by
    being one: outbound calls have agents on telephones too.

    Returns:
        The role, or None where nothing says it.
    """
    if identity in supervisors:
        return Role.SUPERVISOR
    for claim in (attributes.get(ROLE_ATTRIBUTE), _role_in(metadata)):
        if claim in {role.value for role in Role}:
            return Role(claim)
    return Role.AI_AGENT if is_agent_kind else None


def _role_in(metadata: str) -> str | None:
    try:
        record = json.loads(metadata)
    except ValueError:
        return None
    claim = record.get("role") if isinstance(record, dict) else None
    return claim if isinstance(claim, str) else None
