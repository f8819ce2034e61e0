"""The statement that lets PostgreSQL write the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commensal.core.exported import ExportShape
from commensal.core.tabular.copied import Cell

__all__ = ["cell_list", "quoted"]


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def cell_list(
    cells: Sequence[Cell], shape: ExportShape, columns: Mapping[str, str], targets: Mapping[str, tuple[str, str]]
) -> tuple[list[str], dict[str, str]]:
    """Return the columns of the statement, and those of the subqueries of links that may have many targets.

    ``columns``: SQL of the properties that live in columns of their own; ``targets``: table and name by kind of target.
    """
    places = {link.name: (n, link) for n, link in enumerate(shape.links)}
    many: dict[str, str] = {}
    for n, link in places.values():
        if link.many:
            name = f"t{n}.{targets[link.kind][1]}"
            many[link.name] = (
                f"string_agg(t{n}.uuid::text, ',' order by t{n}.uuid) as ids, "
                f"string_agg({name}, ',' order by t{n}.uuid) as names"
            )
    made: list[str] = []
    for kind, name in cells:
        if kind == "fixed":
            made.append(quoted(name) + "::text")
        elif kind == "id":
            made.append("r.uuid")
        elif kind == "submitter_id":
            made.append("r.submitter_id")
        elif kind in ("target_id", "target"):
            n, link = places[name]
            if link.many:
                made.append(f"m{n}.{'ids' if kind == 'target_id' else 'names'}")
            else:
                made.append(f"t{n}.{'uuid' if kind == 'target_id' else targets[link.kind][1]}")
        elif name in shape.columns:
            made.append(columns[name])
        elif kind == "truth":
            value = f"r.props ->> {quoted(name)}"
            made.append(f"case {value} when 'true' then 'True' when 'false' then 'False' end")
        else:
            made.append(f"r.props ->> {quoted(name)}")
    return made, many
