"""Records as exports and entity pages show them: with their declared links, each target named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

__all__ = ["ExportShape", "Exported", "ExportedLink", "LinkShape"]


class ExportedLink(msgspec.Struct, frozen=True, array_like=True):
    """One target of one link; ``target`` is its submitter_id, or the code of a project or program."""

    name: str
    id: str
    target: str


class Exported(msgspec.Struct, frozen=True):
    """One record with its links in a stable order. ``metadata`` is the JSON text of the free metadata."""

    id: str
    type: str
    submitter_id: str
    state: str
    created: datetime
    updated: datetime
    props: dict[str, Any]
    metadata: str | None
    links: list[ExportedLink]
    project_id: str = ""

    def targets(self, name: str) -> list[ExportedLink]:
        """Return the targets of one link."""
        return [link for link in self.links if link.name == name]


class LinkShape(msgspec.Struct, frozen=True):
    """A declared link: the kind of its targets (``record``, ``project``, ``program``), and whether it has several."""

    name: str
    kind: str
    many: bool


class ExportShape(msgspec.Struct, frozen=True):
    """Which records a streamed export reads, and what it needs of them.

    ``type`` is the stored type; ``links`` the declared links, sorted by name. ``hidden`` are stored properties that
    are not exported; ``columns`` are properties that live in columns of their own (``state``, ``created_datetime``,
    ``updated_datetime``, ``metadata``).
    """

    type: str
    links: Sequence[LinkShape] = ()
    hidden: Sequence[str] = ()
    columns: Sequence[str] = ()
