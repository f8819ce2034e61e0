"""What a face is: one foreign API as a table of routes, and the registry that finds all faces.

A face is a folder with ``FACE = Face(…)``. Built-in faces are named here; others come from the entry
point group ``commensal.faces``. All faces stand at the root of one host, so the paths they own must not
meet: a clash refuses to start. Under ``/api/`` alone one face may own a place inside another's, and
the longest prefix wins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Literal

from commensal.core.principals import Door, Principal
from commensal.errors import BadRequest, CommensalError, SetupError
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request
from commensal.faces.kit.router import Router

__all__ = [
    "Access",
    "Body",
    "Face",
    "Faces",
    "Failure",
    "MethodNotAllowed",
    "Parameter",
    "Route",
    "load_faces",
]

Handler = Callable[[Request], Awaitable[Respond]]
Authenticate = Callable[[Request], Awaitable[Principal]]
EncodeError = Callable[[CommensalError, Exchange], Respond]

#: ``open``: credentials are not looked at. ``anonymous``: a credential is read when there is one; without one
#: the caller is anonymous and the guard decides. ``signed-in``: without a valid credential the answer is 401.
Access = Literal["open", "anonymous", "signed-in"]

#: Those that are not installed are passed over.
BUILT_IN = (
    "commensal.faces.commensal",
    "commensal.faces.gen3",
    "commensal.faces.polly",
    "commensal.faces.pangea",
    "commensal.faces.odm",
    "commensal.faces.opal",
    "commensal.faces.ga4gh",
    "commensal.portal",
)
ENTRY_POINTS = "commensal.faces"


class MethodNotAllowed(BadRequest):
    """The path exists, but not with this method; ``allowed`` names those that do."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class Failure(CommensalError):
    """A defect of ours: the caller gets an id to report, and no detail."""

    code = "internal_error"
    status = 500

    def __init__(self, error_id: str, support_contact: str) -> None:
        contact = f" Contact: {support_contact}." if support_contact else ""
        super().__init__(f"Something failed on the server. Please report error id {error_id}.{contact}")
        self.error_id = error_id
        self.support_contact = support_contact


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a route, for the documents: ``where`` is query, header or path; ``schema`` JSON Schema."""

    name: str
    description: str = ""
    where: Literal["query", "header", "path"] = "query"
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    example: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """A request body or an answer, for the documents."""

    description: str = ""
    schema: Mapping[str, Any] | None = None
    media_type: str = "application/json"
    example: Any = None


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a face's table.

    ``path`` is a pattern of faces.kit.router from the root of the host. ``answers`` maps a status to
    what it means. ``body_limit`` (bytes) replaces the usual limit; None in a route that streams. ``writes``
    False: an unsafe method that stores nothing big (a query, a sign-in), answered also when the disk is full.
    ``hidden``: neither in the documents nor in the access log. ``documented`` False: another spelling of a route.
    """

    methods: str | tuple[str, ...]
    path: str
    handler: Handler
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answers: Mapping[int, str | Body] = field(default_factory=dict[int, "str | Body"])
    access: Access = "signed-in"
    body_limit: int | None = 64 * 1024 * 1024
    writes: bool = True
    hidden: bool = False
    tag: str = ""
    documented: bool = True

    @property
    def verbs(self) -> tuple[str, ...]:
        """The methods as a tuple."""
        return (self.methods,) if isinstance(self.methods, str) else self.methods


def plain_error(error: CommensalError, exchange: Exchange) -> Respond:
    """Encode an error for paths that no face owns."""
    return json_answer({"error": {"code": error.code, "message": error.message}}, error.status)


async def nobody(request: Request) -> Principal:
    """Take every caller for anonymous: the rule of faces without credentials of their own."""
    from commensal.core.principals import PrincipalKind

    return Principal(
        kind=PrincipalKind.ANONYMOUS,
        door=request.exchange.door,
        address=request.address,
        request_id=request.request_id,
        route=request.exchange.template,
    )


