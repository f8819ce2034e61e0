"""One file to its tree: which reader a name asks for."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zipfile

import h5py

from commensal.storage.contents.archives import add_gzip, add_tar_gzip, add_zip
from commensal.storage.contents.block_reader import LOCAL_BLOCK, BlockReader, Fetch
from commensal.storage.contents.hdf5 import add_hdf5
from commensal.storage.contents.limits import Limits, Unparsable
from commensal.storage.contents.tree import Tree
from commensal.storage.contents.unpack import Unpacker

__all__ = ["parse", "parse_samples", "samples"]


def parse(fetch: Fetch, name: str, size: int, temporary: int, limits: Limits, block: int = LOCAL_BLOCK) -> Tree:
    """Return the tree of a file of ``size`` bytes; its name tells the format.

    ``temporary``: descriptor of an empty file for what has to be unpacked. ``block``: bytes
    of one read in HDF5. Raises Unparsable, NoRoom, and
    whatever fetch raises.
    """
    lower = name.lower()
    unpacker = Unpacker(temporary, limits, size)
    if lower.endswith((".h5", ".h5ad")):
        tree = Tree(name, "h5", limits)
        add_hdf5(tree, tree.root, 1, BlockReader(fetch, size, block))
        return tree
    tree = Tree(name, "folder", limits)
    if lower.endswith(".zip"):
        add_zip(tree, fetch, size, unpacker, block)
    elif lower.endswith(".tar.gz"):
        add_tar_gzip(tree, fetch, size, unpacker)
    elif lower.endswith(".gz"):
        add_gzip(tree, fetch, size, name[:-3], unpacker)
    else:
        raise Unparsable("no format that is opened")
    return tree


def samples() -> list[tuple[str, bytes]]:
    """Return a small file of every kind. Parsing them loads all that the libraries load late."""
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        hdf5.create_group("obs")["index"] = ["a", "b"]
        hdf5["X"] = [[1.0, 2.0]]
        hdf5["flag"] = True
    body = file.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("a/stored.h5", body)
        members.writestr("a/packed.h5", body, zipfile.ZIP_DEFLATED)
    return [("s.h5ad", body), ("s.zip", archive.getvalue()), ("s.h5.gz", gzip.compress(body, mtime=0))]


def parse_samples(files: list[tuple[str, bytes]], limits: Limits) -> None:
    """Parse what :func:`samples` made, in a file in memory; raises what :func:`parse` raises."""
    descriptor = os.memfd_create("contents") if hasattr(os, "memfd_create") else _temporary()
    try:
        for name, body in files:
            parse(lambda start, end, body=body: body[start:end], name, len(body), descriptor, limits)
        "ü".encode("cp437").decode("cp437")  # a codec that is a module
    finally:
        os.close(descriptor)


def _temporary() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
