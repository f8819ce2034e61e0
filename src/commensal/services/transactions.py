"""The transaction log as a door acts on it: commit and close dry runs, submit later, several documents at once, states.

Source: contracts/gen3.md 4.6, 4.11. What is submitted later is worked on by this process; when it dies, a sweep marks
the log as ERRORED, so that nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, Literal

import msgspec

from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.records import DeletionResult, ProjectRow, SubmissionResult
from commensal.errors import BadRequest, CommensalError, NotFound, StateConflict, Unavailable
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.entity_deletion import EntityDeletion
from commensal.services.guard import Guard
from commensal.services.submission import Submission, open_project, transaction_row
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.records import RecordWrites, TransactionRow
from commensal.storage.ports.transactions import LoggedDocument, LoggedTransaction, TransactionStore

__all__ = ["BulkPart", "BulkResult", "StateResult", "Transactions"]

_log = logging.getLogger(__name__)

#: Reads the documents of a text: (text, format) to documents; raises BadRequest.
Reader = Callable[[str, str], list[Any]]

#: Submissions that wait in one process, and how many of them are worked on at a time.
MOST_WAITING = 100
MOST_WAITING_BYTES = 512 * 1024 * 1024
AT_A_TIME = 1
_STOPPED = "The server was stopped before this was done; nothing was written, submit it again."
#: A pending log is touched every so often; one that was not for longer belongs to a process that died (seconds).
TOUCH = 10.0
DEAD = 60.0

Move = Literal["open", "review", "submit", "release"]

#: From which state each move leads to which; None: from where it does not matter.
_MOVES: dict[str, tuple[str, str]] = {
    "open": ("review", "open"),
    "review": ("open", "review"),
    "submit": ("review", "submitted"),
}


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One document of a bulk request, read: its place among the entities is that of its ``documents``."""

    name: str | None
    doc_format: str
    doc: str
    documents: Sequence[Any]


class BulkResult(msgspec.Struct, frozen=True):
    """The result of several documents in one transaction: the whole, and one for each document."""

    whole: SubmissionResult
    parts: list[SubmissionResult]


class StateResult(msgspec.Struct, frozen=True):
    """The answer to a move of a project's state."""

    code: int
    success: bool
    message: str
    transaction_id: int
    entities: list[Any]
    entity_error_count: int
    transactional_error_count: int
    transactional_errors: list[Any]


class _Cleared(msgspec.Struct):
    """A logged deletion of properties; one of entities is the list of ids alone."""

    ids: list[str]
    fields: list[str]


@dataclass(slots=True)
class _Waiting:
    number: int
    size: int
    run: Callable[[], Any]


