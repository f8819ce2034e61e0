"""Exports: whole types streamed in flat memory, chosen records with what hangs below them, counts by project.

Source: contracts/gen3.md 4.9, 4.10, 5.6. Rights: the read right by a grant, or a project whose public level is
``download`` (architecture, "Rights").
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.exported import Exported, ExportShape, LinkShape
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.permissions import Right
from commensal.core.plans import NOT_SUBMITTED
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.core.records import ProjectRow
from commensal.core.tabular.copied import Cell
from commensal.errors import BadRequest, NotFound
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.turns import Turns
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.catalog import ProgramStore
from commensal.storage.ports.exports import ExportStore
from commensal.storage.ports.records import RecordWrites

__all__ = ["Exports", "TypeExport", "export_shape"]

#: Whole types that a process streams at the same time to one caller, and to all; each holds a connection to the
#: database as long as its client is slow, others wait.
AT_ONCE = 3
TOGETHER = 5
#: More records than this are not exported by id in one request.
MOST_IDS = 100_000

#: Properties that are stored in columns of their own.
_COLUMNS = ("state", "created_datetime", "updated_datetime")


class TypeExport:
    """One type of one project, about to be streamed: ``rows`` or ``objects``, once."""

    def __init__(
        self,
        store: ExportStore,
        unit: Unit,
        node: NodeType,
        dictionary: Dictionary,
        project: ProjectRow | None,
        project_id: str,
    ) -> None:
        self._store = store
        self._unit = unit
        self.node = node
        self.dictionary = dictionary
        self._project = 0 if project is None else project.seq
        self.project_id = project_id
        self.shape = export_shape(node)

    @asynccontextmanager
    async def rows(self) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """Stream records as lines; see ``ports.exports.ExportStore.rows``."""
        async with self._store.rows(self._unit, self._project, self.shape) as chunks:
            yield chunks

    @asynccontextmanager
    async def cells(self, cells: Sequence[Cell]) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """Stream records as lines of cells; see ``ports.exports.ExportStore.cells``."""
        async with self._store.cells(self._unit, self._project, self.shape, cells) as chunks:
            yield chunks

    @asynccontextmanager
    async def objects(self, *, with_id: bool, keys: Mapping[str, str]) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """Stream lines of JSON objects; see ``ports.exports.ExportStore.objects``."""
        store = self._store
        async with store.objects(
            self._unit, self._project, self.project_id, self.shape, with_id=with_id, keys=keys
        ) as chunks:
            yield chunks


def export_shape(node: NodeType) -> ExportShape:
    """Return what a streamed export of a type reads."""
    declared = set(node.properties) - set(node.system_properties)
    columns = [name for name in _COLUMNS if name in declared]
    if node.has_metadata:
        columns.append("metadata")
    return ExportShape(
        type=node.name,
        links=[
            LinkShape(link.name, link.target if link.target in ("project", "program") else "record", link.many_targets)
            for link in sorted(node.links, key=lambda one: one.name)
        ],
        hidden=sorted(name for name in node.system_properties if name not in ("id", "project_id", *_COLUMNS)),
        columns=columns,
    )


class Exports:
    """What export and entity routes read with."""

    def __init__(
        self,
        *,
        database: Database,
        store: ExportStore,
        records: RecordWrites,
        programs: ProgramStore,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._records = records
        self._programs = programs
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._turns = Turns(AT_ONCE, TOGETHER)

    # --- rights -----------------------------------------------------------------------------------

    async def _may_export(self, unit: Unit, principal: Principal, program: str, project: str) -> ProjectRow | None:
        """Return the project, None when there is none but the caller may read all of its program."""
        row = await self._records.project_of(unit, program, project, lock="none")
        if row is None:
            owner = await self._programs.find(unit, program)
            if owner is None or fold(owner.code) != fold(program):
                access = await self._guard.access(unit, principal)
                if not access.site_admin:
                    raise await self._guard.refused(principal, "export")
            else:
                await self._guard.require(unit, principal, Right.READ, program=owner, by_grant_only=True)
            return None
        held = await self._guard.rights(unit, principal, project=row.project, by_grant_only=True)
        if not held & Right.READ:
            await self._guard.require(unit, principal, Right.READ | Right.DOWNLOAD, project=row.project)
            if await self._store.any_private(unit, row.seq):
                raise await self._guard.refused(
                    principal, "export", project=row.project,
                    sentence="This project has private results: those who hold a grant on it may export it.",
                )  # fmt: skip
        return row

    async def require(self, principal: Principal, program: str, project: str) -> None:
        """Raise Forbidden unless the caller may export from a project."""
        async with self._database.read() as unit:
            await self._may_export(unit, principal, program, project)

    async def allowed(self, principal: Principal, project: Project) -> bool:
        """Tell whether the caller may export from a project; nothing is audited."""
        async with self._database.read() as unit:
            held = await self._guard.rights(unit, principal, project=project, by_grant_only=True)
            if held & Right.READ:
                return True
            wanted = Right.READ | Right.DOWNLOAD
            if await self._guard.rights(unit, principal, project=project) & wanted != wanted:
                return False
            return not await self._store.any_private(unit, project.seq)

    # --- one type ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def type(
        self, principal: Principal, program: str, project: str, node_label: str
    ) -> AsyncGenerator[TypeExport]:
        """Open the export of a type; what is read within the block is of one moment.

        Raises Forbidden before anything else, and BadRequest for a type that the dictionary has not or that has no
        records. A project that does not exist is empty (contracts/gen3.md 4.2).
        """
        async with self._turns.of(principal.user), self._database.snapshot() as unit:
            row = await self._may_export(unit, principal, program, project)
            used = await self._dictionaries.current(unit)
            node = exportable(used.dictionary, node_label)
            shown = f"{program}-{project}" if row is None else row.project_id
            await self._audit.read(
                principal,
                "records.export",
                project=None if row is None else row.project,
                target=f"{shown} {node_label}",
            )
            yield TypeExport(self._store, unit, node, used.dictionary, row, shown)

    # --- chosen records ---------------------------------------------------------------------------

    async def chosen(
        self,
        principal: Principal,
        program: str,
        project: str,
        ids: Sequence[str],
        *,
        with_children: bool = False,
        category: str | None = None,
    ) -> list[Exported]:
        """Return records by id, in order of id; unknown ones and those of other projects are left out.

        ``with_children`` adds all that links to them, directly or not; ``category`` keeps types of one category.
        Raises NotFound when none is found.
        """
        wanted = list(dict.fromkeys(one.lower() for one in ids if is_uuid(one)))
        async with self._database.snapshot() as unit:
            row = await self._may_export(unit, principal, program, project)
            if row is not None and with_children:
                wanted = await self._store.with_children(unit, row.seq, wanted, MOST_IDS + 1)
            if len(wanted) > MOST_IDS:
                raise BadRequest(f"More than {MOST_IDS:,} records are asked for; export by node_label instead.")
            found = await self._store.by_ids(unit, row.seq, wanted) if row is not None and wanted else []
            types = (await self._dictionaries.current(unit)).dictionary.types
        found = [
            record
            for record in found
            if record.type in types and (category is None or types[record.type].category == category)
        ]
        if not found:
            raise NotFound(f"Unable to find {', '.join(ids)[:500]}")
        await self._audit.read(principal, "records.export", project=row and row.project, n=len(found))
        return found

    async def entities(
        self, principal: Principal, program: str, project: str, ids: Sequence[str]
    ) -> tuple[ProjectRow, list[Exported]]:
        """Return records by id as asked; raises BadRequest that names the ones that are not there."""
        async with self._database.read() as unit:
            row = await self._records.project_of(unit, program, project, lock="none")
            if row is None:
                if not await self._records.program_exists(unit, program):
                    raise NotFound(f"program {program} not found")
                raise NotFound(f"Project {project} not found")
            await self._guard.require(unit, principal, Right.READ, project=row.project)
            wanted = list(dict.fromkeys(one.lower() for one in ids if is_uuid(one)))[: MOST_IDS + 1]
            found = {record.id: record for record in await self._store.by_ids(unit, row.seq, wanted)}
            types = (await self._dictionaries.current(unit)).dictionary.types
        missing = [one for one in ids if one.lower() not in found or found[one.lower()].type not in types]
        if missing or not ids:
            raise BadRequest(f"Not found: {', '.join(missing)[:2000]}")
        await self._audit.read(principal, "records.read", project=row.project, n=len(ids))
        return row, [found[one.lower()] for one in ids]

    # --- counts -----------------------------------------------------------------------------------

    async def counts(self, principal: Principal, types: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return the number of records by project id and type, for the projects that the caller may read."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            rows = await self._store.counts(unit, scope, types)
        found: dict[str, dict[str, int]] = {}
        for project_id, type_name, n in rows:
            found.setdefault(project_id, {})[type_name] = n
        await self._audit.read(principal, "records.count", n=len(found))
        return found


def exportable(dictionary: Dictionary, label: str) -> NodeType:
    """Return a type whose records can be exported; raises BadRequest."""
    node = dictionary.types.get(label)
    if node is None:
        raise BadRequest(f"dictionary does not have node with type {label}")
    if not node.exportable or node.label in NOT_SUBMITTED or not node.submittable:
        raise BadRequest(f"nodes of type {label} (category {node.category}) cannot be exported")
    return node
