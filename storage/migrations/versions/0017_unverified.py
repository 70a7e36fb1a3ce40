"""What could not be decided has a word of its own among the verdicts of an audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_FINDINGS = sa.table(
    "findings", *(sa.column(name, sa.Text()) for name in ("kind", "verdict", "detail"))
)


def upgrade() -> None:
    """Write the word where there was a note that it is missing."""
    op.execute(
        _FINDINGS.update()
        .where(_FINDINGS.c.kind == "rule", _FINDINGS.c.verdict.is_(None))
        .values(verdict="unverified", detail=None)
    )


def downgrade() -> None:
    """Put the note back."""
    op.execute(
        _FINDINGS.update()
        .where(_FINDINGS.c.kind == "rule", _FINDINGS.c.verdict == "unverified")
        .values(verdict=None, detail="unverified")
    )
