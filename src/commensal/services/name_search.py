"""Search for samples, projects and programs by words of their names, within what the caller may read."""

from __future__ import annotations

from dataclasses import dataclass

from commensal.core.lineage import Lineage, kinds_of
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Program
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.catalog import ProgramView
from commensal.storage.ports.lineages import LineageReads
from commensal.storage.ports.name_search import NameSearchStore

__all__ = ["MOST_FOUND", "FoundNames", "NameSearch"]

#: How many of each kind one search returns.
MOST_FOUND = 100


@dataclass(frozen=True, slots=True)
class FoundNames:
    """What was found, each in order of making."""

    samples: tuple[Lineage, ...] = ()
    projects: tuple[Lineage, ...] = ()
    programs: tuple[Program, ...] = ()


class NameSearch:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        store: NameSearchStore,
        reads: LineageReads,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._reads = reads
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit

    async def search(self, principal: Principal, text: str) -> FoundNames:
        """Return at most ``MOST_FOUND`` samples, projects and programs that have all words of a text in their names.

        Each word is taken as the beginning of one, without case; a text without words finds nothing.
        """
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
            kinds = kinds_of((await self._dictionaries.current(unit)).dictionary)
            view = ProgramView(
                everything=access.site_admin,
                listed=principal.signed_in,
                seen=await self._guard.seen_programs(unit, principal),
                only_program=access.only_program,
            )
            hits = await self._store.find(unit, kinds, access.scope(Right.READ), view, text, MOST_FOUND)
            samples = await self._reads.of_samples(unit, kinds, hits.samples) if hits.samples else []
            projects = await self._reads.of_projects(unit, seqs=hits.projects) if hits.projects else []
        samples.sort(key=lambda one: 0 if one.sample is None else one.sample.seq)
        n = len(samples) + len(projects) + len(hits.programs)
        await self._audit.read(principal, "name.search", target=text[:200], n=n)
        return FoundNames(tuple(samples), tuple(projects), tuple(hits.programs))
