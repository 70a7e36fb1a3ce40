"""The models of the audit: named at once, loaded only when there is something to hear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from speech.device import Device
from speech.models import find_model, registry
from speech.recogniser import WindowRecogniser
from speech.transcribers import load_transcriber
from speech.transcribers import transcriber as find_transcriber
from speech.vad import AUDIT as VAD_AUDIT
from speech.vad import VadModel
from speech.whisper import AUDIT as WHISPER_AUDIT
from speech.windows import MAX_WINDOW_S

VAD_ID = "silero-vad"
DEFAULT_TRANSCRIBER = "faster-whisper-base"
# Goes up with every change of the audit's code that can change a report, so that calls which were
# audited before are audited anew.
PIPELINE_VERSION = 1

Announce = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Models that are ready."""

    vad: VadModel
    recogniser: WindowRecogniser


class Engines(Protocol):
    """Where the audit gets its models from."""

    def describe(self) -> Mapping[str, object]:
        """All that decides how audio becomes words, as JSON; no weights are needed for it."""

    def load(self) -> Loaded:
        """The models, loaded at the first call.

        Raises:
            SpeechError: weights are missing or not the pinned ones, or what runs them is missing.
        """


class LocalEngines:
    """Models on this machine, each loaded once a process.

    Args:
        transcriber: What turns speech into words: an id, or a path of one's own weights.
        device: "auto" takes a GPU where one works.
        models_dir: Where weights are searched first.
        cpu_threads: Threads of one inference.
        announce: Called with a sentence before something slow; its block is the slow thing.

    Raises:
        UnknownModelError: there is no such transcriber.
    """

    def __init__(
        self,
        *,
        transcriber: str,
        models_dir: Path,
        cpu_threads: int,
        device: Device = "auto",
        announce: Announce = lambda what: nullcontext(),
    ) -> None:
        self._transcriber = find_transcriber(transcriber)
        self._device: Device = device
        self._described: Mapping[str, object] | None = None
        self._models_dir = models_dir
        self._cpu_threads = cpu_threads
        self._announce = announce
        self._loaded: Loaded | None = None

    def describe(self) -> Mapping[str, object]:
        """See `Engines.describe`."""
        if self._described is None:
            self._described = {
                "vad": VAD_ID,
                "vad_weights": {f.name: f.sha256 for f in registry()[VAD_ID].files},
                "vad_options": asdict(VAD_AUDIT),
                "window_s": MAX_WINDOW_S,
                # Not the device: the same audit on another machine is the same audit.
                "transcriber": self._transcriber.id,
                "transcriber_weights": self._transcriber.weights,
                "transcriber_options": asdict(WHISPER_AUDIT),
            }
        return self._described

    def load(self) -> Loaded:
        """See `Engines.load`."""
        if self._loaded is None:
            with self._announce("Checking and loading the speech models"):
                vad = VadModel(find_model(VAD_ID, self._models_dir))
                recogniser = load_transcriber(
                    self._transcriber,
                    WHISPER_AUDIT,
                    models_dir=self._models_dir,
                    device=self._device,
                    cpu_threads=self._cpu_threads,
                )
            self._loaded = Loaded(vad=vad, recogniser=recogniser)
        return self._loaded

    def close(self) -> None:
        """Let go of the weights."""
        if self._loaded is not None:
            self._loaded.recogniser.close()
            self._loaded = None
