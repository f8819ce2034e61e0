"""Grants and groups in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from commensal.core.groups import GrantRow, Group, Member
from commensal.storage.ports import Unit
from commensal.storage.ports.grants import HeldGrant
from commensal.storage.ports.people import Viewer
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.people import BELONGING

__all__ = ["PgGrantStore", "PgGroupStore"]

_GRANT = (
    "select g.id, g.role, g.program, g.project, g.user_seq, g.group_seq, coalesce(u.email, o.name) as holder, "
    "g.made_by, g.made, g.until from grants g left join users u on u.seq = g.user_seq "
    "left join groups o on o.seq = g.group_seq "
)
_GROUP = (
    "select g.seq, g.uuid, g.name, g.made_by, g.created, "
    "(select count(*) from group_members m where m.group_seq = g.seq) as members from groups g "
)


def _grant(row: asyncpg.Record) -> GrantRow:
    return GrantRow(
        id=row["id"],
        role=row["role"],
        program=row["program"],
        project=row["project"],
        user=row["user_seq"],
        group=row["group_seq"],
        holder=row["holder"],
        made_by=row["made_by"],
        made=row["made"],
        until=row["until"],
    )


def _group(row: asyncpg.Record) -> Group:
    return Group(
        seq=row["seq"],
        uuid=row["uuid"],
        name=row["name"],
        made_by=row["made_by"],
        created=row["created"],
        members=row["members"],
    )


def _member(row: asyncpg.Record) -> Member:
    return Member(user=row["seq"], uuid=row["uuid"], email=row["email"], name=row["name"])


class PgGrantStore:
    """See ``ports.grants.GrantStore``."""

    async def held_by(self, unit: Unit, user: int, now: datetime) -> list[HeldGrant]:
        """Return the grants in force of a user and his groups."""
        rows = await pg(unit).rows(
            "select role, program, project, until from grants where (user_seq = $1 "
            "or group_seq in (select group_seq from group_members where user_seq = $1)) "
            "and (until is null or until > $2) "
            # Work that waited may begin after its account was switched off.
            "and not exists (select from users u where u.seq = $1 and not u.active)",
            user,
            now,
        )
        return [HeldGrant(row["role"], row["program"], row["project"], row["until"]) for row in rows]

    async def add(
        self,
        unit: Unit,
        *,
        user: int | None,
        group: int | None,
        role: str,
        program: int,
        project: int | None,
        made_by: int | None,
        made: datetime,
        until: datetime | None,
    ) -> tuple[int, bool]:
        """Give a role, or set the end of the same grant given before."""
        row = await pg(unit).row(
            "insert into grants (user_seq, group_seq, role, program, project, made_by, made, until) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (user_seq, group_seq, role, program, project) "
            "do update set until = excluded.until, made_by = excluded.made_by, made = excluded.made "
            "returning id, xmax = 0 as new",
            user,
            group,
            role,
            program,
            project,
            made_by,
            made,
            until,
        )
        assert row is not None  # an upsert without a condition always returns its row
        return row["id"], row["new"]

    async def remove(self, unit: Unit, ids: Sequence[int]) -> None:
        """Take grants away."""
        await pg(unit).run("delete from grants where id = any($1::bigint[])", list(ids))

    async def of(
        self, unit: Unit, *, program: int, project: int | None, user: int | None, group: int | None, role: str | None
    ) -> list[GrantRow]:
        """Return the grants on exactly this program or project."""
        rows = await pg(unit).rows(
            _GRANT + "where g.program = $1 and g.project is not distinct from $2 "
            "and ($3::bigint is null or g.user_seq = $3) and ($4::bigint is null or g.group_seq = $4) "
            'and ($5::text is null or g.role = $5) order by coalesce(u.email, o.name) collate "C", g.id',
            program,
            project,
            user,
            group,
            role,
        )
        return [_grant(row) for row in rows]

    async def on_project(self, unit: Unit, *, program: int, project: int) -> list[GrantRow]:
        """Return the grants on a project and on its program."""
        rows = await pg(unit).rows(
            _GRANT + "where g.program = $1 and (g.project is null or g.project = $2) "
            'order by g.project nulls first, coalesce(u.email, o.name) collate "C", g.id',
            program,
            project,
        )
        return [_grant(row) for row in rows]

    async def get(self, unit: Unit, grant: int) -> GrantRow | None:
        """Return one grant."""
        row = await pg(unit).row(_GRANT + "where g.id = $1", grant)
        return None if row is None else _grant(row)

    async def lock_program(self, unit: Unit, program: int) -> None:
        """Serialise changes of this program's grants."""
        await pg(unit).run("select 1 from programs where seq = $1 for no key update", program)

    async def owners(self, unit: Unit, program: int, now: datetime, *, without: Sequence[int]) -> int:
        """Count the active users who own a program by a grant without end."""
        return await pg(unit).value(
            "select count(distinct u.seq) from grants g "
            "left join group_members m on m.group_seq = g.group_seq "
            "join users u on u.seq = coalesce(g.user_seq, m.user_seq) "
            "where g.program = $1 and g.project is null and g.role = 'owner' and u.active "
            "and g.until is null and not (g.id = any($2::bigint[]))",
            program,
            list(without),
        )

    async def user_by_email(self, unit: Unit, email_folded: str) -> tuple[int, str] | None:
        """Return number and e-mail of an account."""
        row = await pg(unit).row("select seq, email from users where email_folded = $1", email_folded)
        return None if row is None else (row["seq"], row["email"])


