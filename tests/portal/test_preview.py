"""The pure parts of previews: any bytes give a bounded answer, images are known by what they are, trees are cut."""

from __future__ import annotations

import gzip
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.folders import check_prefix
from commensal.errors import Malformed
from commensal.portal.preview import GZIP_HEAD, HEAD, picture_of, preview_of, tree_of
from commensal.portal.preview.heads import COLUMNS, ROWS

NAMES = st.sampled_from(["a", "a.csv", "a.tsv", "a.txt", "a.gz", "a.csv.gz", "a.TSV.GZ", ".gz", "a.png", "a.", "é.tab"])
PIECES = st.sampled_from(
    [b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0",
     b"RIFF\0\0\0\0WEBPVP8X", b"\x1f\x8b\x08", b"\xff\xfe", b'"', b",",
     b"\t", b"\r", b"\n", b"\x00", "é".encode(), b"\xe9", b"x" * 5_000, b"," * 3_000, gzip.compress(b"a,b\n1,2\n")]
)  # fmt: skip


@given(NAMES, st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=30), st.integers(0, 10**12), st.text())
def test_any_bytes_give_a_bounded_preview(name: str, pieces: list[bytes], beyond: int, media_type: str) -> None:
    head = b"".join(pieces)[:GZIP_HEAD]
    found = preview_of(name, media_type, head, len(head) + beyond)
    assert found.kind in ("text", "table", "image", "none")
    assert (found.kind == "none") == bool(found.why)
    assert len(found.text) <= HEAD + 1_000
    assert len(found.rows) <= ROWS + 1
    assert all(len(row) <= COLUMNS and all(len(cell) <= 301 for cell in row) for row in found.rows)
    shown = found.text + "".join(cell for row in found.rows for cell in row)
    assert not any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in shown)
    assert found.kind != "image" or (found.picture is not None and found.picture.opens)


def test_compressed_text_unpacks_no_further_than_needed() -> None:
    for body in (gzip.compress(b"x,y\n" * 10**6), b"".join(gzip.compress(b"x,y\n" * 100) for _ in range(3_000))):
        found = preview_of("t.csv.gz", "", body[:GZIP_HEAD], len(body))
        assert (found.kind, len(found.rows), found.cut) == ("table", ROWS + 1, True)
    whole = gzip.compress(b"x,y\n1,2\n") + gzip.compress(b"3,4\n")
    found = preview_of("t.csv.gz", "", whole, len(whole))
    assert (found.rows, found.cut) == ((("x", "y"), ("1", "2"), ("3", "4")), False)


def test_a_line_that_is_cut_off_is_left_out_of_a_table() -> None:
    body = b"a,b\n" + b"1,2\n" * 10 + b"3,unfin"
    assert preview_of("t.csv", "", body, 10**6).rows[-1] == ("1", "2")
    assert preview_of("t.csv", "", body, len(body)).rows[-1] == ("3", "unfin")
    quoted = preview_of("t", "text/csv; charset=utf-8", b'n,v\n"a ""b""\nc",1\n', 18)
    assert quoted.rows[1] == ('a "b"\nc', "1")
    assert preview_of("t.csv", "", b'n,v\n1,2\n"cut\noff', 10**6).rows == (("n", "v"), ("1", "2"))


def _jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width)
    return b"\xff\xd8\xff\xe0\x00\x10" + b"J" * 14 + b"\xff\xc4\x00\x04xx" + frame


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GIF89a" + struct.pack("<HH", 7, 5), ("image/gif", 7, 5)),
        (_jpeg(640, 480), ("image/jpeg", 640, 480)),
        (b"\xff\xd8\xff\xe0\x00\x10", ("image/jpeg", 0, 0)),
        (b"RIFF0000WEBPVP8X" + bytes(8) + b"\x3f\x01\x00\xc7\x00\x00", ("image/webp", 320, 200)),
        (b"RIFF0000WEBPVP8L" + bytes(5) + struct.pack("<I", 99 | 49 << 14), ("image/webp", 100, 50)),
        (b"RIFF0000WEBPVP8 " + bytes(10) + struct.pack("<HH", 33, 44), ("image/webp", 33, 44)),
        (b"\x89PNG\r\n\x1a\n", ("image/png", 0, 0)),
    ],
)
def test_images_are_known_by_their_first_bytes(head: bytes, expected: tuple[str, int, int]) -> None:
    found = picture_of(head)
    assert found is not None
    assert (found.media_type, found.width, found.height) == expected


def test_what_is_no_image_is_none() -> None:
    for head in (b"", b"<svg/>", b"RIFF0000WAVE", b"BM", b"%PDF-1.7", b" GIF89a"):
        assert picture_of(head) is None


def test_large_and_deep_trees_are_cut() -> None:
    def node(name: str, depth: int) -> dict[str, object]:
        return {"name": name, "type": "group", "path": "/", "children": [node("d", depth - 1)] if depth else []}

    wide = [
        {"name": f"{n}" * 500, "type": "dataset", "path": "/", "shape": [3, 4_000], "dtype": "float32"}
        for n in range(5_000)
    ]
    folders = [{"name": f"f{n}", "type": "folder", "path": "/", "children": wide[:100]} for n in range(150)]
    top = {"name": "x.h5", "type": "h5", "path": "/", "children": [node("deep", 60), *folders], "truncated": True}
    tree = tree_of(json.dumps(top))
    assert tree is not None
    assert tree.cut
    count, more, level = 0, 0, [tree]
    while level:
        count += len(level)
        more += sum(one.more for one in level)
        assert all(len(one.name) <= 300 for one in level)
        level = [below for one in level for below in one.children]
    assert (count, count + more >= 15_000) == (2_000, True)
    leaf = tree_of(json.dumps({**top, "children": wide}))
    assert leaf is not None
    assert (leaf.children[1].about, len(leaf.children), leaf.more) == ("float32 3 × 4,000", 200, 4_800)
    assert tree_of('{"error": "The contents could not be parsed."}') is None
    assert tree_of(None) is None


def test_folders_end_with_one_slash() -> None:
    assert [check_prefix(text) for text in ("", "/", "a", "/a/b//", "a b/")] == ["", "", "a/", "a/b/", "a b/"]
    for text in ("a\x00", "\ud800", "x" * 2_000):
        with pytest.raises(Malformed):
            check_prefix(text)
