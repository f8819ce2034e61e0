"""Member names of archives as folders and files: names are foreign input too."""

from __future__ import annotations

from commensal.storage.contents.tree import Node, Tree, clean

__all__ = ["Folders"]


class Folders:
    """Places members in a tree, making the folders that their names imply.

    A name is always taken below the root: leading ``/`` and the parts ``.`` and ``..`` are dropped, as unpacking
    programs do. Placed twice, a path is one node, and the later member describes it.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._folders: dict[str, tuple[Node, int]] = {"": (tree.root, 1)}
        self._files: dict[str, tuple[Node, int]] = {}

    def place(self, name: str, *, folder: bool, size: int | None) -> tuple[Node, int] | None:
        """Return the node for a member and its level; None when its name is empty or the tree has no room.

        ``size`` in bytes is given to a file; None leaves it out.
        """
        parts = [part for part in clean(name).split("/") if part not in ("", ".", "..")]
        if not parts:
            return None
        if len(parts) >= self._tree.limits.depth:
            self._tree.truncated = True
            return None
        above = self._folder(parts if folder else parts[:-1])
        if above is None or folder:
            return above
        parent, level = above
        key = "/".join(parts)
        if key in self._folders:
            return None  # a folder of this name is there, and things are in it
        placed = self._files.get(key)
        if placed is None:
            node = self._tree.add(parent, level + 1, parts[-1], "file")
            if node is None:
                return None
            placed = self._files[key] = (node, level + 1)
        node = placed[0]
        node["type"] = "file"
        node.pop("children", None)
        if size is not None:
            node["size"] = size
        return placed

    def _folder(self, parts: list[str]) -> tuple[Node, int] | None:
        known = self._folders.get("/".join(parts))
        if known is not None:
            return known
        above = self._folder(parts[:-1])
        if above is None:
            return None
        parent, level = above
        key = "/".join(parts)
        file = self._files.pop(key, None)
        if file is not None:  # a file was listed under a name that turns out to be a folder's
            node: Node | None = file[0]
            file[0].pop("size", None)
            file[0]["type"], file[0]["children"] = "folder", []
        else:
            node = self._tree.add(parent, level + 1, parts[-1], "folder")
        if node is None:
            return None
        self._folders[key] = (node, level + 1)
        return node, level + 1
