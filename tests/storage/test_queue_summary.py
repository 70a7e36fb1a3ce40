"""The rows of the queue follow what they are made of."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import delete, insert, select

from rules.types import HitState, Role, Severity
from storage import migration
from storage.audits import claim
from storage.call_rows import delete_call
from storage.calls import CallParticipant, save_call, save_participant
from storage.database import Database, open_database
from storage.erasure_person import Person
from storage.erasure_rows import erase_call_rows
from storage.findings import CoverageCode, FindingKind, LiveVerdict, replace_findings
from storage.queue import QueuedCall
from storage.queue_summary import (
    Flagged,
    Status,
    n_stale,
    refresh_queue,
    refresh_stale,
)
from storage.review_items import items_of
from storage.review_tables import (
    ASSIGNMENTS,
    QUEUE,
    QUEUE_REVIEWERS,
    QUEUE_RULES,
    QUEUE_STALE,
    REVIEW_CLAIMS,
    REVIEW_NEEDS,
)
from storage.tables import HITS
from tests.storage.builders import NOW, call, finding
from tests.storage.reviews import (
    CONFIRMED,
    ESCALATED,
    FALSE_ALARM,
    add_audit,
    add_hits,
    hit_at,
    judge,
    queued,
)

HOUR = timedelta(hours=1)
DERIVED = (QUEUE, QUEUE_RULES, QUEUE_REVIEWERS)


def rows(database: Database) -> dict[str, set[tuple[Any, ...]]]:
    """All that the queue's tables hold."""
    with database.begin(read_only=True) as connection:
        return {t.name: {tuple(row) for row in connection.execute(select(t))} for t in DERIVED}


def shown(database: Database, room_sid: str = "RM_1") -> QueuedCall:
    """The call, which is in the queue."""
    found = queued(database, room_sid)
    assert found is not None
    return found


def test_a_hit_puts_its_call_into_the_queue(database: Database) -> None:
    """The call is there with the hit, and knows its worst flag, rules and whom they are about."""
    with database.begin() as connection:
        save_call(connection, call(ended_at=NOW + timedelta(minutes=2)))
        save_participant(
            connection,
            CallParticipant(
                room_sid="RM_1", identity="caller", role=Role.CUSTOMER, kind="sip", joined_s=0.0
            ),
        )
    add_hits(
        database,
        hit_at("h1", 3.0, severity=Severity.LOW),
        hit_at("h2", 9.0, severity=Severity.CRITICAL, rule_id="conduct.insult", speaker="desk"),
        hit_at("h3", 20.0, rule_id="disclosure.recording", speaker=None),
        at=NOW + HOUR,
    )
    assert shown(database) == QueuedCall(
        room_sid="RM_1", status=Status.OPEN, severity=Severity.CRITICAL, began_at=NOW,
        waiting_since=NOW + HOUR, duration_s=120.0,
        flagged=(Flagged.CUSTOMER, Flagged.UNKNOWN, Flagged.NOBODY), disagrees=False,
        worst_rule_id="conduct.insult", n_flags=3, n_live=3, n_audit=0, n_rules=3,
        claimed_by=None, claimed_until=None, assignee=None, is_done_by_viewer=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "shadow"),
    [({"state": HitState.RETRACTED}, False), ({}, True)],
    ids=["retracted", "on-trial"],
)
def test_what_flags_nothing(database: Database, changes: dict[str, Any], shadow: bool) -> None:
    """Hits that were taken back and hits of rules on trial put no call into the queue."""
    add_hits(database, hit_at("h1", 3.0, **changes), shadow=shadow)
    assert queued(database) is None


def test_retracting_the_only_hit(database: Database) -> None:
    """A call leaves the queue when its last hit was taken back."""
    add_hits(database, hit_at("h1", 3.0, state=HitState.PROVISIONAL))
    assert shown(database).n_flags == 1
    add_hits(database, hit_at("h1", 3.0, state=HitState.RETRACTED))
    assert queued(database) is None
    assert all(not found for found in rows(database).values())


def test_an_audit_joins_what_live_found(database: Database) -> None:
    """A finding and its live hit are one flag; what only one side has is a disagreement."""
    add_hits(database, hit_at("h1", 3.0), hit_at("h2", 30.0, rule_id="conduct.insult"))
    same = finding(id="f1", live_hit_id="h1")
    add_audit(database, [same, finding(id="c", kind=FindingKind.COVERAGE, rule_id=None,
                                       code=CoverageCode.NOT_DIARIZED)])  # fmt: skip
    agreed = shown(database)
    assert (agreed.n_flags, agreed.n_live, agreed.n_audit, agreed.disagrees) == (2, 2, 1, False)
    add_audit(
        database,
        [
            same,
            finding(
                id="f2", live_hit_id="h2", rule_id="conduct.insult", start_s=30.0, end_s=35.0,
                verdict=LiveVerdict.FALSE_ALARM_LIVE,
            ),
            finding(
                id="f3", live_hit_id=None, start_s=60.0, end_s=61.0, verdict=LiveVerdict.MISSED_LIVE
            ),
        ],
        key="k2",
        at=NOW + 2 * HOUR + timedelta(hours=12),
    )  # fmt: skip
    found = shown(database)
    assert (found.n_flags, found.n_live, found.n_audit, found.disagrees) == (3, 2, 2, True)


