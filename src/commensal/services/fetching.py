"""Links that clients give: foreign ones are fetched from allowed hosts, our own mean files of the same project."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

from commensal.core.files import File
from commensal.core.own_links import OwnLink, OwnPlaces
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import Malformed, TooLarge
from commensal.services.files import Files
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.fetch import Fetcher, Incoming
from commensal.storage.ports.files import FileStore
from commensal.storage.ports.jobs import JobStore

__all__ = ["Fetching", "name_in"]


class Fetching:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        fetcher: Fetcher,
        own: OwnPlaces,
        store: FileStore,
        jobs: JobStore,
        files: Files,
        guard: Guard,
    ) -> None:
        self._database = database
        self._fetcher = fetcher
        self._own = own
        self._store = store
        self._jobs = jobs
        self._files = files
        self._guard = guard

    async def check(self, principal: Principal, link: str, project: Project | None) -> None:
        """Refuse a link before any work: Malformed, or Forbidden for a host that is not on the list.

        ``project``: where the bytes shall go. A link of our own is refused (Malformed) unless it means a file of it,
        and needs ``download`` there.
        """
        own = self._own.link(link)
        if own is None:
            self._fetcher.check(link)
            return
        await self._own_file(principal, own, project)

    @asynccontextmanager
    async def open(
        self, principal: Principal, link: str, project: Project | None, *, limit: int | None = None
    ) -> AsyncGenerator[Incoming]:
        """Give what a link leads to; everything is checked again. See ``ports.fetch.Fetcher.open``."""
        own = self._own.link(link)
        if own is None:
            async with self._fetcher.open(link, limit=limit) as incoming:
                yield incoming
            return
        file, place = await self._own_file(principal, own, project)
        if limit is not None and (file.size or 0) > limit:
            raise TooLarge(f"The file {file.name} has {file.size:,} bytes; at most {limit:,} are taken.")
        yield Incoming(file.name, file.size, file.media_type, await self._files.open(principal, place, file))

    async def read(self, principal: Principal, link: str, project: Project | None, *, limit: int) -> bytes:
        """Return all that a link leads to, at most ``limit`` bytes."""
        async with self.open(principal, link, project, limit=limit) as incoming:
            return b"".join([chunk async for chunk in incoming.chunks])

    async def _own_file(self, principal: Principal, own: OwnLink, project: Project | None) -> tuple[File, Project]:
        refusal = Malformed(
            "A link that leads into this commons must mean a file of the study that it is imported into. "
            "Move or copy the file there, or send it as an upload."
        )
        if project is None:
            raise refusal
        async with self._database.read() as unit:
            file = None
            if own.key is not None:
                file = await self._jobs.file_of_blob(unit, project.seq, own.key)
            elif own.seq is not None or own.uuid is not None:
                file = await self._store.find(unit, project=project.seq, seq=own.seq, uuid=own.uuid)
            if file is None:
                raise refusal
            await self._guard.require(unit, principal, Right.DOWNLOAD, project=project)
            await self._files.check_bytes(unit, project, file)
        return file, project


def name_in(link: str, announced: str | None = None) -> str:
    """Return the name of the file behind a link: the last part of its path, if that looks like one or nothing better
    was ``announced``; ``file`` without either.
    """
    parts = [name for part in urlsplit(link).path.split("/") if (name := _plain(unquote(part, errors="replace")))]
    last = parts[-1] if parts else ""
    if "." in last.strip("."):
        return last
    return _plain((announced or "").replace("\\", "/").rpartition("/")[2]) or last or "file"


def _plain(text: str) -> str:
    name = "".join(c if c.isprintable() and c != "/" else "_" for c in text).strip()
    return "" if name in (".", "..") else name
