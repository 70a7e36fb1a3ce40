"""Summing up a day: its page, its JSON and its tables, made anew from what is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from offline.days import Day
from offline.nightly import Nightly, Summing, dump_nightly, trend_begin
from offline.nightly_html import render_nightly
from storage.audited_days import rule_days, unaudited
from storage.database import Database
from storage.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """A summary, and where it is."""

    nightly: Nightly
    html_key: str
    json_key: str
    table_keys: tuple[str, ...]


def sum_up(database: Database, objects: ObjectStore, day: date) -> Night:
    """Sum a day up, in place of an earlier summary of it.

    Args:
        database: Open.
        objects: Where reports lie, and where the summary goes.
        day: UTC.

    Raises:
        DayBusyError: audits write reports of that day all the while.
        StorageError: database or object store failed.
    """
    reports = Day(objects, day)
    written = reports.write_tables()
    summing = Summing()
    for report in reports.reports():
        summing.add(report)
    with database.begin(read_only=True) as connection:
        history = rule_days(connection, trend_begin(day), day)
        not_audited = unaudited(connection, day)
    nightly = summing.result(
        day,
        made_at=datetime.now(UTC),
        history=history,
        not_audited=not_audited,
        unreadable=reports.unreadable,
    )
    html_key, json_key = summary_keys(day)
    objects.put_bytes(json_key, dump_nightly(nightly), content_type="application/json")
    objects.put_bytes(
        html_key, render_nightly(nightly).encode(), content_type="text/html; charset=utf-8"
    )
    return Night(nightly=nightly, html_key=html_key, json_key=json_key, table_keys=written.keys)


def summary_keys(day: date) -> tuple[str, str]:
    """Object keys of a day's page and of its JSON."""
    return f"reports/{day.isoformat()}/summary.html", f"reports/{day.isoformat()}/summary.json"
