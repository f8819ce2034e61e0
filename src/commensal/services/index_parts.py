"""What all parts of the index service share: who sees what of a record, and where a record may stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from commensal.core.index import OPEN, IndexRecord, authz_place, parse_did, rev_of
from commensal.core.own_links import OwnPlaces
from commensal.core.permissions import Access, PublicLevel, Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import Conflict, Invalid, NotFound
from commensal.services.audit import Audit, is_site_admin
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.deletion import DeletionStore
from commensal.storage.ports.index import IndexStore

__all__ = ["DOWNLOAD_PATH", "Addresses", "IndexParts", "no_record", "restricted"]

#: Where the address of bytes of ours begins; the did follows.
DOWNLOAD_PATH = "/user/data/download/"
#: What an address of this server leads to that means no file.
_NOTHING = "/"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that a record of a project shall have; ``known`` were checked before."""

    project: Project
    did: str
    urls: Sequence[str]
    known: Sequence[str] = ()


def no_record() -> NotFound:
    """Return the error for a did or alias that nothing has, or nothing that the caller may know of."""
    return NotFound("no record found")


def restricted(record: IndexRecord, *, located: bool = False) -> IndexRecord:
    """Return a record as those see it who lack ``read``; ``located``: with addresses, as they may download."""
    return replace(
        record,
        uploader=None,
        urls=record.urls if located else (),
        urls_metadata=record.urls_metadata if located else {},
        rev=rev_of(record.file, full=False),
        full=False,
        located=located,
    )


