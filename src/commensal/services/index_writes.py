"""Index records made, changed and deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from commensal.core import index as rules
from commensal.core.index import IndexRecord, NewIndexRecord
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import AlreadyExists, Conflict, Invalid
from commensal.services.audit import is_site_admin
from commensal.services.index_parts import Addresses, IndexParts
from commensal.storage.ports import Unit
from commensal.storage.ports.deletion import NewDeletion
from commensal.storage.ports.index import NewIndexRow, row_of

__all__ = ["IndexChanges", "IndexWrites"]

#: What a caller does with a new record in the transaction that makes it.
Also = Callable[[Unit, IndexRecord], Awaitable[None]]
#: A value that is left as it is.
SAME: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChanges:
    """New values of a record; what is not given stays. Size and hashes never change: that is a new version."""

    file_name: str | None = SAME
    version: str | None = SAME
    uploader: str | None = SAME
    urls: Sequence[str] = SAME
    urls_metadata: Mapping[str, Any] = SAME
    acl: Sequence[str] = SAME
    authz: Sequence[str] = SAME
    metadata: Mapping[str, Any] = SAME
    description: str | None = SAME
    content_created: datetime | None = SAME
    content_updated: datetime | None = SAME

    def given(self) -> dict[str, Any]:
        """Return the values that are given, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not SAME}


