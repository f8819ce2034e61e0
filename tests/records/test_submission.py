"""Submission as contracts/gen3.md 4.4 to 4.6 describes it."""

from __future__ import annotations

import asyncio

import pytest

from commensal.core.cells import cast_cells
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.errors import Forbidden, Malformed, NotFound, StateConflict
from commensal.storage.postgres.database import counting
from tests.records.records_site import OPERATOR

EXPERIMENT = {"type": "experiment", "submitter_id": "e1", "projects": {"code": "J"}}


def case(name: str, **more) -> dict:
    return {"type": "case", "submitter_id": name, "experiments": {"submitter_id": "e1"}, **more}


def errors(result, index: int = 0) -> list[tuple]:
    return [(e.type, e.message) for e in result.entities[index].errors]


async def test_records_that_name_each_other_in_any_order(gen3_site):
    result = await gen3_site.ok(
        [
            {"type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "C1"}, "sample_volume": 1.5},
            case("c1", primary_site="Lung", consent_codes=["a", "b"]),
            EXPERIMENT,
        ]
    )
    assert [e.action for e in result.entities] == ["create"] * 3
    assert result.code == 200
    assert result.created_entity_count == 3
    assert result.entities[0].unique_keys == [{"project_id": "P-J", "submitter_id": "s1"}]
    rows = await gen3_site.rows("select type, submitter_id, props, state, version from records order by submitter_id")
    assert [r["props"] for r in rows] == [
        {"primary_site": "Lung", "consent_codes": ["a", "b"]},
        {},
        {"sample_volume": 1.5},
    ]
    assert {r["state"] for r in rows} == {"validated"}
    links = await gen3_site.rows(
        "select l.name, l.dst_type, s.submitter_id as src from links l join records s on s.seq = l.src order by name"
    )
    assert [(r["src"], r["name"], r["dst_type"]) for r in links] == [
        ("s1", "cases", "case"),
        ("c1", "experiments", "experiment"),
        ("e1", "projects", "project"),
    ]
    assert await gen3_site.value("select n from counters where type = 'case'") == 1


async def test_post_is_201_and_refuses_what_exists(gen3_site):
    first = await gen3_site.ok([EXPERIMENT], create_only=True)
    assert first.code == 201
    again = await gen3_site.submit([{**EXPERIMENT, "submitter_id": "E1"}], create_only=True)
    assert (again.code, again.success, again.created_entity_count) == (400, False, 0)
    assert errors(again) == [
        ("ERROR", "experiment with {'project_id': 'P-J', 'submitter_id': 'E1'} already exists in the DB")
    ]


async def test_put_finds_names_without_case_and_takes_the_new_spelling(gen3_site):
    first = await gen3_site.ok([EXPERIMENT])
    again = await gen3_site.ok([{**EXPERIMENT, "submitter_id": "E1"}])
    assert again.updated_entity_count == 1
    assert again.entities[0].action == "update"
    assert again.entities[0].id == first.entities[0].id
    assert await gen3_site.value("select submitter_id from records") == "E1"


async def test_update_keeps_absent_properties_and_null_clears(gen3_site):
    await gen3_site.ok([EXPERIMENT, case("c1", primary_site="Lung", disease_type="x")])
    await gen3_site.ok([case("c1", disease_type=None)])
    assert await gen3_site.value("select props from records where submitter_id = 'c1'") == {"primary_site": "Lung"}
    # A required property that is stored already need not be sent again.
    await gen3_site.ok([{"type": "case", "submitter_id": "c1", "disease_type": "y"}])
    refused = await gen3_site.submit([{**EXPERIMENT, "submitter_id": None}])
    assert not refused.success


@pytest.mark.parametrize("document", [{"submitter_id": None}, {"type": None}, {"id": None}, {"type": "nope"}])
async def test_a_document_without_a_known_type_is_a_transactional_error(gen3_site, document):
    result = await gen3_site.submit([document])
    assert result.code == 400
    assert result.entities == []
    assert result.transactional_errors[-1] == "Nothing to submit"
    assert "Unable to parse entity. Details: " in result.transactional_errors[0].message


async def test_empty_document(gen3_site):
    result = await gen3_site.submit([])
    assert result.transactional_errors == ["Nothing to submit"]
    assert result.message == "Transaction aborted due to 1 transactional error."


async def test_the_same_submission_twice_changes_nothing(gen3_site):
    documents = [EXPERIMENT, case("c1", consent_codes=["a"]), case("c2")]
    await gen3_site.ok(documents)
    before = await gen3_site.rows("select * from records order by seq")
    result = await gen3_site.ok(documents)
    assert result.updated_entity_count == 3
    assert await gen3_site.rows("select * from records order by seq") == before
    assert await gen3_site.value("select count(*) from record_versions") == 3
    assert await gen3_site.value("select max(change) from counters") == 1


async def test_true_is_not_one(site):
    await site.project(mode="open")
    cli = {"type": "subject", "submitter_id": "x", "projects": {"code": "J"}}
    operator = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)
    await site.ok([{**cli, "*extra": {"a": 1, "b": None}}], principal=operator)
    await site.ok([{**cli, "*extra": {"a": True, "b": None}}], principal=operator)
    assert await site.value("select extra from records") == {"a": True, "b": None}


