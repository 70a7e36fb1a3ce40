"""Moods over a call, as the geometry of a small picture: a line for each speaker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from offline.report import Report

WIDTH = 1000.0
HEIGHT = 190.0
_LEFT = 130.0
_RIGHT = 16.0
_TOP = 12.0
_BOTTOM = 160.0
_MARKS = ("circle", "square", "diamond")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcLine:
    """One speaker's mood; told apart by the shape of its points, not by colour alone."""

    name: str
    shape: str  # circle, square or diamond
    number: int  # from 0
    paths: tuple[str, ...]  # one for each stretch without a hole
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arcs:
    """Everything that is drawn."""

    width: float
    height: float
    left: float
    right: float
    rows: tuple[tuple[float, str], ...]  # y and what it means
    lines: tuple[ArcLine, ...]


def arcs(report: Report) -> Arcs:
    """Lines of those who said something."""
    lines = [
        (speaker.name, speaker.conduct.sentiment_arc)
        for speaker in report.speakers
        if speaker.conduct is not None
        and any(score is not None for score in speaker.conduct.sentiment_arc)
    ]
    return Arcs(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        rows=((_y(1.0), "positive"), (_y(0.0), "neutral"), (_y(-1.0), "negative")),
        lines=tuple(
            ArcLine(
                name=name,
                shape=_MARKS[number % len(_MARKS)],
                number=number,
                paths=tuple(_paths(scores)),
                points=tuple(_points(scores)),
            )
            for number, (name, scores) in enumerate(lines)
        ),
    )


def _y(score: float) -> float:
    return round(_TOP + (1.0 - score) / 2 * (_BOTTOM - _TOP), 1)


def _at(number: int, n_points: int) -> float:
    return round(_LEFT + (number + 0.5) * (WIDTH - _LEFT - _RIGHT) / n_points, 1)


def _points(scores: Sequence[float | None]) -> Iterator[tuple[float, float]]:
    for number, score in enumerate(scores):
        if score is not None:
            yield _at(number, len(scores)), _y(score)


def _paths(scores: Sequence[float | None]) -> Iterator[str]:
    piece: list[str] = []
    for number, score in enumerate((*scores, None)):
        if score is not None:
            piece.append(f"{_at(number, len(scores))} {_y(score)}")
        elif piece:
            yield f"M{'L'.join(piece)}"
            piece = []
