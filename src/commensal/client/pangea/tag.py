"""Tags on samples, groups and other tags. Source: contract pangea.md a4, b10."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from commensal.client.pangea.remote_object import RemoteObject
from commensal.client.pangea.sample import Sample
from commensal.client.pangea.sample_group import SampleGroup

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex

__all__ = ["Tag"]


class Tag(RemoteObject):
    """A word with a text (``payload``) that others can carry; calling it with an object tags that."""

    remote_fields = ["uuid", "created_at", "updated_at", "name", "payload"]  # noqa: RUF012 declared in the base class
    parent_field = None

    def __init__(self, knex: Knex, name: str, payload: str = "") -> None:
        super().__init__()
        self.knex = knex
        self.name = name
        self.payload = payload

    def __str__(self) -> str:
        return f"<Pangea::Contrib::Tag {self.name} {self.uuid} />"

    def __call__(self, other: Tag | Sample | SampleGroup, payload: str = "") -> None:
        """Do the same as ``tag``."""
        self.tag(other, payload)

    def nested_url(self) -> str:
        """Return the address by uuid: tags have none by names."""
        return f"contrib/tags/{self.uuid}"

    def pre_hash(self) -> str:
        """Return what tells this tag from others."""
        return f"TAG{self.name}"

    def _get(self) -> None:
        self._take(f"contrib/tags/name/{self.name}")

    def _create(self) -> None:
        sent = {"name": self.name, "payload": self.payload}
        self.load_blob(self.knex.post("contrib/tags/?format=json", json=sent), allow_overwrite=True)

    def _save(self) -> None:
        self._refresh(self.knex.put(self.nested_url(), json=self._state()))

    def tag(self, other: Tag | Sample | SampleGroup, payload: str = "") -> None:
        """Put this tag on an object; both are created where they are missing."""
        self.idem()
        other.idem()
        kind = {Tag: "tag", Sample: "sample", SampleGroup: "sample_group"}[type(other)]
        self.knex.post(f"{self.nested_url()}/{kind}s", json={f"{kind}_uuid": other.uuid, "payload": payload})

    def get_samples(self) -> Iterator[Sample]:
        """Yield all samples that carry this tag and may be seen."""
        from commensal.client.pangea.blob_constructors import sample_from_blob

        self.get()
        for blob in self.knex.pages(f"{self.nested_url()}/samples"):
            yield sample_from_blob(self.knex, blob)

    def get_sample_groups(self) -> Iterator[SampleGroup]:
        """Yield all groups that carry this tag and may be seen."""
        from commensal.client.pangea.blob_constructors import sample_group_from_blob

        self.get()
        for blob in self.knex.pages(f"{self.nested_url()}/sample_groups"):
            yield sample_group_from_blob(self.knex, blob)

    def get_random_samples(self, n: int = 100) -> Iterator[Sample]:
        """Yield at most ``n`` samples that carry this tag, drawn at random."""
        from commensal.client.pangea.blob_constructors import sample_from_blob

        self.get()
        for blob in self.knex.get(f"{self.nested_url()}/random_samples", url_options={"n": n})["results"]:
            yield sample_from_blob(self.knex, blob)
