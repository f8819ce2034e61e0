"""Deletion, undelete, purge and moving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.puts import LinkTo, Put
from commensal.errors import AlreadyExists, Conflict, Forbidden, Invalid, InvalidRows, NotEmpty, NotFound
from commensal.storage.postgres.database import counting
from tests.records.records_site import OPERATOR, make_site

TABLES = ("records", "links", "members", "files", "projects", "programs", "grants")


async def everything(site, without=("version", "change", "updated")) -> dict:
    found = {}
    for table in TABLES:
        rows = await site.rows(f"select * from {table}")
        found[table] = sorted(({k: v for k, v in r.items() if k not in without} for r in rows), key=repr)
    found["counters"] = {(r["project"], r["type"]): r["n"] for r in await site.rows("select * from counters") if r["n"]}
    return found


async def tree(site, project: int) -> dict[str, int]:
    """A sample with a subject, a result, a field and a file's description, and a file of the sample."""

    def to(name, kind, target):
        return LinkTo(name, type=kind, submitter_id=target)

    made = await site.records.put(
        OPERATOR,
        project,
        [
            Put(role="subject", submitter_id="p"),
            Put(role="dataset", submitter_id="d"),
            Put(role="sample", submitter_id="s", links=[to("subject", "subject", "p"), to("dataset", "dataset", "d")]),
            Put(role="analysis", submitter_id="r", properties={"module": "m"}, links=[to("sample", "sample", "s")]),
            Put(type="result_field", submitter_id="f", properties={"name": "n"}, links=[to("owner", "analysis", "r")]),
            Put(
                role="data_file",
                submitter_id="both",
                links=[to("sample", "sample", "s"), to("dataset", "dataset", "d")],
            ),
        ],
    )
    seqs = {one.submitter_id: one.seq for one in made}
    async with site.database.begin() as unit:
        await unit.run(
            "insert into files (uuid, project, path, name, state, record) values "
            "(gen_random_uuid(), $1, 'a/b.txt', 'b.txt', 'stored', $2), "
            "(gen_random_uuid(), $1, 'other.txt', 'other.txt', 'stored', null)",
            project,
            seqs["s"],
        )
        collection = await unit.value(
            "insert into projects (uuid, program, code, polly_code, title, kind) "
            "select gen_random_uuid(), seq, 'coll', 'coll', 'coll', 'collection' from programs returning seq"
        )
        await unit.run(
            "insert into members (collection, record, record_project, record_type) values ($1, $2, $3, 'sample')",
            collection,
            seqs["s"],
            project,
        )
    return seqs


async def names(site) -> set[str]:
    return {r["submitter_id"] for r in await site.rows("select submitter_id from records")}


async def test_what_hangs_below_goes_along_and_comes_back_whole(site):
    project = await site.project(mode="open")
    seqs = await tree(site, project)
    before = await everything(site)
    change = await site.value("select change from counters where type = 'sample'")
    done = await site.deletion.delete_records(OPERATOR, project, [seqs["s"]])
    assert done.counts == {"sample": 1, "analysis_result": 1, "result_field": 1, "file": 1}
    # A file's description that belongs to the dataset too stays, without its link to the sample.
    assert await names(site) == {"p", "d", "both"}
    assert await site.value("select count(*) from links where src = $1", seqs["both"]) == 1
    assert await site.value("select version from records where seq = $1", seqs["both"]) == 2
    assert await site.value("select count(*) from files") == 1
    assert await site.value("select count(*) from members") == 0
    tombs = {r["type"]: r["change"] for r in await site.rows("select type, change from tombstones")}
    assert tombs["sample"] == change + 1
    assert set(tombs) == {"sample", "analysis_result", "result_field", "commensal.file"}
    last = (await site.rows("select * from record_versions where seq = $1 order by n desc", seqs["s"]))[0]
    assert (last["action"], last["after"]) == ("delete", None)
    listed = await site.deletion.list(OPERATOR)
    assert [(one.id, one.kind, one.title) for one in listed] == [(done.id, "records", "s")]
    back = await site.deletion.undelete(OPERATOR, done.id)
    assert back.id == done.id
    assert await everything(site) == before
    for table in ("records", "links", "members", "files"):
        assert await site.value(f"select count(*) from deleted_{table}") == 0
    assert (await site.rows("select action from record_versions where seq = $1 order by n", seqs["s"])) == [
        {"action": "create"},
        {"action": "delete"},
        {"action": "undelete"},
    ]
    assert await site.value("select version from records where seq = $1", seqs["s"]) == 3
    with pytest.raises(Conflict, match="already"):
        await site.deletion.undelete(OPERATOR, done.id)
    await site.records.put(OPERATOR, project, [Put(role="sample", submitter_id="s", metadata={"k": 1})])


