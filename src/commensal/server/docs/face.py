"""The pages under ``/docs/``: an index, and for each door its routes with search and copy buttons."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment

from commensal.core.principals import Door
from commensal.errors import NotFound
from commensal.faces.face import Face, Route
from commensal.faces.kit.answers import Answer, Respond, json_answer, redirect
from commensal.faces.kit.request import Request
from commensal.portal.pages import render, with_templates
from commensal.server.docs.openapi import openapi_document, shown_path

__all__ = ["docs_face"]

_FOLDER = Path(__file__).parent
_MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


@cache
def _environment() -> Environment:
    """The portal's templates, so that the documents stand in the same frame as the rest."""
    return with_templates(_FOLDER / "templates")


@cache
def _asset(name: str) -> tuple[bytes, str]:
    path = _FOLDER / "static" / name
    if "/" in name or path.suffix not in _MEDIA or not path.is_file():
        raise NotFound("There is no such file.")
    body = path.read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:16]


def _address(name: str) -> str:
    return f"/docs/_assets/{name}?v={_asset(name)[1]}"


def _render(request: Request, template: str, **values: Any) -> Respond:
    return render(
        request,
        template,
        neutral=True,
        environment=_environment(),
        style=_address("docs.css"),
        script=_address("docs.js"),
        **values,
    )


def _example(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() if value is not None else ""


def _curl(face: Face, route: Route, method: str, base: str) -> str:
    """A command to copy: the address with its parameters, a credential, a body."""
    path = shown_path(route.path)
    for parameter in route.parameters:
        if parameter.where == "path" and parameter.example is not None:
            path = path.replace("{" + parameter.name + "}", str(parameter.example))
    parts = ["curl"]
    if method not in ("GET", "HEAD"):
        parts.append(f"-X {method}")
    if method == "HEAD":
        parts.append("-I")
    if route.access != "open" and face.security:
        parts.append(_credential(next(iter(face.security.values()))))
    if route.body is not None and method in _BODY_METHODS:
        if route.body.media_type == "application/json":
            body = msgspec.json.encode(route.body.example if route.body.example is not None else {}).decode()
            quoted = body.replace("'", "'\\''")
            parts.append(f"-H 'Content-Type: application/json' -d '{quoted}'")
        else:
            parts.append(f"-H 'Content-Type: {route.body.media_type}' -T FILE")
    parts.append(f"'{base}{path}'")
    return " ".join(parts)


def _credential(scheme: Any) -> str:
    kind = scheme.get("type")
    if kind == "http":
        return "-u LOGIN:PASSWORD" if scheme.get("scheme") == "basic" else '-H "Authorization: Bearer $TOKEN"'
    if scheme.get("in") == "cookie":
        return f'-b "{scheme.get("name")}=$TOKEN"'
    return f'-H "{scheme.get("name", "Authorization")}: $TOKEN"'


def _rows(face: Face, base: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for route in face.routes:
        if route.hidden or not route.documented:
            continue
        for method in route.verbs:
            answers = {
                status: (answer if isinstance(answer, str) else answer.description or "")
                for status, answer in sorted(route.answers.items())
            }
            samples = [
                (status, _example(answer.example))
                for status, answer in sorted(route.answers.items())
                if not isinstance(answer, str) and answer.example is not None
            ]
            rows.append(
                {
                    "id": f"{method.lower()}-{len(rows)}",
                    "method": method,
                    "path": shown_path(route.path),
                    "route": route,
                    "body": _example(route.body.example) if route.body else "",
                    "answers": answers,
                    "samples": samples,
                    "curl": _curl(face, route, method, base),
                }
            )
    return rows


def docs_face(faces: list[Face]) -> Face:
    """Make the face of the documents of these faces."""
    documented = {face.name: face for face in faces if face.documented and face.routes}
    by_name = {**{face.door.value: face for face in reversed(documented.values())}, **documented}

    def find(request: Request) -> Face:
        face = by_name.get(request.params["door"])
        if face is None:
            raise NotFound("There is no such door here.")
        return face

    async def index(request: Request) -> Respond:
        return _render(request, "index.html", faces=list(documented.values()), rows_of=_count)

    async def page(request: Request) -> Respond:
        face = find(request)
        if not request.scope["raw_path"].endswith(b"/"):
            return redirect(f"/docs/{face.name}/", 308)
        return _render(
            request, "door.html", face=face, faces=list(documented.values()), rows=_rows(face, request.exchange.base)
        )

    async def document(request: Request) -> Respond:
        answer = openapi_document(find(request), request.exchange.base)
        return json_answer(answer, headers=(("access-control-allow-origin", "*"),))

    async def asset(request: Request) -> Respond:
        name = request.params["name"]
        body, version = _asset(name)
        lasting = request.query_params.get("v") == version
        cache_control = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return Answer(body, media_type=_MEDIA[Path(name).suffix], headers=(("cache-control", cache_control),))

    routes = (
        Route("GET", "/docs/", index, "The documents", access="open"),
        Route("GET", "/docs/_assets/{name}", asset, "A file of the documents", access="open", hidden=True),
        Route("GET", "/docs/{door}/", page, "The routes of a door", access="open"),
        Route("GET", "/docs/{door}/openapi.json", document, "The OpenAPI document of a door", access="open"),
    )
    return Face(name="docs", door=Door.PORTAL, title="Documents", prefixes=("/docs",), routes=routes, documented=False)


def _count(face: Face) -> int:
    return sum(len(route.verbs) for route in face.routes if not route.hidden and route.documented)
