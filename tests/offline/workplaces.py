"""Workers of the audit with scripted words: all else is real, in processes of their own."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audit_plan import AuditPlan, EngineSource
from offline.engines import Announce, Loaded
from rules.loader import load_rulebook
from speech.recogniser import RecognisedWord
from tests.offline.builders import ScriptedRecogniser, demo_sound, vad_model, write_wav

KILL, FAIL, STUCK = "!kill", "!fail", "!stuck"
_QUIET = 0.2  # peak


def quiet_sound(path: Path) -> bytes:
    """The same twelve seconds as `sound`, but quiet: the script may have other words for it."""
    return write_wav(path, demo_sound("agent")[: 12 * 16_000] * np.float32(0.25)).read_bytes()


class _Recogniser(ScriptedRecogniser):
    def __init__(self, script: ScriptedSource) -> None:
        super().__init__([script.loud])
        self._script = script
        self._quiet = ScriptedRecogniser([script.quiet])

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        time.sleep(self._script.takes_s)
        if np.abs(samples).max() > _QUIET:
            return super().transcribe(samples)
        if self._script.quiet == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._script.quiet == FAIL:
            raise ZeroDivisionError("4539 1488 0343 6467")
        if self._script.quiet == STUCK:
            assert self._script.sign is not None
            self._script.sign.touch()
            # As a model may be: native code, which no signal interrupts.
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        return self._quiet.transcribe(samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedSource:
    """What is said in loud recordings and in quiet ones, or what becomes of the worker there."""

    loud: str = "This call is being recorded."
    quiet: str = "Hello."
    takes_s: float = 0.0
    sign: Path | None = None  # is there once it is stuck

    def build(self, announce: Announce) -> ScriptedWorkerEngines:
        return ScriptedWorkerEngines(self)

    def with_threads(self, n_threads: int) -> ScriptedSource:
        return self


class ScriptedWorkerEngines:
    def __init__(self, script: ScriptedSource) -> None:
        self._script = script

    def describe(self) -> Mapping[str, object]:
        return {"transcriber": "scripted"}

    def load(self) -> Loaded:
        return Loaded(vad=vad_model(), recogniser=_Recogniser(self._script))

    def close(self) -> None:
        return


def plan_of(
    database_url: str,
    objects_url: str,
    script: EngineSource,
    *,
    s3_endpoint_url: str | None = None,
    lease_s: float = 30.0,
    max_faults: int | None = 3,
    retries_poisoned: bool = False,
) -> AuditPlan:
    """A plan with scripted words."""
    return AuditPlan(
        database_url=database_url,
        objects_url=objects_url,
        s3_endpoint_url=s3_endpoint_url,
        rules=(),
        rulebook_fingerprint=load_rulebook().fingerprint,
        models_dir=Path("nowhere"),
        engines=script,
        lease_s=lease_s,
        max_faults=max_faults,
        retries_poisoned=retries_poisoned,
        log_level="CRITICAL",
    )
