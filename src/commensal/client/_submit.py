"""Sending many rows in chunks that fit the server, and naming every row that it refuses."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec

from commensal.client._http import Connection, decode
from commensal.client._progress import Progress
from commensal.client._records import Row, Source
from commensal.client._results import SubmitResult, WrittenChunk
from commensal.client.errors import ServerFault, SubmissionFailed, SubmissionStopped, TimedOut
from commensal.errors import CommensalError, Problem, TooLarge, Unavailable

__all__ = ["Submitter", "entity_problems", "transaction_problems"]

#: Rows and bytes of the first chunk; what fits is one transaction, all or nothing.
FIRST_ROWS = 5_000
MOST_ROWS = 20_000
MOST_BYTES = 8 * 1024 * 1024
#: A chunk that took longer makes the next one smaller, one that took a quarter of it larger. Seconds.
SLOW = 20.0


class _Complaint(msgspec.Struct):
    message: Any = ""
    type: Any = None
    keys: Any = None


class _Entity(msgspec.Struct):
    id: Any = None
    type: Any = None
    valid: bool = True
    errors: list[_Complaint] = []
    warnings: list[_Complaint] = []
    unique_keys: Any = None

    @property
    def name(self) -> str | None:
        """What the record is called: its submitter_id, else another key, else its uuid."""
        first = self.unique_keys[0] if isinstance(self.unique_keys, list) and self.unique_keys else None
        if isinstance(first, dict):
            found = first.get("submitter_id") or first.get("code") or first.get("name")
            if found:
                return str(found)
        return str(self.id) if self.id else None


class TransactionAnswer(msgspec.Struct):
    """The answer to every writing request (contracts/gen3.md 4.5)."""

    success: bool = False
    transaction_id: int | None = None
    message: Any = ""
    entities: list[_Entity] = []
    transactional_errors: list[Any] = []
    created_entity_count: int = 0
    updated_entity_count: int = 0
    deleted_entity_count: int = 0


def entity_problems(
    entities: Sequence[_Entity], rows: Sequence[Row] | None = None, *, warnings: bool = False
) -> list[Problem]:
    """Return what is wrong with each record, in order; ``rows`` are what was sent, in the same order."""
    found: list[Problem] = []
    placed = rows if rows is not None and len(rows) == len(entities) else None
    for n, entity in enumerate(entities):
        row = placed[n] if placed is not None else None
        for complaint in entity.warnings if warnings else entity.errors:
            keys = [str(key) for key in complaint.keys] if isinstance(complaint.keys, list) else []
            found.append(
                Problem(
                    message=str(complaint.message),
                    code=str(complaint.type or ("warning" if warnings else "ERROR")),
                    row=row.number if row is not None else None,
                    line=row.line if row is not None else None,
                    field=", ".join(keys) or None,
                    record=entity.name,
                )
            )
    return found


def transaction_problems(answer: TransactionAnswer) -> list[Problem]:
    """Return what is wrong with a transaction as a whole."""
    found: list[Problem] = []
    for item in answer.transactional_errors:
        if isinstance(item, dict):
            found.append(Problem(str(item.get("message", item)), code=str(item.get("type") or "transaction")))
        else:
            found.append(Problem(str(item), code="transaction"))
    return found


class Submitter:
    """Sends one source; ``path`` is the route, ``method`` PUT (upsert) or POST (create only)."""

    def __init__(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        atomic: bool,
        dry_run: bool,
        chunk_rows: int | None,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self._connection = connection
        self._method = method
        self._path = path
        self._atomic = atomic
        self._fixed = chunk_rows
        self._rows = chunk_rows or FIRST_ROWS
        self._bytes = MOST_BYTES
        self._report = report
        self._sent = 0
        self.result = SubmitResult(dry_run=dry_run)

    def send(self, source: Source) -> SubmitResult:
        """Send every row; raises SubmissionFailed, SubmissionStopped, or what stopped the first chunk."""
        try:
            waiting: deque[Row] = deque()
            while rows := self._next(source, waiting):
                try:
                    self._chunk(source, rows, waiting)
                except SubmissionFailed:
                    raise
                except CommensalError as error:
                    self._stopped(error, rows)
                except KeyboardInterrupt as error:
                    error.add_note(f"Whether {self._place(rows)} were written is unknown.{self._before()}")
                    raise
                self._tell(source)
        finally:
            source.close()
        return self.result

    def _next(self, source: Source, waiting: deque[Row]) -> list[Row]:
        """Take as many rows as fit: first those that a smaller chunk left over."""
        rows: list[Row] = []
        size = 0
        while self._atomic or len(rows) < self._rows:
            if waiting:
                row = waiting.popleft()
            else:
                try:
                    row = next(source.rows, None)
                except CommensalError as error:
                    self._stopped(error, rows)
                if row is None:
                    break
            size += len(row.text) + 2
            if rows and size > self._bytes and not self._atomic:
                waiting.appendleft(row)
                break
            rows.append(row)
        return rows

    def _chunk(self, source: Source, rows: list[Row], waiting: deque[Row]) -> None:
        """Send one chunk; when it is too much for the server, send its first half and leave the rest waiting."""
        safe = self._method == "PUT" and all(row.named for row in rows)
        begin = time.monotonic()
        try:
            response = self._connection.request(
                self._method,
                self._path,
                content=source.body(rows),
                media=source.media,
                safe=safe or self.result.dry_run,
                take=(400,),
            )
        except (TooLarge, TimedOut) as error:
            if self._atomic or len(rows) == 1 or (isinstance(error, TimedOut) and not safe):
                raise
            half = len(rows) // 2
            self._rows = min(self._rows, half)
            if isinstance(error, TooLarge):
                self._bytes = max(64 * 1024, min(self._bytes, sum(len(row.text) for row in rows)) // 2)
            waiting.extendleft(reversed(rows))
            return
        answer: TransactionAnswer = decode(response, TransactionAnswer)
        if not answer.success:
            self._refused(answer, rows)
        self._adapt(time.monotonic() - begin, len(rows))
        self.result.chunks.append(
            WrittenChunk(
                rows[0].number,
                rows[-1].number,
                answer.transaction_id,
                answer.created_entity_count,
                answer.updated_entity_count,
            )
        )
        self.result.ids += [str(entity.id) for entity in answer.entities if entity.id]
        self.result.warnings += entity_problems(answer.entities, rows, warnings=True)
        self._sent += len(rows)

    def _adapt(self, seconds: float, rows: int) -> None:
        if self._fixed is not None:
            return
        if seconds > SLOW:
            self._rows = max(100, rows // 2)
        elif seconds < SLOW / 4 and rows == self._rows:
            self._rows = min(MOST_ROWS, rows * 2)

    def _tell(self, source: Source) -> None:
        if self._report is not None:
            done = self.result
            self._report(Progress("records", self._sent, source.total, source.fraction(), done.created, done.updated))

    def _refused(self, answer: TransactionAnswer, rows: Sequence[Row]) -> NoReturn:
        problems = [*transaction_problems(answer), *entity_problems(answer.entities, rows)]
        if not problems:
            problems = [Problem(str(answer.message), code="transaction")]
        bad = sum(1 for entity in answer.entities if entity.errors) or len(problems)
        text = f"{bad:,} of the {len(rows):,} records of {self._place(rows)} {'was' if bad == 1 else 'were'} refused"
        if not any(entity.errors for entity in answer.entities):
            text = f"The {len(rows):,} records of {self._place(rows)} were refused"
        text += "; none of them was written."
        raise SubmissionFailed(text + self._before(), problems, self.result, answer.transaction_id)

    @staticmethod
    def _place(rows: Sequence[Row]) -> str:
        first, last = rows[0], rows[-1]
        if first.line is not None:
            return f"lines {first.line:,} to {last.line:,}" if len(rows) > 1 else f"line {first.line:,}"
        return f"rows {first.number:,} to {last.number:,}" if len(rows) > 1 else f"row {first.number:,}"

    def _before(self) -> str:
        if not self.result.chunks or self.result.dry_run:
            return ""
        numbers = ", ".join(map(str, self.result.transaction_ids[-5:]))
        more = "… " if len(self.result.transaction_ids) > 5 else ""
        return (
            f" The {self._sent:,} records before them are written ({self.result.created:,} created, "
            f"{self.result.updated:,} updated; transactions {more}{numbers}) and stay. Correct the rows and submit "
            "again: what is there already is updated, not doubled."
        )

    def _stopped(self, error: CommensalError, rows: Sequence[Row]) -> NoReturn:
        if not self.result.chunks:
            raise error
        unknown = isinstance(error, Unavailable | ServerFault)
        fate = "whether these were written is unknown" if unknown else "these were not written"
        place = f" at {self._place(rows)} ({fate})" if rows else ""
        raise SubmissionStopped(f"The submission stopped{place}: {error}{self._before()}", self.result) from error
