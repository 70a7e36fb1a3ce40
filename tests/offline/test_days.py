"""Days: their reports, tables by date, summary, and exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from offline.conduct import measure
from offline.days import Day, table_key
from offline.errors import DayBusyError, ExportError
from offline.export import csv_text, export
from offline.night import sum_up
from offline.nightly import parse_nightly, trend_begin
from offline.nightly_html import headline, render_nightly
from offline.report import Headline, Report, dump_report
from offline.tables import SCHEMAS, joined, parquet, rows_of
from rules.types import Severity, Span
from storage import audits, findings
from storage.calls import Call as CallRow
from storage.calls import save_call
from storage.database import Database
from storage.findings import FindingKind, LiveVerdict
from storage.objects import ObjectInfo, ObjectStore, open_objects
from tests.offline.builders import DAY, STARTED_AT, coverage, finding, made_report
from tests.offline.test_report_html import Page


def of_call(room_sid: str, **changes: Any) -> Report:
    report = made_report(**changes)
    return replace(report, call=replace(report.call, room_sid=room_sid))


def put(objects: ObjectStore, *reports: Report) -> None:
    for report in reports:
        key = f"reports/{report.call.day}/{report.call.room_sid}/report.json"
        objects.put_bytes(key, dump_report(report), content_type="application/json")


def measured() -> Report:
    """A report with conduct."""
    report = made_report()
    spans = [("agent", Span(1, 20)), ("customer", Span(21, 30))]
    conduct = measure(spans, (), end_s=60.0)
    return replace(
        report,
        conduct=conduct.call,
        speakers=tuple(replace(s, conduct=conduct.speakers[s.name]) for s in report.speakers),
    )


def read(objects: ObjectStore, table: str) -> Any:
    return pq.read_table(io.BytesIO(objects.get_bytes(table_key(table, DAY))))


def test_every_table_has_its_written_columns() -> None:
    """With rows or without, old reports and new ones: the same columns in the same order."""
    for report in (
        measured(), made_report(coverage=(coverage(),)), made_report(findings=(), speakers=())
    ):  # fmt: skip
        for name, rows in rows_of(report).items():
            assert all(list(row) == SCHEMAS[name].names for row in rows)
            table = pq.read_table(io.BytesIO(parquet(name, rows)))
            assert table.schema.remove_metadata() == SCHEMAS[name]
            assert table.num_rows == len(rows)
    (agent, customer) = rows_of(measured())["speakers"]
    assert (agent["talk_ratio"], customer["n_turns"]) == (0.6786, 1)
    assert rows_of(measured())["calls"][0]["longest_silence_s"] == 30.0


def test_tables_are_laid_out_by_date(objects: ObjectStore, tmp_path: Path) -> None:
    """A reader finds the days by the folders; writing again changes nothing."""
    put(objects, of_call("RM_1"), of_call("RM_2", coverage=(coverage(),)))
    later = of_call("RM_3")
    put(objects, replace(later, call=replace(later.call, day=DAY + timedelta(days=1))))
    written = Day(objects, DAY).write_tables()
    Day(objects, DAY + timedelta(days=1)).write_tables()
    first = {key: objects.get_bytes(key) for key in written.keys}
    assert Day(objects, DAY).write_tables() == written
    assert {key: objects.get_bytes(key) for key in written.keys} == first
    assert written.n_calls == 2
    calls = ds.dataset(tmp_path / "objects" / "tables" / "calls", partitioning="hive").to_table()
    assert sorted(zip(calls["date"].to_pylist(), calls["room_sid"].to_pylist(), strict=True)) == [
        ("2026-03-01", "RM_1"),
        ("2026-03-01", "RM_2"),
        ("2026-03-02", "RM_3"),
    ]
    assert read(objects, "coverage")["room_sid"].to_pylist() == ["RM_2"]


def test_tables_follow_their_reports(objects: ObjectStore) -> None:
    """A report that goes takes its rows along, the last one the tables; what is none is named."""
    put(objects, of_call("RM_1"), of_call("RM_2"))
    objects.put_bytes(f"reports/{DAY}/RM_3/report.json", b"{}", content_type="a/b")
    written = Day(objects, DAY).write_tables()
    assert (written.n_calls, written.unreadable) == (2, (f"reports/{DAY}/RM_3/report.json",))
    for room in ("RM_1", "RM_3"):
        objects.delete(f"reports/{DAY}/{room}/report.json")
    Day(objects, DAY).write_tables()
    assert read(objects, "calls")["room_sid"].to_pylist() == ["RM_2"]
    objects.delete(f"reports/{DAY}/RM_2/report.json")
    assert Day(objects, DAY).write_tables().keys == ()
    assert list(objects.list("tables/")) == []


class Growing:
    """A store to which somebody adds a report whenever it was listed, so many times."""

    def __init__(self, objects: ObjectStore, times: int) -> None:
        self._objects = objects
        self._left = times

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found = list(self._objects.list(prefix))
        if self._left:
            self._left -= 1
            put(self._objects, of_call(f"RM_late{self._left}"))
        return iter(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)


def test_whoever_writes_last_has_seen_everything(objects: ObjectStore) -> None:
    """A report that comes while tables are written is in them; one a try is too many."""
    put(objects, of_call("RM_1"))
    assert Day(Growing(objects, 2), DAY).write_tables().n_calls == 3
    assert read(objects, "calls").num_rows == 3
    with pytest.raises(DayBusyError, match="keep changing"):
        Day(Growing(objects, 1000), DAY).write_tables()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")', id="formula"),
        pytest.param("+1555", "'+1555", id="plus"),
        pytest.param("-2+3", "'-2+3", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t=1", id="tab"),
        pytest.param("\r=1", "'\r=1", id="return"),
        pytest.param("\n=1", "'\n=1", id="line-feed"),
        pytest.param("  =1", "'  =1", id="spaces-before"),
        pytest.param("\uff1d1", "'\uff1d1", id="wide"),
        pytest.param('a "quoted", b=c', 'a "quoted", b=c', id="harmless"),
    ],
)
def test_no_cell_is_a_formula(text: str, expected: str) -> None:
    """Text that a spreadsheet would run is text; the rest comes back as it was."""
    rows = rows_of(made_report(findings=(finding(title=text, speaker=text, excerpt=text),)))
    (row,) = csv.DictReader(io.StringIO(csv_text("findings", rows["findings"]), newline=""))
    assert (row["title"], row["speaker"], row["excerpt"]) == (expected,) * 3


def test_numbers_stay_numbers() -> None:
    """Only text is guarded: a negative mood is a number, and what is unknown is empty."""
    row = {**dict.fromkeys(SCHEMAS["calls"].names), "sentiment": -0.5, "is_complete": True}
    (shown,) = csv.DictReader(io.StringIO(csv_text("calls", [row])))
    assert (shown["sentiment"], shown["is_complete"], shown["room_sid"]) == ("-0.5", "true", "")


def test_exports_are_whole_files(tmp_path: Path) -> None:
    """One a table, of either kind; a folder that cannot be made is told."""
    tables = joined(iter([rows_of(made_report())]))
    for kind in ("csv", "parquet"):
        files = export(tables, kind, tmp_path / kind)  # type: ignore[arg-type]
        assert [path.name for path in files] == [f"{name}.{kind}" for name in SCHEMAS]
        assert sorted(files) == sorted((tmp_path / kind).iterdir())
    assert (tmp_path / "csv" / "calls.csv").read_text("utf-8-sig").startswith("day,room_sid,")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        export(tables, "csv", tmp_path / "file" / "x")


def ledger(database: Database, room_sid: str, day_offset: int, *verdicts: LiveVerdict) -> None:
    """An audit that is done, as the auditor leaves it."""
    day = DAY + timedelta(days=day_offset)
    key = f"{room_sid}/{day_offset}/{len(verdicts)}"
    now = STARTED_AT + timedelta(days=day_offset, hours=len(verdicts))
    with database.begin() as connection:
        claim = audits.claim(connection, key, room_sid, now, 60)
        findings.replace_findings(
            connection,
            key,
            [
                findings.Finding(
                    id=f"f{number}",
                    kind=FindingKind.RULE,
                    rule_id="pii.card-number",
                    rule_version=1,
                    severity=Severity.HIGH,
                    start_s=1.0,
                    end_s=2.0,
                    verdict=verdict,
                )
                for number, verdict in enumerate(verdicts)
            ],
        )
        audits.finish(
            connection,
            key,
            attempt=claim.attempt,
            report_key=f"reports/{day}/{room_sid}/report.html",
            pipeline={},
            now=now,
        )


def observed(database: Database, room_sid: str) -> None:
    with database.begin() as connection:
        save_call(
            connection,
            CallRow(
                room_sid=room_sid,
                room_name="room",
                source="livekit",
                created_at=STARTED_AT,
                ended_at=STARTED_AT,
                rulebook_fingerprint=None,
                observer_joined_s=0.0,
            ),
        )


def test_a_day_is_summed_up(database: Database, objects: ObjectStore) -> None:
    """Calls, findings and gaps of the day; live over a month; calls that have no report."""
    put(
        objects,
        measured(),
        of_call("RM_2", headline=Headline.CLEAN, findings=()),
        of_call(
            "RM_3",
            headline=Headline.INCOMPLETE,
            is_complete=False,
            findings=(),
            coverage=(coverage(),),
        ),
    )
    for room in ("RM_1", "RM_2", "RM_3", "RM_never", "RM_failed"):
        observed(database, room)
    yes, missed, false = findings.SCORED
    ledger(database, "RM_1", 0, missed, missed)
    ledger(database, "RM_1", 0, yes, missed, false)  # audited anew: the last one counts
    ledger(database, "RM_2", 0)
    ledger(database, "RM_3", 0)
    ledger(database, "RM_old", -29, yes, yes)
    ledger(database, "RM_older", -30, missed)
    with database.begin() as connection:
        claim = audits.claim(connection, "bad", "RM_failed", STARTED_AT, 60)
        audits.fail(connection, "bad", attempt=claim.attempt, error="OSError", now=STARTED_AT)
    night = sum_up(database, objects, DAY)
    summary = night.nightly
    assert summary.n_by_headline == {
        Headline.FINDINGS: 1, Headline.CLEAN: 1, Headline.INCOMPLETE: 1
    }  # fmt: skip
    assert (summary.n_calls, summary.n_missing_recordings, summary.is_whole) == (3, 1, False)
    assert (summary.duration_s, summary.n_by_severity[Severity.HIGH]) == (187.5, 2)
    assert [(each.room_sid, each.status, each.error) for each in summary.not_audited] == [
        ("RM_failed", "failed", "OSError"),
        ("RM_never", "never", None),
    ]
    card = next(rule for rule in summary.rules if rule.rule_id == "pii.card-number")
    assert [(day.day, day.precision_ratio, day.recall_ratio) for day in card.trend] == [
        (trend_begin(DAY), 1.0, 1.0),
        (DAY, 0.5, 0.5),
    ]
    assert (card.trend_precision_ratio, card.trend_recall_ratio) == (0.75, 0.75)
    assert {(each.measure, each.role) for each in summary.conduct} >= {("talk_ratio", "agent")}
    assert parse_nightly(objects.get_bytes(night.json_key)) == summary
    assert read(objects, "calls").num_rows == 3


def test_the_page_of_a_day(database: Database, objects: ObjectStore) -> None:
    """It stands alone, is well formed, and leads to the calls' own pages."""
    put(objects, measured(), of_call("RM_2"))
    ledger(database, "RM_1", 0, LiveVerdict.CONFIRMED)
    html = render_nightly(sum_up(database, objects, DAY).nightly)
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object"}
    assert "https://" not in html
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links == ["RM_1/report.html", "RM_2/report.html"]
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert "2 calls were audited, 2 with findings." in page.text


def test_a_day_without_calls(database: Database, objects: ObjectStore) -> None:
    """Nothing was checked, so it is not called clean."""
    night = sum_up(database, objects, DAY)
    assert headline(night.nightly) == "No call was audited."
    assert 'class="verdict incomplete"' in objects.get_bytes(night.html_key).decode()
    assert night.table_keys == ()


def test_large_days_show_the_severest_calls(tmp_path: Path, database: Database) -> None:
    """The page stays readable; the JSON has every call."""
    objects = open_objects(str(tmp_path / "many"))
    put(objects, *(of_call(f"RM_{n:03}") for n in range(203)))
    night = sum_up(database, objects, DAY)
    html = objects.get_bytes(night.html_key).decode()
    assert html.count("/report.html") == 200
    assert "summary.json has 3 more" in html
    assert len(night.nightly.calls) == 203
