"""Errors as DRS says them (contracts/gen3.md 7.1): ``{"msg": …, "status_code": …}``."""

from __future__ import annotations

from commensal.errors import CommensalError, Conflict, Invalid
from commensal.faces.kit.answers import Respond, json_answer

__all__ = ["DRS", "drs_error"]

#: Tag of the routes of GA4GH DRS.
DRS = "DRS"


def drs_error(error: CommensalError) -> Respond:
    """Encode an error; pages of any origin may read it, as they may read answers."""
    status = 400 if isinstance(error, Conflict | Invalid) else error.status
    headers = [("access-control-allow-origin", "*")]
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return json_answer({"msg": error.message, "status_code": status}, status, headers)
