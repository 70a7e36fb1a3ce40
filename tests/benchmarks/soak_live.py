"""Whether an observer stays as it is for half an hour: memory flat, nobody unheard.

Usage: python tests/benchmarks/soak_live.py [--minutes N] [--rooms N] [--seed N] [--keep FOLDER]

Real parts all over: livekit-server, `earmark observe` with its recorder, and `earmark watch`, which
sends the observer into every room. One room lasts the whole time, the others are calls of one to
three minutes, one after the other. People come, say something and go, each under an identity of
their own. A rule that hits on the commonest words makes a hit of nearly everything that is said, so
that the database tells who was heard.

A visit counts as deaf when its speech led to no words and no gap says so. Memory is the
proportional set size of the worker's processes. Exit code 1 if somebody was not heard without a
word, if a room had no observer for two minutes, or if memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from livekit import api, rtc
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from earmark.demo_call import Access, Caller  # noqa: E402 - the path comes first
from earmark.observer_process import running_observer  # noqa: E402
from realtime.devserver import DevServer, running_livekit_server  # noqa: E402
from realtime.dispatch import livekit_api  # noqa: E402
from realtime.errors import LiveKitUnavailableError  # noqa: E402
from rules.types import Role  # noqa: E402
from scripts.tools import find_tool  # noqa: E402
from speech.audio import SAMPLE_RATE_HZ, decode  # noqa: E402
from storage import gaps, hits  # noqa: E402
from storage.database import Database, open_database  # noqa: E402
from storage.heartbeats import heartbeats_of  # noqa: E402
from tests.realtime.processes import job_pids, log_lines, running_watch  # noqa: E402

RULES = """
pack: soak.words
version: 1
rules:
  - id: soak.words.common
    title: A common word
    description: Somebody says one of the commonest words.
    severity: low
    when:
      phrase:
        any_of: [the, you, to, of, i, is, me, your, and, there, a, so, my, it, what, no, good]
"""
# Lines of the demo's two speakers, in seconds of their files.
LINES = (
    ("agent", 0.6, 6.6), ("agent", 13.1, 19.2), ("agent", 23.5, 29.0), ("agent", 43.2, 46.2),
    ("customer", 6.6, 12.3), ("customer", 19.1, 23.2),
)  # fmt: skip
SAMPLE_EVERY_S = 10.0
OBSERVED_WITHIN_S = 120.0
# Growth from the second quarter to the last that is still flat: allocators are not exact.
FLAT_RATIO, FLAT_MB = 1.10, 25.0


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Somebody who came, said something, and went."""

    room_sid: str
    identity: str
    n_lines: int
    spoke_from: float  # seconds since the epoch
    spoke_until: float


@dataclass
class Soak:
    """Everything that happens, and what is known of it."""

    access: Access
    database: Database
    seed: random.Random
    ends_at_s: float  # monotonic
    visits: list[Visit] = field(default_factory=list)
    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    n_calls: int = 0
    n_unobserved: int = 0  # rooms without an observer for `OBSERVED_WITHIN_S`
    n_kept_out: int = 0  # visits that the server, or the machine, was too busy for
    broken: list[str] = field(default_factory=list)  # rows of calls that ended in an error

    @property
    def is_over(self) -> bool:
        """Whether no new call is to begin."""
        return time.monotonic() > self.ends_at_s

    async def is_observed(self, room_sid: str) -> bool:
        """Wait until an observer is in a room: what is said before is a late start, not deaf."""

        def beats() -> bool:
            with self.database.begin(read_only=True) as connection:
                beats = heartbeats_of(connection, [room_sid]).get(room_sid, ())
            return any(beat.left_at is None and beat.heard_until_s > 0 for beat in beats)

        until_s = time.monotonic() + OBSERVED_WITHIN_S
        while not await asyncio.to_thread(beats):
            if time.monotonic() > until_s:
                return False
            await asyncio.sleep(0.5)
        return True


