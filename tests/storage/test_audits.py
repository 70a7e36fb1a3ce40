from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from storage import audits
from storage.audits import Audit, AuditStatus, Claim, ClaimOutcome
from storage.database import Database, open_database
from tests.storage.builders import NOW

PIPELINE = {"transcriber": "faster-whisper base", "beam": 1, "vad": None}


def claim(database: Database, after_s: float = 0, key: str = "k1", room: str = "RM_1") -> Claim:
    with database.begin() as connection:
        return audits.claim(connection, key, room, NOW + timedelta(seconds=after_s), 60)


def finish(
    database: Database, attempt: int, now: datetime = NOW, key: str = "k1", report: str = "r.json"
) -> bool:
    with database.begin() as connection:
        return audits.finish(
            connection, key, attempt=attempt, report_key=report, pipeline=PIPELINE, now=now
        )


def fail(database: Database, attempt: int) -> bool:
    with database.begin() as connection:
        return audits.fail(connection, "k1", attempt=attempt, error="DecodeError", now=NOW)


def test_first_claim(database: Database) -> None:
    """Whoever asks first gets the audit; whoever asks next hears until when it is held."""
    until = NOW + timedelta(seconds=60)
    assert claim(database) == Claim(
        audit_key="k1", outcome=ClaimOutcome.CLAIMED, attempt=1, held_until=until
    )
    assert claim(database, after_s=59) == Claim(
        audit_key="k1", outcome=ClaimOutcome.HELD, attempt=1, held_until=until
    )


def test_done_is_done(database: Database) -> None:
    """An audit that was done is not given again, and says where its report is."""
    claim(database)
    assert finish(database, 1)
    assert claim(database, after_s=1e6) == Claim(
        audit_key="k1", outcome=ClaimOutcome.DONE, attempt=1, report_key="r.json"
    )
    with database.begin() as connection:
        assert audits.get_audit(connection, "k1") == Audit(
            audit_key="k1",
            room_sid="RM_1",
            status=AuditStatus.DONE,
            attempts=1,
            lease_until=None,
            started_at=NOW,
            finished_at=NOW,
            report_key="r.json",
            pipeline=PIPELINE,
            last_error=None,
        )
        assert audits.get_audit(connection, "other") is None


def test_failed_is_given_again(database: Database) -> None:
    """An audit that failed may be claimed at once, as a further attempt."""
    claim(database)
    assert fail(database, 1)
    again = claim(database)
    assert (again.outcome, again.attempt) == (ClaimOutcome.CLAIMED, 2)
    with database.begin() as connection:
        found = audits.get_audit(connection, "k1")
    assert found is not None
    assert (found.status, found.last_error, found.finished_at) == (AuditStatus.RUNNING, None, None)


def test_taken_over(database: Database) -> None:
    """After the lease another takes over, and the first can settle nothing any more."""
    claim(database)
    second = claim(database, after_s=60)
    assert (second.outcome, second.attempt) == (ClaimOutcome.CLAIMED, 2)
    assert not fail(database, 1)
    assert not finish(database, 1)
    with database.begin() as connection:
        assert not audits.renew(connection, "k1", attempt=1, now=NOW, lease_s=60)
    assert finish(database, 2)
    assert not finish(database, 2)


def test_renewed_lease(database: Database) -> None:
    """A lease that is renewed in time is held for longer."""
    claim(database)
    with database.begin() as connection:
        later = NOW + timedelta(seconds=50)
        assert audits.renew(connection, "k1", attempt=1, now=later, lease_s=60)
    assert claim(database, after_s=109).outcome is ClaimOutcome.HELD
    assert claim(database, after_s=110).outcome is ClaimOutcome.CLAIMED


def test_latest_done(database: Database) -> None:
    """The audit that was finished last counts, not one that runs or failed, nor another call's."""
    with database.begin() as connection:
        assert audits.latest_done(connection, "RM_1") is None
    for n, key in enumerate(["k3", "k1", "k2"]):
        claim(database, key=key)
        finish(database, 1, NOW + timedelta(hours=n), key=key, report=f"{key}.json")
    claim(database, key="running")
    claim(database, key="other", room="RM_2")
    finish(database, 1, NOW + timedelta(days=1), key="other")
    with database.begin() as connection:
        found = audits.latest_done(connection, "RM_1")
    assert found is not None
    assert found.audit_key == "k2"


def test_claimers_at_once(database_url: str, database: Database) -> None:
    """Of several that claim at the same time, one gets each audit: new ones and lapsed ones."""
    keys = [f"k{n}" for n in range(12)]
    for key in keys[:6]:
        claim(database, key=key)
    start = threading.Barrier(4)

    def claim_all() -> list[str]:
        own = open_database(database_url)
        start.wait()
        try:
            return [
                key
                for key in keys
                if claim(own, after_s=1000, key=key).outcome is ClaimOutcome.CLAIMED
            ]
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        claimers = [pool.submit(claim_all) for _ in range(4)]
        claimed = [key for claimer in claimers for key in claimer.result()]
    assert sorted(claimed) == sorted(keys)
