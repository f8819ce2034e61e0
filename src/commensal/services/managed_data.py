"""Deletion by accession: studies, import groups, samples and files, all of a request or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from commensal.core.import_groups import STORED_GROUP_LINK, STORED_GROUP_TYPE
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.errors import NotFound, StateConflict
from commensal.services.deletion import Deletion
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.managed import ManagedStore, Thing

__all__ = ["ManagedData", "ManagedObject"]

_GROUPS = {"samples": "SAMPLE_GROUP", "libraries": "LIBRARY_GROUP", "preparations": "PREPARATION_GROUP"}


@dataclass(frozen=True, slots=True)
class ManagedObject:
    """What was deleted: ``kind`` is STUDY, SAMPLE_GROUP, SAMPLE_OBJECT or FILE; ``owner`` the address of its maker."""

    seq: int
    kind: str
    owner: str
    created: datetime


class ManagedData:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        store: ManagedStore,
        deletion: Deletion,
        dictionaries: Dictionaries,
        guard: Guard,
    ) -> None:
        self._database = database
        self._store = store
        self._deletion = deletion
        self._dictionaries = dictionaries
        self._guard = guard

    async def delete(self, principal: Principal, accessions: Sequence[tuple[str, int | None]]) -> list[ManagedObject]:
        """Delete what these accessions (text and number) name, with what hangs below, in one transaction.

        Needs ``delete``; for a study ``manage`` on its program besides. Raises NotFound for what is not there or may
        not be read, StateConflict for what is none of these kinds, Forbidden, InvalidRows as ``Deletion``.
        """
        async with self._database.begin() as unit:
            things = await self._things(unit, principal, accessions)
            sample_types = (await self._dictionaries.current(unit)).dictionary.role("sample").read
            made = [
                ManagedObject(thing.seq, _kind(thing, sample_types), thing.owner, thing.created) for thing in things
            ]
            studies = {thing.seq for thing in things if thing.what == "project"}
            groups = [thing.seq for thing in things if thing.type == STORED_GROUP_TYPE]
            members = await self._store.members(unit, groups, STORED_GROUP_LINK) if groups else []
            homes = {thing.seq: thing.project for thing in things}
            if members:
                homes.update({one.seq: one.project for one in await self._store.things(unit, members)})
            files = {thing.seq for thing in things if thing.what == "file"}
            for project in sorted({*homes.values(), *studies}):
                if project in studies:
                    await self._deletion.delete_project_in(unit, principal, project, cascade=True)
                    continue
                inside = [seq for seq, home in homes.items() if home == project]
                records = [seq for seq in inside if seq not in files]
                if records:
                    await self._deletion.delete_records_in(unit, principal, project, records)
                    # Files that hung on these records are gone with them.
                    left = await self._store.things(unit, [seq for seq in inside if seq in files])
                    inside = [thing.seq for thing in left]
                if chosen := [seq for seq in inside if seq in files]:
                    await self._deletion.delete_files_in(unit, principal, project, chosen)
        return made

    async def _things(
        self, unit: Unit, principal: Principal, accessions: Sequence[tuple[str, int | None]]
    ) -> list[Thing]:
        """Return what the caller may read of these, in their order; raises NotFound that names the others."""
        await self._guard.access(unit, principal)
        numbers = [seq for _, seq in accessions if seq is not None and 0 < seq < 1 << 63]
        found = await self._store.things(unit, numbers) if numbers else []
        scope = await self._guard.scope(unit, principal, Right.READ)
        things = [
            one
            for one in found
            if scope.covers(program=one.program, project=one.project, public_level=one.public_level)
        ]
        order = {seq: place for place, (_, seq) in enumerate(accessions)}
        things.sort(key=lambda one: order[one.seq])
        known = {thing.seq for thing in things}
        missing = [text for text, seq in accessions if seq not in known]
        if missing:
            shown = ", ".join(text[:64] for text in missing[:5])
            raise NotFound(f"There is no {shown} that you may see; nothing was deleted.")
        return things


def _kind(thing: Thing, sample_types: Sequence[str]) -> str:
    if thing.what == "project":
        return "STUDY"
    if thing.what == "file":
        return "FILE"
    if thing.type == STORED_GROUP_TYPE:
        about = cast("dict[str, Any]", thing.extra) if isinstance(thing.extra, dict) else {}
        return _GROUPS.get(str(about.get("kind")), "SAMPLE_GROUP")
    if thing.type in sample_types:
        return "SAMPLE_OBJECT"
    raise StateConflict(
        f"GSF{thing.seq} is a {thing.type.removeprefix('commensal.')}: only studies, sample groups, samples and files "
        "are deleted here. Nothing was deleted."
    )
