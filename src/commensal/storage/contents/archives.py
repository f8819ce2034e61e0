"""Trees of zip and gzip files, with the HDF5 files inside them."""

from __future__ import annotations

import struct
import tarfile
from typing import Any, cast

from commensal.storage.contents.block_reader import ZIP_BLOCK, BlockReader, Fetch, window
from commensal.storage.contents.folders import Folders
from commensal.storage.contents.hdf5 import add_hdf5, looks_like_hdf5
from commensal.storage.contents.limits import Unparsable
from commensal.storage.contents.tree import Node, Tree
from commensal.storage.contents.unpack import ChunkReader, TooLargeToUnpack, Unpacker, inflate_gzip, inflate_raw
from commensal.storage.contents.zip_directory import DEFLATED, STORED, Member, data_start, members

__all__ = ["add_gzip", "add_tar_gzip", "add_zip", "is_hdf5_name"]

_MIB = 1024 * 1024
#: A gzip file up to this size is inflated to learn its size for certain …
_SMALL = 4 * _MIB
#: … as long as it gives no more than this.
_SMALL_INFLATED = 256 * _MIB
#: Above this size the true length may well be the trailer's plus 4 GiB: that is a common ratio of 16.
_UNSURE = 256 * _MIB
_HEADER = 128 * 1024
#: How far the signature of a stored HDF5 member is looked for.
_SIGNATURES = 16 * 1024


def is_hdf5_name(name: str) -> bool:
    """Whether an entry of this name is opened as HDF5."""
    return name.lower().endswith((".h5", ".h5ad"))


def add_zip(tree: Tree, fetch: Fetch, size: int, unpacker: Unpacker, block: int) -> None:
    """Add the members of a zip archive in its directory's order, then what its HDF5 members hold.

    ``block``: bytes of one read in HDF5 members that are stored as they are.
    A member that is called .h5 or .h5ad but is encrypted, packed in a way other than deflate, or no HDF5 file is a
    ``file``. Of several members with one path the last counts, as when unpacking. Raises Unparsable.
    """
    file = BlockReader(fetch, size, ZIP_BLOCK)
    folders = Folders(tree)
    inside: dict[str, tuple[Node, int, Member]] = {}
    for member in members(file):
        placed = folders.place(member.name, folder=member.folder, size=member.size)
        if placed is None:
            if tree.full:
                break
            continue
        node, level = placed
        inside.pop(node["path"], None)
        if not member.folder and is_hdf5_name(node["name"]) and not member.encrypted:
            inside[node["path"]] = (node, level, member)
    for node, level, member in inside.values():
        if node["type"] != "file":
            continue  # a later member made it a folder
        opened = _open_member(tree, node, file, fetch, member, unpacker, block)
        if opened is not None:
            _open_inside(tree, node, level, opened)


def _open_member(
    tree: Tree, node: Node, file: BlockReader, fetch: Fetch, member: Member, unpacker: Unpacker, block: int
) -> BlockReader | None:
    if member.method == STORED:
        if member.packed != member.size:
            raise Unparsable("zip: a stored member with two sizes")
        start = data_start(file, member)
        opened = BlockReader(window(fetch, start), member.size, block)
        return opened if looks_like_hdf5(opened.at(0, _SIGNATURES)) else None
    if member.method != DEFLATED:
        return None
    start = data_start(file, member)
    try:
        return unpacker.unpack(inflate_raw(fetch, start, start + member.packed), member.size, member.crc)
    except TooLargeToUnpack:
        _leave_closed(tree, node)
        return None


def _open_inside(tree: Tree, node: Node, level: int, file: BlockReader) -> None:
    """Make a ``file`` node an ``h5`` node with its tree; it stays a ``file`` when HDF5 cannot read it."""
    mark = tree.mark()
    node["type"], node["children"] = "h5", []
    try:
        add_hdf5(tree, node, level, file)
    except Unparsable:
        tree.forget(node, mark)
        del node["children"]
        node["type"] = "file"


def _leave_closed(tree: Tree, node: Node) -> None:
    node["type"], node["children"] = "h5", []
    tree.truncated = True


