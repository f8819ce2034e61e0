"""Records as doors other than Gen3 write and read them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.puts import LinkTo, Put
from commensal.errors import Forbidden, InvalidRows, Malformed, NotFound
from commensal.storage.postgres.database import counting
from tests.records.records_site import OPERATOR


def dataset(name="d", **more) -> Put:
    return Put(role="dataset", submitter_id=name, **more)


def sample(name="s", **more) -> Put:
    return Put(role="sample", submitter_id=name, **more)


async def test_put_with_free_metadata_merge_and_replace(site):
    project = await site.project(mode="open")
    put = site.records.put
    (first,) = await put(
        OPERATOR, project, [sample(metadata={"tissue": "liver", "age": "x", "k": [1, None], "n": None})]
    )
    assert first.created
    assert first.changed
    record = await site.records.get(OPERATOR, first.uuid)
    assert record.props == {"tissue": "liver", "age": "x"} or record.extra["age"] == "x"
    assert await site.records.metadata(record) == {"tissue": "liver", "age": "x", "k": [1, None]}
    (again,) = await put(OPERATOR, project, [sample(metadata={"tissue": "liver"})])
    assert not again.created
    assert not again.changed
    await put(OPERATOR, project, [sample("S", metadata={"tissue": None, "k": 2}, label="A label")])
    record = await site.records.get(OPERATOR, first.seq)
    assert await site.records.metadata(record) == {"age": "x", "k": 2, "label": "A label"}
    assert record.label == "A label"
    assert record.submitter_id == "S"
    await put(OPERATOR, project, [sample(metadata={"b": None}, mode="replace")])
    record = await site.records.get(OPERATOR, first.uuid)
    assert await site.records.metadata(record) == {"b": None}
    await put(OPERATOR, project, [sample(metadata="text", mode="replace")])
    assert await site.records.metadata(await site.records.get(OPERATOR, first.uuid)) == "text"
    versions = await site.records.versions(OPERATOR, project, record)
    assert [v.action for v in versions] == ["create", "update", "update", "update"]
    assert versions[0].before is None
    assert versions[1].before == versions[0].after
    assert versions[1].after["label"] == "A label"


async def test_names_are_made_and_links_follow_the_dictionary(site):
    project = await site.project(mode="open")
    made = await site.records.put(
        OPERATOR,
        project,
        [
            Put(role="dataset"),
            Put(role="subject", submitter_id="p"),
            sample(
                links=[
                    LinkTo("dataset", type="dataset", submitter_id="P2"),
                    LinkTo("subject", type="subject", submitter_id="P"),
                ]
            ),
            dataset("p2"),
            Put(type="case_container", links=[LinkTo("member", type="sample", submitter_id="s")]),
        ],
    )
    assert made[0].submitter_id == f"dataset-{made[0].seq}"
    assert made[4].type == "commensal.case_container"
    assert made[4].submitter_id == f"case_container-{made[4].seq}"
    linked = await site.records.links(OPERATOR, project, await site.records.get(OPERATOR, made[2].uuid))
    assert [(one.name, one.forward, one.submitter_id) for one in linked] == [
        ("datasets", True, "p2"),
        ("subjects", True, "p"),
        ("commensal.member", False, made[4].submitter_id),
    ]
    (other,) = await site.records.put(
        OPERATOR, project, [sample(links=[LinkTo("dataset", uuid=made[0].uuid)], relink=True)]
    )
    assert other.changed
    linked = await site.records.links(OPERATOR, project, await site.records.get(OPERATOR, made[2].uuid))
    assert [one.seq for one in linked if one.name == "datasets"] == [made[0].seq]
    (same,) = await site.records.put(
        OPERATOR, project, [sample(links=[LinkTo("dataset", uuid=made[0].uuid)], relink=True)]
    )
    assert not same.changed


@pytest.mark.parametrize("count", [1, 20])
async def test_a_name_that_would_be_made_may_be_taken(site, count):
    """Names of another site's export, say, that lie ahead of the sequence."""
    project = await site.project(mode="open")
    last = await site.value("select last_value from commensal_seq")
    ahead = [Put(type="sample", submitter_id=f"sample-{last + number}") for number in range(1, 400)]
    await site.records.put(OPERATOR, project, ahead[-200:])
    made = await site.records.put(OPERATOR, project, [Put(type="sample")] * count)
    assert [one.submitter_id for one in made] == [f"sample-{one.seq}_2" for one in made]


@pytest.mark.parametrize("count", [1, 20])
async def test_a_label_is_text_and_a_target_a_uuid(site, count):
    project = await site.project(mode="open")
    bad = [Put(type="result_field", label={"a": 1}) for _ in range(count)]
    with pytest.raises(InvalidRows, match="label of a record is text"):
        await site.records.put(OPERATOR, project, bad)
    with pytest.raises(InvalidRows, match="'nobody' is no uuid"):
        await site.records.put(OPERATOR, project, [Put(type="sample", links=[LinkTo("owner", uuid="nobody")])])


