"""How many cores a container leaves us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.cores import available_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "n_cores"),
    [
        pytest.param("max 100000", ALL, id="no-limit"),
        pytest.param("100000 100000", 1, id="one"),
        pytest.param("50000 100000", 1, id="half-a-core-is-one"),
        pytest.param("100000000 100000", ALL, id="more-than-there-are"),
        pytest.param("what", ALL, id="unreadable"),
        pytest.param(None, ALL, id="no-control-group"),
    ],
)
def test_a_limit_counts(text: str | None, n_cores: int, tmp_path: Path) -> None:
    """A control group's limit counts, where there is one, and nobody gets less than one core."""
    path = tmp_path / "cpu.max"
    if text is not None:
        path.write_text(text)
    assert available_cores(path) == n_cores
