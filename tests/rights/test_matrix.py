"""Services × rights × roles: every method allows exactly who holds its right; and lists equal checks."""

from __future__ import annotations

import inspect
import random
from dataclasses import replace

import pytest

import tests.rights.files_matrix
import tests.rights.pangea_matrix  # noqa: F401 - both bring their rows
from commensal.core.permissions import ROLE_NAMES, ROLES, SITE_ADMIN_RIGHTS, PublicLevel, Right
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.errors import CommensalError, Forbidden, NotFound, Unauthenticated
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site
from tests.rights.matrix import EXEMPT, MAKER, MATRIX, SERVICES, SIGNED_IN, SITE_ADMIN, Place, Row, make_place

CALLERS = [*ROLE_NAMES, "nobody", "anonymous", "site admin", "operator"]


def allowed(row: Row, caller: str) -> bool:
    if caller == "operator":
        return True
    if row.need == SIGNED_IN:
        return caller != "anonymous"
    if row.need in (SITE_ADMIN, MAKER):
        return caller == "site admin"
    assert isinstance(row.need, Right)
    held = SITE_ADMIN_RIGHTS if caller == "site admin" else ROLES.get(caller, Right(0))
    return held & row.need == row.need


async def make_caller(place: Place, row: Row, caller: str) -> Principal:
    if caller == "anonymous":
        return ANONYMOUS
    if caller == "operator":
        return OPERATOR
    if caller in ROLES:
        return await place.site.holder(caller, getattr(place, row.place))
    return await place.site.user(site_admin=caller == "site admin")


async def outcome(row: Row, place: Place, who: Principal) -> str:
    try:
        await row.call(place, who)
    except (Unauthenticated, Forbidden) as error:
        return type(error).__name__
    except CommensalError as error:
        return f"{type(error).__name__}: {error.message}"
    return "allowed"


@pytest.mark.parametrize("caller", CALLERS)
async def test_every_method_allows_who_holds_its_right_and_nobody_else(site: Site, caller):
    wrong: list[str] = []
    for row in MATRIX:
        place = await make_place(site)
        who = await make_caller(place, row, caller)
        expected = "allowed" if allowed(row, caller) else "Unauthenticated" if caller == "anonymous" else "Forbidden"
        found = await outcome(row, place, who)
        if found != expected:
            wrong.append(f"{row.method} ({row.need!s} on {row.place}) by {caller}: {found}, expected {expected}")
    assert wrong == []


async def test_every_refusal_is_in_the_audit(site: Site):
    for row in MATRIX:
        place = await make_place(site)
        who = await make_caller(place, row, "nobody")
        if await outcome(row, place, who) != "Forbidden":
            continue
        async with site.database.read() as unit:
            n = await unit.value("select count(*) from audit_events where who = $1 and result = 'refused'", who.user)
            written = await unit.value("select count(*) from audit_events where who = $1 and result = 'ok'", who.user)
        assert (row.method, n, written) == (row.method, 1, 0)


def test_every_public_method_has_a_row_or_a_reason():
    known = {row.method for row in MATRIX} | set(EXEMPT)
    methods = {
        f"{service.__name__}.{name}"
        for service in SERVICES
        for name, member in inspect.getmembers(service, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert methods - known == set()
    assert known & {m for m in known if m.split(".")[0] in {s.__name__ for s in SERVICES}} - methods == set()


async def test_lists_equal_checks(site: Site, torture):
    """For random grants, groups and public levels: what is listed for a right is what the right is granted on."""
    chance = random.Random(20)
    programs = [await site.program() for _ in range(3)]
    projects = [
        await site.project(chance.choice(programs), public=chance.choice(list(PublicLevel)), kind=kind)
        for kind in ("study", "atlas", "library", "workspace", "collection") * 2
    ]
    people = [await site.user() for _ in range(30 if torture else 6)]
    groups = [await site.groups.add(OPERATOR, f"g{n}", members=[chance.choice(people).email]) for n in range(2)]
    for _ in range(len(people) * 2):
        holder = chance.choice([person.email for person in people] + [f"group:{group.name}" for group in groups])
        await site.grants.grant(OPERATOR, holder, chance.choice(ROLE_NAMES), chance.choice([*programs, *projects]))
    admin = await site.user(site_admin=True)
    limited = [replace(who, only_program=programs[0].seq, door=Door.OPAL) for who in (people[0], admin)]
    system = Principal(PrincipalKind.SYSTEM, Door.SYSTEM)
    for who in (*people, admin, *limited, ANONYMOUS, OPERATOR, system):
        for right in Right:
            for by_grant_only in (False, True):
                page = await site.catalog.list_projects(
                    who, right=right, collections=True, by_grant_only=by_grant_only, limit=None
                )
                async with site.database.read() as unit:
                    held = [
                        project.seq
                        for project in projects
                        if await site.guard.rights(unit, who, project=project, by_grant_only=by_grant_only) & right
                    ]
                assert sorted(project.seq for project in page.items) == held
                assert page.total == len(held)
    for who in (*people[:2], ANONYMOUS):
        for project in projects:
            async with site.database.read() as unit:
                held = await site.guard.rights(unit, who, project=project)
            if held & Right.READ:
                await site.catalog.project(who, project.seq)
            else:
                with pytest.raises((Forbidden, Unauthenticated, NotFound)):
                    await site.catalog.project(who, project.seq)
