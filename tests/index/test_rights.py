"""Who sees and changes which records: levels, revoked grants, patients, anonymous callers, deletion and moving."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from commensal.core.index import project_path
from commensal.core.permissions import PublicLevel, Right, Scope
from commensal.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from commensal.services.guard import Guard
from commensal.services.index import Index, IndexChanges, IndexQuery, UrlQuery
from commensal.services.moving import Moving
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.index import PgIndexStore
from tests.index.conftest import MD5, new, stored_file
from tests.records.records_site import make_site
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site

ROLES = ("counter", "viewer", "analyst", "contributor", "curator", "manager", "owner", "clinician")


async def sees(index: Index, who, did: str) -> tuple[bool, ...]:
    """What each way of looking shows: whole by GUID, in bulk, in lists, by hash, by address."""
    return (
        (await index.get(who, did)).full,
        [one.did for one in await index.many(who, [did])] == [did],
        did in [one.did for one in await index.list(who, IndexQuery())],
        did in [one.did for one in await index.list(who, IndexQuery(hashes=(("md5", MD5),), size=5))],
        did in [found for found, _ in await index.urls(who, UrlQuery(include="s3"))],
    )


async def test_one_rule_for_every_way_of_looking(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    did = (await index.create(OPERATOR, new(project, urls=["s3://a/b"]))).did
    callers = {role: await site.holder(role, project) for role in ROLES}
    nobody = await site.user()
    for role, who in callers.items():
        assert await sees(index, who, did) == (role != "counter",) * 5, role
    for level in PublicLevel:
        await site.catalog.set_public_level(OPERATOR, project, level)
        for who in (nobody, ANONYMOUS):
            assert await sees(index, who, did) == (level >= PublicLevel.READ,) * 5, level
    await site.catalog.set_public_level(OPERATOR, project, PublicLevel.NONE)
    viewer = callers["viewer"]
    await site.grants.revoke(OPERATOR, viewer.email, project)
    assert await sees(index, viewer, did) == (False,) * 5
    assert (await index.stats(viewer), (await index.stats(callers["analyst"]))[0]) == ((0, 0), 1)


async def test_without_anonymous_access_a_guid_answers_and_nothing_else(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    await site.catalog.set_public_level(OPERATOR, project, PublicLevel.DOWNLOAD)
    record = await index.create(OPERATOR, new(project, urls=["s3://a/b"]))
    await index.add_aliases(OPERATOR, record.did, ["alias"])
    assert (await index.get(ANONYMOUS, "alias")).did == record.did
    index._guard = Guard(grants=PgGrantStore(), audit=site.audit, anonymous=False, now=site.clock)
    assert await sees(index, ANONYMOUS, record.did) == (False,) * 5
    assert await index.stats(ANONYMOUS) == (0, 0)
    assert await index.aliases(ANONYMOUS, record.did) == []
    with pytest.raises(NotFound):
        await index.get(ANONYMOUS, "alias")
    with pytest.raises(Unauthenticated):
        await index.update(ANONYMOUS, record.did, record.rev, IndexChanges(file_name="x"))
    with pytest.raises(Unauthenticated):
        await index.create(ANONYMOUS, new(project))
    with pytest.raises(Unauthenticated):
        await index.create_blank(ANONYMOUS, file_name="x")


async def test_a_project_with_patients_tells_nothing(site: Site, index: Index) -> None:
    program = await site.program()
    project, plain = await site.project(program), await site.project(program)
    who, nobody = await site.holder("manager", program), await site.user()
    one = await index.create(who, new(project))
    two = await index.new_version(who, one.did, new(plain))

    async def refuse(_unit, checked, _level) -> None:
        if checked.seq == project.seq:
            raise Invalid("This project holds patients.")

    site.catalog.public_checks.append(refuse)
    assert (await index.get(who, one.did)).full
    for stranger in (nobody, ANONYMOUS):
        with pytest.raises(NotFound, match="no record found"):
            await index.get(stranger, one.did)
        assert [record.did for record in await index.versions(stranger, two.did)] == [two.did]
        with pytest.raises(NotFound):
            await index.aliases(stranger, one.did)
    with pytest.raises(Invalid, match="patients"):
        await index.update(who, one.did, None, IndexChanges(authz=[project_path(project), "/open"]))
    opened = await index.update(who, two.did, None, IndexChanges(authz=[project_path(plain), "/open"]))
    assert opened.public
    assert not one.public


async def test_a_place_needs_the_right_there(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who = await site.holder("contributor", here)
    await site.grants.grant(OPERATOR, who.email, "contributor", there)
    record = await index.create(who, new(here))
    both = await index.create(who, new(there, here))
    assert both.project.seq == there.seq
    assert both.authz == (project_path(there), project_path(here))
    # To take it away from here, who may only write here has no right to.
    with pytest.raises(Forbidden):
        await index.update(who, record.did, None, IndexChanges(authz=[project_path(there)]))
    viewer = await site.holder("curator", here)
    with pytest.raises(Forbidden):
        await index.update(viewer, record.did, None, IndexChanges(authz=[project_path(there)]))
    await site.grants.grant(OPERATOR, who.email, "curator", here)
    moved = await index.update(who, record.did, None, IndexChanges(authz=[project_path(there), "/services/x"][:1]))
    assert moved.project.seq == there.seq
    # Blank or not, a record without authz is for site admins only.
    admin = await site.user("admin", site_admin=True)
    for paths in ((), ("/services/x",), (f"{project_path(here)}x",)):
        with pytest.raises(Forbidden):
            await index.create(who, replace(new(), authz=paths))
        made = await index.create(admin, replace(new(), authz=paths))
        assert made.authz == paths
        assert made.project.seq == (await site.catalog.home_project(admin)).seq
    with pytest.raises(Forbidden):
        await index.update(who, moved.did, None, IndexChanges(acl=["*"], authz=[]))
    only = replace(admin, only_program=program.seq)
    with pytest.raises(Forbidden):
        await index.create(only, replace(new(), authz=()))


async def test_nobody_joins_or_names_what_he_may_not_change(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program, "here"), await site.project(program, "there")
    who, owner = await site.holder("manager", here), await site.holder("manager", there)
    record = await index.create(owner, new(there))
    file = await stored_file(site, there, "a.txt")
    for base in (record.baseid, str(file.uuid)):
        with pytest.raises(Forbidden):
            await index.create(who, new(here, baseid=base))
    await index.create(who, new(here, did=f"p/{file.uuid}"[:2] + str(uuid4()), baseid=f"p/{file.uuid}"))
    assert [one.did for one in await index.versions(owner, str(file.uuid))] == [str(file.uuid)]
    mine = await index.create(who, new(here))
    again = await index.create(who, new(here, baseid=mine.baseid))
    assert [one.did for one in await index.versions(who, mine.did)] == [mine.did, again.did]
    named = f"{program.code}-there/{uuid4()}"
    with pytest.raises(Forbidden):
        await index.add_aliases(who, mine.did, [named])
    assert await index.add_aliases(owner, record.did, [named]) == [named]
    assert (await index.get(owner, named)).did == record.did
    await index.add_aliases(who, mine.did, [f"{program.code}-here/x", "nothing-known/x", "plain"])
    # What is open to everybody needs the right to open it wherever it goes.
    opened = await index.update(who, mine.did, None, IndexChanges(authz=[project_path(here), "/open"]))
    await site.grants.grant(OPERATOR, who.email, "contributor", there)
    with pytest.raises(Forbidden):
        await index.update(who, mine.did, None, IndexChanges(authz=[project_path(there), "/open"]))
    with pytest.raises(Invalid, match="one by one"):
        await index.update_versions(who, mine.did, authz=[project_path(there)])
    await make_site(site.database).moving.move(OPERATOR, here, there, files=[opened.file.seq])
    assert (await index.get(OPERATOR, mine.did)).authz == (project_path(there),)


async def test_all_or_nothing(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    who = await site.holder("contributor", here)
    good = new(here)
    did = str(uuid4())
    for bad, error in (
        (new(there), Forbidden),
        (new(here, hashes={"md5": "x"}), Invalid),
        (new(here, did=did), AlreadyExists),
    ):
        with pytest.raises(error):
            await index.create_many(who, [good, new(here, did=did), bad])
        assert await index.stats(who) == (0, 0)
    assert len(await index.create_many(who, [good] * 3)) == 3
    (event,) = await site.events("index.add")
    assert (event.n, event.who, event.project) == (3, who.user, here.seq)


async def test_matching_by_checksum_stays_in_scope(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    one, _ = await index.create(OPERATOR, new(here)), await index.create(OPERATOR, new(there))
    file = await stored_file(site, there, "a.txt")
    who = await site.holder("viewer", here)
    store = PgIndexStore()
    pairs = [(MD5, 5), ("01" * 16, 7), (MD5, 6)]
    async with site.database.read() as unit:
        scope = await site.guard.scope(unit, who, Right.READ)
        assert await store.by_hash_and_size(unit, scope, pairs) == {(MD5, 5): one.file.uuid}
        found = await store.by_hash_and_size(unit, Scope(everything=True), pairs)
        assert found == {(MD5, 5): one.file.uuid, ("01" * 16, 7): file.uuid}
        assert await store.by_hash_and_size(unit, Scope(), pairs) == {}


async def test_deleted_and_brought_back(site: Site, index: Index) -> None:
    project = await site.project(await site.program())
    who = await site.holder("curator", project)
    deletion = make_site(site.database).deletion
    made = await index.create(
        who, new(project, did=f"dg.1/{uuid4()}", urls=["s3://a"], metadata={"a": 1}, acl=["x"], version="v")
    )
    await index.add_aliases(who, made.did, ["alias"])
    before = await index.get(who, made.did)
    await index.delete(who, made.did, before.rev)
    for name in (made.did, "alias"):
        with pytest.raises(NotFound):
            await index.get(who, name)
    other = await index.create(who, new(project))
    await index.add_aliases(who, other.did, ["alias"])
    (gone,) = await deletion.list(OPERATOR)
    with pytest.raises(Conflict, match="alias"):
        await deletion.undelete(OPERATOR, gone.id)
    await index.remove_aliases(who, other.did)
    again = await index.create(who, new(project, did=made.did[-36:]))
    with pytest.raises(Conflict, match="id of file"):
        await deletion.undelete(OPERATOR, gone.id)
    await index.delete(who, again.did)
    await deletion.undelete(OPERATOR, gone.id)
    back = await index.get(who, "alias")
    assert replace(back, rev="", file=before.file, updated=before.updated) == replace(before, rev="")
    await index.delete(who, made.did)
    site.clock.move(days=31)
    assert await deletion.purge() >= 0


async def test_moved_files_tell_their_new_place(site: Site, index: Index) -> None:
    program = await site.program()
    here, there = await site.project(program), await site.project(program)
    record = await index.create(OPERATOR, new(here, authz=[f"{project_path(here)}/consents/a", "/services/x"]))
    records_site = make_site(site.database)
    moving: Moving = records_site.moving
    await moving.move(OPERATOR, here, there, files=[record.file.seq])
    moved = await index.get(OPERATOR, record.did)
    assert moved.project.seq == there.seq
    assert moved.authz == (f"{project_path(there)}/consents/a", "/services/x")
    assert moved.rev != record.rev
    renamed = await site.catalog.rename_project(OPERATOR, there, "renamed")
    assert (await index.get(OPERATOR, record.did)).authz[0] == f"{project_path(renamed)}/consents/a"
