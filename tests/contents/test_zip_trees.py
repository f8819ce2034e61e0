"""Zip archives to trees, honest ones and others."""

from __future__ import annotations

import errno
import io
import os
import random
import struct
import zipfile
from typing import Any

import pytest

from commensal.storage.contents.block_reader import BlockReader
from commensal.storage.contents.limits import Limits, NoRoom, Unparsable
from commensal.storage.contents.zip_directory import members
from tests.contents.conftest import TORTURE, hdf5, paths, tree_here

MATRIX = hdf5(lambda f: f.create_group("matrix").create_dataset("barcodes", data=[1, 2]))
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def archive(*entries: tuple[str, bytes, int], comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.comment = comment
        for name, body, method in entries:
            opened.writestr(zipfile.ZipInfo(name), body, method)
    return file.getvalue()


def child(tree: dict[str, Any], path: str) -> dict[str, Any]:
    if tree["path"] == path:
        return tree
    for one in tree.get("children", []):
        if path == one["path"] or path.startswith(one["path"] + "/"):
            return child(one, path)
    raise AssertionError(f"no {path}")


def patched(body: bytes, find: bytes, at: int, fields: str, *values: int) -> bytes:
    """Overwrite numbers ``at`` bytes after the last ``find``."""
    place = body.rindex(find) + at
    packed = struct.pack(fields, *values)
    return body[:place] + packed + body[place + len(packed) :]


@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_hdf5_inside_continues_the_path(method: int):
    tree = tree_here(archive(("readme.txt", b"hello", DEFLATED), ("data/m.h5", MATRIX, method)), "a.zip")
    assert paths(tree) == [
        "folder /", "file /readme.txt", "folder /data", "h5 /data/m.h5", "group /data/m.h5/matrix",
        "dataset /data/m.h5/matrix/barcodes",
    ]  # fmt: skip
    assert child(tree, "/readme.txt") == {"name": "readme.txt", "type": "file", "path": "/readme.txt", "size": 5}
    assert child(tree, "/data/m.h5")["size"] == len(MATRIX)


def test_one_file_in_an_h5ad_zip():
    assert paths(tree_here(archive(("x.h5ad", MATRIX, DEFLATED)), "x.h5ad.zip"))[:2] == ["folder /", "h5 /x.h5ad"]


def test_an_empty_archive_and_empty_folders():
    assert tree_here(archive(), "a.zip") == {"name": "a.zip", "type": "folder", "path": "/", "children": []}
    assert paths(tree_here(archive(("e/f/", b"", STORED)), "a.zip")) == ["folder /", "folder /e", "folder /e/f"]


def test_names_stay_below_the_root():
    names = ["../../etc/passwd", "/abs/x", "a//b/./c", "nul\\path", "..", "/", "", "ä/ü.txt", "."]
    tree = tree_here(archive(*((name, b"x", STORED) for name in names if name), comment=b"c" * 300), "a.zip")
    assert [path for path in paths(tree) if path.startswith("file")] == [
        "file /etc/passwd", "file /abs/x", "file /a/b/c", "file /nul\\path", "file /ä/ü.txt",
    ]  # fmt: skip
    assert not any(".." in path for path in paths(tree))


def test_names_with_nul_broken_utf8_and_other_code_pages():
    body = archive(("aXb.txt", b"x", STORED), ("éé.txt", b"y", STORED))
    body = body.replace(b"aXb.txt", b"a\0b.txt").replace("éé.txt".encode(), b"\xff\xfe\xc3\xa9.txt")
    names = [one["name"] for one in tree_here(body, "a.zip")["children"]]
    assert names == ["a\ufffdb.txt", "\ufffd\ufffdé.txt"]
    old = archive(("zz.txt", b"x", STORED)).replace(b"zz.txt", b"\x81\x82.txt")
    assert tree_here(old, "a.zip")["children"][0]["name"] == "üé.txt"


def test_a_name_of_65535_bytes():
    tree = tree_here(archive(("n" * 65535, b"x", STORED), ("b", b"", STORED)), "a.zip")
    assert [len(one["name"]) for one in tree["children"]] == [65535, 1]


def test_the_last_of_several_members_with_one_name_counts():
    with pytest.warns(UserWarning, match="Duplicate"):
        body = archive(
            ("a.h5", MATRIX, STORED), ("a.h5", b"no hdf5", STORED), ("b", b"1", STORED), ("b", b"22", STORED)
        )
    tree = tree_here(body, "a.zip")
    assert [(one["name"], one["type"], one["size"]) for one in tree["children"]] == [
        ("a.h5", "file", 7),
        ("b", "file", 2),
    ]


def test_a_name_that_is_file_and_folder():
    with pytest.warns(UserWarning, match="Duplicate"):
        body = archive(("x.h5", MATRIX, STORED), ("x.h5/y", b"1", STORED), ("x.h5", b"", STORED))
    tree = tree_here(body, "a.zip")
    assert paths(tree) == ["folder /", "folder /x.h5", "file /x.h5/y"]


def test_members_that_only_claim_to_be_hdf5_are_files():
    tree = tree_here(
        archive(("a.h5", b"text", STORED), ("b.h5ad", b"", DEFLATED), ("c.h5", MATRIX[:200], DEFLATED)), "a.zip"
    )
    assert paths(tree) == ["folder /", "file /a.h5", "file /b.h5ad", "file /c.h5"]


def test_encrypted_members_and_other_methods_are_listed():
    body = archive(("secret.h5", MATRIX, STORED), ("b.h5", MATRIX, zipfile.ZIP_LZMA))
    body = body.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00", 1)
    assert paths(tree_here(body, "a.zip")) == ["folder /", "file /secret.h5", "file /b.h5"]


def test_64_bit_archives(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    body = archive(("a/m.h5", MATRIX, STORED), ("b.h5", MATRIX, DEFLATED), ("c", b"1", STORED))
    assert b"PK\x06\x06" in body
    for whole in (body, b"#!program\n" * 50 + body):
        tree = tree_here(whole, "a.zip")
        assert [child(tree, path)["size"] for path in ("/a/m.h5", "/b.h5", "/c")] == [len(MATRIX), len(MATRIX), 1]
        assert child(tree, "/a/m.h5/matrix/barcodes")["type"] == "dataset"


def test_bytes_before_the_archive_move_its_members():
    tree = tree_here(b"\x7fELF" + bytes(9999) + archive(("m.h5", MATRIX, STORED)), "a.zip")
    assert paths(tree)[-1] == "dataset /m.h5/matrix/barcodes"


@pytest.mark.parametrize(
    "entry", [("m.h5", MATRIX, STORED), ("m.h5", MATRIX, DEFLATED), ("m.txt", b"x" * 99, STORED)], ids=str
)
def test_sizes_that_lie(entry: tuple[str, bytes, int]):
    body = archive(entry)
    lies = [
        patched(body, b"PK\x01\x02", 20, "<L", 2**31),  # packed: beyond the archive
        patched(body, b"PK\x01\x02", 42, "<L", 2**31),  # header: beyond the archive
        patched(body, b"PK\x05\x06", 12, "<L", 2**30),  # directory longer than the file
        patched(body, b"PK\x05\x06", 16, "<L", 2**30),  # directory behind the file
        patched(body, b"PK\x05\x06", 8, "<2H", 9, 9),  # more entries than there are
        patched(body, b"PK\x05\x06", 4, "<H", 3),  # the fourth disk
        body[:-30],
        body[: len(body) // 2],
    ]
    if entry[0] == "m.h5":
        lies += [
            patched(body, b"PK\x01\x02", 24, "<L", len(MATRIX) - 1),
            patched(body, b"PK\x01\x02", 24, "<L", len(MATRIX) + 1),
            body.replace(b"PK\x03\x04", b"PK\x03\x05"),
        ]
    if entry[2] == DEFLATED:
        lies.append(patched(body, b"PK\x01\x02", 16, "<L", 1))  # checksum
    for number, lie in enumerate(lies):
        with pytest.raises(Unparsable):
            raise AssertionError(f"lie {number}: {tree_here(lie, 'a.zip')}")


def test_a_bomb_is_refused_and_a_large_file_only_left_closed():
    bomb = MATRIX + bytes(40_000_000)
    small = Limits(unpacked=10_000_000)
    with pytest.raises(Unparsable, match="bomb"):
        tree_here(archive(("bomb.h5", bomb, DEFLATED)), "a.zip", small)
    honest = MATRIX + random.Random(3).randbytes(200_000)
    tree = tree_here(
        archive(("large.h5", honest, DEFLATED), ("ok.h5", MATRIX, DEFLATED)), "a.zip", Limits(unpacked=100_000)
    )
    assert tree["truncated"] is True
    assert paths(tree)[:3] == ["folder /", "h5 /large.h5", "h5 /ok.h5"]
    assert child(tree, "/large.h5")["children"] == []
    assert child(tree, "/ok.h5/matrix/barcodes")["shape"] == [2]


def test_many_small_bombs_are_one_bomb():
    body = archive(*((f"{number}.h5", MATRIX + bytes(3_000_000), DEFLATED) for number in range(20)))
    with pytest.raises(Unparsable, match="bomb"):
        tree_here(body, "a.zip", Limits(unpacked=20_000_000))


def test_archives_in_archives_are_not_opened():
    inner = archive(("x.h5", MATRIX, STORED))
    assert paths(tree_here(archive(("in.zip", inner, STORED)), "a.zip")) == ["folder /", "file /in.zip"]


def test_limits_of_nodes_and_depth():
    many = archive(*((f"d{number % 7}/f{number}", b"", STORED) for number in range(500)))
    tree = tree_here(many, "a.zip", Limits(nodes=100))
    assert tree["truncated"] is True
    assert len(paths(tree)) == 100
    deep = tree_here(archive(("/".join("d" * 70) + "/f", b"", STORED), ("ok", b"", STORED)), "a.zip")
    assert deep["truncated"] is True
    assert paths(deep) == ["folder /", "file /ok"]


def test_the_directory_is_what_the_standard_library_reads():
    dice = random.Random(11)
    for _ in range(200 if TORTURE else 20):
        entries = [
            (f"{dice.randrange(10**6)}/{'é' * dice.randrange(3)}{number}", dice.randbytes(dice.randrange(300)),
             dice.choice((STORED, DEFLATED)))
            for number in range(dice.randrange(40))
        ]  # fmt: skip
        body = archive(*entries, comment=dice.randbytes(dice.randrange(200)))
        ours = members(BlockReader(lambda start, end, body=body: body[start:end], len(body), 1000))
        with zipfile.ZipFile(io.BytesIO(body)) as theirs:
            assert [(m.name, m.packed, m.size, m.crc, m.offset) for m in ours] == [
                (m.filename, m.compress_size, m.file_size, m.CRC, m.header_offset) for m in theirs.infolist()
            ]


def test_a_full_disk_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(NoRoom):
        tree_here(archive(("m.h5", MATRIX, DEFLATED)), "a.zip")
