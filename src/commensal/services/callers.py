"""Callers of work that is done later: what is kept of them meanwhile; their rights are looked up anew then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commensal.core.principals import Door, Principal, PrincipalKind

__all__ = ["caller_values", "kept_caller"]


def caller_values(principal: Principal) -> dict[str, Any]:
    """Return a caller as JSON, without his account's number; rights that were lent to him stay with the work."""
    lent = {"lent": [list(pair) for pair in principal.lent]} if principal.lent else {}
    return {
        **lent,
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
    kind, door = PrincipalKind(plain.pop("kind")), Door(plain.pop("door"))
    lent = tuple((int(project), int(right)) for project, right in plain.pop("lent", ()))
    return Principal(kind=kind, door=door, user=user, lent=lent, **plain)
