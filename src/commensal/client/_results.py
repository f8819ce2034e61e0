"""What calls give back: submissions, queries and exports."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from commensal.client._frames import cell_values, columns_of, flatten, pandas_frame, polars_frame
from commensal.client._tables import table_rows
from commensal.errors import BadRequest, Problem

__all__ = ["DeleteResult", "ExportResult", "QueryResult", "SubmitResult", "WrittenChunk"]


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """One transaction of a submission: rows ``first`` to ``last``, counted from 1 over the whole submission."""

    first: int
    last: int
    transaction_id: int | None
    created: int
    updated: int


@dataclass(slots=True)
class SubmitResult:
    """What a submission wrote.

    ``ids`` are the records' uuids in the order of the rows, ``warnings`` what the server ignored (for example system
    properties), by row and field.
    """

    dry_run: bool = False
    chunks: list[WrittenChunk] = field(default_factory=list[WrittenChunk])
    ids: list[str] = field(default_factory=list[str])
    warnings: list[Problem] = field(default_factory=list[Problem])

    @property
    def created(self) -> int:
        """Number of records that are new."""
        return sum(chunk.created for chunk in self.chunks)

    @property
    def updated(self) -> int:
        """Number of records that were there before."""
        return sum(chunk.updated for chunk in self.chunks)

    @property
    def transaction_ids(self) -> list[int]:
        """One transaction for each chunk, in order."""
        return [chunk.transaction_id for chunk in self.chunks if chunk.transaction_id is not None]

    def __repr__(self) -> str:
        warned = f", {len(self.warnings)} warnings" if self.warnings else ""
        dry = ", dry run: nothing was written" if self.dry_run else ""
        transactions = f", transactions={self.transaction_ids}"
        return f"<SubmitResult created={self.created:,} updated={self.updated:,}{transactions}{warned}{dry}>"


@dataclass(slots=True)
class DeleteResult:
    """What a deletion took away; ``dependents`` are the uuids that the server named as hanging on them."""

    deleted: int = 0
    transaction_ids: list[int] = field(default_factory=list[int])


class QueryResult:
    """The answer of a GraphQL query; ``data`` is its JSON as it came."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __repr__(self) -> str:
        if not isinstance(self.data, dict):
            return f"<QueryResult {self.data!r}>"
        parts = [f"{key}: {len(v)} rows" if isinstance(v, list) else f"{key}: {v!r}" for key, v in self.data.items()]
        return f"<QueryResult {', '.join(parts)}>"

    def rows(self, of: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of one root field, nested as they came: ``of``, else the only list of the answer."""
        data = self.data if isinstance(self.data, dict) else {}
        lists = {key: value for key, value in data.items() if isinstance(value, list)}
        if of is not None:
            if of not in lists:
                raise BadRequest(f"The answer has no list {of!r}; its lists are: {', '.join(lists) or 'none'}.")
            return lists[of]
        if len(lists) > 1:
            raise BadRequest(f"The answer has {len(lists)} lists; say which with of=: {', '.join(lists)}.")
        if lists:
            return next(iter(lists.values()))
        return [data] if data else []

    def flat(self, of: str | None = None, *, explode: str | bool = True) -> list[dict[str, Any]]:
        """Return the rows as a flat table: objects as ``a.b`` columns, one list opened into rows.

        ``explode`` names the list to open (``"samples"``, ``"subjects.samples"``); True takes the first that has
        several items, False none. Lists that are not opened become cells that hold lists.
        """
        return flatten(self.rows(of), explode=explode)

    def to_pandas(self, of: str | None = None, *, explode: str | bool = True) -> Any:
        """Return ``flat(of, explode)`` as a pandas DataFrame."""
        return pandas_frame(columns_of(self.flat(of, explode=explode)))

    def to_polars(self, of: str | None = None, *, explode: str | bool = True) -> Any:
        """Return ``flat(of, explode)`` as a polars DataFrame."""
        return polars_frame(columns_of(self.flat(of, explode=explode)))


class ExportResult:
    """An export that is held in memory; ``text`` is what the server sent, ``format`` tsv, csv or json."""

    def __init__(self, text: str, format: str, filename: str) -> None:
        self.text = text
        self.format = format
        self.filename = filename

    def __repr__(self) -> str:
        return f"<ExportResult {self.filename}: {len(self.text):,} characters of {self.format}>"

    def __str__(self) -> str:
        return self.text

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The records. Of JSON as they came; of TSV and CSV with the text of each cell, None where it is empty."""
        if self.format == "json":
            return list(self._documents())
        return [{name: cell or None for name, cell in row.items()} for row in self._cells()]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the text to a file, or into a folder under the server's name for it; returns the file's path."""
        target = Path(path)
        if target.is_dir():
            target /= self.filename
        target.write_text(self.text, encoding="utf-8", newline="")
        return target

    def to_pandas(self) -> Any:
        """Return one row a record as a pandas DataFrame; links are columns like ``subjects.submitter_id``.

        A column of TSV or CSV cells becomes numbers or booleans only where nothing of its text is lost (``007`` stays
        text); several targets of one link stay in one cell. ``submit`` takes the frame back.
        """
        return pandas_frame(self._columns())

    def to_polars(self) -> Any:
        """Return the same table as a polars DataFrame."""
        return polars_frame(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        if self.format == "json":
            return columns_of(flatten((_with_id(document) for document in self._documents()), explode=False))
        rows = self._cells()
        names = list(rows[0]) if rows else self._header()
        return {name: cell_values([row[name] for row in rows]) for name in names}

    def _documents(self) -> list[dict[str, Any]]:
        found = msgspec.json.decode(self.text)
        return found["data"] if isinstance(found, dict) else found

    def _header(self) -> list[str]:
        first = next(table_rows(io.StringIO(self.text, newline=""), self._delimiter), None)
        return (first.cells or []) if first is not None else []

    @property
    def _delimiter(self) -> str:
        return "\t" if self.format == "tsv" else ","

    def _cells(self) -> list[dict[str, str]]:
        lines = io.StringIO(self.text, newline="")
        found = [row.cells for row in table_rows(lines, self._delimiter, strict=self.format == "tsv")]
        width = len(found[0] or []) if found else 0
        rows = [cells for cells in found if cells is not None and len(cells) <= width]
        if len(rows) < len(found) and self.format == "tsv":
            # Some servers never quote in TSV: then a quotation mark is text like any other.
            rows = [line.split("\t") for line in self.text.replace("\r\n", "\n").split("\n") if line]
        if not rows:
            return []
        names = rows[0]
        return [dict(zip(names, row + [""] * (len(names) - len(row)), strict=False)) for row in rows[1:]]


def _with_id(document: Mapping[str, Any]) -> dict[str, Any]:
    """Name the uuid of a link's target ``id``, as tables do; JSON exports say ``node_id``."""
    made: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            made[key] = [{"id" if k == "node_id" else k: v for k, v in item.items()} for item in value]
        else:
            made[key] = value
    return made
