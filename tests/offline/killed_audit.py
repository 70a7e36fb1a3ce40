"""The real `earmark audit` in a process that may be killed: scripted words, a short lease.

Imported by a fork server once, so that each process of the test is there in a moment. The engine is
replaced where the command gets its models from, before anything of the audit is imported; all else
is what a person runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import offline.claims
import offline.engines
from speech.recogniser import RecognisedWord
from speech.vad import VadModel
from tests.offline.builders import ScriptedRecogniser, vad_model

ROOM = "support"
# What a dead process had claimed is free after so long.
LEASE_S = 0.4
TEXTS = (
    "This call is being recorded.",
    "My card number is 4539 1488 0343 6467 and it is guaranteed returns",
    "Hello, how can I help you?",
    "We offer you guaranteed returns every year.",
)
_told: Connection | None = None


class ContentRecogniser(ScriptedRecogniser):
    """Says what depends on the sound alone, so that it is the same in whichever process."""

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        if _told is not None:
            _told.send("transcribing")
        self.n_calls = zlib.crc32(samples.tobytes())
        return super().transcribe(samples)


class KilledEngines:
    """Takes the arguments of `LocalEngines`, and has real speech detection and scripted words."""

    def __init__(self, **arguments: Any) -> None:
        self.recogniser = ContentRecogniser(TEXTS)

    def describe(self) -> Mapping[str, object]:
        return {"transcriber": "scripted by content"}

    def load(self) -> offline.engines.Loaded:
        vad: VadModel = vad_model()
        return offline.engines.Loaded(vad=vad, recogniser=self.recogniser)

    def close(self) -> None:
        return


# Only in the fork server, never in the process that runs the tests.
if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    offline.engines.LocalEngines = KilledEngines  # type: ignore[assignment, misc]
    offline.claims.LEASE_S = LEASE_S
    offline.claims._POLL_S = 0.05

# After the replacements: these take what they need from the modules above.
import earmark.cli  # noqa: E402
import earmark.commands.audit  # noqa: E402
import offline.audit  # noqa: E402
import storage.migration  # noqa: E402, F401


def audit_room(data_dir: str, scratch_dir: str, tell: Connection) -> None:
    """Run `earmark audit --call ROOM` until it ends or is killed.

    Args:
        data_dir: Database and objects.
        scratch_dir: For temporary files.
        tell: Gets a word each time something is transcribed.
    """
    global _told
    _told = tell
    os.environ.update(EARMARK_DATA_DIR=data_dir, TMPDIR=scratch_dir)
    os.chdir(data_dir)  # where no earmark.toml lies
    tempfile.tempdir = None  # the fork server's own
    sys.argv = ["earmark", "audit", "--call", ROOM, "--json"]
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        earmark.cli.main()