async def test_errors_have_the_types_and_words_of_the_wire(gen3_site):
    await gen3_site.ok([EXPERIMENT, case("c1")])
    result = await gen3_site.submit(
        [
            {
                "type": "sample",
                "submitter_id": "s1",
                "cases": {"submitter_id": "c1"},
                "is_ffpe": "maybe",
                "longest_dimension": -1.0,
                "foo": 1,
            },
            {"type": "case", "submitter_id": "c3"},
            case("c4", experiments={"submitter_id": "nope"}),
            case("c5", experiments=[{"submitter_id": "e1"}, {"submitter_id": "e2"}]),
            {"type": "experiment", "submitter_id": "e2", "projects": {"code": "J"}},
            {
                "type": "experimental_metadata",
                "submitter_id": "em1",
                "data_type": "Experimental Metadata",
                "file_name": "f.txt",
                "md5sum": "0" * 32,
                "data_format": "txt",
                "data_category": "data_file",
                "file_size": 42,
            },
            {"type": "program", "name": "x"},
            3,
        ]
    )
    assert result.message == "Transaction aborted due to 7 invalid entities."
    assert {(e.type, tuple(e.keys)) for e in result.entities[0].errors} == {
        ("INVALID_VALUE", ("is_ffpe",)),
        ("INVALID_VALUE", ("longest_dimension",)),
        ("ERROR", ()),
    }
    assert result.entities[0].id is None
    assert errors(result, 1) == [("MISSING_PROPERTY", "'experiments' is a required property")]
    assert errors(result, 2) == [
        (
            "INVALID_LINK",
            "No link destination found for experiments, unique_keys='[{'project_id': 'P-J', 'submitter_id': 'nope'}]'",
        )
    ]
    assert errors(result, 3) == [("INVALID_LINK", "'experiments' link has to be many_to_one")]
    assert result.entities[4].valid
    assert [(e.message, e.keys) for e in result.entities[5].errors] == [
        (
            "Entity is missing a required link to core_metadata_collections or experiments",
            ["core_metadata_collections", "experiments"],
        )
    ]
    assert [e.type for e in result.entities[6].errors] == ["INVALID_TYPE"]
    assert [e.type for e in result.entities[7].errors] == ["INVALID_VALUE"]
    assert await gen3_site.value("select count(*) from records") == 2


async def test_the_same_key_twice_is_transactional(gen3_site):
    result = await gen3_site.submit([EXPERIMENT, {**EXPERIMENT, "submitter_id": "E1"}])
    assert [e.type for e in result.transactional_errors] == ["NOT_UNIQUE"]
    assert not result.success