class PgGroupStore:
    """See ``ports.grants.GroupStore``."""

    async def add(
        self, unit: Unit, *, uuid: UUID, name: str, name_folded: str, made_by: int | None, created: datetime
    ) -> Group | None:
        """Make a group; None when the name is taken."""
        row = await pg(unit).row(
            "insert into groups (uuid, name, name_folded, made_by, created) values ($1, $2, $3, $4, $5) "
            "on conflict (name_folded) do nothing returning seq, uuid, name, made_by, created, 0::bigint as members",
            uuid,
            name,
            name_folded,
            made_by,
            created,
        )
        return None if row is None else _group(row)

    async def find(self, unit: Unit, *, seq: int | None = None, name_folded: str | None = None) -> Group | None:
        """Return a group by number or name."""
        row = await pg(unit).row(
            _GROUP + "where ($1::bigint is null or g.seq = $1) and ($2::text is null or g.name_folded = $2) "
            "and not ($1::bigint is null and $2::text is null)",
            seq,
            name_folded,
        )
        return None if row is None else _group(row)

    async def list(
        self, unit: Unit, *, search: str, offset: int, limit: int, member: int | None = None
    ) -> tuple[list[Group], int]:
        """Return a page of groups by name, with the total."""
        rows = await pg(
            unit
        ).rows(
            "select *, count(*) over () as total from (" + _GROUP + "where strpos(g.name_folded, $1) > 0 "  # noqa: S608
            "and ($4::bigint is null or exists (select from group_members m "
            "where m.group_seq = g.seq and m.user_seq = $4))) page "
            'order by name collate "C", seq offset $2 limit $3',
            search,
            offset,
            limit,
            member,
        )
        return [_group(row) for row in rows], rows[0]["total"] if rows else 0

    async def rename(self, unit: Unit, group: int, *, name: str, name_folded: str) -> bool:
        """Give a group another name; False when it is taken."""
        changed = await pg(unit).run(
            "update groups set name = $2, name_folded = $3 where seq = $1 "
            "and not exists (select from groups o where o.name_folded = $3 and o.seq <> $1)",
            group,
            name,
            name_folded,
        )
        return changed == 1

    async def orphaned(self, unit: Unit, group: int, users: Sequence[int] | None) -> str | None:
        """Return the code of a program that only these members of a group (None: all) own; locks the programs."""
        p = pg(unit)
        await p.run(
            "select 1 from programs where seq in (select program from grants where group_seq = $1 "
            "and role = 'owner' and project is null and until is null) order by seq for no key update",
            group,
        )
        return await p.value(
            "select p.code from grants g join programs p on p.seq = g.program where g.group_seq = $1 "
            "and g.role = 'owner' and g.project is null and g.until is null and not exists ("
            "select from grants o left join group_members m on m.group_seq = o.group_seq "
            "join users u on u.seq = coalesce(o.user_seq, m.user_seq) "
            "where o.program = g.program and o.role = 'owner' and o.project is null and o.until is null and u.active "
            "and not (o.group_seq is not distinct from $1 and ($2::bigint[] is null or u.seq = any($2)))) "
            'order by p.code collate "C" limit 1',
            group,
            None if users is None else list(users),
        )

    async def delete(self, unit: Unit, group: int) -> None:
        """Remove a group; memberships and grants go with it."""
        await pg(unit).run("delete from groups where seq = $1", group)

    async def members(self, unit: Unit, group: int) -> list[Member]:
        """Return the members of a group by e-mail."""
        rows = await pg(unit).rows(
            "select u.seq, u.uuid, u.email, u.name from group_members m join users u on u.seq = m.user_seq "
            'where m.group_seq = $1 order by u.email_folded collate "C"',
            group,
        )
        return [_member(row) for row in rows]

    async def add_members(
        self, unit: Unit, group: int, users: Sequence[int], *, added_by: int | None, added: datetime
    ) -> int:
        """Add users; return how many were not members before."""
        return await pg(unit).run(
            "insert into group_members (group_seq, user_seq, added_by, added) "
            "select $1, u, $3, $4 from unnest($2::bigint[]) u on conflict do nothing",
            group,
            list(users),
            added_by,
            added,
        )

    async def remove_members(self, unit: Unit, group: int, users: Sequence[int]) -> int:
        """Take users out; return how many were members."""
        return await pg(unit).run(
            "delete from group_members where group_seq = $1 and user_seq = any($2::bigint[])", group, list(users)
        )

    async def users_by_email(self, unit: Unit, emails_folded: Sequence[str]) -> dict[str, int]:
        """Return the numbers of accounts by folded e-mail."""
        rows = await pg(unit).rows(
            "select email_folded, seq from users where email_folded = any($1::text[])", list(emails_folded)
        )
        return {row["email_folded"]: row["seq"] for row in rows}

    async def curators(
        self, unit: Unit, roles: Sequence[str], now: datetime, *, viewer: Viewer | None = None
    ) -> list[Member]:
        """See the port."""
        rows = await pg(unit).rows(
            f"with belonging as ({BELONGING}) "  # noqa: S608 - fixed text
            "select u.seq, u.uuid, u.email, u.name from users u where u.active and (u.site_admin or exists ("
            "select from grants g where g.role = any($1::text[]) and (g.until is null or g.until > $2) "
            "and (g.user_seq = u.seq or g.group_seq in "
            "(select m.group_seq from group_members m where m.user_seq = u.seq)))) "
            "and ($3 or u.seq = $4 "
            "  or exists (select from belonging b where b.user_seq = u.seq and b.program = any($5::bigint[]))) "
            'order by u.email_folded collate "C"',
            list(roles),
            now,
            viewer is None or viewer.everybody,
            None if viewer is None else viewer.user,
            [] if viewer is None else sorted(viewer.programs),
        )
        return [_member(row) for row in rows]

    async def grants_of(self, unit: Unit, group: int, now: datetime) -> list[tuple[str, int, int | None]]:
        """Return (role, program, project) of the grants in force of a group."""
        rows = await pg(unit).rows(
            "select role, program, project from grants where group_seq = $1 and (until is null or until > $2)",
            group,
            now,
        )
        return [(row["role"], row["program"], row["project"]) for row in rows]
