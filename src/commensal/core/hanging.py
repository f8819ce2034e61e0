"""What goes with a record when it is deleted or moved, and who stands in the way.

Source: design, "moving takes along what hangs below (results, fields, their files)"; contracts/gen3.md 4.7.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from commensal.core.dictionary import Dictionary, Link, LinkGroup, NodeType
from commensal.core.records import Record, StoredLink

__all__ = ["hanging_types", "loses_required_link", "those_that_hang"]

_OURS = ("analysis_result", "result_field", "data_file")
_PLACES = frozenset({"project", "program"})


def hanging_types(dictionary: Dictionary) -> list[str]:
    """Return the stored types whose records hang below others: results, fields and descriptions of files."""
    found = dict.fromkeys((*dictionary.role("analysis").read, *dictionary.role("data_file").read))
    for name in _OURS:
        found.update(dict.fromkeys((name, f"commensal.{name}")))
    return [name for name in found if (node := dictionary.find(name)) is not None and (node.ours or node.is_data_file)]


def those_that_hang(asked: Collection[int], candidates: Sequence[Record], links: Iterable[StoredLink]) -> list[Record]:
    """Return the asked records and those candidates that hang below them only.

    A file's description that also belongs to something that stays is no part of what goes.
    """
    targets: dict[int, list[int]] = {}
    for link in links:
        if link.dst_type not in _PLACES:
            targets.setdefault(link.src, []).append(link.dst)
    going = {record.seq for record in candidates}
    while True:
        staying = {
            seq for seq in going if seq not in asked and not all(target in going for target in targets.get(seq, ()))
        }
        if not staying:
            return [record for record in candidates if record.seq in going]
        going -= staying


def loses_required_link(node: NodeType, name: str, rest: Mapping[str, int]) -> bool:
    """Tell whether a record of this type may not lose its last link of this name.

    ``rest``: how many links it keeps, by name.
    """
    if rest.get(name):
        return False
    return any(_needs(entry, name, rest) for entry in node.link_groups) or name in node.required


def _needs(entry: Link | LinkGroup, name: str, rest: Mapping[str, int]) -> bool:
    if isinstance(entry, Link):
        return entry.required and entry.name == name
    names = [link.name for link in entry.links()]
    return entry.required and name in names and not any(rest.get(other) for other in names)
