"""Reports as tables: a row for each call, finding, gap, speaker, and rule that ran live.

Columns are written down here, so that days and versions fit together. Everything is as masked as
the reports are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from io import BytesIO
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from offline.conduct import CallConduct, SpeakerConduct
from offline.report import Report

Row = Mapping[str, object]
_THIRDS = ("first", "second", "last")

_TEXT, _COUNT, _REAL, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_MOMENT, _DAY = pa.timestamp("us", tz="UTC"), pa.date32()

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "calls": pa.schema(
            {
                "day": _DAY,
                "room_sid": _TEXT,
                "room_name": _TEXT,
                "source": _TEXT,
                "started_at": _MOMENT,
                "made_at": _MOMENT,
                "audit_key": _TEXT,
                "headline": _TEXT,
                "is_complete": _BOOL,
                "duration_s": _REAL,
                "n_speakers": _COUNT,
                "n_recordings": _COUNT,
                "n_findings": _COUNT,
                "n_gaps": _COUNT,
                "live_ran": _BOOL,
                "transcriber": _TEXT,
                "rulebook_fingerprint": _TEXT,
                "talk_s": _REAL,
                "non_talk_s": _REAL,
                "non_talk_ratio": _REAL,
                "longest_silence_s": _REAL,
                "n_overlaps": _COUNT,
                "overlap_s": _REAL,
                "n_interruptions": _COUNT,
                "longest_monologue_s": _REAL,
                "speech_rate_wpm": _REAL,
                "response_latency_s": _REAL,
                "sentiment": _REAL,
                **{f"sentiment_{third}_third": _REAL for third in _THIRDS},
            }
        ),
        "findings": pa.schema(
            {
                "day": _DAY,
                "room_sid": _TEXT,
                "id": _TEXT,
                "rule_id": _TEXT,
                "rule_version": _COUNT,
                "title": _TEXT,
                "severity": _TEXT,
                "speaker": _TEXT,
                "start_s": _REAL,
                "end_s": _REAL,
                "excerpt": _TEXT,
                "score": _REAL,
                "verdict": _TEXT,
                "live_hit_id": _TEXT,
                "live_delay_s": _REAL,
            }
        ),
        "coverage": pa.schema(
            {
                "day": _DAY,
                "room_sid": _TEXT,
                "code": _TEXT,
                "detail": _TEXT,
                "message": _TEXT,
                "speaker": _TEXT,
                "recording": _TEXT,
                "start_s": _REAL,
                "end_s": _REAL,
                "is_harmless": _BOOL,
            }
        ),
        "speakers": pa.schema(
            {
                "day": _DAY,
                "room_sid": _TEXT,
                "name": _TEXT,
                "role": _TEXT,
                "n_utterances": _COUNT,
                "speech_s": _REAL,
                "checked_s": _REAL,
                "talk_s": _REAL,
                "talk_ratio": _REAL,
                "n_turns": _COUNT,
                "longest_monologue_s": _REAL,
                "n_interruptions": _COUNT,
                "n_interrupted": _COUNT,
                "overlap_s": _REAL,
                "n_words": _COUNT,
                "speech_rate_wpm": _REAL,
                "n_responses": _COUNT,
                "response_latency_s": _REAL,
                "sentiment": _REAL,
                **{f"sentiment_{third}_third": _REAL for third in _THIRDS},
            }
        ),
        "scores": pa.schema(
            {
                "day": _DAY,
                "room_sid": _TEXT,
                "rule_id": _TEXT,
                "title": _TEXT,
                "n_confirmed": _COUNT,
                "n_missed_live": _COUNT,
                "n_false_alarm_live": _COUNT,
                "n_unverified": _COUNT,
                "precision_ratio": _REAL,
                "recall_ratio": _REAL,
            }
        ),
    }
)


def rows_of(report: Report) -> Mapping[str, Sequence[Row]]:
    """The rows of a report, by table; each has exactly the columns of the table."""
    where = {"day": report.call.day, "room_sid": report.call.room_sid}
    return {
        "calls": [_call(report)],
        "findings": [_row("findings", where, found) for found in report.findings],
        "coverage": [_row("coverage", where, gap) for gap in report.coverage],
        "speakers": [
            _row("speakers", where, speaker, _conduct(speaker.conduct))
            for speaker in report.speakers
        ],
        "scores": [_row("scores", where, score) for score in report.reconciliation.rules],
    }


def parquet(table: str, rows: Sequence[Row]) -> bytes:
    """Rows of one table as a Parquet file, compressed; the same rows give the same bytes."""
    sink = BytesIO()
    pq.write_table(
        pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]), sink, compression="zstd"
    )
    return sink.getvalue()


def _call(report: Report) -> Row:
    call, conduct = report.call, report.conduct
    return _row(
        "calls",
        {
            "day": call.day,
            "made_at": report.made_at,
            "audit_key": report.audit_key,
            "headline": report.headline,
            "is_complete": report.is_complete,
            "n_speakers": len(report.speakers),
            "n_recordings": len(report.recordings),
            "n_findings": len(report.audit_findings),
            "n_gaps": sum(not gap.is_harmless for gap in report.coverage),
            "live_ran": report.reconciliation.live_ran,
            "transcriber": report.engines.transcriber,
            "rulebook_fingerprint": report.rulebook.fingerprint,
        },
        call,
        _conduct(conduct),
    )


def _conduct(conduct: CallConduct | SpeakerConduct | None) -> Row:
    if conduct is None:
        return {}
    thirds = zip(_THIRDS, conduct.sentiment_thirds, strict=True)
    return {**_fields(conduct), **{f"sentiment_{third}_third": score for third, score in thirds}}


def _row(table: str, *parts: object) -> Row:
    known: dict[str, object] = {}
    for part in parts:
        known.update(part if isinstance(part, Mapping) else _fields(part))
    return {name: _plain(known.get(name)) for name in SCHEMAS[table].names}


def _fields(record: Any) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _plain(value: object) -> object:
    return getattr(value, "value", value)  # enumerations as the words they stand for


def joined(each: Iterator[Mapping[str, Sequence[Row]]]) -> Mapping[str, list[Row]]:
    """Rows of many reports, table by table, in the order of calls."""
    tables: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    for rows in each:
        for name, more in rows.items():
            tables[name] += more
    return tables
