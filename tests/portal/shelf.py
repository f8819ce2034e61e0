"""Files of the project that the portal's tests look at."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator

from commensal.core.principals import Principal
from commensal.core.projects import Project

from .conftest import Site

HERE = "/portal/projects/KIDNEY-KX1"


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


class Shelf:
    """Puts files into the project as its owner, and knows their pages."""

    def __init__(self, site: Site, who: Principal, project: Project) -> None:
        self.site, self.who, self.project = site, who, project

    async def put(self, path: str, body: bytes, media_type: str = "application/octet-stream", **more) -> str:
        made = await self.site.services.files.put(
            self.who, self.project, path, chunks(body), media_type=media_type, **more
        )
        return f"{HERE}/file/{made.file.uuid}"

    async def read(self, path: str) -> bytes:
        files = self.site.services.files
        file = await files.get(self.who, self.project, path=path)
        return b"".join([chunk async for chunk in await files.open(self.who, self.project, file)])

    async def paths(self) -> list[str]:
        found, _ = await self.site.services.files.list(self.who, self.project)
        return [one.path for one in found]


async def open_shelf(site: Site, email: str = "ada@example.org") -> Shelf:
    who = await site.principal(email)
    return Shelf(site, who, await site.services.catalog.project(who, "KIDNEY-KX1"))


def png(width: int, height: int) -> bytes:
    """Return a small picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x20\x90\x80" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
