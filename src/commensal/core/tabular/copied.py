"""Tables whose cells the database writes: most rows of an export leave as they came (contracts/gen3.md 4.9).

That takes half of the CPU of reading values and writing them again. It is possible for types whose properties are
texts, numbers and truths by their schemas; the others go through ``streams.RowReader``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from commensal.core.dictionary import NodeType
from commensal.core.dictionary.model import Property
from commensal.core.tabular.columns import Columns

__all__ = ["AWKWARD", "Cell", "CopiedRows", "cells_of"]

#: What a cell shows, and of what: a fixed text, the record's id or name, a property as text, number or truth, the ids
#: or the names of a link's targets.
Cell = tuple[Literal["fixed", "id", "submitter_id", "text", "number", "truth", "target_id", "target"], str]

#: A cell that has to be quoted so that a reader of tables finds its end.
AWKWARD: Final = re.compile(r'^"|[\t\n\r]')

_KINDS: Final = {
    frozenset({"string"}): "text",
    frozenset({"number"}): "number",
    frozenset({"integer"}): "number",
    frozenset({"number", "integer"}): "number",
    frozenset({"boolean"}): "truth",
}
#: Properties that live in columns of their own and are texts there.
_TEXT_COLUMNS: Final = frozenset({"state", "created_datetime", "updated_datetime"})
#: How the text form of COPY escapes (PostgreSQL documentation, COPY, "Text Format").
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
#: Where a number below 0.0001 may stand: the database writes its zeros, Python and the other exports an exponent.
_SMALL: Final = (b"\t0.0000", b"\t-0.0000")


def _kind(one: Property) -> Literal["text", "number", "truth"] | None:
    kind = _KINDS.get(frozenset(one.types) - {"null"})
    if kind is None and not one.types and one.enum and all(isinstance(value, str) for value in one.enum):
        return "text"
    return kind  # pyright: ignore[reportReturnType]


def cells_of(node: NodeType, columns: Columns, project_id: str, *, with_id: bool) -> list[Cell] | None:
    """Return the cells of a row in the order of the header, None for a type that the database cannot write."""
    cells: list[Cell] = [("fixed", columns.label)]
    if with_id and columns.has_id:
        cells.append(("id", ""))
    for name in columns.properties:
        if name == "project_id":
            cells.append(("fixed", project_id))
        elif name == "submitter_id":
            cells.append(("submitter_id", ""))
        elif name in _TEXT_COLUMNS:
            cells.append(("text", name))
        else:
            kind = None if name == "metadata" else _kind(node.properties[name])
            if kind is None:
                return None
            cells.append((kind, name))
    for link in columns.links:
        if with_id or link.key == "id":
            cells.append(("target_id", link.name))
        if link.key != "id":
            cells.append(("target", link.name))
    return cells


class CopiedRows:
    """Makes TSV of COPY's text form, whose absent values are empty."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._numbers = [place for place, (kind, _) in enumerate(cells) if kind == "number"]

    def tsv(self, chunk: bytes) -> bytes:
        """Return a chunk of whole lines as TSV; one without a backslash, a quotation mark or a tiny number is both."""
        if b"\\" in chunk or b'\t"' in chunk or any(mark in chunk for mark in _SMALL):
            return "".join([self._line(line) for line in chunk.decode()[:-1].split("\n")]).encode()
        return chunk

    def _line(self, line: str) -> str:
        cells = line.split("\t")
        for place in self._numbers:
            if cells[place].startswith(("0.0000", "-0.0000")):
                cells[place] = str(float(cells[place]))
        if "\\" in line:
            cells = [_ESCAPE.sub(_unescaped, cell) if "\\" in cell else cell for cell in cells]
        shown = ['"' + cell.replace('"', '""') + '"' if AWKWARD.search(cell) else cell for cell in cells]
        return "\t".join(shown) + "\n"


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1])
