"""Accounts, invitations and failed sign-ins in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from commensal.core.users import GivenRole, Invitation, User
from commensal.storage.ports import Unit
from commensal.storage.ports.users import Failures, SignInRow
from commensal.storage.postgres.database import pg

__all__ = ["KEPT_CALLER", "USER_COLUMNS", "PgInvitations", "PgSignInFailures", "PgUsers", "user_of"]

USER_COLUMNS = """u.seq as user_seq, u.uuid as user_uuid, u.email as user_email, u.name as user_name, u.site_admin,
    u.active, u.login_counter, u.created as user_created, u.last_signed_in"""
#: A kept caller (``services.callers``) of a row with ``caller`` and ``user_seq``: a site admin only while he is one.
KEPT_CALLER = """caller || jsonb_build_object('site_admin', caller->'site_admin' = 'true' and (user_seq is null
    or exists (select from users kept where kept.seq = user_seq and kept.site_admin and kept.active))) as caller"""
_USER = f"select {USER_COLUMNS} from users u"  # noqa: S608 - column names only


def user_of(row: Record) -> User:
    """Return the account in a row that selected ``USER_COLUMNS``."""
    return User(
        seq=row["user_seq"],
        uuid=row["user_uuid"],
        email=row["user_email"],
        name=row["user_name"],
        site_admin=row["site_admin"],
        active=row["active"],
        login_counter=row["login_counter"],
        created=row["user_created"],
        last_signed_in=row["last_signed_in"],
    )


def _maybe(row: Record | None) -> User | None:
    return None if row is None else user_of(row)


class PgUsers:
    """See ``ports.users.Users``."""

    async def add(
        self, unit: Unit, *, uuid: UUID, email: str, folded: str, name: str, password: str | None, site_admin: bool
    ) -> User | None:
        """See the port."""
        return _maybe(
            await pg(unit).row(
                "insert into users as u (uuid, email, email_folded, name, password, site_admin)"  # noqa: S608
                f" values ($1, $2, $3, $4, $5, $6) on conflict (email_folded) do nothing returning {USER_COLUMNS}",
                uuid,
                email,
                folded,
                name,
                password,
                site_admin,
            )
        )

    async def get(self, unit: Unit, seq: int) -> User | None:
        """See the port."""
        return _maybe(await pg(unit).row(f"{_USER} where u.seq = $1", seq))

    async def lock(self, unit: Unit, seq: int) -> User | None:
        """See the port."""
        return _maybe(await pg(unit).row(f"{_USER} where u.seq = $1 for no key update", seq))

    async def by_email(self, unit: Unit, folded: str) -> User | None:
        """See the port."""
        return _maybe(await pg(unit).row(f"{_USER} where u.email_folded = $1", folded))

    async def by_uuid(self, unit: Unit, uuid: UUID) -> User | None:
        """See the port."""
        return _maybe(await pg(unit).row(f"{_USER} where u.uuid = $1", uuid))

    async def find(self, unit: Unit, search: str, *, offset: int, limit: int) -> tuple[list[User], int]:
        """See the port."""
        rows = await pg(unit).rows(
            f"""with found as (
                    select {USER_COLUMNS}, u.email_folded from users u
                    where $1 = '' or strpos(u.email_folded, $1) > 0 or strpos(lower(u.name), $1) > 0),
                page as (select * from found order by email_folded collate "C" offset $2 limit $3)
            select page.*, total.n as total from (select count(*) as n from found) total
            left join page on true order by page.email_folded collate "C" """,  # noqa: S608
            search,
            offset,
            limit,
        )
        return [user_of(row) for row in rows if row["user_seq"] is not None], rows[0]["total"]

    async def for_sign_in(self, unit: Unit, folded: str, address: str) -> SignInRow:
        """See the port."""
        row = await pg(unit).row(
            f"""select {USER_COLUMNS}, u.password, f.n, f.last
            from (select 1) one left join users u on u.email_folded = $1
            left join sign_in_failures f on f.account_folded = $1 and f.address = $2""",  # noqa: S608
            folded,
            address,
        )
        assert row is not None
        return SignInRow(
            user=None if row["user_seq"] is None else user_of(row),
            password=row["password"],
            failures=None if row["n"] is None else Failures(row["n"], row["last"]),
        )

    async def signed_in(self, unit: Unit, seq: int, at: datetime, *, folded: str, address: str) -> None:
        """See the port."""
        await pg(unit).run(
            """with forgotten as (delete from sign_in_failures where account_folded = $3 and address = $4)
            update users set last_signed_in = $2 where seq = $1""",
            seq,
            at,
            folded,
            address,
        )

    async def set_password(self, unit: Unit, seq: int, password: str, *, raise_counter: bool) -> None:
        """See the port."""
        await pg(unit).run(
            "update users set password = $2, login_counter = login_counter + $3 where seq = $1",
            seq,
            password,
            int(raise_counter),
        )

    async def rehash(self, unit: Unit, seq: int, old: str, new: str) -> None:
        """See the port."""
        await pg(unit).run("update users set password = $3 where seq = $1 and password = $2", seq, old, new)

    async def raise_login_counter(self, unit: Unit, seq: int) -> None:
        """See the port."""
        await pg(unit).run("update users set login_counter = login_counter + 1 where seq = $1", seq)

    async def set_active(self, unit: Unit, seq: int, *, active: bool) -> None:
        """See the port."""
        await pg(unit).run(
            "update users set active = $2, login_counter = login_counter + $3 where seq = $1",
            seq,
            active,
            int(not active),
        )

    async def set_site_admin(self, unit: Unit, seq: int, *, site_admin: bool) -> None:
        """See the port."""
        await pg(unit).run("update users set site_admin = $2 where seq = $1", seq, site_admin)

    async def rename(self, unit: Unit, seq: int, name: str) -> None:
        """See the port."""
        await pg(unit).run("update users set name = $2 where seq = $1", seq, name)

    async def other_site_admins(self, unit: Unit, seq: int) -> int:
        """See the port."""
        # Two site admins who end each other's office at the same time must not both succeed.
        await pg(unit).run("select pg_advisory_xact_lock(hashtextextended('commensal site admins', 0))")
        return await pg(unit).value("select count(*) from users where site_admin and active and seq <> $1", seq)


class PgSignInFailures:
    """See ``ports.users.SignInFailures``."""

    async def get(self, unit: Unit, account: str, address: str) -> Failures | None:
        """See the port."""
        row = await pg(unit).row(
            "select n, last from sign_in_failures where account_folded = $1 and address = $2", account, address
        )
        return None if row is None else Failures(row["n"], row["last"])

    async def add(self, unit: Unit, account: str, address: str, at: datetime, *, forget_before: datetime) -> int:
        """See the port."""
        return await pg(unit).value(
            """insert into sign_in_failures as f (account_folded, address, n, last) values ($1, $2, 1, $3)
            on conflict (account_folded, address) do update set
                n = case when f.last < $4 then 1 else f.n + 1 end, last = excluded.last
            returning n""",
            account,
            address,
            at,
            forget_before,
        )

    async def clear(self, unit: Unit, account: str, address: str) -> None:
        """See the port."""
        await pg(unit).run("delete from sign_in_failures where account_folded = $1 and address = $2", account, address)

    async def purge(self, unit: Unit, before: datetime) -> None:
        """See the port."""
        await pg(unit).run("delete from sign_in_failures where last < $1", before)


_INVITATION = "id, email, name, grants, made_by, made, expires, used"


def _given(value: list[dict[str, Any]]) -> tuple[GivenRole, ...]:
    return tuple(GivenRole(item["role"], item["program"], item.get("project")) for item in value)


def _invitation(row: Record | None) -> Invitation | None:
    if row is None:
        return None
    return Invitation(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        grants=_given(row["grants"]),
        made_by=row["made_by"],
        made=row["made"],
        expires=row["expires"],
        used=row["used"],
    )


class PgInvitations:
    """See ``ports.users.Invitations``."""

    async def put(
        self,
        unit: Unit,
        *,
        email: str,
        folded: str,
        name: str,
        sha256: bytes,
        grants: Sequence[GivenRole],
        made_by: int | None,
        made: datetime,
        expires: datetime,
    ) -> Invitation:
        """See the port."""
        invitation = _invitation(
            await pg(unit).row(
                "insert into invitations (email, email_folded, name, sha256, grants, made_by, made, expires)"  # noqa: S608
                " values ($1, $2, $3, $4, $5, $6, $7, $8)"
                " on conflict (email_folded, made_by) where used is null do update set"
                " email = excluded.email, name = excluded.name, sha256 = excluded.sha256, grants = excluded.grants,"
                " made = excluded.made, expires = excluded.expires"
                f" returning {_INVITATION}",
                email,
                folded,
                name,
                sha256,
                [grant.to_json() for grant in grants],
                made_by,
                made,
                expires,
            )
        )
        assert invitation is not None
        return invitation

    async def get(self, unit: Unit, number: int) -> Invitation | None:
        """See the port."""
        return _invitation(
            await pg(unit).row(f"select {_INVITATION} from invitations where id = $1", number)  # noqa: S608
        )

    async def peek(self, unit: Unit, sha256: bytes, at: datetime) -> Invitation | None:
        """See the port."""
        return _invitation(
            await pg(unit).row(
                f"select {_INVITATION} from invitations where sha256 = $1 and used is null and expires > $2",  # noqa: S608
                sha256,
                at,
            )
        )

    async def use(self, unit: Unit, sha256: bytes, at: datetime) -> Invitation | None:
        """See the port."""
        return _invitation(
            await pg(unit).row(
                "update invitations set used = $2 where sha256 = $1 and used is null and expires > $2"  # noqa: S608
                f" returning {_INVITATION}",
                sha256,
                at,
            )
        )

    async def open_ones(self, unit: Unit, at: datetime, *, made_by: int | None) -> list[Invitation]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {_INVITATION} from invitations where used is null and expires > $1"  # noqa: S608
            " and ($2::bigint is null or made_by = $2) order by made desc, id desc limit 1000",
            at,
            made_by,
        )
        return [found for row in rows if (found := _invitation(row)) is not None]

    async def withdraw(self, unit: Unit, number: int) -> None:
        """See the port."""
        await pg(unit).run("delete from invitations where id = $1 and used is null", number)