async def test_links_to_other_projects(gen3_site):
    await gen3_site.project("J2")
    await gen3_site.ok([EXPERIMENT])
    other = await gen3_site.submit([EXPERIMENT], project="J2")
    assert [e.type for e in other.entities[0].errors] == ["INVALID_PERMISSIONS"]
    target = await gen3_site.value("select uuid::text from records")
    crossing = await gen3_site.submit([case("c1", experiments={"id": target})], project="J2")
    assert [e.type for e in crossing.entities[0].errors] == ["INVALID_LINK"]
    owned = await gen3_site.submit(
        [{"type": "experiment", "id": target, "submitter_id": "e1", "projects": {"code": "J2"}}], project="J2"
    )
    assert [e.type for e in owned.entities[0].errors] == ["INVALID_PERMISSIONS"]
    absent = await gen3_site.submit([{**EXPERIMENT, "projects": {"code": "nowhere"}}])
    assert [e.type for e in absent.entities[0].errors] == ["INVALID_LINK"]


async def test_links_by_id_and_in_lists_and_merged(gen3_site):
    project = await gen3_site.value("select uuid::text from projects")
    made = await gen3_site.ok(
        [
            {**EXPERIMENT, "projects": {"id": project}},
            {**EXPERIMENT, "submitter_id": "e2", "projects": [{"code": "j"}]},
            {"type": "publication", "submitter_id": "p", "projects": [{"code": "J"}]},
        ]
    )
    e1 = made.entities[0].id
    meta = {
        "type": "experimental_metadata",
        "submitter_id": "em",
        "data_type": "Experimental Metadata",
        "file_name": "f",
        "md5sum": "0" * 32,
        "data_format": "txt",
        "data_category": "data_file",
        "file_size": 1,
    }
    await gen3_site.ok([{**meta, "experiments": [{"id": e1.upper()}]}])
    await gen3_site.ok([{**meta, "experiments": {"submitter_id": "e2"}}])
    assert await gen3_site.value("select count(*) from links where name = 'experiments'") == 2
    await gen3_site.ok([{**meta, "experiments": [{"id": e1}, {"submitter_id": "E1"}, {"submitter_id": "e2"}]}])
    assert await gen3_site.value("select count(*) from links where name = 'experiments'") == 2
    nothing = await gen3_site.submit([{**meta, "experiments": None}])
    assert "missing a required link" in errors(nothing)[0][1]
    await gen3_site.ok([EXPERIMENT, case("c1")])
    other = await gen3_site.submit([case("c1", experiments={"submitter_id": "e2"})])
    assert errors(other) == [("INVALID_LINK", "'experiments' link has to be many_to_one")]


async def test_optional_link_goes_with_null(gen3_site):
    await gen3_site.ok([EXPERIMENT, case("c1")])
    diagnosis = {
        "type": "diagnosis",
        "submitter_id": "d1",
        "cases": {"submitter_id": "c1"},
        "age_at_diagnosis": 47,
        "days_to_last_follow_up": -1,
        "vital_status": "dead",
        "primary_diagnosis": "c34.3",
        "morphology": "8255/3",
        "tissue_or_organ_of_origin": "c34.3",
        "site_of_resection_or_biopsy": "c34.3",
        "classification_of_tumor": "other",
        "tumor_stage": "stage iiia",
        "tumor_grade": "",
        "progression_or_recurrence": "unknown",
        "days_to_recurrence": -1,
        "days_to_last_known_disease_status": -1,
        "last_known_disease_status": "Unknown tumor status",
    }
    sample = {"type": "sample", "submitter_id": "s9", "cases": {"submitter_id": "c1"}}
    await gen3_site.ok([diagnosis, {**sample, "diagnoses": {"submitter_id": "d1"}}])
    assert await gen3_site.value("select count(*) from links where name = 'diagnoses'") == 1
    await gen3_site.ok([{**sample, "diagnoses": None}])
    assert await gen3_site.value("select count(*) from links where name = 'diagnoses'") == 0
    assert await gen3_site.value("select version from records where submitter_id = 's9'") == 2


async def test_a_target_that_may_be_pointed_at_once(gen3_site):
    await gen3_site.ok([EXPERIMENT, case("c1"), case("c2")])
    demographic = {"type": "demographic", "cases": {"submitter_id": "c1"}}
    both = await gen3_site.submit([{**demographic, "submitter_id": "d1"}, {**demographic, "submitter_id": "d2"}])
    assert errors(both, 1) == [("INVALID_LINK", "'cases' link has to be one_to_one")]
    await gen3_site.ok([{**demographic, "submitter_id": "d1"}])
    await gen3_site.ok([{**demographic, "submitter_id": "d1", "gender": "male"}])
    later = await gen3_site.submit([{**demographic, "submitter_id": "d2"}])
    assert errors(later) == [("INVALID_LINK", "'cases' link has to be one_to_one")]


