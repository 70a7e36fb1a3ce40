from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from storage import audits
from storage.audits import Audit, AuditStatus, Claim, ClaimOutcome
from storage.database import Database, open_database
from storage.findings import CoverageCode, findings_of
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


def status_of(database: Database, key: str = "k1") -> tuple[AuditStatus, int, str | None]:
    with database.begin() as connection:
        found = audits.get_audit(connection, key)
    assert found is not None
    return found.status, found.faults, found.last_error


def test_faults_make_poison(database: Database) -> None:
    """At so many faults of its own an audit is given no more, and a finding says so."""
    for n in (1, 2):
        assert claim(database).attempt == n
        with database.begin() as connection:
            assert audits.fail(
                connection, "k1", attempt=n, error="ValueError", now=NOW, is_fault=True,
                max_faults=2,
            )  # fmt: skip
    assert status_of(database) == (AuditStatus.POISONED, 2, "ValueError")
    left = claim(database)
    assert (left.outcome, left.code) == (ClaimOutcome.POISONED, "ValueError")
    with database.begin() as connection:
        (found,) = findings_of(connection, "k1")
        assert (found.code, found.detail) == (CoverageCode.NOT_AUDITED, "ValueError")
        again = audits.claim(connection, "k1", "RM_1", NOW, 60, take_poisoned=True)
    assert (again.outcome, again.attempt) == (ClaimOutcome.CLAIMED, 3)
    assert status_of(database) == (AuditStatus.RUNNING, 0, None)


def test_services_that_are_away_make_no_poison(database: Database) -> None:
    """However often an audit fails for what does not lie in it, it is given again."""
    for _ in range(9):
        attempt = claim(database).attempt
        with database.begin() as connection:
            audits.fail(connection, "k1", attempt=attempt, error="Away", now=NOW, max_faults=2)
    assert status_of(database) == (AuditStatus.FAILED, 0, "Away")


def test_claims_that_lapse_make_poison(database: Database) -> None:
    """Who has it falls silent again and again, as where a container dies with all workers."""
    for n, outcome in enumerate([ClaimOutcome.CLAIMED] * 3 + [ClaimOutcome.POISONED]):
        with database.begin() as connection:
            now = NOW + timedelta(seconds=100 * n)
            given = audits.claim(connection, "k1", "RM_1", now, 60, max_faults=3)
        assert given.outcome is outcome
    assert status_of(database) == (AuditStatus.POISONED, 3, audits.ABANDONED)


def test_the_dead_are_spoken_for(database: Database) -> None:
    """What a dead worker had is poison, what a stopped one had is free; others keep theirs."""
    with database.begin() as connection:
        for key, owner in (("k1", "run/1"), ("k2", "run/2"), ("k3", "run/3")):
            audits.claim(connection, key, "RM_1", NOW, 60, owner=owner)
        assert audits.poison_of_owner(connection, "run/1", error="killed", now=NOW) == ("k1",)
        assert audits.poison_of_owner(connection, "run/1", error="killed", now=NOW) == ()
        assert audits.release_of_owner(connection, "run/2", error="stopped", now=NOW) == 1
    assert status_of(database, "k1") == (AuditStatus.POISONED, 1, "killed")
    assert status_of(database, "k2") == (AuditStatus.FAILED, 0, "stopped")
    assert status_of(database, "k3") == (AuditStatus.RUNNING, 0, None)
