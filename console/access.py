"""Who may do what: roles, permissions, people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What somebody is at the console. One person may have several."""

    REVIEWER = "reviewer"
    LEAD = "lead"
    RULE_EDITOR = "rule_editor"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a page or an action asks for."""

    VIEW_CALLS = "view_calls"  # the queue, a call's page and its sound, all masked
    UNMASK = "unmask"  # see and hear what is masked, for a reason
    REVIEW = "review"  # claim calls and decide
    ADJUDICATE = "adjudicate"  # settle what reviewers disagree on
    ASSIGN = "assign"  # give calls to people, draw samples
    EXPORT = "export"
    VIEW_LIVE = "view_live"
    VIEW_RULES = "view_rules"
    EDIT_RULES = "edit_rules"
    APPROVE_RULES = "approve_rules"  # of somebody else's making only
    VIEW_QUALITY = "view_quality"
    VIEW_TRAIL = "view_trail"
    MANAGE = "manage"  # who is signed in


_P = Permission
_REVIEWER = frozenset({_P.VIEW_CALLS, _P.REVIEW, _P.VIEW_LIVE, _P.VIEW_RULES})
PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.REVIEWER: _REVIEWER,
        Role.LEAD: _REVIEWER | {_P.UNMASK, _P.ADJUDICATE, _P.ASSIGN, _P.EXPORT, _P.VIEW_QUALITY},
        Role.RULE_EDITOR: frozenset(
            {_P.VIEW_RULES, _P.EDIT_RULES, _P.APPROVE_RULES, _P.VIEW_QUALITY}
        ),
        Role.AUDITOR: frozenset(
            {_P.VIEW_CALLS, _P.VIEW_LIVE, _P.VIEW_RULES, _P.VIEW_QUALITY, _P.VIEW_TRAIL, _P.EXPORT}
        ),
        # Who runs the house decides on nobody, and has no reason to hear what is masked.
        Role.ADMIN: frozenset(_P) - {_P.UNMASK, _P.REVIEW, _P.ADJUDICATE},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in."""

    id: str = field(repr=False)  # stable: it stands in verdicts, claims and the trail
    name: str = field(repr=False)
    roles: frozenset[Role]

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles reaches that far."""
        return any(permission in PERMISSIONS[role] for role in self.roles)


def roles_of(names: Iterable[str]) -> frozenset[Role]:
    """Roles by their names.

    Raises:
        ValueError: one of them is no role.
    """
    return frozenset(Role(name) for name in names)
