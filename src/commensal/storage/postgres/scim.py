"""Accounts and groups as provisioning (SCIM) asks for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from commensal.core.groups import Group, Member
from commensal.core.users import User
from commensal.storage.ports import Unit
from commensal.storage.ports.people import Viewer
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.people import BELONGING

__all__ = ["PgScim"]

_USERS = """
from users u left join scim_external_ids x on x.resource = 'User' and x.seq = u.seq
 where ($1::bigint is null or u.seq = $1) and ($2::text is null or u.email_folded = $2)
   and ($3::text is null or coalesce(nullif(u.name, ''), u.email) = $3)
   and ($4::text is null or x.external_id = $4) and ($5::boolean is null or u.active = $5)
"""
_GROUPS = """
from groups g left join scim_external_ids x on x.resource = 'Group' and x.seq = g.seq
 where ($1::bigint is null or g.seq = $1) and ($2::text is null or g.name_folded = $2)
   and ($3::text is null or x.external_id = $3) and ($4::bigint is null or g.made_by = $4
     or exists (select from group_members m where m.group_seq = g.seq and m.user_seq = $4))
"""


class PgScim:
    """See ``ports.scim.ScimStore``."""

    async def users(
        self,
        unit: Unit,
        *,
        seq: int | None,
        email_folded: str | None,
        name: str | None,
        external_id: str | None,
        active: bool | None,
        offset: int,
        limit: int,
    ) -> tuple[list[tuple[User, str | None]], int]:
        """See the port."""
        rows = await pg(unit).rows(
            f"with hit as (select u.*, x.external_id {_USERS}) "  # noqa: S608 - fixed text
            "select t.total, h.* from (select count(*) as total from hit) t "
            "left join (select * from hit order by seq offset $6 limit $7) h on true order by h.seq",
            seq,
            email_folded,
            name,
            external_id,
            active,
            offset,
            limit,
        )
        found = [
            (
                User(
                    seq=row["seq"],
                    uuid=row["uuid"],
                    email=row["email"],
                    name=row["name"],
                    site_admin=row["site_admin"],
                    active=row["active"],
                    login_counter=row["login_counter"],
                    created=row["created"],
                    last_signed_in=row["last_signed_in"],
                ),
                row["external_id"],
            )
            for row in rows
            if row["seq"] is not None
        ]
        return found, rows[0]["total"]

    async def groups(
        self,
        unit: Unit,
        *,
        seq: int | None,
        name_folded: str | None,
        external_id: str | None,
        member: int | None,
        offset: int,
        limit: int,
    ) -> tuple[list[tuple[Group, str | None]], int]:
        """See the port."""
        rows = await pg(unit).rows(
            f"with hit as (select g.*, x.external_id {_GROUPS}) "  # noqa: S608 - fixed text
            "select t.total, h.*, (select count(*) from group_members m where m.group_seq = h.seq) as members "
            "from (select count(*) as total from hit) t "
            "left join (select * from hit order by seq offset $5 limit $6) h on true order by h.seq",
            seq,
            name_folded,
            external_id,
            member,
            offset,
            limit,
        )
        found = [
            (
                Group(
                    seq=row["seq"],
                    uuid=row["uuid"],
                    name=row["name"],
                    made_by=row["made_by"],
                    created=row["created"],
                    members=row["members"],
                ),
                row["external_id"],
            )
            for row in rows
            if row["seq"] is not None
        ]
        return found, rows[0]["total"]

    async def members(self, unit: Unit, groups: Sequence[int]) -> dict[int, list[Member]]:
        """See the port."""
        found: dict[int, list[Member]] = {seq: [] for seq in groups}
        for row in await pg(unit).rows(
            "select m.group_seq, u.seq, u.uuid, u.email, u.name from group_members m "
            "join users u on u.seq = m.user_seq "
            'where m.group_seq = any($1::bigint[]) order by u.email_folded collate "C"',
            list(groups),
        ):
            found[row["group_seq"]].append(Member(row["seq"], row["uuid"], row["email"], row["name"]))
        return found

    async def emails(
        self, unit: Unit, users: Sequence[int], viewer: Viewer, *, among: Collection[int] = ()
    ) -> dict[int, str]:
        """See the port."""
        rows = await pg(unit).rows(
            f"with belonging as ({BELONGING}) "  # noqa: S608 - fixed text
            "select u.seq, u.email from users u where u.seq = any($1::bigint[]) "
            "and ($2 or u.seq = $3 or u.seq = any($4::bigint[]) "
            "  or exists (select from belonging b where b.user_seq = u.seq and b.program = any($5::bigint[])))",
            list(users),
            viewer.everybody,
            viewer.user,
            list(among),
            sorted(viewer.programs),
        )
        return {row["seq"]: row["email"] for row in rows}

    async def set_external_id(self, unit: Unit, resource: str, seq: int, external_id: str | None) -> None:
        """See the port."""
        if external_id is None:
            await pg(unit).run("delete from scim_external_ids where resource = $1 and seq = $2", resource, seq)
            return
        await pg(unit).run(
            "insert into scim_external_ids (resource, seq, external_id) values ($1, $2, $3) "
            "on conflict (resource, seq) do update set external_id = excluded.external_id",
            resource,
            seq,
            external_id,
        )
