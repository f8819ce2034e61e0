"""Credentials and signing keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from asyncpg import Record

from commensal.core.principals import Credential, CredentialKind, Door
from commensal.core.users import LiveCredential
from commensal.storage.ports import Unit
from commensal.storage.ports.credentials import SigningKeyRow
from commensal.storage.ports.users import Failures
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.users import USER_COLUMNS, user_of

__all__ = ["PgCredentials", "PgSigningKeys"]

_WITNESS = "master_key_witness"
_COLUMNS = """c.id, c.user_seq as holder, c.door, c.kind, c.public_id, c.label, c.parent, c.program, c.scopes,
    c.made, c.expires, c.last_used, c.revoked"""
_LIVE = f"select {_COLUMNS}, {USER_COLUMNS} from credentials c join users u on u.seq = c.user_seq"  # noqa: S608
#: Kinds that are no keys: they never show in a list of keys.
_PASSING = [CredentialKind.SESSION.value, CredentialKind.RESET.value, CredentialKind.INVITATION.value]


def _credential(row: Record) -> Credential:
    return Credential(
        id=row["id"],
        user=row["holder"],
        door=Door(row["door"]),
        kind=CredentialKind(row["kind"]),
        made=row["made"],
        expires=row["expires"],
        last_used=row["last_used"],
        revoked=row["revoked"],
        public_id=row["public_id"],
        label=row["label"],
        parent=row["parent"],
        program=row["program"],
        scopes=frozenset(row["scopes"]),
    )


def _live(row: Record | None) -> LiveCredential | None:
    return None if row is None else LiveCredential(_credential(row), user_of(row))


class PgCredentials:
    """See ``ports.credentials.Credentials``."""

    async def add(
        self,
        unit: Unit,
        *,
        user: int,
        door: Door,
        kind: CredentialKind,
        sha256: bytes,
        made: datetime,
        expires: datetime | None,
        public_id: str = "",
        label: str = "",
        parent: int | None = None,
        program: int | None = None,
        scopes: Collection[str] = (),
    ) -> int:
        """See the port."""
        return await pg(unit).value(
            "insert into credentials"
            " (user_seq, door, kind, sha256, made, expires, public_id, label, parent, program, scopes)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            " on conflict (sha256) do update set expires = excluded.expires"
            " returning id",
            user,
            door.value,
            kind.value,
            sha256,
            made,
            expires,
            public_id,
            label,
            parent,
            program,
            sorted(scopes),
        )

    async def by_secret(self, unit: Unit, sha256: bytes) -> LiveCredential | None:
        """See the port."""
        return _live(await pg(unit).row(f"{_LIVE} where c.sha256 = $1", sha256))

    async def by_public_id(self, unit: Unit, door: Door, public_id: str) -> LiveCredential | None:
        """See the port."""
        return _live(
            await pg(unit).row(
                f"{_LIVE} where c.public_id = $1 and c.public_id <> '' and c.door = $2", public_id, door.value
            )
        )

    async def by_basic(
        self, unit: Unit, sha256: bytes, login: str, account: str, address: str
    ) -> tuple[LiveCredential | None, bool, Failures | None]:
        """See the port."""
        row = await pg(unit).row(
            f"""select {_COLUMNS}, {USER_COLUMNS}, f.n, f.last,
                exists (select from credentials k where k.public_id = $4 and k.public_id <> '') as known
            from (select 1) one left join credentials c on c.sha256 = $1 left join users u on u.seq = c.user_seq
            left join sign_in_failures f on f.account_folded = $2 and f.address = $3""",  # noqa: S608
            sha256,
            account,
            address,
            login,
        )
        assert row is not None
        failures = None if row["n"] is None else Failures(row["n"], row["last"])
        return (None if row["id"] is None else _live(row)), row["known"], failures

    async def get(self, unit: Unit, number: int) -> Credential | None:
        """See the port."""
        row = await pg(unit).row(f"select {_COLUMNS} from credentials c where c.id = $1", number)  # noqa: S608
        return None if row is None else _credential(row)

    async def of_user(self, unit: Unit, user: int, door: Door | None) -> list[Credential]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {_COLUMNS} from credentials c"  # noqa: S608
            " where c.user_seq = $1 and ($2::text is null or c.door = $2) and c.kind <> all($3)"
            " order by c.expires desc nulls first, c.id desc limit 1000",
            user,
            None if door is None else door.value,
            _PASSING,
        )
        return [_credential(row) for row in rows]

    async def live_keys(self, unit: Unit, user: int, door: Door, at: datetime) -> int:
        """See the port."""
        return await pg(unit).value(
            "select count(*) from credentials where user_seq = $1 and door = $2 and parent is null"
            " and revoked is null and (expires is null or expires > $3) and kind <> all($4)",
            user,
            door.value,
            at,
            _PASSING,
        )

    async def revoke(self, unit: Unit, number: int, at: datetime) -> int:
        """See the port."""
        return await pg(unit).run(
            "update credentials set revoked = $2 where (id = $1 or parent = $1) and revoked is null", number, at
        )

    async def revoke_kinds(
        self, unit: Unit, user: int, kinds: Collection[CredentialKind], at: datetime, *, but: int | None = None
    ) -> int:
        """See the port."""
        return await pg(unit).run(
            "update credentials set revoked = $3 where user_seq = $1 and kind = any($2) and revoked is null"
            " and id is distinct from $4",
            user,
            [kind.value for kind in kinds],
            at,
            but,
        )

    async def use_once(self, unit: Unit, sha256: bytes, kind: CredentialKind, at: datetime) -> int | None:
        """See the port."""
        return await pg(unit).value(
            "update credentials set revoked = $3, last_used = $3"
            " where sha256 = $1 and kind = $2 and revoked is null and expires > $3 returning user_seq",
            sha256,
            kind.value,
            at,
        )

    async def made_since(self, unit: Unit, user: int, kind: CredentialKind, since: datetime) -> bool:
        """See the port."""
        return await pg(unit).value(
            "select exists (select from credentials where user_seq = $1 and kind = $2 and made > $3)",
            user,
            kind.value,
            since,
        )

    async def used(
        self, unit: Unit, numbers: Sequence[int], times: Sequence[datetime], *, slide: float, limit: float
    ) -> None:
        """See the port."""
        await pg(unit).run(
            """update credentials c set
                last_used = v.at,
                expires = case when c.kind = 'session' then
                    greatest(c.expires, least(v.at + $3 * interval '1 second', c.made + $4 * interval '1 second'))
                    else c.expires end
            from unnest($1::bigint[], $2::timestamptz[]) v (id, at)
            where c.id = v.id and (c.last_used is null or c.last_used < v.at)""",
            numbers,
            times,
            slide,
            limit,
        )

    async def purge(self, unit: Unit, before: datetime) -> None:
        """See the port."""
        await pg(unit).run(
            "delete from credentials where kind = any($2) and (expires < $1 or revoked < $1)", before, _PASSING
        )


class PgSigningKeys:
    """See ``ports.credentials.SigningKeys``; the rows whose purpose is ``tokens``."""

    async def lock(self, unit: Unit) -> None:
        """See the port."""
        await pg(unit).run("select pg_advisory_xact_lock(hashtextextended('commensal signing keys', 0))")

    async def usable(self, unit: Unit, at: datetime) -> list[SigningKeyRow]:
        """See the port.

        A retired key stays for the two hours in which access tokens (one hour at most) may still run, and while
        a Gen3 API key from its time runs. Ten seconds are added: another process may sign with the old key for
        one second after a rotation.
        """
        rows = await pg(unit).rows(
            """select k.kid, k.sealed, k.public_jwk, k.made, k.retired from signing_keys k
            where k.purpose = 'tokens' and (
                k.retired is null or k.retired > $1::timestamptz - interval '2 hours'
                or exists (
                    select from credentials c where c.door = 'gen3' and c.kind = 'api_key' and c.expires > $1
                    and c.made between k.made - interval '10 seconds' and k.retired + interval '10 seconds'))
            order by k.retired is not null, k.made desc""",
            at,
        )
        names = ("kid", "sealed", "public_jwk", "made", "retired")
        return [SigningKeyRow(*(row[name] for name in names)) for row in rows]

    async def add(self, unit: Unit, row: SigningKeyRow) -> None:
        """See the port."""
        await pg(unit).run(
            """with before as (
                update signing_keys set retired = $4 where purpose = 'tokens' and retired is null)
            insert into signing_keys (kid, purpose, algorithm, sealed, public_jwk, made)
            values ($1, 'tokens', 'RS256', $2, $3, $4)""",
            row.kid,
            row.sealed,
            row.public_jwk,
            row.made,
        )

    async def witness(self, unit: Unit) -> bytes | None:
        """See the port."""
        text = await pg(unit).value("select value #>> '{}' from settings where name = $1", _WITNESS)
        return None if text is None else bytes.fromhex(text)

    async def keep_witness(self, unit: Unit, sealed: bytes) -> bytes:
        """See the port."""
        await pg(unit).run(
            "insert into settings (name, value) values ($1, to_jsonb($2::text)) on conflict (name) do nothing",
            _WITNESS,
            sealed.hex(),
        )
        stored = await self.witness(unit)
        assert stored is not None
        return stored
