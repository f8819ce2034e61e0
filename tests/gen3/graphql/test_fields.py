"""Fields and arguments on real rows (contracts/gen3.md 5.2, 5.3)."""

from __future__ import annotations

from tests.gen3.graphql.conftest import Site


async def test_fields_of_project_and_program(mice: Site) -> None:
    data = await mice.ask(
        '{project(code:"C"){id type project_id code name state released availability_type submitter_id '
        "created_datetime updated_datetime dbgap_accession_number programs{id name type submitter_id project_id "
        "dbgap_accession_number} _programs_count _subjects_count __typename} "
        'closed:project(code:"A"){availability_type}}'
    )
    assert data["closed"] == [{"availability_type": "Restricted"}]
    (project,) = data["project"]
    program = project.pop("programs")
    assert project == {
        "id": mice.ids["C"], "type": "project", "project_id": "pub-C", "code": "C", "name": "The C", "state": "open",
        "released": False, "availability_type": "Open", "submitter_id": None, "created_datetime": None,
        "updated_datetime": None, "dbgap_accession_number": None, "_programs_count": 1, "_subjects_count": 2,
        "__typename": "project",
    }  # fmt: skip
    assert program == [
        {
            "id": mice.ids["pub"], "type": "program", "name": "pub", "submitter_id": None, "project_id": None,
            "dbgap_accession_number": "phs1",
        }
    ]  # fmt: skip


async def test_times_and_state(mice: Site) -> None:
    data = await mice.ask('{sample(submitter_id:"A-s0"){created_datetime updated_datetime state project_id}}')
    at = "2026-01-31T12:00:00.250000+00:00"
    assert data["sample"] == [
        {"created_datetime": at, "updated_datetime": at, "state": "validated", "project_id": "lab-A"}
    ]
    count = '_sample_count(submitter_id:"A-s0", %s)'
    for condition, n in (
        ('created_after:"2026-01-31"', 1),
        ('created_before:"2026-01-31T12:00:00.25Z"', 0),
        ('created_before:"2026-01-31T13:00:00.26+01:00"', 1),
        ('updated_after:"31 Jan 2026"', 1),
        ('updated_before:"2026/01/31 11:59"', 0),
        (f'created_datetime:"{at}"', 1),
    ):
        assert (await mice.ask("{" + count % condition + "}"))["_sample_count"] == n, condition


async def test_free_metadata_is_json_text(site: Site) -> None:
    await site.program("lab")
    await site.project("lab", "A")
    await site.record("A", "sample", "s1", extra={"dose": [1, 2], "note": "caf\u00e9"})
    await site.record("A", "sample", "s2")
    data = await site.ask('{sample(order_by_asc:"submitter_id"){metadata}}')
    first, second = (row["metadata"] for row in data["sample"])
    assert second is None
    assert first == '{"dose": [1, 2], "note": "caf\u00e9"}'


async def test_aliases_fragments_directives_and_typename(mice: Site) -> None:
    data = await mice.ask(
        "query($yes: Boolean!) { one: sample(first:1){...s} two: sample(first:1){__typename ... on Node{type} "
        "... @include(if:$yes){tissue} id @skip(if:$yes)} viewer{__typename sample(first:1){...s}} } "
        "fragment s on sample { name: submitter_id ...t } fragment t on sample { type }",
        {"yes": True},
    )
    assert data["one"] == data["viewer"]["sample"] == [{"name": "A-s0", "type": "sample"}]
    assert data["two"] == [{"__typename": "sample", "type": "sample", "tissue": "liver"}]
    assert data["viewer"]["__typename"] == "viewer"


async def test_the_same_field_twice_is_merged(mice: Site) -> None:
    data = await mice.ask("{sample(first:1){subjects{submitter_id} subjects{organism}}}")
    assert data["sample"] == [{"subjects": [{"submitter_id": "A-mouse0", "organism": "rat"}]}]


async def test_paging(mice: Site) -> None:
    data = await mice.ask(
        "{ten:sample{id} all:sample(first:0){id} less:sample(first:-5){id} page:sample(first:2,offset:10){id} "
        '_sample_count(first:1,offset:5) named:sample(first:3,offset:1,order_by_desc:"submitter_id"){submitter_id}}'
    )
    assert [len(data[key]) for key in ("ten", "all", "less", "page")] == [10, 11, 11, 1]
    assert data["_sample_count"] == 11
    assert [row["submitter_id"] for row in data["named"]] == ["C-s0", "B-s5", "B-s4"]


