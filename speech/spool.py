"""Long sound lies in a file and is mapped into memory: hours of it take a minute's worth.

Three hours of one channel are 700 MB. Whoever goes through such a sound does it by `blocks`, or
says `release` now and then; what was read before is then no longer in memory. The files have no
names: nobody else can open them, and they are gone with the process, however that ends.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from speech.errors import SpoolError

BLOCK_SAMPLES = 60 * 16_000  # a minute
# Shorter sound is quicker at hand without a file.
MAX_VALUES_IN_MEMORY = 10 * BLOCK_SAMPLES
_COPIED_BYTES = 1 << 22
_DTYPE = np.dtype(np.float32)


class Spool:
    """Takes sound piece by piece, and gives it back whole.

    Args:
        n_channels: Of each piece.
        max_values: So many samples, of all channels together, are kept without a file.
    """

    def __init__(self, n_channels: int, max_values: int = MAX_VALUES_IN_MEMORY) -> None:
        self._n_channels = n_channels
        self._max_values = max_values
        self._n_samples = 0
        self._pieces: list[NDArray[np.float32]] = []
        self._files: list[IO[bytes]] = []  # one a channel, once there is too much for memory

    @property
    def n_samples(self) -> int:
        """How long the sound is so far."""
        return self._n_samples

    def add(self, piece: NDArray[np.float32]) -> None:
        """Append sound.

        Args:
            piece: Shape (n_channels, n_samples). Not modified, and not to be modified later.

        Raises:
            SpoolError: there is no room for it.
        """
        self._n_samples += piece.shape[1]
        self._pieces.append(piece)
        if self._files or self._n_samples * self._n_channels > self._max_values:
            self._spill()

    def finish(self) -> NDArray[np.float32]:
        """All of it, shape (n_channels, n_samples); may be written to. Nothing can be added after.

        Raises:
            SpoolError: there is no room for it.
        """
        if not self._files:
            samples = np.empty((self._n_channels, self._n_samples), dtype=np.float32)
            position = 0
            for piece in self._pieces:
                samples[:, position : position + piece.shape[1]] = piece
                position += piece.shape[1]
            return samples
        first, *others = self._files
        try:
            for other in others:
                other.seek(0)
                while data := other.read(_COPIED_BYTES):
                    first.write(data)
                other.close()
            first.flush()
            # Shared with the file, so that the kernel can take pages back at any time.
            return np.memmap(
                first, dtype=_DTYPE, mode="r+", shape=(self._n_channels, self._n_samples)
            )
        except OSError as exc:
            raise _no_room(exc) from None
        finally:
            first.close()  # the mapping keeps it

    def _spill(self) -> None:
        try:
            if not self._files:
                self._files = [
                    tempfile.TemporaryFile()  # noqa: SIM115 - `finish` closes them
                    for _ in range(self._n_channels)
                ]
            for piece in self._pieces:
                for channel, file in zip(piece, self._files, strict=True):
                    file.write(np.ascontiguousarray(channel, dtype=_DTYPE).data)
        except OSError as exc:
            raise _no_room(exc) from None
        self._pieces.clear()


def blocks(
    samples: NDArray[np.float32], block_samples: int = BLOCK_SAMPLES
) -> Iterator[NDArray[np.float32]]:
    """A sound in pieces, of which one at a time is in memory.

    Args:
        samples: Shape (n_samples,) or (n_channels, n_samples).
        block_samples: Length of a piece; the last one may be shorter.
    """
    for start in range(0, samples.shape[-1], block_samples):
        yield samples[..., start : start + block_samples]
        release(samples)


def release(samples: NDArray[np.float32]) -> None:
    """Let the memory of a mapped sound go; it is read again from its file when it is needed."""
    mapping = getattr(samples, "_mmap", None)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)


def copied(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that may be written to, shape (n_channels, n_samples).

    Raises:
        SpoolError: there is no room for it.
    """
    spool = Spool(len(samples))
    for block in blocks(samples):
        spool.add(block.copy())
    return spool.finish()


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """All channels as one, their mean, shape (n_samples,). One channel is given back as it is.

    Args:
        samples: Shape (n_channels, n_samples). Not modified.

    Raises:
        SpoolError: there is no room for it.
    """
    if len(samples) == 1:
        only: NDArray[np.float32] = samples[0]
        return only
    spool = Spool(1)
    for block in blocks(samples):
        spool.add(block.mean(axis=0, dtype=np.float32)[np.newaxis, :])
    whole: NDArray[np.float32] = spool.finish()[0]
    return whole


def _no_room(exc: OSError) -> SpoolError:
    return SpoolError(
        f"{tempfile.gettempdir()}: no room for decoded sound ({exc.strerror}); set TMPDIR to a "
        "folder on a disk with some gigabytes"
    )
