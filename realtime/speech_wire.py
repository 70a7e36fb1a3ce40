"""What jobs and the speech process of their worker say to each other: frames on a local socket.

A frame is its length, the length of its head, a head in JSON and a body of bytes.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.recogniser import RecognisedWord, Recognition

_LENGTHS = struct.Struct("<II")
# Thirty seconds of 16-bit sound at 16 kHz, with room for the head.
MAX_FRAME_BYTES = 2_000_000
_PCM16_MAX = 32767.0


async def read_frame(reader: asyncio.StreamReader) -> tuple[Mapping[str, Any], bytes]:
    """The next frame.

    Raises:
        EOFError: the other side has gone (asyncio.IncompleteReadError is one).
        ValueError: what comes is no frame.
    """
    n_bytes, n_head_bytes = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    if not n_head_bytes <= n_bytes <= MAX_FRAME_BYTES:
        raise ValueError("a frame of impossible length")
    data = await reader.readexactly(n_bytes)
    head = json.loads(data[:n_head_bytes])
    if not isinstance(head, dict):
        raise ValueError("a frame without a head")
    return head, data[n_head_bytes:]


def frame(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A frame as it is sent."""
    encoded = json.dumps(head).encode()
    return _LENGTHS.pack(len(encoded) + len(body), len(encoded)) + encoded + body


def encode_samples(samples: NDArray[np.float32]) -> bytes:
    """Samples as 16-bit PCM, half the bytes between the processes."""
    return (np.clip(samples, -1.0, 1.0) * _PCM16_MAX).astype("<i2").tobytes()


def decode_samples(data: bytes) -> NDArray[np.float32]:
    """What `encode_samples` made, back in range [-1.0, 1.0], shape (n_samples,)."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(_PCM16_MAX)


def encode_recognition(heard: Recognition) -> bytes:
    """Words on their way back from the speech process."""
    head = {
        "words": _plain(heard.words),
        "looped_from_s": heard.looped_from_s,
        "others": [_plain(words) for words in heard.others],
    }
    return json.dumps(head).encode()


def decode_recognition(data: bytes) -> Recognition:
    """What `encode_recognition` made."""
    heard = json.loads(data)
    return Recognition(
        words=_words(heard["words"]),
        looped_from_s=heard["looped_from_s"],
        others=tuple(_words(words) for words in heard["others"]),
    )


def _plain(words: Iterable[RecognisedWord]) -> list[tuple[str, float, float, float | None]]:
    return [(word.text, word.start_s, word.end_s, word.confidence) for word in words]


def _words(plain: Iterable[tuple[str, float, float, float | None]]) -> tuple[RecognisedWord, ...]:
    return tuple(
        RecognisedWord(text=text, start_s=start_s, end_s=end_s, confidence=confidence)
        for text, start_s, end_s, confidence in plain
    )
