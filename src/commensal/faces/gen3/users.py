"""Who the caller is, as fence shows it (contracts/gen3.md 3.3); pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commensal.core.permissions import Right
from commensal.core.principals import Principal

__all__ = ["authz_of", "user_values"]

#: What a right is called in the permission model of a Gen3 commons: methods.
_METHODS: tuple[tuple[Right, tuple[str, ...]], ...] = (
    (Right.READ, ("read",)),
    (Right.DOWNLOAD, ("read-storage",)),
    (Right.CREATE, ("create", "write-storage", "file_upload")),
    (Right.UPDATE, ("update",)),
    (Right.DELETE, ("delete",)),
    (Right.APPROVE, ("release",)),
    (Right.MANAGE, ("*",)),
)


def methods_of(rights: Right) -> list[str]:
    """Return the methods that some rights allow."""
    return [method for right, methods in _METHODS if rights & right for method in methods]


def authz_of(held: Iterable[tuple[str, Right]], *, site_admin: bool, uploads: bool) -> dict[str, list[dict[str, str]]]:
    """Return what a caller may do, by resource path.

    ``held`` has project and program paths with the rights there; site admins administer programs and projects.
    """
    authz: dict[str, list[dict[str, str]]] = {}
    for path, rights in held:
        entries = [{"method": method, "service": "*"} for method in methods_of(rights)]
        if entries:
            authz[path] = entries
    if site_admin:
        for what in ("program", "project"):
            authz[f"/services/sheepdog/submission/{what}"] = [{"method": "*", "service": "sheepdog"}]
    if uploads:
        authz["/data_file"] = [{"method": "file_upload", "service": "*"}]
    return authz


def user_values(principal: Principal, authz: Mapping[str, list[dict[str, str]]], groups: list[str]) -> dict[str, Any]:
    """Return the caller as ``/user/user`` shows it."""
    access = {
        path.rpartition("/")[2]: [entry["method"] for entry in entries]
        for path, entries in authz.items()
        if path.startswith("/programs/") and "/projects/" in path
    }
    return {
        "user_id": principal.user,
        "sub": str(principal.user),
        "username": principal.email,
        "name": principal.email,
        "display_name": principal.name,
        "preferred_username": principal.email,
        "phone_number": None,
        "email": principal.email,
        "is_admin": principal.site_admin,
        "active": True,
        "role": "admin" if principal.site_admin else "user",
        "project_access": access,
        "certificates_uploaded": [],
        "resources_granted": [],
        "groups": groups,
        "message": "",
        "idp": "commensal",
        "primary_google_service_account": None,
        "resources": sorted(authz),
        "authz": dict(authz),
        "azp": "",
        "tags": {},
    }
