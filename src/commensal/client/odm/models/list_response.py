"""A page of a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from commensal.client._frames import columns_of, flatten, pandas_frame, polars_frame

__all__ = ["ListResponse", "ListResponseMeta", "ListResponseMetaPagination"]


@dataclass
class ListResponseMetaPagination:
    """``count`` objects are here, from the one at ``offset`` on, of ``total``; at most ``limit`` were wanted."""

    count: int | None = None
    total: int | None = None
    offset: int | None = None
    limit: int | None = None


@dataclass
class ListResponseMeta:
    """What is said about a page."""

    pagination: ListResponseMetaPagination | None = None


@dataclass
class ListResponse:
    """A page: ``data`` is a list of flat objects."""

    meta: ListResponseMeta | None = None
    data: list[dict[str, Any]] | None = field(default=None)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ListResponse:
        """Return the page that a decoded answer holds; raises ValueError for another shape."""
        pages, data = (value.get("meta") or {}).get("pagination") or {}, value.get("data")
        numbers = {name: pages.get(name) for name in ("count", "total", "offset", "limit")}
        for name, number in numbers.items():
            if number is not None and type(number) is not int:
                raise ValueError(f"pagination.{name} is no whole number: {number!r}")
        if data is not None and not (isinstance(data, list) and all(isinstance(one, dict) for one in data)):
            raise ValueError("data is no list of objects")
        return cls(ListResponseMeta(ListResponseMetaPagination(**numbers)), data)

    @classmethod
    def from_json(cls, text: str) -> ListResponse:
        """Return the page of a JSON text."""
        return cls.from_dict(json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """Return the page as the server sent it."""
        made: dict[str, Any] = {}
        if self.meta is not None:
            made["meta"] = {"pagination": vars(self.meta.pagination)} if self.meta.pagination is not None else {}
        if self.data is not None:
            made["data"] = self.data
        return made

    def to_json(self) -> str:
        """Return the page as JSON text."""
        return json.dumps(self.to_dict())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.data or [])

    def __len__(self) -> int:
        return len(self.data or [])

    def _columns(self) -> dict[str, list[Any]]:
        # Structures are trees, not tables: they stay in one cell each.
        rows = [{k: v for k, v in one.items() if k != "contents"} for one in self]
        columns = columns_of(flatten(rows, explode=False))
        if any("contents" in one for one in self):
            columns["contents"] = [one.get("contents") for one in self]
        return columns

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, one row an object; raises ExtraMissing where pandas is not installed."""
        return pandas_frame(self._columns())

    def to_polars(self) -> Any:
        """Return a polars DataFrame, without ``contents``; raises ExtraMissing where polars is not installed."""
        return polars_frame({name: cells for name, cells in self._columns().items() if name != "contents"})
