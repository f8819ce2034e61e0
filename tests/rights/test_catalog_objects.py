"""Catalog objects: who reads and writes them, versions, and two writers of one object."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from commensal.core.permissions import PublicLevel
from commensal.errors import AlreadyExists, Forbidden, Invalid, Malformed, NotFound, StateConflict, Unauthenticated
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site


async def test_objects_of_a_program(site: Site):
    program = await site.program()
    project = await site.project(program)
    writer, reader = await site.holder("contributor", program), await site.holder("viewer", project)
    counter, stranger = await site.holder("counter", program), await site.user()
    made = await site.catalog.put_object(writer, "panel", "Heart", {"genes": ["A"]}, program=program)
    assert (made.version, made.program, made.made_by) == (1, program.seq, writer.user)
    for ref in (made.seq, str(made.seq), made.uuid, str(made.uuid)):
        assert (await site.catalog.get_object(reader, ref)).body == {"genes": ["A"]}
    assert (await site.catalog.named_object(reader, "panel", "HEART", program=program)).seq == made.seq
    for who in (counter, stranger):
        with pytest.raises(Forbidden):
            await site.catalog.get_object(who, made.seq)
        assert (await site.catalog.list_objects(who)).total == 0
    with pytest.raises(Unauthenticated):
        await site.catalog.get_object(ANONYMOUS, made.seq)
    await site.catalog.set_public_level(OPERATOR, project, PublicLevel.READ)
    assert (await site.catalog.get_object(ANONYMOUS, made.seq)).seq == made.seq
    assert (await site.catalog.list_objects(stranger, kind="panel", program=program)).total == 1
    for refused in (
        site.catalog.put_object(reader, "panel", "Heart", {}, program=program),
        site.catalog.put_object(reader, "panel", "New", {}, program=program),
        site.catalog.delete_object(reader, made.seq),
    ):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(NotFound):
        await site.catalog.get_object(reader, made.seq, kind="template")
    assert (await site.catalog.delete_object(writer, made.seq)).name == "Heart"
    with pytest.raises(NotFound):
        await site.catalog.get_object(writer, made.seq)


async def test_objects_of_the_site(site: Site):
    maker, other, admin = await site.user(), await site.user(), await site.user(site_admin=True)
    made = await site.catalog.put_object(maker, "pipeline", "qc", {"v": 1})
    assert (await site.catalog.get_object(other, made.seq)).body == {"v": 1}
    with pytest.raises(Unauthenticated):
        await site.catalog.get_object(ANONYMOUS, made.seq)
    with pytest.raises(Unauthenticated):
        await site.catalog.put_object(ANONYMOUS, "pipeline", "mine", {})
    with pytest.raises(Forbidden, match="Only its maker"):
        await site.catalog.put_object(other, "pipeline", "QC", {"v": 2})
    assert (await site.catalog.put_object(admin, "pipeline", "qc", {"v": 2})).version == 2
    assert (await site.catalog.put_object(maker, "pipeline", "qc", {"v": 3})).version == 3
    program = await site.program()
    await site.grants.grant(OPERATOR, maker.email, "owner", program)
    key = replace(maker, only_program=program.seq)
    with pytest.raises(Forbidden):
        await site.catalog.put_object(key, "pipeline", "qc", {"v": 4})
    with pytest.raises(Forbidden):
        await site.catalog.put_object(key, "pipeline", "another", {})
    assert (await site.catalog.list_objects(key)).total == 1
    assert (await site.catalog.list_objects(ANONYMOUS)).total == 0


async def test_versions_and_names(site: Site):
    user = await site.user()
    made = await site.catalog.put_object(user, "template", "T", {"v": 1}, version=0)
    with pytest.raises(AlreadyExists):
        await site.catalog.put_object(user, "template", "t", {}, create_only=True)
    with pytest.raises(StateConflict, match="version 1, not 0"):
        await site.catalog.put_object(user, "template", "t", {}, version=0)
    second = await site.catalog.put_object(user, "template", "Renamed", {"v": 2}, ref=made.uuid, version=1)
    assert (second.seq, second.uuid, second.name, second.version) == (made.seq, made.uuid, "Renamed", 2)
    with pytest.raises(StateConflict):
        await site.catalog.put_object(user, "template", "Renamed", {"v": 3}, ref=made.seq, version=1)
    with pytest.raises(StateConflict):
        await site.catalog.put_object(user, "template", "Absent", {}, version=3)
    await site.catalog.put_object(user, "template", "T", {})
    with pytest.raises(AlreadyExists):
        await site.catalog.put_object(user, "template", "T", {}, ref=made.seq)
    versions = await site.catalog.object_versions(user, made.seq)
    assert [(v.version, v.name, v.body, v.who) for v in versions] == [
        (2, "Renamed", {"v": 2}, user.user),
        (1, "T", {"v": 1}, user.user),
    ]
    with pytest.raises(StateConflict):
        await site.catalog.delete_object(user, made.seq, version=1)
    with pytest.raises(NotFound):
        await site.catalog.put_object(user, "panel", "T", {}, ref=made.seq)
    for bad in ("", "a\0b", "x" * 1001):
        with pytest.raises(Invalid):
            await site.catalog.put_object(user, "panel", bad, {})
    with pytest.raises(Malformed):
        await site.catalog.put_object(user, "panel", "p", {"a": ["\0"]})


async def test_two_writers_of_one_version(site: Site):
    user = await site.user()
    made = await site.catalog.put_object(user, "template", "T", {})
    results = await asyncio.gather(
        *(site.catalog.put_object(user, "template", "T", {"n": n}, ref=made.seq, version=1) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, StateConflict) for result in results) == 3
    results = await asyncio.gather(
        *(site.catalog.put_object(user, "panel", "same", {"n": n}) for n in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, AlreadyExists) or result.kind == "panel" for result in results)
    assert (await site.catalog.list_objects(user, kind="panel")).total == 1


async def test_a_page_of_objects(site: Site):
    user = await site.user()
    for name in ("b", "a", "c"):
        await site.catalog.put_object(user, "panel", name, {})
    page = await site.catalog.list_objects(user, kind="panel", offset=1, limit=1)
    assert ([o.name for o in page.items], page.total) == (["b"], 3)
    assert (await site.catalog.list_objects(user, search="C")).total == 1
    assert (await site.catalog.list_objects(user, site=False)).total == 0
