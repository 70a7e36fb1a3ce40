"""LiveKit, Redis, S3 and a peer of Egress, wired together: all that recording by Egress needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from realtime.devserver import DevServer, running_livekit_server
from scripts.tools import find_tool
from tests.servers.egress import EgressPeer, running_egress_peer
from tests.servers.ports import free_port
from tests.servers.redis import find_redis, running_redis
from tests.servers.s3 import S3Server

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class RecordingStack:
    """Everything that is running, and the settings of our own side of it."""

    livekit: DevServer
    s3: S3Server
    peer: EgressPeer
    webhook_port: int
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Settings of a command that records by Egress."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            **self.s3.environment(),
            "EARMARK_DATA_DIR": str(self.folder),
            "EARMARK_RECORDER": "egress",
            "LIVEKIT_URL": self.livekit.url,
            "LIVEKIT_API_KEY": self.livekit.api_key,
            "LIVEKIT_API_SECRET": self.livekit.api_secret,
            **more,
        }

    @property
    def database_url(self) -> str:
        """The database of those commands."""
        return f"sqlite:///{self.folder / 'earmark.db'}"


@contextmanager
def running_stack(
    s3: S3Server, folder: Path, *, webhooks: bool, limit_s: float = 3600.0
) -> Iterator[RecordingStack]:
    """Run all of it for the length of the block; skip where something is not installed.

    Args:
        s3: The object store.
        folder: Where logs and the embedded database go.
        webhooks: Whether LiveKit posts its events, to `webhook_port`.
        limit_s: Longest recording.
    """
    programs = {name: find_tool(name) for name in ("livekit-server", "egress-peer")}
    redis = find_redis()
    if redis is None:
        pytest.skip("redis-server is not installed; scripts/system_packages.sh does it")
    for name, binary in programs.items():
        if binary is None:
            pytest.skip(f"{name} is not built; `make test` builds it")
    port = free_port()
    urls = [f"http://127.0.0.1:{port}/"] if webhooks else []
    livekit_binary, peer_binary = programs["livekit-server"], programs["egress-peer"]
    assert livekit_binary is not None
    assert peer_binary is not None
    with (
        running_redis(redis) as address,
        running_livekit_server(
            livekit_binary, folder, redis_address=address, webhook_urls=urls
        ) as livekit,
        running_egress_peer(
            peer_binary,
            redis_address=address,
            livekit=livekit,
            s3=s3,
            folder=folder,
            limit_s=limit_s,
        ) as peer,
    ):
        yield RecordingStack(livekit=livekit, s3=s3, peer=peer, webhook_port=port, folder=folder)


@contextmanager
def running_receiver(environment: Mapping[str, str], port: int, log_path: Path) -> Iterator[str]:
    """Run `earmark webhooks serve` for the length of the block.

    Yields:
        Its address.
    """
    url = f"http://127.0.0.1:{port}/"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "earmark", "webhooks", "serve", "--port", str(port)],
            env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                httpx.get(url, timeout=1.0)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(
                        f"the receiver did not start: {log_path.read_text()[-500:]}"
                    ) from None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
