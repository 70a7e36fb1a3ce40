"""A livekit-server of one's own on loopback, for the demo and the tests. Never for real calls."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from realtime.errors import LiveKitUnavailableError

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DevServer:
    """A running server."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)


def find_livekit_server(given: Path | None) -> Path | None:
    """The binary: the one given, else `livekit-server` on PATH."""
    if given is not None:
        return given if given.is_file() else None
    found = shutil.which("livekit-server")
    return Path(found) if found else None


@contextmanager
def running_livekit_server(
    binary: Path,
    folder: Path,
    *,
    redis_address: str | None = None,
    webhook_urls: Sequence[str] = (),
) -> Iterator[DevServer]:
    """Start a server on free loopback ports with keys of its own; stop it at the end.

    Args:
        binary: livekit-server.
        folder: Where its log goes, `livekit-server.log`.
        redis_address: HOST:PORT of a Redis, which the server needs to reach Egress.
        webhook_urls: Where it posts its events, signed with its key.

    Raises:
        LiveKitUnavailableError: it did not come up.
    """
    port, tcp_port, udp_port = _free_ports()
    api_key, api_secret = "dev" + secrets.token_hex(6), secrets.token_urlsafe(32)
    config: dict[str, object] = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {"tcp_port": tcp_port, "udp_port": udp_port, "node_ip": "127.0.0.1"},
        "keys": {api_key: api_secret},
        "logging": {"level": "warn"},
    }
    if redis_address is not None:
        config["redis"] = {"address": redis_address}
    if webhook_urls:
        config["webhook"] = {"api_key": api_key, "urls": list(webhook_urls)}
    log_path = folder / "livekit-server.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            # JSON is YAML too. By environment, so that the keys are in no process list.
            [str(binary), "--node-ip", "127.0.0.1"],
            env={"LIVEKIT_CONFIG": json.dumps(config), "PATH": ""},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(process, port, log_path)
        yield DevServer(
            url=f"ws://127.0.0.1:{port}", api_key=api_key, api_secret=api_secret, process=process
        )
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise LiveKitUnavailableError(f"livekit-server did not start; its log is {log_path}")


def _free_ports() -> tuple[int, int, int]:
    """Three loopback ports that nobody holds: two for TCP, one for UDP."""
    with (
        socket.socket() as http,
        socket.socket() as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        for bound in (http, tcp, udp):
            bound.bind(("127.0.0.1", 0))
        return http.getsockname()[1], tcp.getsockname()[1], udp.getsockname()[1]
