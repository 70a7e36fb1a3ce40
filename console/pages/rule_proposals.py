"""Proposals: the inbox of those who approve, and one proposal with all that a decision needs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console import rule_desk
from console.access import Permission, Person
from console.diffs import file_diffs
from console.errors import BadRequestError, ConflictError, NotThereError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.pages.rules import sentence
from console.rendering import render
from console.state import Console, console_of
from rules.book_check import BookCheck
from rules.book_files import BookFiles, content_hash
from storage import published_rules, rule_proposals
from storage.errors import ProposalConflictError, ProposalError, RulesMissingError
from storage.rule_proposals import Proposal, ProposalState
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None
Note = Annotated[str, Form(max_length=4000)]
_MAX_DECIDED = 30


@router.get("/rules/proposals")
def inbox(request: Request, person: Person = needs(Permission.VIEW_RULES)) -> Response:
    """List what waits for a decision, and what was decided lately."""
    with console_of(request).database.begin(read_only=True) as connection:
        waiting = rule_proposals.proposals(connection, state=ProposalState.OPEN)
        latest = rule_proposals.proposals(connection, limit=_MAX_DECIDED + len(waiting))
    decided = [each for each in latest if each.state is not ProposalState.OPEN]
    return render(request, "rule_proposals.html", waiting=waiting, decided=decided[:_MAX_DECIDED])


@router.get("/rules/proposals/{proposal_id}")
def show(
    request: Request, proposal_id: str, person: Person = needs(Permission.VIEW_RULES)
) -> Response:
    """Show a proposal: what changes, what a check found, and whether it still applies."""
    return _page(request, proposal_id)


@router.post("/rules/proposals/{proposal_id}/approve")
def approve(
    request: Request,
    proposal_id: str,
    note: Note = "",
    person: Person = needs(Permission.APPROVE_RULES),
) -> Response:
    """Put a proposal in force. Its author cannot."""
    console = console_of(request)
    check = _check_of_merge(console, proposal_id)
    try:
        with console.database.begin() as connection:
            version = rule_proposals.approve(
                connection, proposal_id, by=person.id, now=console.now(), note=note, check=check
            )
            is_back = version.rollback_of is not None
            rule_desk.note_decision(
                connection,
                TrailAction.RULE_ROLLBACK if is_back else TrailAction.RULE_APPROVE,
                actor=person.id, subject=proposal_id,
                detail={"version": version.number, "rollback_of": version.rollback_of,
                        "content": version.content_hash},
            )  # fmt: skip
    except ProposalError as exc:
        return _page(request, proposal_id, problem=exc)
    return RedirectResponse(f"/rules/versions/{version.number}", status_code=303)


@router.post("/rules/proposals/{proposal_id}/reject")
def reject(
    request: Request,
    proposal_id: str,
    note: Note = "",
    person: Person = needs(Permission.APPROVE_RULES),
) -> Response:
    """Turn a proposal down, with a reason."""
    console = console_of(request)
    try:
        with console.database.begin() as connection:
            rule_proposals.reject(
                connection, proposal_id, by=person.id, now=console.now(), note=note
            )
            rule_desk.note_decision(
                connection, TrailAction.RULE_REJECT, actor=person.id, subject=proposal_id,
                detail={"what": "rejected"},
            )  # fmt: skip
    except ProposalError as exc:
        return _page(request, proposal_id, problem=exc)
    return RedirectResponse(f"/rules/proposals/{proposal_id}", status_code=303)


@router.post("/rules/proposals/{proposal_id}/withdraw")
def withdraw(
    request: Request, proposal_id: str, person: Person = needs(Permission.EDIT_RULES)
) -> Response:
    """Take one's own proposal back."""
    console = console_of(request)
    try:
        with console.database.begin() as connection:
            rule_proposals.withdraw(connection, proposal_id, by=person.id, now=console.now())
            rule_desk.note_decision(
                connection, TrailAction.RULE_REJECT, actor=person.id, subject=proposal_id,
                detail={"what": "withdrawn"},
            )  # fmt: skip
    except ProposalError as exc:
        return _page(request, proposal_id, problem=exc)
    return RedirectResponse(f"/rules/proposals/{proposal_id}", status_code=303)


@router.post("/rules/versions/{number}/rollback")
def propose_rollback(
    request: Request,
    number: int,
    note: Note = "",
    person: Person = needs(Permission.EDIT_RULES),
) -> Response:
    """Propose that the content of an old version comes back."""
    console = console_of(request)
    try:
        with console.database.begin(read_only=True) as connection:
            newest = published_rules.in_force(connection)
            files = published_rules.files_of(connection, number if 0 < number < 10**9 else 0)
            before = published_rules.files_of(connection, newest.number)
        check = rule_desk.check(console, files, before)
        with console.database.begin() as connection:
            proposal = rule_proposals.propose(
                connection, files, base_version=newest.number, check=check, author=person.id,
                note=note, now=console.now(), rollback_of=number,
            )  # fmt: skip
            rule_desk.note_decision(
                connection, TrailAction.RULE_PROPOSE, actor=person.id, subject=proposal.id,
                detail={"base": newest.number, "rollback_of": number},
            )  # fmt: skip
    except RulesMissingError:
        raise NotThereError("There is no such version.") from None
    except ProposalError as exc:
        raise BadRequestError(sentence(exc)) from None
    return RedirectResponse(f"/rules/proposals/{proposal.id}", status_code=303)


def _check_of_merge(console: Console, proposal_id: str) -> BookCheck | None:
    """A check of what would come into force, where that is not what was checked already."""
    with console.database.begin(read_only=True) as connection:
        proposal = _known(connection, proposal_id)
        merged = rule_proposals.merge(connection, proposal)
        if proposal.state is not ProposalState.OPEN or merged.conflicts:
            return None
        files = published_rules.read_files(connection, merged.hashes)
        before = published_rules.files_of(connection, merged.onto)
    if content_hash(files) == proposal.check.content_hash and proposal.check.is_proven:
        return None  # else there may have been no time for all cases when it was proposed
    return rule_desk.check(console, files, before)


def _page(request: Request, proposal_id: str, *, problem: ProposalError | None = None) -> Response:
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        proposal = _known(connection, proposal_id)
        before, after = _sides(connection, proposal)
        is_open = proposal.state is ProposalState.OPEN
        merged = rule_proposals.merge(connection, proposal) if is_open else None
    status = 200
    if problem is not None:
        status = ConflictError.status if isinstance(problem, ProposalConflictError) else 400
    person: Person = request.state.person
    return render(
        request, "rule_proposal.html", status=status, proposal=proposal,
        diffs=file_diffs(before, after), merged=merged, is_own=proposal.author == person.id,
        problem=None if problem is None else sentence(problem),
        differences=rule_desk.differences(before, after) if proposal.check.loads else (),
    )  # fmt: skip


def _known(connection: Connection, proposal_id: str) -> Proposal:
    try:
        return rule_proposals.get_proposal(connection, proposal_id)
    except ProposalError:
        raise NotThereError("There is no such proposal.") from None


def _sides(connection: Connection, proposal: Proposal) -> tuple[BookFiles, BookFiles]:
    """The book that the author saw, and the book that they propose."""
    hashes = dict(published_rules.hashes_of(connection, proposal.base_version))
    before = published_rules.read_files(connection, hashes)
    for change in proposal.changes:
        if change.after is None:
            hashes.pop(change.name, None)
        else:
            hashes[change.name] = change.after
    return before, published_rules.read_files(connection, hashes)
