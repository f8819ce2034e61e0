"""Tables (TSV, CSV) to documents (contracts/gen3.md 4.4).

The first line names the columns. A dot in a name makes a link column, ``<link>.<property of the target>``, also with
``#1``, ``#2`` … at its end. Cells are cast by the type of their property; what cannot be cast stays text, which
validation then names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from commensal.core.cells import cast_value
from commensal.core.dictionary import Dictionary, NodeType
from commensal.errors import Malformed

__all__ = ["MOST_COLUMNS", "parse_table"]

MOST_COLUMNS = 4_000
#: Characters of one quoted cell.
MOST_IN_CELL = 16 * 1024 * 1024

# The limit is the process's; it is only ever raised.
csv.field_size_limit(max(csv.field_size_limit(), MOST_IN_CELL))

_DELIMITERS = {"tsv": "\t", "csv": ","}
#: What stands between several targets in one link cell.
_BETWEEN = {"tsv": ",", "csv": "#"}

Cast = Callable[[str], Any]


def _wrong(sentence: str) -> Malformed:
    return Malformed(f"Unable to parse document: {sentence}")


def parse_table(text: str, doc_format: str, dictionary: Dictionary) -> list[dict[str, Any]]:
    """Return the documents of a table; raises Malformed for what is no table, with the line."""
    if "\0" in text:
        raise _wrong(f"line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a zero character.")
    lines = _rows(text.strip(), _DELIMITERS[doc_format])
    header = next(iter(lines), None)
    if header is None:
        return []
    names = _header(header[1])
    plans: dict[str, _Plan] = {}
    try:
        kind = names.index("type")
    except ValueError:
        raise _wrong("there is no column 'type'; it names the type of each record.") from None
    documents: list[dict[str, Any]] = []
    width = len(names)
    null = "null" in text
    spaces = _has_spaces_at_cells(text, _DELIMITERS[doc_format])
    for line, raw in lines[1:]:
        cells: list[str | None] = [cell.strip() or None for cell in raw] if spaces else [cell or None for cell in raw]
        if null:
            cells = [None if cell == "null" else cell for cell in cells]
        if len(cells) > width:
            if any(cells[width:]):
                raise _wrong(f"line {line} has {len(cells)} cells, the header has {width}.")
            del cells[width:]
        name = cells[kind] if kind < len(cells) else None
        if name is None:
            continue
        plan = plans.get(name)
        if plan is None:
            node = dictionary.types.get(name)
            plan = plans[name] = _Plan(names, name, node, _BETWEEN[doc_format])
        documents.append(plan.document(cells))
    return documents


def _has_spaces_at_cells(text: str, delimiter: str) -> bool:
    """Tell whether a cell may begin or end with white space."""
    if not text.isascii() or '"' in text or any(space in text for space in "\x0b\x0c\x1c\x1d\x1e\x1f"):
        return True
    pairs = (f" {delimiter}", f"{delimiter} ", " \n", "\n ", " \r", "\r ")
    return any(pair in text for pair in pairs) or (delimiter != "\t" and "\t" in text)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the number of its first line."""
    if not text:
        return []
    if '"' not in text:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return [(n, line.split(delimiter)) for n, line in enumerate(text.split("\n"), 1) if line]
    try:
        return _quoted(text, delimiter, strict=True)
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise _wrong("a cell begins with a quotation mark that nothing closes.") from None
    try:
        # Text after a closing quotation mark: taken as it stands.
        return _quoted(text, delimiter, strict=False)
    except csv.Error as error:
        raise _wrong(f"{error}.") from None


def _quoted(text: str, delimiter: str, *, strict: bool) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    for row in reader:
        if row:
            rows.append((line, row))
        line = reader.line_num + 1
    return rows


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lstrip("*").strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > MOST_COLUMNS:
        raise _wrong(f"the header has {len(names):,} columns; at most {MOST_COLUMNS:,} are taken.")
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name:
            raise _wrong(f"column {place} has no name.")
        if name in seen:
            raise _wrong(f"the column {name[:200]!r} stands twice in the header.")
        seen.add(name)
    return names