async def test_names_are_free_at_once_and_undelete_names_who_took_them(site):
    project = await site.project(mode="open")
    seqs = await tree(site, project)
    done = await site.deletion.delete_records(OPERATOR, project, [seqs["s"]])
    (again,) = await site.records.put(OPERATOR, project, [Put(role="sample", submitter_id="S")])
    with pytest.raises(Conflict, match=f"the name of sample s is now that of the record {again.uuid}"):
        await site.deletion.undelete(OPERATOR, done.id)
    await site.deletion.delete_records(OPERATOR, project, [again.uuid])
    other = await site.deletion.delete_records(OPERATOR, project, [seqs["d"]])
    with pytest.raises(Conflict, match=f"bring deletion {other.id} back first"):
        await site.deletion.undelete(OPERATOR, done.id)
    await site.deletion.undelete(OPERATOR, other.id)
    await site.deletion.undelete(OPERATOR, done.id)
    assert {"s", "d"} <= await names(site)


async def test_undelete_refuses_a_second_target_where_one_is_allowed(site):
    project = await site.project(mode="open")
    seqs = await tree(site, project)
    done = await site.deletion.delete_records(OPERATOR, project, [seqs["p"]])
    assert await site.value("select count(*) from links where name = 'subjects'") == 0
    await site.records.put(
        OPERATOR,
        project,
        [
            Put(role="subject", submitter_id="q"),
            Put(role="sample", submitter_id="s", links=[LinkTo("subject", type="subject", submitter_id="q")]),
        ],
    )
    link = (await site.dictionaries.current()).dictionary.link_between("sample", "subject")
    assert link is not None
    if link.many_targets:
        await site.deletion.undelete(OPERATOR, done.id)
    else:
        with pytest.raises(Conflict, match="points at another subject"):
            await site.deletion.undelete(OPERATOR, done.id)


async def test_projects_and_programs(site):
    project = await site.project(mode="open")
    await tree(site, project)
    async with site.database.begin() as unit:
        await unit.run("delete from projects where code = 'coll'")
        await unit.run("delete from members")
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), 'a', 'a') returning seq"
        )
        await unit.run(
            "insert into grants (user_seq, role, program, project) select $1, 'viewer', program, seq from projects",
            user,
        )
        program = await site.submission._store.project_by_seq(unit, project)
    before = await everything(site)
    # Files without bytes of ours are index records only: they go along, and hold nothing up.
    with pytest.raises(NotEmpty, match="6 records and 0 files"):
        await site.deletion.delete_project(OPERATOR, project)
    done = await site.deletion.delete_project(OPERATOR, project, cascade=True)
    assert done.counts["project"] == 1
    assert done.counts["sample"] == 1
    assert all(not rows for name, rows in (await everything(site)).items() if name != "programs")
    replacement = await site.project("j")
    with pytest.raises(Conflict, match="the code of project J is now that of project j"):
        await site.deletion.undelete(OPERATOR, done.id)
    with pytest.raises(NotFound):
        await site.deletion.delete_project(OPERATOR, project)
    await site.deletion.delete_project(OPERATOR, replacement)
    await site.deletion.undelete(OPERATOR, done.id)
    assert await everything(site) == before
    whole = await _program(site, program.program)
    with pytest.raises(NotEmpty):
        await site.deletion.delete_program(OPERATOR, whole)
    gone = await site.deletion.delete_program(OPERATOR, whole, cascade=True)
    assert not (await everything(site))["programs"]
    await site.deletion.undelete(OPERATOR, gone.id)
    assert await everything(site) == before


