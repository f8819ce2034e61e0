"""Files that other doors stored in a library, as fields of one result that nobody makes: to be read only.

Files are fields of results here, and those have none. So each library with such files shows a result of the group with
the module ``commensal::files``. Its uuid is that of the library; each field's uuid is that of the file.
"""

from __future__ import annotations

from uuid import UUID

from commensal.core.files import File
from commensal.core.ids import is_uuid
from commensal.core.lineage import Address, Lineage, value_text
from commensal.core.records import Record
from commensal.errors import NotFound
from commensal.faces.kit.request import Request
from commensal.faces.pangea.addresses import stored_at
from commensal.faces.pangea.asked import Page, address_of, path_uuid
from commensal.faces.pangea.found import Finder
from commensal.services.lineages import FieldFilter, ProjectsFilter, ResultFilter

__all__ = ["MODULE", "add_to", "fields_at", "fields_of", "files_field", "files_nested", "files_result", "or_else"]

MODULE = "commensal::files"
#: It has no other, so nothing is told apart by it.
REPLICATE = "1"


def _result(place: Lineage) -> Lineage:
    project = place.place
    props = {"module": MODULE, "replicate": REPLICATE, "description": "Files of this library from other doors."}
    record = Record(
        0, project.uuid, project.seq, MODULE, MODULE, None, "", props, {}, 1, 0, project.created, project.updated
    )
    return Lineage(place.program, place.project, result=record)


def _field(request: Request, place: Lineage, file: File) -> Lineage:
    one = _result(place)
    value = {
        **stored_at(request, place, file.path),
        "filename": file.name,
        "size": file.size,
        "md5": file.md5,
        "sha256": file.sha256,
        "accession": f"GSF{file.seq}",
    }
    props = {"name": file.name, "value": value_text(value)}
    record = Record(
        0, file.uuid, file.project, MODULE, file.path, None, "", props, {}, 1, 0, file.created, file.updated
    )
    return Lineage(place.program, place.project, result=one.result, field=record)


def or_else(finder: Finder, other: Finder) -> Finder:
    """Return a finder that asks another one for what the first does not know. For reading only."""

    async def find(request: Request) -> Lineage:
        try:
            return await finder(request)
        except NotFound:
            return await other(request)

    return find


async def _has_files(request: Request, place: Lineage) -> bool:
    _, total = await request.services.project_files.page(request.principal, place, offset=0, limit=1)
    return total > 0


async def files_result(request: Request) -> Lineage:
    """Find the result of files by the uuid of its library."""
    return await _of(request, await request.services.lineages.project(request.principal, path_uuid(request)))


async def _of(request: Request, place: Lineage) -> Lineage:
    if not await _has_files(request, place):
        raise NotFound("There is no such result.")
    return _result(place)


async def files_field(request: Request) -> Lineage:
    """Find a file by its uuid."""
    place, file = await request.services.project_files.find(request.principal, path_uuid(request))
    return _field(request, place, file)


async def files_nested(request: Request) -> Lineage:
    """Find the result of files, or one of them by name (of several the newest) or uuid, along a nested route."""
    asked = address_of(request)
    mine = (asked.module or "").lower() == MODULE and asked.replicate in (None, REPLICATE)
    if asked.sample is not None or not mine:
        raise NotFound("There is no such thing.")
    place = await request.services.lineages.find(request.principal, Address(asked.program, asked.project))
    if asked.field is None:
        return await _of(request, place)
    if is_uuid(asked.field):
        uuid = UUID(asked.field)
        found, _ = await request.services.project_files.page(request.principal, place, uuid=uuid, offset=0, limit=1)
        if found:
            return _field(request, place, found[0])
    return _field(request, place, await request.services.project_files.named(request.principal, place, asked.field))


async def _place(request: Request, uuid: UUID) -> Lineage | None:
    """Return the library with this uuid if there is one that the caller may read; none is no refusal."""
    page = await request.services.lineages.projects(request.principal, ProjectsFilter(uuid=uuid), offset=0, limit=1)
    return page.items[0] if page.items else None


async def add_to(
    request: Request, only: ResultFilter, page: Page, results: list[Lineage], total: int
) -> tuple[list[Lineage], int]:
    """Return a page of a group's results, and their number, with the result of files as the last of all."""
    if (
        only.of_samples
        or only.owner is None
        or only.uuid not in (None, only.owner)
        or (only.module or MODULE).lower() != MODULE
        or only.replicate not in (None, REPLICATE)
    ):
        return results, total
    place = await _place(request, only.owner)
    if place is None or not await _has_files(request, place):
        return results, total
    offset, limit = page.window["offset"], page.window["limit"]
    if offset <= total < offset + limit:
        results = [*results, _result(place)]
    return results, total + 1


async def fields_of(request: Request, only: FieldFilter, page: Page) -> tuple[list[Lineage], int] | None:
    """Return a page of the files of the library that the filter names as a result, and their number; else None."""
    if only.of_samples or only.result is None:
        return None
    place = await _place(request, only.result)
    return None if place is None else await _page(request, place, only, page)


async def fields_at(request: Request, one: Lineage, page: Page) -> tuple[list[Lineage], int] | None:
    """Return a page of the files of a library whose result of files was found, and their number; else None."""
    if one.result is None or one.result.type != MODULE:
        return None
    return await _page(request, one, FieldFilter(False), page)


async def _page(request: Request, place: Lineage, only: FieldFilter, page: Page) -> tuple[list[Lineage], int]:
    files, total = await request.services.project_files.page(
        request.principal, place, name=only.name, uuid=only.uuid, **page.window
    )
    return [_field(request, place, file) for file in files], total
