"""Deletion of entities as the Gen3 door does it: refused while others need them, logged as a transaction.

Source: contracts/gen3.md 4.7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

import msgspec

from commensal.core.answers import deletion_result
from commensal.core.dictionary import Dictionary
from commensal.core.entities import read_documents
from commensal.core.hanging import loses_required_link
from commensal.core.ids import is_uuid
from commensal.core.permissions import Right
from commensal.core.plans import IDENTITY, Plans
from commensal.core.principals import Principal
from commensal.core.records import DeletionResult, EntityError, EntityResult, ProjectRow, Record
from commensal.errors import Malformed, Unavailable
from commensal.services.deletion import Deletion, new_deletion
from commensal.services.record_pipeline import Rules, prepare, write
from commensal.services.submission import open_project, transaction_row
from commensal.storage.ports import Unit
from commensal.storage.ports.deletion import Dependent
from commensal.storage.ports.records import Clash

__all__ = ["EntityDeletion"]

#: Dependents that an error names at most.
NAMED = 20
ATTEMPTS = 4
_STATES = ("validated",)
_FILE_STATES = (None, "registered")
#: What ``fields`` never clears; a name has a refusal of its own.
_KEPT = IDENTITY - {"submitter_id", "metadata"}


class EntityDeletion(Deletion):
    """Deletion with the Gen3 door's entity route."""

    async def delete_entities(
        self,
        principal: Principal,
        program: str,
        project: str,
        ids: Sequence[str],
        *,
        dry_run: bool = False,
        fields: Sequence[str] = (),
        within: Callable[[Unit, int], Awaitable[None]] | None = None,
    ) -> DeletionResult:
        """Delete entities of a project by id; with ``fields``, set these properties to null instead.

        All or none: errors are in the result, and then nothing is deleted. ``within`` is called in the transaction
        with the number of the log when it succeeds. Raises NotFound, Forbidden, StateConflict.
        """
        wanted = list(dict.fromkeys(one.strip().lower() for one in ids if one.strip()))
        if not wanted:
            raise Malformed("Name at least one id.", field="ids")
        for _ in range(ATTEMPTS):
            try:
                async with self._database.begin() as unit:
                    row = await open_project(
                        self._writes, self._guard, unit, principal, program, project, Right.DELETE, lock="update"
                    )
                    result = await self._delete(unit, principal, row, wanted, dry_run=dry_run, fields=fields)
                    if within is not None and result.success:
                        await within(unit, result.transaction_id)
                    return result
            except Clash:
                continue
        raise Unavailable("Others are writing the same records at this moment; nothing was deleted, try again.")

    async def _delete(
        self,
        unit: Unit,
        principal: Principal,
        row: ProjectRow,
        ids: Sequence[str],
        *,
        dry_run: bool,
        fields: Sequence[str],
    ) -> DeletionResult:
        now = self._now().astimezone(UTC)
        used = await self._dictionaries.at(unit, row.dictionary)
        # System types of ours appear in no Gen3 answer (design, "Types, roles and free metadata").
        found = {
            str(record.uuid): record
            for record in await self._reads.by_uuids(unit, [one for one in ids if is_uuid(one)])
            if record.project == row.seq and record.type in used.dictionary.types
        }
        errors: dict[str, list[EntityError]] = {one: [] for one in ids}
        dependents: list[str] = []
        for one in ids:
            if one not in found:
                errors[one].append(EntityError(["id"], "Entity not found.", "NOT_FOUND", id=one))
        if not fields:
            dependents = await self._judge(unit, found, errors, used.dictionary)
        else:
            await self._clear(unit, principal, row, found, errors, fields, None, now)
        bad = any(errors.values())
        log = transaction_row(row, principal, role="delete", failed=bad, dry_run=dry_run)
        number = (await self._writes.allocate(unit, row.seq, {}, 0, log)).transaction
        assert number is not None
        records = list(found.values())
        if not bad and not dry_run:
            if fields:
                await self._clear(unit, principal, row, found, errors, fields, number, now)
            else:
                title = records[0].shown if len(records) == 1 else f"{len(records)} entities of {row.project_id}"
                new = new_deletion(principal, "records", title, row, now, number)
                # Index records and their bytes stay (contracts/gen3.md 4.7).
                await self._store.remove_records(unit, new, [one.seq for one in records], files=False)
        result = deletion_result(
            [_result(one, found.get(one), errors[one], row) for one in ids], [], number, dependents, dry_run=dry_run
        )
        logged = msgspec.json.encode({"ids": ids, "fields": fields} if fields else ids).decode()
        await self._writes.log_document(unit, number, None, "json", logged, msgspec.json.encode(result).decode())
        await self._audit.write(
            unit,
            principal,
            "records.clear" if fields else "records.delete",
            program=row.program,
            project=row.seq,
            target=row.project_id,
            n=len(ids),
            result="invalid" if bad else "dry run" if dry_run else "ok",
            details={"transaction": number},
        )
        return result

    async def _judge(
        self, unit: Unit, found: dict[str, Record], errors: dict[str, list[EntityError]], dictionary: Dictionary
    ) -> list[str]:
        """Refuse what is in another state or needed by others; return the ids of those that need it."""
        await self._check(unit, list(found.values()))
        seqs = {record.seq for record in found.values()}
        blocking: dict[int, list[Dependent]] = {}
        others = [one for one in await self._store.dependents(unit, list(seqs)) if one.record not in seqs]
        kept: dict[int, dict[str, int]] = {}
        for link in await self._store.links_from(unit, list({one.record for one in others})) if others else ():
            if link.dst not in seqs:
                names = kept.setdefault(link.src, {})
                names[link.name] = names.get(link.name, 0) + 1
        for one in others:
            node = dictionary.find(one.type)
            if node is not None and loses_required_link(node, one.name, kept.get(one.record, {})):
                blocking.setdefault(one.dst, []).append(one)
        for key, record in found.items():
            if record.state not in _STATES or record.props.get("file_state") not in _FILE_STATES:
                shown = record.state if record.state not in _STATES else f"file_state {record.props.get('file_state')}"
                errors[key].append(
                    EntityError(["state"], f"An entity in state {shown} cannot be deleted.", "INVALID_PERMISSIONS")
                )
            needing = list({one.record: one for one in blocking.get(record.seq, ())}.values())
            if needing:
                errors[key].append(
                    EntityError(
                        [],
                        f"Cannot be deleted: {len(needing)} other "
                        f"{'entity needs' if len(needing) == 1 else 'entities need'} it. "
                        "Delete them before, or in the same request.",
                        "INVALID_LINK",
                        dependents=[{"id": one.uuid, "type": _label(one.type)} for one in needing[:NAMED]],
                    )
                )
        return list(dict.fromkeys(one.uuid for ones in blocking.values() for one in ones))

    async def _clear(
        self,
        unit: Unit,
        principal: Principal,
        row: ProjectRow,
        found: dict[str, Record],
        errors: dict[str, list[EntityError]],
        fields: Sequence[str],
        transaction: int | None,
        now: Any,
    ) -> None:
        """Set properties to null, as an update would; without a transaction number, only see whether that works."""
        used = await self._dictionaries.at(unit, row.dictionary)
        fields = [name.lstrip("*") for name in fields]
        if transaction is None and _refuse_kept(found, errors, fields, used.plans):
            return
        documents: list[dict[str, Any]] = [
            {"type": _label(record.type), "id": key, **dict.fromkeys(fields)} for key, record in found.items()
        ]
        if not documents:
            return
        reading = read_documents(documents, used.plans, row, gen3=True, relaxed=False, create_only=False)
        await prepare(self._writes, unit, row, reading, Rules(gen3=True, relaxed=False), used.plans)
        if transaction is not None:
            await write(self._writes, unit, row, reading.entities, principal, now, None, transaction=transaction)
            return
        for entity in reading.entities:
            errors[entity.doc["id"]] += entity.errors


def _refuse_kept(
    found: Mapping[str, Record], errors: dict[str, list[EntityError]], fields: Sequence[str], plans: Plans
) -> bool:
    """Add an error for each field that names a record or that only the system sets; return whether there is one."""
    refused = False
    for key, record in found.items():
        plan = plans.stored(record.type)
        kept = _KEPT if plan is None else _KEPT | plan.system
        for name in fields:
            if name in kept:
                message = f"Property '{name}' is a system property and cannot be set to null."
                errors[key].append(EntityError([name], message, "INVALID_PERMISSIONS"))
                refused = True
    return refused


def _label(type_name: str) -> str:
    return type_name.removeprefix("commensal.")


def _result(key: str, record: Record | None, errors: list[EntityError], row: ProjectRow) -> EntityResult:
    return EntityResult(
        valid=not errors,
        action="delete" if record is not None else None,
        type=_label(record.type) if record is not None else None,
        id=key,
        errors=errors,
        warnings=[],
        unique_keys=[
            {"project_id": row.project_id, "submitter_id": record.submitter_id if record is not None else None}
        ],
    )
