"""Rows of the permission matrix for files, uploads and signed addresses; imported by test_matrix."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Any

from commensal.core.files import File
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.services.files import Files
from commensal.services.growing_uploads import GrowingUploads
from commensal.services.signed_bytes import SignedBytes
from commensal.services.signing import Signer
from commensal.storage.blobs.local import LocalBlobs
from commensal.storage.postgres.catalog import PgProjectStore
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.uploads import PgUploads
from tests.rights.conftest import OPERATOR
from tests.rights.matrix import EXEMPT, MATRIX, SERVICES, Place, Row


class Store:
    """The three services on one folder, and a file in the project."""

    def __init__(self, place: Place, folder: str) -> None:
        site = place.site
        common: dict[str, Any] = {"database": site.database, "blobs": LocalBlobs(folder), "audit": site.audit}
        signer = Signer(b"k" * 32)
        self.project = place.project
        self.files = Files(store=PgFileStore(), guard=site.guard, **common)
        self.uploads = GrowingUploads(
            store=PgUploads(), projects=PgProjectStore(), files=self.files, signer=signer, **common
        )
        self.bytes = SignedBytes(store=PgFileStore(), files=self.files, guard=site.guard, signer=signer, **common)
        self.file: File


async def _bytes() -> AsyncIterator[bytes]:
    yield os.urandom(3)  # the same bytes again would be those of another folder


def _row(method: str, need: Right, call: Callable[[Store, Principal], Any]) -> Row:
    async def made(place: Place, who: Principal) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(place, folder)
            store.file = (await store.files.put(OPERATOR, place.project, "here", _bytes())).file
            return await call(store, who)

    return Row(method, need, "project", made)


MATRIX += [
    _row("Files.put", Right.CREATE, lambda s, who: s.files.put(who, s.project, "new", _bytes())),
    _row("Files.put", Right.UPDATE, lambda s, who: s.files.put(who, s.project, "here", _bytes(), media_type="a/b")),
    _row("Files.check_place", Right.CREATE, lambda s, who: s.files.check_place(who, s.project, "new")),
    _row("Files.check_place", Right.UPDATE, lambda s, who: s.files.check_place(who, s.project, "here")),
    _row("Files.get", Right.READ, lambda s, who: s.files.get(who, s.project, path="here")),
    _row("Files.show", Right.READ, lambda s, who: s.files.show(who, s.project, "here")),
    _row("Files.list", Right.READ, lambda s, who: s.files.list(who, s.project)),
    _row("Files.of_records", Right.READ, lambda s, who: s.files.of_records(who, s.project, [])),
    _row("Files.open", Right.DOWNLOAD, lambda s, who: s.files.open(who, s.project, s.file)),
    _row("GrowingUploads.begin", Right.CREATE, lambda s, who: s.uploads.begin(who, s.project, "new")),
    _row("GrowingUploads.begin", Right.UPDATE, lambda s, who: s.uploads.begin(who, s.project, "here")),
    _row(
        "GrowingUploads.begin_growing",
        Right.CREATE,
        lambda s, who: s.uploads.begin_growing(who, s.project, "new", size=3),
    ),
    _row(
        "SignedBytes.address", Right.DOWNLOAD, lambda s, who: s.bytes.address(who, s.project, s.file, base="http://x")
    ),
]

SERVICES += [Files, GrowingUploads, SignedBytes]

EXEMPT.update(
    {
        "Files.keep": "as put, for bytes that are in the store (tests/uploads/test_keeping)",
        "Files.check_bytes": "for services that have asked the guard",
        "Files.current": "for services that ask the guard later",
        "Files.purge": "for the purge job",
        "GrowingUploads.find": "the sender's own; NotFound for others (tests/uploads, these all)",
        "GrowingUploads.offset": "as find",
        "GrowingUploads.append": "as find, and begin (test_growing: rights are asked with every request)",
        "GrowingUploads.complete": "as find, and Files.keep",
        "GrowingUploads.give_up": "as find",
        "GrowingUploads.write": "behind a signed address; asks for the sender's rights again",
        "GrowingUploads.write_part": "as write",
        "GrowingUploads.parts": "behind a signed address",
        "GrowingUploads.verify_next": "for the job",
        "GrowingUploads.look_for_direct": "for the job",
        "GrowingUploads.look_after_lost": "for the job",
        "GrowingUploads.collect": "for the job",
        "GrowingUploads.sweep": "for the job",
        "GrowingUploads.run": "for the job",
        "SignedBytes.addresses_at": "empty without download",
        "SignedBytes.size": "behind a signed address",
    }
)
