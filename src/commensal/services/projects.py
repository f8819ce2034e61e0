"""Projects: the unit that people share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from commensal.core import names
from commensal.core.catalog import AVAILABILITY, ProjectPage, availability, level_of_availability
from commensal.core.permissions import NO_RIGHTS, PublicLevel, Right
from commensal.core.principals import Principal
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.errors import AlreadyExists, Invalid, InvalidRows, NotFound, StateConflict
from commensal.services.catalog_parts import CatalogParts, checked_properties
from commensal.services.programs import Programs
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProjectFilter, Ref

__all__ = ["PROJECT_STATES", "Projects"]

#: The life of a project on the Gen3 door; only an open one takes records there.
PROJECT_STATES = ("open", "review", "submitted", "processing", "closed")
#: ``update_project`` leaves alone what is not given; for ``extra``, None is a value.
UNCHANGED: Any = object()
PAGE = 100
PAGE_LIMIT = 10_000


class Projects(Programs, CatalogParts):
    """The part of the catalog that makes, shows and changes projects."""

    # --- make ---------------------------------------------------------------------------------------

    async def add_project(
        self,
        principal: Principal,
        program: Ref | Program,
        code: str | None,
        *,
        title: str | None = None,
        kind: ProjectKind | str = ProjectKind.STUDY,
        mode: Mode | str = Mode.OPEN,
        public: PublicLevel | None = None,
        properties: Mapping[str, Any] | None = None,
        extra: Any = None,
        unique_title: bool = False,
    ) -> Project:
        """Make a project; needs ``manage`` on the program.

        Without a code, one is made from the title (``_2``, … when taken); without a title, the code is
        the title. ``availability_type`` among the properties sets the public level and is not stored.
        ``unique_title`` refuses a title that another project has (Pangea).
        Raises Invalid for a malformed or reserved name, AlreadyExists for a code whose Polly form
        another project of the site has.
        """
        async with self._database.begin() as unit:
            await self._guard.access(unit, principal)
            owner = program if isinstance(program, Program) else await self.find_program(unit, program)
            await self._guard.require(unit, principal, Right.MANAGE, program=owner)
            project = await self.add_project_in(
                unit,
                principal,
                owner,
                code,
                title=title,
                kind=kind,
                mode=mode,
                public=public,
                properties=properties,
                extra=extra,
                unique_title=unique_title,
            )
            await self._audit.write(
                unit, principal, "project.add", project=project, target=project.project_id,
                details={"public": project.public_level.word, "kind": str(project.kind)},
            )  # fmt: skip
        return project

    async def add_project_in(
        self,
        unit: Unit,
        principal: Principal,
        program: Program,
        code: str | None,
        *,
        title: str | None = None,
        kind: ProjectKind | str = ProjectKind.STUDY,
        mode: Mode | str = Mode.OPEN,
        public: PublicLevel | None = None,
        properties: Mapping[str, Any] | None = None,
        extra: Any = None,
        unique_title: bool = False,
    ) -> Project:
        """Make a project inside a transaction: for services that have asked the guard and write the audit."""
        if code is None and title is None:
            raise Invalid("A project needs a code or a title.", field="code")
        if code is not None:
            names.check_project_code(code)
        names.check_title(title if title is not None else code or "")
        wish = code if code is not None else names.code_from_title(title or "")
        shown = title if title is not None else wish
        if unique_title and await self._title_taken(unit, shown):
            raise AlreadyExists(f"A project with the title {shown!r} already exists.", field="title")
        kept = checked_properties(properties, extra)
        level = level_of_availability(kept.pop(AVAILABILITY, None), public or PublicLevel.NONE)
        project: Project | None = None
        for _ in range(5):  # another request may take a made code between looking and writing
            free = wish if code is not None else await self._free_project_code(unit, wish)
            project = await self._insert_project(
                unit, principal, program, free, title=shown, kind=_kind(kind), mode=_mode(mode), public=level,
                properties=kept, extra=extra,
            )  # fmt: skip
            if project is not None or code is not None:
                break
        if project is None:
            raise AlreadyExists(
                f"The project code {wish!r} is taken on this site (compared in lower case, other characters as '_').",
                field="code",
            )
        for check in self.public_checks if level > PublicLevel.NONE else ():
            await check(unit, project, level)
        return project

    async def _title_taken(self, unit: Unit, title: str, *, by_other_than: int | None = None) -> bool:
        await self._projects.lock_title(unit, title)
        found = await self._projects.titled(unit, title)
        return any(project.seq != by_other_than for project in found)

    async def default_project(self, principal: Principal, program: Ref | Program) -> Project:
        """Return where a record of a program goes that names no project; see ``default_project_in``."""
        async with self._database.begin() as unit:
            await self._guard.access(unit, principal)
            owner = program if isinstance(program, Program) else await self.find_program(unit, program)
            return await self.default_project_in(unit, principal, owner)

    async def default_project_in(self, unit: Unit, principal: Principal, program: Program) -> Project:
        """Return a program's default project inside a transaction; needs ``create`` on it.

        In the caller's home program it is the home project, else ``<program>_cases``, made at first need by who
        has ``create`` on the whole program.
        """
        if program.home_of is not None:
            if program.home_of == principal.user:
                return await self.home_project_in(unit, principal)
            existing = await self._projects.first_of(unit, program.seq)
        else:
            existing = await self._projects.cases_of(unit, program.seq)
        if existing is not None:
            await self._guard.require(unit, principal, Right.CREATE, project=existing)
            return existing
        await self._guard.require(unit, principal, Right.CREATE, program=program)
        await self._grants.lock_program(unit, program.seq)  # tasks that race for it make one
        existing = await self._projects.cases_of(unit, program.seq)
        if existing is not None:
            return existing
        wish = f"{program.code[: names.CODE_LENGTH - 6]}_cases"
        for _ in range(5):
            code = await self._free_project_code(unit, wish)
            project = await self._insert_project(unit, principal, program, code, title=code)
            if project is not None:
                await self._audit.write(unit, principal, "project.add", project=project, target=project.project_id)
                return project
        raise AlreadyExists(f"The project code {wish!r} is taken; name a project.", field="project")

    # --- show ---------------------------------------------------------------------------------------

    async def project(self, principal: Principal, ref: Ref, *, right: Right = Right.READ) -> Project:
        """Return a project by uuid, number, accession, project id (``P-J``) or code, all without case.

        Raises NotFound, and Forbidden when the caller does not hold ``right`` on it.
        """
        async with self._database.read() as unit:
            project = await self._project(unit, principal, ref, right)
        await self._audit.read(principal, "project.read", project=project, target=project.project_id)
        return project

    async def project_in(
        self, principal: Principal, program: Ref | Program, code: str, *, right: Right = Right.READ
    ) -> Project:
        """Return a program's project by its code, as ``project`` does; never one of another program."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            owner = program if isinstance(program, Program) else await self.find_program(unit, program)
            project = await self._projects.find_in(unit, owner.seq, names.polly_form(code))
            if project is None:
                raise NotFound(f"There is no project {names.project_id(owner.code, code)[:160]!r}.")
            await self._guard.require(unit, principal, right, project=project)
        await self._audit.read(principal, "project.read", project=project, target=project.project_id)
        return project

    async def project_rights(self, principal: Principal, project: Project) -> Right:
        """Return all rights that the caller holds on a project; refuses nothing."""
        async with self._database.read() as unit:
            return await self._guard.rights(unit, principal, project=project)

    async def list_projects(
        self,
        principal: Principal,
        *,
        right: Right = Right.READ,
        search: str = "",
        program: Ref | Program | None = None,
        kind: ProjectKind | str | None = None,
        title: str | None = None,
        collections: bool = False,
        order: str = "code",
        counts: bool = False,
        by_grant_only: bool = False,
        offset: int = 0,
        limit: int | None = PAGE,
    ) -> ProjectPage:
        """Return a page of the projects on which the caller holds ``right``; two statements whatever their number.

        ``search`` is part of title or project id. Collections are listed with ``collections`` or their
        ``kind`` only. ``order`` is ``code``, ``title``, ``created`` (newest first) or ``seq``. ``limit``
        None lists all. With ``counts``, the page has the number of records by type, hidden where the
        caller may count but not read and the number is small.
        """
        only = ProjectFilter(
            search=search,
            kind=None if kind is None else str(_kind(kind)),
            title=title,
            collections=collections,
            order=order if order in ("code", "title", "created", "seq") else "code",
            counts=counts,
        )
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
            if program is not None:
                number = program if isinstance(program, int) else None
                if isinstance(program, Program):
                    number = program.seq
                elif number is None:
                    number = (await self.find_program(unit, program)).seq
                only = replace(only, program=number)
            found, total, counted = await self._projects.list(
                unit,
                access.scope(right, by_grant_only=by_grant_only),
                only,
                offset=max(0, offset),
                limit=None if limit is None else max(0, min(limit, PAGE_LIMIT)),
            )
            if only.program is not None and not total:
                # A program of which the caller may not know is none: the answer must not tell that it exists.
                await self._require_known(unit, principal, program, only.program)
        rights = {
            project.seq: access.rights(
                program=project.program, project=project.seq, public_level=int(project.public_level)
            )
            for project in found
        }
        await self._audit.read(principal, "project.list", n=len(found))
        return ProjectPage(
            items=tuple(found),
            total=total,
            offset=offset,
            limit=len(found) if limit is None else limit,
            rights=rights,
            counts={
                seq: {name: self._guard.shown(rights.get(seq, NO_RIGHTS), n) for name, n in types.items()}
                for seq, types in counted.items()
            },
        )

    @staticmethod
    def shown_properties(project: Project) -> dict[str, Any]:
        """Return a project's properties with ``availability_type`` as its public level says."""
        return {**project.properties, AVAILABILITY: availability(project.public_level)}

    # --- change -------------------------------------------------------------------------------------

    async def update_project(
        self,
        principal: Principal,
        ref: Ref | Project,
        *,
        title: str | None = None,
        properties: Mapping[str, Any] | None = None,
        extra: Any = UNCHANGED,
        kind: ProjectKind | str | None = None,
        unique_title: bool = False,
        more: Mapping[str, Any] | None = None,
        public: PublicLevel | None = None,
    ) -> Project:
        """Change title, kind, properties (all of them) or free metadata; needs ``update``.

        ``availability_type`` among the properties changes the public level when it differs, which needs ``manage``;
        so does ``public``. ``more`` is laid over the stored properties.
        """
        async with self._database.begin() as unit:
            project = await self._project(unit, principal, ref, Right.UPDATE, lock=True)
            return await self.update_project_in(
                unit, principal, project, title=title, properties=properties, extra=extra, kind=kind,
                unique_title=unique_title, more=more, public=public,
            )  # fmt: skip

    async def update_project_in(
        self,
        unit: Unit,
        principal: Principal,
        project: Project,
        *,
        title: str | None = None,
        properties: Mapping[str, Any] | None = None,
        extra: Any = UNCHANGED,
        kind: ProjectKind | str | None = None,
        unique_title: bool = False,
        more: Mapping[str, Any] | None = None,
        public: PublicLevel | None = None,
    ) -> Project:
        """Change a locked project inside a transaction: for services that have asked the guard."""
        level = project.public_level
        kept = project.properties
        if properties is not None:
            kept = checked_properties(properties)
            level = level_of_availability(kept.pop(AVAILABILITY, None), level)
        if more is not None:
            kept = {**kept, **checked_properties(more)}
        if public is not None:
            level = public
        if extra is not UNCHANGED:
            checked_properties(None, extra)
        if title is not None and title != project.title:
            names.check_title(title)
            if unique_title and await self._title_taken(unit, title, by_other_than=project.seq):
                raise AlreadyExists(f"A project with the title {title!r} already exists.", field="title")
        wanted = replace(
            project,
            title=project.title if title is None else title,
            kind=project.kind if kind is None else self._same_sort(project, _kind(kind)),
            properties=kept,
            extra=project.extra if extra is UNCHANGED else extra,
        )
        if level != project.public_level:
            await self._guard.require(unit, principal, Right.MANAGE, project=project)
            wanted = await self._at_level(unit, wanted, level)
        changed = await self._write(unit, principal, wanted)
        await self._audit.write(unit, principal, "project.update", project=project, target=project.project_id)
        return changed

    @staticmethod
    def _same_sort(project: Project, kind: ProjectKind) -> ProjectKind:
        if (kind == ProjectKind.COLLECTION) != (project.kind == ProjectKind.COLLECTION):
            raise Invalid("A collection stays a collection, and another project cannot become one.", field="kind")
        return kind

    async def rename_project(self, principal: Principal, ref: Ref | Project, code: str) -> Project:
        """Give a project another code; needs ``manage``. Its uuid and number stay."""
        async with self._database.begin() as unit:
            project = await self._project(unit, principal, ref, Right.MANAGE, lock=True)
            names.check_project_code(code)
            changed = await self._write(unit, principal, replace(project, code=code, polly_code=names.polly_form(code)))
            await self._audit.write(
                unit, principal, "project.rename", project=project, target=changed.project_id,
                details={"was": project.project_id},
            )  # fmt: skip
        return changed

    async def set_public_level(self, principal: Principal, ref: Ref | Project, level: PublicLevel) -> Project:
        """Set what everybody may do in a project; needs ``manage``. Raises Invalid where patients forbid it."""
        async with self._database.begin() as unit:
            project = await self._project(unit, principal, ref, Right.MANAGE, lock=True)
            changed = await self._write(unit, principal, await self._at_level(unit, project, level))
            await self._audit.write(
                unit, principal, "project.public", project=project, target=project.project_id,
                details={"level": level.word, "was": project.public_level.word},
            )  # fmt: skip
        return changed

    async def _at_level(self, unit: Unit, project: Project, level: PublicLevel) -> Project:
        if level > project.public_level:
            for check in self.public_checks:
                await check(unit, project, level)
        return replace(project, public_level=level)

    async def set_mode(self, principal: Principal, ref: Ref | Project, mode: Mode | str) -> Project:
        """Make a project strict or open; needs ``manage``.

        To strict, raises InvalidRows with every violation by record and field, and changes nothing then.
        """
        mode = _mode(mode)
        async with self._database.begin() as unit:
            project = await self._project(unit, principal, ref, Right.MANAGE, lock=True)
            if mode == Mode.STRICT and project.mode != Mode.STRICT:
                await self._strictly(unit, project)
            changed = await self._write(unit, principal, replace(project, mode=mode))
            await self._audit.write(
                unit, principal, "project.mode", project=project, target=project.project_id, details={"mode": str(mode)}
            )
        return changed

    async def _strictly(self, unit: Unit, project: Project) -> None:
        if self.strict_violations is None:
            if not await self._projects.empty(unit, project.seq):
                raise StateConflict("This project has records, which nothing here can check; it stays open.")
            return
        problems = list(await self.strict_violations(unit, project))
        if problems:
            raise InvalidRows(
                f"{project.project_id} stays open: {len(problems)} "
                f"{'value breaks' if len(problems) == 1 else 'values break'} the dictionary.",
                problems,
            )

    async def set_state(
        self, principal: Principal, ref: Ref | Project, state: str, *, released: bool | None = None
    ) -> Project:
        """Move a project through its life on the Gen3 door; needs ``approve``. ``review`` follows on ``open`` only,
        ``submitted`` on ``review`` only, and only a ``submitted`` project can be released.
        """
        async with self._database.begin() as unit:
            project = await self._project(unit, principal, ref, Right.APPROVE, lock=True)
            if state not in PROJECT_STATES:
                raise Invalid(f"{state!r} is no state of a project; the states are {', '.join(PROJECT_STATES)}.")
            before = {"review": "open", "submitted": "review"}.get(state)
            if before is not None and project.state not in (before, state):
                raise StateConflict(
                    f"Project is in state {project.state!r}; only from {before!r} can it go to {state!r}."
                )
            if released and project.state != "submitted":
                raise StateConflict(f"Project is in state {project.state!r}; only a submitted project can be released.")
            changed = await self._write(
                unit,
                principal,
                replace(project, state=state, released=project.released if released is None else released),
            )
            await self._audit.write(
                unit, principal, "project.state", project=project, target=project.project_id, details={"state": state}
            )
        return changed

    async def _write(self, unit: Unit, principal: Principal, project: Project) -> Project:
        changed = await self._projects.update(
            unit,
            project.seq,
            code=project.code,
            polly_code=project.polly_code,
            title=project.title,
            kind=str(project.kind),
            mode=str(project.mode),
            public_level=int(project.public_level),
            state=project.state,
            released=project.released,
            properties=project.properties,
            extra=project.extra,
            updated=self._now(),
            who=principal.user,
            door=str(principal.door),
        )
        if changed is None:
            raise AlreadyExists(f"The project code {project.code!r} is taken on this site.", field="code")
        return changed


def _kind(kind: ProjectKind | str) -> ProjectKind:
    try:
        return ProjectKind(kind)
    except ValueError:
        words = ", ".join(ProjectKind)
        raise Invalid(f"{str(kind)[:80]!r} is no kind of project; the kinds are {words}.", field="kind") from None


def _mode(mode: Mode | str) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise Invalid(f"{str(mode)[:80]!r} is no mode; a project is 'strict' or 'open'.", field="mode") from None
