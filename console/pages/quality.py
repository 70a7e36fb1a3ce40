"""How good the rules are: precision by verdicts, live against the audit, and the trend."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from console import charts, rule_desk
from console.access import Permission, Person
from console.errors import BadRequestError, RulesUnreadableError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.state import console_of
from rules.rulebook import Rule
from storage import published_rules
from storage.rule_quality import RuleQuality, rule_quality

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Quality", path="/quality", permission=Permission.VIEW_QUALITY, order=60
)
_WEEKS = (4, 12, 26, 52)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule as the page shows it."""

    quality: RuleQuality
    rule: Rule | None  # None where it is not in force
    precision_trend: Markup
    recall_trend: Markup


@router.get("/quality")
def show(
    request: Request, weeks: int = 12, person: Person = needs(Permission.VIEW_QUALITY)
) -> Response:
    """List rules with what reviewers said of them and what live missed."""
    if weeks not in _WEEKS:
        raise BadRequestError("Choose one of the times that the page offers.")
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        found = rule_quality(connection, until=console.now(), n_weeks=weeks)
        version = published_rules.latest(connection)
        files = {} if version is None else published_rules.files_of(connection, version.number)
    known: dict[str, Rule] = {}
    if version is not None:
        try:
            book = rule_desk.book_of(version.content_hash, files)
        except RulesUnreadableError:
            book = None  # told on the rules page; here only the titles are missing
        known = {rule.id: rule for rule in book.rules} if book else {}
    return render(
        request, "quality.html", weeks=weeks, all_weeks=_WEEKS, charts=charts,
        lines=[_line(each, known.get(each.rule_id)) for each in found],
    )  # fmt: skip


def _line(quality: RuleQuality, rule: Rule | None) -> Line:
    weeks = quality.weeks
    return Line(
        quality=quality,
        rule=rule,
        precision_trend=charts.trend(
            weeks, [week.precision for week in weeks], label=f"Precision of {quality.rule_id}"
        ),
        recall_trend=charts.trend(
            weeks, [week.recall for week in weeks], label=f"Live recall of {quality.rule_id}"
        ),
    )
