"""Audits a long call and says how much memory that took; run in a process of its own.

Usage: python -m tests.offline.long_call FOLDER MINUTES N_TRACKS

Real speech detection, decoding, alignment and redaction; a recogniser that says the same each time.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from offline.align import TimelineAligner
from offline.audit import Auditor
from offline.find import Finder
from rules.loader import load_rulebook
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ
from speech.encode import write_ogg
from speech.spool import Spool
from storage.database import open_database
from storage.objects import open_objects
from storage.speech import save_speech
from tests.offline.builders import CARD, ScriptedEngines, demo_sound, store_call

TEXT = f"This call is being recorded. My card number is {CARD} and that is all for now."


def main(folder: Path, minutes: int, n_tracks: int) -> None:
    """Make the call, audit it, print a line of JSON."""
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    objects = open_objects(str(folder / "objects"))
    made = folder / "track.ogg"
    write_long_ogg(made, minutes)
    sound = made.read_bytes()
    names = ["agent", "customer", "guest"][:n_tracks]
    store_call(database, objects, dict.fromkeys(names, sound), duration_s=60.0 * minutes)
    del sound
    with database.begin() as connection:
        save_speech(
            connection,
            "RM_1",
            [(who, Span(60.0 * n + 1, 60.0 * n + 20)) for who in names for n in range(minutes)],
        )
    (call,) = Finder(database, objects).by_name("RM_1").calls
    auditor = Auditor(
        database=database,
        objects=objects,
        rulebook=load_rulebook(),
        engines=ScriptedEngines(TEXT),
        aligner=TimelineAligner(),
    )
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is of making the call
    before = resident_mib("VmHWM")
    began_s = time.monotonic()
    report = auditor.audit(call).report
    sys.stdout.write(
        json.dumps(
            {
                "before_mib": before,
                "peak_mib": resident_mib("VmHWM"),
                "elapsed_s": round(time.monotonic() - began_s, 1),
                "duration_s": sum(each.duration_s for each in report.recordings),
                "n_utterances": len(report.utterances),
                "n_redacted": sum(each.redacted is not None for each in report.recordings),
            }
        )
    )


def write_long_ogg(path: Path, minutes: int) -> None:
    """The demo's agent again and again, with a pause that makes it a minute."""
    minute = np.zeros((1, 60 * SAMPLE_RATE_HZ), dtype=np.float32)
    sound = demo_sound("agent")
    minute[0, : len(sound)] = sound
    spool = Spool(1)
    for _ in range(minutes):
        spool.add(minute)
    write_ogg(path, spool.finish())


def resident_mib(what: str) -> float:
    """A line of /proc/self/status: unlike rusage, it knows nothing of who started this process."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return round(int(found[1]) / 1024, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
