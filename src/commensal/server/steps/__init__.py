"""The steps of the request path; their order stands in server.chain."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from commensal.server.edge import Edge

__all__ = ["Step"]

Step = Callable[[ASGIApp, Edge], ASGIApp]
