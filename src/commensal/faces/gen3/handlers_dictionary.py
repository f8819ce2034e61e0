"""The dictionary and its templates; no route here reads a record (contracts/gen3.md 4.11)."""

from __future__ import annotations

from commensal.core.dictionary import Dictionary
from commensal.core.plans import NOT_SUBMITTED
from commensal.errors import Malformed, NotFound
from commensal.faces.gen3.archives import tar_gz
from commensal.faces.gen3.templates import json_template, table_template, templates_of
from commensal.faces.gen3.wire import links
from commensal.faces.kit.answers import Answer, Respond, json_answer, json_bytes
from commensal.faces.kit.request import Request

__all__ = ["entry", "list_entries", "project_entries", "project_entry", "template", "templates"]

_TEMPLATE_FORMATS = ("tsv", "csv", "json")


async def _dictionary(request: Request) -> Dictionary:
    return (await request.services.dictionaries.current()).dictionary


async def list_entries(request: Request) -> Respond:
    """List the types of the dictionary."""
    names = [
        name for name in (await _dictionary(request)).resolved if not name.startswith("_") and name != "metaschema"
    ]
    return json_answer(links(f"_dictionary/{name}" for name in (*names, "_all")))


async def project_entries(request: Request) -> Respond:
    """List the types as a project shows them."""
    place = f"{request.params['program']}/{request.params['project']}"
    names = [
        name for name in (await _dictionary(request)).resolved if not name.startswith("_") and name != "metaschema"
    ]
    return json_answer(links(f"{place}/_dictionary/{name}" for name in (*names, "_all")))


async def entry(request: Request) -> Respond:
    """Show one entry of the dictionary, or all of it (``_all``)."""
    resolved = (await _dictionary(request)).resolved
    name = request.params["entry"]
    if name == "_all":
        return json_answer(resolved)
    if name not in resolved:
        raise NotFound(f"Entry {name} not in dictionary")
    return json_answer(resolved[name])


project_entry = entry


def _format(request: Request) -> str:
    word = request.query_params.get("format", "tsv").lower()
    if word not in _TEMPLATE_FORMATS:
        raise Malformed(f"format must be one of {', '.join(_TEMPLATE_FORMATS)}, not {word[:40]!r}.")
    return word


def _download(body: bytes, name: str, media_type: str) -> Answer:
    return Answer(body, media_type=media_type, headers=[("content-disposition", f"attachment; filename={name}")])


async def template(request: Request) -> Respond:
    """Give the template of one type."""
    doc_format = _format(request)
    dictionary = await _dictionary(request)
    name = request.params["node"]
    node = dictionary.types.get(name)
    if node is None or not node.exportable:
        raise NotFound(f"Entry {name} not in dictionary")
    if node.label in NOT_SUBMITTED and node.label not in ("program", "project"):
        raise NotFound(f"Entry {name} not in dictionary")
    if doc_format == "json":
        body = json_bytes(json_template(node, dictionary))
        return _download(body, f"submission_{name}_template.json", "application/json")
    text = table_template(node, dictionary, doc_format)
    return _download(text.encode(), f"submission_{name}_template.{doc_format}", "application/octet-stream")


def _words(request: Request, name: str) -> list[str]:
    return [one.strip() for one in request.query_params.get(name, "").split(",") if one.strip()]


async def templates(request: Request) -> Respond:
    """Give the templates of all types, or of some categories: an archive of tables, or one list of objects."""
    doc_format = _format(request)
    dictionary = await _dictionary(request)
    nodes = templates_of(dictionary, _words(request, "categories"), _words(request, "exclude"))
    if doc_format == "json":
        return _download(
            json_bytes([json_template(node, dictionary) for node in nodes]),
            "submission_templates.json",
            "application/json",
        )
    files = {
        f"submission_{node.label}_template.{doc_format}": table_template(node, dictionary, doc_format) for node in nodes
    }
    return _download(tar_gz(files), "submission_templates.tar.gz", "application/octet-stream")
