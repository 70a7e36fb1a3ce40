"""Small pictures of trends as SVG, made on the server, with what they show in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from storage.rule_quality import Share, Week

WIDTH, HEIGHT = 180, 40
_PAD = 5
NONE = "\u2013"


def percent(share: Share | None) -> str:
    """A share as people read it, such as "92 %"; a dash for none."""
    return NONE if share is None else f"{share.ratio:.0%}".replace("%", " %")


def interval(share: Share | None) -> str:
    """Where the true share lies at 95 %, and of how many that is: "61 to 99 %, n = 13"."""
    if share is None:
        return "none yet"
    low, high = share.interval
    return f"{low * 100:.0f} to {high * 100:.0f} %, n = {share.of}"


def trend(weeks: Sequence[Week], shares: Sequence[Share | None], *, label: str) -> Markup:
    """A line of shares over weeks, with the range in which each surely lies.

    Weeks without any are gaps. The whole is one image with a text that says the same.

    Args:
        weeks: At least one, oldest first.
        shares: One for each week.
        label: What is shown, such as "Precision of pii.card-number".
    """
    known = [(i, share) for i, share in enumerate(shares) if share is not None]
    said = "; ".join(
        f"week of {weeks[i].monday:%d %b}: {percent(share)} of {share.of}" for i, share in known
    )
    text = f"{label}: {said or 'nothing in these weeks'}."
    step = (WIDTH - 2 * _PAD) / max(1, len(weeks) - 1)

    def at(i: int, ratio: float) -> tuple[float, float]:
        return round(_PAD + i * step, 1), round(HEIGHT - _PAD - ratio * (HEIGHT - 2 * _PAD), 1)

    drawn = Markup()
    for run in _runs(known):
        upper = [at(i, share.interval[1]) for i, share in run]
        lower = [at(i, share.interval[0]) for i, share in reversed(run)]
        line = [at(i, share.ratio) for i, share in run]
        if len(run) > 1:
            drawn += Markup('<polygon class="range" points="{}"/>').format(_points(upper + lower))
            drawn += Markup('<polyline class="line" points="{}"/>').format(_points(line))
        for x, y in line:
            drawn += Markup('<circle class="dot" cx="{}" cy="{}" r="2.5"/>').format(x, y)
    return Markup(
        '<svg class="trend" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        'aria-label="{text}"><title>{text}</title>'
        '<line class="axis" x1="{pad}" y1="{base}" x2="{end}" y2="{base}"/>{drawn}</svg>'
    ).format(
        w=WIDTH, h=HEIGHT, text=text, pad=_PAD, base=HEIGHT - _PAD, end=WIDTH - _PAD, drawn=drawn
    )


def _runs(known: list[tuple[int, Share]]) -> list[list[tuple[int, Share]]]:
    """Weeks that follow each other without a gap."""
    numbered = enumerate(known)
    return [[each for _, each in group] for _, group in groupby(numbered, lambda n: n[1][0] - n[0])]


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
