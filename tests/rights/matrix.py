# ruff: noqa: E501 - a table
"""The permission matrix as data: which right each method of a service needs, and how to call it.

A service that is added brings its own rows (``MATRIX += …`` in a module imported by test_matrix), and
its class in ``SERVICES``; a public method without a row fails the test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from commensal.core.permissions import PublicLevel, Right
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.services.catalog import Catalog
from commensal.services.file_search import FileSearch
from commensal.services.grants import Grants
from commensal.services.groups import Groups
from tests.rights.conftest import OPERATOR, Site

#: Needs that are no right.
SIGNED_IN = "signed in"
SITE_ADMIN = "site admin"
#: The group's maker, who in the matrix is nobody but a site admin.
MAKER = "maker"


@dataclass
class Place:
    """A fresh program for one call: a project, a collection with a member, a group, an account to act upon."""

    site: Site
    program: Program
    project: Project
    collection: Project
    record: int
    other: Principal
    group: str
    panel: int


Call = Callable[[Place, Principal], Awaitable[Any]]


@dataclass(frozen=True)
class Row:
    """``method`` of a service needs ``need`` on the ``place`` (attribute of Place) where the caller has a grant."""

    method: str
    need: Right | str
    place: str
    call: Call
    #: What the public level READ of the place gives besides.
    public: bool = True


async def make_place(site: Site) -> Place:
    program = await site.catalog.add_program(OPERATOR, f"M{site.__dict__.setdefault('places', 0)}", listed=False)
    site.__dict__["places"] += 1
    number = site.__dict__["places"]
    project = await site.project(program, f"p{number}")
    collection = await site.project(program, f"c{number}", kind="collection")
    record = await site.record(project)
    await site.catalog.add_members(OPERATOR, collection, [record])
    other = await site.user("other")
    await site.grants.grant(OPERATOR, other.email, "counter", program)
    await site.grants.grant(OPERATOR, other.email, "counter", project)
    group = await site.groups.add(OPERATOR, f"group {number}")
    panel = await site.catalog.put_object(OPERATOR, "panel", "p", {}, program=program)
    return Place(site, program, project, collection, record, other, group.name, panel.seq)


async def _revoke_id(place: Place, who: Principal) -> None:
    rows = await place.site.grants.list_grants(OPERATOR, place.program)
    await place.site.grants.revoke_id(who, next(row.id for row in rows if row.user == place.other.user))


def _catalog(method: str, need: Right | str, place: str, call: Callable[[Catalog, Place, Principal], Any]) -> Row:
    return Row(f"Catalog.{method}", need, place, lambda p, who: call(p.site.catalog, p, who))


def _grants(method: str, need: Right | str, place: str, call: Callable[[Grants, Place, Principal], Any]) -> Row:
    return Row(f"Grants.{method}", need, place, lambda p, who: call(p.site.grants, p, who))


def _groups(method: str, need: Right | str, place: str, call: Callable[[Groups, Place, Principal], Any]) -> Row:
    return Row(f"Groups.{method}", need, place, lambda p, who: call(p.site.groups, p, who))


MATRIX: list[Row] = [
    _catalog("add_program", SITE_ADMIN, "program", lambda c, p, who: c.add_program(who, f"N{p.project.seq}")),
    _catalog("open_own_program", SIGNED_IN, "program", lambda c, p, who: c.open_own_program(who, f"T{p.project.seq}")),
    _catalog("update_program", Right.MANAGE, "program", lambda c, p, who: c.update_program(who, p.program.seq, properties={"a": 1})),
    _catalog("add_project", Right.MANAGE, "program", lambda c, p, who: c.add_project(who, p.program, f"n{p.project.seq}")),
    _catalog("default_project", Right.CREATE, "program", lambda c, p, who: c.default_project(who, p.program)),
    _catalog("project", Right.READ, "project", lambda c, p, who: c.project(who, p.project.seq)),
    _catalog("project_in", Right.READ, "project", lambda c, p, who: c.project_in(who, p.program, p.project.code)),
    _catalog("update_project", Right.UPDATE, "project", lambda c, p, who: c.update_project(who, p.project, title="New")),
    _catalog("update_project", Right.UPDATE | Right.MANAGE, "project",
             lambda c, p, who: c.update_project(who, p.project, properties={"availability_type": "Open"})),
    _catalog("rename_project", Right.MANAGE, "project", lambda c, p, who: c.rename_project(who, p.project, f"r{p.project.seq}")),
    _catalog("set_public_level", Right.MANAGE, "project", lambda c, p, who: c.set_public_level(who, p.project, PublicLevel.READ)),
    _catalog("set_mode", Right.MANAGE, "collection", lambda c, p, who: c.set_mode(who, p.collection, "open")),
    _catalog("set_state", Right.APPROVE, "project", lambda c, p, who: c.set_state(who, p.project, "review")),
    _catalog("add_members", Right.UPDATE | Right.READ, "program", lambda c, p, who: c.add_members(who, p.collection, [p.record])),
    _catalog("remove_members", Right.UPDATE, "collection", lambda c, p, who: c.remove_members(who, p.collection, [p.record])),
    _catalog("list_members", Right.READ, "collection", lambda c, p, who: c.list_members(who, p.collection)),
    _catalog("put_object", Right.UPDATE, "program", lambda c, p, who: c.put_object(who, "panel", "new", {}, program=p.program)),
    _catalog("put_object", Right.UPDATE, "program", lambda c, p, who: c.put_object(who, "panel", "p", {}, ref=p.panel)),
    _catalog("put_object", SIGNED_IN, "program", lambda c, p, who: c.put_object(who, "panel", f"s{p.panel}", {})),
    _catalog("get_object", Right.READ, "program", lambda c, p, who: c.get_object(who, p.panel)),
    _catalog("get_object", Right.READ, "project", lambda c, p, who: c.get_object(who, p.panel)),
    _catalog("named_object", Right.READ, "project", lambda c, p, who: c.named_object(who, "panel", "P", program=p.program)),
    _catalog("object_versions", Right.READ, "program", lambda c, p, who: c.object_versions(who, p.panel)),
    _catalog("delete_object", Right.UPDATE, "program", lambda c, p, who: c.delete_object(who, p.panel)),
    _grants("grant", Right.MANAGE, "project", lambda g, p, who: g.grant(who, p.other.email, "curator", p.project)),
    _grants("grant", Right.MANAGE, "program", lambda g, p, who: g.grant(who, f"group:{p.group}", "viewer", p.program.code)),
    _grants("grant", Right.MANAGE | Right.IDENTIFY, "program",
            lambda g, p, who: g.grant(who, p.other.email, "owner", p.program, until=p.site.clock() + timedelta(days=1))),
    _grants("revoke", Right.MANAGE, "program", lambda g, p, who: g.revoke(who, p.other.email, p.program.code)),
    _grants("revoke", Right.MANAGE, "project", lambda g, p, who: g.revoke(who, p.other.email, p.project)),
    _grants("revoke_id", Right.MANAGE, "program", lambda _g, p, who: _revoke_id(p, who)),
    _grants("list_grants", Right.MANAGE, "project", lambda g, p, who: g.list_grants(who, p.project)),
    _groups("group", SIGNED_IN, "program", lambda g, p, who: g.group(who, p.group)),
    _groups("list_groups", SIGNED_IN, "program", lambda g, _p, who: g.list_groups(who)),
    _groups("add", SIGNED_IN, "program", lambda g, p, who: g.add(who, f"made {p.project.seq}")),
    _groups("members", MAKER, "program", lambda g, p, who: g.members(who, p.group)),
    _groups("rename", MAKER, "program", lambda g, p, who: g.rename(who, p.group, f"other {p.project.seq}")),
    _groups("delete", MAKER, "program", lambda g, p, who: g.delete(who, p.group)),
    _groups("add_members", MAKER, "program", lambda g, p, who: g.add_members(who, p.group, [p.other.email])),
    _groups("remove_members", MAKER, "program", lambda g, p, who: g.remove_members(who, p.group, [p.other.email])),
]  # fmt: skip

SERVICES: list[type] = [Catalog, FileSearch, Grants, Groups]

#: Public methods that have no row, and why.
EXEMPT: dict[str, str] = {
    "Catalog.program": "known to whoever may list it (test_catalog: which programs are listed)",
    "Catalog.program_titled": "as program",
    "Catalog.list_programs": "as program",
    "Catalog.page_programs": "as program",
    "Catalog.list_projects": "list = check (test_matrix)",
    "Catalog.collections_of": "a list limited by the scope",
    "Catalog.list_objects": "a list limited by the scope",
    "Catalog.home_project": "the caller's own (test_catalog)",
    "Catalog.project_rights": "tells the caller's own rights",
    "Catalog.program_rights": "tells the caller's own rights",
    "FileSearch.search": "a list limited by the scope (tests/odm/test_search: the scope decides, file by file)",
    "FileSearch.find": "as search: what is outside the scope is not found, never refused (tests/odm/test_wire)",
    "FileSearch.is_something_else": "as find",
    "Groups.is_curator": "tells about the caller himself",
    "Groups.is_curator_in": "tells about the caller himself",
    "Groups.find": "for services, inside their transaction",
    "Grants.target": "for services, inside their transaction",
    "Grants.give_in": "checks by check_in",
    "Grants.check_in": "is a check itself",
    "Catalog.find_program": "for services, inside their transaction",
    "Catalog.find_project": "for services, inside their transaction",
    "Catalog.add_project_in": "for services that have asked the guard",
    "Catalog.update_project_in": "for services that have asked the guard",
    "Catalog.default_project_in": "as default_project",
    "Catalog.home_project_in": "as home_project",
}
