"""Tags: words that samples, projects, collections and other tags carry, each with a text of its own there.

A tag is a catalog object of the site of the kind ``tag``. Anybody who is signed in may put a tag on what he may read;
who sees it there is decided by who may read the thing.
"""

from __future__ import annotations

from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.lineage import Lineage, kinds_of
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import CatalogObject
from commensal.errors import Invalid
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.tags import TagStore

__all__ = ["TAG", "Tags"]

#: Kind of the catalog objects that are tags.
TAG = "tag"
_PAYLOAD = 100_000


class Tags:
    """See the module.

    Tags and things come from the catalog and from ``Lineages``, which have checked that they may be read.
    """

    def __init__(
        self, *, database: Database, store: TagStore, dictionaries: Dictionaries, guard: Guard, audit: Audit
    ) -> None:
        self._database = database
        self._store = store
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit

    async def put(self, principal: Principal, tag: CatalogObject, thing: Lineage | CatalogObject, payload: str) -> None:
        """Put a tag on a sample, project, collection or tag that this caller has read; again: with another payload."""
        if len(payload) > _PAYLOAD or "\0" in payload:
            raise Invalid(f"A payload has at most {_PAYLOAD:,} characters, none of them U+0000.", field="payload")
        project = None
        if isinstance(thing, Lineage):
            project = thing.place
            target = thing.place.seq if thing.sample is None else thing.sample.seq
        else:
            target = thing.seq
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "tag.put")
            if project is not None:
                await self._guard.require(unit, principal, Right.READ, project=project)
            await self._store.put(unit, tag.seq, target, payload, principal.user)
            await self._audit.write(
                unit, principal, "tag.put", project=project, target=tag.name, details={"target": target}
            )

    async def of(
        self, principal: Principal, thing: Lineage | CatalogObject, *, offset: int, limit: int
    ) -> ItemPage[CatalogObject]:
        """Return a page of the tags that a thing which this caller has read carries."""
        async with self._database.read() as unit:
            if isinstance(thing, Lineage):
                await self._guard.require(unit, principal, Right.READ, project=thing.place)
                target = thing.place.seq if thing.sample is None else thing.sample.seq
            else:
                await self._guard.require_signed_in(unit, principal, "tag.list")
                target = thing.seq
            found, total = await self._store.tags_of(unit, target, offset=offset, limit=limit)
        return ItemPage(tuple(found), total, offset, limit)

    async def carrying(
        self, principal: Principal, tag: CatalogObject, *, offset: int, limit: int
    ) -> ItemPage[CatalogObject]:
        """Return a page of the tags that carry a tag."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "tag.list")
            found, total = await self._store.tags_with(unit, tag.seq, offset=offset, limit=limit)
        return ItemPage(tuple(found), total, offset, limit)

    async def random_samples(self, principal: Principal, tag: CatalogObject, n: int) -> list[UUID]:
        """Return the uuids of at most ``n`` samples that carry a tag and that the caller may read, by chance."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            kinds = kinds_of((await self._dictionaries.current(unit)).dictionary)
            return list(await self._store.random_samples(unit, kinds, scope, tag.seq, n))

    async def module_counts(
        self, principal: Principal, tag: CatalogObject, *, of_samples: bool
    ) -> tuple[int, dict[str, int]]:
        """Return how many readable samples (or projects) carry a tag, and how many have results, by module."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            granted = await self._guard.scope(unit, principal, Right.READ, by_grant_only=True)
            kinds = kinds_of((await self._dictionaries.current(unit)).dictionary)
            return await self._store.module_counts(unit, kinds, scope, granted, tag.seq, of_samples=of_samples)
