"""Roles come from what a room says about its participants."""

import pytest

from realtime.roster import role_of
from rules.types import Role


@pytest.mark.parametrize(
    ("attributes", "metadata", "kind", "supervisors", "expected"),
    [
        pytest.param({"earmark.role": "agent"}, "", "standard", (), Role.AGENT, id="attribute"),
        pytest.param({}, '{"role": "customer"}', "standard", (), Role.CUSTOMER, id="metadata"),
        pytest.param(
            {"earmark.role": "agent"}, '{"role": "customer"}', "standard", (), Role.AGENT, id="both"
        ),
        pytest.param({}, "", "agent", (), Role.AI_AGENT, id="agent-kind"),
        pytest.param({"earmark.role": "agent"}, "", "agent", (), Role.AGENT, id="said-beats-kind"),
        pytest.param({}, "", "standard", ("ann",), Role.SUPERVISOR, id="settings"),
        pytest.param(
            {"earmark.role": "agent"},
            "",
            "standard",
            ("ann",),
            Role.SUPERVISOR,
            id="settings-first",
        ),
        pytest.param({"earmark.role": "boss"}, "", "standard", (), None, id="no-such-role"),
        pytest.param({}, "not json", "standard", (), None, id="metadata-of-somebody-else"),
        pytest.param({}, "[1]", "standard", (), None, id="metadata-is-a-list"),
        pytest.param({}, '{"role": 7}', "standard", (), None, id="metadata-role-is-no-text"),
        pytest.param({}, "", "standard", (), None, id="nobody-says"),
    ],
)
def test_role_of(
    attributes: dict[str, str],
    metadata: str,
    kind: str,
    supervisors: tuple[str, ...],
    expected: Role | None,
) -> None:
    """Settings come first, then attributes, metadata and the kind; a role is never guessed."""
    role = role_of(
        identity="ann",
        attributes=attributes,
        metadata=metadata,
        kind=kind,
        supervisors=supervisors,
    )
    assert role is expected
