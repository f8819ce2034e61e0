"""What a handler gets: Starlette's request with the exchange, the path's parameters and the caller."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request as StarletteRequest

from commensal.core.principals import Principal
from commensal.errors import Unauthenticated
from commensal.faces.kit.exchange import Exchange

__all__ = ["Request"]


class Request(StarletteRequest):
    """One request. ``params`` are the decoded parameters of the path."""

    @property
    def exchange(self) -> Exchange:
        """What the edge knows about this request."""
        return self.scope["commensal"]

    @property
    def services(self) -> Any:
        """The use cases (``commensal.services.Services``)."""
        return self.scope["commensal"].services

    @property
    def params(self) -> dict[str, str]:
        """The decoded parameters of the path."""
        return self.scope["commensal"].params

    @property
    def principal(self) -> Principal:
        """The caller; raises Unauthenticated on a route that reads no credentials."""
        principal = self.scope["commensal"].principal
        if principal is None:
            raise Unauthenticated("Sign in first.")
        return principal

    @property
    def address(self) -> str:
        """The caller's network address."""
        return self.scope["commensal"].address

    @property
    def request_id(self) -> str:
        """The id of this request, as logged and sent back in X-Request-Id."""
        return self.scope["commensal"].request_id

    def link(self, path: str) -> str:
        """Return the full address of a path of this server, with a host that may be used in links."""
        return self.scope["commensal"].base + path
