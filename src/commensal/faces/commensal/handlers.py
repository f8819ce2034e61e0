"""Handlers of our own API for the caller, programs and projects."""

from __future__ import annotations

from typing import Any

from commensal.core.permissions import PublicLevel, Right
from commensal.errors import Malformed
from commensal.faces.commensal.wire import (
    NewProgram,
    NewProject,
    principal_values,
    program_values,
    project_values,
    right_words,
)
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.paging import page_of
from commensal.faces.kit.request import Request

__all__ = ["add_program", "add_project", "get_program", "get_project", "list_programs", "list_projects", "whoami"]

_SMALL = 1_000_000


async def whoami(request: Request) -> Respond:
    """Say who calls."""
    return json_answer(principal_values(request.principal))


def page(items: list[Any], total: int, offset: int, limit: int) -> Respond:
    """Answer with one page of a list."""
    return json_answer({"items": items, "total": total, "offset": offset, "limit": limit})


def public_level(word: str | None) -> PublicLevel | None:
    """Read a public level; raises Malformed for other words."""
    if word is None:
        return None
    level = PublicLevel.parse(word)
    if level is None:
        raise Malformed(f"public must be none, aggregate, read or download, not {word[:40]!r}.", field="public")
    return level


async def list_programs(request: Request) -> Respond:
    """List the programs that the caller may know of."""
    offset, limit = page_of(request.query_params)
    found = await request.services.catalog.page_programs(
        request.principal, search=request.query_params.get("search", ""), offset=offset, limit=limit
    )
    return page([program_values(program) for program in found.items], found.total, offset, limit)


async def add_program(request: Request) -> Respond:
    """Make a program."""
    body = await read_struct(request, NewProgram, limit=_SMALL)
    program = await request.services.catalog.add_program(
        request.principal, body.code, title=body.title, listed=body.listed, properties=body.properties
    )
    return json_answer(program_values(program), 201)


async def get_program(request: Request) -> Respond:
    """Show a program."""
    program = await request.services.catalog.program(request.principal, request.params["program"])
    return json_answer(program_values(program))


async def list_projects(request: Request) -> Respond:
    """List the projects on which the caller holds a right."""
    query = request.query_params
    offset, limit = page_of(query)
    right = _right(query.get("right", "read"))
    found = await request.services.catalog.list_projects(
        request.principal,
        right=right,
        search=query.get("search", ""),
        program=query.get("program"),
        kind=query.get("kind"),
        counts=True,
        offset=offset,
        limit=limit,
    )
    items = [
        {
            **project_values(project),
            "rights": right_words(found.rights.get(project.seq, Right(0))),
            "counts": found.counts.get(project.seq, {}),
        }
        for project in found.items
    ]
    return page(items, found.total, offset, limit)


def _right(word: str) -> Right:
    try:
        return Right[word.upper()]
    except KeyError:
        raise Malformed(f"There is no right {word[:40]!r}.", field="right") from None


async def add_project(request: Request) -> Respond:
    """Make a project of a program."""
    body = await read_struct(request, NewProject, limit=_SMALL)
    project = await request.services.catalog.add_project(
        request.principal,
        request.params["program"],
        body.code,
        title=body.title,
        kind=body.kind,
        mode=body.mode,
        public=public_level(body.public),
        properties=body.properties,
        extra=body.extra,
    )
    return json_answer(project_values(project), 201)


async def get_project(request: Request) -> Respond:
    """Show a project with the caller's rights on it."""
    catalog = request.services.catalog
    project = await catalog.project(request.principal, request.params["project"], right=Right.AGGREGATE)
    rights = await catalog.project_rights(request.principal, project)
    return json_answer({**project_values(project), "rights": right_words(rights)})
