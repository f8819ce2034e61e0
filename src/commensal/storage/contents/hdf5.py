"""The groups and datasets of an HDF5 file, from its headers only: no value of a dataset is ever read."""

from __future__ import annotations

from typing import Any

import h5py
from h5py import h5d, h5g, h5l, h5o, h5s  # pyright: ignore[reportAttributeAccessIssue] - compiled, without types

from commensal.storage.contents.block_reader import BlockReader
from commensal.storage.contents.limits import Unparsable
from commensal.storage.contents.tree import Node, Tree, clean

__all__ = ["add_hdf5", "looks_like_hdf5"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HARD = h5l.TYPE_HARD


def looks_like_hdf5(start: bytes) -> bool:
    """Whether the first bytes of a file hold the signature at 0 or, after a user block, at 512, 1024, 2048 …"""
    if start.startswith(_SIGNATURE):
        return True
    at = 512
    while at < len(start):
        if start.startswith(_SIGNATURE, at):
            return True
        at *= 2
    return False


def add_hdf5(tree: Tree, node: Node, level: int, file: BlockReader) -> None:
    """Add the objects of ``file`` below ``node``, which stands on ``level``.

    Order of names. Soft and external links (and links of other classes) are left out: they name places, often in
    other files, and are not followed. A hard link to a group that is open on the way here is listed without
    children, so a loop ends. Raises Unparsable for what HDF5 cannot read.
    """
    try:
        with h5py.File(file, "r") as opened:
            root = h5g.open(opened.id, b"/")
            _add_group(tree, node, level, root, {h5o.get_info(root).addr})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, OverflowError, MemoryError) as error:
        raise Unparsable(f"HDF5: {type(error).__name__}: {error}") from error


def _hard_links(tree: Tree, group: Any) -> list[tuple[bytes, int]]:
    """Names and addresses of the objects in a group; no more than the tree has room for."""
    links: list[tuple[bytes, int]] = []
    room = max(0, tree.limits.nodes - tree.nodes)

    def see(name: bytes, info: Any) -> bool | None:
        if info.type != _HARD:
            return None
        if len(links) >= room:
            tree.truncated = True
            return True
        links.append((name, info.u))
        return None

    group.links.iterate(see, info=True)
    return links


def _add_group(tree: Tree, parent: Node, level: int, group: Any, above: set[int]) -> None:
    for name, address in _hard_links(tree, group):
        if name in (b"", b".") or b"/" in name:
            raise Unparsable("HDF5: a link whose name is a path")  # h5py would walk it, over links of any kind
        if tree.full:
            tree.truncated = True
            return
        thing = h5o.open(group, name)
        if isinstance(thing, h5d.DatasetID):
            node = tree.add(parent, level + 1, clean(name), "dataset")
            if node is not None:
                node["shape"] = _shape(thing)
                node["dtype"] = _dtype(thing)
        elif isinstance(thing, h5g.GroupID):
            node = tree.add(parent, level + 1, clean(name), "group")
            if node is not None and address not in above:
                above.add(address)
                _add_group(tree, node, level + 1, thing, above)
                above.discard(address)
        # A committed data type has no word in the documented list of entries.


def _shape(dataset: Any) -> list[int]:
    if dataset.get_space().get_simple_extent_type() == h5s.NULL:
        return [0]  # an empty dataset has a type and no element
    return [int(extent) for extent in dataset.shape]


def _dtype(dataset: Any) -> str:
    try:
        return dataset.dtype.name
    except (TypeError, ValueError):
        return "opaque"  # numpy has no such type
