"""Buckets of foreign stores in which a program keeps results, and sealed keys to them (contracts/pangea.md b9).

Members of the program (who may change things in all of it) register and see them; a secret is never shown. With the
newest key, addresses of objects are signed here, without a request, for who may download.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from commensal.core.buckets import Bucket, BucketKey, Remote, check_endpoint
from commensal.core.catalog import ItemPage
from commensal.core.ids import uuid7
from commensal.core.permissions import ROLES, Right
from commensal.core.presigning import presigned_get, region_of
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.errors import AlreadyExists, Invalid, NotFound
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.services.sealed import MasterKey
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.buckets import BucketStore

__all__ = ["Buckets"]

_PURPOSE = "bucket keys"
_NAME, _KEY = 255, 1_000
#: Roles of the members of a program who may change things in all of it.
_WRITERS = tuple(name for name, rights in ROLES.items() if rights & Right.UPDATE)


class Buckets:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        store: BucketStore,
        guard: Guard,
        audit: Audit,
        master_key: bytes,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit
        self._seal = MasterKey(master_key)
        self._now = now

    # --- buckets ----------------------------------------------------------------------------------

    async def page(
        self,
        principal: Principal,
        *,
        uuid: UUID | None = None,
        program: UUID | None = None,
        offset: int,
        limit: int,
    ) -> ItemPage[Bucket]:
        """Return a page of the buckets of the programs of which the caller is a member."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "bucket.list")
            scope = await self._guard.scope(unit, principal, Right.UPDATE, by_grant_only=True)
            found, total = await self._store.buckets(
                unit, scope, uuid=uuid, program=program, offset=offset, limit=limit
            )
        await self._audit.read(principal, "bucket.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def bucket(self, principal: Principal, uuid: UUID) -> Bucket:
        """Return a bucket. Raises NotFound, also for those of others."""
        page = await self.page(principal, uuid=uuid, offset=0, limit=1)
        if not page.items:
            raise NotFound("There is no such bucket.")
        return page.items[0]

    async def add(self, principal: Principal, program: Program, name: str, endpoint: str) -> Bucket:
        """Register a bucket of a store with an S3 interface. Raises Forbidden, AlreadyExists, Invalid."""
        address = check_endpoint(endpoint)
        if not name or len(name) > _NAME or not name.isprintable() or "/" in name:
            raise Invalid(f"A bucket's name has 1 to {_NAME} printable characters without '/'.", field="name")
        uuid = self._fresh()
        async with self._database.begin() as unit:
            await self._guard.require(unit, principal, Right.UPDATE, program=program, by_grant_only=True)
            at = self._now()
            if not await self._store.add_bucket(
                unit, uuid=uuid, program=program.seq, name=name, endpoint=address, who=principal.user, at=at
            ):
                raise AlreadyExists("This organization has registered this bucket.", field="name")
            await self._audit.write(unit, principal, "bucket.add", program=program, target=f"{address}/{name}")
            scope = await self._guard.scope(unit, principal, Right.UPDATE, by_grant_only=True)
            found, _ = await self._store.buckets(unit, scope, uuid=uuid)
        return found[0]

    async def delete(self, principal: Principal, uuid: UUID) -> None:
        """Forget a bucket with its keys; nothing in it is touched. Raises NotFound, Forbidden."""
        async with self._database.begin() as unit:
            program = await self._own(unit, principal, uuid)
            await self._store.delete_bucket(unit, uuid)
            await self._audit.write(unit, principal, "bucket.delete", program=program, target=str(uuid))

    # --- keys -------------------------------------------------------------------------------------

    async def key_page(
        self, principal: Principal, *, uuid: UUID | None = None, bucket: UUID | None = None, offset: int, limit: int
    ) -> ItemPage[BucketKey]:
        """Return a page of the keys, without their secrets, to buckets of the caller's programs."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "bucket.list")
            scope = await self._guard.scope(unit, principal, Right.UPDATE, by_grant_only=True)
            found, total = await self._store.keys(unit, scope, uuid=uuid, bucket=bucket, offset=offset, limit=limit)
        await self._audit.read(principal, "bucket.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def key(self, principal: Principal, uuid: UUID) -> BucketKey:
        """Return a key without its secret. Raises NotFound, also for those of others."""
        page = await self.key_page(principal, uuid=uuid, offset=0, limit=1)
        if not page.items:
            raise NotFound("There is no such key.")
        return page.items[0]

    async def add_key(
        self, principal: Principal, bucket: UUID, public_key: str, private_key: str, description: str = ""
    ) -> BucketKey:
        """Keep a key to a bucket, sealed; the newest is used. Raises NotFound, Forbidden, Invalid."""
        for text, field in ((public_key, "public_key"), (private_key, "private_key")):
            if not text or len(text) > _KEY or not text.isprintable():
                raise Invalid(f"A key has 1 to {_KEY} printable characters.", field=field)
        uuid = self._fresh()
        async with self._database.begin() as unit:
            program = await self._own(unit, principal, bucket)
            await self._store.add_key(
                unit, uuid=uuid, bucket=bucket, description=description, public_key=public_key,
                sealed=self._seal.seal(private_key.encode(), _PURPOSE), who=principal.user, at=self._now(),
            )  # fmt: skip
            await self._audit.write(unit, principal, "bucket.key", program=program, target=str(bucket))
            scope = await self._guard.scope(unit, principal, Right.UPDATE, by_grant_only=True)
            found, _ = await self._store.keys(unit, scope, uuid=uuid)
        if not found:
            raise NotFound("There is no such bucket.")
        return found[0]

    async def delete_key(self, principal: Principal, uuid: UUID) -> None:
        """Forget a key. Raises NotFound, Forbidden."""
        async with self._database.begin() as unit:
            program = await self._own(unit, principal, uuid)
            await self._store.delete_key(unit, uuid)
            await self._audit.write(unit, principal, "bucket.key", program=program, details={"deleted": str(uuid)})

    async def _own(self, unit: Unit, principal: Principal, uuid: UUID) -> int:
        """Return the program of a bucket or key, for its members. Raises NotFound, Forbidden."""
        await self._guard.access(unit, principal)
        program = await self._store.program_of(unit, uuid)
        if program is None:
            raise NotFound("There is no such bucket or key.")
        await self._guard.require(unit, principal, Right.UPDATE, program=program, by_grant_only=True)
        return program

    # --- addresses --------------------------------------------------------------------------------

    async def addresses(
        self, principal: Principal, project: Project, remotes: Mapping[UUID, Remote], *, seconds: int
    ) -> dict[UUID, str]:
        """Return addresses of those objects, by field, that are in registered buckets with a key; for who may download.

        What a field says is free text for who may write in *one* project, and a bucket is the whole program's: so only
        what a member of the program was the first to write into a field is signed.
        """
        async with self._database.read() as unit:
            if not await self._guard.rights(unit, principal, project=project) & Right.DOWNLOAD:
                return {}
            rows = await self._store.sealed(unit, project.program, {one.bucket for one in remotes.values()})
            places = {(row.endpoint, row.bucket) for row in rows}
            inside = [uuid for uuid, one in remotes.items() if (one.endpoint, one.bucket) in places]
            vouched = await self._store.vouched(unit, project.program, _WRITERS, inside) if inside else ()
        keys = {(row.endpoint, row.bucket): row for row in rows}
        secrets: dict[tuple[str, str], str] = {}
        signed: dict[UUID, str] = {}
        now = self._now()
        for uuid in vouched:
            one = remotes[uuid]
            place = (one.endpoint, one.bucket)
            row = keys[place]
            if place not in secrets:
                secrets[place] = self._seal.open(row.sealed, _PURPOSE).decode()
            signed[uuid] = presigned_get(
                one.endpoint, f"{one.bucket}/{one.key}", public_key=row.public_key, private_key=secrets[place],
                region=region_of(one.endpoint), seconds=seconds, now=now,
            )  # fmt: skip
        if signed:
            await self._audit.read(principal, "bucket.sign", program=project.program, project=project, n=len(signed))
        return signed

    def _fresh(self) -> UUID:
        return uuid7(int(self._now().timestamp() * 1000))
