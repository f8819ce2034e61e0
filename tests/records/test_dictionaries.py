"""The site's dictionary: taken up, kept, changed; and the records of real dictionaries go in whole."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.dictionaries import open_dictionary
from commensal.errors import Forbidden, InvalidRows, SetupError
from tests.records.records_site import GEN3, OPERATOR, load_dictionary, make_site

SIMULATED = [
    ("acceptance/gen3/golden/generic", "acceptance/gen3/simulated/generic"),
    ("data/gen3/midrc/golden", "data/gen3/midrc/simulated"),
    ("data/gen3/tcga/golden", "data/gen3/tcga/simulated"),
]


@pytest.mark.parametrize(("dictionary", "folder"), SIMULATED, ids=["generic", "midrc", "tcga"])
async def test_simulated_records_go_in_whole(site, shared: Path, dictionary: str, folder: str):
    await site.dictionaries.start(load_dictionary(shared / dictionary / "dictionary_all.json.gz"), dictionary)
    order = (shared / folder / "DataImportOrder.txt").read_text().split()
    project = json.loads((shared / folder / "project.json").read_text())
    project = project[0] if isinstance(project, list) else project
    await site.project(project["code"])
    total: dict[str, int] = {}
    for name in order:
        if name != "project":
            documents = json.loads((shared / folder / f"{name}.json").read_text())
            for document in documents:
                for value in document.values():
                    if isinstance(value, dict) and "code" in value:
                        value["code"] = project["code"]
            result = await site.ok(documents, project=project["code"])
            total[name] = result.created_entity_count
            assert result.created_entity_count == len(documents)
    counted = await site.rows("select type, n from counters where type <> 'commensal.file'")  # index records
    assert {row["type"]: row["n"] for row in counted} == total
    real = await site.rows("select type, count(*) as n from records group by type")
    assert {row["type"]: row["n"] for row in real} == total


async def test_first_start_loads_and_a_different_one_is_refused(site, generic, use):
    assert (await site.dictionaries.start(generic, "generic")).version == 1
    again = use()
    assert (await again.dictionaries.start(generic, "elsewhere")).version == 1
    assert (await again.dictionaries.start(None)).dictionary.types.keys() == again_types(generic)
    with pytest.raises(SetupError, match="commensal admin dictionary apply other"):
        await use().dictionaries.start(open_dictionary(), "other")


def again_types(resolved) -> set[str]:
    return {name for name in resolved if not name.startswith("_") and name != "metaschema"}


async def test_without_a_dictionary_the_open_one_is_used(site):
    assert "subject" in (await site.dictionaries.current()).dictionary.types
    assert (await site.dictionaries.start(None)).version == 1
    assert (await site.dictionaries.current()).shipped


async def test_a_newer_shipped_open_dictionary_is_applied_by_itself(site, database):
    await site.dictionaries.start(None)
    await site.project(mode="open")
    await site.ok([{"type": "subject", "submitter_id": "s", "projects": {"code": "J"}, "organism": "Homo sapiens"}])
    newer = copy.deepcopy(dict(open_dictionary()))
    newer["subject"]["properties"]["height"] = {"type": "number"}
    newer_site = make_site(database, shipped=newer)
    assert (await newer_site.dictionaries.start(None)).version == 2
    await newer_site.ok([{"type": "subject", "submitter_id": "s", "height": 1.5}])
    incompatible = copy.deepcopy(newer)
    incompatible["subject"]["properties"]["height"] = {"type": "string"}
    assert (await make_site(database, shipped=incompatible).dictionaries.start(None)).version == 2
    # The first process notices by itself, at its next write.
    await site.ok([{"type": "subject", "submitter_id": "s", "height": 2}])


async def _filled(site):
    await site.dictionaries.start(None)
    await site.project(mode="open")
    await site.ok(
        [
            {"type": "subject", "submitter_id": "s", "projects": {"code": "J"}, "organism": "Homo sapiens"},
            {"type": "dataset", "submitter_id": "d", "projects": {"code": "J"}},
            {
                "type": "sample",
                "submitter_id": "x",
                "datasets": {"submitter_id": "d"},
                "subjects": {"submitter_id": "s"},
                "tissue": "liver",
                "*extra": {"k": 1},
            },
        ],
        principal=OPERATOR,
    )


async def test_apply_refuses_while_records_break_and_names_them(site, generic):
    await _filled(site)
    before = await site.rows("select * from records order by seq")
    with pytest.raises(InvalidRows, match="--move") as caught:
        await site.dictionaries.apply(OPERATOR, generic, "generic")
    assert "subject: 1 records; the dictionary has no such type" in str(caught.value)
    assert "sample: 1 records" in str(caught.value)
    assert any(p.field == "sample" and "tissue" in p.message for p in caught.value.problems)
    assert await site.rows("select * from records order by seq") == before
    assert (await site.dictionaries.current()).version == 1


async def test_apply_with_move_keeps_everything(site, generic, use):
    await _filled(site)
    report = await site.dictionaries.apply(OPERATOR, generic, "generic", move=True)
    assert report.changed
    assert report.version == 2
    by_type = {r.type: r for r in report.types}
    assert by_type["subject"].becomes == "commensal.subject"
    assert by_type["sample"].refused == 1
    assert any("commensal.dataset" in line for line in report.lines())
    rows = {r["submitter_id"]: r for r in await site.rows("select * from records")}
    assert rows["s"]["type"] == "commensal.subject"
    assert rows["d"]["type"] == "commensal.dataset"
    assert rows["x"]["type"] == "sample"
    assert rows["x"]["extra"] == {"k": 1, "tissue": "liver"}
    assert rows["x"]["props"] == {}
    assert {(r["type"], r["n"]) for r in await site.rows("select type, n from counters")} == {
        ("subject", 0),
        ("dataset", 0),
        ("sample", 1),
        ("commensal.subject", 1),
        ("commensal.dataset", 1),
    }
    links = await site.rows("select name, src_type, dst_type from links where src_type = 'sample'")
    assert {(r["name"], r["dst_type"]) for r in links} == {
        ("commensal.datasets", "commensal.dataset"),
        ("commensal.subjects", "commensal.subject"),
    }
    assert {r["type"] for r in await site.rows("select type from tombstones")} == {"subject", "dataset"}
    last = (
        await site.rows("select action, after from record_versions where seq = $1 order by n desc", rows["x"]["seq"])
    )[0]
    assert last["action"] == "dictionary"
    assert last["after"]["extra"] == {"k": 1, "tissue": "liver"}
    # Again is no change, and back brings the types back.
    assert not (await site.dictionaries.apply(OPERATOR, generic, "generic", move=True)).changed
    await use().dictionaries.apply(OPERATOR, open_dictionary(), "open", move=True)
    assert {r["type"] for r in await site.rows("select type from records")} == {"subject", "dataset", "sample"}
    # ... and values and links that had no place meanwhile: nothing differs from what was written.
    rows = {r["submitter_id"]: r for r in await site.rows("select * from records")}
    assert rows["x"]["extra"] == {"k": 1}
    assert rows["x"]["props"]["tissue"] == "liver"
    links = await site.rows("select name from links where src_type = 'sample'")
    assert {r["name"] for r in links} == {"datasets", "subjects"}


async def test_free_metadata_becomes_properties_that_a_new_dictionary_declares(site, use):
    await _filled(site)
    wider = copy.deepcopy(open_dictionary())
    wider["sample"]["properties"]["k"] = {"type": "integer"}
    report = await site.dictionaries.apply(OPERATOR, wider, "wider")
    assert report.changed
    assert report.lines() == []
    row = (await site.rows("select * from records where submitter_id = 'x'"))[0]
    assert row["props"]["k"] == 1
    assert row["extra"] in (None, {})
    assert row["props"]["tissue"] == "liver"


async def test_apply_is_for_site_admins(site, generic, database):
    async with database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), 'a', 'a') returning seq"
        )
    with pytest.raises(Forbidden):
        await site.dictionaries.apply(
            Principal(kind=PrincipalKind.USER, door=Door.CLI, user=user, email="a"), generic, "generic"
        )


async def test_a_broken_dictionary_is_refused_before_anything_happens(site, generic):
    broken = copy.deepcopy(generic)
    broken["case"]["links"][0]["target_type"] = "nothing"
    with pytest.raises(SetupError, match="nothing"):
        await site.dictionaries.start(broken, "broken")
    assert await site.value("select count(*) from dictionaries") == 0


async def test_a_writer_with_an_older_dictionary_uses_the_new_one(gen3_site, generic, use):
    await gen3_site.ok([{"type": "experiment", "submitter_id": "e1", "projects": {"code": "J"}}])
    newer = copy.deepcopy(generic)
    newer["experiment"]["properties"]["colour"] = {"type": "string"}
    await use().dictionaries.apply(OPERATOR, newer, "newer")
    await gen3_site.ok([{"type": "experiment", "submitter_id": "e1", "colour": "red"}], principal=GEN3)
