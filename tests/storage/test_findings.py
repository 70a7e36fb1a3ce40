from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import select

from rules.types import Severity
from storage import audits, findings, migration
from storage.database import Database
from storage.errors import DatabaseRefusedError
from storage.findings import CoverageCode, Finding, FindingKind, LiveVerdict
from storage.tables import FINDINGS
from tests.storage.builders import NOW, finding


def claim(database: Database, key: str = "k1") -> None:
    with database.begin() as connection:
        audits.claim(connection, key, "RM_1", NOW, 60)


def replace_all(database: Database, *given: Finding, key: str = "k1") -> None:
    with database.begin() as connection:
        findings.replace_findings(connection, key, given)


def stored(database: Database, key: str = "k1") -> tuple[Finding, ...]:
    with database.begin() as connection:
        return findings.findings_of(connection, key)


def test_every_kind_comes_back(database: Database) -> None:
    """All verdicts, codes and severities come back as given, those without a time first."""
    claim(database)
    coverage = [
        Finding(id=f"c{n}", kind=FindingKind.COVERAGE, code=code, detail="recordings/x.ogg")
        for n, code in enumerate(CoverageCode)
    ]
    verdicts = [finding(id=f"v{n}", start_s=n, verdict=v) for n, v in enumerate(LiveVerdict)]
    severe = [finding(id=f"x{n}", start_s=10 + n, severity=s) for n, s in enumerate(Severity)]
    given = (*coverage, *verdicts, *severe)
    replace_all(database, *reversed(given))
    assert stored(database) == given


def test_replaced(database: Database) -> None:
    """Findings of an audit are replaced as a whole, those of others stay."""
    claim(database)
    claim(database, "k2")
    replace_all(database, finding(id="old"), finding(id="both"))
    replace_all(database, finding(id="other"), key="k2")
    replace_all(database, finding(id="both", score=0.5))
    assert stored(database) == (finding(id="both", score=0.5),)
    assert stored(database, "k2") == (finding(id="other"),)
    replace_all(database)
    assert stored(database) == ()


def test_an_older_ledger_had_no_word_for_what_is_undecided(database: Database) -> None:
    """An upgrade writes it where a note stood in its place; all else stays."""
    claim(database)
    unheard = Finding(id="c", kind=FindingKind.COVERAGE, code=CoverageCode.NOT_TRANSCRIBED)
    undecided = finding(id="u", start_s=1, verdict=LiveVerdict.UNVERIFIED)
    replace_all(database, unheard, undecided, finding(id="v", start_s=2))
    old = select(FINDINGS.c.verdict, FINDINGS.c.detail).order_by(FINDINGS.c.finding_id)
    with database.begin() as connection:
        command.downgrade(migration._config(connection), "0016")
        found = connection.execute(old).all()
        migration.migrate(connection)
    assert found == [(None, None), (None, "unverified"), ("confirmed", None)]
    assert stored(database) == (unheard, undecided, finding(id="v", start_s=2))


def test_refused(database: Database) -> None:
    """Findings of no audit, or with one id twice, are refused, and nothing is lost over it."""
    claim(database)
    replace_all(database, finding())
    with pytest.raises(DatabaseRefusedError):
        replace_all(database, finding(), key="never-claimed")
    with pytest.raises(DatabaseRefusedError):
        replace_all(database, finding(id="twice"), finding(id="twice"))
    assert stored(database) == (finding(),)


def test_repr_hides_people() -> None:
    """A finding in a log does not show who spoke."""
    assert "5550100" not in repr(finding(speaker="+15550100"))
