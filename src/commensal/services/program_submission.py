"""Programs and projects as the Gen3 door makes and changes them (contracts/gen3.md 4.3).

A project is made strict here: the dictionary binds every door in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from commensal.core.catalog import AVAILABILITY, level_of_availability
from commensal.core.dictionary import NodeType
from commensal.core.names import fold
from commensal.core.permissions import Right
from commensal.core.plans import TypePlan
from commensal.core.principals import Principal
from commensal.core.projects import Mode, Program, Project
from commensal.core.records import EntityError, EntityResult, SubmissionResult
from commensal.errors import AlreadyExists, BadRequest, NotFound
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.records import RecordWrites, TransactionRow
from commensal.storage.ports.transactions import TransactionStore

__all__ = ["ProgramSubmission", "project_values"]

#: Keys of a project document that are said elsewhere or never set.
_IGNORED = frozenset({"type", "id", "state", "released", "project_id", "submitter_id"})


class ProgramSubmission:
    """Makes and changes programs and projects from Gen3 documents."""

    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        records: RecordWrites,
        transactions: TransactionStore,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._records = records
        self._transactions = transactions

    async def program(self, principal: Principal, document: Mapping[str, Any]) -> tuple[Program, bool]:
        """Make a program or change its properties; return it and whether it is new. Site admins only.

        Raises BadRequest for a document without name or of another type, or with a value that the dictionary refuses.
        """
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal, "program.add")
            used = await self._dictionaries.current(unit)
        plan = used.plans.stored("program")
        document = {key.lstrip("*"): value for key, value in document.items()}
        if document.get("type") != "program":
            raise BadRequest(f"Invalid type {str(document.get('type'))[:200]!r}: a program has the type 'program'.")
        name = document.get("name")
        if not isinstance(name, str) or not name:
            raise BadRequest("The program has no name; give it as 'name'.")
        given = {key: value for key, value in document.items() if key not in (*_IGNORED, "name")}
        _check_values("Program", name, given, plan)
        for _ in range(2):
            try:
                found = await self._catalog.program(principal, name)
            except NotFound:
                found = None
            if found is not None and found.code == name:
                kept = _merged(found.properties, given)
                if kept != found.properties:
                    found = await self._catalog.update_program(principal, found.seq, properties=kept)
                return found, False
            if found is not None and fold(found.code) == fold(name):
                raise BadRequest(f"There is a program {found.code!r}; names that differ in case only are one name.")
            try:
                return await self._catalog.add_program(principal, name, properties=_merged({}, given)), True
            except AlreadyExists:
                continue
        raise AlreadyExists(f"The name {name!r} is taken.")

    async def project(self, principal: Principal, program: str, document: Mapping[str, Any]) -> SubmissionResult:
        """Make or change a project of a program; needs ``manage`` on the program.

        What the dictionary refuses is in the result, and then nothing is written. Raises NotFound for an unknown
        program, BadRequest for what is wrong with the request as a whole.
        """
        document = {key.lstrip("*"): value for key, value in document.items()}
        async with self._database.begin() as unit:
            owner = await self._owner(unit, principal, program)
            used = await self._dictionaries.current(unit)
            plan = used.plans.stored("project")
            code = _project_code(document)
            row = await self._records.project_of(unit, owner.code, code, lock="update")
            existing = None if row is None else row.project
            if existing is not None and existing.code != code:
                raise BadRequest(
                    f"The project code {code!r} is too close to {existing.code!r}: codes are compared in lower case, "
                    "with '_' for other characters."
                )
            links: frozenset[str] = frozenset() if plan is None else plan.link_names
            given = {key: value for key, value in document.items() if key not in _IGNORED and key not in links}
            unknown = [key for key in given if plan is not None and key not in plan.node.properties]
            if unknown:
                raise BadRequest(f"ERROR: <Project({code})> has no property {unknown[0][:200]}")
            errors = _errors(plan, given)
            project = None
            if not errors:
                project = await self._write(unit, principal, owner, existing, code, given)
            return await self._logged(
                unit, principal, owner, code, document, project or existing, errors, new=existing is None
            )

    async def require_project_admin(self, principal: Principal, program: str) -> None:
        """Raise unless the caller may make projects in a program; before a body is looked at."""
        async with self._database.read() as unit:
            await self._owner(unit, principal, program)

    async def find_project(self, principal: Principal, program: str, project: str) -> Project:
        """Return a project to those who may make projects in its program; raises NotFound with the wire's sentence."""
        async with self._database.read() as unit:
            row = await self._records.project_of(unit, program, project, lock="none")
            if row is None:
                raise NotFound(f"Project {project} not found")
            await self._guard.require(unit, principal, Right.MANAGE, program=row.program)
            return row.project

    async def _owner(self, unit: Unit, principal: Principal, program: str) -> Program:
        try:
            owner = await self._catalog.find_program(unit, program)
        except NotFound:
            access = await self._guard.access(unit, principal)
            if not access.site_admin:
                raise await self._guard.refused(principal, "project.add") from None
            raise NotFound(f"Program {program} is not registered") from None
        await self._guard.require(unit, principal, Right.MANAGE, program=owner)
        return owner

    async def _write(
        self,
        unit: Unit,
        principal: Principal,
        owner: Program,
        existing: Project | None,
        code: str,
        given: dict[str, Any],
    ) -> Project:
        values = {key: value for key, value in given.items() if key not in ("code", "name")}
        name = given.get("name")
        if existing is None:
            made = await self._catalog.add_project_in(
                unit,
                principal,
                owner,
                code,
                title=name if isinstance(name, str) and name.strip() else code,
                mode=Mode.STRICT,
                properties=_merged({}, values),
            )
            await self._audit.write(unit, principal, "project.add", project=made, target=made.project_id)
            return made
        kept = _merged(existing.properties, {key: value for key, value in values.items() if key != AVAILABILITY})
        if AVAILABILITY in values and values[AVAILABILITY] is not None:
            level = level_of_availability(values[AVAILABILITY], existing.public_level)
            if level != existing.public_level:
                kept[AVAILABILITY] = values[AVAILABILITY]
        return await self._catalog.update_project_in(
            unit, principal, existing, title=name if isinstance(name, str) and name.strip() else None, properties=kept
        )

    async def _logged(
        self,
        unit: Unit,
        principal: Principal,
        owner: Program,
        code: str,
        document: Mapping[str, Any],
        project: Project | None,
        errors: list[EntityError],
        *,
        new: bool,
    ) -> SubmissionResult:
        log = TransactionRow(
            program=owner.code,
            project=code,
            project_seq=0 if project is None else project.seq,
            role="create" if new else "update",
            state="FAILED" if errors else "SUCCEEDED",
            submitter=principal.user,
            submitter_name=principal.label,
            door=str(principal.door),
        )
        number = await self._transactions.add(unit, log)
        result = _result(number, code, None if project is None else str(project.uuid), errors, new=new)
        await self._transactions.add_document(
            unit, number, None, "json", msgspec.json.encode(document).decode(), msgspec.json.encode(result).decode()
        )
        return result


