"""Studies, samples, libraries and preparations as the Genestack ODM door shows them.

Each project that the caller may read is a study (collections are not), each record of the role sample a sample. There
are no drafts: an edit is seen at once, and publishing names the version that stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any, cast

from commensal.core.catalog import AVAILABILITY
from commensal.core.free_metadata import refuse_unstorable, settable, split, untaken_keys
from commensal.core.import_groups import STORED_GROUP_TYPE
from commensal.core.permissions import Right
from commensal.core.plans import TypePlan
from commensal.core.principals import Principal
from commensal.core.projects import Mode
from commensal.core.puts import Put
from commensal.core.studies import (
    ACCESSION,
    GROUP_ID,
    NAME,
    NAME_KEYS,
    Found,
    FoundPage,
    Kind,
    ObjectQuery,
    Publication,
    Version,
    record_attributes,
    study_attributes,
)
from commensal.core.tabular.metadata_table import parse_value
from commensal.errors import Invalid, Malformed, NotFound
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionaries import Dictionaries, InUse
from commensal.services.guard import Guard
from commensal.services.records import Records
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.studies import Facet, InvalidValue, StudyStore

__all__ = ["Facet", "InvalidValue", "Studies"]

_LARGEST_SEQ = 2**63 - 1
#: Longest message of a published version.
MESSAGE_LENGTH = 1000
AUTO_MESSAGE = "Auto-published by API call"


class Studies:
    """Finds, shows, changes and publishes."""

    def __init__(
        self,
        *,
        database: Database,
        store: StudyStore,
        catalog: Catalog,
        records: Records,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._catalog = catalog
        self._records = records
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- reading ----------------------------------------------------------------------------------

    async def search(self, principal: Principal, query: ObjectQuery, *, offset: int = 0, limit: int = 100) -> FoundPage:
        """Return a page of the objects that match, among those in studies that the caller may read.

        Four statements at most, whatever the page's size.
        """
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            query = _typed(query, await self._dictionaries.current(unit))
            found, total = await self._store.search(unit, scope, query, offset=offset, limit=limit)
        await self._audit.read(principal, f"{query.kind}.list", n=len(found))
        return FoundPage(tuple(found), total)

    async def find(self, principal: Principal, kind: Kind, seq: int) -> Found:
        """Return one object by its number (the digits of its accession).

        Raises NotFound, also for what the caller may not read: that it exists is not told.
        """
        async with self._database.read() as unit:
            found = await self.find_in(unit, principal, kind, seq)
        await self._audit.read(principal, f"{kind}.read", project=found.project, target=f"GSF{seq}")
        return found

    async def find_in(self, unit: Unit, principal: Principal, kind: Kind, seq: int, *, groups: bool = False) -> Found:
        """Return the same inside a transaction, for services; with ``groups``, import groups too."""
        scope = await self._guard.scope(unit, principal, Right.READ)
        types = stored_types(kind, await self._dictionaries.current(unit))
        if groups:
            types = (*types, STORED_GROUP_TYPE)
        found = await self._store.find(unit, scope, kind, types, seq) if 0 <= seq <= _LARGEST_SEQ else None
        if found is None:
            raise NotFound(f"There is no {kind} GSF{str(seq)[:40]} that you may see.")
        return found

    async def declared(self, kind: Kind, type_name: str = "") -> tuple[str, ...]:
        """Return the attributes that the dictionary declares for a kind of object: what stands for its template."""
        used = await self._dictionaries.current()
        names: dict[str, None] = {}
        for name in (type_name,) if type_name else stored_types(kind, used):
            plan = used.plans.stored(name)
            if plan is not None:
                names.update((key, None) for key in plan.node.properties if _shown(plan, key))
        return tuple(names)

    # --- history ----------------------------------------------------------------------------------

    async def versions(self, principal: Principal, kind: Kind, seq: int) -> list[Version]:
        """Return the history of an object, or of an import group, oldest first."""
        async with self._database.read() as unit:
            found = await self.find_in(unit, principal, kind, seq, groups=kind is not Kind.STUDY)
            versions = await self._store.versions(unit, found)
        await self._audit.read(
            principal, f"{kind}.versions", project=found.project, target=f"GSF{seq}", n=len(versions)
        )
        return versions

    async def version(self, principal: Principal, kind: Kind, seq: int, n: int) -> Found:
        """Return an object as a version has it; raises NotFound."""
        async with self._database.read() as unit:
            found = await self.find_in(unit, principal, kind, seq)
            was = await self._store.snapshot(unit, found, n) if 0 < n < 1 << 31 else None
        if was is None:
            raise NotFound(f"GSF{seq} has no version {n}.")
        await self._audit.read(principal, f"{kind}.read", project=found.project, target=f"GSF{seq}")
        uuid, attributes = found.attributes["commensal:uuid"], found.attributes
        if kind is Kind.STUDY:
            made = study_attributes(
                seq, uuid, attributes["commensal:project"], was.label or "", was.properties, was.extra
            )
        else:
            made = record_attributes(kind, seq, uuid, was.submitter_id, was.label, was.properties, was.extra)
            if GROUP_ID in attributes:
                made[GROUP_ID] = attributes[GROUP_ID]
        return replace(found, attributes=made)

    async def publish(self, principal: Principal, seq: int, message: str = "") -> Publication:
        """Name the current version of a study and of all in it; needs ``update`` on it."""
        message = message.strip() or AUTO_MESSAGE
        if len(message) > MESSAGE_LENGTH:
            raise Malformed(
                f"The message of a version has at most {MESSAGE_LENGTH} characters.", field="versionMessage"
            )
        refuse_unstorable(message)
        async with self._database.begin() as unit:
            found = await self.find_in(unit, principal, Kind.STUDY, seq)
            project = await self._catalog.find_project(unit, found.seq)
            await self._guard.require(unit, principal, Right.UPDATE, project=project)
            now = self._now().astimezone(UTC)
            number = await self._store.publish(unit, seq, message, principal.user, now)
            await self._audit.write(
                unit, principal, "study.publish", project=project, target=f"GSF{seq}", details={"message": message}
            )
        return Publication(number, seq, message, principal.name or principal.email, now)

    async def publication(self, principal: Principal, number: int) -> Publication:
        """Return a publication of a study that the caller may read; raises NotFound."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found = await self._store.publication(unit, scope, number) if number <= _LARGEST_SEQ else None
        if found is None:
            raise NotFound(f"There is no task GSF{str(number)[:40]} that you may see.")
        await self._audit.read(principal, "task.read", project=found.project, target=f"GSF{number}")
        return found

    # --- change -----------------------------------------------------------------------------------

    async def change(self, principal: Principal, kind: Kind, seq: int, metadata: Mapping[str, Any]) -> Found:
        """Merge attributes into an object; null removes one. Needs ``update``.

        A text that looks like a truth or a number is stored as one, unless a declared property takes the text. What
        the object shows of itself (accession, project, group) may be sent back, but not be changed. Raises Invalid.
        """
        refuse_unstorable(dict(metadata))
        async with self._database.read() as unit:
            found = await self.find_in(unit, principal, kind, seq)
            used = await self._dictionaries.current(unit)
        plan = used.plans.stored(found.type)
        given = {key: value for key, value in metadata.items() if not _kept(found, kind, key, value)}
        label = given.pop(NAME, None)
        given = {key: _parsed(plan, key, value) for key, value in given.items()}
        if kind is Kind.STUDY:
            await self._change_study(principal, seq, label, given, plan)
        else:
            put = Put(type=found.type, uuid=found.attributes["commensal:uuid"], metadata=given)
            if label is not None:
                put = Put(type=put.type, uuid=put.uuid, metadata=given, label=label)
            await self._records.put(principal, found.project, [put], update_only=True)
        return await self.find(principal, kind, seq)

    async def _change_study(
        self, principal: Principal, seq: int, title: str | None, given: Mapping[str, Any], plan: TypePlan | None
    ) -> None:
        if AVAILABILITY in given:
            raise Invalid(
                f"{AVAILABILITY} follows the public level of the project, which its managers set on the portal.",
                field=AVAILABILITY,
            )
        async with self._database.begin() as unit:
            project = await self._catalog.find_project(unit, seq, lock=True)
            await self._guard.require(unit, principal, Right.UPDATE, project=project)
            properties, extra = dict(project.properties), project.extra
            if plan is not None:
                properties, extra = split(
                    plan.node, dict(given), "merge", properties, extra, plan.validator.validate_property
                )
            else:
                own = cast("dict[str, Any]", extra) if isinstance(extra, dict) else {}
                extra = {key: value for key, value in {**own, **given}.items() if value is not None}
            if extra == {} and project.extra is None:
                extra = None
            if project.mode is Mode.STRICT and plan is not None:
                untaken = [key for key in untaken_keys(plan.node, extra) if key in given]
                if untaken:
                    raise Invalid(
                        f"The study is strict, and the dictionary has no property {untaken[0]!r} of a project: what it "
                        "does not name cannot be stored.",
                        field=untaken[0],
                    )
            await self._catalog.update_project_in(
                unit, principal, project, title=title, properties=properties, extra=extra
            )

    # --- checks and facets ------------------------------------------------------------------------

    async def invalid_values(self, principal: Principal, seq: int, kind: Kind = Kind.SAMPLE) -> list[InvalidValue]:
        """Return the values in a study that the dictionary does not take for the attributes it declares.

        At most 10,000, by group and attribute, the commonest first.
        """
        async with self._database.read() as unit:
            found = await self.find_in(unit, principal, Kind.STUDY, seq)
            types = stored_types(kind, await self._dictionaries.current(unit))
            keys = await self.declared(kind)
            values = await self._store.untaken(unit, found.seq, types, keys)
        await self._audit.read(principal, "study.check", project=found.seq, target=f"GSF{seq}", n=len(values))
        return values

    async def facets(self, principal: Principal, query: ObjectQuery, *, keys: int = 20, values: int = 5) -> list[Facet]:
        """Return the commonest values of the commonest attributes of the studies that match."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            query = _typed(query, await self._dictionaries.current(unit))
            return await self._store.facets(unit, scope, query, keys=keys, values=values)


def stored_types(kind: Kind, used: InUse) -> tuple[str, ...]:
    """Return the stored types of a kind of object; of a study, the type whose properties it has."""
    if kind is Kind.SAMPLE:
        return tuple(used.dictionary.role("sample").read)
    return ("project",) if kind is Kind.STUDY else (f"commensal.{kind}",)


def _typed(query: ObjectQuery, used: InUse) -> ObjectQuery:
    linked = None if query.linked is None else _typed(query.linked, used)
    return replace(query, types=stored_types(query.kind, used), linked=linked)


def _shown(plan: TypePlan, key: str) -> bool:
    return settable(plan.node, key) and key not in ("label", AVAILABILITY) and key not in plan.link_names


def _kept(found: Found, kind: Kind, key: str, value: Any) -> bool:
    """Tell whether an attribute says what the object has already; raises Invalid for what cannot be changed."""
    if key == NAME:
        if value is None or not isinstance(value, str) or not value.strip():
            raise Invalid(f"{NAME} must be a text with a character in it.", field=key)
        return value == found.attributes[NAME]
    fixed = key in (ACCESSION, GROUP_ID, NAME_KEYS.get(kind)) or key.startswith(("genestack:", "commensal:"))
    if not fixed:
        return False
    if value == found.attributes.get(key):
        return True
    raise Invalid(f"{key} cannot be changed: it is how the object is known here and on the other doors.", field=key)


def _parsed(plan: TypePlan | None, key: str, value: Any) -> Any:
    if plan is not None and settable(plan.node, key) and plan.validator.validate_property(key, value):
        return value
    if isinstance(value, list):
        return [parse_value(item) if isinstance(item, str) else item for item in cast("list[Any]", value)]
    return parse_value(value) if isinstance(value, str) else value
