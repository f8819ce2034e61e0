"""Collections: members of any project, of which a reader sees those he may read."""

from __future__ import annotations

import pytest

from commensal.core.permissions import PublicLevel
from commensal.core.projects import ProjectKind
from commensal.errors import Forbidden, Invalid, NotFound
from commensal.storage.postgres.database import counting
from tests.rights.conftest import OPERATOR, Site


async def test_members(site: Site):
    program, other = await site.program(), await site.program()
    collection = await site.project(program, "set1", kind=ProjectKind.COLLECTION)
    here, there = await site.project(program), await site.project(other)
    near, far = await site.record(here, "near"), await site.record(there, "far", "case")
    keeper, reader = await site.holder("contributor", collection), await site.holder("viewer", program)
    await site.grants.grant(OPERATOR, keeper.email, "viewer", here)

    with pytest.raises(NotFound, match=str(far)):
        await site.catalog.add_members(keeper, collection, [near, far])
    assert (await site.catalog.list_members(keeper, collection)).total == 0
    await site.grants.grant(OPERATOR, keeper.email, "viewer", there)
    with counting() as sent:
        assert await site.catalog.add_members(keeper, collection, [near, far, near]) == 2
    assert sent.n <= 6
    assert await site.catalog.add_members(keeper, collection, [far]) == 0
    with pytest.raises(Forbidden):
        await site.catalog.add_members(reader, collection, [near])
    with pytest.raises(Invalid, match="no collection"):
        await site.catalog.add_members(await site.holder("owner", here), here, [near])

    page = await site.catalog.list_members(keeper, "set1")
    assert [(m.seq, m.submitter_id, m.type, m.project) for m in page.items] == [
        (near, "near", "sample", here.seq),
        (far, "far", "case", there.seq),
    ]
    page = await site.catalog.list_members(reader, collection)
    assert ([m.seq for m in page.items], page.total) == ([near], 1)
    assert (await site.catalog.list_members(keeper, collection, types=["case"])).total == 1
    assert (await site.catalog.list_members(keeper, collection, offset=5)).total == 2
    stranger = await site.user()
    with pytest.raises(Forbidden):
        await site.catalog.list_members(stranger, collection)
    await site.catalog.set_public_level(OPERATOR, collection, PublicLevel.READ)
    assert (await site.catalog.list_members(stranger, collection)).total == 0

    assert [c.code for c in await site.catalog.collections_of(reader, near)] == ["set1"]
    assert await site.catalog.remove_members(keeper, collection, [near, 7]) == 1
    assert (await site.catalog.list_members(keeper, collection)).total == 1


async def test_a_collection_stays_one(site: Site):
    program = await site.program()
    collection = await site.project(program, kind="collection")
    study = await site.project(program)
    for project, kind in ((collection, "study"), (study, "collection")):
        with pytest.raises(Invalid):
            await site.catalog.update_project(OPERATOR, project, kind=kind)
    assert (await site.catalog.update_project(OPERATOR, study, kind="atlas")).kind == ProjectKind.ATLAS
    with pytest.raises(Invalid):
        await site.catalog.update_project(OPERATOR, study, kind="heap")
