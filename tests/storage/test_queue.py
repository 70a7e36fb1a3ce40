"""The queue of flagged calls: what is in it, in which order, and page by page."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from rules.types import Severity
from storage.assignments import assign
from storage.database import Database
from storage.errors import ReviewError
from storage.queue import Count, Queue, QueuedCall
from storage.queue_filter import Cursor, QueueFilter, Shown, Sort
from storage.queue_summary import Flagged, Status
from storage.review_claims import claim_call
from storage.review_items import RANKS
from storage.review_tables import QUEUE, QUEUE_REVIEWERS, QUEUE_RULES
from tests.storage.builders import NOW

RULES = ("conduct.insult", "pii.card-number", "pii.us-ssn")
PEOPLE = ("rita", "sam")


def fill(database: Database, n_calls: int, seed: int = 1) -> None:
    """Rows of a queue as no order would have them; many share a time."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    rows: list[dict[str, object]] = []
    by_rule: list[dict[str, object]] = []
    judged: list[dict[str, object]] = []
    for n in range(n_calls):
        order: dict[str, object] = {
            "room_sid": f"RM_{n:04d}",
            "status": chance.choice([*Status, Status.OPEN, Status.OPEN]).value,
            "severity_rank": chance.randint(1, 5),
            "began_at": NOW + timedelta(hours=chance.randint(0, 30)),
            "waiting_since": NOW + timedelta(hours=chance.randint(31, 40)),
        }
        rules = chance.sample(RULES, chance.randint(1, len(RULES)))
        each_rule = [
            order
            | {
                "rule_id": rule_id,
                "roles": chance.choice([1, 2, 3, 16, 32]),
                "disagrees": chance.random() < 0.3,
                "n_flags": chance.randint(1, 3),
            }
            for rule_id in rules
        ]
        by_rule += each_rule
        roles = 0
        for each in each_rule:
            roles |= int(str(each["roles"]))
        rows.append(
            order
            | {
                "roles": roles,
                "disagrees": any(each["disagrees"] for each in each_rule),
                "worst_rule_id": rules[0],
                "n_flags": 3,
                "n_live": 2,
                "n_audit": 1,
                "n_rules": len(rules),
            }
        )
        if order["status"] == "open" and chance.random() < 0.3:
            judged.append({"room_sid": order["room_sid"], "reviewer": chance.choice(PEOPLE)})
    with database.begin() as connection:
        connection.execute(QUEUE.insert(), rows)
        connection.execute(QUEUE_RULES.insert(), by_rule)
        if judged:
            connection.execute(QUEUE_REVIEWERS.insert(), judged)


def read(
    database: Database, which: QueueFilter, sort: Sort, *, viewer: str = "rita", n_calls: int = 60
) -> list[QueuedCall]:
    """All pages, one after the other."""
    found: list[QueuedCall] = []
    after: Cursor | None = None
    while True:
        with database.begin(read_only=True) as connection:
            page = Queue(connection, now=NOW, viewer=viewer).page(
                which, sort=sort, after=after, n_calls=n_calls
            )
        found += page.calls
        if page.next is None:
            return found
        assert len(page.calls) == n_calls
        after = Cursor.from_text(page.next.to_text())


def by_hand(
    database: Database, which: QueueFilter, sort: Sort, *, viewer: str = "rita"
) -> list[str]:
    """The same, from all rows and without an index."""
    with database.begin(read_only=True) as connection:
        calls = [row._mapping for row in connection.execute(QUEUE.select())]
        by_rule = {
            (row.room_sid, row.rule_id): row._mapping
            for row in connection.execute(QUEUE_RULES.select())
        }
        queue = Queue(connection, now=NOW, viewer=viewer)
        shown = {each.room_sid: each for each in queue.calls([c["room_sid"] for c in calls])}

    def fits(call: Any) -> bool:
        row = call if which.rule_id is None else by_rule.get((call["room_sid"], which.rule_id))
        seen = shown[call["room_sid"]]
        return (
            row is not None
            and which.status in {None, seen.shown}
            and not (which.status is Shown.OPEN and seen.is_done_by_viewer)
            and (which.min_severity is None or row["severity_rank"] >= RANKS[which.min_severity])
            and (which.since is None or row["began_at"] >= which.since)
            and (which.until is None or row["began_at"] < which.until)
            and (which.flagged is None or bool(row["roles"] & which.flagged.bit))
            and which.disagrees in {None, row["disagrees"]}
            and which.assignee in {None, seen.assignee}
            and which.is_assigned in {None, seen.assignee is not None}
        )

    found = [call for call in calls if fits(call)]
    if sort is Sort.NEWEST:
        found.sort(key=lambda call: (call["began_at"], call["room_sid"]), reverse=True)
    else:
        rank = -1 if sort is Sort.SEVERITY else 0
        found.sort(key=lambda c: (rank * c["severity_rank"], c["waiting_since"], c["room_sid"]))
    return [call["room_sid"] for call in found]


