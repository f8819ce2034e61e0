"""Errors as the index of a Gen3 commons says them: ``{"error": …}`` (contracts/gen3.md 7)."""

from __future__ import annotations

from commensal.errors import CommensalError, Forbidden, Invalid, Unauthenticated
from commensal.faces.face import Failure
from commensal.faces.kit.answers import Respond, json_answer

__all__ = ["INDEX", "index_error"]

#: The tag of the routes whose errors are written here.
INDEX = "Index"


def index_error(error: CommensalError) -> Respond:
    """Encode an error of a route of the index."""
    if isinstance(error, Failure):
        return json_answer({"error": error.message, "error_id": error.error_id}, 500)
    # Callers without an account and without a right get the same answer, as its clients know it.
    if isinstance(error, Unauthenticated | Forbidden):
        return json_answer({"error": "Permission denied."}, 401, (("www-authenticate", "Bearer"),))
    return json_answer({"error": error.message}, 400 if isinstance(error, Invalid) else error.status)
