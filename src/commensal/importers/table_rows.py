"""Rows of a TSV or CSV file in the form of a Gen3 submission (contracts/gen3.md 4.4).

The first line names the columns; white space around names and cells does not count, nor does a leading
``*`` of a name. ``type`` is the record type. A column ``<link>.<property>`` names targets of a link; several
stand in one cell, separated by ``,`` in TSV and ``#`` in CSV, or in columns ``<link>.<property>#1``, ``#2`` …
Every other column is a property: its cells stay text, since only the dictionary knows their types; an
empty cell or ``null`` is None, a cell that a short row does not have is not given.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commensal.errors import Invalid, Problem

from .rows import Row

__all__ = ["MAX_COLUMNS", "MAX_LINE_CHARS", "parse_rows", "table_format"]

MAX_LINE_CHARS = 1 << 20
"""Longest line. A cell over many lines is bounded by the csv module (131,072 characters unless set otherwise), so
that an unclosed quote ends there instead of swallowing the file."""

MAX_COLUMNS = 10_000

_FORMATS = {".tsv": "\t", ".txt": "\t", ".csv": ","}
_LINK = re.compile(r"([^.#\s]+)\.([^.#\s]+)(?:#([0-9]{1,4}))?\Z")
_LINK_SEPARATOR = {"\t": ",", ",": "#"}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    link: tuple[str, str] | None


def table_format(path: Path) -> str:
    """The column separator by the file's name; raises Invalid for any other name."""
    separator = _FORMATS.get(path.suffix.lower())
    if separator is None:
        raise Invalid(f"{path.name} is neither .tsv (or .txt, tabs) nor .csv (commas); rename it.", field="file")
    return separator


def parse_rows(path: Path, problems: list[Problem], type_: str | None = None) -> Iterator[Row]:
    """The rows of a table, one after the other, with line and row numbers.

    ``type_`` is the type of rows in a table that has no ``type`` column; a table that has one skips the rows
    where it is empty and must not name another type than ``type_``. Raises Invalid for a broken file or
    header, with the line; a row that does not fit is told in ``problems`` and left out.
    """
    separator = table_format(path)
    with path.open("r", encoding="utf-8-sig", newline="") as source:
        reader = csv.reader(_lines(path, source), delimiter=separator, strict=True)
        columns: list[_Column] | None = None
        number = 0
        while True:
            begun = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise _error(
                    path, begun, f"the row cannot be read ({error}); a cell that begins with a quote must end with one."
                ) from None
            cells = [cell.strip() for cell in cells]
            if columns is None:
                columns = _header(path, begun, cells, typed=type_ is not None)
                continue
            if not any(cells):
                continue
            number += 1
            document = _document(columns, cells, separator)
            if document is None:
                continue
            row = Row(document, begun, number, sum(map(len, cells)))
            if any(cells[len(columns) :]):
                message = (
                    f"the row has {len(cells)} cells, the header only {len(columns)}; is a separator inside a cell?"
                )
                problems.append(row.problem(path.name, message))
            elif type_ is not None and document.setdefault("type", type_) != type_:
                message = f"the row is of type {document['type']!r}, but the import is for {type_!r}; split the file."
                problems.append(row.problem(path.name, message, field="type"))
            else:
                yield row
        if columns is None:
            raise Invalid(f"{path.name} is empty; the first line must name the columns.", field="file")


def _lines(path: Path, source: Any) -> Iterator[str]:
    number = 0
    while True:
        try:
            line: str = source.readline(MAX_LINE_CHARS + 1)
        except UnicodeDecodeError:
            raise _error(path, number + 1, "the file is not UTF-8 text from about here on; save it as UTF-8.") from None
        if not line:
            return
        number += 1
        if len(line) > MAX_LINE_CHARS:
            raise _error(path, number, f"the line is longer than {MAX_LINE_CHARS:,} characters.")
        if "\0" in line:
            raise _error(path, number, "the line holds a NUL byte, so this is no text table.")
        yield line


def _header(path: Path, line: int, cells: list[str], *, typed: bool) -> list[_Column]:
    names = [cell.lstrip("*").strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise _error(path, line, "the first line must name the columns, but it is empty.")
    if len(names) > MAX_COLUMNS:
        raise _error(path, line, f"the header has more than {MAX_COLUMNS:,} columns.")
    if "" in names:
        raise _error(path, line, f"column {names.index('') + 1} has no name.")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise _error(path, line, f"the column {twice[0]!r} stands twice; each column must have a name of its own.")
    if "type" not in names and not typed:
        raise _error(path, line, "there is no column 'type'; add one, or name the type with --type.")
    columns: list[_Column] = []
    for name in names:
        match = _LINK.match(name)
        if "." in name and match is None:
            raise _error(
                path, line, f"{name!r} is no link column; expected is '<link>.<property>', as samples.submitter_id."
            )
        columns.append(_Column(name, (match[1], match[2]) if match else None))
    return columns


def _document(columns: list[_Column], cells: list[str], separator: str) -> dict[str, Any] | None:
    """Properties and links of a row; None when its type cell is empty."""
    document: dict[str, Any] = {}
    targets: dict[str, list[dict[str, str]]] = {}
    given: dict[tuple[str, str], int] = {}
    for column, cell in zip(columns, cells, strict=False):
        if column.link is None:
            if column.name == "type":
                if not cell:
                    return None
                document["type"] = cell
            else:
                document[column.name] = None if cell in ("", "null") else cell
            continue
        link, key = column.link
        for value in _link_values(cell, separator):
            # `cases.id` and `cases.submitter_id` name the same targets in the same order.
            place = given.get((link, key), 0)
            given[link, key] = place + 1
            known = targets.setdefault(link, [])
            if place == len(known):
                known.append({})
            known[place][key] = value
    for link, found in targets.items():
        document[link] = found[0] if len(found) == 1 else found
    return document


def _link_values(cell: str, separator: str) -> list[str]:
    if cell in ("", "null"):
        return []
    return [value for part in cell.split(_LINK_SEPARATOR[separator]) if (value := part.strip())]


def _error(path: Path, line: int, text: str) -> Invalid:
    return Invalid(f"{path.name}, line {line}: {text}", field="file")
