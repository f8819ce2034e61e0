"""What belongs together on the Genestack ODM door, and joining and parting it.

A sample, group or file belongs to the study that it is in, so linking it to another one moves it there, and parting it
moves it to the caller's home project. A library or preparation has a link to its sample. Members of one group stay in
one study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commensal.core.import_groups import SAMPLE_KEY
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.puts import LinkTo, Put
from commensal.core.studies import (
    DATA_TYPES,
    FILE,
    LINK_PAIRS,
    NAME_KEYS,
    Kind,
    LinkQuery,
    ObjectLink,
    ObjectRef,
    kind_of_group,
)
from commensal.errors import AlreadyExists, Invalid, Malformed, NotFound
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.moving import Moving
from commensal.services.records import Records
from commensal.services.studies import stored_types
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.studies import LinkStore

__all__ = ["MOST_LINKS", "StudyLinks"]

#: Most links of one request, and most objects that one asks about.
MOST_LINKS = 1000
#: Most links of a page.
PAGE = 2000
_LARGEST_SEQ = 2**63 - 1
_RECORDS = (Kind.SAMPLE, Kind.LIBRARY, Kind.PREPARATION)


class StudyLinks:
    """Shows, makes and ends what belongs together."""

    def __init__(
        self,
        *,
        database: Database,
        store: LinkStore,
        catalog: Catalog,
        records: Records,
        moving: Moving,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._catalog = catalog
        self._records = records
        self._moving = moving
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit

    # --- reading ----------------------------------------------------------------------------------

    @staticmethod
    def pairs(type_name: str | None = None) -> list[tuple[str, str]]:
        """Return which types may belong together; with a type, as seen from it. Raises Malformed for an unknown one."""
        if type_name is None:
            return list(LINK_PAIRS)
        _check_type(type_name)
        return [(type_name, two if one == type_name else one) for one, two in LINK_PAIRS if type_name in (one, two)]

    async def links(
        self,
        principal: Principal,
        firsts: Sequence[int],
        *,
        first_type: str | None = None,
        second: int | None = None,
        second_type: str | None = None,
        offset: int = 0,
        limit: int = MOST_LINKS,
    ) -> tuple[list[ObjectLink], int]:
        """Return a page of what belongs to some objects of one type, and how much there is in all.

        Objects that are not there, of another type, or that the caller may not see have nothing. Four statements.
        """
        for name in (first_type, second_type):
            if name is not None:
                _check_type(name)
        if len(firsts) > MOST_LINKS:
            raise Malformed(f"At most {MOST_LINKS} objects are looked at at once.", field="firstIds")
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            found = await self._objects(unit, principal, stored, firsts)
            if first_type is None and found:
                first_type = next(iter(found.values())).type
            seen = tuple(seq for seq, ref in found.items() if ref.type == first_type)
            if first_type is None or not seen or (second is not None and second > _LARGEST_SEQ):
                return [], 0
            query = LinkQuery(
                first_type,
                seen,
                DATA_TYPES if second_type is None else (second_type,),
                second,
                max(0, offset),
                max(0, min(limit, PAGE)),
            )
            scope = await self._guard.scope(unit, principal, Right.READ)
            rows, total = await self._store.links(unit, scope, stored, query)
        await self._audit.read(principal, "link.list", n=len(rows))
        return rows, total

    async def groups(self, principal: Principal, study: int, kind: Kind) -> list[tuple[int, Any]]:
        """Return the groups of a kind in a study (numbers) with what is known of each; raises NotFound."""
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            self._one(await self._objects(unit, principal, stored, [study]), study, Kind.STUDY)
            found = await self._store.groups(unit, study, kind)
        await self._audit.read(principal, "import_group.list", project=study, target=f"GSF{study}", n=len(found))
        return found

    async def pairs_of_group(
        self, principal: Principal, group: int, kind: Kind, *, offset: int = 0, limit: int = PAGE
    ) -> tuple[list[tuple[int, int]], int]:
        """Return the members of a group of libraries or preparations with their samples, by pages of members."""
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            ref = self._one(await self._objects(unit, principal, stored, [group]), group, f"{kind}Group")
            found = await self._store.pairs_of_group(unit, group, offset=offset, limit=limit)
        await self._audit.read(principal, "link.list", project=ref.project, target=f"GSF{group}", n=len(found[0]))
        return found

    async def object(self, principal: Principal, seq: int, *types: str) -> ObjectRef:
        """Return what a number is, among some types; raises NotFound."""
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            return self._one(await self._objects(unit, principal, stored, [seq]), seq, *types)

    # --- joining ----------------------------------------------------------------------------------

    async def link(
        self, principal: Principal, links: Sequence[ObjectLink], *, again: bool = True, attribute: str | None = None
    ) -> None:
        """Join objects, all or none. Raises NotFound, Invalid for types that do not belong together.

        What belongs together already stays so; with ``again`` False, a request of such only raises AlreadyExists.
        ``attribute``: by which libraries or preparations of a group find their samples (``Sample Source ID``).
        """
        pairs, refs = await self._checked(principal, links)
        moves = [(parent, child) for parent, child in pairs if parent.type == Kind.STUDY]
        others = [(parent, child) for parent, child in pairs if parent.type != Kind.STUDY]
        if moves and others:
            raise Invalid("Link to studies and between samples, libraries and preparations in requests of their own.")
        if moves:
            away = [child for parent, child in moves if child.project != parent.seq]
            studies = {parent.seq for parent, _ in moves}
            if len(studies) > 1:
                raise Invalid("The links of one request lead to one study; send a request for each.", field="firstId")
            if away:
                await self._move(principal, away, studies.pop())
            elif not again:
                raise AlreadyExists("These objects are linked already.")
            return
        if all(parent.type.endswith("Group") for parent, _ in others):
            if len(set(others)) > 1:
                raise Invalid("A request links two groups; send a request for each pair.", field="firstId")
            await self._join_groups(principal, *others[0], attribute or SAMPLE_KEY)
            return
        if any(parent.type.endswith("Group") for parent, _ in others):
            raise Invalid("Link groups with groups and objects with objects in requests of their own.")
        await self._join(principal, [(child.seq, parent.seq, refs[child.seq].project) for parent, child in others],
                         again=again)  # fmt: skip

    async def _join(self, principal: Principal, joins: Sequence[tuple[int, int, int]], *, again: bool = True) -> None:
        """Give records (number, sample's number, project) the link to their samples."""
        found = {
            record.seq: record
            for record in await self._records.many(principal, [seq for one in joins for seq in one[:2]])
        }
        projects = {project for *_, project in joins}
        if len(projects) > 1 or any(found[seq].project not in projects for one in joins for seq in one[:2]):
            raise Invalid("Only what is in the same study can be linked; link both groups to it first.")
        puts = [
            Put(type=found[child].type, uuid=found[child].uuid, links=[LinkTo("sample", uuid=found[parent].uuid)])
            for child, parent, _ in joins
        ]
        written = await self._records.put(principal, projects.pop(), puts, update_only=True)
        if not again and not any(one.changed for one in written):
            raise AlreadyExists("These objects are linked already.")

    async def _join_groups(self, principal: Principal, parent: ObjectRef, child: ObjectRef, key: str) -> None:
        kind = kind_of_group(child.type)
        assert kind is not None  # both ends of the pair are groups
        async with self._database.read() as unit:
            samples = await self._store.members(unit, parent.seq, key, NAME_KEYS[Kind.SAMPLE])
            others = await self._store.members(unit, child.seq, key, NAME_KEYS[kind])
        by_value: dict[str, int] = {}
        for seq, _, _, value in samples:
            if value is not None and by_value.setdefault(value, seq) != seq:
                raise Invalid(f"Two samples of the group have the same {key!r}: {value[:80]!r}.", field=key)
        joins = [(seq, by_value[value], parent.project) for seq, _, _, value in others if value in by_value]
        if not joins:
            raise Invalid(f"No {kind} of the group has a {key!r} that is that of a sample of the other.", field=key)
        if child.project != parent.project:
            await self._move(principal, [child], parent.project)
        await self._join(principal, joins)

    async def _move(self, principal: Principal, objects: Sequence[ObjectRef], target: int) -> None:
        """Move objects of one study to another project, with what was made from them."""
        sources = {one.project for one in objects}
        if len(sources) > 1:
            raise Invalid("What one request links must be in one study now; send a request for each.", field="firstId")
        files = [one.seq for one in objects if one.type == FILE]
        groups = [one.seq for one in objects if one.type.endswith("Group")]
        records = [one.seq for one in objects if one.seq not in files and one.seq not in groups]
        going: tuple[int, ...] = ()
        if records or groups:
            async with self._database.read() as unit:
                stored = await self._stored(unit)
                family = await self._store.family(unit, stored, records, groups)
            if family.divided:
                raise Invalid(
                    f"Members of one group are in one study: link the whole group GSF{family.divided[0]}.",
                    field="firstId",
                )
            going = family.seqs
        await self._moving.move(principal, sources.pop(), target, going, files=files)

    # --- parting ----------------------------------------------------------------------------------

    async def unlink(self, principal: Principal, link: ObjectLink) -> None:
        """Part two objects; raises NotFound when they do not belong together.

        What leaves a study goes to the caller's home project.
        """
        pairs, _ = await self._checked(principal, [link])
        parent, child = pairs[0]
        rows, _ = await self.links(
            principal, [parent.seq], first_type=parent.type, second=child.seq, second_type=child.type, limit=1
        )
        if not rows:
            raise NotFound(f"GSF{parent.seq} and GSF{child.seq} are not linked.")
        if parent.type == Kind.STUDY:
            home = await self._catalog.home_project(principal)
            if home.seq == parent.seq:
                raise Invalid("This is your home project, where everything is that belongs to no other study.")
            await self._move(principal, [child], home.seq)
            return
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            seqs = [child.seq]
            kind = kind_of_group(child.type)
            if kind is not None:
                members = await self._store.members(unit, child.seq, SAMPLE_KEY, NAME_KEYS[kind])
                seqs = [seq for seq, *_ in members]
            type_name = child.type if kind is None else str(kind)
            above = await self._store.members(unit, parent.seq, SAMPLE_KEY, SAMPLE_KEY) if kind is not None else []
            going = {parent.seq} if kind is None else {seq for seq, *_ in above}
            query = LinkQuery(type_name, tuple(seqs), (str(Kind.SAMPLE),), limit=_LARGEST_SEQ)
            now, _ = await self._store.links(unit, await self._guard.scope(unit, principal, Right.READ), stored, query)
        stay: dict[int, list[int]] = {seq: [] for seq in seqs}
        for one in now:
            if one.second not in going:
                stay[one.first].append(one.second)
        found = {
            one.seq: one for one in await self._records.many(principal, [*seqs, *(s for v in stay.values() for s in v)])
        }
        puts = [
            Put(
                type=found[seq].type,
                uuid=found[seq].uuid,
                links=[LinkTo("sample", uuid=found[sample].uuid) for sample in samples],
                relink=bool(samples),
                unlink=() if samples else ("sample",),
            )
            for seq, samples in stay.items()
        ]
        await self._records.put(principal, child.project, puts, update_only=True)

    # --- helpers ----------------------------------------------------------------------------------

    async def _checked(
        self, principal: Principal, links: Sequence[ObjectLink]
    ) -> tuple[list[tuple[ObjectRef, ObjectRef]], dict[int, ObjectRef]]:
        """Return the pairs (parent, child) of links, in whatever order their ends were named."""
        if not links:
            raise Malformed("Name the links: a list of firstId, firstType, secondId, secondType.")
        if len(links) > MOST_LINKS:
            raise Malformed(f"At most {MOST_LINKS} links are made at once.")
        for link in links:
            _check_type(link.first_type)
            _check_type(link.second_type)
        async with self._database.read() as unit:
            stored = await self._stored(unit)
            found = await self._objects(
                unit, principal, stored, list({seq for link in links for seq in (link.first, link.second)})
            )
        pairs: list[tuple[ObjectRef, ObjectRef]] = []
        for link in links:
            one = self._one(found, link.first, link.first_type)
            two = self._one(found, link.second, link.second_type)
            if (two.type, one.type) in LINK_PAIRS:
                one, two = two, one
            if (one.type, two.type) not in LINK_PAIRS:
                raise Invalid(f"A {link.first_type} and a {link.second_type} are not linked here.", field="secondType")
            if kind_of_group(one.type) == two.type:
                raise Invalid(f"What a {one.type} has as members is decided by the import that makes it.")
            pairs.append((one, two))
        return pairs, found

    async def _stored(self, unit: Unit) -> Mapping[str, tuple[str, ...]]:
        used = await self._dictionaries.current(unit)
        return {str(kind): stored_types(kind, used) for kind in _RECORDS}

    async def _objects(
        self, unit: Unit, principal: Principal, stored: Mapping[str, Sequence[str]], seqs: Sequence[int]
    ) -> dict[int, ObjectRef]:
        scope = await self._guard.scope(unit, principal, Right.READ)
        return await self._store.objects(unit, scope, stored, [seq for seq in seqs if 0 <= seq <= _LARGEST_SEQ])

    @staticmethod
    def _one(found: Mapping[int, ObjectRef], seq: int, *types: str) -> ObjectRef:
        ref = found.get(seq)
        if ref is None or ref.type not in types:
            raise NotFound(f"There is no {' or '.join(types)} GSF{str(seq)[:40]} that you may see.")
        return ref


def _check_type(name: str) -> None:
    if name not in DATA_TYPES:
        raise Malformed(f"There is no type {name[:80]!r}; the types are {', '.join(DATA_TYPES)}.", field="type")
