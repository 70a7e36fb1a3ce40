"""openai-whisper, batched, behind the interface of the other recognisers."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.ct2_weights import checkpoint, read_variables
from speech.errors import EngineMissingError, RecogniserError
from speech.recogniser import Recognition
from speech.whisper import WhisperOptions, is_silence, max_new_tokens, recognised

_MAX_WINDOW_S = 30.0  # what the weights have positions for
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - as openai-whisper writes them


class OpenAIWhisper:
    """Whisper on PyTorch.

    Args:
        weights: A checkpoint: `dims` and `model_state_dict`, with arrays or tensors.
        options: How to decode.
        name: Id of the weights; the recogniser's own name adds engine and arithmetic.
        cpu_threads: Threads of one inference; PyTorch has one number for the whole process.
        alignment_heads: (layer, head) of the decoder by which words are timed; None = all heads of
            the later half, which is less exact.
        device: "cpu" or "cuda".
        batch_size: How many windows are worth being given at once.

    Raises:
        EngineMissingError: PyTorch or openai-whisper is not installed.
        RecogniserError: the weights do not fit together.
    """

    def __init__(
        self,
        weights: Mapping[str, Any],
        options: WhisperOptions,
        *,
        name: str,
        cpu_threads: int = 2,
        alignment_heads: Sequence[tuple[int, int]] | None = None,
        device: str = "cpu",
        batch_size: int = 4,
    ) -> None:
        torch, whisper = _libraries()
        torch.set_num_threads(cpu_threads)
        self._is_half = device != "cpu"
        arithmetic = "float16" if self._is_half else "float32"
        self.name = f"{name} ({arithmetic}, beam {options.beam_size})"
        self.batch_size = batch_size
        self._options = options
        try:
            model = whisper.model.Whisper(whisper.model.ModelDimensions(**weights["dims"]))
            model.load_state_dict(
                {key: torch.as_tensor(value) for key, value in weights["model_state_dict"].items()}
            )
        except (KeyError, TypeError, AttributeError, RuntimeError) as exc:
            raise RecogniserError(
                f"{name}: these weights are none of openai-whisper's ({type(exc).__name__})"
            ) from None
        if alignment_heads is not None:
            heads = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
            heads[tuple(zip(*alignment_heads, strict=True))] = True
            model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
        self._model: Any = model.to(device).eval()
        self._tokenizer: Any = whisper.tokenizer.get_tokenizer(
            model.is_multilingual,
            num_languages=model.num_languages,
            language=options.language,
            task="transcribe",
        )

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """Recognise windows of speech together; see `WindowRecogniser.recognise`."""
        durations_s = [len(piece) / SAMPLE_RATE_HZ for piece in pieces]
        if any(duration_s > _MAX_WINDOW_S for duration_s in durations_s):
            raise RecogniserError(f"{self.name} hears at most thirty seconds at a time")
        return recognised(pieces, durations_s, self._written, name=self.name, options=self._options)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _written(
        self, pieces: Sequence[NDArray[np.float32]], durations_s: Sequence[float]
    ) -> list[list[Any]]:
        torch, whisper = _libraries()
        from whisper.timing import find_alignment, merge_punctuations

        model, options = self._model, self._options
        with torch.inference_mode():
            spectra = torch.stack(
                [
                    whisper.log_mel_spectrogram(
                        whisper.pad_or_trim(torch.from_numpy(piece)), model.dims.n_mels
                    )
                    for piece in pieces
                ]
            )
            spectra = spectra.to(model.device, torch.float16 if self._is_half else torch.float32)
            written: list[list[Any]] = []
            # Heard together, written one by one: this version cannot search with beams in a batch.
            for features, duration_s in zip(model.encoder(spectra), durations_s, strict=True):
                (result,) = whisper.decode(
                    model,
                    features[None],
                    whisper.DecodingOptions(
                        language=options.language,
                        beam_size=options.beam_size if options.beam_size > 1 else None,
                        sample_len=max_new_tokens(duration_s),
                        without_timestamps=True,
                        fp16=self._is_half,
                    ),
                )
                if is_silence(
                    options, no_speech_prob=result.no_speech_prob, log_prob=result.avg_logprob
                ):
                    written.append([])
                    continue
                aligned = find_alignment(
                    _Encoded(model),
                    self._tokenizer,
                    result.tokens,
                    features,
                    int(duration_s * whisper.audio.FRAMES_PER_SECOND),
                )
                merge_punctuations(aligned, _PREPENDED, _APPENDED)
                written.append([word for word in aligned if word.word])
        return written


class _Encoded:
    """A model that is given what its encoder has heard, so that nothing is encoded twice."""

    def __init__(self, model: Any) -> None:
        self.dims = model.dims
        self.decoder = model.decoder
        self.device = model.device
        self.alignment_heads = model.alignment_heads

    def __call__(self, features: Any, tokens: Any) -> Any:
        return self.decoder(tokens, features)


def weights_of_faster_whisper(model_dir: Path) -> Mapping[str, Any]:
    """A checkpoint from a folder of faster-whisper's weights; the numbers are the same.

    Raises:
        RecogniserError: there are none, or they are rounded to integers.
    """
    return checkpoint(read_variables(model_dir / "model.bin"))


def alignment_heads_of(model_dir: Path) -> Sequence[tuple[int, int]] | None:
    """The heads that time words, as a folder of faster-whisper's weights names them."""
    variables = read_variables(model_dir / "model.bin")
    heads = variables.get("decoder/alignment_heads")
    if heads is None or heads.ndim != 2:
        return None
    return [(int(layer), int(head)) for layer, head in heads]


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """A checkpoint file of openai-whisper. Only tensors and plain values are unpickled.

    Raises:
        EngineMissingError: PyTorch or openai-whisper is not installed.
        RecogniserError: the file is none.
    """
    torch, _ = _libraries()
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as exc:
        raise RecogniserError(
            f"{path}: no weights of openai-whisper ({type(exc).__name__})"
        ) from None
    if not isinstance(loaded, dict) or not {"dims", "model_state_dict"} <= loaded.keys():
        raise RecogniserError(
            f"{path}: no weights of openai-whisper; they have dims and model_state_dict"
        )
    return loaded


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import whisper
    except ImportError as exc:
        raise EngineMissingError(
            f"openai-whisper needs {exc.name or 'a package'}, which is not installed; "
            "install the extra `earmark[offline]`"
        ) from None
    return torch, whisper
