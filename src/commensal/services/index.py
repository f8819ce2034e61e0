"""The Gen3 index: every file as a record with GUID, hashes, addresses and authz paths (contracts/gen3.md 7).

A record can be seen by whoever knows its GUID, without addresses and uploader by those who lack ``read``; lists,
aliases, and searches by hash or address show what the caller may read, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commensal.core import index as rules
from commensal.core.ids import is_uuid
from commensal.core.index import IndexRecord, NewIndexRecord
from commensal.core.index_query import IndexQuery, UrlQuery
from commensal.core.names import split_project_id
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import AlreadyExists, Invalid, NotFound, TooLarge
from commensal.services.index_parts import DOWNLOAD_PATH, no_record, restricted
from commensal.services.index_writes import IndexChanges, IndexWrites
from commensal.storage.ports import Unit

__all__ = ["Index", "IndexChanges", "IndexQuery", "IndexRecord", "NewIndexRecord", "UrlQuery"]

#: Most records that one question names.
MOST = 20_000
ALIAS_LENGTH = 512
#: Most aliases of one record.
ALIASES = 1_000
_UUID_LENGTH = 36


class Index(IndexWrites):
    """Built with keyword arguments (see ``index_parts.IndexParts``)."""

    # --- one record

    async def get(self, principal: Principal, did_or_alias: str) -> IndexRecord:
        """Return a record by its GUID, or by an alias where the caller may read it. Raises NotFound.

        One statement, for an alias three. Needs no account: see the module.
        """
        async with self._database.read() as unit:
            access = await self._access(unit, principal)
            try:
                record = await self._shown(unit, access, await self._found(unit, did_or_alias))
            except NotFound:  # an alias may look like a GUID with a prefix
                found = await self._by_alias(unit, did_or_alias)
                if found is None or not self._reads(access, found.project) or self._hidden(access, found):
                    raise
                record = found
        await self._audit.read(principal, "index.read", project=record.project, target=record.did)
        return record

    async def by_guid(self, principal: Principal, did: str) -> IndexRecord:
        """Return a record by its GUID only, as ``get`` does."""
        async with self._database.read() as unit:
            access = await self._access(unit, principal)
            record = await self._shown(unit, access, await self._found(unit, did))
        await self._audit.read(principal, "index.read", project=record.project, target=record.did)
        return record

    async def _by_alias(self, unit: Unit, alias: str) -> IndexRecord | None:
        if len(alias) > ALIAS_LENGTH or "\0" in alias:
            return None
        uuid = await self._store.by_alias(unit, alias)
        return None if uuid is None else await self._store.get(unit, uuid)

    # --- many records

    async def many(self, principal: Principal, dids: Sequence[str]) -> list[IndexRecord]:
        """Return those of these records that the caller may read, each once, in the order asked; two statements.

        Records that are open to everybody are among them, without what needs ``read``.
        """
        if len(dids) > MOST:
            raise TooLarge(f"Ask for at most {MOST:,} records at a time.")
        wanted = {did: parsed[1] for did in dids if (parsed := rules.parse_did(did)) is not None}
        async with self._database.read() as unit:
            access = await self._access(unit, principal)
            rows = await self._store.by_dids(unit, list(wanted.values())) if wanted else []
            rows = [row for row in rows if not self._hidden(access, row)]
            projects = {row.project.seq: row.project for row in rows}
            readable = {seq for seq, project in projects.items() if self._reads(access, project)}
            by_uuid = {row.file.uuid: row for row in rows if row.project.seq in readable}
            opened = [row for row in rows if row.project.seq not in readable and self._opened(access, row)]
            for project in {row.project.seq: row.project for row in opened}.values():
                if not await self._holds_patients(unit, project):
                    mine = [row for row in opened if row.project.seq == project.seq]
                    by_uuid |= {row.file.uuid: restricted(row, located=True) for row in mine}
        found: dict[str, IndexRecord] = {}
        for did, uuid in wanted.items():
            record = by_uuid.get(uuid)
            if record is not None and (len(did) == _UUID_LENGTH or did == record.did):
                found[record.did] = record
        await self._audit.read(principal, "index.list", n=len(found))
        return [*found.values()]

    async def list(self, principal: Principal, query: IndexQuery) -> list[IndexRecord]:
        """Return a page of the records that meet a query, among those the caller may read."""
        async with self._database.read() as unit:
            scope = (await self._access(unit, principal)).scope(Right.READ)
            found = [] if scope.empty else await self._store.find(unit, scope, query)
        await self._audit.read(principal, "index.list", n=len(found))
        return found

    async def urls(self, principal: Principal, query: UrlQuery, *, base: str = "") -> list[tuple[str, list[str]]]:
        """Return (did, addresses) of the records with addresses like these, among those the caller may read.

        ``base`` makes the addresses of bytes of our own.
        """
        async with self._database.read() as unit:
            scope = (await self._access(unit, principal)).scope(Right.READ)
            own = f"{base}{DOWNLOAD_PATH}{{did}}?redirect"
            found = [] if scope.empty else await self._store.urls(unit, scope, query, own)
        await self._audit.read(principal, "index.list", n=len(found))
        return found

    async def stats(self, principal: Principal) -> tuple[int, int]:
        """Return how many records the caller may read, and the sum of their sizes in bytes."""
        async with self._database.read() as unit:
            scope = (await self._access(unit, principal)).scope(Right.READ)
            return (0, 0) if scope.empty else await self._store.totals(unit, scope)

    # --- versions

    async def versions(self, principal: Principal, did: str) -> list[IndexRecord]:
        """Return all versions of a record, oldest first; by the GUID of any of them, or their base's.

        A version in another project than that of the record is shown to those only who may read it there.
        """
        async with self._database.read() as unit:
            access = await self._access(unit, principal)
            found, project = await self._versions(unit, did)
            partly = not self._reads(access, project) and not await self._holds_patients(unit, project)
            shown: list[IndexRecord] = []
            for record in [record for record in found if not self._hidden(access, record)]:
                if self._reads(access, record.project):
                    shown.append(record)
                elif partly and record.project.seq == project.seq:
                    shown.append(restricted(record, located=self._opened(access, record)))
        if not shown:
            raise no_record()
        await self._audit.read(principal, "index.list", n=len(shown))
        return shown

    async def latest(self, principal: Principal, did: str, *, has_version: bool = False) -> IndexRecord:
        """Return the newest version of a record; ``has_version``: the newest that has a version text."""
        found = await self.versions(principal, did)
        fitting = [record for record in found if record.version is not None or not has_version]
        if not fitting:
            raise no_record()
        return fitting[-1]

    async def _versions(self, unit: Unit, did: str) -> tuple[list[IndexRecord], Project]:
        """Return all versions, and the project of the one that is named (of the first, where the base is)."""
        parsed = rules.parse_did(did)
        if parsed is None:
            raise no_record()
        record = await self._store.get(unit, parsed[1])
        base = did if record is None else record.baseid
        found = await self._store.of_base(unit, base)
        if not found:
            raise no_record()
        return found, found[0].project if record is None else record.project

    # --- aliases

    async def aliases(self, principal: Principal, did: str) -> list[str]:
        """Return the aliases of a record; none to those who lack ``read``. Raises NotFound."""
        async with self._database.read() as unit:
            access = await self._access(unit, principal)
            record = await self._shown(unit, access, await self._found(unit, did))
            found = await self._store.aliases(unit, record.file.seq) if record.full else []
        await self._audit.read(principal, "index.read", project=record.project, target=record.did)
        return found

    async def add_aliases(self, principal: Principal, did: str, aliases: Sequence[str]) -> list[str]:
        """Give a record more aliases; needs ``update``. Raises AlreadyExists for one that is taken, Invalid."""
        return await self._set_aliases(principal, did, aliases, clear=False)

    async def set_aliases(self, principal: Principal, did: str, aliases: Sequence[str]) -> list[str]:
        """Give a record these aliases and no others; needs ``update``."""
        return await self._set_aliases(principal, did, aliases, clear=True)

    async def _set_aliases(self, principal: Principal, did: str, aliases: Sequence[str], *, clear: bool) -> list[str]:
        async with self._database.begin() as unit:
            record = await self._required(unit, principal, did, Right.UPDATE, lock=True)
            _check_aliases(aliases)
            await self.require_alias_places(unit, principal, record, aliases)
            if clear:
                await self._store.remove_aliases(unit, record.file.seq, None)
            elif taken := set(await self._store.aliases(unit, record.file.seq)).intersection(aliases):
                raise AlreadyExists(f"The record has the alias {min(taken)!r} already.", field="aliases")
            await self._give_aliases(unit, [(alias, record.file.uuid) for alias in aliases])
            await self._noted(unit, principal, "index.alias", record, n=len(aliases))
            given = await self._store.aliases(unit, record.file.seq)
            if len(given) > ALIASES:
                raise TooLarge(f"A record has at most {ALIASES:,} aliases.", field="aliases")
            return given

    async def require_alias_places(
        self, unit: Unit, principal: Principal, record: IndexRecord, aliases: Sequence[str]
    ) -> None:
        """Refuse aliases that speak of another project (``<project id>/…``) to those who may not change that one."""
        heads = {head for alias in aliases for head, slash, _ in [alias.partition("/")] if slash and "-" in head}
        pairs = sorted({pair for head in heads if (pair := split_project_id(head)) is not None})
        for project in await self._store.projects(unit, pairs) if pairs else ():
            if project.seq != record.project.seq:
                await self._guard.require(unit, principal, Right.UPDATE, project=project)

    async def _give_aliases(self, unit: Unit, pairs: Sequence[tuple[str, UUID]]) -> None:
        given = await self._store.add_aliases(unit, pairs, now=self._now())
        for alias, uuid in pairs:
            if given.get(alias) != uuid:
                raise AlreadyExists(f"The alias {alias!r} is taken.", field="aliases")

    async def remove_aliases(self, principal: Principal, did: str, alias: str | None = None) -> None:
        """Take one alias of a record away, or all; needs ``update``. Raises NotFound for an alias it does not have."""
        async with self._database.begin() as unit:
            record = await self._required(unit, principal, did, Right.UPDATE, lock=True)
            gone = await self._store.remove_aliases(unit, record.file.seq, None if alias is None else [alias])
            if alias is not None and not gone:
                raise NotFound(f"The record has no alias {alias[:200]!r}.")
            await self._noted(unit, principal, "index.alias", record, n=gone, details={"removed": gone})


def _check_aliases(aliases: Sequence[str]) -> None:
    rules.check_list(aliases, "aliases")
    if len(set(aliases)) != len(aliases):
        raise Invalid("An alias stands twice in the list.", field="aliases")
    for alias in aliases:
        rules.check_text(alias, "aliases", most=ALIAS_LENGTH)
        if is_uuid(alias):
            raise Invalid(f"The alias {alias!r} is a GUID, by which it could never be found.", field="aliases")
