"""Runs the command, in a process of its own or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from earmark.cli import main

ROOT = Path(__file__).parents[2]


def run_process(
    *arguments: str, cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, with no settings but the given ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EARMARK_", "LIVEKIT_", "AWS_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "earmark", *arguments],
        cwd=cwd,
        env={**kept, "COLUMNS": "200", **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """Runs a subcommand through the command's own entry point."""

    subcommand: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, standard output and error, with these settings."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "argv", ["earmark", self.subcommand, *arguments])
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = int(exc.code or 0)
        out, err = self.capsys.readouterr()
        return code, out, err
