"""Programs: owners of projects, and the home program of every user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from commensal.core import names
from commensal.core.catalog import ItemPage
from commensal.core.ids import program_uuid, project_uuid
from commensal.core.permissions import PublicLevel, Right
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.errors import AlreadyExists, Closed, Invalid, NotFound, Unauthenticated
from commensal.services.audit import is_site_admin
from commensal.services.catalog_parts import CatalogParts, checked_properties
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import NewProgram, NewProject, ProgramView, Ref

__all__ = ["Programs"]

#: A home this young may be missing in what the guard remembers of its owner.
_JUST_MADE = timedelta(seconds=2)


class Programs(CatalogParts):
    """The part of the catalog that makes, shows and renames programs."""

    # --- make ---------------------------------------------------------------------------------------

    async def add_program(
        self,
        principal: Principal,
        code: str,
        *,
        title: str | None = None,
        listed: bool = True,
        properties: Mapping[str, Any] | None = None,
    ) -> Program:
        """Make a program; site admins only. A site admin with an account becomes its owner.

        ``title`` is the code when absent. Raises Invalid for a reserved or malformed name and
        AlreadyExists for a taken one (both compare without case).
        """
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "program.add")
            names.check_program_code(code)
            title = names.check_title(title if title is not None else code)
            program = await self._make_program(
                unit, principal, code, title, listed=listed, properties=checked_properties(properties)
            )
            await self._audit.write(unit, principal, "program.add", program=program, target=program.code)
        self._guard.forget()
        return program

    async def open_own_program(
        self, principal: Principal, title: str, *, properties: Mapping[str, Any] | None = None
    ) -> Program:
        """Make a program of one's own, with a code made from the title; its maker owns it.

        Raises Closed where self-service is off (site admins may still), AlreadyExists for a taken title.
        """
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "program.open")
            if principal.only_program is not None:
                raise await self._guard.refused(
                    principal, "program.open", sentence="This key is limited to its program; sign in to open another."
                )
            if not (self._self_service or is_site_admin(principal)):
                await self._audit.refusal(principal, "program.open")
                raise Closed("Opening own programs is switched off here; ask a site admin for a program.")
            names.check_title(title)
            wish = names.code_from_title(title, program=True)
            program: Program | None = None
            for _ in range(5):  # another request may take the code between looking and writing
                code = await self._free_program_code(unit, wish)
                program = await self._insert_program(
                    unit, principal, code, title, listed=False, properties=checked_properties(properties)
                )
                if program is not None or await self._programs.titled(unit, names.fold(title)) is not None:
                    break
            if program is None:
                raise AlreadyExists(f"A program with the title {title!r} already exists.", field="title")
            await self._own(unit, principal, program)
            await self._audit.write(unit, principal, "program.open", program=program, target=program.code)
        self._guard.forget()
        return program

    async def _make_program(
        self, unit: Unit, principal: Principal, code: str, title: str, *, listed: bool, properties: dict[str, Any]
    ) -> Program:
        program = await self._insert_program(unit, principal, code, title, listed=listed, properties=properties)
        if program is None:
            if await self._programs.find(unit, code) is not None:
                raise AlreadyExists(f"A program with the code {code!r} already exists.", field="code")
            raise AlreadyExists(f"A program with the title {title!r} already exists.", field="title")
        await self._own(unit, principal, program)
        return program

    async def _insert_program(
        self,
        unit: Unit,
        principal: Principal,
        code: str,
        title: str,
        *,
        listed: bool,
        properties: dict[str, Any],
        home_of: int | None = None,
    ) -> Program | None:
        new = NewProgram(
            uuids=(program_uuid(code), uuid4()),
            code=code,
            code_folded=names.fold(code),
            title=title,
            title_folded=names.fold(title),
            listed=listed,
            home_of=home_of,
            made_by=principal.user,
            properties=properties,
            created=self._now(),
        )
        return await self._programs.add(unit, new)

    async def _own(self, unit: Unit, principal: Principal, program: Program) -> None:
        if principal.user is not None:
            await self._grants.add(
                unit,
                user=principal.user,
                group=None,
                role="owner",
                program=program.seq,
                project=None,
                made_by=principal.user,
                made=self._now(),
                until=None,
            )

    # --- home ---------------------------------------------------------------------------------------

    async def home_project(self, principal: Principal) -> Project:
        """Return the project of the caller's home program; both are made at first need."""
        async with self._database.begin() as unit:
            project = await self.home_project_in(unit, principal)
        if project.made_by == principal.user and project.updated >= self._now() - _JUST_MADE:
            self._guard.forget()
        return project

    async def home_project_in(self, unit: Unit, principal: Principal) -> Project:
        """Return the caller's home project inside a transaction; its making is audited here.

        Tasks that race for it all get the same one. Raises Unauthenticated for anonymous callers and
        Invalid for the operator, who has no home.
        """
        user = principal.user
        if not principal.signed_in:
            raise Unauthenticated("Sign in, or send a valid token, to write without naming a project.")
        if user is None or principal.kind is not PrincipalKind.USER:
            raise Invalid("Name a program and a project: the operator has no home program.", field="project")
        program = await self._programs.home_of(unit, user)
        if principal.only_program is not None and (program is None or program.seq != principal.only_program):
            raise await self._guard.refused(
                principal, "home", sentence="This key is limited to its program; name a project of it."
            )
        if program is None:
            program = await self._make_home(unit, principal, user)
        project = await self._projects.first_of(unit, program.seq)
        if project is not None:
            return project
        code = await self._free_project_code(unit, names.home_code(user))
        project = await self._insert_project(
            unit, principal, program, code, title=program.title, kind=ProjectKind.WORKSPACE
        )
        if project is None:  # a racing task made it, and has committed
            project = await self._projects.first_of(unit, program.seq)
        else:
            await self._audit.write(unit, principal, "home.open", project=project, target=project.project_id)
        if project is None:
            raise AlreadyExists(f"The code {code!r} of your home project is taken; ask a site admin.", field="code")
        return project

    async def _make_home(self, unit: Unit, principal: Principal, user: int) -> Program:
        name = names.home_code(user)
        for wish in (name, f"{name}_2", f"{name}_{uuid4().hex[:8]}"):  # somebody may have taken the plain name
            program = await self._insert_program(unit, principal, wish, wish, listed=False, properties={}, home_of=user)
            if program is not None:
                await self._own(unit, principal, program)
                self._guard.forget()
                return program
            program = await self._programs.home_of(unit, user)  # a racing task made it, and has committed
            if program is not None:
                self._guard.forget()
                return program
        raise AlreadyExists(f"The name {name!r} of your home program is taken; ask a site admin.", field="code")

    async def _insert_project(
        self,
        unit: Unit,
        principal: Principal,
        program: Program,
        code: str,
        *,
        title: str,
        kind: ProjectKind = ProjectKind.STUDY,
        mode: Mode = Mode.OPEN,
        public: PublicLevel = PublicLevel.NONE,
        properties: Mapping[str, Any] | None = None,
        extra: Any = None,
    ) -> Project | None:
        new = NewProject(
            uuids=(project_uuid(code), uuid4()),
            program=program.seq,
            code=code,
            polly_code=names.polly_form(code),
            title=title,
            kind=str(kind),
            mode=str(mode),
            public_level=int(public),
            properties=properties or {},
            extra=extra,
            made_by=principal.user,
            created=self._now(),
        )
        return await self._projects.add(unit, new)

    # --- show ---------------------------------------------------------------------------------------

    async def _view(self, unit: Unit, principal: Principal) -> ProgramView:
        access = await self._guard.access(unit, principal)
        return ProgramView(
            everything=access.site_admin,
            listed=principal.signed_in,
            seen=await self._guard.seen_programs(unit, principal),
            only_program=access.only_program,
        )

    async def program(self, principal: Principal, ref: Ref, *, right: Right | None = None) -> Program:
        """Return a program by uuid, number or code, if the caller may know of it; raises NotFound else.

        With ``right``, the caller must also hold that right on the whole program.
        """
        async with self._database.read() as unit:
            view = await self._view(unit, principal)
            program = await self.find_program(unit, ref)
            await self._require_known(unit, principal, ref, program.seq, view)
            if right is not None:
                await self._guard.require(unit, principal, right, program=program)
        await self._audit.read(principal, "program.read", program=program, target=program.code)
        return program

    async def _require_known(
        self, unit: Unit, principal: Principal, ref: object, program: int, view: ProgramView | None = None
    ) -> None:
        """Raise NotFound for a program of which the caller may not know; ``ref`` is what he called it."""
        if not await self._programs.visible(unit, program, view or await self._view(unit, principal)):
            await self._audit.refusal(principal, "program.read", program=program, target=str(ref)[:80])
            raise NotFound(f"There is no program {str(ref)[:80]!r}.")

    async def program_titled(self, principal: Principal, title: str) -> Program:
        """Return the program of this title (any case), as ``program`` does."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._programs.titled(unit, names.fold(title))
        absent = f"There is no program with the title {title[:80]!r}."
        if found is None:
            raise NotFound(absent)
        try:
            return await self.program(principal, found.seq)
        except NotFound:
            raise NotFound(absent) from None

    async def list_programs(
        self, principal: Principal, *, search: str = "", homes: bool = False, offset: int = 0, limit: int | None = None
    ) -> list[Program]:
        """Return the programs that the caller may know of, by code; see ``page_programs``."""
        return list((await self.page_programs(principal, search=search, homes=homes, offset=offset, limit=limit)).items)

    async def page_programs(
        self, principal: Principal, *, search: str = "", homes: bool = False, offset: int = 0, limit: int | None = None
    ) -> ItemPage[Program]:
        """Return a page of the programs that the caller may know of, by code.

        Listed ones (made by site admins) are known to every token holder, others to those with a
        grant or a public project in them. Site admins, who know of all, see other people's home
        programs with ``homes`` only.
        """
        async with self._database.read() as unit:
            view = await self._view(unit, principal)
            found, total = await self._programs.list(
                unit,
                view,
                search=search,
                homes=homes or not view.everything,
                me=principal.user,
                offset=offset,
                limit=limit,
            )
        await self._audit.read(principal, "program.list", n=len(found))
        return ItemPage(tuple(found), total, offset, len(found) if limit is None else limit)

    async def program_rights(self, principal: Principal, programs: Sequence[Program]) -> dict[int, Right]:
        """Return the rights that the caller holds on each of these whole programs; refuses nothing."""
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
        return {program.seq: access.rights(program=program.seq, project=None) for program in programs}

    # --- change -------------------------------------------------------------------------------------

    async def update_program(
        self,
        principal: Principal,
        ref: Ref,
        *,
        code: str | None = None,
        title: str | None = None,
        listed: bool | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Program:
        """Rename a program or replace its properties (what is None stays); needs ``manage`` on it.

        The uuid stays the same. ``listed`` is for site admins. A home program keeps its name.
        """
        async with self._database.begin() as unit:
            await self._guard.access(unit, principal)
            program = await self.find_program(unit, ref, lock=True)
            await self._guard.require(unit, principal, Right.MANAGE, program=program)
            if listed is not None and listed != program.listed:
                await self._guard.require_site_admin(unit, principal, "program.list")
            if code is not None and code != program.code:
                names.check_program_code(code)
            if title is not None and title != program.title:
                names.check_title(title)
            if program.home_of is not None and (code or program.code, title or program.title) != (
                program.code,
                program.title,
            ):
                raise Invalid("A home program keeps its code and its title.", field="title")
            code = program.code if code is None else code
            title = program.title if title is None else title
            changed = await self._programs.update(
                unit,
                program.seq,
                code=code,
                code_folded=names.fold(code),
                title=title,
                title_folded=names.fold(title),
                listed=program.listed if listed is None else listed,
                properties=program.properties if properties is None else checked_properties(properties),
                updated=self._now(),
            )
            if changed is None:
                other = await self._programs.find(unit, code)
                taken = "code" if other is not None and other.seq != program.seq else "title"
                raise AlreadyExists(f"A program with this {taken} already exists.", field=taken)
            await self._audit.write(
                unit, principal, "program.update", program=program, target=changed.code, details={"was": program.code}
            )
        return changed
