"""Whose a metadata document is, who may read and write it, and how it is found: against the database itself."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from commensal.core.metadata_documents import LARGEST, DocumentFilter, document_filters, object_of
from commensal.core.permissions import PublicLevel
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.errors import AlreadyExists, Forbidden, Invalid, Malformed, NotFound, TooLarge, Unauthenticated
from commensal.services.guard import Guard
from commensal.services.metadata_documents import MetadataDocuments
from commensal.storage.ports.deletion import NewDeletion
from commensal.storage.postgres.catalog import PgProjectStore
from commensal.storage.postgres.database import PgDatabase, counting
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.metadata_documents import PgMetadataDocuments
from tests.rights.conftest import (  # noqa: F401 - fixtures
    ANONYMOUS,
    OPERATOR,
    MovableClock,
    Site,
    audit,
    audit_database,
    clock,
    guard,
    site,
)


@dataclass
class World:
    """Two projects of a program, each with a file, and the service."""

    site: Site
    documents: MetadataDocuments
    closed: MetadataDocuments
    program: Program
    mine: Project
    other: Project

    async def file(self, project: Project, uuid: UUID | None = None) -> str:
        made = uuid or uuid4()
        async with self.site.database.begin() as unit:
            await unit.run(
                "insert into files (uuid, project, path, name, state) values ($1, $2, $3, 'f', 'registered')",
                made,
                project.seq,
                str(made),
            )
        return str(made)

    async def sql(self, sql: str, *values: Any) -> None:
        async with self.site.database.begin() as unit:
            await unit.run(sql, *values)


@pytest.fixture
async def world(site: Site, database: PgDatabase) -> World:  # noqa: F811
    def service(guard_: Guard) -> MetadataDocuments:
        return MetadataDocuments(
            database=database,
            store=PgMetadataDocuments(),
            projects=PgProjectStore(),
            guard=guard_,
            audit=site.audit,
            now=site.clock,
        )

    shut = Guard(
        grants=PgGrantStore(), audit=site.audit, anonymous=False, now=site.clock, monotonic=site.clock.monotonic
    )
    program = await site.program()
    return World(
        site, service(site.guard), service(shut), program, await site.project(program), await site.project(program)
    )


async def listed(world: World, who: Principal, *pairs: tuple[str, str], limit: int = 2000) -> list[str]:
    return (await world.documents.search(who, document_filters(pairs), limit=limit)).guids


async def test_a_document_belongs_to_the_project_of_the_file_with_its_guid(world: World) -> None:
    guid = await world.file(world.mine)
    prefixed = f"dg.TEST/{await world.file(world.mine)}"
    reader = await world.site.holder("viewer", world.mine)
    writer = await world.site.holder("contributor", world.mine)
    stranger = await world.site.holder("curator", world.other)
    for name in (guid, prefixed):
        for who in (reader, stranger):
            with pytest.raises(Forbidden):
                await world.documents.put(who, name, {"secret": name})
        with pytest.raises(Unauthenticated):
            await world.documents.put(ANONYMOUS, name, {"secret": name})
        assert (await world.documents.put(writer, name, {"secret": name}))[1] is True
        await world.documents.add_aliases(writer, name, [f"alias of {name}"])
        for at in (name, f"alias of {name}"):
            assert name in await world.documents.get(reader, at)
            for who in (stranger, ANONYMOUS):
                with pytest.raises(NotFound):
                    await world.documents.get(who, at)
                with pytest.raises(NotFound):
                    await world.documents.aliases(who, at)
            # where nobody comes in without an account, not even existence is told
            with pytest.raises(Unauthenticated):
                await world.closed.get(ANONYMOUS, at)
    assert await listed(world, reader) == sorted([guid, prefixed])
    assert await listed(world, stranger) == await listed(world, ANONYMOUS) == []
    with pytest.raises(Forbidden):
        await world.documents.update(stranger, guid, {"a": 1})
    with pytest.raises(Forbidden):
        await world.documents.delete(reader, guid)
    with pytest.raises(Forbidden):
        await world.documents.set_aliases(stranger, guid, [])
    with pytest.raises(Forbidden):
        await world.documents.delete_aliases(stranger, guid)

    await world.site.catalog.set_public_level(OPERATOR, world.mine, PublicLevel.READ)
    assert await listed(world, ANONYMOUS) == sorted([guid, prefixed])
    assert "secret" in await world.documents.get(stranger, guid)
    with pytest.raises(Unauthenticated):
        await world.closed.get(ANONYMOUS, guid)


async def test_it_follows_the_file_and_stays_when_that_is_deleted(world: World) -> None:
    guid = await world.file(world.mine)
    admin = await world.site.user(site_admin=True)
    here, there = [await world.site.holder("curator", project) for project in (world.mine, world.other)]
    await world.documents.put(here, guid, {"a": 1})
    await world.sql("update files set project = $2 where uuid = $1", UUID(guid), world.other.seq)
    assert (await listed(world, here), await listed(world, there)) == ([], [guid])
    await world.sql("delete from files where uuid = $1", UUID(guid))
    assert (await listed(world, here), await listed(world, there), await listed(world, ANONYMOUS)) == ([], [guid], [])
    await world.documents.update(there, guid, {"a": 2})
    with pytest.raises(Forbidden):
        await world.documents.put(here, guid, {"a": 3}, overwrite=True)
    # A document that was the site's before its file came is the project's from then on.
    early = str(uuid4())
    await world.documents.put(admin, early, {"b": 1})
    assert early in await listed(world, here)
    await world.file(world.mine, UUID(early))
    assert early in await listed(world, here)
    assert early not in await listed(world, there)
    await world.sql("delete from files where uuid = $1", UUID(early))
    assert early not in await listed(world, there)
    # Of a project that is gone, site admins alone may remove what is left.
    await world.sql("delete from projects where seq = $1", world.other.seq)
    with pytest.raises(NotFound):
        await world.documents.get(there, guid)
    with pytest.raises(Forbidden):
        await world.documents.delete(there, guid)
    assert await world.documents.delete(admin, guid) == '{"a": 2}'


async def test_when_a_deletion_is_final_documents_go_too(world: World) -> None:
    guid, kept = await world.file(world.mine), await world.file(world.other)
    for name in (guid, kept):
        await world.documents.put(OPERATOR, name, {"a": 1})
    writes = PgDeletion()
    now = world.site.clock()
    async with world.site.database.begin() as unit:
        new = NewDeletion("project", "x", world.program.seq, world.mine.seq, None, "x", "cli", now)
        await writes.remove_projects(unit, new, [world.mine.seq], None)
    count = "select count(*) from metadata_documents"
    async with world.site.database.begin() as unit:
        assert await unit.value(count) == 2
        assert await writes.purge(unit, now + timedelta(days=1), now) == 1
        assert await unit.value(count) == 1
    assert await listed(world, OPERATOR) == [kept]


async def test_documents_of_the_site(world: World) -> None:
    admin = await world.site.user(site_admin=True)
    owner = await world.site.holder("owner", world.program)
    nobody = await world.site.user()
    known, unguessable = "study-1", str(uuid4())
    for who in (owner, nobody):
        for name in (known, unguessable):
            with pytest.raises(Forbidden):
                await world.documents.put(who, name, {})
        with pytest.raises(Forbidden):
            await world.documents.add_index_path(who, "a.b")
        with pytest.raises(Forbidden):
            await world.documents.index_paths(who)
        with pytest.raises(Forbidden):
            await world.documents.delete_index_path(who, "a.b")
    for name in (known, unguessable):
        await world.documents.put(admin, name, {"title": name})
        for who in (nobody, ANONYMOUS):
            assert name in await world.documents.get(who, name)
    assert await listed(world, ANONYMOUS) == sorted([known, unguessable])
    # Without anonymous access: the full GUID opens one document, a name that can be guessed does not.
    assert unguessable in await world.closed.get(ANONYMOUS, unguessable)
    await world.documents.add_aliases(admin, unguessable, ["easy to guess"])
    assert unguessable in await world.documents.get(ANONYMOUS, "easy to guess")
    for name in (known, "nothing", str(uuid4()), "easy to guess"):
        with pytest.raises(Unauthenticated):
            await world.closed.get(ANONYMOUS, name)
    with pytest.raises(Unauthenticated):
        await world.closed.search(ANONYMOUS, [])


async def test_a_batch_is_written_whole_and_in_few_statements(world: World) -> None:
    writer = await world.site.holder("contributor", world.mine)
    admin = await world.site.user(site_admin=True)
    guids = [await world.file(world.mine) for _ in range(20)]
    foreign = await world.file(world.other)
    with pytest.raises(Forbidden):
        await world.documents.put_many(writer, [(guid, {"n": 1}) for guid in (*guids, foreign)])
    assert await listed(world, writer) == []
    counts = []
    for chosen in (guids[:2], guids):
        with counting() as count:
            result = await world.documents.put_many(writer, [(guid, {"n": 1}) for guid in chosen])
        counts.append(count.n)
    assert counts[0] == counts[1] <= 6
    assert (len(result.created), sorted(result.updated)) == (18, sorted(guids[:2]))
    again = await world.documents.put_many(
        admin, [(guids[0], {"n": 2}), ("new", {}), ("upload", {}), ("a/aliases/b", {})], overwrite=False
    )
    assert (again.created, again.updated, again.conflict, again.bad_input) == (
        ["new"], [], [guids[0]], ["upload", "a/aliases/b"],
    )  # fmt: skip
    assert await world.documents.get(writer, guids[0]) == '{"n": 1}'
    events = await world.site.events("metadata.put")
    assert [event.n for event in events] == [1, 20, 2]  # newest first: a refused batch leaves its refusal alone
    for bad, error in (
        ({"a": "\0"}, Malformed), ({"a": "x" * LARGEST}, TooLarge), ([1], Invalid), (_deep(300), TooLarge),
        ({"\ud800": 1}, Malformed), ({"a": float("nan")}, Malformed),
    ):  # fmt: skip
        with pytest.raises(error):
            await world.documents.put_many(admin, [("fine", {}), ("bad", bad)])
    assert await listed(world, admin, ("n", "2")) == []
    assert "fine" not in await listed(world, admin)


def _deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


async def test_merge_cannot_grow_beyond_the_limit(world: World) -> None:
    admin = await world.site.user(site_admin=True)
    await world.documents.put(admin, "big", {"a": "x" * (LARGEST - 100), "b": {"c": 1}})
    with pytest.raises(TooLarge):
        await world.documents.update(admin, "big", {"d": "x" * 1000}, merge=True)
    assert (
        await world.documents.update(admin, "big", {"a": 1, "b": {"d": 1}}, merge=True)
    ) == '{"a": 1, "b": {"d": 1}}'
    assert await world.documents.update(admin, "big", {"z": 0}) == '{"z": 0}'


async def test_aliases_are_unique_and_go_with_their_document(world: World) -> None:
    admin = await world.site.user(site_admin=True)
    for guid in ("one", "two"):
        await world.documents.put(admin, guid, {"is": guid})
    assert await world.documents.add_aliases(admin, "one", ["b", "a", "b"]) == ["a", "b"]
    with pytest.raises(AlreadyExists, match="PUT"):
        await world.documents.add_aliases(admin, "one", ["c"])
    with pytest.raises(AlreadyExists, match="'a'"):
        await world.documents.set_aliases(admin, "two", ["z", "a"])
    assert await world.documents.aliases(admin, "two") == ("two", [])
    assert await world.documents.set_aliases(admin, "one", ["c"], merge=True) == ["a", "b", "c"]
    assert await world.documents.set_aliases(admin, "one", ["c", "d"]) == ["c", "d"]
    assert await world.documents.get(admin, "d") == '{"is": "one"}'
    await world.documents.delete_aliases(admin, "one", "c")
    for gone in ("c", "a"):
        with pytest.raises(NotFound):
            await world.documents.delete_aliases(admin, "one", gone)
    assert await world.documents.aliases(admin, "d") == ("one", ["d"])
    await world.documents.delete(admin, "one")
    with pytest.raises(NotFound):
        await world.documents.get(admin, "d")
    await world.documents.add_aliases(admin, "two", ["d"])
    await world.documents.delete_aliases(admin, "two")
    with pytest.raises(NotFound):
        await world.documents.delete_aliases(admin, "two")
    with pytest.raises(NotFound):
        await world.documents.add_aliases(admin, "three", ["x"])


def _text_at(document: Any, path: tuple[str, ...]) -> tuple[bool, str | None]:
    """What is at a path, as PostgreSQL shows it: (anything there, its text)."""
    here = document
    for step in path:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.lstrip("-").isdigit() and -len(here) <= int(step) < len(here):
            here = here[int(step)]
        else:
            return False, None
    if isinstance(here, bool):
        return True, "true" if here else "false"
    if here is None:
        return True, None
    if isinstance(here, dict | list):
        return True, {"[]": "[]", "{}": "{}", "[1, 2]": "[1, 2]", "['x']": '["x"]'}.get(str(here), "other")
    return True, str(here)


async def test_an_alias_is_no_guid_of_another_project(world: World) -> None:
    guid, foreign = await world.file(world.mine), await world.file(world.other)
    who = await world.site.holder("contributor", world.mine)
    await world.documents.put(who, guid, {"a": 1})
    for alias in (foreign, f"dg.1/{foreign}"):
        with pytest.raises(Invalid, match="another project"):
            await world.documents.set_aliases(who, guid, [alias])
    fitting = sorted([f"dg.1/{guid}", f"dg.1/{await world.file(world.mine)}", f"dg.1/{uuid4()}"])
    assert await world.documents.set_aliases(who, guid, fitting) == fitting


async def test_filters_equal_their_meaning_and_use_the_index(world: World, torture: bool) -> None:
    admin = await world.site.user(site_admin=True)
    chance = random.Random(8)
    leaves = ["1", 1, 1.5, "1.5", True, "true", None, "null", "*", "x", "", [1, 2], ["x"], {}, [], -3, "é", "a.b"]

    def value(depth: int) -> Any:
        kind = chance.random()
        if depth and kind < 0.35:
            return {chance.choice(("a", "b", "0", "1")): value(depth - 1) for _ in range(2)}
        if depth and kind < 0.5:
            return [value(depth - 1) for _ in range(2)]
        return chance.choice(leaves)

    documents = {f"d{n:03}": {chance.choice("ab"): value(2), "c": value(1)} for n in range(400 if torture else 120)}
    await world.documents.put_many(admin, list(documents.items()))
    texts = [
        "1",
        "1.5",
        "true",
        "null",
        "x",
        "",
        "-3",
        "é",
        "[1, 2]",
        '["x"]',
        "{}",
        "[]",
        "*",
        "\\*",
        "nothing",
        "1.0",
    ]
    hits = 0
    for _ in range(600 if torture else 150):
        pairs = []
        for _ in range(chance.choice((1, 1, 2))):
            path = ".".join(
                [chance.choice("abc"), *(chance.choice(("a", "b", "0", "1", "-1")) for _ in range(chance.randrange(3)))]
            )
            pairs += [(path, chance.choice(texts)) for _ in range(chance.choice((1, 1, 2)))]
        filters = document_filters(pairs)
        expected = [
            guid for guid, document in sorted(documents.items()) if all(_holds(one, document) for one in filters)
        ]
        hits += len(expected)
        assert await listed(world, admin, *pairs) == expected, pairs
    assert hits > 100

    async with world.site.database.begin() as unit:
        await unit.run(
            "insert into metadata_documents (guid, data, created, updated) select 'x' || n, "
            "jsonb_build_object('kind', 'k' || n, 'n', n), now(), now() from generate_series(1, 3000) n"
        )
        await unit.run("analyze metadata_documents")
    with counting() as count:
        assert await listed(world, admin, ("kind", "k77"), ("n", "77")) == ["x77"]
    sql = next(text for text in count.texts if "metadata_documents d" in text)
    [one, two] = document_filters([("kind", "k77"), ("n", "77")])
    async with world.site.database.read() as unit:
        plan = await unit.rows(
            "explain " + sql, 10, 0, True, list(one.path), list(one.values), one.candidates(), list(two.path),
            list(two.values), two.candidates(),
        )  # fmt: skip
    assert any("metadata_documents_data" in row[0] for row in plan), "\n".join(row[0] for row in plan)


def _holds(one: DocumentFilter, document: Any) -> bool:
    there, text = _text_at(document, one.path)
    return there if one.present else text in one.values and text is not None


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", ".".join("a" * 30)])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(Invalid):
        document_filters([(path, "x")])


def test_too_many_filters() -> None:
    with pytest.raises(TooLarge):
        document_filters([(f"k{n}", "x") for n in range(60)])
    with pytest.raises(TooLarge):
        document_filters([("k", str(n)) for n in range(2000)])


def test_the_uuid_of_a_guid() -> None:
    made = uuid4()
    assert [object_of(text) for text in (str(made), str(made).upper(), f"dg.1/{made}", f"a{made}")] == [made] * 4
    assert [object_of(text) for text in (f"{made}0", f"{made}/x", "study", "")] == [None] * 4
