"""The reader of utterances in the process that all rooms of a worker share."""

from __future__ import annotations

from livekit.agents.inference_runner import _InferenceRunner

from realtime.language import Language, answer

METHOD = "earmark_language"


class LanguageRunner(_InferenceRunner):
    """Loads the language models once and answers one utterance at a time."""

    INFERENCE_METHOD = METHOD

    def __init__(self) -> None:
        self._language: Language | None = None

    def initialize(self) -> None:
        """Load the models; runs once in the shared process."""
        self._language = Language()

    def run(self, data: bytes) -> bytes | None:
        """Read an utterance, both ways as JSON."""
        if self._language is None:
            # livekit-agents logs a failed start and goes on; this keeps it from being silent.
            raise RuntimeError("the language models were not loaded")
        return answer(self._language, data)


def register_language() -> None:
    """Have the next worker of this process read utterances in its shared process."""
    if METHOD not in _InferenceRunner.registered_runners:
        _InferenceRunner.register_runner(LanguageRunner)
