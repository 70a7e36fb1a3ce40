"""A person's rows: what they said goes, and what others need is kept under a pseudonym."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    cast,
    delete,
    func,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.types import JSON

import storage.keeping_tables
import storage.review_tables  # noqa: F401 - and so may the name of a saved view
from storage.erasure_person import Person
from storage.mentions import forms
from storage.tables import (
    AUDITS,
    EGRESS_CLAIMS,
    FINDINGS,
    GAPS,
    HITS,
    METADATA,
    OUTBOX,
    PARTICIPANTS,
    RECORDINGS,
    RECORDS,
    SPEECH,
    VERDICTS,
)
from storage.trail_tables import CHAINED

# Their columns name a person, and nothing that the person said.
_NAMED = ((PARTICIPANTS, "identity"), (GAPS, "identity"), (EGRESS_CLAIMS, "identity"))


def calls_with(connection: Connection, person: Person) -> set[str]:
    """Session ids of all calls of which any row names the person."""
    found: set[str] = set()
    for table, row in _mentioning(connection, person):
        if "room_sid" in table.c:
            found.add(str(row["room_sid"]))
        elif table is FINDINGS:
            found |= set(
                connection.execute(
                    select(AUDITS.c.room_sid).where(AUDITS.c.audit_key == row["audit_key"])
                ).scalars()
            )
    return found


def erase_call_rows(
    connection: Connection, room_sid: str, person: Person, pseudonym: str
) -> dict[str, int]:
    """Erase a person from the rows of one call.

    Hits, deliveries and findings are what they said, and go; so do all records of the call, since
    nothing tells whose they are. Their presence, gaps in hearing them and reviewers' decisions stay
    under the pseudonym, or a call that was heard in part would seem to have been heard whole.

    Returns:
        Rows that were removed or changed, by table.
    """
    counts: dict[str, int] = {}

    def run(table: Table, statement: object) -> None:
        n = connection.execute(statement).rowcount  # type: ignore[call-overload]
        if n:
            counts[table.name] = counts.get(table.name, 0) + n

    def theirs(table: Table, column: str) -> ColumnElement[bool]:
        return (table.c.room_sid == room_sid) & table.c[column].in_(person.words)

    hit_ids = select(HITS.c.hit_id).where(theirs(HITS, "speaker"))
    run(OUTBOX, delete(OUTBOX).where(OUTBOX.c.room_sid == room_sid, OUTBOX.c.hit_id.in_(hit_ids)))
    run(HITS, delete(HITS).where(theirs(HITS, "speaker")))
    audits = select(AUDITS.c.audit_key).where(AUDITS.c.room_sid == room_sid)
    run(
        FINDINGS,
        delete(FINDINGS).where(
            FINDINGS.c.audit_key.in_(audits), FINDINGS.c.speaker.in_(person.words)
        ),
    )
    run(SPEECH, delete(SPEECH).where(theirs(SPEECH, "identity")))
    run(RECORDS, delete(RECORDS).where(RECORDS.c.room_sid == room_sid))
    run(RECORDINGS, delete(RECORDINGS).where(theirs(RECORDINGS, "identity")))
    run(
        VERDICTS,
        update(VERDICTS).where(theirs(VERDICTS, "speaker")).values(speaker=pseudonym, note=None),
    )
    for table, column in _NAMED:
        run(table, update(table).where(theirs(table, column)).values({column: pseudonym}))
    return counts


def scrub(
    connection: Connection, person: Person, pseudonym: str, held: Collection[str]
) -> dict[str, int]:
    """Replace the person's names wherever else they stand, in any table.

    Args:
        connection: In a transaction.
        person: Who.
        pseudonym: What stands in their place.
        held: Session ids of calls whose rows are not touched.

    Returns:
        Rows that were changed, by table.
    """
    counts: dict[str, int] = {}
    held_audits = set(
        connection.execute(
            select(AUDITS.c.audit_key).where(AUDITS.c.room_sid.in_(list(held)))
        ).scalars()
    )
    for table, row in list(_mentioning(connection, person)):
        if row.get("room_sid") in held or row.get("audit_key") in held_audits:
            continue
        changes: dict[str, object] = {}
        for column in table.c:
            value = row[column.name]
            if isinstance(column.type, JSON) and value is not None:
                cleaned = json.loads(person.removed_from(json.dumps(value), pseudonym))
            elif isinstance(value, str):
                cleaned = person.removed_from(value, pseudonym)
            else:
                continue
            if cleaned != value:
                changes[column.name] = cleaned
        if changes:
            key = [column == row[column.name] for column in table.primary_key]
            connection.execute(update(table).where(*key).values(changes))
            counts[table.name] = counts.get(table.name, 0) + 1
    return counts


def _mentioning(
    connection: Connection, person: Person
) -> Iterator[tuple[Table, dict[str, object]]]:
    there = set(inspect(connection).get_table_names())
    for table in METADATA.sorted_tables:
        columns = [c for c in table.c if isinstance(c.type, Text | JSON)]
        if not columns or table.name not in there or table.name in CHAINED:
            continue  # the trail names staff, and a row that is changed breaks it
        has_word = [
            _has(connection, cast(column, Text), form)
            for column in columns
            for word in person.words
            for form in forms(word)
        ]
        for row in connection.execute(select(table).where(or_(*has_word))).mappings():
            texts = [row[c.name] for c in columns if row[c.name] is not None]
            if any(person.mentioned_in(t if isinstance(t, str) else json.dumps(t)) for t in texts):
                yield table, dict(row)


def _has(connection: Connection, column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    # Not LIKE, which SQLite takes without regard to case, and which has wildcards.
    find = func.instr if connection.dialect.name == "sqlite" else func.strpos
    found: ColumnElement[bool] = find(column, word) > 0
    return found
