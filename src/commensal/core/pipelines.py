"""Pipelines and the modules that they are made of: what says how an analysis result came to be."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commensal.core.projects import CatalogObject

__all__ = ["PIPELINE", "PIPELINE_MODULE", "ModuleName", "PipelineModule", "module_key"]

#: Kinds of the catalog objects.
PIPELINE = "pipeline"
PIPELINE_MODULE = "pipeline_module"


@dataclass(frozen=True, slots=True)
class ModuleName:
    """One module as others name it."""

    uuid: UUID
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class PipelineModule:
    """One version of a module: its object, its pipeline, what it needs, and what needs it."""

    object: CatalogObject
    pipeline: CatalogObject
    needs: tuple[ModuleName, ...] = ()
    needed_by: tuple[ModuleName, ...] = ()

    @property
    def name(self) -> str:
        """The module's name, which other versions and other pipelines may have, too."""
        return str(self.object.body.get("name", ""))

    @property
    def version(self) -> str:
        """The module's version."""
        return str(self.object.body.get("version", ""))


def module_key(pipeline: UUID, name: str, version: str) -> str:
    """Return the name of a module's catalog object: one for each pipeline, name and version."""
    return f"{pipeline}/{_part(name)}/{_part(version)}"


def _part(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")