async def test_exclusive_groups(gen3_site):
    await gen3_site.ok(
        [
            EXPERIMENT,
            case("c1"),
            {"type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "c1"}},
            {"type": "aliquot", "submitter_id": "a1", "samples": {"submitter_id": "s1"}},
            {"type": "read_group", "submitter_id": "r1", "aliquots": {"submitter_id": "a1"}},
        ]
    )
    result = await gen3_site.submit(
        [
            {
                "type": "submitted_copy_number",
                "submitter_id": "n",
                "file_name": "f",
                "file_size": 1,
                "md5sum": "0" * 32,
                "data_category": "Copy Number Variation",
                "data_type": "Copy Number Estimate",
                "data_format": "TXT",
                "experimental_strategy": "Genotyping Array",
                "aliquots": {"submitter_id": "a1"},
                "read_groups": {"submitter_id": "r1"},
            }
        ]
    )
    assert any("are exclusive" in message for _, message in errors(result)), errors(result)


async def test_ids(gen3_site):
    given = "0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3c"
    made = await gen3_site.ok([{**EXPERIMENT, "id": given}])
    assert made.entities[0].id == given
    renamed = await gen3_site.ok([{**EXPERIMENT, "id": given, "submitter_id": "renamed"}])
    assert renamed.entities[0].action == "update"
    assert await gen3_site.value("select submitter_id from records") == "renamed"
    taken = await gen3_site.submit([{**EXPERIMENT, "id": given[:-1] + "d", "submitter_id": "renamed"}])
    assert "already exists in the DB" in errors(taken)[0][1]
    wrong = await gen3_site.submit([{**EXPERIMENT, "id": "x"}], create_only=True)
    assert [kind for kind, _ in errors(wrong)] == ["INVALID_VALUE", "ERROR"]
    other = await gen3_site.submit(
        [{"type": "publication", "id": given, "submitter_id": "p", "projects": {"code": "J"}}]
    )
    assert [kind for kind, _ in errors(other)] == ["NOT_UNIQUE"]


async def test_system_properties_are_ignored_with_a_warning(gen3_site):
    result = await gen3_site.ok([{**EXPERIMENT, "state": "live", "project_id": "P-J"}])
    assert [w.message for w in result.entities[0].warnings] == [
        "Property 'state' (live) is a system property and will be ignored."
    ]
    assert await gen3_site.value("select state from records") == "validated"


async def test_dry_run_writes_a_log_and_nothing_else(gen3_site):
    good = await gen3_site.submit([EXPERIMENT], dry_run=True)
    assert (good.code, good.success, good.created_entity_count) == (200, True, 1)
    assert good.entities[0].action == "create"
    bad = await gen3_site.submit([case("c")], dry_run=True, create_only=True)
    assert (bad.code, bad.success) == (200, False)
    assert await gen3_site.value("select count(*) from records") == 0
    logs = await gen3_site.rows("select role, state, is_dry_run from transactions order by id")
    assert [tuple(r.values()) for r in logs] == [("update", "SUCCEEDED", True), ("create", "FAILED", True)]


async def test_transaction_log_and_versions_carry_the_transaction(gen3_site):
    text = '[{"type": "experiment"}]'
    result = await gen3_site.ok([EXPERIMENT], name="mine.json", source_text=text)
    row = (
        await gen3_site.rows(
            "select t.*, d.name, d.doc_format, d.doc, d.response from transactions t "
            "join transaction_documents d on d.transaction = t.id"
        )
    )[0]
    assert (row["program"], row["project"], row["role"], row["state"]) == ("P", "J", "update", "SUCCEEDED")
    assert (row["name"], row["doc_format"], row["doc"]) == ("mine.json", "json", text)
    assert row["response"]["entities"][0]["id"] == result.entities[0].id
    assert row["id"] == result.transaction_id
    versions = await gen3_site.rows("select transaction, n, action, door, after from record_versions")
    assert versions[0]["transaction"] == result.transaction_id
    assert versions[0]["after"]["submitter_id"] == "e1"
    refused = await gen3_site.submit([case("c", experiments={"submitter_id": "nope"})])
    state, response = (
        await gen3_site.rows(
            "select t.state, d.response from transactions t join transaction_documents d on d.transaction = t.id "
            "where t.id = $1",
            refused.transaction_id,
        )
        and (
            await gen3_site.rows(
                "select t.state, d.response from transactions t join transaction_documents d on d.transaction = t.id "
                "where t.id = $1",
                refused.transaction_id,
            )
        )[0].values()
    )
    assert state == "FAILED"
    assert response["entities"][0]["errors"][0]["type"] == "INVALID_LINK"


async def test_refusals(gen3_site):
    with pytest.raises(NotFound, match="program X not found"):
        await gen3_site.submit([EXPERIMENT], program="X")
    with pytest.raises(NotFound, match="Project X not found"):
        await gen3_site.submit([EXPERIMENT], project="X")
    async with gen3_site.database.begin() as unit:
        await unit.run("update projects set state = 'review'")
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), 'a', 'a') returning seq"
        )
    with pytest.raises(StateConflict, match="Project is in state 'review', which prevents"):
        await gen3_site.submit([EXPERIMENT])
    nobody = Principal(kind=PrincipalKind.USER, door=Door.GEN3, user=user, email="a")
    with pytest.raises(Forbidden):
        await gen3_site.submit([EXPERIMENT], principal=nobody)
    assert await gen3_site.value("select count(*) from records") == 0
    assert await gen3_site.value("select result from audit_events order by id desc limit 1") == "refused"