def _project_code(document: Mapping[str, Any]) -> str:
    kind = document.get("type", "project")
    if kind != "project":
        raise BadRequest(f"Invalid post type {str(kind)[:200]!r}: a project has the type 'project'.")
    for key in ("code", "dbgap_accession_number"):
        value = document.get(key)
        if not isinstance(value, str) or not value:
            raise BadRequest(f"No {key} specified for the project; give it as text.")
    return document["code"]


def _merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**stored, **given}.items() if value is not None}


def _check_values(what: str, name: str, given: Mapping[str, Any], plan: TypePlan | None) -> None:
    if plan is None:
        return
    for key, value in given.items():
        if key not in plan.node.properties:
            raise BadRequest(f"ERROR: <{what}({name[:200]})> has no property {key[:200]}")
        if value is not None and not plan.validator.validate_property(key, value):
            raise BadRequest(f"The property {key} of a {plan.label} does not take the value {str(value)[:200]!r}.")


def _errors(plan: TypePlan | None, given: Mapping[str, Any]) -> list[EntityError]:
    """Return what the dictionary says against the values; what is missing, the route itself asks for."""
    if plan is None:
        return []
    return [
        EntityError(list(fault.keys), fault.message, str(fault.type))
        for fault in plan.validator.errors({"type": "project", **given})
        if str(fault.type) != "MISSING_PROPERTY"
    ]


def _result(number: int, code: str, uuid: str | None, errors: list[EntityError], *, new: bool) -> SubmissionResult:
    bad = bool(errors)
    return SubmissionResult(
        transaction_id=number,
        success=not bad,
        code=400 if bad else 200,
        message="Transaction aborted due to 1 invalid entity." if bad else "Transaction successful.",
        entities=[
            EntityResult(
                valid=not bad,
                action=None if bad else "create" if new else "update",
                type="project",
                id=uuid,
                errors=errors,
                warnings=[],
                unique_keys=[{"code": code}],
            )
        ],
        entity_error_count=1 if bad else 0,
        transactional_error_count=0,
        transactional_errors=[],
        created_entity_count=0 if bad or not new else 1,
        updated_entity_count=0 if bad or new else 1,
    )


def project_values(project: Project, node: NodeType | None) -> dict[str, Any]:
    """Return a project's properties as the dictionary's ``project`` type has them."""
    values: dict[str, Any] = {**Catalog.shown_properties(project), "code": project.code, "name": project.title}
    values |= {"state": project.state, "released": project.released, "id": str(project.uuid)}
    if node is None:
        return values
    return {name: values.get(name) for name in node.properties if name != "type"}
