"""TSV and CSV cut into rows and cells, while they are read (RFC 4180; in TSV the same rules with tabs).

A quotation mark counts only at the beginning of a cell; text after a closing one is taken as it stands. The standard
reader is not used because it refuses cells above a limit that is set for the whole process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["TableRow", "parse_cells", "table_rows"]


class TableRow(NamedTuple):
    """One row: the line it begins on, its text with the line's end, and its cells; None: a quote is never closed."""

    line: int
    text: str
    cells: list[str] | None


def parse_cells(text: str, delimiter: str, *, strict: bool = False) -> list[str] | None:
    """Return the cells of one row, None where it ends inside a quoted cell.

    ``strict`` takes text after a closing quotation mark for a sign that the mark did not close the cell: None, too.
    """
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    cells: list[str] = []
    body = text.rstrip("\r\n")
    at = 0
    while True:
        head = ""
        if body[at : at + 1] == '"':
            found = _closing(text, at + 1)
            if found < 0:
                return None
            head = text[at + 1 : found].replace('""', '"')
            at = found + 1
            if strict and at < len(body) and body[at] != delimiter:
                return None
        end = body.find(delimiter, at)
        cells.append(head + body[at : end if end >= 0 else len(body)])
        if end < 0:
            return cells
        at = end + 1


def _closing(text: str, at: int) -> int:
    while True:
        found = text.find('"', at)
        if found < 0 or text[found + 1 : found + 2] != '"':
            return found
        at = found + 2


def table_rows(lines: Iterable[str], delimiter: str, first: int = 1, *, strict: bool = False) -> Iterator[TableRow]:
    """Yield the rows of lines that keep their ends; ``first`` is the number of the first line. Empty ones are left out.

    A quoted cell may hold line ends; one that is never closed ends in a last row without cells.
    """
    part: list[str] = []
    begun = first
    for number, raw in enumerate(lines, first):
        if not part:
            if not raw.strip("\r\n"):
                continue
            begun = number
            cells = parse_cells(raw, delimiter, strict=strict)
            if cells is not None:
                yield TableRow(begun, raw, cells)
            else:
                part.append(raw)
            continue
        part.append(raw)
        if _closing(raw, 0) >= 0:
            text = "".join(part)
            cells = parse_cells(text, delimiter, strict=strict)
            if cells is not None:
                part = []
                yield TableRow(begun, text, cells)
    if part:
        yield TableRow(begun, "".join(part), None)
