"""Transfers of our own client over a network that breaks: nothing is lost, nothing is wrong, nothing is sent twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from commensal.client._progress import Progress
from commensal.client.pangea import FileSystemCache, Knex, Organization, _download, _upload
from commensal.client.pangea.analysis_result import AnalysisResultField
from commensal.client.pangea.errors import PangeaForbiddenError, PangeaGeneralError, TransferError
from tests.pangea.conftest import Pangea, Person
from tests.pangea.faulty_proxy import FaultyProxy, Seen
from tests.pangea.test_real_client import environment

CHUNK = 200_000
PARTS = 7


@pytest.fixture
def proxy(pangea: Pangea) -> Iterator[FaultyProxy]:
    with FaultyProxy(pangea.running.port) as made:
        yield made


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A break is over soon here; and each test remembers what it will in a folder of its own."""
    monkeypatch.setattr(_upload, "_PAUSES", (0.02,) * 4)
    monkeypatch.setattr(_download, "_FIRST_PAUSE", 0.02)
    monkeypatch.setenv("PANGEA_API_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def sample(pangea: Pangea, ann: Person) -> tuple[str, str, str]:
    """The names that lead to a sample."""
    library = pangea.library(ann)
    made = pangea.sample(ann, library)
    return library["organization_obj"]["name"], library["name"], made["name"]


@pytest.fixture
def new_field(
    pangea: Pangea, ann: Person, proxy: FaultyProxy, sample: tuple[str, str, str]
) -> Callable[..., AnalysisResultField]:
    """Makes a field through the proxy, with a connection of its own; the same name is the same field."""

    def make(name: str = "") -> AnalysisResultField:
        knex = Knex(proxy.url)
        knex.add_auth_token(ann.token)
        organization, library, name_of_sample = sample
        owner = Organization(knex, organization).sample_group(library, is_library=True).sample(name_of_sample)
        return owner.analysis_result("reads", replicate="1").idem().field(name or pangea.name("field")).idem()

    return make


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "reads.fastq.gz"
    path.write_bytes(random.Random(7).randbytes((PARTS - 1) * CHUNK + 12_345))
    return path


def send(field: AnalysisResultField, path: Path, **more: Any) -> AnalysisResultField:
    return field.upload_file(str(path), multipart_thresh=1, chunk_size=CHUNK, **more)


def fetched(pangea: Pangea, field: AnalysisResultField) -> bytes:
    """The bytes as the server has them, past the proxy."""
    path = field.refresh().stored_data["presigned_url"].partition("/commensal/")[2]
    answer = pangea.running.client.get(f"/commensal/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def is_rising(seen: list[Progress]) -> bool:
    return all(a.done <= b.done for a, b in pairwise(seen))


def test_parts_arrive_whole_whatever_breaks(pangea: Pangea, proxy: FaultyProxy, new_field, large: Path):
    faults = {1: "busy", 2: "cut", 3: "unheard", 4: "flip", 5: 0}
    proxy.begin(lambda seen: faults.get(seen.part, "") if seen.nth == 1 else "")
    proxy.pause = 0.05
    said: list[str] = []
    seen: list[Progress] = []
    field = send(new_field(), large, threads=3, logger=said.append, progress=seen.append)
    assert fetched(pangea, field) == large.read_bytes()
    assert proxy.parts() == sorted([*range(1, PARTS + 1), *(number for number in faults if faults[number] != 0)])
    assert sum("[WARN]" in line for line in said) == 4
    assert any("other bytes" in line for line in said)
    assert is_rising(seen)
    assert (seen[-1].done, seen[-1].total) == (large.stat().st_size, large.stat().st_size)
    # As many at a time as was asked for, and no more.
    assert proxy.at_once == 3


def test_an_upload_that_failed_goes_on_with_what_is_missing(pangea: Pangea, proxy: FaultyProxy, new_field, large: Path):
    proxy.begin(lambda seen: "cut" if seen.part > 4 else "")
    name = pangea.name("resumed")
    with pytest.raises(TransferError, match="Part 5 of 7"):
        send(new_field(name), large, threads=1, max_retries=1)
    assert proxy.parts() == [1, 2, 3, 4, 5, 5]
    # Another process: only the missing parts; and the answer to the end is lost.
    proxy.begin(lambda seen: "unheard" if seen.path.endswith("complete_upload_s3") else "")
    seen: list[Progress] = []
    with pytest.raises(PangeaGeneralError):
        send(new_field(name), large, progress=seen.append)
    assert proxy.parts() == [5, 6, 7]
    assert seen[0].done > 4 * CHUNK
    assert is_rising(seen)
    # A third: no part at all, and no second upload.
    proxy.begin(lambda _: "")
    field = send(new_field(name), large)
    assert proxy.parts() == []
    assert not [one for one in proxy.seen if one.path.endswith("/upload_s3")]
    assert fetched(pangea, field) == large.read_bytes()
    # What was finished is not taken up again.
    send(new_field(name), large)
    assert proxy.parts() == list(range(1, PARTS + 1))


@pytest.mark.parametrize("gone", ["addresses", "file"])
def test_an_upload_that_cannot_go_on_is_begun_anew(
    pangea: Pangea, proxy: FaultyProxy, new_field, large: Path, gone: str
):
    """Its addresses have ended meanwhile; or the file is another one by now."""
    proxy.begin(lambda seen: "cut" if seen.part > 4 else "")
    name = pangea.name("anew")
    with pytest.raises(TransferError):
        send(new_field(name), large, threads=1, max_retries=0)
    if gone == "file":
        large.write_bytes(random.Random(8).randbytes(large.stat().st_size))
    ended = {one.path for one in proxy.seen if one.part}
    stale = next(iter(ended)).rpartition("/parts/")[0]
    proxy.begin(lambda seen: "ended" if seen.path.startswith(stale) else "")
    seen: list[Progress] = []
    field = send(new_field(name), large, threads=1, progress=seen.append)
    assert fetched(pangea, field) == large.read_bytes()
    assert len([one for one in proxy.seen if one.path.endswith("/upload_s3")]) == 1
    assert sorted(one.part for one in proxy.seen if one.part and not one.path.startswith(stale)) == list(
        range(1, PARTS + 1)
    )
    assert is_rising(seen)


def test_a_small_file_is_sent_again_until_it_is_right(pangea: Pangea, proxy: FaultyProxy, new_field, tmp_path: Path):
    path = tmp_path / "small.txt"
    path.write_bytes(random.Random(9).randbytes(50_000))
    faults = {1: "busy", 2: "cut", 3: "flip"}
    proxy.begin(lambda seen: faults.get(seen.nth, "") if seen.is_bytes else "")
    field = new_field().upload_file(str(path))
    assert fetched(pangea, field) == path.read_bytes()
    assert len([one for one in proxy.seen if one.is_bytes]) == 4
    # Broken for good: an error that names the file, and nothing of it on the server.
    proxy.begin(lambda seen: "flip" if seen.is_bytes else "")
    field = new_field()
    with pytest.raises(TransferError, match=r"small\.txt"):
        field.upload_file(str(path))
    assert "presigned_url" not in field.refresh().stored_data


def download(proxy: FaultyProxy, field: AnalysisResultField, target: Path, rule: Callable[[Seen], str | int], **more):
    field.refresh()
    proxy.begin(rule)
    return field.download_file(str(target), cache=False, **more)


def test_a_download_goes_on_where_it_was_cut(proxy: FaultyProxy, new_field, large: Path, tmp_path: Path):
    field, target = send(new_field(), large), tmp_path / "got" / "reads"
    seen: list[Progress] = []

    def rule(one: Seen) -> str | int:
        return {1: 300_000, 2: "busy", 3: 300_000}.get(one.nth, "") if one.is_bytes else ""

    assert download(proxy, field, target, rule, progress=seen.append) == str(target)
    assert target.read_bytes() == large.read_bytes()
    begins = [one.headers.get("range") for one in proxy.seen if one.is_bytes]
    assert begins == [None, "bytes=300000-", "bytes=300000-", "bytes=600000-"]
    assert is_rising(seen)
    assert (seen[-1].done, seen[-1].total) == (large.stat().st_size, large.stat().st_size)
    assert list(target.parent.iterdir()) == [target]


def test_a_download_that_never_ends_leaves_nothing(proxy: FaultyProxy, new_field, large: Path, tmp_path: Path):
    field, target = send(new_field(), large), tmp_path / "got" / "reads"
    with pytest.raises(TransferError, match="broke"):
        download(proxy, field, target, lambda seen: 0 if seen.is_bytes else "")
    assert list(target.parent.iterdir()) == []


def test_an_address_that_ended_is_renewed_once(proxy: FaultyProxy, new_field, large: Path, tmp_path: Path):
    field, target = send(new_field(), large), tmp_path / "got" / "reads"

    def ended_at_first(one: Seen) -> str | int:
        return {1: 300_000, 2: "ended"}.get(one.nth, "") if one.is_bytes else ""

    download(proxy, field, target, ended_at_first)
    assert target.read_bytes() == large.read_bytes()
    assert [one.path for one in proxy.seen if not one.is_bytes] == [f"/api/sample_ar_fields/{field.uuid}"]
    target.unlink()
    with pytest.raises(PangeaForbiddenError):
        download(proxy, field, target, lambda seen: "ended" if seen.is_bytes else "")
    assert list(target.parent.iterdir()) == []


def test_bytes_that_changed_on_the_way_are_noticed(proxy: FaultyProxy, new_field, large: Path, tmp_path: Path):
    """Where the field tells the MD5, as those of files of other doors do."""
    field, target = send(new_field(), large), tmp_path / "got" / "reads"
    data = large.read_bytes()
    field.stored_data = {**field.stored_data, "md5": hashlib.md5(data).hexdigest(), "size": len(data)}
    field.save()
    download(proxy, field, target, lambda seen: "flip answer" if seen.is_bytes and seen.nth == 1 else "")
    assert target.read_bytes() == data
    target.unlink()
    with pytest.raises(TransferError, match="MD5"):
        download(proxy, field, target, lambda seen: "flip answer" if seen.is_bytes else "")
    assert list(target.parent.iterdir()) == []


CACHE = """
import json, os, sys
from commensal.client.pangea import FileSystemCache
cache, wrong, found = FileSystemCache(), 0, 0
for n in range(int(sys.argv[1])):
    cache.cache_blob("key", {"who": os.getpid(), "n": n, "text": "x" * (n * 97 % 5000), "end": n})
    blob = cache.get_cached_blob("key")
    found += blob is not None
    wrong += blob is not None and (blob["n"] != blob["end"] or len(blob["text"]) != blob["n"] * 97 % 5000)
    if n % 7 == 0:
        cache.clear_blob("key")
print(json.dumps([wrong, found]))
"""


def test_processes_share_the_cache(pangea: Pangea, tmp_path: Path, torture: bool):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CACHE, "5000" if torture else "300"],
            env=environment(pangea, tmp_path), stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in running:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        wrong, found = json.loads(out)
        assert wrong == 0
        assert found > 0
    folder = tmp_path / ".pangea_api_cache" / "v1"
    assert all(path.name.startswith("pangea_api_cache__") for path in folder.iterdir()), list(folder.iterdir())


def test_an_entry_ends_exactly_at_its_timeout():
    cache = FileSystemCache(timeout=100)
    cache.cache_blob("key", {"a": 1})
    path = Path(cache.get_cached_blob_filepath("key")[0])
    now = path.stat().st_mtime
    for age, fresh in ((98, True), (101, False)):
        cache.cache_blob("key", {"a": 1})
        os.utime(path, (now - age, now - age))
        assert (cache.get_cached_blob("key") == {"a": 1}) is fresh
        assert path.exists() is fresh


MEMORY = """
import hashlib, resource, sys
from commensal.client.pangea import Knex, Organization
url, token, org, lib, sample, name, path = sys.argv[1:]
knex = Knex(url)
knex.add_auth_token(token)
sample = Organization(knex, org).sample_group(lib, is_library=True).sample(sample)
field = sample.analysis_result("memory").idem().field(name).idem()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
field.upload_file(path)
got = field.download_file()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(path, "rb") as one, open(got, "rb") as two:
    assert hashlib.file_digest(one, "md5").digest() == hashlib.file_digest(two, "md5").digest()
print((peak - before) // 1024)
"""


def test_memory_stays_flat(pangea: Pangea, ann: Person, sample: tuple[str, str, str], tmp_path: Path, torture: bool):
    """Blocks are held, not parts, however large the file."""
    path = tmp_path / "large.bin"
    block = random.Random(1).randbytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(2_000 if torture else 300):
            file.write(block)
    words = [pangea.url, ann.token, *sample, pangea.name("memory"), str(path)]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *words],
        env=environment(pangea, tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 40, f"{done.stdout} MiB"
