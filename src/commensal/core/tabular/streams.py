"""Whole types as text while they are read: TSV, CSV and JSON of ``node_label`` exports (contracts/gen3.md 4.9)."""

from __future__ import annotations

import csv
import io
import types
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.tabular.cells import cell_text
from commensal.core.tabular.columns import Columns, columns_of, header
from commensal.core.tabular.copied import AWKWARD, Cell, CopiedRows, cells_of

__all__ = ["StreamedType", "stream_json", "stream_table"]

Scalar = str | int | float | bool
_OUTSIDE = ("project_id", "submitter_id")


class StreamedType(Protocol):
    """What is streamed: a type of one project, read once; see ``services.exports.TypeExport``."""

    @property
    def node(self) -> NodeType:
        """The type."""
        ...

    @property
    def dictionary(self) -> Dictionary:
        """The dictionary that it is of."""
        ...

    @property
    def project_id(self) -> str:
        """The project's id."""
        ...

    def rows(self) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream records as lines; see ``ports.exports.ExportStore.rows``."""
        ...

    def cells(self, cells: Sequence[Cell]) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream records as lines of cells; see ``ports.exports.ExportStore.cells``."""
        ...

    def objects(
        self, *, with_id: bool, keys: Mapping[str, str]
    ) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream lines of JSON objects; see ``ports.exports.ExportStore.objects``."""
        ...


class RowReader:
    """Reads lines of JSON values into the cells of the header; what can be is worked out once an export.

    The cells of a row are: type, id, project_id and submitter_id, the other properties, the links.
    """

    def __init__(self, node: NodeType, columns: Columns, project_id: str, *, with_id: bool) -> None:
        inside = [name for name in columns.properties if name not in _OUTSIDE]
        kinds = {name: node.properties[name].kind for name in inside}
        #: Places of properties that are no text, and of those that need more than ``str``.
        self._others = [n for n, name in enumerate(inside) if kinds[name] != "string"]
        self._compound = any(kind in ("array", "object") for kind in kinds.values())
        names: list[tuple[str, bool]] = []
        for link in columns.links:
            names.append((link.name, link.key == "id" or with_id))
            names.append((link.name, link.key != "id"))
        self._links = [n for n, (_, shown) in enumerate(names) if shown]
        self._all_links = len(self._links) == len(names)
        scalars = {"string": str, "array": Any, "object": Any}
        self._fast = self._decoder(inside, len(names), lambda name: scalars.get(kinds[name], Scalar))
        self._any = self._decoder(inside, len(names), lambda _: Any)
        getters = [f"f{n}" for n in range(len(inside))]
        self._get = _tuple_getter(getters)
        self._width = len(inside)
        self._id = with_id and columns.has_id
        self._label = columns.label
        self._unique = [project_id if name == "project_id" else "" for name in columns.unique]
        self._sid = columns.unique.index("submitter_id") if "submitter_id" in columns.unique else -1

    @staticmethod
    def _decoder(inside: Sequence[str], links: int, kind: Callable[[str], Any]) -> Callable[[bytes], list[Any]]:
        fields = [(f"f{n}", kind(name), msgspec.field(default="", name=name)) for n, name in enumerate(inside)]
        properties = msgspec.defstruct("ExportedProperties", fields)
        row = types.GenericAlias(tuple, (str, str, properties, *([str] * links)))
        return msgspec.json.Decoder(types.GenericAlias(list, (row,))).decode

    def texts(self, chunk: bytes) -> list[list[str]]:
        """Return the cells of all rows of a chunk of whole lines."""
        array = b"[[" + chunk[:-1].replace(b"\x1f", b",").replace(b"\n", b"],[") + b"]]"
        others, text_of = self._others, cell_text if self._compound else str
        try:
            rows = self._fast(array)
        except msgspec.ValidationError:
            # A value is of another type than its property declares (an enum of numbers, any of several).
            rows, others, text_of = self._any(array), range(self._width), cell_text
        get, label, sid, unique = self._get, self._label, self._sid, self._unique
        made: list[list[str]] = []
        for uuid, name, properties, *links in rows:
            values = list(get(properties))
            for n in others:
                if values[n] != "":
                    values[n] = text_of(values[n])
            cells = [label, uuid, *unique] if self._id else [label, *unique]
            if sid >= 0:
                cells[sid - len(unique)] = name
            cells += values
            cells += links if self._all_links else [links[n] for n in self._links]
            made.append(cells)
        return made


def _tuple_getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        one = attrgetter(names[0])
        return lambda value: (one(value),)
    return attrgetter(*names)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _tsv(rows: Iterable[Iterable[str]], chunk: bytes) -> str:
    join = "\t".join
    # JSON text shows quotation marks, tabs and line ends as escapes: without a backslash there are none.
    if b"\\" not in chunk:
        return "\n".join(map(join, rows)) + "\n"
    lines = [join([_quoted(cell) if AWKWARD.search(cell) else cell for cell in row]) for row in rows]
    return "\n".join(lines) + "\n"


def _csv(rows: Iterable[Sequence[str]], links: int) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    if links:
        # In CSV, several targets are separated by # (contracts/gen3.md 4.4).
        rows = [[*row[:-links], *(cell.replace(",", "#") for cell in row[-links:])] for row in rows]
    writer.writerows(rows)
    return out.getvalue()


async def stream_table(export: StreamedType, doc_format: str, *, with_id: bool) -> AsyncGenerator[bytes, None]:
    """Yield a type as TSV (lines end in LF, cells stand as they are) or CSV (RFC 4180)."""
    columns = columns_of(export.node, export.dictionary)
    head = header(columns, with_id=with_id)
    links = len(head) - len(header_without_links(columns, with_id=with_id))
    reader = RowReader(export.node, columns, export.project_id, with_id=with_id)
    yield ("\t".join(head) + "\n" if doc_format == "tsv" else _csv([head], 0)).encode()
    cells = cells_of(export.node, columns, export.project_id, with_id=with_id) if doc_format == "tsv" else None
    if cells is not None:
        copied = CopiedRows(cells)
        async with export.cells(cells) as chunks:
            async for chunk in chunks:
                yield copied.tsv(chunk)
        return
    async with export.rows() as chunks:
        async for chunk in chunks:
            rows = reader.texts(chunk)
            yield (_tsv(rows, chunk) if doc_format == "tsv" else _csv(rows, links)).encode()


def header_without_links(columns: Columns, *, with_id: bool) -> list[str]:
    """Return the header of an export up to the link columns."""
    return ["type", *(["id"] if with_id and columns.has_id else []), *columns.properties]


async def stream_json(export: StreamedType, *, with_id: bool) -> AsyncGenerator[bytes, None]:
    """Yield a type as ``{ "data": [ … ]}``; properties without a value are left out."""
    columns = columns_of(export.node, export.dictionary)
    keys = {link.name: link.key for link in columns.links}
    lead = b'{ "data": ['
    async with export.objects(with_id=with_id and columns.has_id, keys=keys) as chunks:
        async for chunk in chunks:
            yield lead + chunk[:-1].replace(b"\n", b",")
            lead = b","
    yield (lead if lead != b"," else b"") + b"]}"
