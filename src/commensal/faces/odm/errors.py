"""Errors of the ODM door: ``{"error": {"message": …}}`` (contracts/odm.md, "Errors")."""

from __future__ import annotations

from commensal.errors import BadRequest, CommensalError, Invalid, InvalidRows, Unauthenticated
from commensal.faces.face import Failure
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.exchange import Exchange
from commensal.faces.odm.caller import NOT_AUTHENTICATED
from commensal.faces.odm.scim.errors import SCIM_PATH, encode_scim

__all__ = ["NotDeletable", "NotDownloadable", "encode_error"]


class NotDownloadable(BadRequest):
    """There is such an object, and it has no bytes to download (406)."""

    code = "not_downloadable"
    status = 406


class NotDeletable(BadRequest):
    """There is such an object, and its kind is not deleted here (406)."""

    code = "not_deletable"
    status = 406


def encode_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Encode an error; those of SCIM have a body of their own but for 401 and 500."""
    if exchange.template.startswith(SCIM_PATH) and not isinstance(error, Unauthenticated | Failure):
        return encode_scim(error)
    status, text = error.status, error.message
    headers: list[tuple[str, str]] = []
    if isinstance(error, Unauthenticated):
        headers.append(("www-authenticate", "Bearer"))
        text = f"{text} {NOT_AUTHENTICATED}" if text != NOT_AUTHENTICATED else text
    elif isinstance(error, InvalidRows):
        status, text = 400, " ".join([text, *(str(problem) for problem in error.problems[:20])])
    elif isinstance(error, Invalid):
        status = 400
    body: dict[str, object] = {"message": text}
    if isinstance(error, Failure):
        body["id"] = error.error_id
    return json_answer({"error": body}, status, headers)
