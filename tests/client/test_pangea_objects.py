"""The Pangea client without a server: signatures of the document, names, the cache, the life of an object."""

import importlib
import inspect
import json
import os
import threading
from pathlib import Path

import pytest

from commensal.client import pangea
from commensal.client.pangea import (
    FileSystemCache,
    Knex,
    Organization,
    RemoteObjectError,
    RemoteObjectOverwriteError,
    Sample,
    SampleGroup,
)
from commensal.client.pangea.analysis_result import AnalysisResult, AnalysisResultField
from commensal.client.pangea.remote_object import RemoteObject
from commensal.errors import SetupError

HOST = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGEA_API_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("USE_PANGEA_CACHE", raising=False)
    monkeypatch.delenv("COMMENSAL_URL", raising=False)


def test_every_class_and_call_of_the_document(shared: Path) -> None:
    """Each ``class`` and method of the document exists here and takes what the document shows, with its defaults."""
    text = next((shared / "documents").glob("002_*.txt")).read_text()
    calls = list(document_calls(text))
    assert len(calls) > 60
    for kind, name, arguments in calls:
        found = getattr(kind, name) if name != "__init__" else kind.__init__
        if isinstance(found, property):
            assert not arguments
            continue
        mine = list(inspect.signature(found).parameters.values())[1:]
        for at, (wanted, default) in enumerate(arguments):
            if wanted.startswith("*"):
                continue
            if (kind.__name__, name, wanted) in MOVED:  # both call styles work, see test_both_call_styles
                assert wanted in {one.name for one in mine}
                continue
            assert mine[at].name == wanted, (kind.__name__, name, wanted, [one.name for one in mine])
            if default is None:
                assert mine[at].default is inspect.Parameter.empty
            elif not default.startswith("<function") and wanted != "endpoint_url":
                assert mine[at].default == eval(default), (kind.__name__, name, wanted)


#: The published client put metadata in front of ``is_library``.
MOVED = {("Organization", "sample_group", "is_library"), ("SampleGroup", "__init__", "is_library")}


def document_calls(text: str) -> list[tuple[type, str, list[tuple[str, str | None]]]]:
    lines = [line.strip() for line in text.splitlines()]
    kind: type | None = None
    found = []
    for at, line in enumerate(lines):
        if line == "class":
            module, name = lines[at + 1].rstrip("."), lines[at + 2]
            home = importlib.import_module(module.replace("pangea_api", "commensal.client.pangea"))
            kind = getattr(home, name.partition("(")[0])
            arguments = lines[at + 3] if lines[at + 3].startswith("(") else name.partition("(")[2]
            found.append((kind, "__init__", split("(" + arguments.lstrip("("))))
        elif line == "-" and kind is not None and lines[at + 1].isidentifier() and lines[at + 1] != "class":
            name, following = lines[at + 1], lines[at + 2]
            if following.startswith("="):
                value = eval(following.removeprefix("=").removesuffix("[source]"))
                assert getattr(kind, name) == value, (kind.__name__, name)
            elif following.startswith("("):
                found.append((kind, name, split(following)))
            else:
                assert hasattr(kind, name) or name in ("username",), (kind.__name__, name)
    return found


def split(text: str) -> list[tuple[str, str | None]]:
    inside = text.removesuffix("[source]").strip().removeprefix("(").removesuffix(")")
    arguments = []
    for one in inside.split(", "):
        name, equals, default = one.partition("=")
        if name:
            arguments.append((name, default if equals else None))
    return arguments


def test_both_call_styles() -> None:
    knex = Knex(HOST)
    org = Organization(knex, "o")
    assert SampleGroup(knex, org, "g", True).is_library is True
    newer = SampleGroup(knex, org, "g", {"a": 1}, True, False)
    assert (newer.metadata, newer.is_library, newer.is_public) == ({"a": 1}, True, False)
    assert org.sample_group("g", True).is_library
    assert org.sample_group("g", {"a": 1}).metadata == {"a": 1}
    assert SampleGroup(knex, org, "g", is_library=True).is_library


