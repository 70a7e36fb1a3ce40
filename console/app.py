"""The application: routes, what stands before them, and what is shown when something fails."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from console.errors import ConsoleError, SignInNeededError
from console.guard import routes_of
from console.headers import SafetyHeaders
from console.pages import PAGES
from console.rendering import STATIC, Pages, render
from console.state import Console
from storage.errors import StorageError

logger = logging.getLogger("console")

_TITLES = {
    400: "That cannot be read",
    401: "Sign in",
    403: "Not allowed",
    404: "Not here",
    405: "Not here",
    409: "Somebody was quicker",
    503: "The storage cannot be reached",
}

_SENTENCES = {
    400: "What was sent cannot be read. Go back, and send it once more.",
    405: "This page is not reached like that. Go back, and use its buttons.",
}


def create_app(console: Console) -> FastAPI:
    """The web application over an open console.

    Raises:
        ConsoleSetupError: a route is not guarded.
    """
    # No pages of its own about itself: they would load scripts from elsewhere.
    app = FastAPI(title="Earmark console", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.console = console
    app.state.pages = Pages(page.PLACE for page in PAGES if page.PLACE is not None)
    for page in PAGES:
        app.include_router(page.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(SafetyHeaders, options=console.options)
    app.add_exception_handler(SignInNeededError, _ask_to_sign_in)
    app.add_exception_handler(ConsoleError, _console_error)
    app.add_exception_handler(StorageError, _storage_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _defect)
    routes_of(app)
    return app


def _ask_to_sign_in(request: Request, exc: Exception) -> Response:
    if request.method == "GET" and "hx-request" not in request.headers and _wants_page(request):
        return RedirectResponse("/sign-in", status_code=303)
    if "hx-request" in request.headers:
        # A part of a page cannot ask for a sign-in: the whole page has to.
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    return _page(request, 401, str(exc))


def _console_error(request: Request, exc: Exception) -> Response:
    status = exc.status if isinstance(exc, ConsoleError) else 500
    if status >= 500:
        logger.error("request failed", extra={"error": type(exc).__name__})
    return _page(request, status, str(exc))


def _storage_error(request: Request, exc: Exception) -> Response:
    # The text may name hosts and folders: it is for the log of whoever runs the console.
    logger.error("storage failed", extra={"error": type(exc).__name__})
    return _page(request, 503, "Nothing was lost. Try again, or tell whoever runs the console.")


def _http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    sentence = _SENTENCES.get(status, "There is no such page.")
    return _page(request, status, sentence)


def _gone(request: Request, exc: Exception) -> Response:
    """They left while their form was on its way: nothing was done, and nobody reads this."""
    logger.info("a browser left before its request had come")
    return Response(status_code=400)


def _unreadable(request: Request, exc: Exception) -> Response:
    names = ""
    if isinstance(exc, RequestValidationError):
        # Names of fields only: what was typed may be anything.
        names = ", ".join(sorted({str(each["loc"][-1]) for each in exc.errors()}))
    return _page(request, 400, f"Not understood: {names or 'the request'}.")


def _defect(request: Request, exc: Exception) -> Response:
    logger.error("request failed", extra={"error": type(exc).__name__})
    return _page(request, 500, "Something is wrong on our side; it was noted.")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "*/*") or "*/*" in request.headers.get(
        "accept", "*/*"
    )


def _page(request: Request, status: int, sentence: str) -> Response:
    name = "_error.html" if "hx-request" in request.headers else "error.html"
    title = _TITLES.get(status, "Something went wrong")
    return render(request, name, status=status, title=title, sentence=sentence)
