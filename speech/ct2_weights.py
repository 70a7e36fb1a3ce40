"""Weights of faster-whisper as openai-whisper wants them: the same numbers in another layout."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.errors import RecogniserError

# CTranslate2's model.bin, version 6, as `ctranslate2.specs.model_spec.ModelSpec` writes it.
_VERSION = 6
_SPEC = "WhisperSpec"
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_FLOATS = (np.dtype(np.float32), np.dtype(np.float16))

Array = NDArray[Any]


def read_variables(path: Path) -> Mapping[str, Array]:
    """All variables of a model.bin that CTranslate2's converter wrote.

    Args:
        path: The file.

    Returns:
        Arrays by name; scalars have shape ().

    Raises:
        RecogniserError: the file holds something else.
    """
    try:
        return dict(_variables(path.read_bytes()))
    except (OSError, struct.error, UnicodeDecodeError, ValueError, TypeError, IndexError) as exc:
        raise RecogniserError(
            f"{path}: no weights of Whisper as faster-whisper keeps them ({type(exc).__name__})"
        ) from None


def checkpoint(variables: Mapping[str, Array]) -> dict[str, Any]:
    """A checkpoint of openai-whisper.

    Args:
        variables: Of a Whisper model whose weights are floating point numbers.

    Returns:
        `dims`, sizes of the model by name, and `model_state_dict`, float32 arrays by name.

    Raises:
        RecogniserError: weights are missing, or are rounded to integers.
    """
    try:
        return {
            "dims": _dimensions(variables),
            "model_state_dict": {
                name: np.ascontiguousarray(value, dtype=np.float32)
                for name, value in _state(variables)
            },
        }
    except KeyError:
        raise RecogniserError("weights of Whisper are not whole; convert them again") from None


def _variables(data: bytes) -> Iterator[tuple[str, Array]]:
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", data, at)
        at += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")  # with a zero byte at the end
        value = data[at : at + length - 1].decode()
        at += length
        return value

    version, spec, _revision = number("I"), text(), number("I")
    if (version, spec) != (_VERSION, _SPEC):
        raise ValueError("another kind of file")
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        dtype = np.dtype(_TYPES[number("B")])
        n_bytes = number("I")
        flat = np.frombuffer(data, dtype, n_bytes // dtype.itemsize, at)
        at += n_bytes
        yield name, flat.reshape(shape)


def _dimensions(variables: Mapping[str, Array]) -> dict[str, int]:
    n_audio_ctx, n_audio_state = variables["encoder/position_encodings/encodings"].shape
    n_text_ctx, n_text_state = variables["decoder/position_encodings/encodings"].shape
    return {
        "n_mels": variables["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": n_audio_ctx,
        "n_audio_state": n_audio_state,
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": _n_layers(variables, "encoder"),
        "n_vocab": variables["decoder/embeddings/weight"].shape[0],
        "n_text_ctx": n_text_ctx,
        "n_text_state": n_text_state,
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": _n_layers(variables, "decoder"),
    }


def _n_layers(variables: Mapping[str, Array], side: str) -> int:
    return len({n.split("/")[1] for n in variables if n.startswith(f"{side}/layer_")} - _NORM)


_NORM = {"layer_norm"}


def _state(variables: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    def weights(ours: str, theirs: str, names: tuple[str, str] = ("weight", "bias")) -> Any:
        for name, suffix in zip(names, ("weight", "bias"), strict=True):
            yield f"{theirs}.{suffix}", _floats(variables, f"{ours}/{name}")

    def norm(ours: str, theirs: str) -> Any:
        return weights(f"{ours}/layer_norm", theirs, ("gamma", "beta"))

    yield "encoder.positional_embedding", variables["encoder/position_encodings/encodings"]
    yield "decoder.positional_embedding", variables["decoder/position_encodings/encodings"]
    yield "decoder.token_embedding.weight", _floats(variables, "decoder/embeddings/weight")
    for conv in ("conv1", "conv2"):
        yield from weights(f"encoder/{conv}", f"encoder.{conv}")
    yield from norm("encoder", "encoder.ln_post")
    yield from norm("decoder", "decoder.ln")
    for side in ("encoder", "decoder"):
        for number in range(_n_layers(variables, side)):
            ours, theirs = f"{side}/layer_{number}", f"{side}.blocks.{number}"
            yield from norm(f"{ours}/self_attention", f"{theirs}.attn_ln")
            yield from _attention(
                variables, f"{ours}/self_attention", f"{theirs}.attn", ["query", "key", "value"]
            )
            if side == "decoder":
                yield from norm(f"{ours}/attention", f"{theirs}.cross_attn_ln")
                yield from _attention(
                    variables,
                    f"{ours}/attention",
                    f"{theirs}.cross_attn",
                    ["query"],
                    ["key", "value"],
                )
            yield from norm(f"{ours}/ffn", f"{theirs}.mlp_ln")
            yield from weights(f"{ours}/ffn/linear_0", f"{theirs}.mlp.0")
            yield from weights(f"{ours}/ffn/linear_1", f"{theirs}.mlp.2")


def _attention(
    variables: Mapping[str, Array], ours: str, theirs: str, *fused: list[str]
) -> Iterator[tuple[str, Array]]:
    """Take apart what the converter joined; the last linear layer is the output's."""
    for number, names in enumerate([*fused, ["out"]]):
        linear = f"{ours}/linear_{number}"
        weight, bias = _floats(variables, f"{linear}/weight"), _floats(variables, f"{linear}/bias")
        for name, part, offset in zip(
            names, np.split(weight, len(names)), np.split(bias, len(names)), strict=True
        ):
            yield f"{theirs}.{name}.weight", part
            if name != "key":  # Whisper's keys have none; the converter put zeros there
                yield f"{theirs}.{name}.bias", offset


def _floats(variables: Mapping[str, Array], name: str) -> Array:
    value = variables[name]
    if value.dtype not in _FLOATS:
        raise RecogniserError(
            "weights of Whisper that are rounded to integers cannot be used by openai-whisper; "
            "convert them with float16"
        )
    return value
