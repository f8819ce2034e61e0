"""Objects of the metadata service: an index record, its document and its bytes to come, made at once.

Source: contracts/gen3.md 8.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commensal.core import index as rules
from commensal.core.index import IndexRecord
from commensal.core.metadata_documents import check_alias, check_document, unique
from commensal.core.principals import Principal
from commensal.core.uploads import Upload
from commensal.errors import AlreadyExists, Invalid, NotFound, Unauthenticated
from commensal.services.index import Index
from commensal.services.metadata_documents import MetadataDocuments
from commensal.services.uploads import Uploads
from commensal.storage.ports import Unit
from commensal.storage.ports.index import IndexStore

__all__ = ["MetadataObjects", "NewObject"]


@dataclass(frozen=True, slots=True)
class NewObject:
    """A new object: its record, its aliases in the index, its document (JSON text), and the upload of its bytes."""

    record: IndexRecord
    aliases: list[str]
    document: str
    upload: Upload


class MetadataObjects:
    """Rights are those of the index: ``create`` to make, ``read`` to see, ``delete`` to remove."""

    def __init__(self, *, index: Index, store: IndexStore, documents: MetadataDocuments, uploads: Uploads) -> None:
        self._index = index
        self._store = store
        self._documents = documents
        self._uploads = uploads

    async def create(
        self,
        principal: Principal,
        file_name: str,
        *,
        authz: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        aliases: Sequence[Any] = (),
        version_of: str | None = None,
    ) -> NewObject:
        """Make a blank index record with aliases and a document, all or none, and begin the upload of its bytes.

        ``authz`` as in ``Index.create_blank``; ``version_of``: the record that it is the next version of, which has
        the authz then. The document says by ``_upload_status`` whether the bytes are there. Raises Invalid, Forbidden,
        AlreadyExists for an alias that is taken, NotFound.
        """
        names = unique([check_alias(alias) for alias in aliases])
        rules.check_list(names, "aliases")
        for name in names:
            if rules.parse_did(name) is not None:
                raise Invalid(f"The alias {name!r} has the form of a GUID.", field="aliases")
        check_document(dict(metadata or {}))
        documents: list[str] = []

        async def also(unit: Unit, record: IndexRecord) -> None:
            about = {
                "_resource_paths": list(record.authz),
                "_uploader_id": "" if principal.user is None else str(principal.user),
                "_upload_status": "not_uploaded",
            }
            text = await self._documents.add_of_object(unit, principal, record.did, {**(metadata or {}), **about})
            documents.append(text)
            await self._index.require_alias_places(unit, principal, record, names)
            pairs = [(name, record.file.uuid) for name in names]
            given = await self._store.add_aliases(unit, pairs, now=record.created) if pairs else {}
            for name, uuid in pairs:
                if given.get(name) != uuid:
                    raise AlreadyExists(f"The alias {name!r} is taken.", field="aliases")

        if version_of is None:
            record = await self._index.create_blank(principal, file_name=file_name, authz=authz, also=also)
        else:
            before = await self._index.get(principal, version_of)
            record = await self._index.new_blank_version(
                principal, before.did, file_name=file_name, authz=before.authz, also=also
            )
        upload = await self._uploads.begin(
            principal, record.project, record.file.path, file=record.file.uuid, fills=True
        )
        return NewObject(record, names, documents[0], upload)

    async def get(
        self, principal: Principal, name: str, *, latest: bool = False
    ) -> tuple[IndexRecord | None, str | None]:
        """Return an object's index record and the JSON of its document, by GUID or alias; None for what it has not.

        What the caller may not read is left out. ``latest``: of its newest version. Raises NotFound when nothing is
        left, or Unauthenticated.
        """
        record: IndexRecord | None = None
        with contextlib.suppress(NotFound):
            record = await (self._index.latest(principal, name) if latest else self._index.get(principal, name))
        try:
            return record, await self._documents.get(principal, name if record is None else record.did)
        except (NotFound, Unauthenticated):
            if record is None:
                raise
            return record, None

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete an object: its index record with the bytes, and its document. Raises NotFound, Forbidden."""
        try:
            did = (await self._index.get(principal, name)).did
            await self._index.delete(principal, did)
        except NotFound:
            await self._documents.delete(principal, name)
            return
        with contextlib.suppress(NotFound):
            await self._documents.delete(principal, did)
