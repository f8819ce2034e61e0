"""Errors as the services of a Gen3 commons say them (contracts/gen3.md 3.1, 4.2, 5.1).

Submission answers ``{"message": …}``. Which status and text a refused credential gets depends on the kind of route:
routes that act on a project speak as its permission service does, lists as the token library does.
"""

from __future__ import annotations

from commensal.errors import (
    CommensalError,
    Conflict,
    Forbidden,
    Invalid,
    InvalidRows,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from commensal.faces.face import Failure
from commensal.faces.gen3.caller import TokenRefused
from commensal.faces.gen3.drs.errors import DRS, drs_error
from commensal.faces.gen3.index.errors import INDEX, index_error
from commensal.faces.gen3.mds.errors import MDS, mds_error
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.exchange import Exchange

__all__ = ["LISTS", "AdminOnly", "encode_error", "fence_error", "message"]

#: Tag of the routes that need a valid token and no right.
LISTS = "Lists"
#: Tags of the routes that fence answers.
FENCE = frozenset({"Keys", "User", "Token keys", "Data"})

_NO_ACCESS = "You don't have access to this resource: user is unauthorized"
_NO_JWT = "Authentication Error: Didn't receive JWT correctly"
_NO_HEADER = "Authentication Error: no authorization header provided"
_CHALLENGE = (("www-authenticate", "Bearer"),)


class AdminOnly(Forbidden):
    """Making programs and projects is for those who administer them; ``what`` is ``program`` or ``project``."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"You don't have access to this resource: Unauthorized: User must be Sheepdog {what} admin",
        )


def message(text: str, status: int) -> Answer:
    """Answer with a sentence."""
    return json_answer({"message": text}, status)


def encode_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Encode an error for the route that was asked."""
    tag = exchange.route.tag if exchange.route is not None else ""
    if tag in FENCE:
        return fence_error(error, exchange)
    if tag == INDEX:
        return index_error(error)
    if tag == DRS:
        return drs_error(error)
    if tag in MDS:
        return mds_error(error, exchange)
    if isinstance(error, Unauthenticated):
        return _unauthenticated(error, lists=tag in (LISTS, "GraphQL"))
    if isinstance(error, Failure):
        return json_answer({"message": error.message, "error_id": error.error_id}, 500)
    if isinstance(error, AdminOnly):
        return message(error.message, 403)
    if isinstance(error, Forbidden):
        return message(_NO_ACCESS, 403)
    if isinstance(error, InvalidRows):
        return message(" ".join([error.message, *(str(problem) for problem in error.problems[:20])]), 400)
    text = error.message
    # The SDK's submit_file looks for these words, and then sends smaller pieces.
    if isinstance(error, TooLarge):
        return message(f"413 Request Entity Too Large: {text}", 413)
    if isinstance(error, Unavailable):
        return message(f"service failure - try again later: {text}", error.status)
    if isinstance(error, Conflict | Invalid):
        return message(_with_path(text, exchange), 400)
    return message(text, error.status)


def _with_path(text: str, exchange: Exchange) -> str:
    """Replace the pattern of the route, which services know, by the path that was asked."""
    template = exchange.template
    if not template or template not in text:
        return text
    path = template
    for name, value in exchange.params.items():
        for pattern in ("{%s}", "{%s:int}", "{%s:path}"):
            path = path.replace(pattern % name, value)
    return text.replace(template, path)


def _unauthenticated(error: Unauthenticated, *, lists: bool) -> Answer:
    if isinstance(error, TokenRefused):
        if lists:
            return json_answer({"message": f"Authentication Error: {error.reason}"}, 401, _CHALLENGE)
        return message(_NO_ACCESS, 403)
    return json_answer({"message": _NO_HEADER if lists else _NO_JWT}, 401, _CHALLENGE)


def fence_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Encode an error of ``/user``: JSON, or a page for browsers."""
    status = 400 if isinstance(error, Conflict | Invalid) else error.status
    headers = list(_CHALLENGE) if status == 401 else []
    return json_answer({"message": error.message}, status, headers)
