"""Graph queries: the caller's scope, one statement a root field, one line in the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from commensal.core.graph.model import Root
from commensal.core.permissions import Access, Right, Scope
from commensal.core.principals import Principal
from commensal.errors import TooLarge
from commensal.services.audit import Audit
from commensal.services.guard import REMEMBER, Guard
from commensal.services.turns import Turns
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.graph import GraphReads, Prepared

__all__ = ["GraphQueries", "Prepared"]

#: Queries of one caller that a process works on at the same time; others of theirs wait, so that connections are left
#: for everybody else.
AT_ONCE = 4
TOGETHER = 8
#: Characters of one answer: it is put together in memory.
MOST_ANSWER = 256 << 20


class GraphQueries:
    """Answers root fields of ``core.graph``, limited to what the caller may see.

    Rows and links need ``read`` on their project (or a public level of read). Counts include projects where the
    caller holds ``aggregate`` only; small ones are hidden there (design, "Rights"). Programs are shown to everybody
    when they are listed, else to those who may read something in them. Private records are shown by grant only;
    counts of whole types have them.
    """

    def __init__(
        self,
        *,
        database: Database,
        reads: GraphReads,
        guard: Guard,
        audit: Audit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._reads = reads
        self._guard = guard
        self._audit = audit
        self._turns = Turns(AT_ONCE, TOGETHER)
        self._monotonic = monotonic
        self._private, self._private_until = True, float("-inf")

    def prepare(self, field: Root) -> Prepared:
        """Compile a root field once; the result answers any caller, any number of times."""
        return self._reads.prepare(field)

    async def answer(self, principal: Principal, prepared: Sequence[Prepared]) -> list[str]:
        """Return the JSON text of each root field, in order; several fields see one moment.

        Raises Unauthenticated for callers without an account where the site has no anonymous access, TooLarge for an
        answer that does not fit.
        """
        if not prepared:
            await self._allowed(principal)
            return []
        opened = self._database.read() if len(prepared) == 1 else self._database.snapshot()
        async with self._turns.of(principal.user), opened as unit:
            access = await self._guard.access(unit, principal)
            read, count = access.scope(Right.READ), access.scope(Right.AGGREGATE)
            least = self._guard.min_count
            granted = await self._granted(unit, access)
            answers: list[str] = []
            size = 0
            for one in prepared:
                text = await self._reads.answer(unit, one, read=read, count=count, min_count=least, granted=granted)
                size += len(text)
                if size > MOST_ANSWER:
                    raise TooLarge(
                        f"The answer to this query is longer than {MOST_ANSWER >> 20} MiB; "
                        "ask for fewer rows with first and offset."
                    )
                answers.append(text)
        await self._audit.read(principal, "records.query", target=prepared[0].key, n=len(prepared))
        return answers

    async def _granted(self, unit: Unit, access: Access) -> Scope | None:
        """Return where the caller may see private records, None where that hides nothing from him.

        Whether there are any is remembered for a second.
        """
        granted = access.scope(Right.READ, by_grant_only=True)
        if granted.everything and granted.only_program is None:
            return None
        if self._monotonic() >= self._private_until:
            self._private = await self._reads.any_private(unit)
            self._private_until = self._monotonic() + REMEMBER
        return granted if self._private else None

    async def _allowed(self, principal: Principal) -> None:
        """Refuse those who may not even ask about the schema."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