def test_an_audit_that_is_not_done_changes_nothing(database: Database) -> None:
    """Findings count when their audit is finished."""
    with database.begin() as connection:
        claim(connection, "k1", "RM_1", NOW, 60.0)
        replace_findings(connection, "k1", [finding()])
    assert queued(database) is None


def test_verdicts_move_a_call(database: Database) -> None:
    """A call is open until every flag is judged; then it is reviewed, or escalated."""
    add_hits(database, hit_at("h1", 3.0), hit_at("h2", 30.0))
    judge(database, "h1", CONFIRMED)
    assert shown(database).status is Status.OPEN
    judge(database, "h2", FALSE_ALARM)
    assert shown(database).status is Status.REVIEWED
    judge(database, "h2", ESCALATED, now=NOW + HOUR)
    assert shown(database).status is Status.ESCALATED


def test_reviewers_who_disagree(database: Database) -> None:
    """Two who say different things of a flag leave it to a lead."""
    add_hits(database, hit_at("h1", 3.0))
    judge(database, "h1", CONFIRMED, "rita")
    judge(database, "h1", FALSE_ALARM, "sam")
    assert shown(database).status is Status.ADJUDICATION


def test_a_new_flag_opens_a_call_again(database: Database) -> None:
    """What the audit adds waits from the audit on, and what was decided stays decided."""
    add_hits(database, hit_at("h1", 3.0))
    judge(database, "h1", CONFIRMED)
    new = finding(id="f2", live_hit_id=None, rule_id="conduct.insult", start_s=60.0, end_s=61.0)
    add_audit(database, [finding(id="f1", live_hit_id="h1"), new], at=NOW + 12 * HOUR)
    again = shown(database)
    assert (again.status, again.waiting_since) == (Status.OPEN, NOW + 12 * HOUR)
    judge(database, "f2", FALSE_ALARM, audit_key="k1")
    assert shown(database).status is Status.REVIEWED


def test_verdicts_outlive_an_audit(database: Database) -> None:
    """Audited again under other ids, a flag at that time keeps its verdict; others do not."""
    add_audit(database, [finding(id="f1", live_hit_id=None)])
    judge(database, "f1", CONFIRMED, audit_key="k1")
    moved = finding(id="g1", live_hit_id=None, start_s=4.0, end_s=8.0)
    add_audit(database, [moved], key="k2", at=NOW + 20 * HOUR)
    assert shown(database).status is Status.REVIEWED
    elsewhere = finding(id="i1", live_hit_id=None, start_s=100.0, end_s=104.0)
    add_audit(database, [elsewhere], key="k3", at=NOW + 30 * HOUR)
    assert shown(database).status is Status.OPEN


def test_who_took_part_and_when_it_began_may_come_late(database: Database) -> None:
    """Roles and the beginning of a call that are told after its hits are told in the queue."""
    add_hits(database, hit_at("h1", 3.0), at=NOW + HOUR)
    before = shown(database)
    assert (before.began_at, before.flagged) == (NOW + HOUR, (Flagged.UNKNOWN,))
    with database.begin() as connection:
        save_participant(
            connection,
            CallParticipant(
                room_sid="RM_1", identity="caller", role=Role.AGENT, kind="sip", joined_s=0.0
            ),
        )
        save_call(connection, call())
    after = shown(database)
    assert (after.began_at, after.flagged) == (NOW, (Flagged.AGENT,))


def test_deleting_a_call_leaves_nothing(database: Database) -> None:
    """Rows of the review go with their call, and those of other calls stay."""
    for room_sid in ("RM_1", "RM_2"):
        add_hits(database, hit_at("h1", 3.0), room_sid=room_sid)
        judge(database, "h1", CONFIRMED, room_sid=room_sid)
        with database.begin() as connection:
            connection.execute(
                insert(ASSIGNMENTS).values(
                    room_sid=room_sid, assignee="sam", assigned_by="lea", assigned_at=NOW
                )
            )
            connection.execute(insert(QUEUE_STALE).values(room_sid=room_sid))
            connection.execute(
                insert(REVIEW_CLAIMS).values(
                    room_sid=room_sid, reviewer="sam", claimed_at=NOW, lease_until=NOW
                )
            )
    with database.begin() as connection:
        delete_call(connection, "RM_1")
    tables = (*DERIVED, ASSIGNMENTS, QUEUE_STALE, REVIEW_CLAIMS, REVIEW_NEEDS)
    with database.begin(read_only=True) as connection:
        for table in tables:
            found = connection.execute(select(table.c.room_sid)).scalars().all()
            assert found == ["RM_2"], table.name


