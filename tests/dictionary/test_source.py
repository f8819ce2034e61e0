"""Reading dictionaries from folders, JSON files, modules and distributions; their code never runs."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from commensal.core.dictionary import resolve
from commensal.errors import SetupError
from commensal.storage.dictionary_source import parse_yaml, read_roles, read_source


@pytest.fixture
def folder(tmp_path):
    base = tmp_path / "schemas"
    base.mkdir()
    (base / "case.yaml").write_text("id: case\ncategory: clinical\nproperties: {}\n")
    (base / "_settings.yaml").write_text("enable_case_cache: false\n")
    (base / "README.md").write_text("no yaml")
    (base / "projects").mkdir()
    (base / "projects" / "one.yaml").write_text("id: case\n")
    return base


def test_a_folder_and_the_folder_above_it(folder):
    expected = {"case.yaml", "_settings.yaml"}
    assert set(read_source(str(folder))) == expected
    assert set(read_source(str(folder.parent))) == expected


@pytest.mark.parametrize("name", ["d.json", "d.json.gz"])
def test_json_files(tmp_path, name):
    content = {"case": {"id": "case", "properties": {}}, "_definitions": {}}
    data = json.dumps(content).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read_source(str(tmp_path / name)) == content


@pytest.mark.parametrize("name", ["gen3dictionary", "gdcdictionary"])
def test_a_module_is_read_without_running_it(package, monkeypatch, name):
    monkeypatch.syspath_prepend(str(package(name)))
    assert "case.yaml" in read_source("gdcdictionary")
    assert not any(module.split(".")[0] in ("gdcdictionary", "dictionaryutils") for module in sys.modules)


@pytest.mark.parametrize("name", ["gen3dictionary", "gdcdictionary"])
def test_a_distribution_is_read_without_running_it(package, monkeypatch, name):
    monkeypatch.syspath_prepend(str(package(name)))
    files = read_source(name)
    assert {"case.yaml", "_definitions.yaml", "_terms.yaml"} <= set(files)
    assert "case" in resolve(files)
    assert "gdcdictionary" not in sys.modules


def test_a_module_whose_code_would_fail_is_read(tmp_path, monkeypatch):
    inner = tmp_path / "hostile_dictionary" / "models" / "schemas"
    inner.mkdir(parents=True)
    (tmp_path / "hostile_dictionary" / "__init__.py").write_text("raise SystemExit('ran')\n")
    (inner / "case.yaml").write_text("id: case\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_source("hostile_dictionary.models") == {"case.yaml": {"id": "case"}}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no_such_dictionary_anywhere", "no installed Python module or distribution"),
        ("./no/such/folder", "no file or folder"),
        ("", "no file or folder"),
        ("not a name!", "No dictionary"),
    ],
)
def test_what_is_not_there(spec, words):
    with pytest.raises(SetupError, match=words):
        read_source(spec)


def test_an_empty_folder_and_other_files(tmp_path):
    with pytest.raises(SetupError, match="contains no dictionary"):
        read_source(str(tmp_path))
    (tmp_path / "case.txt").write_text("x")
    with pytest.raises(SetupError, match=r"one \.json or \.json\.gz file"):
        read_source(str(tmp_path / "case.txt"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1,\n "b": }', "line 2: no valid JSON"),
        (b"[]", "is no dictionary"),
        (b'{"a": 1}', "is no dictionary"),
        (b'{"a": {"x": NaN}}', "NaN is no JSON value"),
        (b'{"a": "\xff"}', "cannot be read"),
    ],
)
def test_bad_json(tmp_path, content, words):
    (tmp_path / "d.json").write_bytes(content)
    with pytest.raises(SetupError, match=words):
        read_source(str(tmp_path / "d.json"))


def test_a_damaged_gzip_file(tmp_path):
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(b'{"a": {}}')[:-9])
    with pytest.raises(SetupError, match="cannot be read"):
        read_source(str(tmp_path / "d.json.gz"))


def test_every_bad_file_is_named_with_its_line(folder):
    (folder / "one.yaml").write_text("id: one\nproperties: [\n")
    (folder / "two.yaml").write_text("id: two\n\tx: 1\n")
    (folder / "three.yaml").write_text("id: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(SetupError) as caught:
        read_source(str(folder))
    for part in ("one.yaml line 3", "two.yaml line 2", "three.yaml line 1"):
        assert part in caught.value.message


def test_yaml_becomes_plain_json():
    value = parse_yaml(b"on: {1: 2020-01-02, null: [1.5, ~, 'x']}\nwhen: 2020-01-02T03:04:05Z\n", "x.yaml")
    assert value == {"true": {"1": "2020-01-02", "null": [1.5, None, "x"]}, "when": "2020-01-02T03:04:05+00:00"}
    json.dumps(value, allow_nan=False)
    for bad in (b"a: .nan", b"a: .inf", b"a: !!binary aGk=", b"a: !!set {x}", b"? [1, 2]\n: x"):
        with pytest.raises(SetupError, match=r"x\.yaml"):
            parse_yaml(bad, "x.yaml")
    with pytest.raises(SetupError, match="contains itself"):
        parse_yaml(b"a: &x [*x]", "x.yaml")


def test_roles_file(tmp_path):
    path = tmp_path / "roles.yaml"
    path.write_text("sample: {read: [sample, aliquot], write: sample}\n")
    assert read_roles(str(path)) == {"sample": {"read": ["sample", "aliquot"], "write": "sample"}}
    path.write_text("- sample\n")
    with pytest.raises(SetupError, match="must map roles to types"):
        read_roles(str(path))
    with pytest.raises(SetupError, match="cannot be read"):
        read_roles(str(tmp_path / "none.yaml"))


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SetupError, match="aliases"):
        parse_yaml("\n".join(lines).encode(), "bomb.yaml")


def test_nesting_without_end_is_refused(tmp_path):
    (tmp_path / "deep.json").write_text('{"case": ' + '{"a":' * 50_000 + "1" + "}" * 50_001)
    with pytest.raises(SetupError, match="nested too deeply"):
        read_source(str(tmp_path / "deep.json"))
    inner: dict = {}
    for _ in range(5_000):
        inner = {"a": inner}
    with pytest.raises(SetupError, match="nested too deeply"):
        resolve({"case.yaml": {"id": "case", "category": "x", "properties": inner}})
