"""The metadata service: JSON documents by GUID, with aliases, searched by value.

Whose a document is (docs/faces/gen3.md): where a file has the uuid that its GUID is or ends with, it belongs to the
file's project; other documents belong to the site. Reading needs ``read`` on the project; the site's documents are
for everybody, and one whose GUID ends with a uuid is for whoever knows that GUID. Writing needs ``update`` on the
project, or a site admin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from commensal.core.metadata_documents import (
    MOST,
    BatchResult,
    DocumentFilter,
    check_alias,
    check_document,
    check_guid,
    check_index_path,
    check_size,
    object_of,
    unique,
)
from commensal.core.permissions import Right, Scope
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import AlreadyExists, Invalid, Malformed, NotFound, TooLarge
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.catalog import ProjectStore
from commensal.storage.ports.metadata_documents import (
    DocumentPlace,
    MetadataDocumentStore,
    NewDocument,
    StoredDocument,
)

__all__ = ["FoundDocuments", "MetadataDocuments"]

#: Documents that one batch takes.
BATCH = 10_000
ALIASES = 1_000
#: Bytes of documents that are read at once.
_PIECE = 8_000_000


class FoundDocuments:
    """What a search found: GUIDs in order, and their documents as a stream of bounded pieces."""

    def __init__(self, database: Database, store: MetadataDocumentStore, found: Sequence[tuple[str, int]]) -> None:
        self._database = database
        self._store = store
        self._found = found
        self.guids = [guid for guid, _ in found]

    def _pieces(self) -> Iterator[list[str]]:
        piece: list[str] = []
        room = _PIECE
        for guid, size in self._found:
            if piece and size > room:
                yield piece
                piece, room = [], _PIECE
            piece.append(guid)
            room -= size
        if piece:
            yield piece

    async def documents(self) -> AsyncIterator[list[tuple[str, str]]]:
        """Yield (GUID, JSON text) in order; what was deleted meanwhile is left out."""
        for piece in self._pieces():
            async with self._database.read() as unit:
                texts = await self._store.texts(unit, piece)
            yield texts


class MetadataDocuments:
    """Documents under the rules of this module's first lines."""

    def __init__(
        self,
        *,
        database: Database,
        store: MetadataDocumentStore,
        projects: ProjectStore,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._projects = projects
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- reading ----------------------------------------------------------------------------------

    async def get(self, principal: Principal, name: str) -> str:
        """Return the JSON of a document by GUID or alias.

        Raises NotFound, also for what the caller may not read; Unauthenticated for callers without an account where
        there is no anonymous access, whether it exists or not.
        """
        return (await self._read(principal, name)).text

    async def aliases(self, principal: Principal, name: str) -> tuple[str, list[str]]:
        """Return a document's GUID and aliases in order. Raises as ``get``."""
        found = await self._read(principal, name)
        async with self._database.read() as unit:
            return found.guid, await self._store.aliases(unit, found.guid)

    async def _read(self, principal: Principal, name: str) -> StoredDocument:
        async with self._database.read() as unit:
            scope = await self._scope(unit, principal)
            found = await self._store.find(unit, name) if name.isprintable() else None
            if found is None or not _readable(found, name, scope):
                if scope is None:
                    await self._guard.access(unit, principal)  # refuses: what is there is not told
                raise NotFound(f"Not found: {name[:300]}")
        await self._audit.read(principal, "metadata.read", project=found.project, target=found.guid)
        return found

    async def _scope(self, unit: Unit, principal: Principal) -> Scope | None:
        """Return where the caller may read; None for callers whom the site does not let in without a full GUID."""
        if not principal.signed_in and not self._guard.anonymous:
            return None
        return await self._guard.scope(unit, principal, Right.READ)

    async def search(
        self, principal: Principal, filters: Sequence[DocumentFilter], *, limit: int = 10, offset: int = 0
    ) -> FoundDocuments:
        """Return the documents that match all filters, among those the caller may read, in order of GUID.

        At most ``MOST`` of them. Raises Unauthenticated where there is no anonymous access.
        """
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found = await self._store.search(
                unit, scope, filters, site=_sees_site(scope), limit=min(limit, MOST), offset=offset
            )
        await self._audit.read(principal, "metadata.list", n=len(found))
        return FoundDocuments(self._database, self._store, found)

    # --- writing ----------------------------------------------------------------------------------

    async def put_many(
        self, principal: Principal, documents: Sequence[tuple[str, Any]], *, overwrite: bool = True
    ) -> BatchResult:
        """Write (GUID, document) pairs in one transaction; of a repeated GUID the last one counts.

        Without ``overwrite``, documents that exist stay and are told as conflicts. Raises Invalid and TooLarge for a
        bad document, Forbidden when one of them may not be written: nothing is written then.
        """
        if len(documents) > BATCH:
            raise TooLarge(f"A batch takes at most {BATCH:,} documents; send several.")
        texts: dict[str, str] = {}
        bad: list[str] = []
        for guid, data in documents:
            try:
                check_guid(guid)
            except Invalid:
                bad.append(guid)
                continue
            try:
                texts[guid] = check_document(data)
            except (Invalid, Malformed, TooLarge) as error:
                raise type(error)(
                    f"Nothing was written. The document of {guid!r}: {error.message}", field="data"
                ) from None
        async with self._database.begin() as unit:
            places = await self._writable(unit, principal, list(texts))
            made = await self._put(unit, principal, places, texts, overwrite=overwrite)
            if made:
                await self._write_audit(unit, principal, "metadata.put", [places[guid] for guid in made])
        return BatchResult(
            created=[guid for guid in texts if made.get(guid) is True],
            updated=[guid for guid in texts if made.get(guid) is False],
            conflict=[guid for guid in texts if guid not in made],
            bad_input=unique(bad),
        )

    async def put(self, principal: Principal, guid: str, data: Any, *, overwrite: bool = False) -> tuple[str, bool]:
        """Write a document; return its JSON and whether it is new. Raises AlreadyExists without ``overwrite``."""
        text = check_document(data)
        check_guid(guid)
        async with self._database.begin() as unit:
            places = await self._writable(unit, principal, [guid])
            made = await self._put(unit, principal, places, {guid: text}, overwrite=overwrite)
            if not made:
                raise AlreadyExists(f"Conflict: {guid}")
            await self._write_audit(unit, principal, "metadata.put", list(places.values()))
            stored = await self._store.texts(unit, [guid])
        return stored[0][1], made[guid]

    async def add_of_object(self, unit: Unit, principal: Principal, guid: str, data: Mapping[str, Any]) -> str:
        """Write the first document of an object that the caller has just made in this transaction; return its JSON.

        For services that have asked the guard. Raises AlreadyExists.
        """
        text = check_document(data)
        places = {place.guid: place for place in await self._store.places(unit, [check_guid(guid)])}
        if not await self._put(unit, principal, places, {guid: text}, overwrite=False):
            raise AlreadyExists(f"Conflict: {guid}")
        return text

    async def update(self, principal: Principal, guid: str, data: Any, *, merge: bool = False) -> str:
        """Replace a document, or (``merge``) its keys at the top that are named; return its JSON. Raises NotFound."""
        text = check_document(data)
        async with self._database.begin() as unit:
            place = await self._existing(unit, principal, guid)
            stored = await self._store.update(unit, guid, text, merge=merge, at=self._now())
            if stored is None:
                raise NotFound(f"Not found: {guid}")
            check_size(len(stored.encode()))
            await self._write_audit(unit, principal, "metadata.update", [place])
        return stored

    async def delete(self, principal: Principal, guid: str) -> str:
        """Remove a document and its aliases; return its JSON. Raises NotFound."""
        async with self._database.begin() as unit:
            place = await self._existing(unit, principal, guid)
            stored = await self._store.delete(unit, guid)
            if stored is None:
                raise NotFound(f"Not found: {guid}")
            await self._write_audit(unit, principal, "metadata.delete", [place])
        return stored

    async def _put(
        self,
        unit: Unit,
        principal: Principal,
        places: Mapping[str, DocumentPlace],
        texts: Mapping[str, str],
        *,
        overwrite: bool,
    ) -> dict[str, bool]:
        if not texts:
            return {}
        rows = [NewDocument(guid, object_of(guid), places[guid].project, text) for guid, text in texts.items()]
        return await self._store.put(unit, rows, overwrite=overwrite, who=principal.user, at=self._now())

    # --- aliases ----------------------------------------------------------------------------------

    async def add_aliases(self, principal: Principal, guid: str, aliases: Sequence[Any]) -> list[str]:
        """Give a document that has none its aliases; return them in order.

        Raises NotFound, AlreadyExists (it has aliases, or one of them is another document's).
        """
        wanted = _checked(aliases)
        async with self._database.begin() as unit:
            place = await self._existing(unit, principal, guid)
            if await self._store.aliases(unit, guid):
                raise AlreadyExists(f"Aliases already exist for {guid}. Use PUT to overwrite.")
            return await self._alias(unit, principal, place, wanted)

    async def set_aliases(
        self, principal: Principal, guid: str, aliases: Sequence[Any], *, merge: bool = False
    ) -> list[str]:
        """Give a document these aliases, and (``merge``) leave it those it has; return all of them in order."""
        wanted = _checked(aliases)
        async with self._database.begin() as unit:
            place = await self._existing(unit, principal, guid)
            before = await self._store.aliases(unit, guid)
            if not merge:
                await self._store.remove_aliases(unit, guid, [alias for alias in before if alias not in wanted])
            return await self._alias(unit, principal, place, unique([*before, *wanted]) if merge else wanted)

    async def _alias(self, unit: Unit, principal: Principal, place: DocumentPlace, wanted: Sequence[str]) -> list[str]:
        if len(wanted) > ALIASES:
            raise TooLarge(f"A document may have at most {ALIASES:,} aliases.")
        # A name that ends with the uuid of another file would speak of that one.
        named = [alias for alias in wanted if object_of(alias) not in (None, object_of(place.guid))]
        for other in await self._store.places(unit, named) if named else ():
            if other.project is not None and other.project != place.project:
                raise Invalid(f"The alias {other.guid!r} is the GUID of a file of another project.", field="aliases")
        taken = await self._store.add_aliases(unit, place.guid, wanted)
        if taken:
            raise AlreadyExists(f"Alias: '{taken[0]}' is already in use by a different GUID.", field="aliases")
        await self._write_audit(unit, principal, "metadata.alias", [place])
        return sorted(wanted)

    async def delete_aliases(self, principal: Principal, guid: str, alias: str | None = None) -> None:
        """Take one alias, or all, from a document. Raises NotFound when there is none to take."""
        async with self._database.begin() as unit:
            place = await self._existing(unit, principal, guid)
            if not await self._store.remove_aliases(unit, guid, None if alias is None else [alias]):
                raise NotFound(
                    f"No aliases found for: {guid}"
                    if alias is None
                    else f"Alias: '{alias}' for GUID: '{guid}' not found."
                )
            await self._write_audit(unit, principal, "metadata.alias", [place])

    # --- listed paths -----------------------------------------------------------------------------

    async def index_paths(self, principal: Principal) -> list[str]:
        """Return the paths that were listed as indexed (every path is). Site admins only."""
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal, "metadata.index")
            return await self._store.index_paths(unit)

    async def add_index_path(self, principal: Principal, path: str) -> str:
        """List a path of keys (``a.b``). Raises AlreadyExists. Site admins only."""
        check_index_path(path)
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "metadata.index")
            if not await self._store.add_index_path(unit, path, self._now()):
                raise AlreadyExists(f"Conflict: {path}")
            await self._audit.write(unit, principal, "metadata.index", target=path)
        return path

    async def delete_index_path(self, principal: Principal, path: str) -> None:
        """Take a path from the list. Raises NotFound. Site admins only."""
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "metadata.index")
            if not path.isprintable() or not await self._store.remove_index_path(unit, path):
                raise NotFound(f"Not found: {path[:300]}")
            await self._audit.write(unit, principal, "metadata.index", target=path, result="removed")

    # --- whose it is ------------------------------------------------------------------------------

    async def _existing(self, unit: Unit, principal: Principal, guid: str) -> DocumentPlace:
        """Return the place of a document that the caller may write. Raises NotFound once it is known that he may."""
        if not guid.isprintable():
            raise NotFound("Not found: no GUID holds control characters.")
        place = (await self._writable(unit, principal, [guid]))[guid]
        if not place.exists:
            raise NotFound(f"Not found: {guid[:300]}")
        return place

    async def _writable(self, unit: Unit, principal: Principal, guids: Sequence[str]) -> dict[str, DocumentPlace]:
        """Return the places of documents, each of which the caller may write; else refuse."""
        if not principal.signed_in:
            await self._guard.require_signed_in(unit, principal, "metadata.put")
        places = await self._store.places(unit, guids)
        numbers = sorted({place.project for place in places if place.project is not None})
        projects: list[Project] = await self._projects.many(unit, numbers) if numbers else []
        for project in projects:
            await self._guard.require(unit, principal, Right.UPDATE, project=project)
        if len(projects) < len(numbers) or any(place.project is None for place in places):
            await self._guard.require_site_admin(unit, principal, "metadata.put")
        return {place.guid: place for place in places}

    async def _write_audit(
        self, unit: Unit, principal: Principal, action: str, places: Sequence[DocumentPlace]
    ) -> None:
        projects = sorted({place.project for place in places if place.project is not None})
        single = projects[0] if len(projects) == 1 and all(place.project is not None for place in places) else None
        await self._audit.write(
            unit,
            principal,
            action,
            project=single,
            target=places[0].guid if len(places) == 1 else "",
            n=len(places),
            details=None if single is not None or not projects else {"projects": projects[:1_000]},
        )


def _sees_site(scope: Scope) -> bool:
    """Whether a caller sees the site's own documents: all that come here, unless the credential is a program's."""
    return scope.only_program is None


def _readable(document: StoredDocument, name: str, scope: Scope | None) -> bool:
    """Tell whether who asks for a document by this name may read it; aliases can be guessed, GUIDs cannot."""
    if document.project is None:
        if scope is None:
            return name == document.guid and object_of(name) is not None
        return _sees_site(scope)
    if scope is None or document.program is None or document.public_level is None:
        return False
    if document.private:
        scope = scope.granted
    return scope.covers(program=document.program, project=document.project, public_level=document.public_level)


def _checked(aliases: Sequence[Any]) -> list[str]:
    if len(aliases) > ALIASES:
        raise TooLarge(f"At most {ALIASES:,} aliases are taken at once.")
    return unique([check_alias(alias) for alias in aliases])
