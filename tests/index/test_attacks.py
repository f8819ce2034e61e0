"""What somebody may try against records that are not theirs: each try ends as if there were nothing to find."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from commensal.core.index import project_path
from commensal.core.own_links import OwnPlaces
from commensal.errors import AlreadyExists, Forbidden, Invalid, NotFound, TooLarge
from commensal.services.index import Index, IndexChanges
from commensal.storage.postgres.database import counting
from tests.index.conftest import BASE, new, stored_file
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site


async def test_a_guid_that_another_project_keeps_is_taken(site: Site, index: Index) -> None:
    """The GUID of a deleted record, or of a document, gives nobody else what it stood for."""
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who, owner = await site.holder("manager", here), await site.holder("manager", there)
    deleted, documented, of_site = (await index.create(owner, new(there))).did, str(uuid4()), f"dg.1/{uuid4()}"
    await index.delete(owner, deleted)
    async with site.database.begin() as unit:
        for guid, project in ((documented, there.seq), (of_site, None)):
            await unit.run(
                "insert into metadata_documents (guid, object, project, data, created, updated) "
                "values ($1, $2, $3, '{}', now(), now())",
                guid,
                UUID(guid[-36:]),
                project,
            )
    for did in (deleted, documented, of_site, f"x.{of_site[-36:]}"):
        with pytest.raises(AlreadyExists, match="did already exists"):
            await index.create(who, new(here, did=did))
        with pytest.raises(AlreadyExists, match="did already exists"):
            await index.create_blank(who, file_name="f", did=did)
    with pytest.raises(AlreadyExists):
        await index.create(owner, new(there, did=of_site))
    for did in (deleted, documented):
        assert (await index.create(owner, new(there, did=did))).did == did
    assert (await index.create(OPERATOR, new(here, did=of_site))).did == of_site


async def test_versions_in_another_project_stay_there(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who, reader = await site.holder("contributor", program), await site.holder("viewer", here)
    one = await index.create(who, new(here))
    two = await index.new_version(who, one.did, new(there, file_name="secret"))
    three = await index.new_version(who, one.did, new(here))
    assert [shown.did for shown in await index.versions(who, one.did)] == [one.did, two.did, three.did]
    for known in (one.did, one.baseid):
        assert [(shown.did, shown.full) for shown in await index.versions(reader, known)] == [
            (one.did, True),
            (three.did, True),
        ]
    assert (await index.latest(reader, one.did)).did == three.did
    shown = await index.versions(ANONYMOUS, one.did)
    assert [(record.did, record.full, record.located) for record in shown] == [
        (one.did, False, False),
        (three.did, False, False),
    ]
    # By its own GUID it is what it is to everybody: a part of it, beside what the caller reads.
    assert [(shown.did, shown.full) for shown in await index.versions(reader, two.did)] == [
        (one.did, True),
        (two.did, False),
        (three.did, True),
    ]


async def test_all_versions_change_in_few_statements(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("manager", project)
    site.guard._monotonic = lambda: 0.0  # what the guard remembers is asked for once

    async def measure(n: int) -> int:
        first = await index.create(who, new(project))
        await index.create_many(who, [new(project, baseid=first.baseid) for _ in range(n)])
        with counting() as counted:
            paths = [f"{project_path(project)}/consents/{n}", "/open"]
            changed = await index.update_versions(who, first.did, authz=paths)
        assert len(changed) == n + 1
        return counted.n

    async def check(unit, *_: object) -> None:
        await unit.value("select 1")

    site.catalog.public_checks.append(check)

    assert await measure(2) == await measure(30)


async def test_open_records_show_their_addresses_to_who_may_download(site: Site, index: Index) -> None:
    program, elsewhere = await site.program(), await site.program()
    project = await site.project(program)
    authz = [project_path(project), "/open"]
    free = await index.create(OPERATOR, new(urls=["https://a.example/x"], authz=authz, uploader="u@example.org"))
    shut = await index.create(OPERATOR, new(project, urls=["https://a.example/y"]))
    nobody = await site.user()
    for who in (nobody, ANONYMOUS):
        one = await index.get(who, free.did)
        assert (one.urls, one.uploader, one.full, one.located) == (free.urls, None, False, True)
        assert [record.did for record in await index.many(who, [free.did, shut.did])] == [free.did]
        assert (await index.get(who, shut.did)).urls == ()
    # A credential of another program sees what a stranger without it sees of a closed one.
    limited = replace(nobody, only_program=elsewhere.seq)
    assert (await index.get(limited, free.did)).urls == ()
    assert await index.many(limited, [free.did]) == []

    async def refuse(*_: object) -> None:
        raise Invalid("This project holds patients.")

    site.catalog.public_checks.append(refuse)
    assert await index.many(nobody, [free.did]) == []
    with pytest.raises(NotFound):
        await index.get(nobody, free.did)


async def test_who_may_not_know_a_record_is_not_told_by_a_refusal(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    reader, nobody = await site.holder("viewer", project), await site.user()
    did = (await index.create(OPERATOR, new(project))).did

    async def refuse(*_: object) -> None:
        raise Invalid("This project holds patients.")

    site.catalog.public_checks.append(refuse)
    changes = IndexChanges(file_name="x")
    calls = (
        lambda who: index.update(who, did, None, changes),
        lambda who: index.delete(who, did),
        lambda who: index.new_version(who, did, new(project)),
        lambda who: index.update_versions(who, did, acl=["x"]),
        lambda who: index.fill_blank(who, did, None, size=5, hashes={"sha1": "0" * 40}),
        lambda who: index.add_aliases(who, did, ["x"]),
        lambda who: index.remove_aliases(who, did),
        lambda who: index.new_blank_version(who, did, file_name="x"),
    )
    for call in calls:
        with pytest.raises(Forbidden):
            await call(reader)
        with pytest.raises(NotFound, match="no record found"):
            await call(nobody)
    async with site.database.read() as unit:
        n = await unit.value("select count(*) from audit_events where who = $1 and result = 'refused'", nobody.user)
    assert n == len(calls)


async def test_movers_at_the_same_time(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who = await site.holder("curator", program)
    for _ in range(5):
        made = await index.create(who, new(here))
        move = IndexChanges(authz=[project_path(there)])
        tries = (index.update(who, made.did, made.rev, move) for _ in range(3))
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["Conflict", "Conflict", "IndexRecord"]


async def test_a_file_cannot_take_the_path_of_another(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    file, _ = await stored_file(site, here, "a.txt"), await stored_file(site, there, "a.txt")
    who = await site.holder("curator", program)
    with pytest.raises(AlreadyExists, match="file of that path"):
        await index.update(who, str(file.uuid), None, IndexChanges(authz=[project_path(there)]))
    assert (await index.get(who, str(file.uuid))).project.seq == here.seq


@pytest.mark.parametrize(
    "address",
    [
        "{base}:443/user/data/download/{did}", " {base}/user/data/download/{did}", "{base}./user/data/download/{did}",
        "{base}/ga4gh/drs/v1/objects/{did}/access/https", "{base}/ga4gh/drs/v1/objects/dg.1/{did}",
        "{base}/./user/data/download/{did}", "{base}/user/data/download/../download/{did}",
        "{base}/commensal/v1/projects/P-J/files/a", "{base}/api/v1/as-user/files/GSF{seq}/download",
        "https://s3.example.org/bucket/pre/ab/cd/{key}", "S3://own/store/{key}",
    ],
)  # fmt: skip
async def test_no_spelling_of_our_own_addresses_is_foreign(site: Site, index: Index, address: str) -> None:
    index._own_links = OwnPlaces.of([BASE], ["https://s3.example.org/bucket/pre"])
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who = await site.holder("contributor", here)
    mine, other = await stored_file(site, here, "mine"), await stored_file(site, there, "other")

    def spelled(file) -> str:
        return address.format(base=BASE, did=file.uuid, seq=file.seq, key=file.blob)

    with pytest.raises(Invalid, match="own store"):
        await index.create(who, new(here, urls=[spelled(other)]))
    if any(mark in address for mark in ("/./", "/../", "/projects/")):
        with pytest.raises(Invalid, match="own store"):  # nothing that tells which file it is
            await index.create(who, new(here, urls=[spelled(mine)]))
    else:
        assert (await index.create(who, new(here, urls=[spelled(mine)]))).urls == (spelled(mine),)


async def test_a_record_has_bounds(site: Site, index: Index) -> None:
    """A page of records is answered from memory, so no record is large."""
    project = await site.project(await site.program())
    who = await site.holder("contributor", project)
    long = [f"https://a.example/{n}/{'x' * 4_000}" for n in range(30)]
    for values in ({"urls": long}, {"metadata": {"a": "x" * 100_000}}, {"urls": ["s3://a"], "acl": long}):
        with pytest.raises(TooLarge, match="at most 100,000 bytes"):
            await index.create(who, new(project, **values))
    did = (await index.create(who, new(project, urls=long[:20]))).did
    with pytest.raises(TooLarge, match="at most 100,000 bytes"):
        await index.update(who, did, None, IndexChanges(metadata={"a": "x" * 20_000}))
    await index.add_aliases(who, did, [f"a{n}" for n in range(999)])
    with pytest.raises(TooLarge, match="aliases"):
        await index.add_aliases(who, did, ["b", "c"])
    assert len(await index.aliases(who, did)) == 999