class _Plan:
    """How the cells of one type become documents, worked out once a table."""

    __slots__ = ("_between", "_casts", "_links", "_name", "_names", "_skip", "_wide")

    def __init__(self, names: Sequence[str], name: str, node: NodeType | None, between: str) -> None:
        self._names = names
        self._name = name
        self._between = between
        #: Columns of properties that are no text, how their cells are read, and what was read before.
        self._casts: list[tuple[str, Cast, dict[str, Any]]] = []
        #: Link columns: header, link, property of the target.
        self._links: list[tuple[str, str, str]] = []
        #: Columns that this type does not have: left out where the cell is empty.
        self._skip: list[str] = []
        for header in names:
            link, dot, key = header.partition(".")
            if dot:
                self._links.append((header, link, self._link_key(node, header, link, key)))
            elif node is None or header == "type":
                continue
            elif header not in node.properties:
                self._skip.append(header)
            elif node.properties[header].kind != "string":
                known: dict[str, Any] = {}
                self._casts.append((header, _cast(node, header, known), known))
        #: Links that several columns name in the same way (``#1``, ``#2``).
        pairs = [(link, key) for _, link, key in self._links]
        self._wide = frozenset(link for link, key in pairs if pairs.count((link, key)) > 1)

    @staticmethod
    def _link_key(node: NodeType | None, header: str, link: str, key: str) -> str:
        key = key.partition("#")[0]
        if node is None:
            return key
        if link not in node.links_by_name:
            known = ", ".join(sorted(node.links_by_name)) or "none"
            raise _wrong(f"{node.label} has no link {link[:200]!r} (column {header[:200]!r}); its links are: {known}.")
        if not key:
            raise _wrong(f"the column {header[:200]!r} does not say by which property its targets are named.")
        return key

    def document(self, cells: list[str | None]) -> dict[str, Any]:
        """Return the document of a row; empty cells are None."""
        doc: dict[str, Any] = dict(zip(self._names, cells, strict=False))
        if self._links:
            self._set_links(doc)
        for header in self._skip:
            if doc.get(header) is None:
                doc.pop(header, None)
        for header, cast, known in self._casts:
            text = doc.get(header)
            if text is not None:
                value = known.get(text, known)
                doc[header] = cast(text) if value is known else value
        doc["type"] = self._name
        return doc

    def _set_links(self, doc: dict[str, Any]) -> None:
        several: dict[str, dict[str, list[str]]] = {}
        for header, link, key in self._links:
            text = doc.pop(header, None)
            if text is None:
                continue
            if link in several or link in self._wide or self._between in text:
                values = several.setdefault(link, {}).setdefault(key, [])
                values += [part.strip() for part in text.split(self._between) if part.strip()]
            else:
                target = doc.get(link)
                if target is None:
                    doc[link] = {key: text}
                else:
                    target[key] = text
        for link, keys in several.items():
            first: dict[str, str] = doc.pop(link, None) or {}
            for key, text in first.items():
                keys.setdefault(key, []).insert(0, text)
            targets = _targets(keys)
            if targets:
                doc[link] = targets[0] if len(targets) == 1 else targets


def _targets(keys: dict[str, list[str]]) -> list[dict[str, str]]:
    count = max((len(values) for values in keys.values()), default=0)
    return [{key: values[n] for key, values in keys.items() if n < len(values)} for n in range(count)]


def _json_list(text: str) -> list[Any] | None:
    """Return the list that a cell holds as JSON, as exports write items with commas; None if it is no such text."""
    try:
        return msgspec.json.decode(text, type=list[str | int | float | bool | None])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _cast(node: NodeType, header: str, known: dict[str, Any]) -> Cast:
    """Return the cast of a column; the same text gives the same value, so values that cannot change are kept."""
    array = node.properties[header].kind == "array"

    def cast(text: str) -> Any:
        value = _json_list(text) if array and text[:1] == "[" else None
        if value is None:
            value = cast_value(node, header, text)
        if not array and len(known) < 10_000:
            known[text] = value
        return value

    return cast
