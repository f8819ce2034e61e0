"""Submission: upsert of many linked records in one transaction, with an answer for each of them.

Source: contracts/gen3.md 4.4 to 4.7. A request costs a bounded number of statements, whatever the number of records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from functools import partial
from typing import Any

import msgspec

from commensal.core.answers import submission_result
from commensal.core.cells import cast_document
from commensal.core.entities import read_documents
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.records import ProjectRow, SubmissionResult
from commensal.errors import NotFound, StateConflict, Unavailable
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.data_files import DataFiles
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.record_pipeline import prepare, rules_for, write
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.records import Clash, RecordWrites, TransactionRow

__all__ = ["LOCKS", "Submission", "Within", "open_project", "transaction_row"]

#: Called in the transaction of a submission with its result.
Within = Callable[[Unit, SubmissionResult], Awaitable[None]]

#: How a request locks its project, attempt by attempt: when others stored the same records in between again and
#: again, it keeps them out.
LOCKS = ("share", "share", "update", "update")
#: More documents than these are read in a thread.
LARGE = 5_000


class Submission:
    """What the Gen3 door and the importers write records with."""

    def __init__(
        self,
        *,
        database: Database,
        store: RecordWrites,
        dictionaries: Dictionaries,
        data_files: DataFiles,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._dictionaries = dictionaries
        self._data_files = data_files
        self._guard = guard
        self._audit = audit
        self._now = now

    async def submit(
        self,
        principal: Principal,
        program: str,
        project: str,
        documents: Sequence[Any],
        *,
        create_only: bool = False,
        dry_run: bool = False,
        name: str | None = None,
        doc_format: str = "json",
        source_text: str | None = None,
        relaxed: bool | None = None,
        cells: bool = False,
        transaction: int | None = None,
        within: Within | None = None,
    ) -> SubmissionResult:
        """Create or update (``create_only``: only create) the records that the documents describe.

        Row errors are in the result, and then nothing is written; both outcomes leave a transaction log. ``relaxed``
        None follows the project's mode for doors other than Gen3. ``cells``: property values are the texts of table
        cells and are cast first (contracts/gen3.md 4.4). ``transaction`` is the number of a log that was begun before.
        ``within`` is called in the transaction with the result, and then logs the documents itself. Raises NotFound,
        Forbidden, StateConflict.
        """
        for lock in LOCKS:
            try:
                async with self._database.begin() as unit:
                    return await self._submit(
                        unit, principal, program, project, documents, create_only=create_only, dry_run=dry_run,
                        name=name, doc_format=doc_format, source_text=source_text, relaxed=relaxed, cells=cells,
                        transaction=transaction, within=within, lock=lock,
                    )  # fmt: skip
            except Clash:
                continue
        raise Unavailable("Others are writing the same records at this moment; nothing was written, try again.")

    async def _submit(
        self,
        unit: Unit,
        principal: Principal,
        program: str,
        project: str,
        documents: Sequence[Any],
        *,
        create_only: bool,
        dry_run: bool,
        name: str | None,
        doc_format: str,
        source_text: str | None,
        relaxed: bool | None,
        cells: bool,
        transaction: int | None,
        within: Within | None,
        lock: str,
    ) -> SubmissionResult:
        row = await open_project(
            self._store,
            self._guard,
            unit,
            principal,
            program,
            project,
            Right.CREATE if create_only else Right.CREATE | Right.UPDATE,
            lock=lock,
        )
        used = await self._dictionaries.at(unit, row.dictionary)
        rules = rules_for(principal, row, create_only=create_only, relaxed=relaxed)
        text, suspicious = _log_text(documents, source_text)
        if cells:
            documents = [cast_document(document, used.plans, system=not rules.gen3) for document in documents]
        read = partial(
            read_documents,
            documents,
            used.plans,
            row,
            gen3=rules.gen3,
            relaxed=rules.relaxed,
            create_only=create_only,
            suspicious=suspicious,
        )
        # Large ones in a thread, so that other requests have their turn.
        reading = read() if len(documents) <= LARGE else await asyncio.to_thread(read)
        if reading.entities:
            await prepare(self._store, unit, row, reading, rules, used.plans)
        indexed = None
        if any(plan.is_data_file for name in reading.by_name if (plan := used.plans.stored(name)) is not None):
            indexed = await self._data_files.prepare(
                unit, principal, row, reading.entities, gen3=rules.gen3, lock=not dry_run
            )
        bad = reading.bad
        role = "create" if create_only else "update"
        begun = transaction is not None
        log = None if begun else transaction_row(row, principal, role=role, failed=bad, dry_run=dry_run)
        entities = () if bad or dry_run else reading.entities
        answers: list[tuple[SubmissionResult, str]] = []
        now = self._now().astimezone(UTC)
        if indexed is not None and entities:
            await self._data_files.write(unit, principal, row, indexed, now)

        def answer(number: int) -> None:
            result = submission_result(reading, number, row.project_id, create_only=create_only, dry_run=dry_run)
            answers.append((result, msgspec.json.encode(result).decode()))

        number = await write(
            self._store,
            unit,
            row,
            entities,
            principal,
            now,
            log,
            transaction=transaction,
            meanwhile=answer,
        )
        assert number is not None
        result, response = answers[0]
        outcome = "ok" if result.success else "invalid"
        told: dict[str, Any] = {
            "program": row.program,
            "project": row.seq,
            "target": row.project_id,
            "n": len(reading.entities),
            "result": "dry run" if dry_run and result.success else outcome,
            "details": {"transaction": number},
        }
        if within is not None:
            await within(unit, result)
            await self._audit.write(unit, principal, "records.submit", **told)
        else:
            event = self._audit.event(principal, "records.submit", **told)
            await self._store.log_document(unit, number, name, doc_format, text, response, event)
        return result


async def open_project(
    store: RecordWrites,
    guard: Guard,
    unit: Unit,
    principal: Principal,
    program: str,
    project: str,
    right: Right,
    *,
    lock: str = "share",
) -> ProjectRow:
    """Find and lock a project for a write of the Gen3 kind, in the order of contracts/gen3.md 4.2."""
    row = await store.project_of(unit, program, project, lock=lock)
    if row is None:
        if not await store.program_exists(unit, program):
            raise NotFound(f"program {program} not found")
        raise NotFound(f"Project {project} not found")
    await guard.require(unit, principal, right, project=row.project)
    if row.project.state != "open":
        raise StateConflict(
            f"Project is in state '{row.project.state}', which prevents {principal.route or 'this'}. "
            "In order to perform this action, the project must be in state <open>."
        )
    return row


def transaction_row(row: ProjectRow, principal: Principal, *, role: str, failed: bool, dry_run: bool) -> TransactionRow:
    """Return the log row of a request."""
    return TransactionRow(
        program=row.program_code,
        project=row.code,
        project_seq=row.seq,
        role=role,
        state="FAILED" if failed else "SUCCEEDED",
        submitter=principal.user,
        submitter_name=principal.label,
        door=str(principal.door),
        is_dry_run=dry_run,
    )


def _log_text(documents: Sequence[Any], source_text: str | None) -> tuple[str, bool]:
    """Return the text that the log keeps, and whether some text in the documents may not be storable."""
    try:
        encoded = msgspec.json.encode(documents)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        shown = source_text if source_text is not None else repr(documents)
        return shown.replace("\0", "\ufffd").encode("utf-8", "replace").decode(), True
    # A number that is none (NaN) is encoded as null; a document that was read from text has no such number.
    suspicious = b"\\u0000" in encoded or (source_text is None and b"null" in encoded)
    text = source_text if source_text is not None else encoded.decode()
    return (text.replace("\0", "\ufffd") if "\0" in text else text), suspicious
