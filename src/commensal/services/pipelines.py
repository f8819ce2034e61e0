"""Pipelines and their modules, which say how analysis results were made.

Both are catalog objects of the site: whoever is signed in reads them, and makes pipelines of his own. A pipeline and
its modules are changed by their maker and by site admins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.pipelines import PIPELINE, PIPELINE_MODULE, PipelineModule, module_key
from commensal.core.principals import Principal
from commensal.core.projects import CatalogObject
from commensal.errors import Invalid, NotEmpty, NotFound
from commensal.services.audit import Audit, is_site_admin
from commensal.services.catalog import Catalog
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.pipelines import ModuleFilter, PipelineStore

__all__ = ["ModuleFilter", "Pipelines"]

_NAME, _VERSION = 200, 60


class Pipelines:
    """See the module."""

    def __init__(
        self, *, database: Database, store: PipelineStore, catalog: Catalog, guard: Guard, audit: Audit
    ) -> None:
        self._database = database
        self._store = store
        self._catalog = catalog
        self._guard = guard
        self._audit = audit

    # --- pipelines --------------------------------------------------------------------------------

    async def page(
        self, principal: Principal, *, uuid: UUID | None = None, name: str | None = None, offset: int, limit: int
    ) -> ItemPage[CatalogObject]:
        """Return a page of the pipelines, in order of making; ``name`` without case."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "object.list")
            found, total = await self._store.pipelines(
                unit, uuid=uuid, name_folded=None if name is None else fold(name), offset=offset, limit=limit
            )
        await self._audit.read(principal, "object.list", target=PIPELINE, n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def pipeline(self, principal: Principal, ref: UUID | str) -> CatalogObject:
        """Return a pipeline by uuid or by name. Raises NotFound."""
        if isinstance(ref, UUID) or is_uuid(ref):
            return await self._catalog.get_object(principal, ref, kind=PIPELINE)
        return await self._catalog.named_object(principal, PIPELINE, ref)

    async def add(self, principal: Principal, name: str, body: Mapping[str, Any]) -> CatalogObject:
        """Make a pipeline; the caller is its maker. Raises AlreadyExists."""
        return await self._catalog.put_object(principal, PIPELINE, name, body, create_only=True)

    async def change(
        self, principal: Principal, pipeline: CatalogObject, name: str | None, changes: Mapping[str, Any]
    ) -> CatalogObject:
        """Change a pipeline that this caller has read; what is not given stays. Raises AlreadyExists, StateConflict."""
        return await self._changed(principal, pipeline, name or pipeline.name, changes)

    async def delete(self, principal: Principal, pipeline: CatalogObject) -> None:
        """Remove a pipeline without modules. Raises NotEmpty for one that has some."""
        page = await self.modules(principal, ModuleFilter(pipeline=pipeline.uuid), offset=0, limit=1)
        if page.total:
            raise NotEmpty("This pipeline has modules: delete them first.")
        await self._catalog.delete_object(principal, pipeline.seq, version=pipeline.version)

    # --- modules ----------------------------------------------------------------------------------

    async def modules(
        self, principal: Principal, only: ModuleFilter, *, offset: int, limit: int
    ) -> ItemPage[PipelineModule]:
        """Return a page of modules, in order of making."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "object.list")
            found, total = await self._store.modules(unit, only, offset=offset, limit=limit)
        await self._audit.read(principal, "object.list", target=PIPELINE_MODULE, n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def modules_by(self, principal: Principal, seqs: Collection[int]) -> list[PipelineModule]:
        """Return the modules with these numbers; none to callers without an account."""
        if not seqs or not principal.signed_in:
            return []
        async with self._database.read() as unit:
            found, _ = await self._store.modules(unit, ModuleFilter(seqs=sorted(seqs)), offset=0, limit=len(seqs))
        return found

    async def module(self, principal: Principal, uuid: UUID) -> PipelineModule:
        """Return a module by uuid. Raises NotFound."""
        page = await self.modules(principal, ModuleFilter(uuid=uuid), offset=0, limit=1)
        if not page.items:
            raise NotFound("There is no such pipeline module.")
        return page.items[0]

    async def module_at(self, principal: Principal, pipeline: UUID, name: str, version: str) -> PipelineModule:
        """Return a module by pipeline, name and version, without case. Raises NotFound."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "object.read")
            clean = "\0" not in name + version
            found = await self._store.module_named(unit, fold(module_key(pipeline, name, version))) if clean else None
            if found is None:
                raise NotFound("There is no such pipeline module.")
        await self._audit.read(principal, "object.read", target=f"{PIPELINE_MODULE}/{found.object.name}")
        return found

    async def add_module(
        self, principal: Principal, pipeline: CatalogObject, name: str, version: str, body: Mapping[str, Any]
    ) -> PipelineModule:
        """Make a module of a pipeline that this caller has read.

        ``body``: description, long_description, metadata, dependencies (uuids of modules as text). Raises Forbidden for
        the pipeline of somebody else, AlreadyExists for a version that is there, Invalid.
        """
        await self._own(principal, pipeline)
        _check(name, version)
        await self._check_needs(principal, body.get("dependencies", ()), None)
        kept = {**body, "name": name, "version": version, "pipeline": str(pipeline.uuid)}
        made = await self._catalog.put_object(
            principal, PIPELINE_MODULE, module_key(pipeline.uuid, name, version), kept, create_only=True
        )
        return await self._again(made)

    async def change_module(
        self, principal: Principal, module: PipelineModule, changes: Mapping[str, Any]
    ) -> PipelineModule:
        """Change a module that this caller has read; ``changes`` as the body of ``add_module``, with name and version.

        What is not given stays.
        """
        name = str(changes.get("name", module.name))
        version = str(changes.get("version", module.version))
        _check(name, version)
        if "dependencies" in changes:
            await self._check_needs(principal, changes["dependencies"], module.object.uuid)
        key = module_key(module.pipeline.uuid, name, version)
        return await self._again(await self._changed(principal, module.object, key, changes))

    async def delete_module(self, principal: Principal, module: PipelineModule) -> None:
        """Remove a module; what needed it needs it no more."""
        await self._catalog.delete_object(principal, module.object.seq)

    # --- helpers ----------------------------------------------------------------------------------

    async def _changed(
        self, principal: Principal, before: CatalogObject, name: str, changes: Mapping[str, Any]
    ) -> CatalogObject:
        return await self._catalog.put_object(
            principal, before.kind, name, {**before.body, **changes}, ref=before.seq, version=before.version
        )

    async def _again(self, made: CatalogObject) -> PipelineModule:
        async with self._database.read() as unit:
            found, _ = await self._store.modules(unit, ModuleFilter(seqs=[made.seq]), offset=0, limit=1)
        if not found:
            raise NotFound("The pipeline of this module was deleted.")
        return found[0]

    async def _own(self, principal: Principal, pipeline: CatalogObject) -> None:
        if is_site_admin(principal):
            return
        if principal.user is None or principal.user != pipeline.made_by or principal.only_program is not None:
            raise await self._guard.refused(
                principal, "object.put", sentence="Only its maker and site admins may add modules to this pipeline."
            )

    async def _check_needs(self, principal: Principal, uuids: Sequence[str], own: UUID | None) -> None:
        """Raise Invalid for a dependency that is no module, or the module itself."""
        wanted = {UUID(uuid) for uuid in uuids}
        if not wanted:
            return
        page = await self.modules(principal, ModuleFilter(uuids=sorted(wanted)), offset=0, limit=len(wanted))
        missing = wanted - {one.object.uuid for one in page.items}
        if own is not None and own in wanted:
            raise Invalid("A module does not depend on itself.", field="dependencies")
        if missing:
            raise Invalid(f'Invalid pk "{min(missing)}" - object does not exist.', field="dependencies")


def _check(name: str, version: str) -> None:
    for text, longest, field in ((name, _NAME, "name"), (version, _VERSION, "version")):
        if not text.strip() or len(text) > longest or not text.isprintable():
            raise Invalid(f"The {field} of a module needs 1 to {longest} printable characters.", field=field)
