"""Errors of SCIM (RFC 7644, 3.12)."""

from __future__ import annotations

from commensal.errors import AlreadyExists, BadRequest, CommensalError, Invalid, InvalidRows
from commensal.faces.kit.answers import Answer, Respond, json_bytes

__all__ = ["SCIM_PATH", "SCIM_TYPE", "ScimRefusal", "encode_scim"]

SCIM_PATH = "/api/v1/scim/"
SCIM_TYPE = "application/scim+json"


class ScimRefusal(BadRequest):
    """A request that SCIM has a word for: ``invalidFilter``, ``invalidPath``, ``invalidValue``, ``mutability``, …"""

    code = "scim"

    def __init__(self, scim_type: str, message: str) -> None:
        super().__init__(message)
        self.scim_type = scim_type


def encode_scim(error: CommensalError) -> Respond:
    """Encode an error: status as text, a sentence, and for bad requests their kind."""
    status, text, kind = error.status, error.message, ""
    if isinstance(error, ScimRefusal):
        kind = error.scim_type
    elif isinstance(error, Invalid):
        status, kind = 400, "invalidValue"
        if isinstance(error, InvalidRows):
            text = " ".join([text, *(str(problem) for problem in error.problems[:20])])
    elif isinstance(error, AlreadyExists):
        kind = "uniqueness"
    elif status == 400:
        kind = "invalidSyntax"
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": text}
    if kind:
        body["scimType"] = kind
    return Answer(json_bytes(body), status=status, media_type=SCIM_TYPE)
