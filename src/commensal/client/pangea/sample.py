"""Samples. Source: the document's ``Sample``; contract pangea.md a4."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from commensal.client.pangea.remote_object import RemoteObject, RemoteObjectError

if TYPE_CHECKING:
    from commensal.client.pangea.analysis_result import SampleAnalysisResult
    from commensal.client.pangea.knex import Knex
    from commensal.client.pangea.sample_group import SampleGroup

__all__ = ["Sample"]


class Sample(RemoteObject):
    """A sample of a library."""

    remote_fields = [  # noqa: RUF012 declared in the base class
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "metadata",
        "library",
        "description",
    ]
    parent_field = "lib"

    def __init__(
        self,
        knex: Knex,
        lib: SampleGroup,
        name: str,
        metadata: dict[str, Any] = {},  # noqa: B006 as the document has it
    ) -> None:
        super().__init__()
        self.knex = knex
        self.lib = lib
        self.name = name
        self.metadata: Any = deepcopy(metadata)
        self.library: str | None = None
        self.description: Any = ""

    def __str__(self) -> str:
        return f"<Pangea::Sample {self.name} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by names."""
        return f"{self.lib.nested_url()}/samples/{self.name}"

    def pre_hash(self) -> str:
        """Return what tells this sample from others."""
        return f"SAMPLE{self.name}{self.lib.pre_hash()}"

    def _get(self) -> None:
        self.lib.get()
        self._take(self.nested_url(), self.inherited_url_options)

    def _create(self) -> None:
        self.lib.idem()
        if not self.lib.is_library:
            raise RemoteObjectError(f"{self.lib} is no library: samples are created in a library and added to groups.")
        self.library = self.lib.uuid
        sent = {key: value for key, value in self._state().items() if value is not None}
        self.load_blob(self.knex.post("samples?format=json", json=sent), allow_overwrite=True)

    def _save(self) -> None:
        blob = self.knex.put(f"samples/{self.uuid}", json={**self._state(), "library": self.library})
        self._refresh(blob)

    def change_library(self, new_library: SampleGroup) -> Sample:
        """Move this sample to another library, at once; returns the sample."""
        self.get()
        new_library.get()
        self.clear_blob()
        self._refresh(self.knex.put(f"samples/{self.uuid}", json={**self._state(), "library": new_library.uuid}))
        self.lib = new_library
        self._modified = False
        return self

    def analysis_result(
        self,
        module_name: str,
        replicate: str | None = None,
        metadata: dict[str, Any] | None = None,
        is_private: bool = False,  # noqa: FBT001, FBT002 as the published client has it
    ) -> SampleAnalysisResult:
        """Return a result of this sample; the server is not asked."""
        from commensal.client.pangea.analysis_result import SampleAnalysisResult

        return SampleAnalysisResult(self.knex, self, module_name, replicate, metadata or {}, is_private)

    def get_analysis_results(self, cache: bool = True) -> Iterator[SampleAnalysisResult]:  # noqa: FBT001, FBT002
        """Yield all results of this sample that may be seen; with ``cache`` each is remembered."""
        self.get()
        options = {**self.inherited_url_options, "sample_id": self.uuid}
        for blob in self.knex.pages("sample_ars", url_options=options):
            result = self.analysis_result(blob["module_name"], blob["replicate"])
            result.load_blob(blob, allow_overwrite=True)
            result._fetched()  # noqa: SLF001 one family of classes
            if cache:
                result.cache_blob(blob)
            yield result

    def get_manifest(self) -> dict[str, Any]:
        """Return this sample with its results and fields."""
        self.get()
        return self.knex.get(f"samples/{self.uuid}/manifest", url_options=self.inherited_url_options)
