"""Sample groups and libraries. Source: the document's ``SampleGroup``; contract pangea.md a1, a4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from commensal.client.pangea.errors import PangeaGeneralError
from commensal.client.pangea.remote_object import RemoteObject

if TYPE_CHECKING:
    from commensal.client.pangea.analysis_result import SampleGroupAnalysisResult
    from commensal.client.pangea.knex import Knex
    from commensal.client.pangea.organization import Organization
    from commensal.client.pangea.sample import Sample

__all__ = ["SampleGroup"]

#: Samples that one request adds or removes.
_BATCH = 500


class SampleGroup(RemoteObject):
    """A group of samples; one with ``is_library`` owns them."""

    remote_fields = [  # noqa: RUF012 declared in the base class
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "is_library",
        "is_public",
        "metadata",
        "long_description",
        "description",
    ]
    parent_field = "org"

    def __init__(
        self,
        knex: Knex,
        org: Organization,
        name: str,
        metadata: dict[str, Any] | bool = {},  # noqa: B006, FBT001 both call styles
        is_library: bool = False,  # noqa: FBT001, FBT002 as the document has it
        is_public: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Make a group of an organization.

        The fourth argument may be ``is_library`` (the document) or the metadata (published client 0.9.24).
        ``is_public`` None leaves it to the server, whose groups are public.
        """
        super().__init__()
        if isinstance(metadata, bool):
            metadata, is_library = {}, metadata or is_library
        self.knex = knex
        self.org = org
        self.name = name
        self.is_library = is_library
        self.is_public = is_public
        self.metadata: Any = deepcopy(metadata)
        self.description: Any = ""
        self.long_description: Any = ""
        self._to_add: list[Sample] = []
        self._to_remove: list[Sample] = []

    def __str__(self) -> str:
        return f"<Pangea::SampleGroup {self.name} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by names."""
        return f"{self.org.nested_url()}/sample_groups/{self.name}"

    def pre_hash(self) -> str:
        """Return what tells this group from others."""
        return f"SG{self.name}{self.org.pre_hash()}"

    def _get(self) -> None:
        self.org.idem()
        self._take(self.nested_url(), self.inherited_url_options)

    def _create(self) -> None:
        self.org.idem()
        sent: dict[str, Any] = {
            "organization": self.org.uuid,
            "name": self.name,
            "is_library": self.is_library,
            "metadata": self.metadata,
        }
        if self.is_public is not None:
            sent["is_public"] = self.is_public
        sent |= {key: getattr(self, key) for key in ("description", "long_description") if getattr(self, key)}
        self.load_blob(self.knex.post("sample_groups?format=json", json=sent), allow_overwrite=True)

    def _changed(self) -> bool:
        return super()._changed() or bool(self._to_add or self._to_remove)

    def _save(self) -> None:
        sent = self._state()
        if any(sent[key] != (self.blob or {}).get(key) for key in self.remote_fields):
            self._refresh(self.knex.put(f"sample_groups/{self.uuid}", json={**sent, "organization": self.org.uuid}))
        address = f"sample_groups/{self.uuid}/samples"
        for queue, send in ((self._to_add, self.knex.post), (self._to_remove, self.knex.delete)):
            while queue:
                now = queue[:_BATCH]
                for sample in now:
                    sample.idem()
                send(address, json={"sample_uuids": [sample.uuid for sample in now]})
                del queue[:_BATCH]  # only what the server has taken: a failed save() can be called again

    def add_sample(self, sample: Sample) -> SampleGroup:
        """Return this group and add a sample to it, which the server is told by ``save``."""
        self._to_add.append(sample)
        self._modified = True
        return self

    def remove_sample(self, sample: Sample) -> SampleGroup:
        """Return this group and take a sample out of it, which the server is told by ``save``."""
        self._to_remove.append(sample)
        self._modified = True
        return self

    def sample(self, sample_name: str, metadata: dict[str, Any] = {}) -> Sample:  # noqa: B006 as the document has it
        """Return a sample of this library; the server is not asked."""
        from commensal.client.pangea.sample import Sample

        return Sample(self.knex, self, sample_name, metadata)

    def analysis_result(
        self,
        module_name: str,
        replicate: str | None = None,
        metadata: dict[str, Any] | None = None,
        is_private: bool = False,  # noqa: FBT001, FBT002 as the published client has it
    ) -> SampleGroupAnalysisResult:
        """Return a result of this group; the server is not asked."""
        from commensal.client.pangea.analysis_result import SampleGroupAnalysisResult

        return SampleGroupAnalysisResult(self.knex, self, module_name, replicate, metadata or {}, is_private)

    def get_samples(
        self,
        cache: bool = True,  # noqa: FBT001, FBT002 as the document has it
        error_handler: Callable[[Exception], Any] | None = None,
    ) -> Iterator[Sample]:
        """Yield all samples of this group that may be seen, as the server has them now.

        With ``cache`` each is remembered for later ``get`` calls. ``error_handler`` is told of a request that failed,
        after which no more samples come.
        """
        from commensal.client.pangea.blob_constructors import sample_of

        self.get()
        try:
            for blob in self.knex.pages(f"sample_groups/{self.uuid}/samples", url_options=self.inherited_url_options):
                sample = sample_of(self.knex, blob, group=self)
                if cache:
                    sample.cache_blob(blob)
                yield sample
        except PangeaGeneralError as error:
            if error_handler is None:
                raise
            error_handler(error)

    def get_analysis_results(self, cache: bool = True) -> Iterator[SampleGroupAnalysisResult]:  # noqa: FBT001, FBT002
        """Yield all results of this group that may be seen; with ``cache`` each is remembered."""
        self.get()
        options = {**self.inherited_url_options, "sample_group_id": self.uuid}
        for blob in self.knex.pages("sample_group_ars", url_options=options):
            result = self.analysis_result(blob["module_name"], blob["replicate"])
            result.load_blob(blob, allow_overwrite=True)
            result._fetched()  # noqa: SLF001 one family of classes
            if cache:
                result.cache_blob(blob)
            yield result

    def get_manifest(self) -> dict[str, Any]:
        """Return this group with its samples, their results and fields."""
        self.get()
        return self.knex.get(f"sample_groups/{self.uuid}/manifest", url_options=self.inherited_url_options)

    def get_module_counts(self) -> dict[str, int]:
        """Return how many samples there are (``n_samples``), and how many have a result of each module."""
        self.get()
        return self.knex.get(f"sample_groups/{self.uuid}/module_counts", url_options=self.inherited_url_options)