async def _program(site, seq):
    from commensal.core.projects import Program

    row = (await site.rows("select * from programs where seq = $1", seq))[0]
    keys = ("seq", "uuid", "code", "title", "listed", "home_of", "made_by", "properties", "created", "updated")
    return Program(**{key: row[key] for key in keys})


async def test_after_thirty_days_it_is_gone_for_good(database):
    moment = [datetime(2026, 1, 1, tzinfo=UTC)]
    site = make_site(database, now=lambda: moment[0])
    project = await site.project(mode="open")
    seqs = await tree(site, project)
    done = await site.deletion.delete_records(OPERATOR, project, [seqs["s"]])
    moment[0] += timedelta(days=29)
    assert await site.deletion.purge() == 0
    assert len(await site.deletion.list(OPERATOR)) == 1
    moment[0] += timedelta(days=2)
    with pytest.raises(NotFound):
        await site.deletion.undelete(OPERATOR, done.id)
    assert await site.deletion.list(OPERATOR) == []
    assert await site.deletion.purge() == 1
    for table in ("records", "links", "members", "files"):
        assert await site.value(f"select count(*) from deleted_{table}") == 0
    assert await site.value("select count(*) from record_versions where seq = $1", seqs["s"]) == 0


async def test_deletion_asks_for_the_right(site):
    project = await site.project(mode="open")
    seqs = await tree(site, project)
    async with site.database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), 'a', 'a') returning seq"
        )
        await unit.run(
            "insert into grants (user_seq, role, program, project) select $1, 'contributor', program, seq "
            "from projects where seq = $2",
            user,
            project,
        )
    caller = Principal(kind=PrincipalKind.USER, door=Door.PORTAL, user=user, email="a")
    for refused in (
        site.deletion.delete_records(caller, project, [seqs["s"]]),
        site.deletion.delete_project(caller, project, cascade=True),
        site.deletion.list(caller),
        site.deletion.undelete(caller, 1),
        site.deletion.delete_entities(caller, "P", "J", ["x"]),
        site.moving.move(caller, project, await site.project("K"), [seqs["s"]]),
    ):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(NotFound):
        await site.deletion.delete_records(OPERATOR, project, [12])


# --- the Gen3 door


async def test_entities_that_others_need_are_refused_unless_all_go(gen3_site):
    made = await gen3_site.ok(
        [
            {"type": "experiment", "submitter_id": "e", "projects": {"code": "J"}},
            {"type": "case", "submitter_id": "c", "experiments": {"submitter_id": "e"}},
            {"type": "publication", "submitter_id": "p", "projects": {"code": "J"}},
        ]
    )
    experiment, case, publication = (entity.id for entity in made.entities)
    delete = gen3_site.deletion.delete_entities
    refused = await delete(OPERATOR, "P", "J", [experiment, "0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3c"])
    assert (refused.code, refused.success, refused.deleted_entity_count) == (400, False, 0)
    first, second = (entity.errors[0] for entity in refused.entities)
    assert (first.type, first.dependents) == ("INVALID_LINK", [{"id": case, "type": "case"}])
    assert (second.type, second.id) == ("NOT_FOUND", "0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3c")
    assert refused.dependent_ids == case
    dry = await delete(OPERATOR, "P", "J", [case, experiment], dry_run=True)
    assert (dry.code, dry.success, dry.deleted_entity_count) == (200, True, 2)
    assert await gen3_site.value("select count(*) from records") == 3
    done = await delete(OPERATOR, "P", "J", [experiment, case])
    assert (done.code, done.deleted_entity_count, done.dependent_ids) == (200, 2, "")
    assert [entity.action for entity in done.entities] == ["delete", "delete"]
    assert done.entities[0].unique_keys == [{"project_id": "P-J", "submitter_id": "e"}]
    assert await names(gen3_site) == {"p"}
    versions = await gen3_site.rows("select transaction from record_versions where action = 'delete'")
    assert {v["transaction"] for v in versions} == {done.transaction_id}
    assert await gen3_site.value("select role from transactions where id = $1", done.transaction_id) == "delete"
    async with gen3_site.database.begin() as unit:
        await unit.run("update records set state = 'submitted'")
    locked = await delete(OPERATOR, "P", "J", [publication])
    assert locked.entities[0].errors[0].type == "INVALID_PERMISSIONS"