def test_no_server_is_contacted_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="COMMENSAL_URL"):
        Knex()
    with pytest.raises(SetupError, match="no address"):
        Knex("commons.example.org")
    monkeypatch.setenv("COMMENSAL_URL", "http://127.0.0.1:7/")
    assert Knex().endpoint_url == "http://127.0.0.1:7/api"


def test_defaults_are_not_shared() -> None:
    knex = Knex(HOST)
    group = SampleGroup(knex, Organization(knex, "o"), "g", is_library=True)
    one, two = group.sample("one"), group.sample("two")
    one.metadata["a"] = 1
    assert two.metadata == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("samples/x/", "samples/x"),
        ("/samples/x", "samples/x"),
        (f"{HOST}/api/samples/x?page=2", "samples/x?page=2"),
    ],
)
def test_addresses_are_cleaned(given: str, expected: str) -> None:
    assert Knex(HOST)._clean_url(given) == f"{HOST}/api/{expected}"
    more = Knex(HOST)._clean_url(given, {"a": "b c"})
    assert more == f"{HOST}/api/{expected}" + ("&" if "?" in expected else "?") + "a=b+c"


def blob_of(sample: Sample, **more: object) -> dict[str, object]:
    return {
        "uuid": "u",
        "created_at": "c",
        "updated_at": "d",
        "name": sample.name,
        "metadata": {},
        "library": "l",
        "description": "",
        **more,
    }


@pytest.fixture
def sample() -> Sample:
    knex = Knex(HOST)
    return SampleGroup(knex, Organization(knex, "o"), "g", is_library=True).sample("s")


def test_what_marks_an_object_as_modified(sample: Sample) -> None:
    sample.load_blob(blob_of(sample, metadata={"a": {"b": 1}}))
    sample._fetched()
    assert not sample._modified
    assert not sample._changed()
    sample.metadata["a"]["b"] = 2
    assert sample._changed()
    sample.metadata["a"]["b"] = 1
    assert not sample._changed()
    sample.note = "no remote field"
    assert not sample._modified
    sample.description = "new"
    assert sample._modified


def test_the_server_never_replaces_silently_what_was_set_here(sample: Sample) -> None:
    sample.metadata = {"a": 1}
    with pytest.raises(RemoteObjectOverwriteError, match="metadata"):
        sample.load_blob(blob_of(sample, metadata={"a": 2}))
    with pytest.raises(RemoteObjectOverwriteError):
        sample.load_blob(blob_of(sample, metadata={"b": 2}))
    sample.load_blob(blob_of(sample, metadata={"z": 0, "a": 1}))
    assert sample.metadata == {"z": 0, "a": 1}
    with pytest.raises(KeyError):
        sample.load_blob({"uuid": "u"})


def test_an_object_that_was_deleted_is_dead(sample: Sample) -> None:
    with pytest.raises(RemoteObjectError, match="create"):
        sample.save()
    sample._deleted = True
    for call in (sample.get, sample.create, sample.save, sample.idem):
        with pytest.raises(RemoteObjectError, match="deleted"):
            call()
    with pytest.raises(RemoteObjectError):
        sample.name = "other"


def test_cache_belongs_to_a_server_and_a_user(sample: Sample) -> None:
    sample.cache_blob({"a": 1})
    assert sample.get_cached_blob() == {"a": 1}
    sample.knex.add_auth_token("somebody")
    assert sample.get_cached_blob() is None
    sample.knex.username = "ada@example.org"
    sample.cache_blob({"a": 2})
    other = Knex("http://127.0.0.1:2")
    other.username = "ada@example.org"
    assert Sample(other, sample.lib, "s").get_cached_blob() is None
    assert sample.get_cached_blob() == {"a": 2}
    sample.clear_blob()
    assert sample.get_cached_blob() is None


