"""Programs and projects: listed, made, changed, deleted; states; counts (contracts/gen3.md 4.1, 4.3, 4.11, 5.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from commensal.core.names import fold
from commensal.core.permissions import Right
from commensal.core.projects import Program, Project
from commensal.core.tabular.documents import document_format, parse_documents
from commensal.errors import BadRequest, Conflict, Forbidden, Malformed, NotFound
from commensal.faces.gen3.errors import AdminOnly
from commensal.faces.gen3.wire import links
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.request import Request

__all__ = [
    "dataset_counts",
    "dataset_projects",
    "delete_program",
    "delete_project",
    "list_programs",
    "list_projects",
    "move_dry",
    "move_project",
    "put_program",
    "put_project",
]

_SMALL = 4_000_000


async def _one_document(request: Request) -> Mapping[str, Any]:
    data = await read_bytes(request, _SMALL)
    dictionary = (await request.services.dictionaries.current()).dictionary
    documents = parse_documents(data, document_format(request.headers.get("content-type")), dictionary)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise Malformed(f"Send one document with keys and values here; there are {len(documents)}.")
    return cast("Mapping[str, Any]", documents[0])


# --- programs ---------------------------------------------------------------------------------------


async def list_programs(request: Request) -> Respond:
    """List the programs that the caller may know of."""
    programs = await request.services.catalog.list_programs(request.principal)
    return json_answer(links(program.code for program in programs))


async def put_program(request: Request) -> Respond:
    """Make a program, or change its properties."""
    if not request.principal.site_admin:
        # The refusal is stored by the service; a body is not looked at.
        document: Mapping[str, Any] = {}
    else:
        document = await _one_document(request)
    try:
        program, new = await request.services.program_submission.program(request.principal, document)
    except Forbidden as error:
        raise AdminOnly("program") from error
    message = "Program registered." if new else "Program is updated!"
    return json_answer({"id": str(program.uuid), "name": program.code, "message": message})


async def _program(request: Request) -> Program:
    name = request.params["program"]
    try:
        program = await request.services.catalog.program(request.principal, name)
    except NotFound:
        program = None
    if program is None or fold(program.code) != fold(name):
        raise NotFound(f"Program {name} is not registered")
    return program


async def delete_program(request: Request) -> Respond:
    """Delete a program without projects."""
    program = await _program(request)
    try:
        await request.services.deletion.delete_program(request.principal, program)
    except Forbidden as error:
        raise AdminOnly("program") from error
    return empty(204)


# --- projects ---------------------------------------------------------------------------------------


async def list_projects(request: Request) -> Respond:
    """List the projects of a program on which the caller holds a right."""
    program = await _program(request)
    page = await request.services.catalog.list_projects(
        request.principal, right=Right.AGGREGATE, program=program, limit=None
    )
    return json_answer(links(f"{program.code}/{project.code}" for project in page.items))


async def put_project(request: Request) -> Respond:
    """Make a project of a program, or change its properties."""
    document: Mapping[str, Any] | None = None
    wrong: BadRequest | None = None
    try:
        document = await _one_document(request)
    except BadRequest as error:
        wrong = error
    try:
        service = request.services.program_submission
        if wrong is not None or document is None:
            await service.require_project_admin(request.principal, request.params["program"])
            raise wrong or Malformed("Send one document.")
        result = await service.project(request.principal, request.params["program"], document)
    except Forbidden as error:
        raise AdminOnly("project") from error
    return json_answer(result, result.code)


async def _project(request: Request) -> Project:
    program, code = request.params["program"], request.params["project"]
    return await request.services.program_submission.find_project(request.principal, program, code)


async def delete_project(request: Request) -> Respond:
    """Delete a project without records."""
    try:
        project = await _project(request)
        await request.services.deletion.delete_project(request.principal, project)
    except Forbidden as error:
        raise AdminOnly("project") from error
    return empty(204)


# --- states -----------------------------------------------------------------------------------------


async def _move(request: Request, *, dry_run: bool) -> Respond:
    found = re.search(r"/(open|review|submit|release)(?:/_dry_run)?$", request.exchange.template)
    if found is None:
        raise Conflict("There is no such move.")
    params = request.params
    result = await request.services.transactions.move(
        request.principal, params["program"], params["project"], found[1], dry_run=dry_run
    )
    return json_answer(result, result.code)


async def move_project(request: Request) -> Respond:
    """Move a project through its life."""
    return await _move(request, dry_run=False)


async def move_dry(request: Request) -> Respond:
    """Say whether a project could be moved."""
    return await _move(request, dry_run=True)


# --- counts -----------------------------------------------------------------------------------------


async def dataset_counts(request: Request) -> Respond:
    """Count records by project and type."""
    nodes = [one.strip() for one in request.query_params.get("nodes", "").split(",") if one.strip()]
    if not nodes:
        raise Malformed("Need to provide target nodes in query param")
    types = (await request.services.dictionaries.current()).dictionary.types
    unknown = [name for name in nodes if name not in types]
    if unknown:
        raise Malformed(f"The dictionary has no type {unknown[0][:200]!r}.")
    return json_answer(await request.services.exports.counts(request.principal, nodes))


async def dataset_projects(request: Request) -> Respond:
    """Show the projects that the caller may read."""
    page = await request.services.catalog.list_projects(request.principal, right=Right.READ, limit=None)
    return json_answer({"projects": [_dataset(project) for project in page.items]})


def _dataset(project: Project) -> dict[str, Any]:
    values = project.properties
    shown = {
        "name": project.title,
        "code": project.code,
        "dbgap_accession_number": values.get("dbgap_accession_number"),
    }
    return {**shown, **{key: values[key] for key in ("description", "image_url") if values.get(key) is not None}}
