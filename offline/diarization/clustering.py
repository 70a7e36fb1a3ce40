"""Which pieces of speech are of one voice: agglomerative clustering of their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Further apart than any two directions: they are never joined.
_NEVER = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """When two pieces of speech are of one voice."""

    threshold: float  # cosine distance, mean over the pairs of two clusters, up to which they join
    min_train_s: float  # shorter pieces don't decide how many voices there are
    min_voice_s: float  # who speaks for less is one of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Pieces of speech, each of one voice, as far as the network could tell."""

    embeddings: NDArray[np.float32] = field(repr=False)  # shape (n, n_dimensions), length 1
    seconds: NDArray[np.float64]  # of speech in each
    groups: NDArray[np.int64]  # pieces of one group are of different voices


def cluster(
    pieces: Pieces, options: ClusterOptions, *, min_voices: int, max_voices: int | None
) -> NDArray[np.float32]:
    """The embeddings of the voices, shape (n_voices, n_dimensions), rows of length 1.

    Args:
        pieces: At least one.
        options: See `ClusterOptions`.
        min_voices: At least so many, as far as there are pieces.
        max_voices: At most so many; None = no bound.
    """
    trained = np.flatnonzero(pieces.seconds >= options.min_train_s)
    if not len(trained):
        trained = np.array([int(pieces.seconds.argmax())])
    vectors, seconds = pieces.embeddings[trained], pieces.seconds[trained]
    labels = labels_of(
        vectors,
        None,
        threshold=options.threshold,
        min_voices=min_voices,
        max_voices=max_voices,
    )
    spoken = np.bincount(labels, weights=seconds)
    # Without a voice that speaks for long, the longest one is a voice all the same.
    n_kept = max(min_voices, int((spoken >= options.min_voice_s).sum()), 1)
    kept = np.sort(np.argsort(-spoken, kind="stable")[:n_kept])
    return np.stack([_centre(vectors[labels == k], seconds[labels == k]) for k in kept])


def labels_of(
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64] | None,
    *,
    threshold: float,
    min_voices: int,
    max_voices: int | None,
) -> NDArray[np.int64]:
    """A label from 0 for each vector.

    Args:
        vectors: Shape (n, n_dimensions), rows of length 1.
        groups: Vectors of one group never get one label; None = they may.
        threshold: Cosine distance up to which clusters join.
        min_voices: At least so many labels, as far as there are vectors.
        max_voices: At most so many, unless a group alone needs more.
    """
    from scipy.cluster.hierarchy import fcluster, linkage  # of an extra, and slow to import
    from scipy.spatial.distance import pdist, squareform

    n = len(vectors)
    if n == 1:
        return np.zeros(1, dtype=np.int64)
    distances = pdist(vectors.astype(np.float64), metric="cosine")
    if groups is not None:
        square = squareform(distances)
        square[(groups[:, None] == groups[None, :]) & ~np.eye(n, dtype=bool)] = _NEVER
        distances = squareform(square, checks=False)
        needed = int(np.unique(groups, return_counts=True)[1].max())
        max_voices = None if max_voices is None else max(max_voices, needed)
    tree = linkage(distances, method="average")
    labels = fcluster(tree, t=threshold, criterion="distance")
    n_labels = int(labels.max())
    wanted = max(n_labels, min(min_voices, n))
    if max_voices is not None:
        wanted = min(wanted, max(1, max_voices))
    if wanted != n_labels:
        labels = fcluster(tree, t=wanted, criterion="maxclust")
    result: NDArray[np.int64] = labels.astype(np.int64) - 1
    return result


def assign(pieces: Pieces, voices: NDArray[np.float32]) -> NDArray[np.int64]:
    """The voice of each piece; pieces of one group get different ones, and -1 where none is left.

    Args:
        pieces: Any number.
        voices: Shape (n_voices, n_dimensions), rows of length 1.
    """
    from scipy.optimize import linear_sum_assignment

    likeness = pieces.embeddings @ voices.T
    assigned = np.full(len(likeness), -1, dtype=np.int64)
    for group in np.unique(pieces.groups):
        members = np.flatnonzero(pieces.groups == group)
        rows, columns = linear_sum_assignment(likeness[members], maximize=True)
        assigned[members[rows]] = columns
    return assigned


def _centre(
    vectors: NDArray[np.float32], seconds: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float32]:
    centre = np.average(vectors, axis=0, weights=np.maximum(seconds, 1e-3))
    length = float(np.linalg.norm(centre))
    result: NDArray[np.float32] = (centre / (length or 1.0)).astype(np.float32)
    return result
