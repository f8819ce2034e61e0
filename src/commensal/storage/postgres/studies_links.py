"""Which studies, samples, groups and files belong together, as the Genestack ODM door asks for links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from commensal.core.import_groups import STORED_GROUP_LINK, STORED_GROUP_TYPE
from commensal.core.permissions import Scope
from commensal.core.studies import DATA_TYPES, FILE, LINK_PAIRS, Kind, LinkQuery, ObjectLink, ObjectRef, kind_of_group
from commensal.storage.ports import Unit
from commensal.storage.ports.studies import Family
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import shown_files_sql
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgStudyLinks"]

Parameter = Callable[[object], str]
_OF_GROUP = f"l.name = '{STORED_GROUP_LINK}' and l.dst_type = '{STORED_GROUP_TYPE}'"
_KIND = "r.extra ->> 'kind'"


def _pair(parent: str, child: str, types: Mapping[str, str], shown: str, here: str) -> str:
    """Return a select of (parent, child) as (a, b).

    ``types``: the parameter of stored types by kind; ``shown``: the condition of files ``f`` that the caller sees;
    ``here``: which of them the first parameter holds.
    """
    if (parent, child) == ("study", FILE):
        return (
            "select f.project as a, f.seq as b from files f join projects c on c.seq = f.project "  # noqa: S608
            f"where f.blob is not null and c.kind <> 'collection' and {shown}"
        )
    if parent == "study":
        kind = kind_of_group(child)
        if kind is None:
            return f"select r.project as a, r.seq as b from records r where r.type = any({types[child]})"  # noqa: S608
        return (
            f"select r.project as a, r.seq as b from records r where r.type = '{STORED_GROUP_TYPE}' "  # noqa: S608
            f"and {_KIND} = '{kind.plural}'"
        )
    if parent.endswith("Group") and child.endswith("Group"):
        above, below = kind_of_group(parent), kind_of_group(child)
        return (
            "select distinct up.dst as a, down.dst as b from links x "  # noqa: S608 - fixed names
            f"join links down on down.src = x.src and down.name = '{STORED_GROUP_LINK}' "
            f"join links up on up.src = x.dst and up.name = '{STORED_GROUP_LINK}' "
            f"where x.src_type = any({types[str(below)]}) and x.dst_type = any({types[str(above)]}) "
            # From one side on: with both known, the planner might lay each member of one beside each of the other.
            f"and {'up' if here == 'a' else 'down'}.dst = any($1::bigint[]) offset 0"
        )
    if parent.endswith("Group"):
        return f"select l.dst as a, l.src as b from links l where {_OF_GROUP} and l.src_type = any({types[child]})"  # noqa: S608
    return (
        "select distinct l.dst as a, l.src as b from links l "  # noqa: S608 - fixed names
        f"where l.src_type = any({types[child]}) and l.dst_type = any({types[parent]})"
    )


class PgStudyLinks:
    """See ``ports.studies.LinkStore``."""

    async def objects(
        self, unit: Unit, scope: Scope, stored: Mapping[str, Sequence[str]], seqs: Sequence[int]
    ) -> dict[int, ObjectRef]:
        """See the port."""
        allowed, values = scope_sql(scope, 4)
        shown, more = shown_files_sql(scope, 4 + len(values), "f.seq")
        kinds = [(name, kind) for kind, names in stored.items() for name in names]
        rows = await pg(unit).rows(
            "select o.seq, o.type, o.project from ("  # noqa: S608 - fixed names
            "select p.seq, 'study' as type, p.seq as project from projects p where p.seq = any($1::bigint[]) "
            "and p.kind <> 'collection' "
            "union all select r.seq, t.kind, r.project from records r "
            "join unnest($2::text[], $3::text[]) as t (name, kind) on t.name = r.type where r.seq = any($1::bigint[]) "
            f"union all select r.seq, {_KIND}, r.project from records r where r.seq = any($1::bigint[]) "
            f"and r.type = '{STORED_GROUP_TYPE}' "
            f"union all select f.seq, '{FILE}', f.project from files f where f.seq = any($1::bigint[]) "
            f"and f.blob is not null and {shown}) o join projects p on p.seq = o.project where {allowed}",
            list(seqs),
            [name for name, _ in kinds],
            [kind for _, kind in kinds],
            *values,
            *more,
        )
        groups = {kind.plural: f"{kind}Group" for kind in Kind}
        found: dict[int, ObjectRef] = {}
        for row in rows:
            name = groups.get(row["type"], row["type"])
            if name in DATA_TYPES:
                found[row["seq"]] = ObjectRef(row["seq"], name, row["project"])
        return found

    async def links(
        self, unit: Unit, scope: Scope, stored: Mapping[str, Sequence[str]], query: LinkQuery
    ) -> tuple[list[ObjectLink], int]:
        """See the port."""
        values: list[object] = [list(query.firsts)]
        shown = "(true)"
        if any({query.first_type, second} == {"study", FILE} for second in query.second_types):
            shown, more = shown_files_sql(scope, 2, "f.seq")
            values += more

        def parameter(value: object) -> str:
            values.append(value)
            return f"${len(values)}"

        types = {kind: f"{parameter(list(names))}::text[]" for kind, names in stored.items()}
        parts: list[str] = []
        for wanted in query.second_types:
            for parent, child in LINK_PAIRS:
                if (query.first_type, wanted) == (parent, child):
                    here, there = "a", "b"
                elif (query.first_type, wanted) == (child, parent):
                    here, there = "b", "a"
                else:
                    continue
                parts.append(
                    f"select t.{here} as first, t.{there} as second, '{wanted}' as type "  # noqa: S608 - our own words
                    f"from ({_pair(parent, child, types, shown, here)}) t where t.{here} = any($1::bigint[])"
                )
        if not parts:
            return [], 0
        source = f"({' union all '.join(parts)}) found"
        if query.second is not None:
            source += f" where second = {parameter(query.second)}::bigint"
        # A kind that no part names would leave its parameter without a type.
        used = f" {'and' if ' where second' in source else 'where'} " + " and ".join(
            f"{one} is not null" for one in types.values()
        )
        source += used
        total: int = await pg(unit).value(f"select count(*) from {source}", *values)  # noqa: S608
        if query.offset >= total or query.limit == 0:
            return [], total
        first, most = parameter(query.offset), parameter(query.limit)
        rows = await pg(unit).rows(
            f"select first, second, type from {source} order by first, type, second "  # noqa: S608
            f"offset {first}::bigint limit {most}::bigint",
            *values,
        )
        return [ObjectLink(row["first"], query.first_type, row["second"], row["type"]) for row in rows], total

    async def family(
        self, unit: Unit, stored: Mapping[str, Sequence[str]], seqs: Sequence[int], groups: Sequence[int]
    ) -> Family:
        """See the port."""
        made_from = [name for kind in (Kind.LIBRARY, Kind.PREPARATION) for name in stored[kind]]
        # Steps with lists of numbers, not one joined statement: after a great import, of which the planner knows
        # nothing yet, it would compare each with each.
        members = f"select l.dst, l.src from links l where l.dst = any($1::bigint[]) and {_OF_GROUP}"  # noqa: S608
        going = {*seqs, *[row["src"] for row in await pg(unit).rows(members, list(groups))]}
        made = "select l.src from links l where l.dst = any($1::bigint[]) and l.src_type = any($2::text[])"
        going |= {row["src"] for row in await pg(unit).rows(made, list(going), made_from)}
        above = f"select distinct l.dst from links l where l.src = any($1::bigint[]) and {_OF_GROUP}"  # noqa: S608
        touched = {*groups, *[row["dst"] for row in await pg(unit).rows(above, list(going))]}
        inside = await pg(unit).rows(members, list(touched))
        divided = {row["dst"] for row in inside if row["src"] not in going}
        return Family(tuple(sorted((going | touched) - divided)), tuple(sorted(divided)))

    async def groups(self, unit: Unit, project: int, kind: Kind) -> list[tuple[int, Any]]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select r.seq, r.submitter_id, r.label, r.extra from records r where r.project = $1 "  # noqa: S608
            f"and r.type = '{STORED_GROUP_TYPE}' and {_KIND} = $2 order by r.seq",
            project,
            kind.plural,
        )
        return [(row["seq"], {"genestack:name": row["label"] or row["submitter_id"], **row["extra"]}) for row in rows]

    async def members(self, unit: Unit, group: int, key: str, name_key: str) -> list[tuple[int, UUID, str, str | None]]:
        """See the port."""
        rows = await pg(unit).rows(
            "select r.seq, r.uuid, r.type, case when $2::text = $3::text then r.submitter_id "  # noqa: S608
            "else coalesce(r.props ->> $2, case jsonb_typeof(r.extra) when 'object' then r.extra ->> $2 end) end "
            "as value "
            f"from links l join records r on r.seq = l.src where l.dst = $1 and {_OF_GROUP} order by r.seq",
            group,
            key,
            name_key,
        )
        return [(row["seq"], row["uuid"], row["type"], row["value"]) for row in rows]

    async def pairs_of_group(
        self, unit: Unit, group: int, *, offset: int, limit: int
    ) -> tuple[list[tuple[int, int]], int]:
        """See the port."""
        rows = await pg(unit).rows(
            "with pairs as (select distinct l.src, x.dst from links l join links x on x.src = l.src "  # noqa: S608
            f"and x.name = 'commensal.{Kind.SAMPLE}' where l.dst = $1 and {_OF_GROUP}), "
            "page as (select distinct src from pairs order by src offset $2 limit $3) "
            "select t.total, p.src, p.dst from (select count(distinct src) as total from pairs) t "
            "left join (pairs p join page on page.src = p.src) on true order by p.src, p.dst",
            group,
            offset,
            limit,
        )
        return [(row["src"], row["dst"]) for row in rows if row["src"] is not None], rows[0]["total"]