class IndexParts:
    """See the module. ``own``, and ``places`` for other schemes than http, tell which addresses are of this server."""

    def __init__(
        self,
        *,
        database: Database,
        store: IndexStore,
        deletions: DeletionStore,
        catalog: Catalog,
        guard: Guard,
        audit: Audit,
        own: OwnPlaces | None = None,
        places: Sequence[str] = (),
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._deletions = deletions
        self._catalog = catalog
        self._guard = guard
        self._audit = audit
        self._own_links = own or OwnPlaces()
        self._own_places = tuple(places)
        self._now = now

    # --- who sees what

    async def _access(self, unit: Unit, principal: Principal) -> Access:
        """Return what a caller holds; nothing, instead of a refusal, for those without an account."""
        if not principal.signed_in and not self._guard.anonymous:
            self._audit.unknown_caller(principal.address, principal.door)
            return Access()
        return await self._guard.access(unit, principal)

    @staticmethod
    def _reads(access: Access, project: Project) -> bool:
        held = access.rights(program=project.program, project=project.seq, public_level=int(project.public_level))
        return bool(held & Right.READ)

    @staticmethod
    def _hidden(access: Access, record: IndexRecord) -> bool:
        """Tell whether a record belongs to a private result, which this caller has no grant to see."""
        if not record.file.private:
            return False
        return not access.granted(program=record.project.program, project=record.project.seq) & Right.READ

    async def _holds_patients(self, unit: Unit, project: Project) -> bool:
        """Tell whether a project holds what forbids to make it public."""
        try:
            for check in self._catalog.public_checks:
                await check(unit, project, PublicLevel.READ)
        except Invalid:
            return True
        return False

    async def _shown(self, unit: Unit, access: Access, record: IndexRecord) -> IndexRecord:
        """Return a record asked for by its GUID, as much of it as the caller may see. Raises NotFound."""
        if self._hidden(access, record):
            raise no_record()
        if self._reads(access, record.project):
            return record
        if await self._holds_patients(unit, record.project):
            raise no_record()
        return restricted(record, located=self._opened(access, record))

    @staticmethod
    def _opened(access: Access, record: IndexRecord) -> bool:
        """Tell whether a record lets a caller download who may not read its project."""
        if not record.public or IndexParts._hidden(access, record):
            return False
        return access.public and access.only_program in (None, record.project.program)

    async def _found(self, unit: Unit, did: str, *, lock: bool = False) -> IndexRecord:
        """Return the whole record of a did. Raises NotFound."""
        parsed = parse_did(did)
        record = None if parsed is None else await self._store.get(unit, parsed[1], lock=lock)
        if parsed is None or record is None or (parsed[0] and did != record.did):
            raise no_record()
        return record

    async def _required(
        self, unit: Unit, principal: Principal, did: str, right: Right, *, lock: bool = False
    ) -> IndexRecord:
        """Return the whole record of a did on which the caller holds a right; else refuse.

        Raises NotFound also to those who may not know that there is such a record.
        """
        record = await self._found(unit, did, lock=lock)
        access = await self._guard.access(unit, principal)
        project = record.project
        held = access.rights(program=project.program, project=project.seq, public_level=int(project.public_level))
        hidden = self._hidden(access, record)
        if not held & right and (hidden or (not held & Right.READ and await self._holds_patients(unit, project))):
            await self._guard.refused(principal, right.word, project=project)
            raise no_record()
        await self._guard.require(unit, principal, right, project=project)
        return record

    @staticmethod
    def _seen_whole(record: IndexRecord, rev: str | None) -> bool:
        """Tell whether who sends this revision saw the whole record. Raises Conflict for any other revision."""
        if rev is None or rev == record.rev:
            return True
        if rev != rev_of(record.file, full=False):
            raise Conflict("revision mismatch")
        return False

    # --- where a record may stand

    async def _places(self, unit: Unit, paths: Iterable[str]) -> dict[str, Project]:
        """Return the projects that these paths name, by path; they cannot be deleted before this unit ends."""
        named = {path: place for path in paths if (place := authz_place(path)) is not None}
        if not named:
            return {}
        pairs = {(place.program, place.project) for place in named.values()}
        found = await self._store.projects(unit, sorted(pairs), lock=True)
        by_codes = {(project.program_code, project.code): project for project in found}
        return {
            path: by_codes[place.program, place.project]
            for path, place in named.items()
            if (place.program, place.project) in by_codes
        }

    async def _require_paths(
        self, unit: Unit, principal: Principal, paths: Iterable[str], projects: dict[str, Project], allowed: set[int]
    ) -> None:
        """Refuse who may not create in the projects of these paths, or names paths of no project and is no site admin.

        ``allowed``: projects that were looked at before.
        """
        for path in paths:
            project = projects.get(path)
            if project is not None:
                if project.seq not in allowed:
                    await self._guard.require(unit, principal, Right.CREATE, project=project)
                    allowed.add(project.seq)
            elif path != OPEN:
                await self._guard.require_site_admin(unit, principal, "index.authz")

    async def _require_public(self, unit: Unit, principal: Principal, project: Project) -> None:
        """Refuse who may not open a record of a project to everybody."""
        await self._guard.require(unit, principal, Right.MANAGE, project=project)
        for check in self._catalog.public_checks:
            await check(unit, project, PublicLevel.DOWNLOAD)

    @staticmethod
    def _check_uploader(principal: Principal, uploader: str | None) -> None:
        own = (None, principal.email, str(principal.user))
        if uploader not in own and not is_site_admin(principal):
            raise Invalid("uploader must be your own user name.", field="uploader")

    # --- the own-bytes rule

    async def _checked_urls(self, unit: Unit, given: Sequence[Addresses], base: str = "") -> list[tuple[str, ...]]:
        """Return the addresses of records without those of their own bytes, which are never stored.

        At most two statements. Raises Invalid for one that points at bytes of ours in another project.
        """
        keys: dict[tuple[int, str], tuple[str, Project]] = {}
        dids: dict[tuple[int, UUID], tuple[str, Project]] = {}
        all_kept: list[tuple[str, ...]] = []
        for one in given:
            kept: list[str] = []
            for url in one.urls:
                own = None if url in one.known else self._own(url, base)
                parsed = None if own is None else parse_did(own)
                if own is not None and (own == one.did or (parsed is not None and str(parsed[1]) == one.did[-36:])):
                    continue
                kept.append(url)
                if parsed is not None:
                    dids[one.project.seq, parsed[1]] = url, one.project
                elif own is not None:
                    keys[one.project.seq, own] = url, one.project
            all_kept.append(tuple(kept))
        good: set[object] = set(await self._store.blobs_in(unit, list(keys))) if keys else set()
        if dids:
            good |= await self._store.dids_in(unit, list(dids))
        for place, (url, project) in {**keys, **dids}.items():
            if place not in good:
                raise Invalid(
                    f"The address {url[:200]!r} points into this server's own store, at nothing of project "
                    f"{project.project_id}.",
                    field="urls",
                )
        return all_kept

    def own_address(self, url: str) -> str | None:
        """Return the did, or the key of the store, that an address of this server leads to; None for foreign ones."""
        return self._own(url, "")

    def _own(self, url: str, base: str) -> str | None:
        """Return the did, the accession or the key of the store that an address of ours leads to.

        None for foreign addresses; "/" for an address of this server that means no file.
        """
        text = url.strip()
        for place in self._own_places:
            if text[: len(place)].lower() == place.lower():
                return unquote(text[len(place) :].partition("?")[0]).rpartition("/")[2] or _NOTHING
        if text[:4].lower() == "http":
            try:
                _ = urlsplit(text).port
            except ValueError:
                raise Invalid(f"The address {url[:200]!r} cannot be read.", field="urls") from None
        link = self._own_links.link(text, base)
        if link is None:
            return None
        if link.uuid is not None:
            return str(link.uuid)
        return link.key or (_NOTHING if link.seq is None else f"GSF{link.seq}")

    async def _noted(self, unit: Unit, principal: Principal, action: str, record: IndexRecord, **more: Any) -> None:
        await self._audit.write(unit, principal, action, project=record.project, target=record.did, **more)
