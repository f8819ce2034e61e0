"""Manifests and tables of whole groups, as streams (contracts/pangea.md b5, b8)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from commensal.core.lineage import Lineage
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, StreamAnswer, json_answer, json_bytes
from commensal.faces.kit.disposition import content_disposition
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.addresses import presigned
from commensal.faces.pangea.asked import path_uuid
from commensal.faces.pangea.caller import TOKEN_IN_ADDRESS
from commensal.faces.pangea.errors import told
from commensal.faces.pangea.groups import own_samples
from commensal.faces.pangea.wire import SAMPLE_KEYS, Shown, group
from commensal.services.lineages import WithResults

__all__ = ["MANIFEST_ROUTES", "all_samples", "readable_group"]

_NO_GROUP = "Insufficient permissions to access group."
_NO_SAMPLE = "Insufficient permissions to get group manifest."
#: Samples that one statement brings for tables.
_CHUNK = 1_000


async def readable_group(request: Request) -> Lineage:
    """Find the group of the path; who may not read it is told so in the words of these routes."""
    with told(forbidden=_NO_GROUP, anonymous=True):
        return await request.services.lineages.project(request.principal, path_uuid(request))


async def _sample(request: Request) -> Lineage:
    with told(forbidden=_NO_SAMPLE, anonymous=True):
        return await request.services.lineages.sample(request.principal, path_uuid(request))


async def _writer(request: Request, place: Lineage, *held: WithResults) -> Shown:
    used = await request.services.lineages.dictionary()
    fields = [(field.uuid, field.props.get("value")) for one in held for _, _, own in one.results for field in own]
    signed: dict[UUID, str] = await presigned(request, place, fields) if fields else {}
    return Shown(used.dictionary, signed=signed, modules=await found.modules(request, held))


async def sample_manifest(request: Request) -> Respond:
    """Show a sample with its results and their fields."""
    one = await _sample(request)
    held = await request.services.lineages.results_of(request.principal, one)
    out = await _writer(request, one, held)
    return json_answer({**out.sample(one), "analysis_results": out.results(one, held.results)})


async def group_manifest(request: Request) -> Respond:
    """Show a group with all of its samples and results; the samples come as a stream."""
    one = await readable_group(request)
    own = await request.services.lineages.results_of(request.principal, one)
    out = await _writer(request, one, own)
    head = json_bytes({**group(one), "analysis_results": out.results(one, own.results)})
    return StreamAnswer(_manifest(request, one, head), media_type="application/json")


async def _manifest(request: Request, one: Lineage, head: bytes) -> AsyncIterator[bytes]:
    yield head[:-1] + b',"samples":['
    places = {one.place.seq: one}
    mark = b""
    async with request.services.lineages.with_results(request.principal, one) as chunks:
        async for chunk in chunks:
            missing = {seq for seq, _ in chunk} - places.keys()
            if missing:
                places |= await request.services.lineages.places(request.principal, sorted(missing))
            by_place: dict[int, list[WithResults]] = {}
            for seq, held in chunk:
                if seq in places:
                    by_place.setdefault(seq, []).append(held)
            writers = {seq: await _writer(request, places[seq], *held) for seq, held in by_place.items()}
            parts: list[bytes] = []
            for seq, held in chunk:
                if held.sample is None or seq not in places:
                    continue
                above = places[seq]
                lineage = Lineage(above.program, above.project, held.sample)
                body = writers[seq].sample(lineage, library=False)
                body["analysis_results"] = writers[seq].results(lineage, held.results)
                parts += (mark, json_bytes(body))
                mark = b","
            yield b"".join(parts)
    yield b"]}"


async def all_samples(request: Request, one: Lineage) -> AsyncIterator[list[Lineage]]:
    """Yield all samples of a group that the caller may read, in pieces."""
    offset = 0
    while True:
        page = await request.services.lineages.samples(request.principal, own_samples(one), offset=offset, limit=_CHUNK)
        if page.items:
            yield list(page.items)
        offset += _CHUNK
        if len(page.items) < _CHUNK:
            return


async def metadata_table(request: Request) -> Respond:
    """Return the metadata of all samples of a group by name, as JSON or (``?kind=csv``) as a table."""
    one = await readable_group(request)
    out = await found.shown(request)
    if request.query_params.get("kind", "").lower() != "csv":
        return StreamAnswer(_metadata(request, one, out), media_type="application/json")
    columns: dict[str, None] = {}
    async for samples in all_samples(request, one):
        for each in samples:
            metadata = out.metadata(_record(each), SAMPLE_KEYS)
            if isinstance(metadata, dict):
                columns.update(dict.fromkeys(metadata))
    headers = {"Content-Disposition": content_disposition(f"{one.place.title}_metadata.csv")}
    return StreamAnswer(_csv(request, one, out, list(columns)), media_type="text/csv; charset=utf-8", headers=headers)


def _record(one: Lineage) -> Any:
    if one.sample is None:
        raise NotFound("There is no such sample.")
    return one.sample


async def _metadata(request: Request, one: Lineage, out: Shown) -> AsyncIterator[bytes]:
    mark = b"{"
    seen: set[str] = set()
    async for samples in all_samples(request, one):
        parts: list[bytes] = []
        for each in samples:
            record = _record(each)
            if one.is_collection and record.submitter_id in seen:  # two libraries may have a sample of one name
                continue
            seen.add(record.submitter_id)
            parts += (mark, json_bytes(record.submitter_id), b":", json_bytes(out.metadata(record, SAMPLE_KEYS)))
            mark = b","
        yield b"".join(parts)
    yield b"}" if mark == b"," else b"{}"


async def _csv(request: Request, one: Lineage, out: Shown, columns: list[str]) -> AsyncIterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["", *columns])
    async for samples in all_samples(request, one):
        for each in samples:
            record = _record(each)
            metadata = out.metadata(record, SAMPLE_KEYS)
            values = metadata if isinstance(metadata, dict) else {}
            writer.writerow([record.submitter_id, *(_cell(values.get(key)) for key in columns)])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_bytes(value).decode()


async def module_counts(request: Request) -> Respond:
    """Count the samples of a group, and how many of them have a result of each module."""
    one = await readable_group(request)
    total, counts = await request.services.lineages.module_counts(request.principal, one)
    return json_answer({"n_samples": total, **{name: n for name, n in counts.items() if name != "n_samples"}})


async def sample_links(request: Request) -> Respond:
    """List uuid and name of all samples of a group, with ``?metadata=1`` their metadata too."""
    one = await readable_group(request)
    out = await found.shown(request)
    whole = request.query_params.get("metadata", "").lower() in ("1", "true")
    return StreamAnswer(_links(request, one, out, whole=whole), media_type="application/json")


async def _links(request: Request, one: Lineage, out: Shown, *, whole: bool) -> AsyncIterator[bytes]:
    n = 0
    mark = b'{"links":['
    async for samples in all_samples(request, one):
        parts: list[bytes] = []
        for each in samples:
            record = _record(each)
            link: dict[str, Any] = {"uuid": str(record.uuid), "name": record.submitter_id}
            if whole:
                link["metadata"] = out.metadata(record, SAMPLE_KEYS)
            parts += (mark, json_bytes(link))
            mark = b","
            n += 1
        yield b"".join(parts)
    yield (b"" if mark == b"," else b'{"links":[') + f'],"count":{n}}}'.encode()


def _read(path: str, handler: Any, summary: str) -> Route:
    return Route("GET", path, handler, summary, access="anonymous", tag=TOKEN_IN_ADDRESS)


MANIFEST_ROUTES: tuple[Route, ...] = (
    _read("/api/samples/{uuid}/manifest", sample_manifest, "A sample with its results"),
    _read("/api/sample_groups/{uuid}/manifest", group_manifest, "A group with its samples and results"),
    _read("/api/sample_groups/{uuid}/metadata", metadata_table, "Metadata of all samples"),
    _read("/api/sample_groups/{uuid}/module_counts", module_counts, "Samples by module"),
    Route("GET", "/api/sample_groups/{uuid}/sample_links", sample_links, "All samples, briefly", access="anonymous"),
)
