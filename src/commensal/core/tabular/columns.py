"""Columns of templates and exports of a type (contracts/gen3.md 4.9, 4.11), worked out once per type."""

from __future__ import annotations

from dataclasses import dataclass

from commensal.core.dictionary import Dictionary, NodeType

__all__ = ["Columns", "LinkColumn", "columns_of", "header", "template_header"]


@dataclass(frozen=True, slots=True)
class LinkColumn:
    """A link: its name, and the property that names its targets (``submitter_id``, ``code``, ``name``)."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a type by group.

    ``unique``: ``project_id`` and ``submitter_id``, where the type has them. ``required`` and ``optional`` are the
    other properties that are not set by the system, each sorted by name; ``links`` sorted by name.
    """

    label: str
    has_id: bool
    unique: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    links: tuple[LinkColumn, ...]
    starred: frozenset[str]
    is_data_file: bool

    @property
    def properties(self) -> tuple[str, ...]:
        """All properties but ``type`` and ``id``, in the order of exports."""
        return (*self.unique, *self.required, *self.optional)


def columns_of(node: NodeType, dictionary: Dictionary) -> Columns:
    """Return the columns of a type."""
    unique = sorted({name for key in node.unique_keys for name in key if name != "id"} & node.properties.keys())
    shown = [
        name
        for name in node.properties
        if name not in ("type", "id") and name not in unique and name not in node.system_properties
    ]
    required = frozenset(node.required)
    links = tuple(
        LinkColumn(link.name, dictionary.link_property(link)) for link in sorted(node.links, key=lambda one: one.name)
    )
    return Columns(
        label=node.label,
        has_id="id" in node.properties,
        unique=tuple(unique),
        required=tuple(sorted(name for name in shown if name in required)),
        optional=tuple(sorted(name for name in shown if name not in required)),
        links=links,
        starred=required,
        is_data_file=node.category == "data_file",
    )


def header(columns: Columns, *, with_id: bool) -> list[str]:
    """Return the header of an export."""
    names = ["type"]
    if with_id and columns.has_id:
        names.append("id")
    names += columns.properties
    for link in columns.links:
        if with_id and link.key != "id":
            names.append(f"{link.name}.id")
        names.append(f"{link.name}.{link.key}")
    return names


def template_header(columns: Columns) -> list[str]:
    """Return the header of a template: links stand before the required properties, which have a star."""

    def star(name: str, column: str = "") -> str:
        return f"*{column or name}" if name in columns.starred else column or name

    names = [star(name) for name in ("type", *columns.unique)]
    names += [star(link.name, f"{link.name}.{link.key}") for link in columns.links]
    names += [star(name) for name in (*columns.required, *columns.optional)]
    return [*names, "urls"] if columns.is_data_file else names