async def test_every_bad_item_is_named_and_nothing_is_written(site):
    project = await site.project(mode="open")
    with pytest.raises(InvalidRows) as caught:
        await site.records.put(
            OPERATOR,
            project,
            [
                dataset("ok"),
                Put(type="nope"),
                sample(links=[LinkTo("dataset", type="dataset", submitter_id="absent")]),
                sample("a\nb"),
                Put(role="nope"),
                dataset("x", links=[LinkTo("nope", uuid="0")]),
            ],
        )
    assert [p.row for p in caught.value.problems] == [2, 3, 4, 5, 6]
    assert await site.value("select count(*) from records") == 0
    with pytest.raises(InvalidRows):
        await site.records.put(OPERATOR, project, [dataset("a"), dataset("A")])
    with pytest.raises(InvalidRows):
        await site.records.put(OPERATOR, project, [dataset("a")], update_only=True)
    await site.records.put(OPERATOR, project, [dataset("a")])
    with pytest.raises(InvalidRows, match="already exists"):
        await site.records.put(OPERATOR, project, [dataset("a")], create_only=True)


async def test_text_that_cannot_be_stored_is_a_bad_request(site):
    project = await site.project(mode="open")
    for item in (
        sample(metadata={"a": ["x\0"]}),
        sample(label="\ud800"),
        sample("a\0"),
        sample(properties={"tissue": "\0"}),
        sample(metadata={"k": float("nan"), "n": None}),
    ):
        with pytest.raises(Malformed, match="Row 2"):
            await site.records.put(OPERATOR, project, [sample("ok"), item])
    await site.records.put(OPERATOR, project, [sample(metadata={"k": "\\u0000"})])
    assert await site.value("select extra from records") == {"k": "\\u0000"}


async def test_strict_binds_every_door_and_open_relaxes_them(gen3_site):
    strict = await gen3_site.value("select seq from projects")
    project = await gen3_site.project("OPEN", mode="open")
    case = Put(role="subject", submitter_id="c1", metadata={"primary_site": "Lung", "height": 3, "disease_type": 7})
    with pytest.raises(InvalidRows) as caught:
        await gen3_site.records.put(OPERATOR, strict, [case])
    assert {p.field for p in caught.value.problems} == {"experiments", "height", "disease_type"}
    (made,) = await gen3_site.records.put(OPERATOR, project, [case])
    record = await gen3_site.records.get(OPERATOR, made.uuid)
    assert record.type == "case"
    assert record.props == {"primary_site": "Lung"}
    assert record.extra == {"height": 3, "disease_type": 7}
    # The Gen3 door checks what is sent; what the record lacked already is a warning here.
    result = await gen3_site.submit([{"type": "case", "submitter_id": "c1", "primary_site": "Skin"}], project="OPEN")
    assert result.success
    assert [w.message for w in result.entities[0].warnings] == ["'experiments' is a required property"]
    refused = await gen3_site.submit([{"type": "case", "submitter_id": "c2"}], project="OPEN")
    assert not refused.success
    async with gen3_site.database.begin() as unit:
        row = await gen3_site.submission._store.project_by_seq(unit, project)
        problems = await gen3_site.records.strict_violations(unit, row.project)
    assert {(p.record, p.field) for p in problems} == {
        ("case c1", "experiments"),
        ("case c1", "height"),
        ("case c1", "disease_type"),
    }


async def test_importers_write_what_the_dictionary_does_not_take_as_free_metadata(gen3_site):
    await gen3_site.project("OPEN", mode="open")
    result = await gen3_site.ok(
        [
            {"type": "dataset", "submitter_id": "d", "title": 3, "*extra": {"year": 2020, "x": 1}},
            {"type": "sample", "submitter_id": "s", "is_ffpe": "perhaps", "zzz": [1]},
        ],
        project="OPEN",
        principal=OPERATOR,
    )
    assert result.entities[0].type == "dataset"
    rows = {r["type"]: r for r in await gen3_site.rows("select * from records")}
    assert rows["sample"]["extra"] == {"is_ffpe": "perhaps", "zzz": [1]}
    data = rows["commensal.dataset"]
    assert {**data["props"], **data["extra"]} == {"year": 2020, "x": 1, "title": 3}


async def test_the_metadata_text_of_the_gen3_door(site):
    await site.project()
    subject = {"type": "subject", "submitter_id": "s", "projects": {"code": "J"}}
    await site.ok([{**subject, "metadata": '{"a": {"b": 1}, "organism": "x"}'}])
    assert await site.value("select extra from records") == {"a": {"b": 1}, "organism": "x"}
    await site.ok([{**subject, "organism": "Mus musculus"}])
    assert await site.value("select extra from records") == {"a": {"b": 1}}
    wrong = await site.submit([{**subject, "metadata": "{"}])
    assert [e.type for e in wrong.entities[0].errors] == ["INVALID_VALUE"]
    await site.ok([{**subject, "metadata": None}])
    assert await site.value("select extra from records") is None


