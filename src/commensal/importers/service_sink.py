"""A sink that writes through the services of this process."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from commensal.core.permissions import PublicLevel, Right
from commensal.core.principals import Principal
from commensal.core.records import SubmissionResult
from commensal.errors import AlreadyExists, Invalid, InvalidRows, NotFound, Problem
from commensal.importers.sink import EXTRA, Counts, Document, ProjectKind, SubmitResult
from commensal.services import Services

__all__ = ["ServiceSink"]

_BLOCK = 1024 * 1024


class ServiceSink:
    """Writes as one caller. ``owner`` (an e-mail) is made owner of the programs and projects made here."""

    def __init__(self, services: Services, principal: Principal, *, owner: str | None = None) -> None:
        self._services = services
        self._principal = principal
        self._owner = owner
        self._new_programs: set[str] = set()

    async def ensure_program(self, code: str, title: str | None = None) -> None:
        """See ``sink.Sink``."""
        catalog = self._services.catalog
        try:
            await catalog.program(self._principal, code)
            return
        except NotFound:
            pass
        try:
            await catalog.add_program(self._principal, code, title=title)
        except AlreadyExists as error:
            if error.field != "title":
                return  # somebody made it in between, and owns it
            await catalog.add_program(self._principal, code)  # another program is called so; the code says enough
        self._new_programs.add(code)
        if self._owner is not None:
            await self._services.grants.grant(self._principal, self._owner, "owner", code)

    async def ensure_project(
        self,
        program: str,
        code: str,
        *,
        kind: ProjectKind,
        title: str,
        properties: Mapping[str, Any],
        public: str | None,
    ) -> None:
        """See ``sink.Sink``."""
        catalog = self._services.catalog
        level = None
        if public is not None:
            level = PublicLevel.parse(public)
            if level is None:
                raise Invalid(f"{public!r} is no public level: none, aggregate, read or download.", field="public")
        try:
            await catalog.project(self._principal, f"{program}-{code}", right=Right.CREATE)
            return
        except NotFound:
            pass
        values = dict(properties)
        extra = values.pop(EXTRA, None)
        try:
            await catalog.add_project(
                self._principal, program, code, title=title, kind=kind, public=level, properties=values, extra=extra
            )
        except AlreadyExists:
            await catalog.project(self._principal, f"{program}-{code}", right=Right.CREATE)
            return
        if self._owner is not None and program not in self._new_programs:
            await self._services.grants.grant(self._principal, self._owner, "owner", f"{program}-{code}")

    async def submit(
        self, program: str, project: str, documents: Sequence[Document], *, cells: bool = False
    ) -> SubmitResult:
        """See ``sink.Sink``."""
        more: dict[str, Any] = {"cells": True} if cells else {}
        result = await self._services.submission.submit(self._principal, program, project, documents, **more)
        if not result.success:
            raise _refused(result)
        return SubmitResult(_counts(result))

    async def put_file(
        self,
        program: str,
        project: str,
        path: str,
        source: Path,
        *,
        media_type: str,
        record: tuple[str, str] | None,
    ) -> None:
        """See ``sink.Sink``."""
        place = await self._services.catalog.project(self._principal, f"{program}-{project}", right=Right.CREATE)
        digest, size = await asyncio.to_thread(_digest, source)
        await self._services.files.put(
            self._principal,
            place,
            path,
            _blocks(source),
            media_type=media_type,
            record=record,
            size=size,
            sha256=digest,
        )


def _digest(source: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


async def _blocks(source: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(source.open, "rb")
    try:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
    finally:
        file.close()


def _counts(result: SubmissionResult) -> dict[str, Counts]:
    counts: dict[str, Counts] = {}
    for entity in result.entities:
        if entity.unchanged:
            one = Counts(unchanged=1)
        elif entity.action == "create":
            one = Counts(created=1)
        else:
            one = Counts(updated=1)
        name = entity.type or ""
        counts[name] = counts.get(name, Counts()) + one
    return counts


def _refused(result: SubmissionResult) -> InvalidRows:
    problems: list[Problem] = []
    for row, entity in enumerate(result.entities, 1):
        name = next((key["submitter_id"] for key in entity.unique_keys if key.get("submitter_id")), None)
        record = " ".join(str(part) for part in (entity.type, name) if part) or None
        problems += [
            Problem(error.message, code=error.type.lower(), row=row, field=", ".join(error.keys) or None, record=record)
            for error in entity.errors
        ]
    problems += [Problem(one if isinstance(one, str) else one.message) for one in result.transactional_errors]
    return InvalidRows(f"{result.message} Nothing was written.", problems)
