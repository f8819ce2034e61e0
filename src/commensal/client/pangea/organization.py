"""Organizations. Source: the document's ``Organization``; contract pangea.md a4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from commensal.client.pangea.remote_object import RemoteObject

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex
    from commensal.client.pangea.sample_group import SampleGroup

__all__ = ["Organization"]


class Organization(RemoteObject):
    """Who owns sample groups and libraries."""

    remote_fields = ["uuid", "created_at", "updated_at", "name"]  # noqa: RUF012 declared in the base class
    parent_field = None

    def __init__(self, knex: Knex, name: str) -> None:
        super().__init__()
        self.knex = knex
        self.name = name

    def __str__(self) -> str:
        return f"<Pangea::Organization {self.name} {self.uuid} />"

    def nested_url(self) -> str:
        """Return the address by name."""
        return f"nested/{self.name}"

    def pre_hash(self) -> str:
        """Return what tells this organization from others."""
        return f"ORG{self.name}"

    def _get(self) -> None:
        self._take(self.nested_url(), self.inherited_url_options)

    def _create(self) -> None:
        self.load_blob(self.knex.post("organizations", json={"name": self.name}), allow_overwrite=True)

    def _save(self) -> None:
        self._refresh(self.knex.put(f"organizations/{self.uuid}", json=self._state()))

    def sample_group(
        self,
        group_name: str,
        metadata: dict[str, Any] | bool = {},  # noqa: B006, FBT001 both call styles
        is_library: bool = False,  # noqa: FBT001, FBT002 as the document has it
        is_public: bool | None = None,  # noqa: FBT001
    ) -> SampleGroup:
        """Return a sample group of this organization; the server is not asked.

        The second argument may be ``is_library`` (the document) or the metadata (published client 0.9.24).
        """
        from commensal.client.pangea.sample_group import SampleGroup

        return SampleGroup(self.knex, self, group_name, metadata, is_library, is_public)

    def get_sample_groups(self) -> Iterator[SampleGroup]:
        """Yield all sample groups of this organization that may be seen."""
        from commensal.client.pangea.blob_constructors import group_of

        self.get()
        for blob in self.knex.pages("sample_groups", url_options={"organization_id": self.uuid}):
            yield group_of(self.knex, blob, organization=self)
