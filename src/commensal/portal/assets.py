"""Static files: read once, named with a version, sent with an ETag; nothing comes from another origin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Answer, Respond
from commensal.faces.kit.request import Request

__all__ = ["ROUTES", "Asset", "asset", "asset_address"]

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".LICENSE": "text/plain; charset=utf-8",
}
_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file with the version that its address carries."""

    body: bytes
    media_type: str
    version: str


@cache
def _assets() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for path in sorted(FOLDER.rglob("*")):
        media_type = MEDIA_TYPES.get(path.suffix)
        if path.is_file() and media_type is not None:
            body = path.read_bytes()
            version = hashlib.sha256(body).hexdigest()[:16]
            found[path.relative_to(FOLDER).as_posix()] = Asset(body, media_type, version)
    return found


def asset(name: str) -> Asset:
    """Return a static file; raises NotFound when there is none of this name."""
    found = _assets().get(name)
    if found is None:
        raise NotFound("There is no such file.")
    return found


def asset_address(name: str) -> str:
    """Return the address of a static file, with its version, so that browsers may keep it for a year."""
    return f"/static/{name}?v={asset(name).version}"


async def send_asset(request: Request) -> Respond:
    """Send a static file; 304 when the browser has it already."""
    found = asset(request.params["path"])
    etag = f'"{found.version}"'
    headers = {
        "etag": etag,
        "cache-control": _YEAR if request.query_params.get("v") == found.version else "no-cache",
        "cross-origin-resource-policy": "same-origin",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Answer(status=304, headers=headers)
    return Answer(found.body, media_type=found.media_type, headers=headers)


ROUTES = (Route("GET", "/static/{path:path}", send_asset, "A file of the pages", access="open", hidden=True),)
