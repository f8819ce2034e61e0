"""Results of samples and groups, and their fields.

Source: the document's ``AnalysisResult`` family; contract pangea.md a4, a6.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

from commensal.client._progress import Progress
from commensal.client.pangea import _download, _upload
from commensal.client.pangea._names import blob_filename, referenced_filename
from commensal.client.pangea.remote_object import RemoteObject, RemoteObjectError

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex
    from commensal.client.pangea.sample import Sample
    from commensal.client.pangea.sample_group import SampleGroup

__all__ = [
    "AnalysisResult",
    "AnalysisResultField",
    "SampleAnalysisResult",
    "SampleAnalysisResultField",
    "SampleGroupAnalysisResult",
    "SampleGroupAnalysisResultField",
]

#: From this size on files are sent in parts; also the size of a part. Both as in the document.
PART_SIZE = 10311680

Report = Callable[[Progress], None] | bool


class AnalysisResult(RemoteObject):
    """What a module found: of a sample or of a group, once for each replicate."""

    remote_fields = [  # noqa: RUF012 declared in the base class
        "uuid",
        "created_at",
        "updated_at",
        "module_name",
        "replicate",
        "metadata",
        "description",
    ]
    canonical = ""
    owner_key = ""

    module_name: str
    replicate: str | None

    def _init(
        self,
        knex: Knex,
        module_name: str,
        replicate: str | None,
        metadata: dict[str, Any],
        is_private: bool,  # noqa: FBT001 as its callers have it
    ) -> None:
        self.knex = knex
        self.module_name = module_name
        self.replicate = replicate
        self.metadata: Any = deepcopy(metadata)
        self.is_private = is_private
        self.description: Any = ""

    @property
    def owner(self) -> RemoteObject:
        """The sample or group that this is a result of."""
        assert self.parent_field is not None
        return getattr(self, self.parent_field)

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The name of the module."""
        return self.module_name

    def __str__(self) -> str:
        return f"<Pangea::{type(self).__name__} {self.module_name} {self.replicate} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by names; the replicate is a parameter."""
        return f"{self.owner.nested_url()}/analysis_results/{self.module_name}"

    def pre_hash(self) -> str:
        """Return what tells this result from others."""
        return f"{self.module_name}{self.owner.pre_hash()}{self.replicate or ''}"

    @property
    def inherited_url_options(self) -> dict[str, Any]:
        """Those of the owner, and the replicate."""
        above = super().inherited_url_options
        return {**above, "replicate": self.replicate} if self.replicate else above

    def load_blob(self, blob: Any, *, allow_overwrite: bool = False) -> None:
        """Also take whether the result is private."""
        super().load_blob(blob, allow_overwrite=allow_overwrite)
        self.is_private = bool(blob.get("is_private"))

    def _get(self) -> None:
        self.owner.idem()
        self._take(self.nested_url(), self.inherited_url_options)

    def _sent(self) -> dict[str, Any]:
        state = {key: value for key, value in self._state("is_private").items() if value is not None}
        return {**state, self.owner_key: self.owner.uuid}

    def _create(self) -> None:
        self.owner.idem()
        options = {"format": "json", **self.owner.inherited_url_options}
        self.load_blob(self.knex.post(self.canonical, json=self._sent(), url_options=options), allow_overwrite=True)

    def _save(self) -> None:
        self._refresh(self.knex.put(f"{self.canonical}/{self.uuid}", json=self._sent()))

    @abstractmethod
    def field(self, field_name: str, data: Any = {}) -> AnalysisResultField:  # noqa: B006 as the document has it
        """Return a field of this result; the server is not asked."""

    def get_fields(self, cache: bool = True) -> Iterator[Any]:  # noqa: FBT001, FBT002 as the document has it
        """Yield all fields of this result, as the server has them now."""
        self.get()
        options = {**self.owner.inherited_url_options, "analysis_result_id": self.uuid}
        for blob in self.knex.pages(self.field("").canon_url(), url_options=options):
            made = self.field(blob["name"])
            made.load_blob(blob, allow_overwrite=True)
            made._fetched()  # noqa: SLF001 one family of classes
            yield made


class SampleAnalysisResult(AnalysisResult):
    """A result of a sample."""

    parent_field = "sample"
    canonical = "sample_ars"
    owner_key = "sample"

    def __init__(
        self,
        knex: Knex,
        sample: Sample,
        module_name: str,
        replicate: str | None = None,
        metadata: dict[str, Any] = {},  # noqa: B006 as the document has it
        is_private: bool = False,  # noqa: FBT001, FBT002 as the published client has it
    ) -> None:
        super().__init__()
        self.sample = sample
        self._init(knex, module_name, replicate, metadata, is_private)

    def field(self, field_name: str, data: Any = {}) -> SampleAnalysisResultField:  # noqa: B006
        """Return a field of this result; the server is not asked."""
        return SampleAnalysisResultField(self.knex, self, field_name, data)


class SampleGroupAnalysisResult(AnalysisResult):
    """A result of a group."""

    parent_field = "grp"
    canonical = "sample_group_ars"
    owner_key = "sample_group"

    def __init__(
        self,
        knex: Knex,
        grp: SampleGroup,
        module_name: str,
        replicate: str | None = None,
        metadata: dict[str, Any] = {},  # noqa: B006 as the document has it
        is_private: bool = False,  # noqa: FBT001, FBT002 as the published client has it
    ) -> None:
        super().__init__()
        self.grp = grp
        self._init(knex, module_name, replicate, metadata, is_private)

    def field(self, field_name: str, data: Any = {}) -> SampleGroupAnalysisResultField:  # noqa: B006
        """Return a field of this result; the server is not asked."""
        return SampleGroupAnalysisResultField(self.knex, self, field_name, data)


