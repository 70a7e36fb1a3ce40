"""What `earmark audit` may be told, and what of it goes together."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.errors import BadInputError

if TYPE_CHECKING:
    from speech.device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A share of the calls: each call is in exactly one of `n`."""

    index: int = 0
    n: int = 1

    def has(self, room_sid: str) -> bool:
        """Whether a call is in it; the same on every machine and on every day."""
        digest = hashlib.sha256(room_sid.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.n == self.index


class ShardType(click.ParamType[Shard]):
    """A shard as `I/N`, or as `N` in a Kubernetes Indexed Job."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Read a shard."""
        if isinstance(value, Shard):
            return value
        given = re.fullmatch(r"(?:(\d{1,5})/)?(\d{1,5})", str(value))
        if not given:
            self.fail(f"{value!r} is no shard; write it like 0/4, the first of four", param, ctx)
        index = given[1] or os.environ.get("JOB_COMPLETION_INDEX", "")
        if not index.isdecimal():
            self.fail(
                f"{value!r} does not say which; write it like 0/{value}, or have Kubernetes set "
                "JOB_COMPLETION_INDEX",
                param,
                ctx,
            )
        if not int(index) < int(given[2]):
            self.fail(f"{index}/{given[2]}: shards of {given[2]} count from 0", param, ctx)
        return Shard(index=int(index), n=int(given[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The options of the command, but for what it prints and the rules."""

    files: tuple[Path, ...]
    speakers: tuple[str, ...]
    call_name: str | None
    day: date | None
    since: datetime | None
    until: datetime | None
    nightly: bool
    catch_up: int
    transcriber: str
    diarizer: str | None  # None = the setting's
    mixed: bool
    device: Device
    threads: int | None
    engine: str
    address: str | None
    workers: int | None
    shard: Shard | None
    max_attempts: int
    retry_poisoned: bool
    replace: bool
    findings_ok: bool

    @property
    def is_of_many(self) -> bool:
        """Whether calls are asked for by their time, however many they are."""
        return self.day is not None or self.since is not None or self.nightly


def check(chosen: Chosen) -> None:
    """See that options go together.

    Raises:
        BadInputError: they don't.
    """
    ways = [
        bool(chosen.files),
        chosen.call_name is not None,
        chosen.day is not None,
        chosen.since is not None,
        chosen.nightly,
    ]
    if sum(ways) != 1:
        what = "nothing" if not any(ways) else "more than one of these"
        raise BadInputError(
            f"{what} to audit was given; give either FILES, --call, --date, --since or --nightly"
        )
    if chosen.speakers and not chosen.files:
        raise BadInputError("--speaker names the speakers of files; calls know their own")
    if chosen.mixed and not chosen.files:
        raise BadInputError("--mixed tells of files; of calls it is known")
    if chosen.until is not None and (chosen.since is None or chosen.until <= chosen.since):
        raise BadInputError("--until belongs to --since, and is later")
    if chosen.shard is not None and not chosen.is_of_many:
        raise BadInputError("--shard belongs to --date, --since or --nightly")
    if chosen.engine == "ray" and chosen.address is None:
        raise BadInputError(
            "--engine ray needs --address: HOST:PORT of the cluster, `auto` on one of its "
            "machines, or `local` to start one"
        )
    if chosen.engine == "ray" and not chosen.is_of_many:
        raise BadInputError("--engine ray is for many calls: --date, --since or --nightly")
    if chosen.address is not None and chosen.engine != "ray":
        raise BadInputError("--address belongs to --engine ray; add it")
    if chosen.address is not None and chosen.address.startswith("ray://"):
        raise BadInputError(
            "--address: a Ray client (ray://) cannot follow the calls; run the command on a "
            "machine of the cluster with --address auto, or give HOST:PORT"
        )