def test_cache_ends_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FileSystemCache(timeout=100)
    cache.cache_blob("key", [1])
    path, exists = cache.get_cached_blob_filepath("key")
    assert exists
    at = os.stat(path).st_mtime
    monkeypatch.setattr("time.time", lambda: at + 99.99)
    assert cache.get_cached_blob("key") == [1]
    monkeypatch.setattr("time.time", lambda: at + 100)
    assert cache.get_cached_blob("key") is None
    assert not Path(path).exists()


def test_cache_can_be_switched_off_and_its_folder_be_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FileSystemCache()
    monkeypatch.setenv("USE_PANGEA_CACHE", "False")
    cache.cache_blob("key", 1)
    assert not any(tmp_path.iterdir())
    monkeypatch.delenv("USE_PANGEA_CACHE")
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("PANGEA_API_CACHE_DIR", str(tmp_path / "file"))
    cache.cache_blob("key", 1)
    assert cache.get_cached_blob("key") is None


def test_cache_shows_whole_values_only() -> None:
    cache, big = FileSystemCache(), ["x" * 1000] * 200
    wrong: list[object] = []

    def write() -> None:
        for _ in range(50):
            cache.cache_blob("key", big)

    def read() -> None:
        for _ in range(200):
            found = cache.get_cached_blob("key")
            if found not in (None, big):
                wrong.append(found)

    threads = [threading.Thread(target=call) for call in (write, write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.get_cached_blob("key") == big


def test_names_of_files() -> None:
    knex = Knex(HOST)
    library = SampleGroup(knex, Organization(knex, "o"), "g", is_library=True)
    field = library.sample("s.1").analysis_result("raw::reads").field("read_1")
    assert field.get_blob_filename() == "s.1/s-1.raw__reads.read_1.json"
    field.stored_data = {"__type__": "s3", "uri": "s3://b/k/x.fastq.gz"}
    assert field.get_referenced_filename() == "s.1/s-1.raw__reads.read_1.fastq.gz"
    field.stored_data = {"__type__": "http", "url": "https://example.org/a/table.csv?signature=x.y"}
    assert field.get_referenced_filename() == "s.1/s-1.raw__reads.read_1.csv"
    field.stored_data = {"value": 7}
    for call in (field.get_referenced_filename, field.get_download_url, field.download_file):
        with pytest.raises(TypeError):
            call()


def test_addresses_of_files() -> None:
    knex = Knex(HOST)
    field = SampleGroup(knex, Organization(knex, "o"), "g").analysis_result("m").field("f")
    for stored, expected in [
        ({"__type__": "S3", "presigned_url": "http://h/x?sig", "uri": "s3://b/k"}, "http://h/x?sig"),
        ({"__type__": "s3", "endpoint_url": "http://h/", "uri": "s3://b/k/x"}, "http://h/b/k/x"),
        ({"__type__": "sra", "url": "https://sra.example.org/x"}, "https://sra.example.org/x"),
        ({"__type__": "ftp", "url": "ftp://example.org/x"}, "ftp://example.org/x"),
        ({"__type__": "https", "uri": "https://example.org/x"}, "https://example.org/x"),
    ]:
        field.stored_data = stored
        assert field.get_download_url() == expected


def test_data_that_would_come_back_changed_is_refused() -> None:
    knex = Knex(HOST)
    field = SampleGroup(knex, Organization(knex, "o"), "g").analysis_result("m").field("f", {1: "x"})
    with pytest.raises(RemoteObjectError, match="changed"):
        field._checked()
    field.stored_data = {"a": (1, 2)}
    with pytest.raises(RemoteObjectError):
        field._checked()
    field.stored_data = {"a": [1, None, "x"]}
    assert json.dumps(field._checked())


def test_all_objects_are_remote_objects() -> None:
    for kind in (Organization, SampleGroup, Sample, AnalysisResult, AnalysisResultField, pangea.Tag, pangea.Pipeline):
        assert issubclass(kind, RemoteObject)