class AnalysisResultField(RemoteObject):
    """A named value of a result: JSON, or a file that ``stored_data`` points to."""

    remote_fields = ["uuid", "created_at", "updated_at", "name", "stored_data"]  # noqa: RUF012 declared in the base
    parent_field = "parent"

    def __init__(
        self,
        knex: Knex,
        parent: AnalysisResult,
        field_name: str,
        data: Any = {},  # noqa: B006 as the document has it
    ) -> None:
        super().__init__()
        self.knex = knex
        self.parent = parent
        self.name = field_name
        self.stored_data: Any = deepcopy(data)
        self._fetched_file: _download.TemporaryCopy | None = None
        self._copies: list[_download.TemporaryCopy] = []

    def __str__(self) -> str:
        return f"<Pangea::{type(self).__name__} {self.name} {self.uuid} />"

    @abstractmethod
    def canon_url(self) -> str:
        """Return where fields of this kind are."""

    def nested_url(self) -> str:
        """Return the address by names."""
        return f"{self.parent.nested_url()}/fields/{self.name}"

    def pre_hash(self) -> str:
        """Return what tells this field from others."""
        return f"{self.name}{self.parent.pre_hash()}"

    def _get(self) -> None:
        self.parent.idem()
        # The replicate goes along: without it the result that changed last would be meant.
        self.load_blob(self.knex.get(self.nested_url(), url_options=self.parent.inherited_url_options))

    def _checked(self) -> Any:
        if json.loads(json.dumps(self.stored_data)) != self.stored_data:
            raise RemoteObjectError(
                f"The data of {self} would come back changed: use only dicts with text keys, lists, texts, numbers, "
                "true, false and null."
            )
        return self.stored_data

    def _create(self) -> None:
        self.parent.idem()
        sent = {"analysis_result": self.parent.uuid, "name": self.name, "stored_data": self._checked()}
        options = {"format": "json", **self.parent.owner.inherited_url_options}
        self.load_blob(self.knex.post(self.canon_url(), json=sent, url_options=options), allow_overwrite=True)

    def _save(self) -> None:
        sent = {**self._state(), "stored_data": self._checked(), "analysis_result": self.parent.uuid}
        self._refresh(self.knex.put(f"{self.canon_url()}/{self.uuid}", json=sent))

    def refresh(self) -> Self:
        """Take the state of the server, also over changes that were made here."""
        self.load_blob(self.knex.get(f"{self.canon_url()}/{self.uuid}"), allow_overwrite=True)
        self._fetched()
        return self

    # --- files

    def get_blob_filename(self) -> str:
        """Return the usual name of a file with ``stored_data``: ``<owner>/<owner>.<module>.<field>.json``."""
        return blob_filename(self.parent.owner.name, self.parent.module_name, self.name)

    def get_referenced_filename(self) -> str:
        """Return the usual name of the file that ``stored_data`` points to; raises TypeError where it is no file."""
        return referenced_filename(self.parent.owner.name, self.parent.module_name, self.name, self.stored_data)

    def get_download_url(self) -> str:
        """Return an address to download the file from; raises TypeError where ``stored_data`` is no file."""
        return _download.address_of(self.stored_data)

    def download_file(
        self,
        filename: str | None = None,
        cache: bool = True,  # noqa: FBT001, FBT002 as the document has it
        *,
        progress: Report = False,
    ) -> str:
        """Return the path of a local copy of the file (kinds s3, http, https, ftp, sra).

        Without ``filename`` it is a temporary one that is removed with this object. With ``cache`` an earlier copy is
        used again: also for a new ``filename``, to which it is copied. A cut transfer goes on where it stopped.
        Raises TypeError where ``stored_data`` is no file, TransferError.
        """
        return _download.fetch(self, filename, cache=cache, progress=progress)

    def upload_file(self, filepath: str, multipart_thresh: int = PART_SIZE, **kwargs: Any) -> Self:
        """Send a file to the server's own store, in parts from ``multipart_thresh`` bytes on.

        ``kwargs`` are those of ``upload_large_file``. Afterwards ``stored_data`` points to the file.
        """
        return _upload.send(self, filepath, multipart_thresh, kwargs)

    def upload_small_file(self, filepath: str) -> Self:
        """Send a file in one piece."""
        return _upload.send_whole(self, filepath)

    def upload_large_file(
        self,
        filepath: str,
        file_size: int,
        chunk_size: int = PART_SIZE,
        max_retries: int = 3,
        logger: Callable[[str], Any] = lambda x: x,
        *,
        threads: int = 4,
        progress: Report = False,
    ) -> Self:
        """Send a file in parts of ``chunk_size`` bytes, several at once; each is tried again ``max_retries`` times.

        Called again after a failure, only parts that are not there yet are sent. Each part's MD5 is compared with what
        the store received. Raises TransferError.
        """
        return _upload.send_parts(
            self, filepath, file_size, chunk_size, max_retries, logger, threads=threads, progress=progress
        )


class SampleAnalysisResultField(AnalysisResultField):
    """A field of a sample's result."""

    def canon_url(self) -> str:
        """Return where fields of this kind are."""
        return "sample_ar_fields"


class SampleGroupAnalysisResultField(AnalysisResultField):
    """A field of a group's result."""

    def canon_url(self) -> str:
        """Return where fields of this kind are."""
        return "sample_group_ar_fields"