class IndexWrites(IndexParts):
    """The part of the index that writes."""

    # --- new records

    async def create(self, principal: Principal, new: NewIndexRecord, *, base: str = "") -> IndexRecord:
        """Make a record; see ``create_many``."""
        return (await self.create_many(principal, [new], base=base))[0]

    async def create_many(
        self, principal: Principal, news: Sequence[NewIndexRecord], *, base: str = ""
    ) -> list[IndexRecord]:
        """Make records, all or none, in a number of statements that does not grow with theirs.

        Needs ``create`` on every project that an authz path names, ``manage`` there for ``/open``, and a site admin
        for any other path or none. ``base`` is the address by which the caller knows this server. Raises Invalid,
        AlreadyExists for a did that is taken.
        """
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "index.add")
            for new in news:
                rules.check_new(new)
            await self._require_bases(unit, principal, [new.baseid for new in news if new.baseid is not None])
            return await self._add(unit, principal, news, home=None, base=base)

    async def _require_bases(self, unit: Unit, principal: Principal, baseids: Sequence[str]) -> None:
        """Refuse who would add versions to records that he may not change."""
        for project in await self._store.projects_of_bases(unit, baseids) if baseids else ():
            await self._guard.require(unit, principal, Right.UPDATE, project=project)

    async def create_blank(
        self,
        principal: Principal,
        *,
        file_name: str | None,
        authz: Sequence[str] = (),
        did: str | None = None,
        uploader: str | None = None,
        also: Also | None = None,
    ) -> IndexRecord:
        """Make a record of which size and hashes are not known yet.

        Without authz it stands in the caller's home project and names him as its uploader; with authz it needs
        ``create`` as any other, and names nobody. ``also`` is done in the same transaction.
        """
        new = NewIndexRecord(did=did, file_name=file_name, authz=tuple(authz), uploader=uploader)
        return await self._blank(principal, new, None, also)

    async def new_version(self, principal: Principal, did: str, new: NewIndexRecord, *, base: str = "") -> IndexRecord:
        """Make a record that is the next version of another one; needs ``update`` there, and ``create`` as any other.

        Without authz, the new version has that of the other one.
        """
        async with self._database.begin() as unit:
            before = await self._required(unit, principal, did, Right.UPDATE)
            rules.check_new(new)
            if new.baseid not in (None, before.baseid):
                raise Invalid("baseid must be that of the record, or be left out.", field="baseid")
            new = replace(new, baseid=before.baseid, authz=tuple(new.authz) or before.authz)
            made = await self._add(unit, principal, [new], home=before.project, base=base)
        return made[0]

    async def new_blank_version(
        self,
        principal: Principal,
        did: str,
        *,
        file_name: str | None,
        authz: Sequence[str] = (),
        uploader: str | None = None,
        new_did: str | None = None,
        also: Also | None = None,
    ) -> IndexRecord:
        """Make a blank record that is the next version of another one; needs ``update`` there."""
        new = NewIndexRecord(did=new_did, file_name=file_name, authz=tuple(authz), uploader=uploader)
        return await self._blank(principal, new, did, also)

    async def _blank(
        self, principal: Principal, new: NewIndexRecord, version_of: str | None, also: Also | None
    ) -> IndexRecord:
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "index.add")
        rules.check_new(new)
        self._check_uploader(principal, new.uploader)
        # Made by a transaction of its own, so that what the caller holds there is known to everybody after it.
        home = None if new.authz else await self._catalog.home_project(principal)
        uploader = None if new.authz else new.uploader or principal.email or None
        new = replace(new, uploader=uploader)
        async with self._database.begin() as unit:
            if version_of is not None:
                before = await self._required(unit, principal, version_of, Right.UPDATE)
                new = replace(new, baseid=before.baseid)
            made = await self._add(unit, principal, [new], home=home, base="")
            if also is not None:
                await also(unit, made[0])
        return made[0]

    async def _add(
        self, unit: Unit, principal: Principal, news: Sequence[NewIndexRecord], *, home: Project | None, base: str
    ) -> list[IndexRecord]:
        """Make checked records, and tell the audit.

        ``home`` is where those go that name no project; without it, only a site admin may.
        """
        named = await self._places(unit, {path for new in news for path in new.authz})
        allowed: set[int] = set()
        rows: list[NewIndexRow] = []
        opened: set[int] = set()
        places: dict[int, Project] = {}
        for new in news:
            self._check_uploader(principal, new.uploader)
            await self._require_paths(unit, principal, new.authz, named, allowed)
            project = next((named[path] for path in new.authz if path in named), None)
            if project is None:
                if home is None:
                    await self._guard.require_site_admin(unit, principal, "index.add")
                    home = await self._catalog.home_project_in(unit, principal)
                project = home
                if project.seq not in allowed:
                    await self._guard.require(unit, principal, Right.CREATE, project=project)
                    allowed.add(project.seq)
            row = _new_row(new, project, principal)
            places[project.seq] = project
            public = rules.OPEN in new.authz or (not new.authz and "*" in new.acl)
            if public and project.seq not in opened:
                await self._require_public(unit, principal, project)
                opened.add(project.seq)
            rows.append(row)
        given = [Addresses(places[row.project], f"{row.prefix}{row.uuid}", row.urls) for row in rows]
        for place, urls in enumerate(await self._checked_urls(unit, given, base)):
            row = rows[place]
            if len(urls) < len(row.urls):
                kept = {url: value for url, value in row.urls_metadata.items() if url in urls}
                rows[place] = replace(row, urls=urls, urls_metadata=kept)
        await self._require_free(unit, principal, [row for row, new in zip(rows, news, strict=True) if new.did])
        event = None
        if len(rows) == 1:
            place, did = places[rows[0].project], f"{rows[0].prefix}{rows[0].uuid}"
            event = self._audit.event(principal, "index.add", project=place, target=did)
        made = await self._store.make(unit, rows, list(places.values()), now=self._now(), event=event)
        taken = [row for row in rows if row.uuid not in made]
        if taken or len(made) < len(rows):
            shown = f"{taken[0].prefix}{taken[0].uuid}" if taken else "of two records"
            raise AlreadyExists(f"did already exists: {shown}", field="did")
        records = [made[row.uuid] for row in rows]
        for project in places.values() if event is None else ():
            mine = [record for record in records if record.project.seq == project.seq]
            await self._audit.write(unit, principal, "index.add", project=project, target=mine[0].did, n=len(mine))
        return records

    async def _require_free(self, unit: Unit, principal: Principal, rows: Sequence[NewIndexRow]) -> None:
        """Refuse GUIDs that another project, or the site, keeps: of deleted files, and of metadata documents."""
        places = [(row.project, row.uuid) for row in rows]
        kept = await self._store.kept_dids(unit, places, site=not is_site_admin(principal)) if places else []
        if kept:
            raise AlreadyExists(
                f"did already exists: {kept[0]} is that of a deleted record or of a metadata document elsewhere.",
                field="did",
            )

    # --- changes

    async def update(
        self, principal: Principal, did: str, rev: str | None, changes: IndexChanges, *, base: str = ""
    ) -> IndexRecord:
        """Change a record; needs ``update``. ``rev`` None: whatever its revision.

        Authz that names another project moves it there, which needs ``create`` there and ``delete`` here. Raises
        Conflict for another revision, and for a file that belongs to a record of its project.
        """
        async with self._database.begin() as unit:
            before = await self._required(unit, principal, did, Right.UPDATE, lock=True)
            whole = self._seen_whole(before, rev)
            return await self._changed(unit, principal, before, changes, whole=whole, base=base)

    async def fill_blank(
        self,
        principal: Principal,
        did: str,
        rev: str | None,
        *,
        size: int,
        hashes: Mapping[str, str],
        urls: Sequence[str] | None = None,
        authz: Sequence[str] | None = None,
        base: str = "",
    ) -> IndexRecord:
        """Give a blank record its size and hashes; needs ``update``. Those that it has already may be given again."""
        rules.check_size(size)
        rules.check_hashes(hashes)
        if not hashes:
            raise Invalid("hashes needs at least one hash.", field="hashes")
        async with self._database.begin() as unit:
            before = await self._required(unit, principal, did, Right.UPDATE, lock=True)
            whole = self._seen_whole(before, rev)
            clashes = [kind for kind, value in hashes.items() if before.hashes.get(kind, value) != value]
            known = before.size is not None and before.size != size
            blank = before.size is None and not before.hashes
            if clashes or known or not (blank or all(kind in before.hashes for kind in hashes)):
                raise Invalid("This record has another size, or other hashes, already: make a new version of it.")
            filled = replace(before, size=size, hashes={**before.hashes, **hashes})
            changes = IndexChanges(
                urls=SAME if urls is None else tuple(urls), authz=SAME if authz is None else tuple(authz)
            )
            return await self._changed(unit, principal, filled, changes, whole=whole, base=base)

    async def update_versions(
        self,
        principal: Principal,
        did: str,
        *,
        acl: Sequence[str] | None = None,
        authz: Sequence[str] | None = None,
    ) -> list[IndexRecord]:
        """Give all versions of a record this acl and authz; needs ``update`` on the project of each."""
        async with self._database.begin() as unit:
            base = (await self._required(unit, principal, did, Right.UPDATE)).baseid
            versions = await self._store.of_base(unit, base, lock=True)
            for project in {one.project.seq: one.project for one in versions}.values():
                await self._guard.require(unit, principal, Right.UPDATE, project=project)
            changes = IndexChanges(
                acl=SAME if acl is None else tuple(acl), authz=SAME if authz is None else tuple(authz)
            )
            named = None if authz is None else await self._places(unit, authz)
            opened: set[int] = set()
            prepared = [
                await self._prepared(unit, principal, one, changes, whole=True, base="", named=named, opened=opened)
                for one in versions
            ]
            if any(one.project.seq != old.project.seq for one, old in zip(prepared, versions, strict=True)):
                raise Invalid("This would move versions to another project: change them one by one.", field="authz")
            projects = [one.project for one in prepared]
            written = await self._store.change(unit, [row_of(one) for one in prepared], projects, now=self._now())
            for project in {one.seq: one for one in projects}.values():
                n = sum(one.seq == project.seq for one in projects)
                await self._audit.write(unit, principal, "index.update", project=project, target=base, n=n)
            return [written[one.file.uuid] for one in prepared]

    async def _changed(
        self, unit: Unit, principal: Principal, before: IndexRecord, changes: IndexChanges, *, whole: bool, base: str
    ) -> IndexRecord:
        """Write new values of a locked record, checked here, and return it as it is then."""
        after = await self._prepared(unit, principal, before, changes, whole=whole, base=base)
        written = await self._store.change(unit, [row_of(after)], [after.project], now=self._now())
        await self._noted(unit, principal, "index.update", after, details={"was": before.project.project_id})
        return written[after.file.uuid]

    async def _prepared(
        self,
        unit: Unit,
        principal: Principal,
        before: IndexRecord,
        changes: IndexChanges,
        *,
        whole: bool,
        base: str,
        named: dict[str, Project] | None = None,
        opened: set[int] | None = None,
    ) -> IndexRecord:
        """Return a record with new values, checked.

        ``named``: the projects of its new authz, where they are known; ``opened``: projects where it is known that
        the caller may open records.
        """
        given = changes.given()
        if not whole:
            # Made from a part of the record: what was not seen and is not said is left as it is.
            for name in ("urls", "urls_metadata"):
                if not given.get(name, True):
                    del given[name]
        if given.get("uploader", before.uploader) != before.uploader:
            self._check_uploader(principal, given["uploader"])
        after = replace(before, **given)
        if "urls" in given:
            given_urls = Addresses(before.project, before.did, after.urls, before.urls)
            (urls,) = await self._checked_urls(unit, [given_urls], base)
            metadata = after.urls_metadata
            if "urls_metadata" not in given or not whole:
                metadata = {**before.urls_metadata, **metadata}
                metadata = {url: value for url, value in metadata.items() if url in urls}
            elif "urls_metadata" in given:
                own = set(after.urls) - set(urls)
                metadata = {url: value for url, value in metadata.items() if url not in own}
            after = replace(after, urls=urls, urls_metadata=metadata)
        _check(after)
        if after.authz != before.authz:
            after = await self._placed(unit, principal, before, after, named)
        place = after.project.seq
        opened = set() if opened is None else opened
        if after.public and not (before.public and place == before.project.seq) and place not in opened:
            await self._require_public(unit, principal, after.project)
            opened.add(place)
        return after

    async def _placed(
        self,
        unit: Unit,
        principal: Principal,
        before: IndexRecord,
        after: IndexRecord,
        named: dict[str, Project] | None,
    ) -> IndexRecord:
        """Return a record in the project that its new authz names first; decide whether it may stand there."""
        if named is None:
            named = await self._places(unit, after.authz)
        if not after.authz:
            await self._guard.require_site_admin(unit, principal, "index.authz")
        new = [path for path in after.authz if path not in before.authz]
        await self._require_paths(unit, principal, new, named, set())
        project = next((named[path] for path in after.authz if path in named), before.project)
        if project.seq == before.project.seq:
            return after
        await self._guard.require(unit, principal, Right.CREATE, project=project)
        await self._guard.require(unit, principal, Right.DELETE, project=before.project)
        if before.file.record is not None:
            raise Conflict("This file belongs to a record of its project: move the record.")
        if after.urls:
            await self._checked_urls(unit, [Addresses(project, after.did, after.urls)])
        return replace(after, project=project)

    # --- deletion

    async def delete(self, principal: Principal, did: str, rev: str | None = None) -> IndexRecord:
        """Delete a record with the bytes it stands for; needs ``delete``. It can be brought back for 30 days.

        Returns the record as it was. Raises Conflict for another revision.
        """
        async with self._database.begin() as unit:
            record = await self._required(unit, principal, did, Right.DELETE, lock=True)
            self._seen_whole(record, rev)
            new = NewDeletion(
                kind="files",
                title=record.file.path,
                program=record.project.program,
                project=record.project.seq,
                who=principal.user,
                who_label=principal.label,
                door=str(principal.door),
                at=self._now(),
            )
            removed = await self._deletions.remove_files(unit, new, [record.file.seq])
            await self._noted(unit, principal, "index.delete", record, details={"deletion": removed.id})
        return record


