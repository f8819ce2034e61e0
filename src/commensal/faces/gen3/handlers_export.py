"""Exports and manifests (contracts/gen3.md 4.9, 4.11)."""

from __future__ import annotations

import hashlib
import json
from contextlib import AsyncExitStack
from typing import Any, cast

import yaml

from commensal.core.dictionary import Dictionary
from commensal.core.exported import Exported
from commensal.core.tabular.documents import parse_json
from commensal.core.tabular.streams import stream_json, stream_table
from commensal.errors import BadRequest, Malformed
from commensal.faces.gen3.archives import tar_gz
from commensal.faces.gen3.export_values import json_object, table
from commensal.faces.kit.answers import Answer, Respond, StreamAnswer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.opened import OpenedStream
from commensal.faces.kit.request import Request

__all__ = ["export", "export_posted", "manifest", "upload_manifest"]

_FORMATS = ("tsv", "json", "csv")
_BINARY = "application/octet-stream"
_MOST_IDS_BYTES = 16 * 1024 * 1024


class _Asked:
    """What an export asks for, from the query or from a JSON body."""

    def __init__(self, given: dict[str, Any]) -> None:
        ids = given.get("ids")
        if isinstance(ids, list):
            ids = ",".join(str(one) for one in cast("list[Any]", ids))
        self.ids = [one.strip() for one in str(ids or "").split(",") if one.strip()]
        self.node_label = str(given.get("node_label") or "")
        self.format = str(given.get("format") or "tsv").lower()
        self.with_id = not _yes(given.get("without_id"))
        self.with_children = _yes(given.get("with_children"))
        self.category = str(given.get("category") or "") or None


def _yes(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


async def export(request: Request) -> Respond:
    """Export a type (``node_label``) or chosen records (``ids``)."""
    return await _export(request, _Asked(dict(request.query_params)))


async def export_posted(request: Request) -> Respond:
    """Export as asked in a JSON body, else as in the query."""
    data = await read_bytes(request, _MOST_IDS_BYTES)
    given: dict[str, Any] = dict(request.query_params)
    if data.strip():
        body = parse_json(data)
        if not isinstance(body, dict):
            raise Malformed(f"JSON parsed from request is an invalid type: {type(body).__name__}")
        given |= cast("dict[str, Any]", body)
    return await _export(request, _Asked(given))


async def _export(request: Request, asked: _Asked) -> Respond:
    params = request.params
    where = (params["program"], params["project"])
    if not asked.ids and not asked.node_label:
        await request.services.exports.require(request.principal, *where)
        raise BadRequest("expected either ids or node_label parameter")
    if asked.format not in _FORMATS:
        await request.services.exports.require(request.principal, *where)
        raise BadRequest(f"format must be one of {', '.join(_FORMATS)}, not {asked.format[:40]!r}.")
    if asked.ids:
        return await _chosen(request, asked)
    return await _whole_type(request, asked)


def _named(name: str) -> list[tuple[str, str]]:
    return [("content-disposition", f"attachment; filename={name}")]


async def _whole_type(request: Request, asked: _Asked) -> Respond:
    params = request.params
    stack = AsyncExitStack()
    try:
        opened = await stack.enter_async_context(
            request.services.exports.type(request.principal, params["program"], params["project"], asked.node_label)
        )
    except BaseException:
        await stack.aclose()
        raise
    if asked.format == "json":
        chunks = stream_json(opened, with_id=asked.with_id)
    else:
        chunks = stream_table(opened, asked.format, with_id=asked.with_id)
    return StreamAnswer(
        OpenedStream(chunks, stack),
        media_type="application/json" if asked.format == "json" else _BINARY,
        headers=_named(f"{asked.node_label}.{asked.format}"),
    )


async def _records(request: Request, asked: _Asked) -> tuple[list[Exported], Dictionary, str]:
    params = request.params
    records = await request.services.exports.chosen(
        request.principal,
        params["program"],
        params["project"],
        asked.ids,
        with_children=asked.with_children,
        category=asked.category,
    )
    dictionary = (await request.services.dictionaries.current()).dictionary
    return records, dictionary, records[0].project_id


async def _chosen(request: Request, asked: _Asked) -> Respond:
    records, dictionary, project_id = await _records(request, asked)
    types: dict[str, list[Exported]] = {}
    for record in records:
        types.setdefault(record.type, []).append(record)
    several = len(types) > 1 or asked.with_children
    digest = hashlib.sha256(",".join(record.id for record in records).encode()).hexdigest()[:12]
    stem = f"gdc_export_{digest}" if several else next(iter(types))
    if asked.format == "json":
        values = [
            json_object(record, dictionary.types[record.type], dictionary, project_id, with_id=asked.with_id)
            for record in records
        ]
        body = json.dumps(values, indent=2, ensure_ascii=False).encode()
        return Answer(body, media_type="application/json", headers=_named(f"{stem}.json"))
    texts = {
        f"{name}.{asked.format}": table(
            own, dictionary.types[name], dictionary, project_id, asked.format, with_id=asked.with_id
        )
        for name, own in sorted(types.items())
    }
    if several:
        return Answer(tar_gz(texts), media_type=_BINARY, headers=_named(f"{stem}.tar.gz"))
    return Answer(next(iter(texts.values())).encode(), media_type=_BINARY, headers=_named(f"{stem}.{asked.format}"))


# --- manifests --------------------------------------------------------------------------------------


async def _manifest(request: Request) -> Respond:
    asked = _Asked({"ids": request.query_params.get("ids")})
    if not asked.ids:
        await request.services.exports.require(request.principal, request.params["program"], request.params["project"])
        raise BadRequest("No ids specified. Use query keyword 'ids'")
    records, dictionary, project_id = await _records(request, asked)
    files: list[dict[str, Any]] = []
    for record in records:
        node = dictionary.types[record.type]
        if node.category != "data_file":
            raise BadRequest(f"{record.id} is no data file: it is of type {node.label}, category {node.category}.")
        values = json_object(record, node, dictionary, project_id, with_id=True)
        files.append({"local_file_path": values.get("file_name"), **values})
    text = yaml.safe_dump({"files": files}, allow_unicode=True, sort_keys=False)
    return Answer(
        text.encode(), media_type="application/yaml; charset=utf-8", headers=_named("submission_manifest.yaml")
    )


async def manifest(request: Request) -> Respond:
    """Give the manifest of data files, by which their bytes are uploaded."""
    return await _manifest(request)


upload_manifest = manifest
