"""Callers of work that is done later: what is kept of them meanwhile; their rights are looked up anew then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commensal.core.principals import Door, Principal, PrincipalKind

__all__ = ["caller_values", "kept_caller"]


def caller_values(principal: Principal) -> dict[str, Any]:
    """Return a caller as JSON, without his account's number."""
    return {
        "kind": principal.kind.value,
        "door": principal.door.value,
        "email": principal.email,
        "name": principal.name,
        "site_admin": principal.site_admin,
        "credential": principal.credential,
        "only_program": principal.only_program,
        "address": principal.address,
        "request_id": principal.request_id,
        "route": principal.route,
    }


def kept_caller(values: Mapping[str, Any], user: int | None) -> Principal:
    """Return the caller that was kept."""
    plain = dict(values)
    return Principal(kind=PrincipalKind(plain.pop("kind")), door=Door(plain.pop("door")), user=user, **plain)
