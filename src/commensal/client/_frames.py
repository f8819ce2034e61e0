"""Nested answers as tables, and tables as pandas and polars frames.

How nesting becomes columns, in this order:

1. an object is spread: ``{"project": {"code": "P"}}`` gives the column ``project.code``;
2. a list of values stays one cell;
3. a list of objects that never has more than one item in any row is spread like an object;
4. of the lists of objects with more, one is opened: a row for each item, the outer values repeated, and one row
   with empty cells where the list is empty. It is the one named by ``explode``, else the first;
5. each other list of objects gives one column a leaf, whose cells are lists: ``samples.submitter_id`` = ['a', 'b'].

Inside of what was opened the same rules hold, and only there is another list opened: a chain of lists (subjects,
their samples, their aliquots) ends with one row for each innermost item, and lists side by side never multiply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commensal.client.errors import ExtraMissing
from commensal.errors import NotFound

__all__ = ["cell_values", "columns_of", "flatten", "pandas_frame", "polars_frame"]

Row = dict[str, Any]


def flatten(rows: Iterable[Mapping[str, Any]], *, explode: str | bool = True) -> list[Row]:
    """Return flat rows, all with the same keys, by the rules of this module.

    ``explode``: True opens the first list that needs it, a column's name (``subjects.samples``) that one, False none.
    Raises NotFound for a name that is no list of objects with several items.
    """
    flat: list[Row] = [_spread(row) for row in rows]
    if isinstance(explode, str):
        flat = _open_named(flat, explode)
    inside = ""
    while True:
        lists = _object_lists(flat)
        single = [name for name, most in lists.items() if most <= 1]
        if single:
            for name in single:
                flat = _open(flat, name)
            continue
        several = next((name for name in lists if name.startswith(inside)), None)
        if several is None or explode is not True:
            break
        flat = _open(flat, several)
        inside = f"{several}."
    for name in _object_lists(flat):
        flat = [_collect(row, name) for row in flat]
    return _even(flat)


def _open_named(flat: list[Row], wanted: str) -> list[Row]:
    """Open the lists on the way to a name, then the named one."""
    while True:
        lists = _object_lists(flat)
        if wanted in lists:
            return _open(flat, wanted)
        on_the_way = next((name for name in lists if wanted.startswith(f"{name}.")), None)
        if on_the_way is None:
            known = ", ".join(lists) or "none"
            raise NotFound(f"There is no list {wanted!r} to open; the lists of these rows are: {known}.")
        flat = _open(flat, on_the_way)


def _spread(row: Mapping[str, Any], prefix: str = "") -> Row:
    """Rule 1."""
    made: Row = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            made.update(_spread(value, f"{prefix}{key}."))
        else:
            made[f"{prefix}{key}"] = value
    return made


def _is_object_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _object_lists(rows: list[Row]) -> dict[str, int]:
    """Return the columns that hold lists of objects, in order, with the most items a row has."""
    found: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if _is_object_list(value):
                found[name] = max(found.get(name, 0), len(value))
    return found


def _open(rows: list[Row], name: str) -> list[Row]:
    """Put the items of a list in its place, one row for each; a row without items stays one row."""
    made: list[Row] = []
    for row in rows:
        value = row.get(name)
        if not _is_object_list(value):
            made.append({key: item for key, item in row.items() if key != name or item not in ([], None)})
            continue
        keys = list(row)
        at = keys.index(name)
        before, after = keys[:at], keys[at + 1 :]
        for item in value:  # pyright: ignore[reportOptionalIterable]
            made.append(  # noqa: PERF401
                {**{k: row[k] for k in before}, **_spread(item, f"{name}."), **{k: row[k] for k in after}}
            )
    return made


def _collect(row: Row, name: str) -> Row:
    """Rule 5."""
    made: Row = {}
    for key, value in row.items():
        if key != name or not _is_object_list(value):
            if key != name or value not in ([], None):
                made[key] = value
            continue
        items = [_spread(item, f"{name}.") for item in value]
        for leaf in dict.fromkeys(leaf for item in items for leaf in item):
            made[leaf] = [item.get(leaf) for item in items]
    return made


def _even(rows: list[Row]) -> list[Row]:
    """Give every row every key, in the order of the fullest rows."""
    names: dict[str, None] = {}
    fullest = max(rows, key=len, default={})
    for row in (fullest, *rows):
        for name in row:
            names.setdefault(name)
    return [{name: row.get(name) for name in names} for row in rows]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return even rows as columns."""
    names = list(rows[0]) if rows else []
    return {name: [row[name] for row in rows] for name in names}


def cell_values(cells: Sequence[str]) -> list[Any]:
    """Return a column of text cells as whole numbers, numbers, booleans or text; an empty cell is None.

    A column is only more than text when each value, written again, gives the very same text: ``007`` and ``1.50``
    stay text, so nothing of an identifier is ever lost.
    """
    filled = [cell for cell in cells if cell != ""]
    if filled:
        if all(cell in ("True", "False") for cell in filled):
            return [None if cell == "" else cell == "True" for cell in cells]
        for kind in (int, float):
            if all(_same(kind, cell) for cell in filled):
                return [None if cell == "" else kind(cell) for cell in cells]
        if all(_same(int, cell) or _same(float, cell) for cell in filled):
            return [None if cell == "" else float(cell) for cell in cells]
    return [None if cell == "" else cell for cell in cells]


def _same(kind: type[int] | type[float], cell: str) -> bool:
    if not (cell[0].isdigit() or cell[0] == "-") or len(cell) > 25:
        return False
    try:
        value = kind(cell)
    except ValueError:
        return False
    return str(value) == cell and (kind is float or -(2**63) <= value < 2**63)


def pandas_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return a pandas DataFrame; whole numbers and booleans with gaps keep their kind (Int64, boolean)."""
    try:
        import pandas as pd
    except ImportError:
        raise ExtraMissing("to_pandas() needs pandas: pip install 'commensal[pandas]'.") from None
    made: dict[str, Any] = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        gaps = any(value is None for value in values)
        if gaps and kinds == {int}:
            made[name] = pd.array(list(values), dtype="Int64")
        elif gaps and kinds == {bool}:
            made[name] = pd.array(list(values), dtype="boolean")
        elif kinds and kinds <= {int, float} and len(kinds) == 2:
            made[name] = pd.Series([None if v is None else float(v) for v in values], dtype="float64")
        else:
            made[name] = pd.Series(list(values))
    return pd.DataFrame(made)


def polars_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return a polars DataFrame; a column of mixed kinds becomes text."""
    try:
        import polars as pl
    except ImportError:
        raise ExtraMissing("to_polars() needs polars: pip install 'commensal[polars]'.") from None
    made: list[Any] = []
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        cells = list(values)
        if list in kinds and len(kinds) > 1:  # a single value beside lists is a list of one
            cells = [value if value is None or isinstance(value, list) else [value] for value in cells]
        elif len(kinds) > 1 and not kinds <= {int, float}:
            cells = [None if value is None else str(value) for value in cells]
        elif kinds == {int, float}:
            cells = [None if value is None else float(value) for value in cells]
        made.append(pl.Series(name, cells, strict=False))
    return pl.DataFrame(made)
