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
from commensal.services.downloads import Downloads
from commensal.services.file_search import FileSearch
from commensal.services.folders import Folders
from commensal.services.grants import Grants
from commensal.services.groups import Groups
from commensal.services.import_jobs import ImportJobs
from commensal.services.index import Index, IndexChanges, NewIndexRecord
from commensal.services.lineages import Lineages
from commensal.services.managed_data import ManagedData
from commensal.services.metadata_documents import MetadataDocuments
from commensal.services.metadata_objects import MetadataObjects
from commensal.services.people import People
from commensal.services.project_files import ProjectFiles
from commensal.services.results import Results
from commensal.services.scim import Scim
from commensal.services.studies import Studies
from commensal.services.studies_links import StudyLinks
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.folders import PgFolders
from commensal.storage.postgres.index import PgIndexStore
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


def _folders(method: str, call: Callable[[Folders, Place, Principal], Any]) -> Row:
    def made(p: Place, who: Principal) -> Any:
        site = p.site
        service = Folders(database=site.database, store=PgFolders(), guard=site.guard, audit=site.audit)
        return call(service, p, who)

    return Row(f"Folders.{method}", Right.READ, "project", made)


def _index(method: str, need: Right, call: Callable[[Index, str, Principal], Any]) -> Row:
    """``call`` gets the GUID of a record of the project."""

    async def made(p: Place, who: Principal) -> Any:
        site = p.site
        service = Index(
            database=site.database, store=PgIndexStore(), deletions=PgDeletion(), catalog=site.catalog, guard=site.guard,
            audit=site.audit,
        )  # fmt: skip
        record = await service.create(OPERATOR, _index_record(p.project))
        return await call(service, record.did, who)

    return Row(f"Index.{method}", need, "project", made)


def _index_record(project: Project) -> NewIndexRecord:
    path = f"/programs/{project.program_code}/projects/{project.code}"
    return NewIndexRecord(size=1, hashes={"md5": "0" * 32}, authz=[path])


async def _create_like(service: Index, did: str, who: Principal) -> Any:
    project = (await service.get(OPERATOR, did)).project
    return await service.create_many(who, [_index_record(project)])


MATRIX: list[Row] = [
    _index("create_many", Right.CREATE, _create_like),
    _index("new_version", Right.UPDATE | Right.CREATE,
           lambda i, did, who: i.new_version(who, did, NewIndexRecord(size=2, hashes={"md5": "1" * 32}))),
    _index("update", Right.UPDATE, lambda i, did, who: i.update(who, did, None, IndexChanges(file_name="x"))),
    _index("update_versions", Right.UPDATE, lambda i, did, who: i.update_versions(who, did, acl=["a"])),
    _index("add_aliases", Right.UPDATE, lambda i, did, who: i.add_aliases(who, did, [f"alias {did}"])),
    _index("delete", Right.DELETE, lambda i, did, who: i.delete(who, did)),
    _folders("level", lambda f, p, who: f.level(who, p.project)),
    _folders("at", lambda f, p, who: f.at(who, p.project, ["a"])),
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
    _groups("change", MAKER, "program", lambda g, p, who: g.change(who, p.group, add=[p.other.email])),
    _groups("delete", MAKER, "program", lambda g, p, who: g.delete(who, p.group)),
    _groups("add_members", MAKER, "program", lambda g, p, who: g.add_members(who, p.group, [p.other.email])),
    _groups("remove_members", MAKER, "program", lambda g, p, who: g.remove_members(who, p.group, [p.other.email])),
]  # fmt: skip

SERVICES: list[type] = [
    Catalog,
    Downloads,
    FileSearch,
    Folders,
    Grants,
    Groups,
    ImportJobs,
    Index,
    Lineages,
    ManagedData,
    MetadataDocuments,
    MetadataObjects,
    People,
    ProjectFiles,
    Results,
    Scim,
    Studies,
    StudyLinks,
]

