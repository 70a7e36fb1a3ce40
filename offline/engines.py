"""The models of the audit: named at once, loaded only when there is something to hear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from speech.models import find_model, registry
from speech.recogniser import Recogniser
from speech.vad import AUDIT as VAD_AUDIT
from speech.vad import VadModel
from speech.whisper import AUDIT as WHISPER_AUDIT
from speech.whisper import FasterWhisper

VAD_ID = "silero-vad"
DEFAULT_TRANSCRIBER = "faster-whisper-base"
# Goes up with every change of the audit's code that can change a report, so that calls which were
# audited before are audited anew.
PIPELINE_VERSION = 1

Announce = Callable[[str], AbstractContextManager[object]]


def transcribers() -> tuple[str, ...]:
    """Ids of the models that can transcribe."""
    return tuple(sorted(m.id for m in registry().values() if m.kind == "speech to text"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Models that are ready."""

    vad: VadModel
    recogniser: Recogniser


class Engines(Protocol):
    """Where the audit gets its models from."""

    def describe(self) -> Mapping[str, object]:
        """All that decides how audio becomes words, as JSON; no weights are needed for it."""

    def load(self) -> Loaded:
        """The models, loaded at the first call.

        Raises:
            SpeechError: weights are missing, or not the pinned ones.
        """


class LocalEngines:
    """Models on this machine, each loaded once a process.

    Args:
        transcriber: Id of the model that turns speech into words.
        models_dir: Where weights are searched first.
        cpu_threads: Threads of one inference.
        announce: Called with a sentence before something slow; its block is the slow thing.
    """

    def __init__(
        self,
        *,
        transcriber: str,
        models_dir: Path,
        cpu_threads: int,
        announce: Announce = lambda what: nullcontext(),
    ) -> None:
        self._transcriber = transcriber
        self._models_dir = models_dir
        self._cpu_threads = cpu_threads
        self._announce = announce
        self._loaded: Loaded | None = None

    def describe(self) -> Mapping[str, object]:
        """See `Engines.describe`."""
        return {
            "vad": VAD_ID,
            "vad_weights": _weights(VAD_ID),
            "vad_options": asdict(VAD_AUDIT),
            "transcriber": self._transcriber,
            "transcriber_weights": _weights(self._transcriber),
            "transcriber_options": asdict(WHISPER_AUDIT),
        }

    def load(self) -> Loaded:
        """See `Engines.load`."""
        if self._loaded is None:
            with self._announce("Checking and loading the speech models"):
                vad = VadModel(find_model(VAD_ID, self._models_dir))
                recogniser = FasterWhisper(
                    find_model(self._transcriber, self._models_dir),
                    WHISPER_AUDIT,
                    name=self._transcriber,
                    cpu_threads=self._cpu_threads,
                )
            self._loaded = Loaded(vad=vad, recogniser=recogniser)
        return self._loaded

    def close(self) -> None:
        """Let go of the weights."""
        if self._loaded is not None:
            self._loaded.recogniser.close()
            self._loaded = None


def _weights(model_id: str) -> Mapping[str, str]:
    return {file.name: file.sha256 for file in registry()[model_id].files}
