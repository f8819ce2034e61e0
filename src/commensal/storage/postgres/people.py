"""People in PostgreSQL."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from commensal.core.people import Person
from commensal.storage.ports import Unit
from commensal.storage.ports.people import Viewer
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.users import USER_COLUMNS, user_of

__all__ = ["BELONGING", "PgPeople"]

#: (account, program) of all that are given a role on a program or in it, themselves or by a group.
BELONGING = (
    "select r.user_seq, r.program from grants r where r.user_seq is not null and (r.until is null or r.until > now()) "
    "union select m.user_seq, r.program from grants r join group_members m on m.group_seq = r.group_seq "
    "where r.until is null or r.until > now()"
)
_PAGE = f"""
with belonging as ({BELONGING}),
hit as (select u.seq from users u where u.active
  and ($1 or u.seq = $2 or exists (select from belonging b where b.user_seq = u.seq and b.program = any($3::bigint[])))
  and ($4::uuid is null or u.uuid = $4) and ($5::bigint is null or u.seq = $5)
  and ($6::bigint is null or exists (select from belonging b where b.user_seq = u.seq and b.program = $6))),
page as (select seq from hit order by seq offset $7 limit $8)
select {USER_COLUMNS}, u.profile, (select count(*) from hit) as total,
  (select h.uuid from programs h where h.home_of = u.seq) as home,
  (select jsonb_agg(jsonb_build_array(g.uuid, g.title) order by g.seq) from programs g
    where g.home_of is null and g.seq in (select b.program from belonging b where b.user_seq = u.seq)
      and ($1 or u.seq = $2 or g.seq = any($3::bigint[]))) as programs
from page join users u on u.seq = page.seq order by u.seq
"""


class PgPeople:
    """Implements ``ports.people.PeopleStore``."""

    async def page(
        self,
        unit: Unit,
        viewer: Viewer,
        *,
        uuid: UUID | None = None,
        seq: int | None = None,
        program: int | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[Person], int]:
        """See the port."""
        rows = await pg(unit).rows(
            _PAGE, viewer.everybody, viewer.user, sorted(viewer.programs), uuid, seq, program, offset, limit
        )
        people = [
            Person(
                user_of(row),
                row["profile"],
                row["home"],
                tuple((UUID(uuid), title) for uuid, title in row["programs"] or ()),
            )
            for row in rows
        ]
        return people, rows[0]["total"] if rows else 0

    async def set_profile(self, unit: Unit, user: int, changes: Mapping[str, str]) -> None:
        """See the port."""
        await pg(unit).run("update users set profile = profile || $2 where seq = $1", user, dict(changes))
