"""Which pieces of speech are of one voice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.diarization.clustering import ClusterOptions, Pieces, assign, cluster, labels_of

pytest.importorskip("scipy", reason="telling voices apart needs the extra offline")

OPTIONS = ClusterOptions(threshold=0.4, min_train_s=1.0, min_voice_s=2.0)


def vectors(*voices: int, spread: float = 0.1) -> NDArray[np.float32]:
    """Vectors near one of many directions, by number."""
    random = np.random.default_rng(7)
    made = np.eye(16, dtype=np.float32)[list(voices)]
    made = made + spread * random.normal(size=made.shape).astype(np.float32) / 4
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def pieces(*voices: int, seconds: float | list[float] = 3.0) -> Pieces:
    n = len(voices)
    return Pieces(
        embeddings=vectors(*voices),
        seconds=np.full(n, seconds) if isinstance(seconds, float) else np.array(seconds),
        groups=np.arange(n),
    )


@pytest.mark.parametrize(
    ("given", "bounds", "n_voices"),
    [
        pytest.param(pieces(0, 0, 0), (1, None), 1, id="one-voice"),
        pytest.param(pieces(0), (1, None), 1, id="one-piece"),
        pytest.param(pieces(0, 1, 0, 1, 2), (1, None), 3, id="three-voices"),
        pytest.param(pieces(0, 1, 0, 1, 2), (1, 2), 2, id="at-most-two"),
        pytest.param(pieces(0, 0, 0), (2, None), 2, id="at-least-two"),
        pytest.param(pieces(0, 0), (5, None), 2, id="more-than-pieces"),
        pytest.param(
            pieces(0, 0, 1, seconds=[3.0, 3.0, 1.2]), (1, None), 1, id="too-short-for-a-voice"
        ),
        pytest.param(pieces(0, 1, seconds=[0.3, 0.2]), (1, None), 1, id="nothing-but-scraps"),
    ],
)
def test_how_many_voices(given: Pieces, bounds: tuple[int, int | None], n_voices: int) -> None:
    """As many as sound unlike each other, within bounds."""
    found = cluster(given, OPTIONS, min_voices=bounds[0], max_voices=bounds[1])
    assert len(found) == n_voices
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_vectors_of_one_group_are_never_one() -> None:
    """Voices that were told apart in one piece of a recording stay apart when pieces are linked."""
    labels = labels_of(
        vectors(0, 0, 0, 0),
        np.array([0, 0, 1, 1]),
        threshold=0.4,
        min_voices=1,
        max_voices=1,
    )
    assert labels[0] != labels[1]
    assert labels[2] != labels[3]
    assert len(set(labels)) == 2


def test_people_of_one_window_get_different_voices() -> None:
    """Of two people in a window the one who fits less goes elsewhere, or nowhere."""
    given = Pieces(embeddings=vectors(0, 0, 1), seconds=np.full(3, 3.0), groups=np.array([0, 0, 1]))
    assert sorted(assign(given, vectors(0, 1, spread=0.0))[:2]) == [0, 1]
    assert sorted(assign(given, vectors(0, spread=0.0))[:2]) == [-1, 0]
