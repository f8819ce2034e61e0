"""One request and its answer as the edge sees it; the server makes it, faces read it."""

from __future__ import annotations

from typing import Any

from commensal.core.principals import Door, Principal

__all__ = ["Exchange"]

Header = tuple[bytes, bytes]


class Exchange:
    """What is known about one request while it is answered.

    ``address`` is the caller's (behind a trusted proxy: the one the proxy names). ``base`` is the
    address to make links with, ``lead`` the slashes too many that the path came with. ``headers`` are
    added to the answer whatever makes it. ``status`` and ``sent`` (bytes) are filled in as it goes out.
    """

    __slots__ = (
        "address",
        "base",
        "door",
        "error_id",
        "face",
        "failure",
        "headers",
        "lead",
        "no_store",
        "params",
        "principal",
        "request_id",
        "route",
        "sent",
        "services",
        "started",
        "status",
        "support_contact",
    )

    def __init__(self, request_id: str, services: Any, started: float) -> None:
        self.request_id = request_id
        self.services = services
        self.started = started
        self.address = ""
        self.base = ""
        self.lead = ""
        self.door: Door = Door.API
        self.face: Any = None
        self.route: Any = None
        self.params: dict[str, str] = {}
        self.principal: Principal | None = None
        self.headers: list[Header] = []
        self.no_store = False
        self.status = 0
        self.sent = 0
        self.error_id = ""
        self.failure: BaseException | None = None
        self.support_contact = ""

    @property
    def template(self) -> str:
        """The path of the route that answers (``/commensal/v1/projects/{project_id}``), never the values in it."""
        return self.route.path if self.route is not None else ""

    def add_header(self, name: str, value: str) -> None:
        """Add a header to the answer."""
        self.headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
