"""Killed at any moment, an audit comes to the same end, and nothing is there twice."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import signal
import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from speech.audio import decode
from storage.database import open_database
from storage.hits import save_hit
from storage.objects import ObjectStore, open_objects
from tests.offline.builders import STARTED_AT, demo_sound, hit, store_call, write_wav
from tests.offline.killed_audit import ROOM, audit_room

pytestmark = pytest.mark.slow

_N_KILLS = 100
_N_CALLS = 6
_MAX_TRANSCRIBED = 3  # before a kill
_MAX_LATE_S = 0.15  # after the last of them
_START_TIMEOUT_S = 60.0
_FINDINGS_FOUND = 1  # the exit code
# One piece of speech in each, so that a recording is transcribed by one question.
_SOUNDS = (("agent", 0.0, 7.0), ("customer", 6.0, 13.0), ("agent", 13.0, 20.0))


def make_calls(data_dir: Path) -> None:
    """Some calls of one room, each with two recordings and a hit that was raised live."""
    database = open_database(f"sqlite:///{data_dir / 'earmark.db'}", create=True)
    objects = open_objects(str(data_dir / "objects"))
    for number in range(_N_CALLS):
        sounds = {}
        for n, identity in enumerate(("agent", "customer")):
            name, start_s, end_s = _SOUNDS[(number + n) % len(_SOUNDS)]
            piece = demo_sound(name)[int(start_s * 16_000) : int(end_s * 16_000)]
            # Each a little quieter than the last, so that no two are the same file.
            wav = write_wav(data_dir / "sound.wav", piece * (1 - 0.02 * (2 * number + n)))
            sounds[identity] = wav.read_bytes()
            wav.unlink()
        store_call(
            database,
            objects,
            sounds,
            room_sid=f"RM_{number}",
            room_name=ROOM,
            started_at=STARTED_AT + timedelta(minutes=number),
            duration_s=7.0,
        )
        with database.begin() as connection:
            save_hit(
                connection,
                f"RM_{number}",
                hit(id=f"live-{number}"),
                recorded_at=STARTED_AT + timedelta(minutes=number, seconds=15),
            )
    database.close()


class Killer:
    """Starts audits, and kills them at moments that dice decide.

    Args:
        data_dir: Database and objects of the calls.
        scratch_dir: For temporary files of the audits.
    """

    def __init__(self, data_dir: Path, scratch_dir: Path, context: ForkServerContext) -> None:
        self.n_transcribed = 0
        self._data_dir = data_dir
        self._scratch_dir = scratch_dir
        self._context = context

    def run(self, dice: random.Random | None) -> bool:
        """Audit until killed, or without dice to the end.

        Returns:
            Whether the process was killed; else it had done everything before its time came.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=audit_room, args=(str(self._data_dir), str(self._scratch_dir), theirs)
        )
        process.start()
        theirs.close()
        if dice is not None:
            for _ in range(dice.randint(0, _MAX_TRANSCRIBED)):
                if not self._hear(ours):
                    break
            process.join(dice.uniform(0, _MAX_LATE_S))
            process.kill()
        while self._hear(ours):  # what it had sent before it died
            pass
        process.join()
        ours.close()
        if dice is not None and process.exitcode == -signal.SIGKILL:
            return True
        assert process.exitcode == _FINDINGS_FOUND
        return False

    def _hear(self, ours: object) -> bool:
        assert isinstance(ours, multiprocessing.connection.Connection)
        assert ours.poll(_START_TIMEOUT_S), "the audit does nothing"
        try:
            ours.recv()
        except (EOFError, OSError):
            return False
        self.n_transcribed += 1
        return True


def ends(data_dir: Path) -> dict[str, object]:
    """All that an audit leaves, but for when it was made and how many tries it took."""
    objects = open_objects(str(data_dir / "objects"))
    left: dict[str, object] = {info.key: told(objects, info.key) for info in objects.list()}
    with sqlite3.connect(data_dir / "earmark.db") as database:
        database.row_factory = sqlite3.Row
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in names.fetchall():
            rows = database.execute(f"SELECT * FROM {table}")  # noqa: S608 - its own name
            left[table] = sorted(json.dumps(timeless(dict(row))) for row in rows)
    database.close()
    return left


def timeless(row: Mapping[str, object]) -> dict[str, object]:
    """A row of the database without moments, and without who made it in how many tries."""
    gone = {"attempts", "faults", "owner"}
    return {
        name: value
        for name, value in row.items()
        if name not in gone and not name.endswith(("_at", "_until"))
    }


def told(objects: ObjectStore, key: str) -> object:
    """An object without the moment at which it was made."""
    data = objects.get_bytes(key)
    if key.endswith("report.json"):
        return {**json.loads(data), "made_at": None}
    if key.startswith("redacted/") and key.endswith(".ogg"):
        return decode(Path(objects.url(key))).samples.tobytes()  # each stream has its own number
    if key.endswith("report.html"):
        report = json.loads(objects.get_bytes(key.replace(".html", ".json")))
        made_at = datetime.fromisoformat(report["made_at"]).strftime("%Y-%m-%d %H:%M")
        return data.decode().replace(made_at, "")
    return data


@pytest.mark.timeout(1800)  # on a busy machine it takes long
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Reports, rows and findings are those of an audit that nobody disturbed, each there once."""
    dice = random.Random(20261125)  # noqa: S311 - the same moments in each run
    # A fork server has imported everything, so an audit starts in a moment.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.offline.killed_audit"])
    made, scratch = tmp_path / "made", tmp_path / "scratch"
    made.mkdir()
    scratch.mkdir()
    make_calls(made)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(made, undisturbed)
    calm = Killer(undisturbed, scratch, context)
    assert not calm.run(None)
    assert calm.n_transcribed == 2 * _N_CALLS
    expected = ends(undisturbed)
    # It is what it should be: a row and a report of each call, and no stage is left.
    assert len(expected["audits"]) == _N_CALLS  # type: ignore[arg-type]
    assert {key for key in expected if key.startswith(("reports/", "work/", "stages/"))} == {
        f"reports/2026-03-01/RM_{number}/report.{kind}"
        for number in range(_N_CALLS)
        for kind in ("html", "json")
    }
    n_kills = n_rounds = 0
    while n_kills < _N_KILLS:
        n_rounds += 1
        place = tmp_path / f"round-{n_rounds}"
        shutil.copytree(made, place)
        killer = Killer(place, scratch, context)
        n_before = n_kills
        while n_kills < _N_KILLS and killer.run(dice):
            n_kills += 1
        killer.run(None)  # one that lives does the rest
        assert ends(place) == expected
        # Each kill can only have cost the recording that was being transcribed.
        assert killer.n_transcribed <= 2 * _N_CALLS + n_kills - n_before
        shutil.rmtree(place)
    assert n_rounds > 1
    # No copy of a recording has outlived its process and the next one.
    assert list(scratch.glob("earmark-audit-*")) == []
