from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

from storage import departures, hits
from storage.database import Database
from tests.storage.builders import NOW

WRITER = """
import sys
from storage import departures, hits, outbox
from storage.database import open_database
from tests.storage.builders import NOW, hit
database = open_database(sys.argv[1])
for n in range(100_000):
    with database.begin() as connection:
        hits.save_hit(connection, "RM_1", hit(id=f"h{n:06}"), recorded_at=NOW)
        outbox.enqueue(connection, room_sid="RM_1", hit_id=f"h{n:06}", target="webhook",
                       payload={"n": n}, now=NOW)
    print(n, flush=True)
"""


def test_killed_writer(database_url: str, database: Database) -> None:
    """A writer killed in the middle has lost nothing it had acknowledged, and parted no pair."""
    for n_lines in (1, 40, 83):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, database_url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(n_lines)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.stdout.close()
        process.wait()
        with database.begin() as connection:
            kept = {hit.id for hit in hits.hits_of(connection, "RM_1")}
        assert kept >= {f"h{n:06}" for n in acknowledged}
    with database.begin() as connection:
        queued = departures.due(connection, now=NOW + timedelta(days=1), limit=1_000_000)
    assert {delivery.hit_id for delivery in queued} == kept
