"""The rich calls, made once and copied into each test's own database and object store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from console.state import Console
from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from storage.tables import METADATA
from tests.console import rich_calls


@pytest.fixture(scope="session")
def rich_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and objects of all rich calls."""
    folder = tmp_path_factory.mktemp("rich")
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    objects = open_objects(str(folder / "objects"))
    rich_calls.audited_call(database, objects)
    rich_calls.audited_call(database, objects, "RM_nocopies", keep_days=None, when="never")
    rich_calls.clean_call(database, objects)
    rich_calls.live_only_call(database, objects)
    rich_calls.call_with_deleted_recording(database, objects)
    rich_calls.hostile_call(database, objects)
    database.close()
    return folder


def copy_rows(template: Path, database: Database) -> None:
    """Put all rows of a template into another database, of any kind."""
    source = open_database(f"sqlite:///{template / 'earmark.db'}")
    try:
        with source.begin(read_only=True) as reading, database.begin() as writing:
            for table in METADATA.sorted_tables:
                rows = [dict(row) for row in reading.execute(select(table)).mappings()]
                if rows:
                    writing.execute(insert(table), rows)
    finally:
        source.close()


def copy_objects(template: Path, objects: ObjectStore, room_sid: str) -> None:
    """Put the objects of a call into another store, of any kind."""
    found = open_objects(str(template / "objects"))
    for info in found.list():
        if f"/{room_sid}/" not in info.key:
            continue
        objects.put_bytes(info.key, found.get_bytes(info.key), content_type="audio/ogg")


@pytest.fixture
def rich(console: Console, rich_template: Path, tmp_path: Path) -> Console:
    """The console with all rich calls in it."""
    copy_rows(rich_template, console.database)
    # As files: to put each one is to sync each one.
    shutil.copytree(rich_template / "objects", tmp_path / "objects", dirs_exist_ok=True)
    return console
