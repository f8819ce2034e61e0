"""Errors as the metadata service says them: ``{"detail": …}``."""

from __future__ import annotations

from commensal.errors import CommensalError, InvalidRows
from commensal.faces.kit.answers import Answer, json_answer
from commensal.faces.kit.exchange import Exchange

__all__ = ["MDS", "mds_error"]

#: Tags of the routes that the metadata service answers.
MDS = frozenset({"Metadata", "Metadata objects"})


def mds_error(error: CommensalError, exchange: Exchange) -> Answer:
    """Encode an error of the metadata service."""
    detail = error.message
    if isinstance(error, InvalidRows):
        detail = " ".join([detail, *(str(problem) for problem in error.problems[:20])])
    headers = (("www-authenticate", "Bearer"),) if error.status == 401 else ()
    return json_answer({"detail": detail}, error.status, headers)
