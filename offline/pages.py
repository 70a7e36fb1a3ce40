"""What all pages have in common: templates, and numbers for people."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

NONE = "–"  # noqa: RUF001 - a dash in a table


@cache
def template(name: str) -> Template:
    """A template of the folder `templates`; what it inserts is escaped, what it lacks an error."""
    environment = Environment(
        loader=PackageLoader("offline"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        minutes=minutes, percent=percent, whole=whole, tenths=tenths, mood=mood
    )
    return environment.get_template(name)


def minutes(position_s: float) -> str:
    """A position as m:ss, or h:mm:ss.

    >>> minutes(65.9), minutes(3601)
    ('1:05', '1:00:01')
    """
    rounded = int(position_s)
    if rounded >= 3600:
        return f"{rounded // 3600}:{rounded % 3600 // 60:02}:{rounded % 60:02}"
    return f"{rounded // 60}:{rounded % 60:02}"


def percent(ratio: float | None) -> str:
    """A ratio for people; a dash where there is none."""
    return NONE if ratio is None else f"{ratio:.0%}"


def whole(value: float | None) -> str:
    """A number without a fraction."""
    return NONE if value is None else f"{value:.0f}"


def tenths(value: float | None) -> str:
    """A number with one place."""
    return NONE if value is None else f"{value:.1f}"


def mood(score: float | None) -> str:
    """A score with its sign; 0 has none."""
    if score is None:
        return NONE
    return "0.0" if abs(score) < 0.05 else f"{score:+.1f}".replace("-", "−")  # noqa: RUF001 - a minus