FILTERS = {
    "open": QueueFilter(),
    "all": QueueFilter(status=None),
    "claimed": QueueFilter(status=Shown.CLAIMED),
    "reviewed": QueueFilter(status=Shown.REVIEWED),
    "escalated": QueueFilter(status=Shown.ESCALATED),
    "adjudication": QueueFilter(status=Shown.ADJUDICATION),
    "rule": QueueFilter(rule_id="pii.card-number"),
    "rule-all": QueueFilter(rule_id="pii.us-ssn", status=None),
    "rule-claimed": QueueFilter(rule_id="pii.us-ssn", status=Shown.CLAIMED),
    "no-such-rule": QueueFilter(rule_id="pii.nothing", status=None),
    "severity": QueueFilter(min_severity=Severity.HIGH, status=None),
    "dates": QueueFilter(since=NOW + timedelta(hours=5), until=NOW + timedelta(hours=20)),
    "customer": QueueFilter(flagged=Flagged.CUSTOMER, status=None),
    "nobody": QueueFilter(flagged=Flagged.NOBODY),
    "disagree": QueueFilter(disagrees=True, status=None),
    "agree": QueueFilter(disagrees=False, status=None),
    "rule-disagree-role": QueueFilter(
        rule_id="conduct.insult", disagrees=True, flagged=Flagged.AGENT, status=None
    ),
    "assignee": QueueFilter(assignee="sam", status=None),
    "assignee-rule": QueueFilter(assignee="sam", rule_id="pii.card-number"),
    "assigned": QueueFilter(is_assigned=True, status=None),
    "unassigned": QueueFilter(is_assigned=False),
    "everything": QueueFilter(
        rule_id="pii.card-number", min_severity=Severity.LOW, since=NOW,
        until=NOW + timedelta(hours=25), flagged=Flagged.CUSTOMER, is_assigned=False,
    ),
}  # fmt: skip


@pytest.fixture
def filled(database: Database) -> Iterator[Database]:
    """300 calls; some are claimed, one no more, and some are assigned."""
    fill(database, 300)
    with database.begin() as connection:
        for n, reviewer in zip(range(0, 300, 23), itertools.cycle(PEOPLE)):
            claim_call(connection, f"RM_{n:04d}", reviewer, now=NOW)
        claim_call(connection, "RM_0001", "rita", now=NOW - timedelta(hours=1))
        sids = [f"RM_{n:04d}" for n in range(0, 300, 3)]
        assign(connection, sids, "sam", assigned_by="lea", now=NOW)
    return database


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("name", FILTERS)
def test_pages(filled: Database, name: str, sort: Sort) -> None:
    """Page by page, a filter gives each of its calls once, in order, and counts them."""
    which = FILTERS[name]
    expected = by_hand(filled, which, sort)
    assert [call.room_sid for call in read(filled, which, sort)] == expected
    with filled.begin(read_only=True) as connection:
        queue = Queue(connection, now=NOW, viewer="rita")
        assert queue.count(which) == Count(n_calls=len(expected), is_exact=True)
        assert queue.count(which, limit=5) == Count(
            n_calls=min(5, len(expected)), is_exact=len(expected) <= 5
        )


def test_filters_differ(filled: Database) -> None:
    """The rows of this test tell the filters apart: hardly two of them give the same calls."""
    results = {name: tuple(by_hand(filled, f, Sort.WAITING)) for name, f in FILTERS.items()}
    assert results.pop("no-such-rule") == ()
    assert all(results.values())
    assert len(set(results.values())) == len(results) - 1  # what sam has is all that is assigned


def test_each_viewer_has_their_own(filled: Database) -> None:
    """An open call that somebody has judged is gone for them, and open as ever for others."""
    with filled.begin(read_only=True) as connection:
        judged = dict(connection.execute(QUEUE_REVIEWERS.select()).all())
        shown = {each.room_sid: each.shown for each in Queue(
            connection, now=NOW, viewer="x").calls(list(judged))}  # fmt: skip
    for person in PEOPLE:
        seen = {call.room_sid for call in read(filled, QueueFilter(), Sort.NEWEST, viewer=person)}
        for room_sid, reviewer in judged.items():
            assert (room_sid in seen) == (reviewer != person and shown[room_sid] is Shown.OPEN)


def test_rules_that_flag(filled: Database) -> None:
    """The rules of the queue, each once."""
    with filled.begin(read_only=True) as connection:
        assert Queue(connection, now=NOW, viewer="x").rule_ids() == RULES


def test_empty_queue(database: Database) -> None:
    """Nothing flagged is an empty page, no rule, and a count of 0."""
    with database.begin(read_only=True) as connection:
        queue = Queue(connection, now=NOW, viewer="x")
        assert queue.page(QueueFilter(status=None)).calls == ()
        assert queue.rule_ids() == ()
        assert queue.count(QueueFilter(status=None)) == Count(n_calls=0, is_exact=True)
        assert queue.find("RM_1") is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", "W10", "WzEsMiwzXQ", "WyJhIiwiMjAyNiIsInMiXQ", "W1tbW1tbW1tbW1tb", "A" * 5000],
)
def test_cursor_that_is_none(text: str) -> None:
    """What is no place in the queue is refused in one sentence."""
    with pytest.raises(ReviewError, match="start anew"):
        Cursor.from_text(text)


def test_page_too_long(database: Database) -> None:
    """Nobody gets the whole queue as one page."""
    with database.begin(read_only=True) as connection, pytest.raises(ReviewError):
        Queue(connection, now=NOW, viewer="x").page(QueueFilter(), n_calls=501)
