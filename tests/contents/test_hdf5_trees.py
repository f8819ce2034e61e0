"""HDF5 files to trees: what is listed, and what must not be followed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import h5py
import numpy as np
import pytest

from commensal.storage.contents.limits import Limits, Unparsable
from commensal.storage.contents.pool import ContentsPool
from commensal.storage.ports.contents import UNPARSED, has_contents
from tests.contents.conftest import TORTURE, hdf5, paths, read_bytes, read_path, tree_here


def test_names_that_have_contents():
    assert all(
        has_contents(name) for name in ("a.h5", "a.H5AD", "a.zip", "a.fastq.gz", "a.h5.gz", "a.h5ad.zip", "a.tar.gz")
    )
    assert not any(has_contents(name) for name in ("a.txt", "a.hdf5", "h5", "a.h5.txt", "a.tgz", "", "a.zip.part"))


def test_the_proposed_tree_exactly():
    def fill(f: h5py.File) -> None:
        f["X"] = np.zeros((3, 2), "f4")
        f.create_group("obs")["index"] = ["a", "b", "c"]
        f.create_group("uns")
        f["scalar"] = np.int64(5)

    assert tree_here(hdf5(fill), "cells.h5ad") == {
        "name": "cells.h5ad",
        "type": "h5",
        "path": "/",
        "children": [
            {"name": "X", "type": "dataset", "path": "/X", "shape": [3, 2], "dtype": "float32"},
            {
                "name": "obs",
                "type": "group",
                "path": "/obs",
                "children": [
                    {"name": "index", "type": "dataset", "path": "/obs/index", "shape": [3], "dtype": "object"}
                ],
            },
            {"name": "scalar", "type": "dataset", "path": "/scalar", "shape": [], "dtype": "int64"},
            {"name": "uns", "type": "group", "path": "/uns", "children": []},
        ],
    }


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_children_are_in_order_of_names_in_old_and_new_layouts(libver: str):
    names = [f"n{number}" for number in random.Random(1).sample(range(1000), 60)]
    tree = tree_here(hdf5(lambda f: [f.create_group(name) for name in names], libver=libver, track_order=True), "a.h5")
    assert [child["name"] for child in tree["children"]] == sorted(names)


def test_loops_of_hard_links_end():
    def fill(f: h5py.File) -> None:
        group = f.create_group("a/b")
        group["root"] = f["/"]
        group["a"] = f["/a"]
        group["self"] = group

    assert paths(tree_here(hdf5(fill), "a.h5")) == [
        "h5 /", "group /a", "group /a/b", "group /a/b/a", "group /a/b/root", "group /a/b/self",
    ]  # fmt: skip


def test_a_group_linked_twice_side_by_side_is_listed_twice_with_children():
    def fill(f: h5py.File) -> None:
        f.create_group("one")["x"] = 1
        f["two"] = f["one"]

    assert paths(tree_here(hdf5(fill), "a.h5")) == [
        "h5 /", "group /one", "dataset /one/x", "group /two", "dataset /two/x",
    ]  # fmt: skip


def test_groups_that_double_at_each_level_stop_at_the_limit_of_nodes():
    def fill(f: h5py.File) -> None:
        group = f.create_group("g")
        for _ in range(40):
            above = f.create_group(None)
            above["l"], above["r"] = group, group
            group = above
        f["top"] = group

    tree = tree_here(hdf5(fill), "a.h5", Limits(nodes=5000))
    assert tree["truncated"] is True
    assert len(paths(tree)) == 5000


def test_soft_and_external_links_are_left_out_and_never_opened(tmp_path: Path):
    secret = tmp_path / "secret.h5"
    secret.write_bytes(hdf5(lambda f: f.create_group("hidden")))

    def fill(f: h5py.File) -> None:
        f["soft"] = h5py.SoftLink("/g")
        f["loop"] = h5py.SoftLink("/loop")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["outside"] = h5py.ExternalLink(str(secret), "/")
        f.create_group("g")["up"] = h5py.SoftLink("/")

    assert paths(tree_here(hdf5(fill), "a.h5")) == ["h5 /", "group /g"]


async def test_a_virtual_dataset_cannot_reach_other_files(pool: ContentsPool, tmp_path: Path):
    """HDF5 opens the source of an unlimited mapping only to learn the shape."""
    with h5py.File(tmp_path / "source.h5", "w") as part:
        part.create_dataset("d", data=np.arange(23), maxshape=(None,))
    path = tmp_path / "virtual.h5"
    endless = slice(None, h5py.h5s.UNLIMITED)
    with h5py.File(path, "w", libver="latest") as f:
        layout = h5py.VirtualLayout(shape=(1,), dtype="i8", maxshape=(None,))
        layout[endless] = h5py.VirtualSource(str(tmp_path / "source.h5"), "d", (1,), maxshape=(None,))[endless]
        f.create_virtual_dataset("v", layout)
    with h5py.File(path) as f:
        assert f["v"].shape == (23,)
    result = await read_path(pool, path)
    assert b"23" not in result.tree


def test_kinds_of_data_without_a_plain_number():
    def fill(f: h5py.File) -> None:
        f["bool"] = np.array([True])
        f["bytes"] = np.array([b"abc"])
        f["compound"] = np.zeros(2, [("a", "i4"), ("b", "f8")])
        f["empty"] = h5py.Empty("f4")
        f["enum"] = np.array([1], h5py.enum_dtype({"A": 1}, "i1"))
        f["ragged"] = np.array([np.array([1, 2], "i4"), np.array([3], "i4")], h5py.vlen_dtype("i4"))
        f["reference"] = np.array([f.ref], h5py.ref_dtype)
        f["big"] = np.zeros(1, ">f4")
        f["type"] = np.dtype("f4")  # a committed type is no dataset
        time = h5py.h5t.UNIX_D32LE
        h5py.h5d.create(f.id, b"time", time, h5py.h5s.create_simple((1,)))

    tree = tree_here(hdf5(fill), "a.h5")
    found = {child["name"]: (child["dtype"], child["shape"]) for child in tree["children"]}
    assert found == {
        "big": ("float32", [1]), "bool": ("bool", [1]), "bytes": ("bytes24", [1]), "compound": ("void96", [2]),
        "empty": ("float32", [0]), "enum": ("int8", [1]), "ragged": ("object", [2]), "reference": ("object", [1]),
        "time": (found["time"][0], [1]),
    }  # fmt: skip
    assert found["time"][0] in ("opaque", "int32")


def test_names_that_json_or_postgresql_cannot_hold():
    def fill(f: h5py.File) -> None:
        for name in (b"\xff\xfe", "ä/ö".encode(), b"a\x01b", b" "):
            h5py.h5g.create(f.id, name, lcpl=f._lcpl if b"/" in name else None)

    text = json.dumps(tree_here(hdf5(fill), "\ud800x\0.h5"), ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text
    assert "\ufffd\ufffd" in text
    assert json.loads(text)["name"] == "\ufffdx\ufffd.h5"


def test_names_of_64_kib_and_the_limit_of_text():
    long = "x" * 60_000

    def fill(f: h5py.File) -> None:
        group = f
        for _ in range(30):
            group = group.create_group(long)

    body = hdf5(fill, libver="latest")
    assert len(json.dumps(tree_here(body, "a.h5"))) > 20_000_000
    cut = tree_here(body, "a.h5", Limits(text=1_000_000))
    assert cut["truncated"] is True
    assert len(json.dumps(cut)) < 2_000_000


def test_depth_is_64_levels_with_the_root():
    tree = tree_here(hdf5(lambda f: f.create_group("/".join("d" * 80))), "a.h5")
    assert tree["truncated"] is True
    assert paths(tree)[-1].count("/") == 63
    whole = tree_here(hdf5(lambda f: f.create_group("/".join("d" * 63))), "a.h5")
    assert "truncated" not in whole


def test_a_file_with_a_user_block_is_hdf5():
    assert paths(tree_here(hdf5(lambda f: f.create_group("g"), userblock_size=2048), "a.h5")) == ["h5 /", "group /g"]


@pytest.mark.parametrize("body", [b"", b"\x89HDF\r\n\x1a\n", b"plain text" * 100, bytes(5000)], ids=len)
def test_what_is_no_hdf5(body: bytes):
    with pytest.raises(Unparsable):
        tree_here(body, "a.h5")


async def test_damaged_files_end_in_a_tree_or_the_documented_error(pool: ContentsPool):
    """Cut anywhere and with any bytes changed: the process may even crash, the answer stays one of two."""

    def fill(f: h5py.File) -> None:
        for number in range(10):
            f.create_group(f"g{number}")["x"] = np.arange(number)

    whole = hdf5(fill)
    dice = random.Random(7)
    failed = 0
    for round_ in range(400 if TORTURE else 24):
        body = bytearray(whole)
        if round_ % 3 == 0:
            del body[dice.randrange(len(body)) :]
        else:
            for _ in range(dice.choice((1, 4, 40))):
                body[dice.randrange(len(body))] = dice.randrange(256)
        result = await read_bytes(pool, bytes(body), "damaged.h5")
        if result.parsed:
            assert json.loads(result.tree)["type"] == "h5"
        else:
            failed += 1
            assert result.tree == UNPARSED
    assert failed > 3
