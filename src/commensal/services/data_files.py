"""The index records of submitted data files, in the transaction of the submission (contracts/gen3.md 4.8).

A number of statements that does not depend on how many data files there are, and none where there are none. Rights:
``create`` in the project is checked by the submission; a record elsewhere can be named by who may read there, and
claimed (moved here) by who uploaded it without naming a project.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

from commensal.core import index as rules
from commensal.core.data_files import Wish, acl_of, authz_of, check_hash_and_size, wishes_of
from commensal.core.entities import Entity
from commensal.core.index import IndexRecord, parse_did
from commensal.core.permissions import Access, Right, Scope
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.core.records import ProjectRow
from commensal.errors import Invalid
from commensal.services.audit import Audit, is_site_admin
from commensal.services.guard import Guard
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProgramStore
from commensal.storage.ports.index import IndexStore, NewIndexRow, row_of
from commensal.storage.ports.records import Clash

__all__ = ["DataFileRecords", "DataFiles"]

#: After this many data files, other requests have their turn.
TURN = 1_000


@dataclass(slots=True)
class DataFileRecords:
    """What is to be written of the index."""

    new: dict[UUID, NewIndexRow] = field(default_factory=dict[UUID, NewIndexRow])
    changed: dict[UUID, NewIndexRow] = field(default_factory=dict[UUID, NewIndexRow])
    aliases: list[tuple[str, UUID]] = field(default_factory=list[tuple[str, UUID]])


@dataclass(slots=True)
class _Work:
    """One submission while its data files are looked at."""

    project: Project
    principal: Principal
    access: Access
    acl: Sequence[str]
    records: dict[UUID, IndexRecord]
    out: DataFileRecords
    #: New records by md5 and size: the second file of the same bytes in a document means the first one's record.
    by_hash: dict[tuple[str, int], tuple[str, UUID]] = field(default_factory=dict[tuple[str, int], tuple[str, UUID]])


class DataFiles:
    """``own`` tells which did, or key of the store, an address of this server leads to; None for foreign ones."""

    def __init__(
        self,
        *,
        store: IndexStore,
        programs: ProgramStore,
        guard: Guard,
        audit: Audit,
        own: Callable[[str], str | None] | None = None,
    ) -> None:
        self._store = store
        self._programs = programs
        self._guard = guard
        self._audit = audit
        self._own = own

    async def prepare(
        self, unit: Unit, principal: Principal, row: ProjectRow, entities: Sequence[Entity], *, gen3: bool, lock: bool
    ) -> DataFileRecords | None:
        """Find out which records the data files mean, and set their ``object_id``; only reads.

        What is wrong becomes an error of its entity. ``lock`` holds the records until the transaction ends.
        """
        wishes = wishes_of(entities, gen3=gen3)
        if not wishes:
            return None
        access = await self._guard.access(unit, principal)
        uuids = list({wish.uuid for wish in wishes if wish.uuid is not None})
        work = _Work(
            row.project,
            principal,
            access,
            acl_of(await self._programs.find(unit, row.program), row.project),
            {} if not uuids else await self._by_uuid(unit, uuids, lock=lock),
            DataFileRecords(),
        )
        await self._find_by_hash(unit, work, [wish for wish in wishes if wish.did is None and wish.named], lock=lock)
        for place, wish in enumerate(wishes, 1):
            if not place % TURN:
                await asyncio.sleep(0)
            _decide(work, wish)
        await self._check_free(unit, work, wishes, uuids)
        await self._check_addresses(unit, work, wishes)
        return work.out

    async def write(
        self, unit: Unit, principal: Principal, row: ProjectRow, records: DataFileRecords, now: datetime
    ) -> None:
        """Write what ``prepare`` found. Raises ``Clash`` when somebody else made one of the records meanwhile."""
        new, changed = list(records.new.values()), list(records.changed.values())
        if new:
            made = await self._store.add_many(unit, new, now=now)
            if len(made) < len(new):
                raise Clash("an index record was made in between")
            # An alias that another record has stays there: it was told to people.
            if records.aliases:
                await self._store.add_aliases(unit, records.aliases, now=now)
            await self._write_audit(unit, principal, row, "index.add", new)
        if changed:
            if len(await self._store.change_many(unit, changed, now=now)) < len(changed):
                raise Clash("an index record was deleted in between")
            await self._write_audit(unit, principal, row, "index.update", changed)

    async def _write_audit(
        self, unit: Unit, principal: Principal, row: ProjectRow, action: str, rows: Sequence[NewIndexRow]
    ) -> None:
        target = f"{rows[0].prefix}{rows[0].uuid}"
        await self._audit.write(unit, principal, action, project=row.project, target=target, n=len(rows))

    # --- which record is meant

    async def _by_uuid(self, unit: Unit, uuids: Sequence[UUID], *, lock: bool) -> dict[UUID, IndexRecord]:
        return {record.file.uuid: record for record in await self._store.by_dids(unit, uuids, lock=lock)}

    async def _find_by_hash(self, unit: Unit, work: _Work, wishes: Sequence[Wish], *, lock: bool) -> None:
        """Name the records of the same bytes: those of this project first, then those the caller may read elsewhere."""
        here = Scope(projects=frozenset({work.project.seq}))
        for scope in (here, work.access.scope(Right.READ)):
            pairs = {
                (wish.md5, wish.size): wish
                for wish in wishes
                if wish.did is None and wish.md5 is not None and wish.size is not None
            }
            found = await self._store.by_hash_and_size(unit, scope, list(pairs)) if pairs and not scope.empty else {}
            if not found:
                continue
            missing = [uuid for uuid in set(found.values()) if uuid not in work.records]
            if missing:
                work.records.update(await self._by_uuid(unit, missing, lock=lock))
            for wish in wishes:
                if wish.did is not None or wish.md5 is None or wish.size is None:
                    continue
                uuid = found.get((wish.md5, wish.size))
                record = None if uuid is None else work.records.get(uuid)
                if record is not None and _refusal(work, record) is None:
                    wish.did, wish.uuid = record.did, record.file.uuid

    async def _check_free(self, unit: Unit, work: _Work, wishes: Sequence[Wish], given: Sequence[UUID]) -> None:
        """Refuse new records under GUIDs that another project, or the site, keeps (see ``IndexStore.kept_dids``)."""
        places = [(work.project.seq, uuid) for uuid in given if uuid in work.out.new]
        if not places:
            return
        kept = set(await self._store.kept_dids(unit, places, site=not is_site_admin(work.principal)))
        for wish in wishes if kept else ():
            if wish.uuid in kept:
                wish.wrong(
                    "object_id",
                    f"The object {wish.did} is that of a deleted record or of a metadata document elsewhere.",
                )

    # --- the own-bytes rule

    async def _check_addresses(self, unit: Unit, work: _Work, wishes: Sequence[Wish]) -> None:
        """Refuse addresses into this server's store that lead to nothing of the project; leave out a file's own."""
        if self._own is None:
            return
        keys: dict[str, list[tuple[Wish, str]]] = {}
        dids: dict[UUID, list[tuple[Wish, str]]] = {}
        for wish in wishes:
            if not wish.urls or wish.uuid is None:
                continue
            kept: list[str] = []
            for url in wish.urls:
                try:
                    own = self._own(url)
                except Invalid as error:
                    wish.wrong("urls", error.message)
                    continue
                parsed = None if own is None else parse_did(own)
                if parsed is not None and parsed[1] == wish.uuid:
                    continue
                kept.append(url)
                if parsed is not None:
                    dids.setdefault(parsed[1], []).append((wish, url))
                elif own is not None:
                    keys.setdefault(own, []).append((wish, url))
            for rows in (work.out.new, work.out.changed):
                if wish.uuid in rows:
                    rows[wish.uuid] = replace(rows[wish.uuid], urls=tuple(kept))
        here = work.project.seq
        known: set[object] = set()
        if keys:
            known |= await self._store.blobs_in(unit, [(here, key) for key in keys])
        if dids:
            known |= await self._store.dids_in(unit, [(here, uuid) for uuid in dids])
        wrong = [
            pair for place, pairs in (*keys.items(), *dids.items()) if (here, place) not in known for pair in pairs
        ]
        for wish, url in wrong:
            wish.wrong(
                "urls",
                f"The address {url[:200]!r} points into this server's own store, at nothing of project "
                f"{work.project.project_id}.",
            )


def _decide(work: _Work, wish: Wish) -> None:
    """Settle one data file: an existing record (1 and 3 of the contract), or a new one (2 and 4)."""
    if wish.uuid is None and wish.named and wish.md5 is not None and wish.size is not None:
        known = work.by_hash.get((wish.md5, wish.size))
        if known is not None:
            wish.did, wish.uuid = known
    record = work.records.get(wish.uuid) if wish.uuid is not None else None
    if record is not None:
        _existing(work, wish, record)
    elif wish.uuid is not None and wish.uuid in work.out.new:
        _same_as(work.out.new[wish.uuid], wish)
    else:
        _new(work, wish)
    props = wish.entity.props
    if wish.did is not None and not wish.entity.errors and props.get("object_id") != wish.did:
        if wish.named:
            wish.entity.props = {**props, "object_id": wish.did}
            wish.entity.unchanged = False
        elif wish.entity.action == "create":
            wish.entity.given_id = wish.did


def _new(work: _Work, wish: Wish) -> None:
    uuid = wish.uuid or uuid4()
    wish.did, wish.uuid = f"{wish.prefix}{uuid}", uuid
    authz = authz_of(work.project, wish)
    if authz is None:
        return
    name = wish.entity.props.get("file_name")
    try:
        rules.check_file_name(name if isinstance(name, str) else None)
    except Invalid as error:
        wish.wrong("file_name", error.message)
        return
    work.out.new[uuid] = NewIndexRow(
        uuid=uuid,
        project=work.project.seq,
        name=name if isinstance(name, str) and name else None,
        size=wish.size,
        md5=wish.md5,
        prefix=wish.prefix,
        urls=wish.urls or (),
        acl=work.acl,
        authz=authz,
        made_by=work.principal.user,
    )
    if wish.md5 is not None and wish.size is not None:
        work.by_hash.setdefault((wish.md5, wish.size), (wish.did, uuid))
    if wish.entity.submitter_id:
        work.out.aliases.append((f"{work.project.project_id}/{wish.entity.submitter_id}", uuid))


def _same_as(row: NewIndexRow, wish: Wish) -> None:
    """Check a second data file of one document that means the record of the first."""
    if f"{row.prefix}{row.uuid}" != wish.did or wish.md5 != row.md5 or wish.size != row.size:
        wish.wrong("object_id", f"Two data files of this document name the object {wish.did}, and differ in its facts.")


def _existing(work: _Work, wish: Wish, record: IndexRecord) -> None:
    if wish.prefix and wish.did != record.did:
        wish.wrong("object_id", f"The object {record.did} has another prefix than {wish.did}.")
        return
    reason = _refusal(work, record)
    if reason is not None:
        wish.wrong("object_id", reason)
        return
    if not check_hash_and_size(wish, record):
        return
    row = work.out.changed.get(record.file.uuid)
    if not record.authz and not record.acl and row is None:
        authz = authz_of(work.project, wish)
        if authz is None:
            return
        row = replace(row_of(record), project=work.project.seq, authz=authz, acl=work.acl, uploader=None)
        work.out.changed[record.file.uuid] = row
    if wish.urls is not None and wish.urls != (row.urls if row is not None else record.urls):
        if row is None and not (record.project.seq == work.project.seq and _held(work, record) & Right.UPDATE):
            wish.wrong(
                "urls",
                f"The object {record.did} is of project {record.project.project_id}: its addresses are changed there.",
                "INVALID_PERMISSIONS",
            )
            return
        work.out.changed[record.file.uuid] = replace(row or row_of(record), urls=wish.urls)


def _held(work: _Work, record: IndexRecord) -> Right:
    project = record.project
    return work.access.rights(program=project.program, project=project.seq, public_level=int(project.public_level))


def _refusal(work: _Work, record: IndexRecord) -> str | None:
    """Tell why a data file of this project may not name a record; None: it may."""
    project, principal = record.project, work.principal
    held = _held(work, record)
    if record.file.private and not work.access.granted(program=project.program, project=project.seq) & Right.READ:
        return f"The object {record.did} belongs to a project that you may not read."
    if not record.authz and not record.acl:
        # Nobody has said where it belongs: that is for its uploader to say, while it is in his own place, or where a
        # site admin has put it in his name.
        made = principal.user is not None and record.file.made_by == principal.user
        named = bool(principal.email) and record.uploader == principal.email
        mine = record.uploader is not None and (bool(held & Right.DELETE) if made else named)
        if not mine and (record.uploader is not None or not held & Right.UPDATE):
            return f"The object {record.did} was uploaded by somebody else: only its uploader can submit it."
        if record.file.record is not None and project.seq != work.project.seq:
            return f"The object {record.did} belongs to a record of project {project.project_id}: move that record."
        return None
    if project.seq != work.project.seq and not held & Right.READ:
        return f"The object {record.did} belongs to a project that you may not read."
    return None
