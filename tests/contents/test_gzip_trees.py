"""gzip files and packed tar archives to trees."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from typing import Any

import pytest

from commensal.storage.contents.limits import Limits, Unparsable
from tests.contents.conftest import hdf5, paths, tree_here

MATRIX = hdf5(lambda f: f.create_group("matrix").create_dataset("barcodes", data=[1, 2]))


def packed(body: bytes, name: str = "") -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=file, mtime=0) as opened:
        opened.write(body)
    return file.getvalue()


def only(tree: dict[str, Any]) -> dict[str, Any]:
    assert (tree["type"], tree["path"], len(tree["children"])) == ("folder", "/", 1)
    return tree["children"][0]


def test_name_from_the_header_else_without_gz():
    assert only(tree_here(packed(b"12345", "inner.csv"), "x.gz")) == {
        "name": "inner.csv", "type": "file", "path": "/inner.csv", "size": 5,
    }  # fmt: skip
    assert only(tree_here(packed(b""), "x.fastq.gz")) == {
        "name": "x.fastq",
        "type": "file",
        "path": "/x.fastq",
        "size": 0,
    }
    assert only(tree_here(packed(b"1"), ".gz"))["name"] == "data"


def test_hdf5_inside():
    for body in (packed(MATRIX, "other.h5ad"), packed(MATRIX)):
        tree = tree_here(body, "x.h5ad.gz")
        assert only(tree)["type"] == "h5"
        assert only(tree)["size"] == len(MATRIX)
        assert paths(tree)[-1].endswith(".h5ad/matrix/barcodes")
    assert paths(tree_here(packed(MATRIX, "m.h5"), "x.gz"))[-1] == "dataset /m.h5/matrix/barcodes"


def test_names_of_the_header_are_only_names():
    body = packed(b"1", "aaaaaaaaaaaaaaaa")
    for name, shown in (
        (b"../../etc/passw", "passw"),
        (b"C:\\data\\file.tx", "file.tx"),
        (b"caf\xe9 \x01 xxxxxxx", "café \x01 xxxxxxx"),
    ):
        assert only(tree_here(body.replace(b"a" * 16, name.ljust(16, b"_")[:16]), "x.gz"))["name"].rstrip("_") == shown


def test_several_members_and_bytes_after_them():
    assert only(tree_here(packed(b"123") + packed(b"4567") + bytes(77), "x.gz"))["size"] == 7
    assert only(tree_here(packed(MATRIX[:500]) + packed(MATRIX[500:]), "x.h5.gz"))["size"] == len(MATRIX)
    assert only(tree_here(packed(b"123") + b"signature", "x.gz"))["size"] == 3


def large(length: int, trailer: int | None = None) -> bytes:
    """A gzip file above the size that is inflated: stored blocks, so it is made in no time."""
    machine = zlib.compressobj(0, zlib.DEFLATED, 31)
    body = machine.compress(bytes(length)) + machine.flush()
    return body if trailer is None else body[:-4] + struct.pack("<L", trailer)


def test_the_size_of_a_large_file_comes_from_the_trailer_unless_that_is_unsure():
    size = 6_000_000
    assert only(tree_here(large(size), "x.gz"))["size"] == size
    assert only(tree_here(large(size, 50_000_000), "x.gz"))["size"] == 50_000_000  # nobody inflates it to see
    assert "size" not in only(tree_here(large(size, 17), "x.gz"))  # shorter than packed: modulo 2^32, or of many
    assert "size" not in only(tree_here(large(size) + packed(b"tail"), "x.gz"))
    block = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    assert "size" not in only(tree_here(block * 200_000, "x.vcf.gz"))
    assert only(tree_here(block * 3, "x.vcf.gz"))["size"] == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"text" * 9, packed(b"x" * 1000)[:-9], packed(b"abc")[:-8] + bytes(8), b"\x1f\x8b\x08\xe0" + bytes(30)],
    ids=["empty", "text", "cut", "checksum", "flags"],
)
@pytest.mark.parametrize("name", ["x.gz", "x.h5.gz", "x.tar.gz"])
def test_what_is_no_gzip(body: bytes, name: str):
    with pytest.raises(Unparsable):
        tree_here(body, name)


def test_other_content_under_the_name_of_hdf5():
    with pytest.raises(Unparsable, match="no HDF5"):
        tree_here(packed(b"text" * 1000), "x.h5ad.gz")
    with pytest.raises(Unparsable):
        tree_here(packed(MATRIX[:900]), "x.h5.gz")


def test_bombs():
    limits = Limits(unpacked=10_000_000, streamed=10_000_000)
    with pytest.raises(Unparsable, match="bomb"):
        tree_here(packed(MATRIX + bytes(50_000_000)), "x.h5.gz", limits)
    with pytest.raises(Unparsable):
        tree_here(packed(bytes(50_000_000)), "x.h5.gz", limits)  # not even HDF5: nothing is unpacked
    with pytest.raises(Unparsable, match="limit"):
        tree_here(packed(tar(("zeros", bytes(50_000_000)))), "x.tar.gz", limits)
    assert "size" not in only(tree_here(packed(bytes(300_000_000)), "x.gz"))


def tar(*entries: tuple[str, bytes | str | None], layout: int = tarfile.PAX_FORMAT) -> bytes:
    """Bytes make a file, text a symbolic link, None a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=layout) as opened:
        for name, body in entries:
            info = tarfile.TarInfo(name)
            if body is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(body, str):
                info.type, info.linkname = tarfile.SYMTYPE, body
            else:
                info.size = len(body)
            opened.addfile(info, io.BytesIO(body) if isinstance(body, bytes) else None)
    return file.getvalue()


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_a_packed_tar(layout: int):
    entries = (
        ("d", None),
        ("d/m.h5", MATRIX),
        ("d/t.txt", b"123"),
        ("../up", b"1"),
        ("l", "/etc/passwd"),
        ("f.h5", b"no"),
    )
    tree = tree_here(packed(tar(*entries, layout=layout)), "x.tar.gz")
    assert paths(tree) == [
        "folder /", "folder /d", "h5 /d/m.h5", "group /d/m.h5/matrix", "dataset /d/m.h5/matrix/barcodes",
        "file /d/t.txt", "file /up", "file /l", "file /f.h5",
    ]  # fmt: skip


def test_long_and_odd_names_in_a_tar():
    tree = tree_here(packed(tar(("a" * 5000, b""), ("ü/\udcff", b"1"))), "x.tar.gz")
    assert [len(one["name"]) for one in tree["children"]] == [5000, 1]
    assert tree["children"][1]["children"][0]["name"] == "\ufffd"


def test_tars_that_are_none_or_cut():
    assert tree_here(packed(tar()), "x.tar.gz")["children"] == []
    with pytest.raises(Unparsable):
        tree_here(packed(b"no tar" * 1000), "x.tar.gz")
    with pytest.raises(Unparsable):
        tree_here(packed(tar(("a", bytes(100_000)), ("b", b""))[:50_000]), "x.tar.gz")
    with pytest.raises(Unparsable):
        tree_here(packed(tar(("a", bytes(100_000)), ("b", b"")))[:-60], "x.tar.gz")


def test_the_limit_of_nodes_stops_the_pass():
    body = packed(tar(*((f"f{number}", b"") for number in range(300))))
    tree = tree_here(body, "x.tar.gz", Limits(nodes=50))
    assert tree["truncated"] is True
    assert len(tree["children"]) == 49
