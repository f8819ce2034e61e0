"""Catalog objects: what belongs to a program or to the site and is no record (panels, templates, pipelines, …)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.core import names
from commensal.core.catalog import ItemPage, ObjectVersion
from commensal.core.ids import uuid7
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import CatalogObject, Program
from commensal.errors import AlreadyExists, Invalid, NotFound, StateConflict
from commensal.services.audit import is_site_admin
from commensal.services.catalog_parts import CatalogParts, checked_properties
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import Ref

__all__ = ["CatalogObjects"]


class CatalogObjects(CatalogParts):
    """The part of the catalog that keeps catalog objects and their versions.

    Read: who may read anything in the program; those of the site: every token holder. Write:
    ``update`` on the program; those of the site: their maker or a site admin.
    """

    async def put_object(
        self,
        principal: Principal,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        *,
        program: Ref | Program | None = None,
        ref: Ref | None = None,
        version: int | None = None,
        create_only: bool = False,
    ) -> CatalogObject:
        """Make an object, or write the next version of it.

        It is found by ``ref`` (then ``name`` may rename it), else by program, kind and name (any
        case). Raises StateConflict when ``version`` is given and is not the one that is stored
        (0: it must not exist yet), AlreadyExists when the name is taken and ``create_only`` is set.
        """
        _check_name(kind, "kind")
        _check_name(name, "name")
        kept = checked_properties(body)
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "object.put")
            found = await self._before(unit, principal, kind, name, program, ref)
            if found is None:
                owner = None if program is None else (await self._owner(unit, program)).seq
                if owner is not None:
                    await self._guard.require(unit, principal, Right.UPDATE, program=owner)
                elif principal.only_program is not None:
                    raise await self._guard.refused(
                        principal, "object.put", sentence="This key is limited to its program; name the program."
                    )
                if version:
                    raise StateConflict(f"The {kind} {name!r} does not exist; version {version} was expected.")
                stored = await self._objects.add(
                    unit, uuid=_new_uuid(self._now()), program=owner, kind=kind, name=name,
                    name_folded=names.fold(name), body=kept, made_by=principal.user, at=self._now(),
                )  # fmt: skip
            else:
                await self._require_write(unit, principal, found)
                if create_only:
                    raise AlreadyExists(f"A {kind} with the name {found.name!r} already exists.", field="name")
                if version is not None and version != found.version:
                    raise StateConflict(
                        f"The {found.kind} {found.name!r} is in version {found.version}, not {version}: "
                        "read it again and repeat the change."
                    )
                stored = await self._objects.update(
                    unit, found.seq, name=name, name_folded=names.fold(name), body=kept, who=principal.user,
                    at=self._now(),
                )  # fmt: skip
            if stored is None:
                raise AlreadyExists(f"A {kind} with the name {name!r} already exists.", field="name")
            await self._audit.write(
                unit, principal, "object.put", program=stored.program, target=f"{kind}/{name}",
                details={"seq": stored.seq, "version": stored.version},
            )  # fmt: skip
        return stored

    async def _before(
        self, unit: Unit, principal: Principal, kind: str, name: str, program: Ref | Program | None, ref: Ref | None
    ) -> CatalogObject | None:
        if ref is not None:
            found = await self._objects.find(unit, ref, lock=True)
            if found is None or found.kind != kind:
                raise NotFound(f"There is no {kind} {str(ref)[:80]!r}.")
            return found
        owner = None if program is None else (await self._owner(unit, program)).seq
        return await self._objects.named(unit, owner, kind, names.fold(name), lock=True)

    async def _owner(self, unit: Unit, program: Ref | Program) -> Program:
        return program if isinstance(program, Program) else await self.find_program(unit, program)

    async def _require_write(self, unit: Unit, principal: Principal, thing: CatalogObject) -> None:
        if thing.program is not None:
            await self._guard.require(unit, principal, Right.UPDATE, program=thing.program)
        elif not is_site_admin(principal) and (
            principal.user is None or principal.user != thing.made_by or principal.only_program is not None
        ):
            raise await self._guard.refused(
                principal, "object.put", sentence=f"Only its maker and site admins may change this {thing.kind}."
            )

    async def _require_read(self, unit: Unit, principal: Principal, thing: CatalogObject) -> None:
        scope = await self._guard.scope(unit, principal, Right.READ)
        if thing.program is None:
            await self._guard.require_signed_in(unit, principal, "object.read")
        elif not await self._objects.program_readable(unit, thing.program, scope):
            raise await self._guard.refused(
                principal, "object.read", program=thing.program,
                sentence=f"You may read nothing in the program of this {thing.kind}.",
            )  # fmt: skip

    async def get_object(self, principal: Principal, ref: Ref, *, kind: str | None = None) -> CatalogObject:
        """Return an object by uuid or number, of this kind where one is named."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._objects.find(unit, ref)
            if found is None or kind not in (None, found.kind):
                raise NotFound(f"There is no {kind or 'catalog object'} {str(ref)[:80]!r}.")
            await self._require_read(unit, principal, found)
        await self._audit.read(principal, "object.read", program=found.program, target=f"{found.kind}/{found.name}")
        return found

    async def named_object(
        self, principal: Principal, kind: str, name: str, *, program: Ref | Program | None = None
    ) -> CatalogObject:
        """Return an object of a program, or of the site, by kind and name (any case)."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            owner = None if program is None else (await self._owner(unit, program)).seq
            clean = "\0" not in kind + name
            found = await self._objects.named(unit, owner, kind, names.fold(name)) if clean else None
            if found is None:
                raise NotFound(f"There is no {kind[:80]} {name[:80]!r}.")
            await self._require_read(unit, principal, found)
        await self._audit.read(principal, "object.read", program=found.program, target=f"{kind}/{found.name}")
        return found

    async def list_objects(
        self,
        principal: Principal,
        *,
        kind: str | None = None,
        program: Ref | Program | None = None,
        site: bool = True,
        search: str = "",
        offset: int = 0,
        limit: int = 100,
    ) -> ItemPage[CatalogObject]:
        """Return a page of the objects that the caller may read, by name; ``site`` includes those of the site."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            owner = None if program is None else (await self._owner(unit, program)).seq
            found, total = await self._objects.list(
                unit, scope, site=site and owner is None and principal.signed_in, kind=kind, program=owner,
                search=search, offset=max(0, offset), limit=max(0, min(limit, 10_000)),
            )  # fmt: skip
        await self._audit.read(principal, "object.list", program=owner, target=kind or "", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def objects_by(self, principal: Principal, numbers: Sequence[int]) -> list[CatalogObject]:
        """Return those of these objects (by number) that the caller may read."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            return await self._objects.many(unit, scope, numbers, site=principal.signed_in)

    async def delete_object(self, principal: Principal, ref: Ref, *, version: int | None = None) -> CatalogObject:
        """Remove an object with its versions and return it as it was."""
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "object.delete")
            found = await self._objects.find(unit, ref, lock=True)
            if found is None:
                raise NotFound(f"There is no catalog object {str(ref)[:80]!r}.")
            await self._require_write(unit, principal, found)
            if version is not None and version != found.version:
                raise StateConflict(f"The {found.kind} {found.name!r} is in version {found.version}, not {version}.")
            await self._objects.delete(unit, found.seq)
            await self._audit.write(
                unit, principal, "object.delete", program=found.program, target=f"{found.kind}/{found.name}"
            )
        return found

    async def object_versions(self, principal: Principal, ref: Ref) -> list[ObjectVersion]:
        """Return all versions of an object, newest first."""
        found = await self.get_object(principal, ref)
        async with self._database.read() as unit:
            return await self._objects.versions(unit, found.seq)


def _check_name(text: str, what: str) -> None:
    if not text.strip() or len(text) > names.TITLE_LENGTH or not text.isprintable():
        raise Invalid(
            f"The {what} of a catalog object needs 1 to {names.TITLE_LENGTH} printable characters.", field=what
        )


def _new_uuid(now: datetime) -> UUID:
    return uuid7(int(now.timestamp() * 1000))
