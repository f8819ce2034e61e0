"""Files through our own Gen3 client: whole and in parts, resumed where it was cut, checked before it counts."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from commensal import errors
from commensal.client import _files
from commensal.client.gen3 import Gen3, Progress
from tests.client.wire_server import WireServer, status

DATA = os.urandom(400_000)
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def place(real: Gen3) -> str:
    real.create_program("FILES")
    code = "F" + uuid.uuid4().hex[:8]
    real.create_project("FILES", code)
    return f"/programs/FILES/projects/{code}"


@pytest.mark.parametrize("parts", [False, True])
def test_there_and_back(
    real: Gen3, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, parts: bool
) -> None:
    if parts:
        monkeypatch.setattr(_files, "PIECE", 64 * 1024)
    source = tmp_path / "counts ü.bin"
    source.write_bytes(DATA)
    told: list[Progress] = []
    guid = real.upload_file(source, authz=place, progress=told.append)
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert (told[-1].done, told[-1].total, len(told) > 1) == (len(DATA), len(DATA), parts)
    record = real.file_record(guid)
    assert (record["file_name"], record["size"], record["hashes"]["md5"]) == (source.name, len(DATA), MD5)
    assert record["authz"] == [place]
    told.clear()
    (tmp_path / "down").mkdir()
    saved = real.download_file(guid, tmp_path / "down", progress=told.append)
    assert (saved.name, saved.read_bytes(), told[-1].done) == (source.name, DATA, len(DATA))
    assert os.listdir(tmp_path / "down") == [source.name]
    assert real.presigned_url(guid, expires_in=60).startswith(real.base_url)
    real.delete_file(guid)
    for call in (real.file_record, real.presigned_url, real.delete_file, real.download_file):
        with pytest.raises(errors.NotFound):
            call(guid)


def test_empty_files_records_that_exist_and_home(real: Gen3, tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.write_bytes(b"")
    full.write_bytes(b"full")
    guid = real.upload_file(empty, file_name="named.txt")
    assert real.file_record(guid)["size"] == 0
    assert real.download_file(guid, tmp_path / "x").read_bytes() == b""
    assert real.upload_file(full, guid=guid) == guid
    assert real.download_file(guid, tmp_path / "x").read_bytes() == b"full"
    with pytest.raises(errors.SetupError, match="cannot be read"):
        real.upload_file(tmp_path / "absent")
    with pytest.raises(errors.BadRequest):
        real.upload_file(full, authz="no path")
    with pytest.raises(errors.Malformed):
        real.file_record("")


class Wire:
    """A file on the misbehaving server, at /blob."""

    def __init__(self, wire: WireServer, *, md5: str = MD5) -> None:
        self.wire = wire
        self.ranges: list[str | None] = []
        record = {"did": "G", "file_name": "f.bin", "size": len(DATA), "hashes": {"md5": md5}}
        wire.next("/index/index/G", status(200, record))
        wire.next("/user/data/download/G", status(200, {"url": f"{wire.url}/blob"}), times=9)

    def blob(self, *, upto: int | None = None, tag: str = '"1"', times: int = 1) -> None:
        def answer(handler: Any) -> bool:
            assert "authorization" not in {name.lower() for name in handler.headers}
            wanted = handler.headers.get("range")
            self.ranges.append(wanted)
            start = 0
            if wanted and handler.headers.get("if-range") == tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(DATA):
                handler.send(416, b"")
                return True
            handler.send_response(206 if start else 200)
            handler.send_header("ETag", tag)
            handler.send_header("Content-Length", str(len(DATA) - start))
            handler.end_headers()
            handler.wfile.write(DATA[start:upto])
            if upto is not None:
                handler.close_connection = True
                handler.connection.close()
            return True

        self.wire.next("/blob", answer, times)


def test_a_download_goes_on_where_it_was_cut(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    file = Wire(wire)
    file.blob(upto=100_000)
    file.blob(upto=250_000)
    file.blob()
    assert gen3.download_file("G", tmp_path).read_bytes() == DATA
    assert file.ranges[0] is None
    assert [int(str(one)[6:-1]) for one in file.ranges[1:]] == [100_000, 250_000]


def test_another_call_goes_on_too_and_another_version_begins_anew(
    wire: WireServer, gen3: Gen3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_files, "_TRIES", 1)
    first = Wire(wire)
    first.blob(upto=100_000)
    with pytest.raises(errors.Unavailable):
        gen3.download_file("G", tmp_path / "f.bin")
    assert not (tmp_path / "f.bin").exists()
    second = Wire(wire)
    second.blob(tag='"2"')
    assert gen3.download_file("G", tmp_path / "f.bin").read_bytes() == DATA
    assert second.ranges == ["bytes=100000-"]
    assert sorted(os.listdir(tmp_path)) == ["f.bin"]


def test_wrong_bytes_do_not_count(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    Wire(wire, md5="0" * 32).blob()
    with pytest.raises(errors.Invalid, match="md5 of what came"):
        gen3.download_file("G", tmp_path)
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".etag")] == []


def test_what_was_sent_is_compared_with_what_arrived(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    for last in ("busy", "wrong"):
        wire.next("/user/data/upload", status(201, {"guid": "G", "url": f"{wire.url}/put"}))
        if last == "busy":
            wire.next("/put", status(503, Retry_After="0"))
        wire.next("/put", status(200))
        md5 = MD5 if last == "busy" else "0" * 32
        wire.next("/index/index/G", status(200, {"hashes": {"md5": md5}}))
        if last == "busy":
            assert gen3.upload_file(tmp_path / "f") == "G"
        else:
            with pytest.raises(errors.Invalid, match="what arrived"):
                gen3.upload_file(tmp_path / "f")
    assert [one[3] for one in wire.asked("/put")] == [DATA] * 3
    assert all("authorization" not in {name.lower() for name in one[2]} for one in wire.asked("/put"))