def lines() -> tuple[NDArray[np.float32], ...]:
    """What people say; each shape (n_samples,), 16 kHz."""
    folder = ROOT / "earmark" / "demo_audio"
    sound = {name: decode(folder / f"{name}.ogg").samples[0] for name in ("agent", "customer")}
    return tuple(
        sound[name][int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        for name, start_s, end_s in LINES
    )


async def visit(soak: Soak, room: str, room_sid: str, said: Sequence[NDArray[np.float32]]) -> None:
    """Come, speak, go."""
    identity = f"speaker-{len(soak.visits)}-{soak.seed.randrange(10**6)}"
    person = Caller(soak.access, room, identity, soak.seed.choice([Role.AGENT, Role.CUSTOMER]))
    try:
        await person.join()
    except rtc.ConnectError:
        soak.n_kept_out += 1
        return
    try:
        await person.publish()
        n_lines = soak.seed.randint(1, 3)
        began = time.time()
        for _ in range(n_lines):
            await person.speak(soak.seed.choice(said))
            await asyncio.sleep(soak.seed.uniform(0.8, 4.0))
        soak.visits.append(
            Visit(
                room_sid=room_sid, identity=identity, n_lines=n_lines,
                spoke_from=began, spoke_until=time.time(),
            )
        )  # fmt: skip
    finally:
        await person.leave()


async def call(
    soak: Soak, name: str, duration_s: float, said: Sequence[NDArray[np.float32]]
) -> None:
    """One room from its creation to its end, with somebody in it who stays and says nothing."""
    until_s = time.monotonic() + duration_s
    async with livekit_api(soak.access.url, soak.access.api_key, soak.access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=name))
        host = Caller(soak.access, name, "host", Role.CUSTOMER)
        await host.join()
        try:
            if not await soak.is_observed(room.sid):
                soak.n_unobserved += 1
                return
            while time.monotonic() < until_s:
                n_people = soak.seed.choice([1, 1, 2])
                await asyncio.gather(*(visit(soak, name, room.sid, said) for _ in range(n_people)))
                await asyncio.sleep(soak.seed.uniform(0.2, 5.0))
        finally:
            await host.leave()
            with contextlib.suppress(LiveKitUnavailableError, api.TwirpError):  # gone already
                await client.room.delete_room(api.DeleteRoomRequest(room=name))
    soak.n_calls += 1


async def calls(soak: Soak, number: int, said: Sequence[NDArray[np.float32]]) -> None:
    """One call after the other."""
    n_calls = 0
    while not soak.is_over:
        left_s = soak.ends_at_s - time.monotonic()
        duration_s = min(left_s, soak.seed.uniform(60, 180))
        await call(soak, f"soak-{number}-{n_calls}", duration_s, said)
        n_calls += 1


def memory_of(pid: int) -> float:
    """Proportional set size, MB: shared pages are counted once among those who share them."""
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


async def sample(soak: Soak, pids: dict[str, int], worker_pid: int) -> None:
    """Note the memory of every process again and again."""
    began_s = time.monotonic()
    while True:
        at_s = time.monotonic() - began_s
        for name, pid in pids.items():
            try:
                soak.memory_mb.setdefault(name, []).append((at_s, memory_of(pid)))
            except psutil.NoSuchProcess:
                continue
        total = 0.0
        for process in psutil.Process(worker_pid).children(recursive=True):
            try:
                total += memory_of(process.pid)
            except psutil.NoSuchProcess:
                continue
        total += memory_of(worker_pid)
        soak.memory_mb.setdefault("all of the worker", []).append((at_s, total))
        await asyncio.sleep(SAMPLE_EVERY_S)


async def run(soak: Soak, n_rooms: int, worker_pid: int, worker_log: Path) -> None:
    """The soak itself."""
    said = lines()
    children = psutil.Process(worker_pid).children(recursive=True)
    speech = max(children, key=lambda process: process.memory_info().rss)
    pids = {"worker": worker_pid, "speech process": speech.pid}
    left_s = soak.ends_at_s - time.monotonic()
    long_call = asyncio.create_task(call(soak, "soak-long", left_s, said), name="long call")
    while not job_pids(worker_log):
        await asyncio.sleep(0.5)
    pids["job of the long call"] = job_pids(worker_log)[0]
    sampling = asyncio.create_task(sample(soak, pids, worker_pid), name="sampling")
    try:
        ended = await asyncio.gather(
            long_call,
            *(calls(soak, number, said) for number in range(1, n_rooms)),
            return_exceptions=True,
        )
        # What broke off is told, and what was measured until then is not lost for it.
        soak.broken += [type(error).__name__ for error in ended if isinstance(error, Exception)]
        await asyncio.sleep(20)  # the last words, and the ends of the calls
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


