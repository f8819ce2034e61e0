"""Compiled dictionaries: types, links, roles, system types, and what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.dictionary import (
    ALWAYS_SYSTEM,
    OPEN_TYPES,
    Link,
    LinkGroup,
    Multiplicity,
    compile_dictionary,
    resolve,
    version_hash,
)
from commensal.dictionaries import base_dictionary, compile_for_site, open_dictionary
from commensal.errors import NotFound, SetupError

from .conftest import golden


def test_types_of_the_generic_dictionary(real):
    generic = real["generic"]
    assert len(generic.types) == 30
    case = generic.type("case")
    assert case.unique_keys == (("id",), ("project_id", "submitter_id"))
    assert case.links_by_name["experiments"].target == "experiment"
    assert "experiments" not in case.properties
    assert "experiments" in case.required
    assert case.backrefs["samples"].source == "sample"
    assert case.submittable
    assert case.exportable
    assert not case.is_data_file
    assert not case.has_metadata
    reads = generic.type("submitted_aligned_reads")
    assert reads.is_data_file
    assert reads.has_object_id
    assert not generic.type("root").exportable
    assert not generic.type("program").submittable
    assert (case.link_property, generic.type("project").link_property, generic.type("program").link_property) == (
        "submitter_id",
        "code",
        "name",
    )
    assert generic.type("root").link_property == "id"


def test_kinds_of_properties(real):
    sample = real["generic"].type("sample").properties
    assert sample["is_ffpe"].kind == "boolean"
    assert (sample["sample_type"].kind, sample["sample_type"].types) == ("string", ())
    assert "Slides" in (sample["sample_type"].enum or ())
    assert sample["state"].system
    assert sample["state"].default == "validated"
    assert sample["submitter_id"].types == ("string", "null")
    assert sample["submitter_id"].required
    codes = real["generic"].type("case").properties["consent_codes"]
    assert (codes.kind, codes.item_kind) == ("array", "string")
    assert real["midrc"].type("case").properties["age_at_index"].kind in ("integer", "number")


def test_nested_groups_keep_their_structure(real):
    found = [
        group for node in real["generic"].types.values() for group in node.link_groups if isinstance(group, LinkGroup)
    ]
    assert found
    nested = [group for group in found if any(isinstance(member, LinkGroup) for member in group.members)]
    assert nested, "the generic dictionary has nested groups"
    for node in real["generic"].types.values():
        flat = [link for group in node.link_groups for link in ([group] if isinstance(group, Link) else group.links())]
        assert tuple(flat) == node.links


def test_multiplicities(real):
    assert {link.multiplicity for node in real["generic"].types.values() for link in node.links} == set(Multiplicity)
    sides = {m.value: (m.many_targets, m.target_once) for m in Multiplicity}
    assert sides == {
        "many_to_one": (False, False),
        "one_to_one": (False, True),
        "one_to_many": (True, True),
        "many_to_many": (True, False),
    }


def test_every_link_is_seen_from_its_target(real, ours):
    for dictionary in (*real.values(), ours):
        for node in dictionary.types.values():
            for link in node.links:
                assert dictionary.type(link.target).backrefs[link.backref] == link


def test_roles_of_sites(real, ours):
    assert {name: role.write for name, role in ours.roles.items()} == {
        "subject": "subject",
        "sample": "sample",
        "data_file": "data_file",
        "dataset": "dataset",
        "analysis": "analysis_result",
    }
    assert not any(role.system for role in ours.roles.values())
    assert set(ours.system_types) == {f"commensal.{name}" for name in ALWAYS_SYSTEM}
    midrc = real["midrc"]
    assert midrc.role("subject").write == "case"
    assert midrc.role("sample").write == "commensal.sample"
    assert midrc.role("sample").system
    assert midrc.role("dataset").read == ("commensal.dataset",), "the site's dataset is not ours"
    assert "dataset" in midrc.types
    assert "ct_series_file" in midrc.role("data_file").read
    assert midrc.role("data_file").write == "commensal.data_file"
    assert real["tcga"].role("subject").write == "subject"
    assert "commensal.subject" not in real["generic"].system_types
    assert "commensal.sample" not in real["generic"].system_types


def test_system_types_point_at_the_types_that_play_the_part(real, ours):
    sample = real["midrc"].type("commensal.sample")
    assert {name: link.target for name, link in sample.links_by_name.items()} == {
        "subjects": "case",
        "datasets": "commensal.dataset",
    }
    assert sample.label == "sample"
    assert sample.system
    assert sample.has_metadata
    assert ours.type("commensal.genome").links_by_name["samples"].target == "sample"
    assert real["midrc"].type("commensal.genome").links_by_name["samples"].target == "commensal.sample"
    assert "samples" not in real["midrc"].type("case").backrefs, "system types are not seen from the site's types"
    assert "genomes" in real["midrc"].type("commensal.sample").backrefs


def test_system_types_are_no_part_of_what_the_door_shows(real, ours):
    for dictionary in (*real.values(), ours):
        assert not any(name in dictionary.resolved for name in (*ALWAYS_SYSTEM, *dictionary.system_types))
    assert ours.ours("dataset").name == "dataset"
    assert real["midrc"].ours("dataset").name == "commensal.dataset"
    with pytest.raises(NotFound):
        ours.type("commensal.sample")


def test_a_site_overrides_roles(shared):
    resolved = resolve(golden(shared, "generic"))
    roles = {"sample": {"read": ["sample", "aliquot"], "write": "sample"}, "subject": {"write": "commensal.subject"}}
    dictionary = compile_for_site(resolved, roles)
    assert dictionary.role("sample").read == ("sample", "aliquot")
    assert dictionary.role("subject").read == ("commensal.subject",)
    assert dictionary.role("subject").system
    assert dictionary.type("commensal.subject").links_by_name["projects"].target == "project"
    only_read = compile_for_site(resolved, {"sample": {"read": ["aliquot"]}})
    assert (only_read.role("sample").read, only_read.role("sample").write) == (("aliquot",), "aliquot")


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"pet": {"write": "sample"}}, "no role 'pet'"),
        ({"sample": {"read": ["nothing"]}}, "no such type"),
        ({"sample": {"write": "nothing"}}, "no such type"),
        ({"sample": "sample"}, "must look like"),
        ({"sample": {}}, "must look like"),
        ({"sample": {"read": []}}, "must look like"),
        ({"sample": {"reads": ["sample"]}}, "must look like"),
    ],
)
def test_wrong_roles_are_named(roles, words):
    with pytest.raises(SetupError, match=words):
        compile_for_site(None, roles)


def test_our_dictionary_is_what_the_design_says(ours):
    kept = {
        *("type", "id", "submitter_id", "project_id", "state", "created_datetime", "updated_datetime", "metadata"),
    }
    own = {name: [key for key in ours.type(name).properties if key not in kept] for name in OPEN_TYPES}
    assert own["subject"] == ["label", "organism", "sex", "age", "age_unit", "disease"]
    shown = "label description organism tissue cell_type cell_line sex age disease source_name molecule platform"
    assert own["sample"] == [*shown.split(), "treatment"]
    shown = "label description summary overall_design data_type data_source platform organism year publication"
    assert own["dataset"] == shown.split()
    assert own["analysis_result"] == ["module", "replicate", "description"]
    assert own["result_field"] == ["name", "value"]
    assert {"file_name", "file_size", "md5sum", "object_id", "file_state"} <= set(own["data_file"])
    for name in own:
        assert kept <= set(ours.type(name).properties)
        assert ours.type(name).has_metadata
    required = {(n.name, link.name) for n in ours.types.values() for link in n.links if link.required and n.ours}
    assert required == {
        ("subject", "projects"),
        ("dataset", "projects"),
        ("result_field", "analysis_results"),
        ("project", "programs"),
    }
    (group,) = ours.type("analysis_result").link_groups
    assert isinstance(group, LinkGroup)
    assert group.required
    assert group.exclusive
    assert ours.type("sample").properties["age"].kind == "number"
    assert ours.type("dataset").properties["year"].kind == "integer"
    for node in ours.all_types():
        for prop in node.properties.values():
            assert node.name in ("root", "data_release") or prop.name == "type" or prop.description, (
                node.name,
                prop.name,
            )


def broken(**changes: Any) -> dict[str, Any]:
    """Our open dictionary with one type more."""
    node: dict[str, Any] = {
        "id": "thing",
        "category": "clinical",
        "additionalProperties": False,
        "properties": {"type": {}, "samples": {}, "project_id": {"type": "string"}},
        "links": [link()],
        "uniqueKeys": [["id"]],
    }
    return {**open_dictionary(), "thing": {**node, **changes}}


def link(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "samples",
        "backref": "things",
        "label": "of",
        "target_type": "sample",
        "multiplicity": "many_to_one",
    }
    return {**body, "required": False, **changes}


def test_the_base_of_the_broken_ones_is_right():
    assert compile_for_site(broken()).type("thing").links[0].target == "sample"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"links": [link(target_type="nothing")]}, "leads to the unknown type 'nothing'"),
        ({"links": [link(backref="data_files")]}, "is also that of the link 'samples' of data_file"),
        ({"links": [link(backref="tissue")]}, "also a property or link of sample"),
        ({"links": [link(multiplicity="few_to_one")]}, "the multiplicity 'few_to_one'"),
        ({"links": [link(), link(backref="others")]}, "two links are called 'samples'"),
        ({"links": [link(name="absent")]}, "not among the properties"),
        ({"links": [link(backref="a.b")]}, "link name 'a.b' is not usable"),
        ({"links": [link(label=None)]}, "lacks label"),
        ({"links": ["samples"]}, "must be an object"),
        ({"links": {}}, "links must be a list"),
        ({"properties": None}, "has no properties"),
        ({"category": ""}, "has no category"),
        ({"properties": {"a.b": {}, "samples": {}}}, "'a.b' is not usable"),
        ({"properties": {"a": 5, "samples": {}}}, "'a' is no object"),
        ({"properties": {"a": {"type": "str"}, "samples": {}}}, "the type 'str', which does not exist"),
        ({"uniqueKeys": ["id"]}, "uniqueKeys must be lists"),
        ({"required": "type"}, "required must be a list"),
    ],
)
def test_inconsistencies_are_named(changes, words):
    with pytest.raises(SetupError, match=words):
        compile_for_site(broken(**changes))


@pytest.mark.parametrize("name", ["Root", "viewer", "transaction_log", "commensal", "a-b", "9a", "a.b"])
def test_reserved_and_unusable_type_names(name):
    content = dict(broken())
    content[name] = {**content.pop("thing"), "id": name}
    with pytest.raises(SetupError, match="name"):
        compile_for_site(content)


def test_all_problems_are_listed_at_once():
    content = broken(links=[link(multiplicity="x"), link(name="absent", target_type="nothing")], category="")
    content["other"] = {"id": "other", "category": "x", "properties": {"1": {}}}
    del content["program"]
    with pytest.raises(SetupError) as caught:
        compile_for_site(content)
    text = caught.value.message
    for part in ("no category", "'1' is not usable", "program: this type is missing"):
        assert part in text


def test_the_version_is_that_of_the_content():
    content = json.loads(json.dumps(open_dictionary()))
    shuffled = dict(reversed(content.items()))
    assert version_hash(content) == version_hash(shuffled) == compile_for_site().version_hash
    changed = copy.deepcopy(content)
    changed["sample"]["title"] = "Other"
    assert version_hash(changed) != version_hash(content)


@given(st.data())
def test_any_damage_is_refused_in_words_or_compiles(data: st.DataObject):
    """Replace one value anywhere in a type: the loader answers with a dictionary or with sentences, never a crash."""
    content = copy.deepcopy(dict(open_dictionary()))
    name = data.draw(st.sampled_from(["sample", "project", "analysis_result", "data_file"]))
    value: Any = content[name]
    while True:
        keys = sorted(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        value = inner
    value[key] = data.draw(st.sampled_from([None, 1, "", "x y", "sample", [], ["x"], {}, {"type": "nope"}, True, [[]]]))
    message = ""
    try:
        assert compile_dictionary(content, base_dictionary()).types
    except SetupError as error:
        message = error.message
    assert not message or message.startswith("The dictionary cannot be used:\n")