async def test_fields_are_cleared_instead(gen3_site):
    made = await gen3_site.ok(
        [
            {"type": "experiment", "submitter_id": "e", "projects": {"code": "J"}, "experimental_description": "x"},
        ]
    )
    key = made.entities[0].id
    done = await gen3_site.deletion.delete_entities(OPERATOR, "P", "J", [key], fields=["experimental_description"])
    assert done.success, done
    assert await gen3_site.value("select props from records") == {}
    versions = await gen3_site.rows("select action, transaction from record_versions order by n")
    assert [v["action"] for v in versions] == ["create", "update"]
    assert versions[1]["transaction"] == done.transaction_id
    refused = await gen3_site.deletion.delete_entities(OPERATOR, "P", "J", [key], fields=["projects"])
    assert not refused.success


@pytest.mark.parametrize("field", ["id", "*id", "type", "project_id", "state", "created_datetime"])
async def test_what_names_an_entity_is_never_cleared(gen3_site, field):
    made = await gen3_site.ok([{"type": "experiment", "submitter_id": "e", "projects": {"code": "J"}}])
    before = await gen3_site.rows("select * from records")
    done = await gen3_site.deletion.delete_entities(OPERATOR, "P", "J", [made.entities[0].id], fields=[field])
    assert (done.success, done.code) == (False, 400)
    assert [(error.keys, error.type) for error in done.entities[0].errors] == [
        ([field.lstrip("*")], "INVALID_PERMISSIONS")
    ]
    assert await gen3_site.rows("select * from records") == before


async def test_system_types_are_no_entities(site):
    project = await site.project(mode="open")
    genome = (await site.records.put(OPERATOR, project, [Put(type="genome", submitter_id="g")]))[0]
    for fields in ((), ("label",)):
        done = await site.deletion.delete_entities(OPERATOR, "P", "J", [str(genome.uuid)], fields=fields)
        assert [error.type for error in done.entities[0].errors] == ["NOT_FOUND"]
    assert await names(site) == {"g"}


async def test_strict_projects_refuse_deleting_what_others_need(gen3_site):
    project = await gen3_site.value("select seq from projects")
    made = await gen3_site.ok(
        [
            {"type": "experiment", "submitter_id": "e", "projects": {"code": "J"}},
            {"type": "case", "submitter_id": "c", "experiments": {"submitter_id": "e"}},
        ]
    )
    from uuid import UUID

    with pytest.raises(InvalidRows, match="case c"):
        await gen3_site.deletion.delete_records(OPERATOR, project, [UUID(made.entities[0].id)])
    await gen3_site.deletion.delete_records(OPERATOR, project, [UUID(e.id) for e in made.entities])


# --- moving


async def test_moving_keeps_number_and_history_and_cuts_links_in_open_projects(site):
    here, there = await site.project(mode="open"), await site.project("K", mode="open")
    seqs = await tree(site, here)
    old = await site.rows("select * from record_versions where seq = $1", seqs["s"])
    moved = await site.moving.move(OPERATOR, here, there, [seqs["s"]])
    assert (moved.records, moved.files) == (3, 1)
    assert len(moved.cut) == 3
    rows = {r["submitter_id"]: r for r in await site.rows("select * from records")}
    assert {name for name, r in rows.items() if r["project"] == there} == {"s", "r", "f"}
    assert rows["s"]["seq"] == seqs["s"]
    versions = await site.rows("select * from record_versions where seq = $1 order by n", seqs["s"])
    assert [v["action"] for v in versions] == ["create", "move"]
    assert versions[0]["after"] == old[0]["after"]
    assert {v["project"] for v in versions} == {there}
    links = await site.rows(
        "select * from links where project <> dst_project or dst_project not in ($1, $2)", here, there
    )
    assert links == []
    assert {r["path"]: r["project"] for r in await site.rows("select path, project from files")} == {
        "a/b.txt": there,
        "other.txt": here,
    }
    counted = {(r["project"], r["type"]): r["n"] for r in await site.rows("select * from counters") if r["n"]}
    real = {
        (r["project"], r["type"]): r["n"]
        for r in await site.rows("select project, type, count(*) as n from records group by 1, 2")
    }
    assert counted == real
    tombs = await site.rows("select type from tombstones where project = $1", here)
    assert {t["type"] for t in tombs} == {"sample", "analysis_result", "result_field", "commensal.file"}
    assert await site.value("select record_project from members") == there
    # Its link to the project itself follows.
    await site.moving.move(OPERATOR, here, there, [seqs["d"]])
    assert await site.value("select dst from links where src = $1 and dst_type = 'project'", seqs["d"]) == there


