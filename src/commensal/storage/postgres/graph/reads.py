"""Sends compiled graph queries."""

from __future__ import annotations

import asyncpg

from commensal.core.graph.model import Count, Root
from commensal.core.permissions import Scope
from commensal.errors import TooLarge
from commensal.storage.ports import Unit
from commensal.storage.ports.graph import Prepared
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.graph.compile import compile_root
from commensal.storage.postgres.graph.text import COUNTED, READABLE
from commensal.storage.postgres.private_records import any_private, without_private
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgGraphReads"]

_MANY_SHAPES = 64


class _Statement:
    """A compiled field: its text for each shape of scope that was met, and its values."""

    __slots__ = ("_texts", "counts", "key", "size", "template", "values")

    def __init__(self, field: Root) -> None:
        self.key = field.key
        self.template, self.values = compile_root(field)
        self.counts = isinstance(field, Count) and COUNTED in self.template
        self.size = 400 + len(self.template) * 2 + sum(_size(value) for value in self.values)
        self._texts: dict[tuple[str, str], str] = {}

    def text(self, read: str, count: str) -> str:
        found = self._texts.get((read, count))
        if found is None:
            if len(self._texts) >= _MANY_SHAPES:
                self._texts.clear()
            found = self.template.replace(READABLE, read).replace(COUNTED, count)
            self._texts[read, count] = found
        return found


def _size(value: object) -> int:
    if isinstance(value, list):
        return 60 + sum(_size(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return 60 + (len(value) if isinstance(value, str) else 0)


class PgGraphReads:
    """See ``ports.graph.GraphReads``."""

    def prepare(self, field: Root) -> Prepared:
        """Compile a root field."""
        return _Statement(field)

    async def any_private(self, unit: Unit) -> bool:
        """See the port."""
        return await any_private(unit)

    async def answer(
        self,
        unit: Unit,
        prepared: Prepared,
        *,
        read: Scope,
        count: Scope,
        min_count: int,
        granted: Scope | None = None,
    ) -> str:
        """Return the field's value as JSON text."""
        if not isinstance(prepared, _Statement):
            raise TypeError("prepared by another storage")
        values = list(prepared.values)
        reading = counting = ""
        if READABLE in prepared.template:
            reading, more = scope_sql(read, len(values) + 1)
            values += more
        if prepared.counts:
            values[0] = min_count
            counting, more = scope_sql(count, len(values) + 1)
            values += more
        text = prepared.text(reading, counting)
        if granted is not None:
            text, more = without_private(text, granted, len(values) + 1)
            values += more
        try:
            return await pg(unit).value(text, *values)
        except (asyncpg.ProgramLimitExceededError, asyncpg.OutOfMemoryError) as error:
            raise TooLarge(
                "The answer to this query is too large for one piece; ask for fewer rows with first and offset."
            ) from error
        except asyncpg.QueryCanceledError as error:  # by the time limit; contracts/gen3.md 5.1
            raise TooLarge("The query timed out; ask for less at once, or for it in several steps.") from error
