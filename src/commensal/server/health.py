"""``/healthz`` and ``/metrics``: is this process well, and what does it count?"""

from __future__ import annotations

import os
from typing import Any

from commensal.core.principals import Door
from commensal.errors import Forbidden, Unauthenticated
from commensal.faces.face import Face, Route
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.request import Request
from commensal.server.metrics import exposition

__all__ = ["health_face"]

_OK = json_answer({"status": "ok"})


def health_face(edge: Any, authenticate: Any) -> Face:
    """Make the face of one worker. ``authenticate`` reads any door's credential (for site admins)."""

    async def admin_only(request: Request) -> None:
        if edge.services is None:
            raise Unauthenticated("The server is starting; accounts cannot be checked yet.")
        principal = await authenticate(request)
        request.exchange.principal = principal
        if not principal.signed_in:
            raise Unauthenticated("This is for site admins: send a credential.")
        if not principal.site_admin:
            raise Forbidden("This is for site admins.")

    async def health(request: Request) -> Respond:
        if request.scope["query_string"] and "full" in request.query_params:
            await admin_only(request)
            confined = await edge.services.file_jobs.confinement()
            return json_answer({**_full(edge), "contents": confined}, 200 if edge.ready else 503)
        if edge.ready:
            return _OK
        request.exchange.add_header("Retry-After", "1")
        return json_answer({"status": "unavailable", "message": edge.database_error}, 503)

    async def metrics(request: Request) -> Respond:
        await admin_only(request)
        body, media_type = exposition()
        return Answer(body, media_type=media_type)

    return Face(
        name="health",
        door=Door.API,
        title="Health",
        prefixes=("/healthz", "/metrics"),
        documented=False,
        routes=(
            Route(
                "GET",
                "/healthz",
                health,
                "200 when requests can be answered, else 503; ?full tells site admins more",
                access="open",
                hidden=True,
            ),
            Route("GET", "/metrics", metrics, "Numbers for Prometheus, for site admins", access="open", hidden=True),
        ),
    )


def _full(edge: Any) -> dict[str, Any]:
    from commensal import __version__

    edge.space.enough  # noqa: B018 - asks the disk, at most once a second
    return {
        "status": "ok" if edge.ready else "unavailable",
        "version": __version__,
        "process": os.getpid(),
        "workers": edge.settings.workers,
        "free_bytes": edge.space.free,
        "min_free_bytes": edge.space.limit,
        "writes": "taken" if edge.space.enough else "refused: the disk is almost full",
        "database": "ok" if edge.ready else edge.database_error,
        "faces": [face.name for face in edge.faces.all],
        **edge.details,
    }