async def test_a_strict_project_takes_in_nothing_that_it_would_refuse_to_be_written(gen3_site):
    strict = await gen3_site.value("select seq from projects")
    here = await gen3_site.project("OPEN", mode="open")
    await gen3_site.records.put(
        OPERATOR,
        here,
        [
            Put(type="case", submitter_id="lacks", metadata={"free": 1}),
            Put(type="experiment", submitter_id="whole"),
        ],
    )
    seqs = {r["submitter_id"]: r["seq"] for r in await gen3_site.rows("select * from records")}
    with pytest.raises(InvalidRows) as caught:
        await gen3_site.moving.move(OPERATOR, here, strict, list(seqs.values()))
    assert {(p.record, p.field) for p in caught.value.problems} == {
        ("case lacks", "experiments"),
        ("case lacks", "free"),
    }
    assert await gen3_site.value("select count(*) from records where project = $1", here) == 2
    assert (await gen3_site.moving.move(OPERATOR, here, strict, [seqs["whole"]])).records == 1


async def test_moving_refuses_names_and_strict_crossings(site):
    here, there = await site.project(mode="open"), await site.project("K", mode="strict")
    seqs = await tree(site, here)
    before = await everything(site)
    with pytest.raises(InvalidRows, match="sample s") as caught:
        await site.moving.move(OPERATOR, here, there, [seqs["s"]])
    assert len(caught.value.problems) == 3
    other = await site.project("L", mode="open")
    await site.records.put(OPERATOR, other, [Put(role="dataset", submitter_id="D")])
    with pytest.raises(AlreadyExists, match="dataset d"):
        await site.moving.move(OPERATOR, here, other, [seqs["d"]])
    with pytest.raises(Invalid):
        await site.moving.move(OPERATOR, here, here, [seqs["d"]])
    with pytest.raises(NotFound):
        await site.moving.move(OPERATOR, other, here, [seqs["d"]])
    after = await everything(site)
    assert [r for r in after["records"] if r["project"] == here] == before["records"]
    file = await site.value("select seq from files where path = 'other.txt'")
    moved = await site.moving.move(OPERATOR, here, other, files=[file])
    assert (moved.records, moved.files) == (0, 1)
    assert await site.value("select project from files where seq = $1", file) == other


async def test_statements_do_not_grow(site):
    project, other = await site.project(mode="open"), await site.project("K", mode="open")
    sent = []
    for n in (5, 60):
        made = await site.records.put(
            OPERATOR, project, [Put(role="dataset", submitter_id=f"{n}-{i}") for i in range(n)]
        )
        seqs = [one.seq for one in made]
        with counting() as moving:
            await site.moving.move(OPERATOR, project, other, seqs)
        with counting() as deleting:
            done = await site.deletion.delete_records(OPERATOR, other, seqs)
        with counting() as restoring:
            await site.deletion.undelete(OPERATOR, done.id)
        sent.append((moving.n, deleting.n, restoring.n))
    assert abs(sent[0][1] - sent[1][1]) <= 1  # the column names are asked for once
    assert sent[0][0] == sent[1][0]
    assert sent[0][2] == sent[1][2]
