"""What import jobs do: a file, a study or a group of samples, each in one transaction with the end of its job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from commensal.core.catalog import AVAILABILITY
from commensal.core.entities import NOTHING
from commensal.core.files import File, check_path
from commensal.core.free_metadata import settable, split_extra
from commensal.core.ids import uuid7
from commensal.core.import_groups import GROUP_LINK, GROUP_TYPE
from commensal.core.jobs import ImportRequest, JobKind
from commensal.core.names import accession
from commensal.core.permissions import Right
from commensal.core.plans import Plans
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project, ProjectKind
from commensal.core.puts import LinkTo, Put
from commensal.core.studies import GROUP_ID, NAME_KEYS, Kind
from commensal.core.tabular.metadata_table import NAME_KEY, Cell, read_metadata, typed
from commensal.errors import Malformed, NoSpace, TooLarge, Unavailable
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionaries import Dictionaries
from commensal.services.fetching import Fetching, name_in
from commensal.services.files import Files
from commensal.services.guard import Guard
from commensal.services.records import LOCKS, Records
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.blobs import Blobs
from commensal.storage.ports.jobs import JobStore
from commensal.storage.ports.records import Clash

__all__ = ["METADATA_BYTES", "PROGRAM_KEY", "ImportSteps", "Step"]

#: Most bytes of a table of metadata.
METADATA_BYTES = 16 * 1024 * 1024
#: In a study's table: the program that the study shall be made in, instead of the home program.
PROGRAM_KEY = "commensal:program"
_DATA_CLASS = "Data Class"
_TITLE_KEYS = ("Study Title", "Title")
#: What the members of a group are.
_MEMBERS = {JobKind.SAMPLES: Kind.SAMPLE, JobKind.LIBRARIES: Kind.LIBRARY, JobKind.PREPARATIONS: Kind.PREPARATION}
#: A column of this name is no other name of a thing that has one.
_LABEL = frozenset({"label"})

#: Ends the job with the number of what was made, in the transaction that makes it; raises when the claim is lost.
Finish = Callable[[Unit, int], Awaitable[None]]


@dataclass(slots=True)
class Step:
    """One job being done: who asked, what for, and at which ``stage`` it is.

    ``bytes`` and ``metadata`` came with the request; None: they are fetched.
    """

    number: int
    kind: JobKind
    principal: Principal
    project: Project | None
    request: ImportRequest
    finish: Finish
    bytes: AsyncIterable[bytes] | None = None
    metadata: bytes | None = None
    media_type: str = "application/octet-stream"
    stage: str = "start"


class ImportSteps:
    """See the module; every method raises what stops the job, and leaves nothing then."""

    def __init__(
        self,
        *,
        database: Database,
        store: JobStore,
        fetching: Fetching,
        blobs: Blobs,
        files: Files,
        records: Records,
        catalog: Catalog,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._fetching = fetching
        self._blobs = blobs
        self._files = files
        self._records = records
        self._catalog = catalog
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- a file -------------------------------------------------------------------------------------

    async def file(self, step: Step) -> None:
        """Store the bytes as a file of the study, with its class and metadata as its own attributes."""
        request, project = step.request, step.project
        if project is None:
            raise Malformed("A file is imported into a study.", field="studyAccession")
        link = request.data_link
        extra: dict[str, Any] = {}
        data = await self._metadata(step)
        if data is not None:
            step.stage = "read metadata"
            [row] = await asyncio.to_thread(read_metadata, data, single=True)
            extra = typed(_own(row), lambda _key, _value: False)
        extra[_DATA_CLASS] = request.data_class
        step.stage = "fetch file" if step.bytes is None else "receive file"
        if step.bytes is not None:
            await self._keep(step, project, request.name or "file", step.bytes, extra, None, step.media_type)
        elif link is not None:
            async with self._fetching.open(step.principal, link, project) as incoming:
                name = name_in(link, incoming.name)
                await self._keep(step, project, name, incoming.chunks, extra, incoming.size, incoming.media_type)
        else:
            raise Malformed("No file came, and no link to one.", field="dataLink")

    async def _keep(
        self,
        step: Step,
        project: Project,
        name: str,
        chunks: AsyncIterable[bytes],
        extra: dict[str, Any],
        size: int | None,
        media_type: str,
    ) -> None:
        uuid = uuid7(int(self._now().timestamp() * 1000))
        path = check_path(f"{uuid}/{name}")  # until its number is known
        room = await self._files.check_place(step.principal, project, path)
        try:
            stored = await self._blobs.put(chunks, limit=room)
        except TooLarge:
            if room is None:
                raise
            raise NoSpace("The program's quota leaves no room for this file.", retry_after=60) from None
        step.stage = "write"

        async def done(unit: Unit, file: File) -> None:
            await self._store.name_file(unit, file.seq, f"{accession(file.seq)}/{name}")
            await step.finish(unit, file.seq)

        await self._files.keep(
            step.principal,
            project,
            path,
            stored,
            media_type=media_type,
            extra=extra,
            uuid=uuid,
            expected=(size, None, None),
            also=done,
        )

    async def _metadata(self, step: Step) -> bytes | None:
        link = step.request.metadata_link
        if step.metadata is not None or link is None:
            return step.metadata
        step.stage = "fetch metadata"
        return await self._fetching.read(step.principal, link, step.project, limit=METADATA_BYTES)

    # --- a study ------------------------------------------------------------------------------------

    async def study(self, step: Step) -> None:
        """Make a project of the kind study: in the caller's home program, or in the one that the table names."""
        data = await self._metadata(step)
        if data is None:
            raise Malformed("A study needs a link to its table of metadata.", field="metadataLink")
        step.stage = "read metadata"
        [row] = await asyncio.to_thread(read_metadata, data, single=True)
        program_name = row.get(PROGRAM_KEY)
        title = next((row[key] for key in (NAME_KEY, *_TITLE_KEYS) if key in row), None)
        if title is None:
            title = name_in(step.request.metadata_link or "").rpartition(".")[0] or "Study"
        properties, extra = await self._facts(row)
        step.stage = "write"
        program: Program | None = None
        if program_name is not None:
            program = await self._catalog.program(step.principal, _text(program_name), right=Right.MANAGE)
        async with self._database.begin() as unit:
            if program is None:
                home = await self._catalog.home_project_in(unit, step.principal)
                program = await self._catalog.find_program(unit, home.program)
            project = await self._catalog.add_project_in(
                unit, step.principal, program, None, title=_text(title), kind=ProjectKind.STUDY,
                properties=properties, extra=extra or None,
            )  # fmt: skip
            await self._audit.write(
                unit, step.principal, "project.add", project=project, target=project.project_id,
                details={"kind": str(project.kind), "job": step.number},
            )  # fmt: skip
            await self._store.set_project(unit, step.number, project.seq)
            await step.finish(unit, project.seq)
        self._guard.forget()

    async def _facts(self, row: Mapping[str, Cell]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a study's table says as properties and as free metadata of a project."""
        plan = (await self._dictionaries.current()).plans.stored("project")
        own = _own(row)
        if plan is None:
            return {}, typed(own, lambda _key, _value: False)
        free = {AVAILABILITY, "label", *plan.link_names}
        taken, rest = split_extra(plan, {key: value for key, value in own.items() if key not in free})
        numbers, rest = split_extra(plan, typed(rest, lambda _key, _value: False))
        kept = {key: value for key, value in own.items() if key in free}
        return {**taken, **numbers}, {**rest, **typed(kept, lambda _key, _value: False)}

    # --- samples ------------------------------------------------------------------------------------

    async def group(self, step: Step) -> None:
        """Make a group and its samples, libraries or preparations: in the study, or without one in the home project."""
        data = await self._metadata(step)
        if data is None:
            raise Malformed(f"An import of {step.kind} needs a table of metadata.", field="metadataLink")
        step.stage = "read metadata"
        rows = await asyncio.to_thread(read_metadata, data)
        step.stage = "write"
        project = step.project or await self._catalog.home_project(step.principal)
        puts = await asyncio.to_thread(self._puts, step, rows, (await self._dictionaries.current()).plans)
        for lock in LOCKS:
            try:
                async with self._database.begin() as unit:
                    made = await self._records.put_in(unit, step.principal, project, puts, create_only=True, lock=lock)
                    await self._store.set_project(unit, step.number, project.seq)
                    await step.finish(unit, made[0].seq)
                return
            except Clash:
                continue
        raise Unavailable(f"Others are writing the same {step.kind} at this moment; nothing was written, try again.")

    @staticmethod
    def _puts(step: Step, rows: list[dict[str, Cell]], plans: Plans) -> list[Put]:
        source = step.request.name or name_in(step.request.metadata_link or "")
        about = {"kind": str(step.kind), "source": source}
        stored, key = _stored(step.kind, plans), NAME_KEYS[_MEMBERS[step.kind]]
        plan = plans.stored(stored)
        if step.request.template is not None:
            about["template"] = step.request.template
        group = f"{step.kind}-{step.number}"
        owner = (LinkTo(GROUP_LINK, type=GROUP_TYPE, submitter_id=group),)
        puts = [Put(type=GROUP_TYPE, submitter_id=group, label=source[:200], metadata=about)]

        def taken(key: str, value: Any) -> bool:
            return plan is not None and settable(plan.node, key) and plan.validator.validate_property(key, value)

        for row in rows:
            name, label = row.pop(key, None), row.pop(NAME_KEY, None)
            puts.append(
                Put(
                    type=stored,
                    submitter_id=None if name is None else _text(name),
                    metadata=typed(_own(row), taken),
                    label=NOTHING if label is None else _text(label),
                    links=owner,
                    apart=frozenset() if label is None else _LABEL,
                )
            )
        return puts


def _own(row: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return the columns that are not what a thing shows of itself: name, group, and what is ours."""
    return {
        key: value for key, value in row.items() if key not in (NAME_KEY, GROUP_ID) and not key.startswith("commensal:")
    }


def _stored(kind: JobKind, plans: Plans) -> str:
    member = _MEMBERS[kind]
    return plans.dictionary.role("sample").write if member is Kind.SAMPLE else f"commensal.{member}"


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else "|".join(cell)