def test_erasing_a_person(database: Database) -> None:
    """What they said leaves the queue with its hits; what others said stays."""
    add_hits(
        database,
        hit_at("h1", 3.0, severity=Severity.CRITICAL),
        hit_at("h2", 9.0, severity=Severity.LOW, speaker="desk", rule_id="conduct.insult"),
    )
    with database.begin() as connection:
        erase_call_rows(connection, "RM_1", Person(identity="caller"), "erased-1")
        refresh_queue(connection, ["RM_1"])
    left = shown(database)
    assert (left.severity, left.n_flags, left.worst_rule_id) == (Severity.LOW, 1, "conduct.insult")


def test_stale_calls_are_made_anew(database: Database) -> None:
    """Rows that came in another way are missing until they are made, in batches; twice is once."""
    with database.begin() as connection:
        for n in range(5):
            connection.execute(
                insert(HITS).values(
                    room_sid=f"RM_{n}", hit_id="h", rule_id="r", rule_version=1, severity="high",
                    speaker=None, start_s=1.0, end_s=2.0, parts=[], excerpt="", score=1.0,
                    state="confirmed", at_s=2.0, recorded_at=NOW,
                )
            )  # fmt: skip
            connection.execute(insert(QUEUE_STALE).values(room_sid=f"RM_{n}"))
        connection.execute(insert(QUEUE_STALE).values(room_sid="RM_gone"))
        assert n_stale(connection) == 6
    assert queued(database, "RM_3") is None
    assert refresh_stale(database, batch_calls=2) == 6
    assert shown(database, "RM_3").severity is Severity.HIGH
    assert refresh_stale(database) == 0
    with database.begin(read_only=True) as connection:
        assert n_stale(connection) == 0


def test_step_by_step_is_as_at_once(database: Database) -> None:
    """Whatever is written in whatever order, the rows are those that are made from all of it."""
    chance = random.Random(3)  # noqa: S311 - repeatable, not secret
    for step in range(60):
        room_sid = f"RM_{chance.randint(1, 3)}"
        match chance.choice(["hit", "hit", "audit", "verdict", "role"]):
            case "hit":
                add_hits(
                    database,
                    hit_at(
                        f"h{chance.randint(1, 4)}", chance.uniform(0, 60),
                        state=chance.choice(list(HitState)),
                        speaker=chance.choice(["a", "b", None]),
                        severity=chance.choice(list(Severity)), rule_id=chance.choice(["r", "q"]),
                    ),
                    room_sid=room_sid,
                    shadow=chance.random() < 0.2,
                )  # fmt: skip
            case "audit":
                found = [
                    finding(
                        id=f"f{n}", live_hit_id=chance.choice([None, "h1", "h2"]),
                        verdict=chance.choice(list(LiveVerdict)), rule_id=chance.choice(["r", "q"]),
                        start_s=chance.uniform(0, 30), end_s=chance.uniform(31, 60),
                    )
                    for n in range(chance.randint(0, 3))
                ]  # fmt: skip
                add_audit(database, found, key=f"k{step}", room_sid=room_sid,
                          at=NOW + timedelta(minutes=step))  # fmt: skip
            case "verdict":
                flags = queued(database, room_sid)
                if flags is not None:
                    judge_any(database, room_sid, chance, step)
            case "role":
                with database.begin() as connection:
                    save_participant(
                        connection,
                        CallParticipant(
                            room_sid=room_sid, identity=chance.choice(["a", "b"]),
                            role=chance.choice(list(Role)), kind="sip", joined_s=0.0,
                        ),
                    )  # fmt: skip
    kept = rows(database)
    assert len(kept["queue"]) == 3
    with database.begin() as connection:
        for table in DERIVED:
            connection.execute(delete(table))
        refresh_queue(connection, ["RM_1", "RM_2", "RM_3"])
    assert rows(database) == kept


def judge_any(database: Database, room_sid: str, chance: random.Random, step: int) -> None:
    """A verdict on one of a call's flags."""
    with database.begin(read_only=True) as connection:
        item = chance.choice(items_of(connection, [room_sid])[room_sid])
    judge(
        database, item.subject_id, chance.choice([CONFIRMED, FALSE_ALARM, ESCALATED]),
        chance.choice(["rita", "sam"]), room_sid=room_sid, audit_key=item.audit_key,
        form=str(step), now=NOW + timedelta(hours=step),
    )  # fmt: skip


def test_an_older_database(tmp_path: Path) -> None:
    """Upgraded from before the queue, a database knows which calls are to be put into it."""
    database = open_database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.begin() as connection:
        command.downgrade(migration._config(connection), "0013")
        connection.execute(
            insert(HITS).values(
                room_sid="RM_old", hit_id="h", rule_id="r", rule_version=1, severity="high",
                speaker=None, start_s=1.0, end_s=2.0, parts=[], excerpt="", score=1.0,
                state="confirmed", at_s=2.0, recorded_at=NOW, shadow=False,
            )
        )  # fmt: skip
        migration.migrate(connection)
        migration.check(connection)
    assert queued(database, "RM_old") is None
    assert refresh_stale(database) == 1
    assert shown(database, "RM_old").status is Status.OPEN
    database.close()