class Transactions:
    """See the module; ``run`` is its background task, one in each process."""

    def __init__(
        self,
        *,
        database: Database,
        store: TransactionStore,
        records: RecordWrites,
        submission: Submission,
        deletion: EntityDeletion,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._records = records
        self._submission = submission
        self._deletion = deletion
        self._guard = guard
        self._audit = audit
        self._now = now
        self._waiting: dict[int, _Waiting] = {}
        self._order: asyncio.Queue[_Waiting] = asyncio.Queue()

    # --- before a body is looked at ---------------------------------------------------------------

    async def require_upload(self, principal: Principal, program: str, project: str, *, create_only: bool) -> None:
        """Raise what a submission would raise before it looks at documents: NotFound, Forbidden, StateConflict."""
        async with self._database.read() as unit:
            await self._open(unit, principal, program, project, create_only=create_only)

    async def _open(
        self, unit: Unit, principal: Principal, program: str, project: str, *, create_only: bool
    ) -> ProjectRow:
        right = Right.CREATE if create_only else Right.CREATE | Right.UPDATE
        return await open_project(self._records, self._guard, unit, principal, program, project, right, lock="none")

    # --- several documents ------------------------------------------------------------------------

    async def bulk(
        self,
        principal: Principal,
        program: str,
        project: str,
        parts: Sequence[BulkPart],
        *,
        create_only: bool,
        dry_run: bool,
    ) -> BulkResult:
        """Submit several documents in one transaction; all of them or none."""
        made: list[SubmissionResult] = []

        async def log(unit: Unit, result: SubmissionResult) -> None:
            made[:] = _split(result, parts)
            for part, own in zip(parts, made, strict=True):
                response = msgspec.json.encode(own).decode()
                await self._store.add_document(
                    unit, result.transaction_id, part.name, part.doc_format, _storable(part.doc), response
                )

        if len(parts) > MOST_WAITING:
            raise BadRequest(f"The request has {len(parts):,} documents; at most {MOST_WAITING} are taken.")
        documents = [document for part in parts for document in part.documents]
        whole = await self._submission.submit(
            principal, program, project, documents, create_only=create_only, dry_run=dry_run, within=log
        )
        return BulkResult(whole, made)

    # --- later ------------------------------------------------------------------------------------

    async def submit_later(
        self,
        principal: Principal,
        program: str,
        project: str,
        documents: Sequence[Any],
        *,
        create_only: bool,
        dry_run: bool,
        name: str | None,
        doc_format: str,
        source_text: str,
    ) -> int:
        """Begin a log in the state PENDING and return its number; the work is done after the answer.

        Raises Unavailable when too much waits already.
        """
        size = len(source_text)
        if len(self._waiting) >= MOST_WAITING or self._bytes() + size > MOST_WAITING_BYTES:
            raise Unavailable("Too many submissions wait already; nothing was taken, try again later.", retry_after=30)
        async with self._database.begin() as unit:
            row = await self._open(unit, principal, program, project, create_only=create_only)
            role = "create" if create_only else "update"
            log = transaction_row(row, principal, role=role, failed=False, dry_run=dry_run)
            number = await self._store.add(unit, _pending(log))
            await self._store.add_document(unit, number, name, doc_format, _storable(source_text), None)

        async def finish(unit: Unit, result: SubmissionResult) -> None:
            state = "SUCCEEDED" if result.success else "FAILED"
            await self._store.set_state(unit, number, state, msgspec.json.encode(result).decode())

        async def work() -> None:
            await self._submission.submit(
                principal,
                program,
                project,
                documents,
                create_only=create_only,
                dry_run=dry_run,
                transaction=number,
                within=finish,
            )

        self._put(_Waiting(number, size, work))
        return number

    def _bytes(self) -> int:
        return sum(one.size for one in self._waiting.values())

    def _put(self, one: _Waiting) -> None:
        self._waiting[one.number] = one
        self._order.put_nowait(one)

    async def run(self) -> None:
        """Work on what waits, say that it is alive, and sweep; until cancelled, which ends what waits as ERRORED."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(AT_A_TIME):
                    tasks.create_task(self._work())
                tasks.create_task(self._sweep())
        finally:
            for number in list(self._waiting):
                await self._failed(number, "ERRORED", _STOPPED)

    async def _work(self) -> None:
        while True:
            one = await self._order.get()
            try:
                await one.run()
            except CommensalError as error:
                await self._failed(one.number, "FAILED", error.message)
            except Exception:
                _log.exception("A submission that was to be done later failed.")
                await self._failed(one.number, "ERRORED", "Something failed on the server; nothing was written.")
            # One that is cut off here by a stop stays among those that wait, and is ended with them.
            self._waiting.pop(one.number, None)

    async def _failed(self, number: int, state: str, sentence: str) -> None:
        response = msgspec.json.encode(
            {"transaction_id": number, "success": False, "code": 400 if state == "FAILED" else 500, "message": sentence,
             "entities": [], "entity_error_count": 0, "transactional_error_count": 1,
             "transactional_errors": [{"message": sentence}], "created_entity_count": 0, "updated_entity_count": 0}
        ).decode()  # fmt: skip
        try:
            async with self._database.begin() as unit:
                await self._store.set_state(unit, number, state, response)
        except CommensalError:
            _log.warning("The state of transaction %s could not be stored; a sweep will mark it.", number)

    async def _sweep(self) -> None:
        while True:
            try:
                await self.sweep()
            except Unavailable:
                _log.warning("Pending submissions could not be looked through; this is tried again.")
            await asyncio.sleep(TOUCH)

    async def sweep(self) -> int:
        """Say that what waits here is alive, and mark what nobody works on as ERRORED; return how many."""
        now = self._now().astimezone(UTC)
        async with self._database.begin() as unit:
            if self._waiting:
                await self._store.touch(unit, list(self._waiting), now)
            return await self._store.abandon(unit, now - timedelta(seconds=DEAD))

    # --- dry runs ---------------------------------------------------------------------------------

    async def commit(
        self, principal: Principal, program: str, project: str, number: int, read: Reader
    ) -> SubmissionResult | DeletionResult:
        """Do a dry run for real, in a new transaction; answers like the upload or deletion itself.

        Raises NotFound for an unknown number, StateConflict for one that cannot be committed (any more).
        """
        async with self._database.read() as unit:
            await self._may_commit(unit, principal, program, project)
            found = await self._find(unit, program, project, number)
            documents = await self._store.documents(unit, number)
        _refuse(found)

        async def mark(unit: Unit, by: int) -> None:
            _refuse(await self._find(unit, program, project, number, lock=True))
            await self._store.committed(unit, number, by)

        if found.role == "delete":
            return await self._commit_deletion(principal, program, project, documents, mark)
        parsed = [read(document.doc, document.doc_format) for document in documents]

        async def finish(unit: Unit, result: SubmissionResult) -> None:
            if result.success:
                await mark(unit, result.transaction_id)
            response = msgspec.json.encode(result).decode()
            for document in documents:
                await self._store.add_document(
                    unit, result.transaction_id, document.name, document.doc_format, document.doc, response
                )

        return await self._submission.submit(
            principal,
            program,
            project,
            [document for one in parsed for document in one],
            create_only=found.role == "create",
            within=finish,
        )

    async def _commit_deletion(
        self, principal: Principal, program: str, project: str, documents: Sequence[LoggedDocument], mark: Any
    ) -> DeletionResult:
        doc = documents[0].doc
        if doc.startswith("["):
            logged = _Cleared(msgspec.json.decode(doc, type=list[str]), [])
        else:
            logged = msgspec.json.decode(doc, type=_Cleared)
        return await self._deletion.delete_entities(
            principal, program, project, logged.ids, fields=logged.fields, within=mark
        )

    async def close(self, principal: Principal, program: str, project: str, number: int) -> None:
        """Forbid to commit a dry run. Raises NotFound, StateConflict as ``commit``."""
        async with self._database.begin() as unit:
            row = await self._may_commit(unit, principal, program, project)
            found = await self._find(unit, program, project, number, lock=True)
            _refuse(found, failed=False)
            await self._store.close(unit, number)
            await self._audit.write(
                unit, principal, "transaction.close", program=row.program, project=row.seq, target=str(number)
            )

    async def _project(self, unit: Unit, program: str, project: str, *, lock: str) -> ProjectRow:
        row = await self._records.project_of(unit, program, project, lock=lock)
        if row is None:
            if not await self._records.program_exists(unit, program):
                raise NotFound(f"program {program} not found")
            raise NotFound(f"Project {project} not found")
        return row

    async def _may_commit(self, unit: Unit, principal: Principal, program: str, project: str) -> ProjectRow:
        row = await self._project(unit, program, project, lock="none")
        held = await self._guard.rights(unit, principal, project=row.project)
        if not held & (Right.CREATE | Right.UPDATE | Right.DELETE | Right.APPROVE):
            await self._guard.require(unit, principal, Right.UPDATE, project=row.project)
        return row

    async def _find(
        self, unit: Unit, program: str, project: str, number: int, *, lock: bool = False
    ) -> LoggedTransaction:
        found = None
        if number < 1 << 63:
            found = await self._store.find(unit, program, project, number, lock=lock)
        if found is None:
            raise NotFound(f"Unable to find transaction_log with id {number} for project {program}-{project}")
        return found

    # --- states -----------------------------------------------------------------------------------

    async def move(
        self, principal: Principal, program: str, project: str, move: Move, *, dry_run: bool = False
    ) -> StateResult:
        """Move a project through its life; needs ``approve``.

        open → review → submitted; open again from review only; release asks for a submitted project whose property
        ``releasable`` is not false. Raises StateConflict for a move that the state does not allow.
        """
        async with self._database.begin() as unit:
            row = await self._project(unit, program, project, lock="update")
            await self._guard.require(unit, principal, Right.APPROVE, project=row.project)
            was = row.project.state
            errors: list[Any] = []
            state, released = was, row.project.released
            if move == "release":
                releasable = row.project.properties.get("releasable") is not False
                if was != "submitted" or not releasable:
                    why = "it is not releasable" if was == "submitted" else f"it is in state '{was}', not 'submitted'"
                    errors.append({"message": f"Project cannot be released: {why}.", "type": "INVALID_PERMISSIONS"})
                released = True
            else:
                needed, state = _MOVES[move]
                if was != needed:
                    raise StateConflict(f"Project is in state '{was}', which prevents {move}: it must be '{needed}'.")
            log = transaction_row(row, principal, role=move, failed=bool(errors), dry_run=dry_run)
            number = await self._store.add(unit, log)
            if not errors and not dry_run:
                at = self._now().astimezone(UTC)
                await self._store.set_project_state(unit, row.seq, state, released=released, at=at)
            result = _state_result(number, move, state, errors, dry_run=dry_run)
            await self._store.add_document(unit, number, None, "json", "{}", msgspec.json.encode(result).decode())
            await self._audit.write(
                unit, principal, "project.state", project=row.project, target=row.project_id,
                result="invalid" if errors else "dry run" if dry_run else "ok", details={"move": move},
            )  # fmt: skip
        return result


def _state_result(number: int, move: str, state: str, errors: list[Any], *, dry_run: bool) -> StateResult:
    if errors:
        message = "Transaction aborted due to 1 transactional error."
    elif dry_run:
        message = "Dry run successful. This transaction would have succeeded; nothing was written."
    else:
        message = "Successfully released project." if move == "release" else f"Successfully updated project to {state}."
    return StateResult(
        code=400 if errors and not dry_run else 200,
        success=not errors,
        message=message,
        transaction_id=number,
        entities=[],
        entity_error_count=0,
        transactional_error_count=len(errors),
        transactional_errors=errors,
    )


def _pending(log: TransactionRow) -> TransactionRow:
    return TransactionRow(
        program=log.program,
        project=log.project,
        project_seq=log.project_seq,
        role=log.role,
        state="PENDING",
        submitter=log.submitter,
        submitter_name=log.submitter_name,
        door=log.door,
        is_dry_run=log.is_dry_run,
    )


def _refuse(found: LoggedTransaction, *, failed: bool = True) -> None:
    if found.committed_by is not None:
        raise StateConflict(f"This transaction_log was committed already by transaction '{found.committed_by}'.")
    if not found.is_dry_run:
        raise StateConflict("This transaction_log is not a dry run. Only dry runs can be committed or closed.")
    if found.closed:
        raise StateConflict("This transaction_log is closed.")
    if failed and found.state != "SUCCEEDED":
        raise StateConflict(
            f"This transaction_log has the state {found.state}. Only dry runs that succeeded can be committed."
        )


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if "\0" in text else text


def _split(result: SubmissionResult, parts: Sequence[BulkPart]) -> list[SubmissionResult]:
    """Return the result of each document: its own entities, with the outcome of the whole."""
    made: list[SubmissionResult] = []
    start = 0
    for part in parts:
        own = result.entities[start : start + len(part.documents)]
        start += len(part.documents)
        created = sum(1 for entity in own if entity.valid and entity.action == "create") if result.success else 0
        updated = sum(1 for entity in own if entity.valid and entity.action == "update") if result.success else 0
        made.append(
            SubmissionResult(
                transaction_id=result.transaction_id,
                success=result.success,
                code=result.code,
                message=result.message,
                entities=own,
                entity_error_count=sum(1 for entity in own if not entity.valid),
                transactional_error_count=result.transactional_error_count,
                transactional_errors=result.transactional_errors,
                created_entity_count=created,
                updated_entity_count=updated,
            )
        )
    return made
