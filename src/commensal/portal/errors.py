"""Errors as pages for people and as JSON for programs; the way to the sign-in page for who is not signed in."""

from __future__ import annotations

from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from commensal.errors import CommensalError, Forbidden, InvalidRows, NotFound, Problem, Unauthenticated
from commensal.faces.face import Failure
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request
from commensal.portal.pages import render
from commensal.services.catalog_parts import no_project

__all__ = ["encode_error", "error_page"]

_HEADINGS = {
    400: "That request could not be understood",
    401: "Please sign in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This address is not used that way",
    409: "That clashes with what is stored",
    413: "That is too large",
    422: "Some of this is not right",
    429: "A little slower, please",
    500: "Something failed on our side",
    503: "The server cannot do this right now",
    507: "The server's disk is almost full",
}


def error_page(request: Request, error: CommensalError) -> Respond:
    """Return the page that says what went wrong and what to do next."""
    problems: list[Problem] = error.problems if isinstance(error, InvalidRows) else []
    heading = _HEADINGS.get(error.status, "That did not work")
    again = error.message.rstrip(".") == heading
    return render(
        request,
        "error.html",
        status=error.status,
        # Before the route was known nobody looked who is calling; the navigation finds out by itself.
        neutral=request.exchange.principal is None,
        title=heading,
        heading=heading,
        message="Check the address, or start again from the projects." if again else error.message,
        problems=problems,
        error_id=error.error_id if isinstance(error, Failure) else "",
    )


class _ErrorAnswer:
    """Decides, once the request's headers are at hand, in which form an error is sent."""

    def __init__(self, error: CommensalError, exchange: Exchange) -> None:
        self._error = error
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self._form(Request(scope, receive, send))(scope, receive, send)

    def _form(self, request: Request) -> Respond:
        error = self._error
        if "text/html" not in request.headers.get("accept", "") or self._exchange.services is None:
            body = {"error": {"code": error.code, "message": error.message, "request_id": self._exchange.request_id}}
            return json_answer(body, error.status)
        reading = request.method in ("GET", "HEAD") and "hx-request" not in request.headers
        if isinstance(error, Unauthenticated) and reading and request.url.path.startswith("/portal/"):
            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return Answer(
                status=303, headers={"location": f"/portal/sign-in?next={quote(back)}", "cache-control": "no-store"}
            )
        return error_page(request, error)


def encode_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Return the answer for an error: a page where the caller asks for HTML, else JSON."""
    project = exchange.params.get("project")
    return _ErrorAnswer(error if project is None else _untold(error, project, exchange), exchange)


def _untold(error: CommensalError, project: str, exchange: Exchange) -> CommensalError:
    """Tell the same of a project that is not there as of one that the reader holds nothing on; the audit knows."""
    absent = no_project(project)
    if isinstance(error, Forbidden) and error.unseen:
        return absent
    anonymous = exchange.principal is not None and not exchange.principal.signed_in
    if anonymous and isinstance(error, NotFound) and error.message == absent.message:
        return Unauthenticated("Sign in, or send a valid token, to do this.")
    return error