def deaf_visits(soak: Soak) -> tuple[int, int, int, Counter[str]]:
    """Visits that were heard, that a gap excuses, and that nothing tells of; and the gaps."""
    n_heard = n_excused = n_deaf = 0
    kinds: Counter[str] = Counter()
    with soak.database.begin(read_only=True) as connection:
        by_room = {
            room_sid: (hits.hits_of(connection, room_sid), gaps.gaps_of(connection, room_sid))
            for room_sid in {each.room_sid for each in soak.visits}
        }
    for _, found_gaps in by_room.values():
        kinds.update(gap.kind.value for gap in found_gaps)
    for each in soak.visits:
        found, found_gaps = by_room[each.room_sid]
        if any(hit.speaker == each.identity for hit in found):
            n_heard += 1
        elif any(gap.identity in (None, each.identity) for gap in found_gaps):
            n_excused += 1
        else:
            n_deaf += 1
    return n_heard, n_excused, n_deaf, kinds


def growth(samples: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Median of the second quarter, of the last one, and the slope of the second half (MB/h)."""
    quarter = max(1, len(samples) // 4)
    early = statistics.median(mb for _, mb in samples[quarter : 2 * quarter] or samples)
    late = statistics.median(mb for _, mb in samples[-quarter:])
    half = samples[len(samples) // 2 :]
    at_s, mb = [s for s, _ in half], [m for _, m in half]
    slope = statistics.linear_regression(at_s, mb).slope * 3600 if len(half) > 2 else 0.0
    return early, late, slope


def report(soak: Soak, minutes: float, worker_log: Path) -> bool:
    """Print what came of it, and say whether it is good."""
    n_heard, n_excused, n_deaf, kinds = deaf_visits(soak)
    print(f"\n{minutes:g} minutes, {soak.n_calls} calls, {len(soak.visits)} visits, ", end="")
    print(f"{sum(each.n_lines for each in soak.visits)} lines said")
    print(f"  heard: {n_heard}   not heard, and a gap says so: {n_excused}   deaf: {n_deaf}")
    print(f"  rooms without an observer for {OBSERVED_WITHIN_S:g} s: {soak.n_unobserved}", end="")
    print(f"   visits that could not join: {soak.n_kept_out}")
    if soak.broken:
        print(f"  calls broke off: {', '.join(soak.broken)}")
    print(f"  gaps: {', '.join(f'{kind} {n}' for kind, n in sorted(kinds.items())) or 'none'}")
    errors = Counter(
        str(line["message"]) for line in log_lines(worker_log) if line["level"] == "ERROR"
    )
    print(f"  errors in the log: {dict(errors) or 'none'}\n")
    print(f"{'memory (MB, PSS)':<24}{'2nd quarter':>12}{'last quarter':>14}{'MB/h':>9}")
    is_flat = True
    for name, samples in soak.memory_mb.items():
        early, late, slope = growth(samples)
        flat = late <= max(early * FLAT_RATIO, early + FLAT_MB)
        is_flat &= flat
        print(f"{name:<24}{early:>12.0f}{late:>14.0f}{slope:>9.0f}{'' if flat else '   GREW'}")
    is_good = is_flat and n_deaf == 0 and n_heard > 0 and not soak.n_unobserved and not soak.broken
    print(f"\nverdict: {'good' if is_good else 'NOT GOOD'}")
    return is_good


def environment_of(server: DevServer, folder: Path, n_rooms: int) -> dict[str, str]:
    """Settings of the worker and the watcher."""
    rules_path = folder / "soak.yaml"
    rules_path.write_text(RULES)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "EARMARK_DATA_DIR": str(folder),
        "EARMARK_RULES": str(rules_path),
        "EARMARK_MAX_ROOMS": str(n_rooms + 2),
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
    }


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rooms", type=int, default=3, help="rooms at one time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and database; kept")
    given = parser.parse_args()
    binary = find_tool("livekit-server")
    if binary is None:
        print("livekit-server is not installed; `make test` builds it", file=sys.stderr)
        return 3
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="earmark-soak-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        worker_log = folder / "worker.log"
        with running_livekit_server(binary, folder) as server:
            environment = environment_of(server, folder, given.rooms)
            with (
                running_observer(environment, worker_log) as worker,
                running_watch(environment, folder / "watch.log"),
            ):
                soak = Soak(
                    access=Access(
                        url=server.url, api_key=server.api_key, api_secret=server.api_secret
                    ),
                    database=open_database(f"sqlite:///{folder / 'earmark.db'}"),
                    seed=random.Random(given.seed),  # noqa: S311 - no secret is made of it
                    ends_at_s=time.monotonic() + 60 * given.minutes,
                )
                asyncio.run(run(soak, given.rooms, worker.pid, worker_log))
        is_good = report(soak, given.minutes, worker_log)
        soak.database.close()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
