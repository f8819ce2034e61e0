"""Analysis results and their fields: made and changed as records that hang on a sample, or on a project itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from commensal.core.entities import NOTHING
from commensal.core.lineage import (
    Lineage,
    ResultSettings,
    kinds_of,
    new_replicate,
    record_after,
    value_text,
)
from commensal.core.names import field_submitter_id, result_submitter_id
from commensal.core.principals import Principal
from commensal.core.puts import LinkTo, Put
from commensal.core.records import Record
from commensal.errors import Unavailable
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.records import LOCKS, Records
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.lineages import LineageReads
from commensal.storage.ports.records import Clash

__all__ = ["OWN_KEYS", "Results"]

T = TypeVar("T")

#: Properties of a result that its free metadata never sets: they say what the result is.
OWN_KEYS = frozenset({"module", "replicate", "description"})


class Results:
    """Writes results and fields; ``create`` and ``update`` on the project are needed, as for any record."""

    def __init__(
        self, *, database: Database, records: Records, reads: LineageReads, dictionaries: Dictionaries, audit: Audit
    ) -> None:
        self._database = database
        self._records = records
        self._reads = reads
        self._dictionaries = dictionaries
        self._audit = audit

    async def add(
        self,
        principal: Principal,
        owner: Lineage,
        module: str,
        *,
        replicate: str | None = None,
        metadata: Any = NOTHING,
        description: str | None = None,
        settings: ResultSettings | None = None,
    ) -> Lineage:
        """Make a result of a sample, or of a project or collection itself; an absent replicate is made by chance.

        Raises InvalidRows for a (module, replicate) that the owner has already, and as ``Records.put``.
        """
        settings = settings or ResultSettings()
        if replicate is None:
            replicate = new_replicate()
        put = Put(
            role="analysis",
            submitter_id=result_submitter_id(_owner(owner), module, replicate),
            metadata=metadata,
            mode="replace",
            properties={"module": module, "replicate": replicate, **_described(description)},
            links=() if owner.sample is None else (LinkTo("sample", uuid=owner.sample.uuid),),
            apart=OWN_KEYS,
        )

        async def make(unit: Unit, lock: str, first: bool) -> Lineage:  # noqa: FBT001 - one attempt of several
            done = (
                await self._records.put_in(
                    unit, principal, owner.place, [put], create_only=True, lock=lock, unseen=first
                )
            )[0]
            if settings != ResultSettings():
                await self._reads.set_settings(unit, [done.seq], settings)
            return Lineage(owner.program, owner.project, owner.sample, record_after(owner.place, done), None, settings)

        return await self._try(make)

    async def change(
        self,
        principal: Principal,
        found: Lineage,
        *,
        module: str | None = None,
        replicate: str | None = None,
        metadata: Any = NOTHING,
        description: str | None = None,
        settings: ResultSettings | None = None,
    ) -> Lineage:
        """Change a result; what is not given stays. Its fields follow a new name and a new privacy."""
        result = found.result
        assert result is not None
        before = str(result.props.get("module", "")), str(result.props.get("replicate", ""))
        names = before[0] if module is None else module, before[1] if replicate is None else replicate
        properties: dict[str, Any] = _described(description)
        if names != before:
            properties |= {"module": names[0], "replicate": names[1]}
        put = Put(
            type=result.type,
            uuid=result.uuid,
            submitter_id=result_submitter_id(_owner(found), *names) if names != before else None,
            metadata=metadata,
            mode="replace",
            properties=properties,
            apart=OWN_KEYS,
        )

        async def make(unit: Unit, lock: str, first: bool) -> Lineage:  # noqa: FBT001 - one attempt of several
            puts = [put]
            fields: Sequence[Record] = ()
            renamed, hushed = names != before, settings is not None and settings.private != found.settings.private
            if renamed:
                kinds = kinds_of((await self._dictionaries.current(unit)).dictionary)
                fields = await self._reads.fields_of(unit, kinds, result.seq)
            if renamed:
                puts += [
                    Put(
                        type=field.type,
                        uuid=field.uuid,
                        submitter_id=field_submitter_id(_owner(found), *names, str(field.props.get("name", ""))),
                    )
                    for field in fields
                    if field.props.get("name")
                ]
            done = (await self._records.put_in(unit, principal, found.place, puts, update_only=True, lock=lock))[0]
            if settings is not None and settings != found.settings:
                await self._reads.set_settings(unit, [result.seq], settings)
                await self._audit.write(
                    unit, principal, "result.settings", project=found.place, target=str(result.uuid),
                    details={"private": settings.private, "hidden": settings.hidden},
                )  # fmt: skip
                if hushed:
                    await self._reads.set_privacy_below(unit, result.seq, private=settings.private)
            return Lineage(
                found.program, found.project, found.sample, record_after(found.place, done), None,
                settings or found.settings,
            )  # fmt: skip

        return await self._try(make)

    async def add_field(
        self, principal: Principal, found: Lineage, name: str, value: Any, *, description: str | None = None
    ) -> Lineage:
        """Make a field of a result, of any JSON value. Raises InvalidRows for a name that the result has already."""
        result = found.result
        assert result is not None
        names = str(result.props.get("module", "")), str(result.props.get("replicate", ""))
        put = Put(
            type="result_field",
            submitter_id=field_submitter_id(_owner(found), names[0] or "-", names[1], name),
            properties={"name": name, "value": value_text(value)},
            metadata={"description": description} if description else NOTHING,
            links=(LinkTo("owner", uuid=result.uuid),),
        )

        async def make(unit: Unit, lock: str, first: bool) -> Lineage:  # noqa: FBT001 - one attempt of several
            done = (
                await self._records.put_in(
                    unit, principal, found.place, [put], create_only=True, lock=lock, unseen=first
                )
            )[0]
            if found.settings.private:
                await self._reads.set_settings(unit, [done.seq], ResultSettings(private=True))
            return _with_field(found, record_after(found.place, done))

        return await self._try(make)

    async def change_field(
        self,
        principal: Principal,
        found: Lineage,
        *,
        name: str | None = None,
        value: Any = NOTHING,
        description: str | None = None,
    ) -> Lineage:
        """Change a field; what is not given stays."""
        field, result = found.field, found.result
        assert field is not None
        assert result is not None
        properties: dict[str, Any] = {}
        submitter_id = None
        if value is not NOTHING:
            properties["value"] = value_text(value)
        if name is not None and name != field.props.get("name"):
            properties["name"] = name
            names = str(result.props.get("module", "")), str(result.props.get("replicate", ""))
            submitter_id = field_submitter_id(_owner(found), names[0] or "-", names[1], name)
        put = Put(
            type=field.type,
            uuid=field.uuid,
            submitter_id=submitter_id,
            properties=properties,
            metadata={"description": description or None} if description is not None else NOTHING,
        )

        async def make(unit: Unit, lock: str, first: bool) -> Lineage:  # noqa: FBT001 - one attempt of several
            done = (await self._records.put_in(unit, principal, found.place, [put], update_only=True, lock=lock))[0]
            return _with_field(found, record_after(found.place, done))

        return await self._try(make)

    async def _try(self, make: Callable[[Unit, str, bool], Awaitable[T]]) -> T:
        """Do it in a transaction, again when another writer was faster."""
        for attempt, lock in enumerate(LOCKS):
            try:
                async with self._database.begin() as unit:
                    return await make(unit, lock, attempt == 0)
            except Clash:
                continue
        raise Unavailable("Others are writing the same records at this moment; nothing was written, try again.")


def _owner(found: Lineage) -> UUID:
    return found.place.uuid if found.sample is None else found.sample.uuid


def _described(description: str | None) -> dict[str, Any]:
    return {} if description is None else {"description": description or None}


def _with_field(found: Lineage, field: Record) -> Lineage:
    return Lineage(found.program, found.project, found.sample, found.result, field, found.settings)
