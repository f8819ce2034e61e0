"""Errors as this door words them (contracts/pangea.md b1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.types import Receive, Scope, Send

from commensal.errors import (
    AlreadyExists,
    Closed,
    CommensalError,
    Forbidden,
    Invalid,
    InvalidRows,
    Malformed,
    NotFound,
    Unauthenticated,
)
from commensal.faces.face import Failure, MethodNotAllowed
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.exchange import Exchange

__all__ = ["AbsentPage", "BadToken", "FieldErrors", "Refusal", "encode_error", "told"]

NOT_PROVIDED = "Authentication credentials were not provided."
NO_PERMISSION = "You do not have permission to perform this action."
ANY = "non_field_errors"
#: What this door calls the fields that the services name.
_FIELDS = {
    "submitter_id": "name",
    "title": "name",
    "code": "name",
    "module": "module_name",
    "records": "sample_uuids",
    "replicate": "replicate",
}


class FieldErrors(Invalid):
    """What is wrong with a body: sentences by field, or a bare list of them."""

    status = 400

    def __init__(self, body: Mapping[str, Sequence[str]] | Sequence[str]) -> None:
        super().__init__(str(body)[:500])
        self.body = body


class Refusal(Forbidden):
    """A refusal with a sentence that the wire names."""


class AbsentPage(NotFound):
    """A page that a list does not have."""


class BadToken(Unauthenticated):
    """A token that is not valid. ``challenge``: where it may come with the address, the answer is 401."""

    def __init__(self, *, challenge: bool) -> None:
        super().__init__("Invalid token.")
        self.challenge = challenge


class _NotAllowed:
    """Names the method, which only the request knows."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await json_answer({"detail": f'Method "{scope["method"]}" not allowed.'}, 405)(scope, receive, send)


def encode_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Return an error in this door's shape."""
    if isinstance(error, MethodNotAllowed):
        return _NotAllowed()
    if isinstance(error, FieldErrors):
        return json_answer(error.body, 400)
    if isinstance(error, BadToken):
        if error.challenge:
            return _detail(error.message, 401, {"WWW-Authenticate": "Token"})
        return _detail(error.message, 403)
    if isinstance(error, Unauthenticated):
        return _detail(NOT_PROVIDED, 403)
    if isinstance(error, Forbidden):
        return _detail(error.message if isinstance(error, Refusal | Closed) else NO_PERMISSION, 403)
    if isinstance(error, AbsentPage):
        return _detail("Invalid page.", 404)
    if isinstance(error, NotFound):
        return _detail("Not found.", 404)
    if isinstance(error, InvalidRows):
        return json_answer(_rows(error, None), 400)
    if isinstance(error, Invalid | AlreadyExists):
        return json_answer({_field(error.field): [error.message]}, 400)
    if isinstance(error, Malformed) and error.field is not None:
        return json_answer({_field(error.field): [error.message]}, 400)
    if isinstance(error, Failure):
        return json_answer({"detail": error.message, "error_id": error.error_id}, 500)
    return _detail(error.message, error.status)


def _detail(text: str, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    return json_answer({"detail": text}, status, headers or {})


def _field(name: str | None) -> str:
    return _FIELDS.get(name, name) if name else ANY


def exists_already(error: InvalidRows) -> bool:
    """Tell whether records were refused for their names alone, which others have."""
    return all(
        (problem.code == "error" and problem.field == "project_id") or problem.code == "not_unique"
        for problem in error.problems
    )


def _rows(error: InvalidRows, unique: str | None) -> dict[str, Any]:
    if unique is not None and exists_already(error):
        return {ANY: [unique]}
    found: dict[str, list[str]] = {}
    for problem in error.problems[:100]:
        sentences = found.setdefault(_field(problem.field), [])
        if problem.message not in sentences:
            sentences.append(problem.message)
    return found or {ANY: [error.message]}


@contextmanager
def told(
    *, forbidden: str | None = None, anonymous: bool = False, unique: str | None = None, taken: str | None = None
) -> Iterator[None]:
    """Word the refusals of what is done inside.

    ``forbidden``: the sentence for who is no member, with ``anonymous`` also for who did not sign in; ``unique``: for
    a name that the parent has already; ``taken``: for a name that is taken on the whole site.
    """
    try:
        yield
    except Closed:
        raise
    except (Forbidden, Unauthenticated) as error:
        if forbidden is None or (isinstance(error, Unauthenticated) and not anonymous):
            raise
        raise Refusal(forbidden) from error
    except InvalidRows as error:
        raise FieldErrors(_rows(error, unique)) from error
    except AlreadyExists as error:
        if taken is None:
            raise
        raise FieldErrors({"name": [taken]}) from error