async def test_any_node(mice: Site) -> None:
    data = await mice.ask(
        '{node(of_type:["sample"],project_id:"pub-C"){type project_id ... on sample{tissue}} '
        'clinic:node(category:"administrative",first:0){type} gone:node(of_type:["nope"],offset:3){id} '
        'child:subject(submitter_id:"C-mouse0"){_links{type id}}}'
    )
    assert data["node"] == [{"type": "sample", "project_id": "pub-C", "tissue": "liver"}] * 2
    assert {"program", "project"} <= {row["type"] for row in data["clinic"]}
    assert data["gone"] == []
    assert data["child"] == [
        {"_links": [{"type": "project", "id": mice.ids["C"]}, {"type": "sample", "id": mice.ids["C-s0"]}]}
    ]


async def test_data_nodes(mice: Site) -> None:
    await mice.record("A", "data_file", "f1", {"samples": "A-s0"}, file_name="a.txt", file_size=42, object_id="o-1")
    data = await mice.ask(
        '{datanode(object_id:"o-1"){id type file_name file_size project_id __typename} '
        'none:datanode(object_id:"o-2"){id} '
        'typed:datanode(type:"data_file",file_size:42){submitter_id} odd:datanode(of_type:["sample"]){id} '
        'sample(with_path_to:{type:"data_file",file_name:"a.txt"}){submitter_id}}'
    )
    assert data == {
        "datanode": [
            {"id": mice.ids["f1"], "type": "data_file", "file_name": "a.txt", "file_size": 42, "project_id": "lab-A",
             "__typename": "DataNode"}
        ],
        "none": [], "typed": [{"submitter_id": "f1"}], "odd": [], "sample": [{"submitter_id": "A-s0"}],
    }  # fmt: skip


async def test_node_types(site: Site) -> None:
    data = await site.ask(
        '{_node_type(category:"administrative",first:1,order_by_desc:"id"){id category title __typename} '
        'all:_node_type(first:0){id} links:_node_type(id:"sample"){links}}'
    )
    (first,) = data["_node_type"]
    assert (first["category"], first["__typename"]) == ("administrative", "NodeType")
    assert {"id": "sample"} in data["all"]
    assert '"name":"subjects"' in data["links"][0]["links"]
    assert await site.refused('{_node_type(order_by_asc:"x"){id}}') == ["Cannot order by x on NodeType"]


async def test_links_in_a_loop_of_types(mice: Site) -> None:
    data = await mice.ask(
        '{subject(submitter_id:"B-mouse1"){samples{subjects{samples{subjects{submitter_id}}}} _samples_count}}'
    )
    inner = [{"subjects": [{"submitter_id": "B-mouse1"}]}]
    assert data["subject"] == [{"samples": [{"subjects": [{"samples": inner}]}], "_samples_count": 1}]


TEXTS = ("it's", 'a"b', "back\\slash", "{brace}", "$1", "%s", "caf\u00e9 \U0001f9ec", "/*readable*/")


async def test_texts_come_back_and_are_found(site: Site) -> None:
    await site.program("lab")
    await site.project("lab", "A")
    for text in TEXTS:
        await site.record("A", "sample", text, tissue=text)
    query = "query($t: String, $l: [String]){sample(submitter_id:$l, tissue:$l, quick_search:$t){submitter_id tissue}}"
    for text in TEXTS:
        data = await site.ask(query, {"t": text, "l": [text]})
        assert data["sample"] == [{"submitter_id": text, "tissue": text}]


async def test_system_types_and_hub_links_are_not_shown(mice: Site) -> None:
    await mice.record("A", "commensal.genome", "g1", {"commensal.sample": "A-s0"})
    data = await mice.ask('{sample(submitter_id:"A-s0"){_links{type}} node(first:0){type}}')
    assert data["sample"] == [{"_links": [{"type": "subject"}]}]
    assert "commensal.genome" not in {row["type"] for row in data["node"]}
