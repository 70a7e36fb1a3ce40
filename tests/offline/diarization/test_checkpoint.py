"""Checkpoints are read, and nothing in them is run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from offline.errors import DiarizerError

torch = pytest.importorskip("torch", reason="telling voices apart needs the extra offline")


class Trap:
    """Makes a folder when it is unpickled by a careless reader."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    """Tensors come out; what would run something does nothing."""
    from offline.diarization.checkpoint import read_tensors

    trapped = tmp_path / "trapped"
    path = tmp_path / "model.bin"
    torch.save({"state_dict": {"w": torch.ones(2)}, "trap": Trap(str(trapped))}, path)
    assert read_tensors(path, "state_dict")["w"].tolist() == [1.0, 1.0]
    assert not trapped.exists()
    torch.load(path, weights_only=False)
    assert trapped.exists()  # so it would have been


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    """One sentence, whatever the bytes are."""
    from offline.diarization.checkpoint import read_tensors

    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(DiarizerError, match="not a checkpoint of the kind"):
        read_tensors(path)
