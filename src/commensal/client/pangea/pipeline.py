"""Pipelines and their modules, by name and version. Source: contract pangea.md a4, b10."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from commensal.client.pangea.remote_object import RemoteObject

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex

__all__ = ["Pipeline", "PipelineModule"]


class Pipeline(RemoteObject):
    """A pipeline."""

    remote_fields = [  # noqa: RUF012 declared in the base class
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "description",
        "long_description",
    ]
    parent_field = None

    def __init__(self, knex: Knex, name: str) -> None:
        super().__init__()
        self.knex = knex
        self.name = name
        self.description: Any = ""
        self.long_description: Any = ""

    def __str__(self) -> str:
        return f"<Pangea::Pipeline {self.name} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by uuid."""
        return f"pipelines/{self.uuid}"

    def pre_hash(self) -> str:
        """Return what tells this pipeline from others."""
        return f"PIPELINE{self.name}"

    def _get(self) -> None:
        self._take(f"pipelines/name/{self.name}")

    def _create(self) -> None:
        sent = {key: getattr(self, key) for key in ("name", "description", "long_description")}
        self.load_blob(self.knex.post("pipelines?format=json", json=sent), allow_overwrite=True)

    def _save(self) -> None:
        self._refresh(self.knex.put(self.nested_url(), json=self._state()))

    def module(self, name: str, version: str, metadata: dict[str, Any] = {}) -> PipelineModule:  # noqa: B006
        """Return a module of this pipeline; the server is not asked."""
        return PipelineModule(self.knex, self, name, version, metadata)

    def get_modules(self) -> Iterator[PipelineModule]:
        """Yield all modules of this pipeline."""
        self.get()
        for blob in self.knex.pages("pipeline_modules", url_options={"pipeline": self.uuid}):
            made = self.module(blob["name"], blob["version"])
            made.load_blob(blob, allow_overwrite=True)
            made._fetched()  # noqa: SLF001 one family of classes
            yield made


class PipelineModule(RemoteObject):
    """One version of a module of a pipeline."""

    remote_fields = [  # noqa: RUF012 declared in the base class
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "description",
        "long_description",
        "version",
        "metadata",
        "dependencies",
    ]
    optional_remote_fields = ["description", "long_description"]  # noqa: RUF012
    parent_field = "pip"

    def __init__(
        self,
        knex: Knex,
        pipeline: Pipeline,
        name: str,
        version: str,
        metadata: dict[str, Any] = {},  # noqa: B006 as its elders have it
    ) -> None:
        super().__init__()
        self.knex = knex
        self.pip = pipeline
        self.name = name
        self.version = version
        self.metadata: Any = deepcopy(metadata)
        self.description: Any = ""
        self.long_description: Any = ""
        self.dependencies: list[str] = []

    def __str__(self) -> str:
        return f"<Pangea::PipelineModule {self.name} {self.version} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by uuid."""
        return f"pipeline_modules/{self.uuid}"

    def pre_hash(self) -> str:
        """Return what tells this module from others."""
        return f"PIPELINE_MODULE{self.name}{self.version}{self.pip.pre_hash()}"

    def add_dependency(self, module: PipelineModule) -> PipelineModule:
        """Return this module and note that it needs another one, which the server is told by ``create`` or ``save``."""
        module.idem()
        assert module.uuid is not None
        self.dependencies = [*self.dependencies, module.uuid]
        return self

    def _get(self) -> None:
        self.pip.idem()
        self._take(f"pipelines/{self.pip.uuid}/modules/{self.name}/{self.version}")

    def _create(self) -> None:
        self.pip.idem()
        keys = ("name", "version", "metadata", "description", "long_description", "dependencies")
        sent = {key: getattr(self, key) for key in keys} | {"pipeline": self.pip.uuid}
        self.load_blob(self.knex.post("pipeline_modules?format=json", json=sent), allow_overwrite=True)

    def _save(self) -> None:
        self._refresh(self.knex.put(self.nested_url(), json={**self._state(), "pipeline": self.pip.uuid}))