#: Public methods that have no row, and why.
EXEMPT: dict[str, str] = {
    "Groups.members_in": "for services that have asked the guard",
    "Scim.users": "site admins (tests/odm/test_studies_rights, these all)",
    "Scim.user": "as users",
    "Scim.save_user": "as users",
    "Scim.change_user": "as users",
    "Scim.groups": "the groups that the caller is in or made; all for site admins",
    "Scim.group": "as groups; others are NotFound",
    "Scim.add_group": "as Groups.add",
    "Scim.change_group": "as Groups.change",
    "Scim.delete_group": "as Groups.delete",
    "Studies.search": "a list limited by the scope",
    "Studies.find": "read; without it NotFound (tests/odm/test_studies_rights, these all)",
    "Studies.find_in": "as find",
    "Studies.declared": "what the dictionary declares, which everybody may know",
    "Studies.versions": "as find",
    "Studies.version": "as find",
    "Studies.publish": "as find, and update",
    "Studies.publication": "as find",
    "Studies.change": "as find, and update",
    "Studies.invalid_values": "as find",
    "Studies.facets": "a list limited by the scope",
    "StudyLinks.links": "a list limited by the scope",
    "StudyLinks.groups": "as Studies.find",
    "StudyLinks.pairs_of_group": "as Studies.find",
    "StudyLinks.object": "as Studies.find",
    "StudyLinks.link": "as Studies.find, and what Moving.move or Records.put need",
    "StudyLinks.unlink": "as link",
    "Index.get": "everybody by GUID, a part of it (tests/index/test_rights, these all)",
    "Index.by_guid": "as get",
    "Index.versions": "as get",
    "Index.latest": "as get",
    "Index.aliases": "as get; none are shown without read",
    "Index.many": "a list limited by the scope",
    "Index.list": "a list limited by the scope",
    "Index.urls": "a list limited by the scope",
    "Index.stats": "a list limited by the scope",
    "Index.create": "as create_many",
    "Index.create_blank": "as create_many with authz; without, the caller's own home",
    "Index.new_blank_version": "as new_version",
    "Index.fill_blank": "as update",
    "Index.set_aliases": "as add_aliases",
    "Index.remove_aliases": "as add_aliases",
    "Index.require_alias_places": "is a check itself",
    "MetadataDocuments.get": "read on the project of the document's file (tests/gen3/test_mds_rights, these all)",
    "MetadataDocuments.aliases": "as get",
    "MetadataDocuments.search": "a list limited by the scope",
    "MetadataDocuments.put": "update on the project of the document's file; the site's: site admins",
    "MetadataDocuments.put_many": "as put",
    "MetadataDocuments.update": "as put",
    "MetadataDocuments.delete": "as put",
    "MetadataDocuments.add_aliases": "as put",
    "MetadataDocuments.set_aliases": "as put",
    "MetadataDocuments.delete_aliases": "as put",
    "MetadataDocuments.add_of_object": "for services that have asked the guard",
    "MetadataObjects.create": "as Index.create_blank (tests/gen3/test_mds)",
    "MetadataObjects.get": "as Index.get and MetadataDocuments.get (tests/gen3/test_mds)",
    "MetadataObjects.delete": "as Index.delete (tests/gen3/test_mds)",
    "MetadataDocuments.index_paths": "site admins (tests/gen3/test_mds_rights)",
    "MetadataDocuments.add_index_path": "as index_paths",
    "MetadataDocuments.delete_index_path": "as index_paths",
    "ProjectFiles.page": "read (tests/pangea/test_project_files)",
    "ProjectFiles.named": "as page",
    "ProjectFiles.find": "as page",
    "Lineages.project": "read; private results by a grant (tests/pangea/test_samples and test_groups, these all)",
    "Lineages.sample": "as project",
    "Lineages.result": "as project",
    "Lineages.field": "as project",
    "Lineages.find": "as project",
    "Lineages.results_of": "as project",
    "Lineages.module_counts": "as project",
    "Lineages.versions": "as project",
    "Lineages.samples_by": "the right that is named, on the projects of all",
    "Lineages.sample_numbers": "numbers alone, for Catalog.remove_members",
    "Lineages.program": "as Catalog.program",
    "Lineages.programs": "as Catalog.program",
    "Lineages.projects": "a list limited by the scope",
    "Lineages.samples": "a list limited by the scope",
    "Lineages.results": "a list limited by the scope",
    "Lineages.fields": "a list limited by the scope",
    "Lineages.places": "a list limited by the scope",
    "Lineages.rights": "tells the caller's own rights",
    "Lineages.dictionary": "what everybody may know",
    "People.me": "the caller's own account (tests/pangea/test_accounts, these all)",
    "People.person": "whom the caller shares a program with; others are NotFound",
    "People.page": "as person",
    "People.of_program": "a role in the program",
    "People.address_of": "manage on the program",
    "People.write_profile": "the caller's own",
    "Results.add": "as Records.put (tests/pangea/test_samples, these all)",
    "Results.change": "as Records.put",
    "Results.add_field": "as Records.put",
    "Results.change_field": "as Records.put",
    "Catalog.objects_by": "a list limited by the scope",
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
    "Downloads.address": "download, or a record open to everybody (tests/gen3/test_downloads: who may)",
    "Downloads.addresses": "as address",
    "FileSearch.search": "a list limited by the scope (tests/odm/test_search: the scope decides, file by file)",
    "FileSearch.find": "as search: what is outside the scope is not found, never refused (tests/odm/test_wire)",
    "FileSearch.is_something_else": "as find",
    "ImportJobs.import_file": "create on the study; who may not read it is told that there is none (tests/odm/test_jobs_faults)",
    "ImportJobs.take_file": "as import_file",
    "ImportJobs.import_study": "an account: into his own home, or with manage on the named program",
    "ImportJobs.import_group": "an account: into his own home",
    "ImportJobs.take_group": "as import_file; without a study as import_group",
    "ImportJobs.job": "who started it, or create on its study; to others there is none (tests/odm/test_jobs_faults)",
    "ImportJobs.stop": "as job",
    "ImportJobs.restart": "as job",
    "ImportJobs.run": "beside the requests",
    "ImportJobs.work": "beside the requests",
    "ManagedData.delete": "as Deletion; who may not read is told that there is nothing (tests/odm/test_jobs_faults)",
    "Groups.viewer": "tells about the caller himself",
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
