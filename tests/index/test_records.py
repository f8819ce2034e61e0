"""Records made, read, changed, versioned and deleted through the service."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from commensal.core.index import IndexRecord, project_path, rev_of
from commensal.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from commensal.services.index import Index, IndexChanges, IndexQuery, UrlQuery
from commensal.storage.postgres.database import counting, pg
from tests.index.conftest import BASE, MD5, new, stored_file
from tests.rights.conftest import OPERATOR, Site

SHA1 = "a" * 40


async def test_what_is_written_comes_back(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("contributor", project)
    did = f"dg.1234/{uuid4()}"
    place = project_path(project)
    given = new(
        did=did, hashes={"md5": MD5, "sha1": SHA1, "crc": "00000001", "etag": MD5 + "-12"}, size=2**40,
        urls=["s3://foreign/a.bam", "https://example.org/a"], urls_metadata={"s3://foreign/a.bam": {"type": "cloud"}},
        authz=[f"{place}/consents/gru", place], acl=["phs1", "phs2"], file_name="a/b c.bam", version="v1",
        metadata={"k": "v", "n": {"deep": [1]}}, description="two\nlines", content_created=site.clock(),
    )  # fmt: skip
    made = await index.create(who, given)
    read = await index.get(who, did)
    assert read == made == await index.get(who, did[-36:])
    for name in ("did", "size", "version", "description", "file_name", "content_created", "hashes", "metadata"):
        assert getattr(read, name) == getattr(given, name), name
    assert list(read.authz) == given.authz
    assert list(read.acl) == given.acl
    assert list(read.urls) == given.urls
    assert read.urls_metadata == given.urls_metadata
    assert read.file.state == "registered"
    assert read.full
    assert UUID(read.baseid)
    assert read.baseid != did
    assert read.file.path == f"GSF{read.file.seq}/a/b c.bam"
    with pytest.raises(AlreadyExists):
        await index.create(who, replace(given, did=did[-36:]))
    with pytest.raises(NotFound):
        await index.get(who, f"dg.9999/{did[-36:]}")
    for asked in ([did], [did[-36:]], [did, did[-36:]], [did[-36:], f"dg.9999/{did[-36:]}"]):
        assert [one.did for one in await index.many(who, asked)] == [did]
    assert await index.many(who, [f"dg.9999/{did[-36:]}", "x", ""]) == []


async def test_files_of_other_doors_are_records(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    file = await stored_file(site, project, "in/a.txt")
    who = await site.holder("contributor", project)
    record = await index.get(who, str(file.uuid))
    assert record.authz == (project_path(project),)
    assert record.baseid == record.did == str(file.uuid)
    assert record.hashes == {"md5": "01" * 16, "sha256": file.sha256}
    assert record.own_bytes
    assert record.file_name == "a.txt"
    own = f"{BASE}/user/data/download/{record.did}?redirect"
    changed = await index.update(
        who, record.did, record.rev, IndexChanges(urls=[own, "https://else.example/x"], file_name="b.txt")
    )
    assert changed.urls == ("https://else.example/x",)
    assert changed.rev != record.rev
    assert changed.file_name == "b.txt"
    assert changed.size == 7
    assert changed.file.sha256 == file.sha256
    assert changed.file.change > file.change
    assert await index.urls(who, UrlQuery(include="/user/data/"), base=BASE) == [(record.did, [own])]
    # New bytes change the revision, and leave what the index knows.
    again = await stored_file(site, project, "in/a.txt")
    later = await index.get(who, record.did)
    assert again.uuid == file.uuid
    assert later.rev != changed.rev
    assert later.urls == changed.urls
    assert later.file_name == "b.txt"


async def test_a_change_names_the_revision_that_it_saw(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who, stranger = await site.holder("contributor", project), await site.user()
    urls = ["https://example.org/a", "https://example.org/b"]
    made = await index.create(who, new(project, urls=urls, urls_metadata={urls[0]: {"a": "1"}}, file_name="x"))
    part = await index.get(stranger, made.did)
    assert (part.urls, part.uploader, part.full, part.urls_metadata) == ((), None, False, {})
    assert part.rev != made.rev
    # The SDK reads without a token and sends back what it saw: nothing of that may be lost.
    after = await index.update(who, made.did, part.rev, IndexChanges(file_name="y", urls=[], urls_metadata={}))
    assert after.urls == made.urls
    assert after.urls_metadata == made.urls_metadata
    assert after.file_name == "y"
    for stale in (made.rev, part.rev, "00000000"):
        with pytest.raises(Conflict, match="revision mismatch"):
            await index.update(who, made.did, stale, IndexChanges(file_name="z"))
    part = await index.get(stranger, made.did)
    after = await index.update(who, made.did, part.rev, IndexChanges(urls=[urls[0]], urls_metadata={}))
    assert after.urls == (urls[0],)
    assert after.urls_metadata == {urls[0]: {"a": "1"}}
    after = await index.update(who, made.did, after.rev, IndexChanges(urls=[], urls_metadata={}))
    assert (after.urls, after.urls_metadata) == ((), {})
    assert after.rev == rev_of(after.file)


async def test_blank_records(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("contributor", project)
    blank = await index.create_blank(who, file_name="up.bin")
    assert (blank.uploader, blank.authz, blank.size, blank.hashes) == (who.email, (), None, {})
    assert blank.project.seq == (await site.catalog.home_project(who)).seq
    with pytest.raises(NotFound):
        await index.get(await site.user(), "up.bin")
    filled = await index.fill_blank(who, blank.did, blank.rev, size=3, hashes={"md5": MD5}, urls=["s3://x/y"])
    assert (filled.size, filled.hashes, filled.urls, filled.uploader) == (3, {"md5": MD5}, ("s3://x/y",), who.email)
    same = await index.fill_blank(who, blank.did, filled.rev, size=3, hashes={"md5": MD5})
    with pytest.raises(Invalid):
        await index.fill_blank(who, blank.did, same.rev, size=4, hashes={"md5": MD5})
    with pytest.raises(Forbidden):
        await index.fill_blank(await site.user(), blank.did, None, size=3, hashes={"md5": MD5})
    # The metadata submission gives it a project: that moves the file.
    moved = await index.update(who, blank.did, same.rev, IndexChanges(authz=[project_path(project)], uploader=None))
    assert moved.project.seq == project.seq
    assert moved.uploader is None
    assert moved.file.seq == blank.file.seq
    async with site.database.read() as unit:
        left = await unit.value("select count(*) from tombstones where seq = $1", blank.file.seq)
    assert left == 1
    placed = await index.create_blank(who, file_name=None, authz=[project_path(project)])
    assert (placed.uploader, placed.file_name, placed.project.seq) == (None, None, project.seq)
    with pytest.raises(Invalid, match="uploader"):
        await index.create_blank(who, file_name="x", uploader="somebody@else.example")


async def test_versions(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("contributor", project)
    first = await index.create(who, new(project, version="1"))
    site.clock.move(seconds=1)
    second = await index.new_version(who, first.did, new(size=6, authz=()))
    assert second.baseid == first.baseid
    assert second.did != first.did
    assert second.authz == first.authz
    site.clock.move(seconds=1)
    blank = await index.new_blank_version(who, first.did, file_name="n", authz=[project_path(project)])
    assert [one.did for one in await index.versions(who, second.did)] == [first.did, second.did, blank.did]
    assert (await index.latest(who, first.baseid)).did == blank.did
    assert (await index.latest(who, first.did, has_version=True)).did == first.did
    changed = await index.update_versions(who, second.did, acl=["a"])
    assert [one.acl for one in changed] == [("a",)] * 3
    file = await stored_file(site, project, "plain.txt")
    third = await index.new_version(who, str(file.uuid), new())
    assert [one.did for one in await index.versions(who, third.did)] == [str(file.uuid), third.did]
    with pytest.raises(Invalid):
        await index.new_version(who, first.did, new(baseid=str(uuid4())))
    with pytest.raises(NotFound):
        await index.versions(who, str(uuid4()))


async def test_aliases(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who, reader = await site.holder("contributor", project), await site.holder("viewer", project)
    one, two = [await index.create(who, new(project)) for _ in range(2)]
    assert await index.add_aliases(who, one.did, ["P-J/s 1", "Ä"]) == ["P-J/s 1", "Ä"]
    assert (await index.get(reader, "P-J/s 1")).did == one.did
    with pytest.raises(NotFound):
        await index.get(await site.user(), "P-J/s 1")
    assert await index.aliases(await site.user(), one.did) == []
    with pytest.raises(AlreadyExists):
        await index.add_aliases(who, two.did, ["free", "Ä"])
    assert await index.aliases(who, two.did) == []
    with pytest.raises(AlreadyExists):
        await index.add_aliases(who, one.did, ["Ä"])
    for wrong in ([str(uuid4())], ["a", "a"], [""], ["x" * 600], ["a\x00"]):
        with pytest.raises(Invalid):
            await index.add_aliases(who, two.did, wrong)
    with pytest.raises(Forbidden):
        await index.add_aliases(reader, two.did, ["b"])
    assert await index.set_aliases(who, one.did, ["new", "Ä"]) == ["new", "Ä"]
    await index.remove_aliases(who, one.did, "new")
    with pytest.raises(NotFound):
        await index.remove_aliases(who, one.did, "new")
    await index.delete(OPERATOR, one.did)
    assert await index.add_aliases(who, two.did, ["Ä"]) == ["Ä"]


async def test_constant_statements(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("contributor", project)
    site.guard._monotonic = lambda: 0.0  # what the guard remembers is asked for once
    await index.create(who, new(project))

    async def measure(n: int) -> dict[str, int]:
        news = [new(project, urls=[f"https://x.example/{i}"]) for i in range(n)]
        with counting() as create:
            made = await index.create_many(who, news)
        dids = [one.did for one in made]
        with counting() as many:
            found = await index.many(who, dids * 2)
        assert [one.did for one in found] == dids
        with counting() as listed:
            assert len(await index.list(who, IndexQuery(limit=n))) == n
        with counting() as get:
            await index.get(who, dids[0])
        return {"create": create.n, "many": many.n, "list": listed.n, "get": get.n}

    few, more = await measure(3), await measure(200)
    assert few == more
    assert few["create"] <= 3
    with counting() as one:
        made = await index.create(who, new(project))
    assert one.n == 2, one.texts
    async with site.database.read() as unit:
        told = await pg(unit).row("select action, project, n from audit_events where target = $1", made.did)
    assert tuple(told or ()) == ("index.add", project.seq, 1)
    assert {name: n for name, n in few.items() if name != "create"} == {"many": 2, "list": 3, "get": 1}


async def test_writers_at_the_same_time(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("curator", project)
    did = str(uuid4())
    made = await asyncio.gather(*(index.create(who, new(project, did=did)) for _ in range(4)), return_exceptions=True)
    (one,) = [record for record in made if isinstance(record, IndexRecord)]
    assert sum(isinstance(error, AlreadyExists) for error in made) == 3
    changed = await asyncio.gather(
        *(index.update(who, did, one.rev, IndexChanges(version=str(n))) for n in range(4)), return_exceptions=True
    )
    (kept,) = [record for record in changed if isinstance(record, IndexRecord)]
    assert sum(isinstance(error, Conflict) for error in changed) == 3
    assert (await index.get(who, did)).version == kept.version
    other = await index.create(who, new(project))
    named = await asyncio.gather(
        *(index.add_aliases(who, target, ["same"]) for target in (did, other.did)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in named) == ["AlreadyExists", "list"]
    gone = await asyncio.gather(*(index.delete(who, did, kept.rev) for _ in range(3)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in gone) == ["IndexRecord", "NotFound", "NotFound"]
    async with site.database.read() as unit:
        changes = await unit.rows("select change from files where project = $1", project.seq)
        assert len({row["change"] for row in changes}) == len(changes)
