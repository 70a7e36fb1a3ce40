"""The editor of a pack and its cases: lint as people type, checks, backtests, and proposals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from console import rule_desk
from console.access import Permission, Person
from console.errors import BadRequestError, NotThereError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.pages.rules import sentence
from console.rendering import render
from console.rule_desk import Draft
from console.showing import note_shown
from console.state import console_of
from rules.book_changes import with_status
from rules.book_files import BookFiles, cases_name
from rules.document import MAX_BYTES
from rules.errors import RulesError
from rules.loader import is_case_file
from rules.rulebook import RuleStatus
from storage import published_rules, rule_proposals
from storage.errors import ProposalError, RulesMissingError
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None

Text = Annotated[str, Form(max_length=MAX_BYTES)]
Name = Annotated[str, Form(max_length=200)]
Note = Annotated[str, Form(max_length=4000)]
_DAYS = (7, 30, 90)
_TEMPLATE = """\
pack: qa.new-pack
version: 1
title: What the pack is about
owner: Who answers for it
rules:
  - id: qa.new-rule
    title: A short name for people
    description: What it finds, and why.
    severity: medium
    status: shadow
    references: [The norm or manual behind it]
    when: the words to find
"""
_CASES = """\
cases:
  - name: said plainly
    say: these are the words to find
    hit: qa.new-rule
  - name: a near miss
    say: these are words to keep
    no_hit: qa.new-rule
"""


def _from_form(
    base: Annotated[int, Form()], name: Name, pack: Text = "", cases: Text = ""
) -> Draft:
    return Draft(
        base=base, name=name.strip(), pack=rule_desk.plain(pack), cases=rule_desk.plain(cases)
    )


DraftForm = Annotated[Draft, Depends(_from_form)]


@router.get("/rules/edit")
def edit(
    request: Request,
    file: str | None = None,
    promote: str | None = None,
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """Open a pack of the version in force in the editor, or a new one."""
    base, files = _in_force(request)
    if file is None:
        draft = Draft(base=base, name="", pack=_TEMPLATE, cases=_CASES)
        return _editor(request, draft, files)
    if file not in files or is_case_file(Path(file)):
        raise NotThereError("There is no such pack in the version in force.")
    pack, note = files[file], ""
    if promote is not None:
        try:
            pack = with_status(pack, file, [promote], RuleStatus.ACTIVE)
        except RulesError as exc:
            raise BadRequestError(sentence(exc)) from None
        note = f"promote {promote} from trial"
    draft = Draft(
        base=base,
        name=file,
        pack=pack.decode("utf-8-sig"),
        cases=files.get(cases_name(file), b"").decode("utf-8-sig"),
    )
    return _editor(request, draft, files, note=note[:200])


@router.post("/rules/lint")
def lint(
    request: Request,
    draft: DraftForm,
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """What is wrong or poor in the texts as they are now; for the editor's margin."""
    files = _files_under(request, draft)
    try:
        book = draft.onto(files)
        remarks = rule_desk.lint(book, draft.name)
        if cases_name(draft.name) in book and not any(each.is_error for each in remarks):
            remarks += rule_desk.lint(book, cases_name(draft.name))
    except RulesError as exc:
        raise BadRequestError(sentence(exc)) from None
    return JSONResponse(
        {
            "remarks": [asdict(each) for each in remarks],
            "pack": draft.name,
            "cases": cases_name(draft.name),
        }
    )


@router.post("/rules/check")
def check(
    request: Request,
    draft: DraftForm,
    note: Note = "",
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """Run the cases of the whole book with the draft, and say what else is poor."""
    files = _files_under(request, draft)
    book = _onto(draft, files)
    found = rule_desk.check(console_of(request), book, files)
    return _editor(
        request,
        draft,
        files,
        note=note,
        check=found,
        differences=rule_desk.differences(files, book),
    )


@router.post("/rules/backtest", openapi_extra={"shows": "text"})
def backtest(
    request: Request,
    draft: DraftForm,
    note: Note = "",
    days: Annotated[int, Form()] = 30,
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """Run the draft over stored calls: what it would add and lose. Shows masked excerpts."""
    files = _files_under(request, draft)
    book = _onto(draft, files)
    console = console_of(request)
    if days not in _DAYS:
        raise BadRequestError("Choose one of the times that the page offers.")
    try:
        run = rule_desk.backtest(console, files, book, since=rule_desk.since_days(console, days))
    except RulesError as exc:
        note_shown(request, TrailAction.VIEW, subject="backtest", detail={"n_calls": 0})
        return _editor(
            request, draft, files, note=note, problem=f"{sentence(exc)} Check it first.", status=200
        )
    note_shown(
        request, TrailAction.VIEW, subject="backtest",
        detail={"n_calls": run.result.n_calls, "file": draft.name, "base": draft.base},
    )  # fmt: skip
    return _editor(
        request, draft, files, note=note, run=run, days=days,
        differences=rule_desk.differences(files, book),
    )  # fmt: skip


@router.post("/rules/propose")
def propose(
    request: Request,
    draft: DraftForm,
    note: Note = "",
    trial: Annotated[list[str] | None, Form()] = None,
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """Propose the draft; rules that are ticked go on trial first."""
    files = _files_under(request, draft)
    console = console_of(request)
    try:
        book = rule_desk.on_trial(_onto(draft, files), draft.name, frozenset(trial or ()))
        found = rule_desk.check(console, book, files)
        with console.database.begin() as connection:
            proposal = rule_proposals.propose(
                connection, book, base_version=draft.base, check=found, author=person.id, note=note,
                now=console.now(),
            )  # fmt: skip
            rule_desk.note_decision(
                connection, TrailAction.RULE_PROPOSE, actor=person.id, subject=proposal.id,
                detail={"base": draft.base, "n_files": len(proposal.changes)},
            )  # fmt: skip
    except (RulesError, ProposalError) as exc:
        return _editor(request, draft, files, note=note, problem=sentence(exc), status=400)
    return RedirectResponse(f"/rules/proposals/{proposal.id}", status_code=303)


def _in_force(request: Request) -> tuple[int, BookFiles]:
    with console_of(request).database.begin(read_only=True) as connection:
        version = published_rules.latest(connection)
        if version is None:
            raise NotThereError("No rules are published yet. Take some over first.")
        return version.number, published_rules.files_of(connection, version.number)


def _files_under(request: Request, draft: Draft) -> BookFiles:
    """The files of the version that a draft was made from."""
    try:
        with console_of(request).database.begin(read_only=True) as connection:
            number = draft.base if 0 < draft.base < 10**9 else 0
            return published_rules.files_of(connection, number)
    except RulesMissingError:
        raise NotThereError("There is no such version.") from None


def _onto(draft: Draft, files: BookFiles) -> BookFiles:
    try:
        return draft.onto(files)
    except RulesError as exc:
        raise BadRequestError(sentence(exc)) from None


def _editor(
    request: Request,
    draft: Draft,
    files: BookFiles,
    *,
    status: int = 200,
    **shown: Any,
) -> Response:
    """The editor with what was found; for htmx, only what was found."""
    context: dict[str, Any] = {
        "draft": draft,
        "is_new": draft.name not in files,
        "days": 30,
        "all_days": _DAYS,
        "note": "",
        "check": None,
        "run": None,
        "differences": (),
        "problem": None,
        **shown,
    }
    name = "_rule_results.html" if "hx-request" in request.headers else "rule_edit.html"
    return render(request, name, status=status, **context)
