"""Find or build the servers that the demo and the tests need, and the tests' peer of Egress.

Usage:
  python3 scripts/tools.py ensure NAME...   build what is missing; prints each path
  python3 scripts/tools.py path NAME        print the path, or exit with 3 where there is none
  python3 scripts/tools.py list             say what is where

Runs before anything is installed, so it needs nothing but Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_HEARTBEAT_S = 15
_BUILD_TIMEOUT_S = 30 * 60


@dataclass(frozen=True)
class Tool:
    """A program: a released one by `go install`, one of ours from its folder, by Go or npm."""

    name: str
    package: str  # "" for one of ours
    version: str  # pinned: later livekit-server releases cannot be built by `go install`
    binary: str  # what `go install` names it
    variable: str  # names a binary of one's own
    takes: str
    folder: str = ""  # of our own source, from the repository's root
    is_node: bool = False  # a script, beside which npm puts what its lock names


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "livekit-server",
            "github.com/livekit/livekit-server/cmd/server",
            "v1.13.5",
            "server",
            "LIVEKIT_SERVER_BIN",
            "about five minutes",
        ),
        Tool(
            "versitygw",
            "github.com/versity/versitygw/cmd/versitygw",
            "v1.8.0",
            "versitygw",
            "VERSITYGW_BIN",
            "about three minutes",
        ),
        Tool(
            "egress-peer",
            "",
            "",  # its source decides
            "egress-peer",
            "EGRESS_PEER_BIN",
            "about a minute",
            folder="tests/servers/egress_peer",
        ),
        Tool(
            "oidc-provider",
            "",
            "",  # its lock decides
            "provider.mjs",
            "OIDC_PROVIDER_SCRIPT",
            "about half a minute",
            folder="tests/servers/oidc_provider",
            is_node=True,
        ),
    )
}


class ToolMissingError(Exception):
    """A tool is not there and cannot be built; the sentence says what to install."""


def find_tool(name: str) -> Path | None:
    """Where a tool is: named by its variable, on PATH, or built earlier; None = nowhere."""
    tool = TOOLS[name]
    named = os.environ.get(tool.variable)
    if named:
        return Path(named) if Path(named).is_file() else None
    on_path = None if tool.is_node else shutil.which(name)
    if on_path:
        return Path(on_path)
    built = _built(tool)
    return built if built.is_file() else None


def ensure_tool(name: str) -> Path:
    """Find a tool, or build it with Go.

    Raises:
        ToolMissingError: it is not there and could not be built.
    """
    tool = TOOLS[name]
    if os.environ.get(tool.variable) and find_tool(name) is None:
        raise ToolMissingError(f"{tool.variable}: {os.environ[tool.variable]} is no file")
    found = find_tool(name)
    return found if found is not None else _build(tool)


def _built(tool: Tool) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = tool.version.lstrip("v") or _source_hash(tool)
    name = tool.binary if tool.is_node else tool.name
    return cache / "earmark" / "tools" / f"{tool.name}-{version}" / name


def _source_hash(tool: Tool) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in (_ROOT / tool.folder).iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _build(tool: Tool) -> Path:
    if tool.is_node:
        if shutil.which("npm") is None:
            raise ToolMissingError(f"{tool.name}: there is no npm; install Node 20 or newer")
    elif shutil.which("go") is None:
        raise ToolMissingError(
            f"{tool.name}: not on PATH, and there is no Go to build it; install "
            f"{f'{tool.name} {tool.version} or ' if tool.package else ''}Go 1.26 or newer"
        )
    target = _built(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would only take twice as long
        if target.is_file():
            return target
        named = f"{tool.name} {tool.version}".strip()
        how = "npm" if tool.is_node else "Go"
        _say(f"{named}: building it with {how}, {tool.takes} the first time")
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            if tool.is_node:
                _npm_install(tool, Path(scratch), target.parent)
            else:
                _go_build(tool, Path(scratch))
            (Path(scratch) / tool.binary).rename(target)
    _say(f"{tool.name}: built, kept as {target}")
    return target


def _go_build(tool: Tool, folder: Path) -> None:
    if tool.package:
        command = ["go", "install", f"{tool.package}@{tool.version}"]
        variables = {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
    else:
        command = ["go", "build", "-o", str(folder / tool.binary), "."]
        variables = {"GOFLAGS": "-mod=readonly"}
    _run(tool, command, cwd=_ROOT / tool.folder, variables=variables, log_path=folder / "build.log")


def _npm_install(tool: Tool, folder: Path, beside: Path) -> None:
    """Put the script into `folder`, and its packages, pinned by hash, beside where it will be."""
    for path in (_ROOT / tool.folder).iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    # No script of a package runs.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run(tool, command, cwd=folder, variables={}, log_path=folder / "build.log")
    shutil.rmtree(beside / "node_modules", ignore_errors=True)
    (folder / "node_modules").rename(beside / "node_modules")


def _run(
    tool: Tool, command: list[str], *, cwd: Path, variables: dict[str, str], log_path: Path
) -> None:
    started_s = time.monotonic()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            try:
                process.wait(_HEARTBEAT_S)
            except subprocess.TimeoutExpired:
                elapsed_s = time.monotonic() - started_s
                _say(f"{tool.name}: still building, {elapsed_s:.0f} s")
                if elapsed_s > _BUILD_TIMEOUT_S:
                    process.kill()
    if process.returncode != 0:
        last = log_path.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise ToolMissingError(f"{tool.name}: the build failed: {last[0]}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Run the command line; see the top of this file."""
    command, names = (arguments or ["help"])[0], arguments[1:]
    unknown = [name for name in names if name not in TOOLS]
    if command not in {"ensure", "path", "list"} or unknown or (command != "list" and not names):
        _say(f"tools: {unknown[0]} is not one of {', '.join(TOOLS)}" if unknown else __doc__ or "")
        return 2
    if command == "list":
        for name in TOOLS:
            print(f"{name}\t{find_tool(name) or 'not here'}")
        return 0
    try:
        for name in names:
            path = ensure_tool(name) if command == "ensure" else find_tool(name)
            if path is None:
                return 3
            print(path)
    except ToolMissingError as exc:
        _say(f"tools: {exc}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