async def test_stars_urls_and_text_that_cannot_be_stored(gen3_site):
    await gen3_site.ok([{"*type": "experiment", "*submitter_id": "e1", "*projects": {"code": "J"}}])
    meta = {
        "type": "experimental_metadata",
        "submitter_id": "em",
        "data_type": "Experimental Metadata",
        "file_name": "f",
        "md5sum": "0" * 32,
        "data_format": "txt",
        "data_category": "data_file",
        "file_size": 1,
        "experiments": {"submitter_id": "e1"},
        "urls": "s3://b/k",
        "object_id": "0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3c",
    }
    result = await gen3_site.ok([meta])
    assert result.entities[0].warnings == []
    assert await gen3_site.value("select urls from files") == ["s3://b/k"]
    props = await gen3_site.value("select props from records where type = 'experimental_metadata'")
    assert props["object_id"] == meta["object_id"]
    assert props["file_state"] == "registered"
    for bad in ("a\0b", "\ud800"):
        refused = await gen3_site.submit([case("c1", primary_site=bad), case(bad)])
        assert [e.errors[0].type for e in refused.entities] == ["INVALID_VALUE"] * 2


async def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(gen3_site):
    await gen3_site.ok([EXPERIMENT])
    sent = []
    for count in (10, 1_000):
        documents = [case(f"n{count}-{i}") for i in range(count)]
        with counting() as creating:
            await gen3_site.ok(documents)
        with counting() as updating:
            await gen3_site.ok([{**d, "primary_site": "x"} for d in documents])
        sent.append((creating.n, updating.n))
    assert sent[0] == sent[1]
    assert max(sent[0]) <= 10, creating.texts


async def test_two_writers_of_the_same_names_both_get_an_answer(gen3_site):
    await gen3_site.ok([EXPERIMENT])
    documents = [case(f"c{i}") for i in range(50)]
    results = await asyncio.gather(
        *(gen3_site.submit([{**d, "primary_site": f"w{w}"} for d in documents]) for w in range(3))
    )
    assert all(r.success for r in results)
    assert sorted(r.created_entity_count for r in results) == [0, 0, 50]
    assert await gen3_site.value("select count(*) from records where type = 'case'") == 50
    assert await gen3_site.value("select count(*) from record_versions where type = 'case'") == 150
    assert await gen3_site.value("select n from counters where type = 'case'") == 50
    posts = await asyncio.gather(*(gen3_site.submit([case("new")], create_only=True) for _ in range(3)))
    assert sorted(r.code for r in posts) == [201, 400, 400]


