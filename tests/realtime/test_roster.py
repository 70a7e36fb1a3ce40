"""Roles come from what a room says about its participants."""

import pytest

from realtime.roster import role_of
from rules.types import Role


@pytest.mark.parametrize(
    ("attributes", "metadata", "is_agent_kind", "supervisors", "expected"),
    [
        pytest.param({"earmark.role": "agent"}, "", False, (), Role.AGENT, id="attribute"),
        pytest.param({}, '{"role": "customer"}', False, (), Role.CUSTOMER, id="metadata"),
        pytest.param(
            {"earmark.role": "agent"}, '{"role": "customer"}', False, (), Role.AGENT, id="both"
        ),
        pytest.param({}, "", True, (), Role.AI_AGENT, id="agent-kind"),
        pytest.param({"earmark.role": "agent"}, "", True, (), Role.AGENT, id="said-beats-kind"),
        pytest.param({}, "", False, ("ann",), Role.SUPERVISOR, id="settings"),
        pytest.param(
            {"earmark.role": "agent"}, "", False, ("ann",), Role.SUPERVISOR, id="settings-first"
        ),
        pytest.param({"earmark.role": "boss"}, "", False, (), None, id="no-such-role"),
        pytest.param({}, "not json", False, (), None, id="metadata-of-somebody-else"),
        pytest.param({}, "[1]", False, (), None, id="metadata-is-a-list"),
        pytest.param({}, '{"role": 7}', False, (), None, id="metadata-role-is-no-text"),
        pytest.param({}, "", False, (), None, id="nobody-says"),
    ],
)
def test_role_of(
    attributes: dict[str, str],
    metadata: str,
    is_agent_kind: bool,
    supervisors: tuple[str, ...],
    expected: Role | None,
) -> None:
    """Settings come first, then attributes, metadata and the kind; a role is never guessed."""
    role = role_of(
        identity="ann",
        attributes=attributes,
        metadata=metadata,
        is_agent_kind=is_agent_kind,
        supervisors=supervisors,
    )
    assert role is expected