async def test_pages_search_and_counts(site):
    project = await site.project(mode="open")
    await site.records.put(
        OPERATOR, project, [*(sample(f"s{n}", label=f"50% of_{n}") for n in range(12)), dataset("d1")]
    )
    page = await site.records.page(OPERATOR, project, ["sample"], offset=5, limit=3)
    assert [r.submitter_id for r in page.rows] == ["s5", "s6", "s7"]
    assert page.total == 12
    assert (await site.records.page(OPERATOR, project)).total == 13
    assert [r.submitter_id for r in (await site.records.page(OPERATOR, project, search="S1")).rows] == [
        "s1",
        "s10",
        "s11",
    ]
    assert (await site.records.page(OPERATOR, project, search="0% OF_3")).total == 1
    assert (await site.records.page(OPERATOR, project, search="0%_3")).total == 0
    assert await site.records.counts(OPERATOR, project) == {"dataset": 1, "sample": 12}
    assert (await site.records.find(OPERATOR, project, "sample", "S3")).label == "50% of_3"
    assert await site.records.find(OPERATOR, project, "sample", "nobody") is None


async def test_small_counts_are_hidden_from_those_who_may_only_count(site):
    project = await site.project(mode="open")
    await site.records.put(OPERATOR, project, [*(sample(f"s{n}") for n in range(5)), dataset("d1")])
    async with site.database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), 'a', 'a') returning seq"
        )
    caller = Principal(kind=PrincipalKind.USER, door=Door.PORTAL, user=user, email="a")
    with pytest.raises(Forbidden):
        await site.records.counts(caller, project)
    async with site.database.begin() as unit:
        await unit.run("update projects set public_level = 1")
    assert await site.records.counts(caller, project) == {"dataset": None, "sample": 5}
    for refused in (
        site.records.page(caller, project),
        site.records.put(caller, project, [sample()]),
        site.records.find(caller, project, "sample", "s1"),
    ):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(NotFound):
        await site.records.get(OPERATOR, 5)


async def test_statements_do_not_grow_with_the_batch(site):
    project = await site.project(mode="open")
    await site.records.put(OPERATOR, project, [dataset("d0")])
    sent = []
    for n in (10, 500):
        items = [
            sample(f"{n}-{i}", metadata={"k": i}, links=[LinkTo("dataset", type="dataset", submitter_id="d0")])
            for i in range(n)
        ]
        with counting() as count:
            await site.records.put(OPERATOR, project, items)
        sent.append(count.n)
    assert sent[0] == sent[1] <= 9, count.texts


# Floats beyond 2**53 come back as the same decimal number, which JSON writes without a point.
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=4), inner, max_size=3
        )
    ),
    max_leaves=8,
)
_keys = st.sampled_from(
    [
        "tissue",
        "age",
        "label",
        "sex",
        "state",
        "id",
        "type",
        "submitter_id",
        "metadata",
        "datasets",
        "subjects",
        "description",
        "object_id",
        "created_datetime",
        "free",
        "",
        "ü",
    ]
)


async def test_what_was_written_comes_back_equal(site, torture):
    """Free metadata, rules 1 to 5: whatever the dictionary thinks of it, reading gives what was written."""
    project = await site.project(mode="open")
    samples = []

    @given(metadata=st.dictionaries(_keys, _json, max_size=5) | _json)
    @settings(max_examples=1_000 if torture else 100, deadline=None, database=None)
    def collect(metadata):
        samples.append(metadata)

    await asyncio.get_running_loop().run_in_executor(None, collect)
    put = site.records.put
    await put(
        OPERATOR,
        project,
        [Put(role="sample", submitter_id=f"n{i}", metadata=m, mode="replace") for i, m in enumerate(samples)],
    )
    page = await site.records.page(OPERATOR, project, ["sample"], limit=10_000)
    assert page.total == len(samples)
    for record, metadata in zip(page.rows, samples, strict=True):
        assert await site.records.metadata(record) == metadata
    again = await put(
        OPERATOR,
        project,
        [Put(role="sample", submitter_id=f"n{i}", metadata=m, mode="replace") for i, m in enumerate(samples)],
    )
    assert not [samples[i] for i, one in enumerate(again) if one.changed]
    samples.reverse()
    await put(
        OPERATOR,
        project,
        [Put(role="sample", submitter_id=f"n{i}", metadata=m, mode="replace") for i, m in enumerate(samples)],
    )
    page = await site.records.page(OPERATOR, project, ["sample"], limit=10_000)
    for record, metadata in zip(page.rows, samples, strict=True):
        assert await site.records.metadata(record) == metadata
        history = await site.records.versions(OPERATOR, project, record)
        assert history[-1].after.get("extra", {}) == record.extra
        assert history[-1].after["props"] == record.props