def test_cells(generic_node):
    sample, aliquot = generic_node("sample"), generic_node("aliquot")
    assert cast_cells(
        sample,
        {
            " *type ": "sample",
            "submitter_id": " s ",
            "cases.submitter_id": "c1",
            "is_ffpe": "TRUE",
            "sample_volume": "1e3",
            "time_between_clamping_and_freezing": "",
            "foo": "x",
            "diagnoses.id": "",
        },
    ) == {
        "type": "sample",
        "submitter_id": "s",
        "cases": {"submitter_id": "c1"},
        "is_ffpe": True,
        "sample_volume": 1000,
        "time_between_clamping_and_freezing": None,
        "foo": "x",
    }
    assert cast_cells(sample, {"sample_volume": "abc", "is_ffpe": "maybe"}) == {
        "sample_volume": "abc",
        "is_ffpe": "maybe",
    }
    assert cast_cells(generic_node("case"), {"consent_codes": "a, b", "primary_site": "null"}) == {
        "consent_codes": ["a", "b"],
        "primary_site": None,
    }
    assert cast_cells(aliquot, {"samples.id": "i1,i2", "samples.submitter_id": "a, b"})["samples"] == [
        {"id": "i1", "submitter_id": "a"},
        {"id": "i2", "submitter_id": "b"},
    ]
    assert cast_cells(aliquot, {"samples.submitter_id": "a#b"}, separator="#")["samples"] == [
        {"submitter_id": "a"},
        {"submitter_id": "b"},
    ]
    assert cast_cells(aliquot, {"samples.submitter_id#1": "a", "samples.submitter_id#2": "b"})["samples"] == [
        {"submitter_id": "a"},
        {"submitter_id": "b"},
    ]
    with pytest.raises(Malformed, match="Unable to parse document"):
        cast_cells(sample, {"unknown_link.submitter_id": "x"})


async def test_unknown_keys_are_refused_where_the_schema_forgets_to(site, generic):
    generic = {**generic, "experiment": {k: v for k, v in generic["experiment"].items() if k != "additionalProperties"}}
    await site.dictionaries.start(generic, "generic")
    await site.project()
    result = await site.submit([{**EXPERIMENT, "zzz": 1}])
    assert errors(result) == [("ERROR", "Additional properties are not allowed ('zzz' was unexpected)")]
    await site.project("OPEN", mode="open")
    operator = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)
    await site.ok([{"type": "experiment", "submitter_id": "e", "zzz": 1}], project="OPEN", principal=operator)
    assert await site.value("select extra from records") == {"zzz": 1}


async def test_no_link_leads_to_what_was_deleted_in_between(gen3_site):
    for turn in range(4):
        made = await gen3_site.ok([{**EXPERIMENT, "submitter_id": f"t{turn}"}])
        target = {"submitter_id": f"t{turn}"}
        results = await asyncio.gather(
            *(gen3_site.submit([case(f"c{turn}-{n}", experiments=target)]) for n in range(3)),
            gen3_site.deletion.delete_entities(OPERATOR, "P", "J", [made.entities[0].id]),
        )
        # Either the deletion came first, and the cases find no target, or a case did, and it is needed.
        assert results[3].success != any(result.success for result in results[:3])
    assert (
        await gen3_site.value(
            "select count(*) from links l where dst_type <> 'project' and not exists "
            "(select from records r where r.seq = l.dst)"
        )
        == 0
    )


async def test_large_requests_are_read_in_a_thread_with_the_same_answer(gen3_site, monkeypatch):
    monkeypatch.setattr("commensal.services.submission.LARGE", 3)
    monkeypatch.setattr("commensal.services.record_pipeline.TURN", 2)
    result = await gen3_site.ok([EXPERIMENT, *(case(f"c{n}") for n in range(20))])
    assert result.created_entity_count == 21
    ids = await gen3_site.rows("select uuid::text as id, submitter_id from records order by seq")
    assert [row["id"] for row in ids] == [entity.id for entity in result.entities]
    # Ids ascend in the order in which the documents were sent.
    assert sorted(row["id"] for row in ids) == [row["id"] for row in ids]
    wrong = await gen3_site.submit([case(f"c{n}", zzz=1) for n in range(6)])
    assert wrong.entity_error_count == 6
