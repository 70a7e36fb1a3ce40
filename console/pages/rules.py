"""The published rules: what is in force, the versions before it, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from console import rule_desk
from console.access import Permission, Person
from console.diffs import file_diffs
from console.errors import BadRequestError, ConflictError, NotThereError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.state import console_of
from rules.book_files import read_book
from rules.errors import RulesError
from rules.json_schema import json_schema
from rules.rulebook import Rule, Rulebook
from storage import published_rules, rule_proposals
from storage.errors import ProposalError, RulesMissingError
from storage.rule_proposals import ProposalState
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Rules", path="/rules", permission=Permission.VIEW_RULES, order=50
)
_PER_PAGE = 50
_MAX_NUMBER = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLook:
    """A pack with its rules, as the page lists them."""

    file: str
    id: str
    version: int
    owner: str | None
    rules: tuple[Rule, ...]


@router.get("/rules")
def overview(request: Request, person: Person = needs(Permission.VIEW_RULES)) -> Response:
    """Show the version in force: its packs, their rules, and what waits for a decision."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        version = published_rules.latest(connection)
        waiting = rule_proposals.proposals(connection, state=ProposalState.OPEN)
        files = {} if version is None else published_rules.files_of(connection, version.number)
    if version is None:
        return render(
            request, "rules_none.html", n_files=len(console.rule_files),
        )  # fmt: skip
    book = rule_desk.book_of(version.content_hash, files)
    return render(
        request, "rules.html", version=version, packs=_packs(book), n_rules=len(book.rules),
        waiting=waiting, is_used=console.uses_published_rules,
    )  # fmt: skip


@router.post("/rules/import")
def take_over(request: Request, person: Person = needs(Permission.APPROVE_RULES)) -> Response:
    """Make the files that are set, or the built-in book, the first version."""
    console = console_of(request)
    try:
        files = read_book(console.rule_files)
    except RulesError:
        raise BadRequestError(
            "The rule files cannot be read; `earmark rules lint` on the server says why."
        ) from None
    check = rule_desk.check(console, files, None)
    where = "files that are set" if console.rule_files else "the built-in book"
    with console.database.begin() as connection:
        try:
            version = published_rules.import_first(
                connection, files, check=check, by=person.id, note=f"imported: {where}",
                now=console.now(),
            )  # fmt: skip
        except ProposalError as exc:
            raise ConflictError(sentence(exc)) from None
        rule_desk.note_decision(
            connection, TrailAction.RULE_APPROVE, actor=person.id, subject="version 1",
            detail={"what": "import", "content": version.content_hash},
        )  # fmt: skip
    return RedirectResponse("/rules", status_code=303)


@router.get("/rules/schema")
def schema(
    request: Request, cases: bool = False, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """The JSON Schema of packs or of cases, from which the editor completes."""
    return JSONResponse(json_schema(cases=cases))


@router.get("/rules/versions")
def versions(
    request: Request, before: int | None = None, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """List the versions, the newest first."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        newest = published_rules.latest(connection)
        found = published_rules.versions(connection, before=before, limit=_PER_PAGE + 1)
    shown = found[:_PER_PAGE]
    return render(
        request, "rule_versions.html", versions=shown, newest=newest,
        older=shown[-1].number if len(found) > _PER_PAGE else None,
    )  # fmt: skip


@router.get("/rules/versions/{number}")
def version_page(
    request: Request, number: int, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """Show one version: who made it and why, its rules, and how it differs from the one before."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        version = _version(connection, number)
        newest = published_rules.in_force(connection)
        files = published_rules.files_of(connection, version.number)
        before = (
            {}
            if version.supersedes is None
            else published_rules.files_of(connection, version.supersedes)
        )
    return render(
        request, "rule_version.html", version=version, newest=newest,
        packs=_packs(rule_desk.book_of(version.content_hash, files)),
        diffs=file_diffs(before, files) if before else (),
    )  # fmt: skip


@router.get("/rules/diff")
def diff(
    request: Request, old: int, new: int, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """Show how two versions differ."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        before, after = (_version(connection, number) for number in (old, new))
        numbers = [v.number for v in published_rules.versions(connection, limit=_PER_PAGE)]
        diffs = file_diffs(
            published_rules.files_of(connection, before.number),
            published_rules.files_of(connection, after.number),
        )
    return render(
        request, "rule_diff.html", before=before, after=after, diffs=diffs,
        numbers=sorted({*numbers, before.number, after.number}, reverse=True),
    )  # fmt: skip


@router.get("/rules/file")
def file_page(
    request: Request, version: int, name: str, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """Show one file of a version as it is."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        found = _version(connection, version)
        files = published_rules.files_of(connection, found.number)
    if name not in files:
        raise NotThereError("This version has no such file.")
    text = files[name].decode("utf-8-sig", "replace")
    return render(request, "rule_file.html", version=found, file=name, text=text)


def sentence(exc: Exception) -> str:
    """What went wrong, as a sentence for a page."""
    said = str(exc)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _version(connection: Connection, number: int) -> published_rules.RuleVersion:
    if not 0 < number < _MAX_NUMBER:
        raise NotThereError("There is no such version.")
    try:
        return published_rules.get_version(connection, number)
    except RulesMissingError:
        raise NotThereError("There is no such version.") from None


def _packs(book: Rulebook) -> tuple[PackLook, ...]:
    return tuple(
        PackLook(
            file=pack.location.path.as_posix() if pack.location else "",
            id=pack.id,
            version=pack.version,
            owner=pack.owner,
            rules=tuple(rule for rule in book.rules if rule.pack_id == pack.id),
        )
        for pack in book.packs
    )
