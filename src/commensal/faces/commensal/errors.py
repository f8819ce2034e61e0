"""Errors of our own API: ``{"error": {"code", "message", …}}`` with the family's status."""

from __future__ import annotations

from typing import Any

from commensal.errors import CommensalError, InvalidRows, Unauthenticated
from commensal.faces.face import Failure
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.exchange import Exchange

__all__ = ["encode_error", "problem_values"]

_CHALLENGE = (("www-authenticate", 'Bearer realm="commensal"'),)


def problem_values(error: InvalidRows) -> list[dict[str, Any]]:
    """Return every problem as plain values, without what is not known."""
    return [
        {
            name: value
            for name, value in (
                ("message", problem.message),
                ("code", problem.code),
                ("row", problem.row),
                ("line", problem.line),
                ("field", problem.field),
                ("record", problem.record),
            )
            if value is not None
        }
        for problem in error.problems
    ]


def encode_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Encode an error of the family."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.field is not None:
        body["field"] = error.field
    if isinstance(error, InvalidRows):
        body["problems"] = problem_values(error)
    if isinstance(error, Failure):
        body["error_id"] = error.error_id
        if error.support_contact:
            body["support_contact"] = error.support_contact
    body["request_id"] = exchange.request_id
    return json_answer({"error": body}, error.status, _CHALLENGE if isinstance(error, Unauthenticated) else ())
