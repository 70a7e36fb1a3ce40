"""The workbench: what was made is not made again, and what is damaged is."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offline.stages.store import ObjectStageStore
from offline.stages.workbench import Workbench
from storage.errors import StorageUnavailableError
from storage.objects import ObjectStore
from tests.offline.stages.builders import FOLDER, CountStage

SECRET = "hidden-word"


def bench(objects: ObjectStore, keep_days: int | None = None) -> Workbench:
    return Workbench(ObjectStageStore(objects, keep_days), FOLDER)


def keys(objects: ObjectStore) -> list[str]:
    return [found.key for found in objects.list()]


def test_what_was_made_is_read(objects: ObjectStore) -> None:
    """Another process finds what the first has made, and says so."""
    stage = CountStage()
    first, second = bench(objects), bench(objects)
    made = first.make(stage, "hello")
    assert second.make(stage, "hello") == made
    assert stage.n_runs == 1
    assert [run.was_made for run in (*first.runs, *second.runs)] == [False, True]
    assert first.make(stage, "hello, world") != made
    assert stage.n_runs == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(CountStage(engine="quipu"), id="engine"),
        pytest.param(type("Newer", (CountStage,), {"version": 2})(), id="code"),
    ],
)
def test_another_engine_or_code_makes_it_again(objects: ObjectStore, other: CountStage) -> None:
    """What an engine, or older code, has made is nothing for another."""
    bench(objects).make(CountStage(), "hello")
    bench(objects).make(other, "hello")
    assert other.n_runs == 1


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-20], id="cut-off"),
        pytest.param(lambda data: data.replace(b"hidden", b"hiddem"), id="changed"),
        pytest.param(lambda data: b"\x00" * len(data), id="zeroes"),
    ],
)
def test_what_is_damaged_is_made_again(
    objects: ObjectStore, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A manifest that is not what was written is replaced by a good one, and the log says why."""
    assert callable(damage)
    stage = CountStage()
    made = bench(objects).make(stage, SECRET)
    (key,) = keys(objects)
    whole = objects.get_bytes(key)
    objects.put_bytes(key, damage(whole), content_type="application/json")
    with caplog.at_level(logging.WARNING):
        assert bench(objects).make(stage, SECRET) == made
    assert stage.n_runs == 2
    assert [record.message for record in caplog.records] == [
        "a stage's manifest is of no use and is made again"
    ]
    assert SECRET not in caplog.text
    assert bench(objects).make(stage, SECRET) == made
    assert stage.n_runs == 2


def test_another_ones_manifest_is_not_believed(objects: ObjectStore) -> None:
    """A manifest that lies in the place of another is made again."""
    stage = CountStage()
    bench(objects).make(stage, "hello")
    bench(objects).make(stage, "good morning")
    first, second = keys(objects)
    objects.put_bytes(first, objects.get_bytes(second), content_type="application/json")
    again = CountStage()
    assert bench(objects).make(again, "hello").n_chars == 5
    assert bench(objects).make(again, "good morning").n_chars == 12
    assert again.n_runs == 1


def test_what_would_come_out_otherwise_is_not_kept(objects: ObjectStore) -> None:
    """An outcome that another try may better is tried again."""
    stage = CountStage(is_final=False)
    bench(objects).make(stage, "hello")
    bench(objects).make(stage, "hello")
    assert stage.n_runs == 2
    assert keys(objects) == []


def test_a_stage_that_fails_leaves_nothing(objects: ObjectStore) -> None:
    """An error goes to whoever asked, and the next try begins anew."""

    class Failing(CountStage):
        def run(self, given: str, on_progress: object) -> object:  # type: ignore[override]
            raise RuntimeError("no beads")

    with pytest.raises(RuntimeError, match="no beads"):
        bench(objects).make(Failing(), "hello")
    assert keys(objects) == []


def test_nothing_is_left_when_the_report_is_finished(objects: ObjectStore) -> None:
    """By default all of this call goes, also of earlier tries, and nothing of another call."""
    bench(objects).make(CountStage(engine="earlier"), "hello")
    ours = bench(objects)
    ours.make(CountStage(), "hello")
    Workbench(ObjectStageStore(objects), "2026-03-01/RM_11/").make(CountStage(), "hello")
    ours.close()
    assert [key.rsplit("/", 1)[0] for key in keys(objects)] == ["work/2026-03-01/RM_11"]


def test_what_is_kept_is_what_the_report_was_made_of(objects: ObjectStore) -> None:
    """Where stages are kept, those of an earlier audit go, and ours can be read again."""
    bench(objects, 30).make(CountStage(engine="earlier"), "hello")
    ours = bench(objects, 30)
    stage = CountStage()
    ours.make(stage, "hello")
    ours.close()
    (key,) = keys(objects)
    assert key.startswith("stages/2026-03-01/RM_1/count-")
    bench(objects, 30).make(stage, "hello")
    assert stage.n_runs == 1


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond this size: a full disk that every user can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_a_later_run_its_time(
    objects: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be put down is handed on all the same, and nothing half written is left."""
    stage = CountStage()
    text = f"{SECRET} " * 20_000
    with full_disk(100_000), caplog.at_level(logging.WARNING):
        made = bench(objects).make(stage, text)
    assert made.text == text
    assert [record.message for record in caplog.records] == ["a stage could not be put down"]
    assert SECRET not in caplog.text
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    bench(objects).make(stage, text)
    bench(objects).make(stage, text)
    assert stage.n_runs == 2


class UnreadableStore(ObjectStageStore):
    """A store that cannot be reached."""

    def read(self, folder: str, name: str) -> bytes | None:
        raise StorageUnavailableError("object store: cannot be reached")


def test_a_store_that_cannot_be_read_ends_the_audit(objects: ObjectStore) -> None:
    """A store that is away is away for the report too, so nothing is made for an hour in vain."""
    stage = CountStage()
    with pytest.raises(StorageUnavailableError):
        Workbench(UnreadableStore(objects), FOLDER).make(stage, "hello")
    assert stage.n_runs == 0
