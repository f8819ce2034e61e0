"""Tables of metadata as they come with an import (contracts/odm.md, "Metadata file"): tab-separated text in UTF-8.

A header, then one record a line. Lists are split at ``|``, ``||`` is the sign itself; values are trimmed; an empty
cell says nothing. A cell that stands in double quotes, as spreadsheet programs write them, loses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from commensal.errors import InvalidRows, Malformed, Problem, TooLarge

__all__ = ["ACCESSION_KEY", "NAME_KEY", "Cell", "parse_cell", "parse_value", "read_metadata", "typed"]

Cell = str | list[str]

ACCESSION_KEY = "genestack:accession"
NAME_KEY = "genestack:name"
#: Most columns and records of one table.
COLUMNS = 10_000
RECORDS = 200_000

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,17}")
_PIPES = re.compile(r"\|\|?")
_SHOWN_PROBLEMS = 100


def parse_value(text: str) -> str | int | float | bool:
    """Return a number or a truth where the text is the plain spelling of one, else the text.

    Nothing is lost: ``007``, ``1.50`` and ``1e3`` stay texts, because written out again they would differ.
    """
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text) and text != "-0":
        return int(text)
    if _DECIMAL.fullmatch(text):
        value = float(text)
        if repr(value) == text:
            return value
    return text


def typed(record: Mapping[str, Cell], takes: Callable[[str, Any], bool]) -> dict[str, Any]:
    """Return a record with numbers and truths, but the texts that a declared property ``takes`` (key, value)."""
    made: dict[str, Any] = {}
    for key, value in record.items():
        if takes(key, value):
            made[key] = value
        else:
            made[key] = parse_value(value) if isinstance(value, str) else [parse_value(item) for item in value]
    return made


def parse_cell(cell: str) -> Cell | None:
    """Return the text of a cell, a list when ``|`` divides it, None when it is empty."""
    parts = [""]
    end = 0
    for found in _PIPES.finditer(cell):
        parts[-1] += cell[end : found.start()]
        end = found.end()
        if found[0] == "||":
            parts[-1] += "|"
        else:
            parts.append("")
    parts[-1] += cell[end:]
    values = [part.strip() for part in parts if part.strip()]
    if len(parts) > 1:
        return values or None
    return values[0] if values else None


def read_metadata(data: bytes, *, single: bool = False) -> list[dict[str, Cell]]:
    """Return the records of a table as texts, without empty ones and ``genestack:accession``: accessions are ours.

    ``single``: the table must have exactly one record. Raises Malformed for what is no such table, InvalidRows that
    names the lines with more cells than the header, TooLarge.
    """
    lines = [line.removesuffix("\r") for line in _text(data).split("\n")]
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise Malformed("The metadata table is empty: a header of column names and a record below it are expected.")
    names = _header(filled[0][1])
    if len(filled) - 1 > RECORDS:
        raise TooLarge(f"The metadata table has {len(filled) - 1:,} records; at most {RECORDS:,} are taken at once.")
    if single and len(filled) != 2:
        raise Malformed(
            f"The metadata table must have a header and exactly one record; it has {len(filled) - 1} records."
        )
    if len(filled) == 1:
        raise Malformed("The metadata table has a header, but no record below it.")
    problems: list[Problem] = []
    records: list[dict[str, Cell]] = []
    for row, (number, line) in enumerate(filled[1:], 1):
        cells = line.split("\t")
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            problems.append(Problem(f"{len(cells)} cells under {len(names)} columns.", row=row, line=number))
            continue
        record: dict[str, Cell] = {}
        for name, cell in zip(names, cells, strict=False):
            value = parse_cell(_unquoted(cell)) if cell else None
            if value is None:
                continue
            if not name:
                problems.append(Problem("A value stands in a column without a name.", row=row, line=number))
                break
            if name != ACCESSION_KEY:
                record[name] = value
        records.append(record)
    if problems:
        raise InvalidRows(
            f"{len(problems)} lines of the metadata table cannot be read. {problems[0]}", problems[:_SHOWN_PROBLEMS]
        )
    return records


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Malformed(f"The metadata table is no UTF-8 text: see line {line}.") from None
    if "\0" in text:
        raise Malformed("The metadata table is no text: it has a zero character.")
    return text


def _header(line: str) -> list[str]:
    names = [_unquoted(name).strip() for name in line.rstrip("\t").split("\t")]
    if len(names) > COLUMNS:
        raise TooLarge(f"The metadata table has {len(names):,} columns; at most {COLUMNS:,} are taken.")
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise Malformed(f"The column {name[:80]!r} stands twice in the metadata table.", field=name)
        seen.add(name)
    return names


def _unquoted(cell: str) -> str:
    plain = cell.strip()
    if len(plain) >= 2 and plain[0] == plain[-1] == '"':
        return plain[1:-1].replace('""', '"')
    return cell
