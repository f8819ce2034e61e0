"""The service that locates bytes by GUID: few statements, who may, where bytes that lie elsewhere are."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.core.index import NewIndexRecord
from commensal.core.permissions import PublicLevel
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Project
from commensal.errors import Forbidden, NotFound, Unauthenticated
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.storage.postgres.database import PgDatabase, counting

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)
NOBODY = Principal(PrincipalKind.ANONYMOUS, Door.GEN3)
BASE = "https://commons.example.org"


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture(params=[False, True], ids=["anonymous off", "anonymous on"])
async def services(
    request: pytest.FixtureRequest, database: PgDatabase, dsn: str, tmp_path: Path
) -> AsyncIterator[Services]:
    second = PgDatabase(dsn, size=2)
    settings = Settings(data=str(tmp_path), anonymous=request.param)
    yield build_services(settings, database, second, b"0" * 32)
    await second.close()


async def user(database: PgDatabase, name: str) -> Principal:
    async with database.begin() as unit:
        sql = "insert into users (uuid, email, email_folded) values ($1, $2, $2) returning seq"
        seq = await unit.value(sql, uuid.uuid4(), f"{name}@x")
    return Principal(PrincipalKind.USER, Door.GEN3, user=seq, email=f"{name}@x")


async def place(services: Services, code: str) -> Project:
    program = await services.catalog.add_program(OPERATOR, f"P{code}")
    return await services.catalog.add_project(OPERATOR, program, code)


async def test_many_cost_as_many_statements_as_one(services: Services, database: PgDatabase) -> None:
    analyst = await user(database, "analyst")
    guids: list[str] = []
    for code in ("A", "B"):
        project = await place(services, code)
        await services.grants.grant(OPERATOR, analyst.email, "analyst", project)
        for n in range(15):
            put = await services.files.put(OPERATOR, project, f"f{n}", chunks(b"%d" % n))
            guids.append(str(put.file.uuid))
    for some in (guids[:1], guids):
        services.guard.forget()
        with counting() as count:
            found = await services.downloads.addresses(analyst, some, base=BASE)
        assert (count.n, list(found)) == (4, some)
        assert all(isinstance(url, str) and url.startswith(f"{BASE}/commensal/v1/bytes/") for url in found.values())
    services.guard.forget()
    with counting() as count:
        await services.downloads.address(analyst, guids[0], base=BASE)
    assert count.n <= 4


async def test_who_may(services: Services, database: PgDatabase) -> None:
    project = await place(services, "A")
    viewer, analyst, stranger = [await user(database, name) for name in ("viewer", "analyst", "stranger")]
    for who in (viewer, analyst):
        await services.grants.grant(OPERATOR, who.email, who.email[:-2], project)
    guid = str((await services.files.put(OPERATOR, project, "f", chunks(b"x"))).file.uuid)
    anonymous = services.settings.anonymous

    async def refusal(who: Principal) -> type | None:
        try:
            await services.downloads.address(who, guid, base=BASE)
        except (Forbidden, Unauthenticated) as error:
            return type(error)
        return None

    def everybody() -> list[Principal]:
        return [analyst, OPERATOR, viewer, stranger, NOBODY]

    assert [await refusal(who) for who in everybody()] == [None, None, Forbidden, Forbidden, Unauthenticated]
    many = await services.downloads.addresses(viewer, [guid], base=BASE)
    assert isinstance(many[guid], Forbidden)
    async with database.read() as unit:
        rows = await unit.rows("select action from audit_events where who = $1 and result = 'refused'", viewer.user)
    assert len(rows) == 2
    await services.catalog.set_public_level(OPERATOR, project, PublicLevel.DOWNLOAD)
    last = None if anonymous else Unauthenticated
    assert [await refusal(who) for who in everybody()] == [None, None, None, None, last]


async def test_open_records_and_bytes_elsewhere(services: Services, database: PgDatabase) -> None:
    project = await place(services, "A")
    stranger = await user(database, "stranger")
    urls = ("s3://bucket/key", "https://elsewhere.example.org/a b?c=é", "ftp://old/x")
    md5 = {"md5": "0" * 32}
    authz = (f"/programs/{project.program_code}/projects/{project.code}",)
    closed = await services.index.create(OPERATOR, NewIndexRecord(urls=urls, authz=authz, size=1, hashes=md5))
    free = await services.index.create(OPERATOR, NewIndexRecord(urls=urls, authz=(*authz, "/open"), size=1, hashes=md5))
    bare = await services.index.create(OPERATOR, NewIndexRecord(authz=authz, size=1, hashes=md5))
    ask = services.downloads.address
    with pytest.raises(Forbidden):
        await ask(stranger, closed.did, base=BASE)
    # who may not read sees the addresses of what he may download, as drs-pull needs them, and no others
    assert (await services.index.get(stranger, free.did)).urls == urls
    assert (await services.index.get(stranger, closed.did)).urls == ()
    many = await services.downloads.addresses(stranger, [free.did, closed.did], base=BASE)
    assert many[free.did] == urls[0]
    assert isinstance(many[closed.did], NotFound)
    assert await ask(stranger, free.did, base=BASE) == urls[0]
    assert await ask(stranger, free.did, base=BASE, protocol="http") == urls[1]
    assert await ask(stranger, free.did, base=BASE, protocol="ftp") == urls[2]
    for guid, protocol in ((free.did, "gs"), (bare.did, None), (str(uuid.uuid4()), None), ("x" * 5000, None)):
        with pytest.raises(NotFound):
            await ask(OPERATOR, guid, base=BASE, protocol=protocol)
    if services.settings.anonymous:
        assert await ask(NOBODY, free.did, base=BASE) == urls[0]
    else:
        assert (await services.index.get(NOBODY, free.did)).urls == ()
        with pytest.raises(Unauthenticated):
            await ask(NOBODY, free.did, base=BASE)


async def test_damaged_bytes_have_no_address(services: Services, database: PgDatabase) -> None:
    project = await place(services, "A")
    good, bad = [
        (await services.files.put(OPERATOR, project, name, chunks(name.encode()))).file for name in ("good", "bad")
    ]
    async with database.begin() as unit:
        await unit.run("update blobs set damaged = now() where key = $1", bad.blob)
    found = await services.downloads.addresses(OPERATOR, [str(bad.uuid), str(good.uuid)], base=BASE)
    assert isinstance(found[str(bad.uuid)], NotFound)
    assert isinstance(found[str(good.uuid)], str)
    with pytest.raises(NotFound, match="damaged"):
        await services.downloads.address(OPERATOR, str(bad.uuid), base=BASE)