@dataclass(frozen=True)
class Face:
    """One API.

    ``prefixes``: the places it owns (``/commensal/v1``; ``/`` is the root page itself and whatever nobody
    else owns). ``authenticate`` turns the headers of a request into a principal: anonymous when there is no
    credential, an error of the Unauthenticated family when one is there and not valid. ``security``: the
    security schemes of OpenAPI by name, for the documents; any one of them opens a route.
    """

    name: str
    door: Door
    title: str
    prefixes: tuple[str, ...]
    routes: tuple[Route, ...]
    encode_error: EncodeError = plain_error
    description: str = ""
    authenticate: Authenticate = nobody
    either_slash: bool = True
    documented: bool = True
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    @property
    def router(self) -> Router[Route]:
        """The routes as a tree, made once."""
        made = self.__dict__.get("_router")
        if made is None:
            made = Router[Route](either_slash=self.either_slash)
            for route in self.routes:
                for method in route.verbs:
                    try:
                        made.add(method, route.path, route)
                    except ValueError as error:
                        raise SetupError(f"face {self.name}: {error}") from None
            self.__dict__["_router"] = made
        return made


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


class _Place:
    __slots__ = ("below", "face")

    def __init__(self) -> None:
        self.below: dict[str, _Place] = {}
        self.face: Face | None = None


class Faces:
    """All faces of a server; raises SetupError when two own the same place."""

    def __init__(self, faces: Iterable[Face]) -> None:
        self.all = tuple(faces)
        self.by_name = {face.name: face for face in self.all}
        self._top = _Place()
        if len(self.by_name) != len(self.all):
            raise SetupError("two faces have the same name")
        for face in self.all:
            for prefix in face.prefixes:
                self._claim(face, prefix)
        self._refuse_overlap(self._top, None, [])
        for face in self.all:
            for route in face.routes:
                self._check_route(face, route)

    def _claim(self, face: Face, prefix: str) -> None:
        place = self._top
        for segment in _segments(prefix):
            place = place.below.setdefault(segment, _Place())
        if place.face is not None and place.face is not face:
            raise SetupError(f"the faces {place.face.name} and {face.name} both own {prefix}")
        place.face = face

    def _refuse_overlap(self, place: _Place, owner: Face | None, path: list[str]) -> None:
        for segment, below in place.below.items():
            here = [*path, segment]
            meets = owner is not None and below.face is not None and below.face is not owner
            if meets and path and path[0] != "api" and owner is not None and below.face is not None:
                raise SetupError(f"the face {below.face.name} owns /{'/'.join(here)} inside what {owner.name} owns")
            # What the owner of the root owns is only what is left.
            self._refuse_overlap(below, below.face or (owner if path else None), here)

    def _check_route(self, face: Face, route: Route) -> None:
        literal: list[str] = []
        for segment in _segments(route.path):
            if "{" in segment:
                break
            literal.append(segment)
        if self.owner(literal) is not face:
            raise SetupError(f"the route {route.path} of the face {face.name} lies outside the places that it owns")
        _ = face.router

    def owner(self, segments: Sequence[str]) -> Face | None:
        """Return the face that owns a path: the one with the longest prefix."""
        place: _Place | None = self._top
        owner = self._top.face
        for segment in segments:
            place = place.below.get(segment)
            if place is None:
                break
            if place.face is not None:
                owner = place.face
        return owner


def load_faces(built_in: Iterable[str] = BUILT_IN) -> list[Face]:
    """Return the built-in faces that are installed, and those of the entry point group ``commensal.faces``."""
    faces: list[Face] = []
    for name in built_in:
        if find_spec(name) is not None:
            face = getattr(import_module(name), "FACE", None)
            if face is not None:
                faces.append(face)
    for point in entry_points(group=ENTRY_POINTS):
        face = point.load()
        if not isinstance(face, Face):
            raise SetupError(f"the entry point {point.name} of {ENTRY_POINTS} is no face")
        faces.append(face)
    return faces