def add_gzip(tree: Tree, fetch: Fetch, size: int, fallback: str, unpacker: Unpacker) -> None:
    """Add the one entry of a gzip file; ``fallback`` names it when the header does not.

    Anything that the outer name calls HDF5 (``x.h5ad.gz``) is unpacked and must be HDF5: Unparsable otherwise.
    """
    file = BlockReader(fetch, size, ZIP_BLOCK)
    inner, blocked = _gzip_header(file)
    hdf5 = is_hdf5_name(fallback)
    folders = Folders(tree)
    placed = folders.place(inner or fallback, folder=False, size=None) or folders.place("data", folder=False, size=None)
    if placed is None:
        return
    node, level = placed
    if hdf5 or is_hdf5_name(node["name"]):
        try:
            opened = unpacker.unpack(inflate_gzip(fetch, size), None)
        except TooLargeToUnpack:
            _leave_closed(tree, node)
            return
        if opened is not None:
            node["size"] = opened.size
            node["type"], node["children"] = "h5", []
            add_hdf5(tree, node, level, opened)
            return
        if hdf5:
            raise Unparsable("gzip: the file inside is no HDF5 file")
    length = _gzip_length(file, fetch, blocked=blocked)
    if length is not None:
        node["size"] = length


def _gzip_header(file: BlockReader) -> tuple[str, bool]:
    """The name in the header (RFC 1952, 2.3.1; "" without one) and whether the file is cut into blocks (bgzip)."""
    head = file.at(0, _HEADER)
    if len(head) < 18 or head[:3] != b"\x1f\x8b\x08" or head[3] & 0xE0:
        raise Unparsable("gzip: no header")
    flags, at, blocked = head[3], 10, False
    if flags & 4:
        (length,) = struct.unpack_from("<H", head, at)
        blocked = head[at + 2 : at + 4] == b"BC"
        at += 2 + length
    if not flags & 8:
        return "", blocked
    end = head.find(b"\0", at)
    raw = head[at:end] if end >= 0 else b""
    try:
        name = raw.decode("utf-8")  # the RFC says Latin-1; today's programs write what the disk has
    except UnicodeDecodeError:
        name = raw.decode("latin-1")
    return name.replace("\\", "/").rsplit("/", 1)[-1], blocked


def _gzip_length(file: BlockReader, fetch: Fetch, *, blocked: bool) -> int | None:
    """Uncompressed bytes, None when nobody can tell without inflating much."""
    if file.size <= _SMALL:
        length = 0
        for chunk in inflate_gzip(fetch, file.size):
            length += len(chunk)
            if length > _SMALL_INFLATED:
                return None
        return length
    (length,) = struct.unpack("<L", file.at(file.size - 4, 4))
    # Deflate adds 5 bytes to a block of 64 KiB at worst; shorter than that, the trailer speaks of the last of
    # several members, or has begun again after 4 GiB.
    if blocked or file.size > _UNSURE or length < file.size - file.size // 1000 - _HEADER:
        return None
    return length


def add_tar_gzip(tree: Tree, fetch: Fetch, size: int, unpacker: Unpacker) -> None:
    """Add the members of a ``.tar.gz``: one pass from front to end, HDF5 members unpacked on the way.

    Links are listed as empty files, devices not at all. Raises Unparsable.
    """
    _gzip_header(BlockReader(fetch, size, ZIP_BLOCK))
    stream = ChunkReader(inflate_gzip(fetch, size), tree.limits.streamed)
    folders = Folders(tree)
    try:
        with tarfile.open(fileobj=cast("Any", stream), mode="r|", errors="surrogateescape") as tar:
            for member in tar:
                tar.members = []  # pyright: ignore[reportAttributeAccessIssue] - it keeps all it saw
                if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                    continue
                placed = folders.place(member.name, folder=member.isdir(), size=0 if member.isdir() else member.size)
                if placed is None:
                    if tree.full:
                        return
                    continue
                node, level = placed
                if member.isfile() and is_hdf5_name(node["name"]):
                    _open_tar_member(tree, node, level, tar, member, unpacker)
    except (tarfile.TarError, OverflowError, ValueError, RecursionError, MemoryError) as error:
        raise Unparsable(f"tar: {type(error).__name__}: {error}") from error


def _open_tar_member(
    tree: Tree, node: Node, level: int, tar: tarfile.TarFile, member: tarfile.TarInfo, unpacker: Unpacker
) -> None:
    source = tar.extractfile(member)
    if source is None:
        return
    try:
        opened = unpacker.unpack(iter(lambda: source.read(_MIB), b""), member.size)
    except TooLargeToUnpack:
        _leave_closed(tree, node)
        return
    if opened is not None:
        _open_inside(tree, node, level, opened)
