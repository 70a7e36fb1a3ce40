"""What verifying a long trail takes: time beside a bare read, and memory.

Usage: python tests/benchmarks/bench_trail.py [--entries N]

A chain of a million entries lies in SQLite, with a head for each thousand in a folder. The peer
does what nobody can do without: it reads the same rows and puts each through SHA-256, and compares
nothing. Peak memory is of a process of its own that does nothing but verify.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from sqlalchemy import insert  # noqa: E402 - the path comes first

from storage.database import Database, open_database  # noqa: E402
from storage.objects import open_objects  # noqa: E402
from storage.trail_hashes import entry_hash, shown_time, start_hash  # noqa: E402
from storage.trail_heads import CONTENT_TYPE, HeadLink, sign_head  # noqa: E402
from storage.trail_tables import TRAIL, TRAIL_CHAIN  # noqa: E402
from tests.storage.builders import NOW  # noqa: E402
from tests.storage.trails import KEY, verified  # noqa: E402

CHAIN_ID = "0" * 32
EVERY = 1000
# What the verification may take beside the bare read, and memory.
MOST_RATIO = 6.0
MOST_MB = 150.0


def entries(n: int) -> Iterator[dict[str, Any]]:
    """A chain, as console and reviewers would make it."""
    before = start_hash(CHAIN_ID)
    for seq in range(1, n + 1):
        at = NOW + timedelta(seconds=seq)
        values = {
            "seq": seq, "actor": f"oidc:{seq % 40}", "action": "play",
            "room_sid": f"RM_{seq % 9000:012}", "subject": f"hit-{seq}",
            "detail": f'{{"end_s":{seq % 900}.5,"start_s":{seq % 900}.0}}', "prev_hash": before,
        }  # fmt: skip
        before = entry_hash(CHAIN_ID, at=shown_time(at), **values)  # type: ignore[arg-type]
        yield values | {"at": at, "hash": before}


def fill(database: Database, folder: Path, n: int) -> None:
    """Write the chain and its heads."""
    store = open_objects(str(folder))
    previous: HeadLink | None = None
    batch: list[dict[str, Any]] = []
    with database.begin() as connection:
        for each in entries(n):
            batch.append(each)
            if each["seq"] % EVERY == 0 or each["seq"] == n:
                connection.execute(insert(TRAIL), batch)
                batch = []
                head = sign_head(
                    KEY, chain_id=CHAIN_ID, seq=each["seq"], hash=each["hash"], at=each["at"],
                    previous=previous,
                )  # fmt: skip
                previous = HeadLink(seq=head.seq, head_hash=head.head_hash)
                store.put_bytes(
                    head.object_key, head.document().encode(), content_type=CONTENT_TYPE
                )
        connection.execute(
            insert(TRAIL_CHAIN).values(
                slot=1, chain_id=CHAIN_ID, started_at=NOW, last_seq=n, last_hash=each["hash"]
            )
        )


def bare_read_s(path: Path) -> float:
    """Read all rows and hash them, comparing nothing."""
    began_s = time.perf_counter()
    with sqlite3.connect(path) as connection:
        for row in connection.execute("SELECT * FROM trail ORDER BY seq"):
            hashlib.sha256(repr(row).encode()).digest()
    return time.perf_counter() - began_s


def verify_here(path: Path, folder: Path) -> None:
    """Verify, and print how long that took and the most memory that this process had."""
    database = open_database(f"sqlite:///{path}")
    began_s = time.perf_counter()
    found = verified(database, open_objects(str(folder)))
    took_s = time.perf_counter() - began_s
    if not found.is_intact or found.n_unanchored:
        raise SystemExit("the trail of the benchmark is not intact")
    print(took_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def main() -> None:
    """Measure, print, and fail where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--verify", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.verify:
        verify_here(*options.verify)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path, folder = Path(scratch) / "earmark.db", Path(scratch) / "objects"
        database = open_database(f"sqlite:///{path}")
        fill(database, folder, options.entries)
        database.close()
        peer_s = bare_read_s(path)
        done = subprocess.run(
            [sys.executable, __file__, "--verify", str(path), str(folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        took_s, peak_mb = map(float, done.stdout.split())
    ratio = took_s / peer_s
    print(f"{options.entries} entries, {-(-options.entries // EVERY)} heads")
    print(f"verified in {took_s:.1f} s; a bare read takes {peer_s:.1f} s: ratio {ratio:.1f}")
    print(f"peak memory {peak_mb:.0f} MB")
    if ratio > MOST_RATIO or peak_mb > MOST_MB:
        raise SystemExit(f"at most {MOST_RATIO} times and {MOST_MB} MB were promised")


if __name__ == "__main__":
    main()
