"""Roles at this door, and what ends with a revocation."""

from __future__ import annotations

import time
from typing import Any

from tests.pangea.conftest import Pangea, Person


def project_of(pangea: Pangea, library: dict[str, Any]) -> str:
    """Return the codes of a library's program and of itself."""
    headers = pangea.running.bearer(pangea.person("ann").email)
    return pangea.running.client.get(f"/commensal/v1/projects/{library['uuid']}", headers=headers).json()["project_id"]


def soon(who: Person, method: str, path: str, status: int, **more: Any) -> Any:
    """Ask until it answers so: other processes remember what somebody holds for a second."""
    for _ in range(30):
        answer = who.send(method, path, **more)
        if answer.status_code == status:
            return answer.json() if answer.content else None
        time.sleep(0.1)
    return who(method, path, status, **more)


def test_each_role_does_what_it_may(pangea: Pangea, ann: Person):
    library = pangea.library(ann, is_public=False)
    sample = pangea.sample(ann, library, "s")
    secret = pangea.result(ann, sample, "m", is_private=True)
    project = project_of(pangea, library)
    eve = pangea.person("eve")
    group, one, result = f"sample_groups/{library['uuid']}", f"samples/{sample['uuid']}", f"sample_ars/{secret['uuid']}"
    rows = {"counter": (403, 403, 403), "viewer": (200, 403, 403), "contributor": (200, 200, 403),
            "curator": (200, 200, 204)}  # fmt: skip
    before = "none"
    for role, (read, write, delete) in rows.items():
        pangea.running.admin("grant", eve.email, role, project)
        if before in rows:
            pangea.running.admin("revoke", eve.email, before, project)
        before = role
        soon(eve, "PATCH", one, write, json={"description": role})
        for path in (group, one, result, f"{group}/manifest", f"{one}/metadata"):
            soon(eve, "GET", path, read)
        seen = eve("GET", f"sample_ars?sample_id={sample['uuid']}")["count"]
        assert seen == (1 if read == 200 else 0), role
        eve("POST", "samples", 201 if write == 200 else 403, json={"name": role, "library": library["uuid"]})
        # The library itself is for managers.
        eve("DELETE", group, 403)
        if delete == 403:
            eve("DELETE", result, 403)
    soon(eve, "DELETE", result, 204)
    pangea.running.admin("revoke", eve.email, before, project)
    soon(eve, "GET", one, 403)
    assert eve("GET", f"samples?library_id={library['uuid']}")["count"] == 0
    assert eve("GET", f"sample_groups?uuid={library['uuid']}")["count"] == 0