def _new_row(new: NewIndexRecord, project: Project, principal: Principal) -> NewIndexRow:
    prefix, uuid = "", uuid4()
    if new.did is not None:
        prefix, uuid = rules.parse_did(new.did) or (prefix, uuid)
    return NewIndexRow(
        uuid=uuid,
        prefix=prefix,
        project=project.seq,
        name=new.file_name,
        size=new.size,
        md5=new.hashes.get("md5"),
        sha256=new.hashes.get("sha256"),
        hashes={kind: value for kind, value in new.hashes.items() if kind not in ("md5", "sha256")},
        baseid=new.baseid or str(uuid4()),
        version=new.version,
        uploader=new.uploader,
        urls=tuple(new.urls),
        urls_metadata=new.urls_metadata,
        acl=tuple(new.acl),
        authz=tuple(new.authz),
        metadata=new.metadata,
        description=new.description,
        content_created=new.content_created,
        content_updated=new.content_updated,
        made_by=principal.user,
    )


def _check(record: IndexRecord) -> None:
    for name in ("version", "uploader", "description"):
        rules.check_text(getattr(record, name), name)
    rules.check_file_name(record.file_name)
    rules.check_urls(record.urls, record.urls_metadata)
    rules.check_list(record.acl, "acl")
    rules.check_authz(record.authz)
    rules.check_times(record.content_created, record.content_updated)
    rules.check_room(record.urls, record.urls_metadata, record.acl, record.authz, record.metadata)
