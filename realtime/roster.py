"""Who is who in a room: roles from settings, attributes, metadata and kinds."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from livekit import rtc
from livekit.agents.types import ATTRIBUTE_AGENT_NAME

from realtime.identity import OUR_AGENTS
from rules.types import Role

ROLE_ATTRIBUTE = "earmark.role"
_KIND = "kind:"
_KIND_PREFIX = "PARTICIPANT_KIND_"
# People who come and go all day in one room must not fill the memory.
_MAX_KNOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePattern:
    """A setting that gives a role to whoever fits: an identity with wildcards, or `kind:sip`."""

    pattern: str
    role: Role

    def fits(self, identity: str, kind: str) -> bool:
        """Whether somebody is meant."""
        if self.pattern.startswith(_KIND):
            return self.pattern.removeprefix(_KIND) == kind
        return fnmatchcase(identity, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in the room."""

    identity: str = field(repr=False)
    sid: str
    role: Role | None
    kind: str  # standard, sip, agent, ...


class Roster:
    """Everybody who is or was in a room.

    Args:
        supervisors: Identities that are supervisors by the settings.
        patterns: Roles by the settings, for whom nothing else names one.
    """

    def __init__(
        self, *, supervisors: Collection[str] = (), patterns: Sequence[RolePattern] = ()
    ) -> None:
        self._supervisors = frozenset(supervisors)
        self._patterns = tuple(patterns)
        self._known: dict[str, Person] = {}

    def admit(self, participant: rtc.RemoteParticipant) -> Person:
        """Learn who somebody is, or what became of them."""
        kind = kind_of(participant)
        person = Person(
            identity=participant.identity,
            sid=participant.sid,
            role=role_of(
                identity=participant.identity,
                attributes=participant.attributes,
                metadata=participant.metadata,
                kind=kind,
                supervisors=self._supervisors,
                patterns=self._patterns,
            ),
            kind=kind,
        )
        self._known.pop(person.identity, None)  # the newest stand last
        self._known[person.identity] = person
        while len(self._known) > _MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        return person

    def get(self, identity: str | None) -> Person | None:
        """Who bears an identity, or bore it last; None for strangers."""
        return None if identity is None else self._known.get(identity)


def kind_of(participant: rtc.RemoteParticipant) -> str:
    """LiveKit's kind of a participant, as one small word."""
    return kind_name(rtc.ParticipantKind.Name(participant.kind))


def kind_name(name: str) -> str:
    """The small word for a kind as the room or the server API names it."""
    return name.removeprefix(_KIND_PREFIX).lower()


class SeenParticipant(Protocol):
    """What is read of a participant: `rtc.RemoteParticipant` has it."""

    @property
    def identity(self) -> str:
        """The identity."""

    @property
    def kind(self) -> int:
        """LiveKit's kind."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the token, and later others, said of them."""


def is_ours(participant: SeenParticipant) -> bool:
    """Whether this is another observer or an analyst, which is no part of the call.

    They are hidden and normally not seen at all. Only a token can make an agent of a participant,
    so nobody hides behind the name: a caller who bears it must still be heard.
    """
    is_agent = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    named = participant.attributes.get(ATTRIBUTE_AGENT_NAME, participant.identity)
    return is_agent and (
        named.startswith(OUR_AGENTS) or participant.identity.startswith(OUR_AGENTS)
    )


def role_of(
    *,
    identity: str,
    attributes: Mapping[str, str],
    metadata: str,
    kind: str,
    supervisors: Collection[str] = (),
    patterns: Sequence[RolePattern] = (),
) -> Role | None:
    """The role of a participant, by the first of these that names one.

    The settings' list of supervisors, the attribute `earmark.role`, the key `role` in JSON
    metadata, the settings' patterns, and for programs that join as agents, that kind. A telephone
    caller gets no role by being one, unless a pattern says so: outbound calls have agents on
    telephones too.

    Returns:
        The role, or None where nothing says it.
    """
    if identity in supervisors:
        return Role.SUPERVISOR
    for claim in (attributes.get(ROLE_ATTRIBUTE), _role_in(metadata)):
        if claim in {role.value for role in Role}:
            return Role(claim)
    for each in patterns:
        if each.fits(identity, kind):
            return each.role
    return Role.AI_AGENT if kind == "agent" else None


def is_ringing(participant: SeenParticipant) -> bool:
    """Whether this is a telephone that nobody has taken up yet: it plays a ringing tone.

    Its track is listened to all the same; announcements come before the answer. But nobody has
    joined the call, and what must be said to them is not due.
    """
    return participant.attributes.get("sip.callStatus") in {"dialing", "ringing"}


def _role_in(metadata: str) -> str | None:
    try:
        record = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    claim = record.get("role") if isinstance(record, dict) else None
    return claim if isinstance(claim, str) else None
