"""Studies and samples: what the compiled SQL finds is what plain Python finds; edits, versions, statements."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from commensal.core.files_query import parse_filter, parse_text
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Project
from commensal.core.puts import LinkTo, Put
from commensal.core.studies import ACCESSION, NAME, Kind, ObjectLink, ObjectQuery
from commensal.errors import AlreadyExists, Forbidden, Invalid, Malformed, NotFound
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.storage.postgres.database import PgDatabase, counting
from tests.conftest import TORTURE
from tests.odm.evaluator import holds, scalar
from tests.odm.test_search import KEYS, TEXTS, WORDS, random_value

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)
ROUNDS = 2_000 if TORTURE else 150


@pytest.fixture
async def services(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[Services]:
    second = PgDatabase(dsn, size=2)
    yield build_services(Settings(data=str(tmp_path)), database, second, b"0" * 32)
    await second.close()


@pytest.fixture
async def project(services: Services) -> Project:
    program = await services.catalog.add_program(OPERATOR, "P")
    return await services.catalog.add_project(OPERATOR, program, "X", title="Renal study")


async def caller(services: Services, email: str, role: str = "", place: Any = None) -> Principal:
    async with services.database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded, name) values ($1, $2, $2, 'Ada') returning seq",
            uuid.uuid4(),
            email,
        )
    if role:
        await services.grants.grant(OPERATOR, email, role, place)
    services.guard.forget()
    return Principal(PrincipalKind.USER, Door.ODM, user=user, email=email, name="Ada")


async def add(services: Services, project: Project, name: str, **metadata: Any) -> int:
    put = Put(role="sample", submitter_id=name, metadata=metadata)
    return (await services.records.put(OPERATOR, project, [put]))[0].seq


async def found(services: Services, query: ObjectQuery, who: Principal = OPERATOR) -> list[int]:
    page = await services.studies.search(who, query, limit=1000)
    assert page.total == len(page.items)
    return [one.seq for one in page.items]


def comparison(chance: random.Random) -> str:
    key = f'"{chance.choice([*KEYS, NAME, "Sample Source ID"])}"'.replace("\\", "\\\\")
    value = chance.choice([*TEXTS, "s 3", "kid*", "?", "*"]).replace("\\", "\\\\").replace('"', '\\"')
    number = chance.choice(["61", "0", "-0.5", "1e20"])
    return chance.choice([f'{key} = "{value}"', f'{key} != "{value}"', f"{key} < {number}", f"{key} >= {number}"])


async def test_lists_find_what_plain_python_finds(services: Services, project: Project):
    chance = random.Random(8)
    puts = [
        Put(
            role="sample",
            submitter_id=f"s {n}",
            label=chance.choice(["Kidney", None, "a b"]),
            metadata={key: random_value(chance) for key in chance.sample(KEYS, chance.randrange(len(KEYS)))},
        )
        for n in range(60)
    ]
    await services.records.put(OPERATOR, project, puts)
    everything = (await services.studies.search(OPERATOR, ObjectQuery(Kind.SAMPLE), limit=1000)).items
    assert len(everything) == 60
    for n in range(ROUNDS):
        parts = [comparison(chance) for _ in range(chance.randrange(1, 4))]
        text = f" {chance.choice(['AND', 'OR', 'AND NOT'])} ".join(parts) if n % 2 else ""
        words = f" {chance.choice(['AND', 'OR', 'NOT'])} ".join(chance.sample(WORDS, chance.randrange(1, 3)))
        nodes = [one for one in (parse_filter(text), parse_text("" if n % 2 else words)) if one is not None]
        expected = [one.seq for one in everything if all(holds(node, one.attributes, None) for node in nodes)]
        assert await found(services, ObjectQuery(Kind.SAMPLE, nodes=tuple(nodes))) == expected, (text, words)


async def sorts(services: Services, project: Project) -> None:
    values = [3, "10", "b", 2.5, None, "a", ["x", "y"], True, "B"]
    for n, value in enumerate(values):
        await add(services, project, f"s{n}", **({} if value is None else {"k": value}))

    async def order(sort: str, *, descending: bool = False) -> list[str]:
        query = ObjectQuery(Kind.SAMPLE, sort=sort, descending=descending)
        page = await services.studies.search(OPERATOR, query, limit=100)
        return [one.attributes["Sample Source ID"] for one in page.items]

    assert await order("k") == ["s3", "s0", "s1", "s8", "s6", "s5", "s2", "s7", "s4"]
    assert await order("k", descending=True) == ["s1", "s0", "s3", "s7", "s2", "s5", "s6", "s8", "s4"]
    assert await order(ACCESSION, descending=True) == [f"s{n}" for n in reversed(range(9))]
    assert scalar(2.5) == "2.5"


async def test_what_is_listed_and_to_whom(services: Services, project: Project):
    program = await services.catalog.program(OPERATOR, "P")
    other = await services.catalog.add_project(OPERATOR, program, "Y", title="Liver study", properties={"a": "b"})
    kept = await services.catalog.add_project(OPERATOR, program, "C", kind="collection")
    one, two = await add(services, project, "S1", tissue="kidney"), await add(services, other, "s1", tissue="liver")
    stranger, viewer = await caller(services, "s@x"), await caller(services, "v@x", "viewer", other)
    counter = await caller(services, "c@x", "counter", project)
    for who, studies, samples in (
        (OPERATOR, [project.seq, other.seq], [one, two]),
        (viewer, [other.seq], [two]),
        (stranger, [], []),
        (counter, [], []),
    ):
        assert await found(services, ObjectQuery(Kind.STUDY), who) == studies
        assert await found(services, ObjectQuery(Kind.SAMPLE), who) == samples
        for seq in (project.seq, other.seq, kept.seq):
            if seq in studies:
                assert (await services.studies.find(who, Kind.STUDY, seq)).seq == seq
            else:
                with pytest.raises(NotFound):
                    await services.studies.find(who, Kind.STUDY, seq)
    by_samples = ObjectQuery(Kind.STUDY, linked=ObjectQuery(Kind.SAMPLE, nodes=(parse_filter("tissue=kidney"),)))  # type: ignore[arg-type]
    assert await found(services, by_samples) == [project.seq]
    assert await found(services, by_samples, viewer) == []
    sample = await services.studies.find(viewer, Kind.SAMPLE, two)
    assert {NAME: "s1", "Sample Source ID": "s1", "tissue": "liver"}.items() <= sample.attributes.items()
    assert sample.attributes[ACCESSION] == f"GSF{two}"
    for nodes, expected in (
        ('"Sample Source ID" = S1', [one]),
        (f"genestack:accession = GSF{two}", [two]),
        ("genestack:accession = nonsense", []),
    ):
        assert await found(services, ObjectQuery(Kind.SAMPLE, nodes=(parse_filter(nodes),))) == expected  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await services.studies.find(viewer, Kind.SAMPLE, 10**40)
    # A role for a group of users is enough.
    await services.groups.add(OPERATOR, "Nephrology", members=["s@x"])
    await services.grants.grant(OPERATOR, "group:Nephrology", "viewer", project)
    assert await found(services, ObjectQuery(Kind.STUDY), stranger) == [project.seq]
    with pytest.raises(Forbidden):
        await services.studies.change(stranger, Kind.SAMPLE, one, {"tissue": "x"})
    await services.grants.grant(OPERATOR, "group:Nephrology", "contributor", project)
    await services.studies.change(stranger, Kind.SAMPLE, one, {"tissue": "x"})
    await services.groups.remove_members(OPERATOR, "Nephrology", ["s@x"])
    assert await found(services, ObjectQuery(Kind.STUDY), stranger) == []


async def history_ends_with_what_is_left(services: Services, project: Project, who: Principal) -> None:

    async def kept() -> int:
        async with services.database.read() as unit:
            return await unit.value("select count(*) from project_versions where project = $1", project.seq)

    deleted = await services.deletion.delete_project(OPERATOR, project, cascade=True)
    assert await kept() == 2
    await services.deletion.undelete(OPERATOR, deleted.id)
    assert [one.n for one in await services.studies.versions(who, Kind.STUDY, project.seq)] == [1, 2]
    deleted = await services.deletion.delete_project(OPERATOR, project, cascade=True)
    async with services.database.begin() as unit:
        await unit.run("update deletions set at = at - interval '60 days'")
    await services.deletion.purge()
    assert await kept() == 0


async def test_edits_versions_and_publishing(services: Services, project: Project):
    who = await caller(services, "a@x", "contributor", project)
    seq = await add(services, project, "S1", tissue="kidney", lot="7")
    before = (await services.studies.find(who, Kind.SAMPLE, seq)).attributes
    changed = await services.studies.change(
        who,
        Kind.SAMPLE,
        seq,
        {**before, "lot": None, "age": "61", "n": "07", "ok": "True", "yes": "true", "x": "1.5", NAME: "First",
         "tissue": "12", "many": ["1", "b"]},
    )  # fmt: skip
    wanted = {
        "age": 61,
        "n": "07",
        "ok": "True",
        "yes": True,
        "x": 1.5,
        NAME: "First",
        "tissue": "12",
        "many": [1, "b"],
    }
    assert wanted.items() <= changed.attributes.items()
    assert "lot" not in changed.attributes
    record = await services.records.get(OPERATOR, seq)
    assert (record.label, record.props["age"], record.props["tissue"]) == ("First", 61, "12")
    for wrong in (
        {ACCESSION: "GSF1"}, {"Sample Source ID": "S2"}, {NAME: ""}, {NAME: 5}, {"commensal:uuid": "x"},
        {"genestack:x": 1},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await services.studies.change(who, Kind.SAMPLE, seq, wrong)
    with pytest.raises(Malformed):
        await services.studies.change(who, Kind.SAMPLE, seq, {"a": "\0"})
    versions = await services.studies.versions(who, Kind.SAMPLE, seq)
    assert [(one.n, one.author, one.message) for one in versions] == [
        (1, "", "create (cli)"),
        (2, "Ada", "update (odm)"),
    ]
    assert (await services.studies.version(who, Kind.SAMPLE, seq, 1)).attributes == before
    assert (await services.studies.version(who, Kind.SAMPLE, seq, 2)).attributes == changed.attributes
    with pytest.raises(NotFound):
        await services.studies.version(who, Kind.SAMPLE, seq, 3)

    study = (await services.studies.find(who, Kind.STUDY, project.seq)).attributes
    edited = await services.studies.change(
        who,
        Kind.STUDY,
        project.seq,
        {**study, NAME: "New title", "investigator_name": "7", "year": "2026", "gone": None},
    )
    assert {NAME: "New title", "investigator_name": "7", "year": 2026}.items() <= edited.attributes.items()
    after = await services.catalog.project(OPERATOR, project.seq)
    assert (after.title, after.properties, after.extra) == ("New title", {"investigator_name": "7"}, {"year": 2026})
    await services.studies.change(who, Kind.STUDY, project.seq, {"year": 2026})
    with pytest.raises(Invalid):
        await services.studies.change(who, Kind.STUDY, project.seq, {"availability_type": "Open"})
    task = await services.studies.publish(who, project.seq, "After review")
    assert await services.studies.publication(who, task.id) == task
    history = await services.studies.versions(who, Kind.STUDY, project.seq)
    assert [(one.n, one.message) for one in history] == [(1, "create"), (2, "After review")]
    assert history[1].author == "Ada"
    assert (await services.studies.version(who, Kind.STUDY, project.seq, 1)).attributes == study
    assert (await services.studies.version(who, Kind.STUDY, project.seq, 2)).attributes == edited.attributes
    assert [one.message for one in await services.studies.versions(who, Kind.SAMPLE, seq)][1] == "After review"
    viewer = await caller(services, "v@x", "viewer", project)
    with pytest.raises(Forbidden):
        await services.studies.publish(viewer, project.seq)
    with pytest.raises(NotFound):
        await services.studies.publication(await caller(services, "s@x"), task.id)
    await history_ends_with_what_is_left(services, project, who)


async def test_order_and_checks(services: Services, project: Project):
    program = await services.catalog.program(OPERATOR, "P")
    await sorts(services, await services.catalog.add_project(OPERATOR, program, "Z"))
    await strict(services, project)


async def strict(services: Services, project: Project) -> None:
    await services.records.put(OPERATOR, project, [Put(type="library", submitter_id="L1")])
    await services.catalog.set_mode(OPERATOR, project, "strict")
    # Our open dictionary takes free metadata everywhere, so nothing is refused there.
    assert (await services.studies.change(OPERATOR, Kind.STUDY, project.seq, {"any": 1})).attributes["any"] == 1
    seq = await add(services, project, "S1", age="old")
    await add(services, project, "S2", age="old", sex=5)
    values = await services.studies.invalid_values(OPERATOR, project.seq)
    assert [(one.group, one.key, one.value, one.count) for one in values] == [
        (None, "age", "old", 2),
        (None, "sex", 5, 1),
    ]
    await services.studies.change(OPERATOR, Kind.SAMPLE, seq, {"age": 5})
    assert [one.count for one in await services.studies.invalid_values(OPERATOR, project.seq)] == [1, 1]


async def test_statements(services: Services, project: Project):
    who = await caller(services, "a@x", "curator", project)
    nodes = tuple(one for one in (parse_filter("a=1 OR NOT b=2 AND c>0"), parse_text('"two words" OR s*')) if one)
    group = await services.records.put(OPERATOR, project, [Put(type="import_group", metadata={"kind": "samples"})])
    for n in (1, 30):
        puts = [
            Put(role="sample", submitter_id=f"{n} s{i}", metadata={"a": i}, links=[LinkTo("owner", uuid=group[0].uuid)])
            for i in range(n)
        ]
        await services.records.put(OPERATOR, project, puts)
        for kind, sort in ((Kind.SAMPLE, None), (Kind.SAMPLE, "a"), (Kind.STUDY, None)):
            services.guard.forget()
            with counting() as count:
                await services.studies.search(who, ObjectQuery(kind, nodes=() if sort else nodes, sort=sort), limit=100)
            assert count.n <= 4, count.texts
        services.guard.forget()
        with counting() as count:
            _, total = await services.study_links.links(who, [project.seq])
        assert (count.n <= 5, total) == (True, n + 1 + (1 if n == 30 else 0))


async def test_links_and_moving(services: Services, project: Project):
    who = await caller(services, "a@x")
    await services.grants.grant(OPERATOR, "a@x", "curator", project)
    home = await services.catalog.home_project(who)
    groups: dict[str, Any] = {}
    for kind, role in (("samples", "sample"), ("libraries", "library")):
        made = (await services.records.put(who, home, [Put(type="import_group", metadata={"kind": kind})]))[0]
        owner = [LinkTo("owner", uuid=made.uuid)]
        puts = [
            Put(type=role, submitter_id=f"{role} {n}", links=owner,
                metadata={} if role == "sample" else {"Sample Source ID": f"sample {n}"})
            for n in range(3)
        ]  # fmt: skip
        groups[kind] = (made.seq, [one.seq for one in await services.records.put(who, home, puts)])
    (samples, members), (libraries, made_from) = groups["samples"], groups["libraries"]
    links = services.study_links

    other = (await services.records.put(who, home, [Put(type="import_group", metadata={"kind": "samples"})]))[0].seq
    pairs = [ObjectLink(libraries, "libraryGroup", one, "sampleGroup") for one in (samples, other)]
    with pytest.raises(Invalid, match="a request for each pair"):
        await links.link(who, pairs)
    assert (await links.links(who, made_from, first_type="library", second_type="sample"))[1] == 0
    await links.link(who, pairs[:1])
    rows, total = await links.links(who, made_from, first_type="library", second_type="sample")
    assert (total, [(one.first, one.second) for one in rows]) == (3, list(zip(made_from, members, strict=True)))
    with pytest.raises(Invalid, match="whole group"):
        await links.link(who, [ObjectLink(members[0], "sample", project.seq, "study")])
    with pytest.raises(NotFound):
        await links.link(who, [ObjectLink(members[0], "library", project.seq, "study")])
    with pytest.raises(Invalid):
        await links.link(who, [ObjectLink(made_from[0], "library", project.seq, "study")])

    await links.link(who, [ObjectLink(samples, "sampleGroup", project.seq, "study")], again=False)
    with pytest.raises(AlreadyExists):
        await links.link(who, [ObjectLink(samples, "sampleGroup", project.seq, "study")], again=False)
    await links.link(who, [ObjectLink(samples, "sampleGroup", project.seq, "study")])
    assert await found(services, ObjectQuery(Kind.SAMPLE, project=project.seq), who) == members
    assert await found(services, ObjectQuery(Kind.LIBRARY, project=project.seq), who) == made_from
    assert await found(services, ObjectQuery(Kind.LIBRARY, group=libraries), who) == made_from
    of_second = ObjectQuery(Kind.LIBRARY, linked=ObjectQuery(Kind.SAMPLE, only=members[1]))
    assert await found(services, of_second, who) == [made_from[1]]
    of_third = ObjectQuery(Kind.SAMPLE, linked=ObjectQuery(Kind.LIBRARY, nodes=(parse_text("2"),)))  # type: ignore[arg-type]
    assert await found(services, of_third, who) == [members[2]]
    assert (await services.studies.find(who, Kind.SAMPLE, members[0])).attributes["groupId"] == f"GSF{samples}"
    grouped = parse_filter(f"groupId = GSF{samples}")
    assert grouped is not None
    assert await found(services, ObjectQuery(Kind.SAMPLE, nodes=(grouped,)), who) == members
    rows, total = await links.links(who, [project.seq], limit=3)
    assert (len(rows), total) == (3, 4)  # three samples and their group
    assert await links.pairs_of_group(who, libraries, Kind.LIBRARY, limit=1) == ([(made_from[0], members[0])], 3)
    assert [one[0] for one in await links.groups(who, project.seq, Kind.LIBRARY)] == [libraries]
    history = await services.studies.versions(who, Kind.SAMPLE, samples)
    assert [one.message for one in history] == ["create (odm)", "move (odm)"]
    task = await services.studies.publish(who, project.seq)
    await services.studies.publication(who, task.id)
    await services.studies.invalid_values(who, project.seq)
    await services.audit.flush()
    async with services.database.read() as unit:
        events = await unit.rows("select action, project, n from audit_events where who = $1", who.user)
    told = {(event["action"], event["project"], event["n"]) for event in events}
    assert {("sample.versions", project.seq, 2), ("import_group.list", project.seq, 1), ("link.list", project.seq, 1),
            ("task.read", project.seq, 1), ("study.check", project.seq, 0)} <= told  # fmt: skip

    await links.unlink(who, ObjectLink(libraries, "libraryGroup", samples, "sampleGroup"))
    assert (await links.links(who, made_from, first_type="library", second_type="sample"))[1] == 0
    with pytest.raises(NotFound):
        await links.unlink(who, ObjectLink(libraries, "libraryGroup", samples, "sampleGroup"))
    await links.link(who, [ObjectLink(members[0], "sample", made_from[0], "library")], again=False)
    await links.unlink(who, ObjectLink(made_from[0], "library", members[0], "sample"))
    await links.unlink(who, ObjectLink(project.seq, "study", samples, "sampleGroup"))
    assert await found(services, ObjectQuery(Kind.SAMPLE, project=home.seq), who) == members
    stranger = await caller(services, "s@x")
    assert await links.links(stranger, [samples]) == ([], 0)
    with pytest.raises(NotFound):
        await links.unlink(stranger, ObjectLink(home.seq, "study", samples, "sampleGroup"))
    with pytest.raises(Malformed):
        await links.links(who, [samples], first_type="nonsense")
