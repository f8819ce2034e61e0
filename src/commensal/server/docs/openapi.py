"""One OpenAPI 3.1 document for each door, made from its route table."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from commensal import __version__
from commensal.faces.face import Body, Face, Parameter, Route
from commensal.faces.kit.router import pattern_parts

__all__ = ["openapi_document", "shown_path"]

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_CONVERTER_SCHEMAS = {
    "int": {"type": "integer", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
    "str": {"type": "string"},
}


def shown_path(pattern: str) -> str:
    """Return a pattern as OpenAPI writes it: ``/files/{path:path}`` becomes ``/files/{path}``."""
    return re.sub(r"\{([a-z0-9_]+):[a-z]+\}", r"{\1}", pattern)


def openapi_document(face: Face, base: str) -> dict[str, Any]:
    """Return the document of one door; ``base`` is the address of this server."""
    paths: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for route in face.routes:
        if route.hidden or not route.documented:
            continue
        item = paths.setdefault(shown_path(route.path), {})
        for method in route.verbs:
            item[method.lower()] = _operation(face, route, method, seen)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": face.title, "version": __version__, "description": face.description},
        "servers": [{"url": base}],
        "paths": paths,
    }
    if face.security:
        document["components"] = {"securitySchemes": dict(face.security)}
    tags = list(
        dict.fromkeys(route.tag for route in face.routes if route.tag and not route.hidden and route.documented)
    )
    if tags:
        document["tags"] = [{"name": tag} for tag in tags]
    return document


def _operation(face: Face, route: Route, method: str, seen: set[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _unique(f"{method.lower()}_{route.handler.__name__.strip('_')}", seen),
        "summary": route.summary,
    }
    if route.description:
        operation["description"] = route.description
    if route.tag:
        operation["tags"] = [route.tag]
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None and method in _BODY_METHODS:
        operation["requestBody"] = {**_content(route.body), "required": True}
        if route.body.description:
            operation["requestBody"]["description"] = route.body.description
    operation["responses"] = _responses(route)
    if face.security and route.access != "open":
        # In OpenAPI a list of alternatives; the empty one means that a credential may be left out.
        operation["security"] = [{name: []} for name in face.security]
        if route.access == "anonymous":
            operation["security"].append({})
    return operation


def _unique(name: str, seen: set[str]) -> str:
    made, number = name, 2
    while made in seen:
        made, number = f"{name}_{number}", number + 1
    seen.add(made)
    return made


def _parameters(route: Route) -> list[dict[str, Any]]:
    described = {parameter.name: parameter for parameter in route.parameters if parameter.where == "path"}
    found: list[dict[str, Any]] = []
    for kind, name, converter in pattern_parts(route.path):
        if kind != "literal":
            schema = _CONVERTER_SCHEMAS.get(converter, {"type": "string"})
            parameter = described.get(name) or Parameter(name, where="path", schema=schema)
            found.append({**_parameter(parameter), "required": True})
    found += [_parameter(parameter) for parameter in route.parameters if parameter.where != "path"]
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"name": parameter.name, "in": parameter.where, "schema": dict(parameter.schema)}
    if parameter.description:
        made["description"] = parameter.description
    if parameter.required:
        made["required"] = True
    if parameter.example is not None:
        made["example"] = parameter.example
    return made


def _content(body: Body) -> dict[str, Any]:
    media: dict[str, Any] = {}
    if body.schema is not None:
        media["schema"] = dict(body.schema)
    if body.example is not None:
        media["example"] = body.example
    return {"content": {body.media_type: media}}


def _responses(route: Route) -> dict[str, Any]:
    answers: dict[int, str | Body] = dict(route.answers) or {200: "Done."}
    if route.access == "signed-in":
        answers.setdefault(401, "No credential, or one that is not valid here.")
    made: dict[str, Any] = {}
    for status, answer in sorted(answers.items()):
        if isinstance(answer, str):
            made[str(status)] = {"description": answer or _phrase(status)}
        else:
            made[str(status)] = {"description": answer.description or _phrase(status), **_content(answer)}
    return made


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Answer"
