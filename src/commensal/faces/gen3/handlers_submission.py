"""Uploads: one document, several, later, dry; and what follows on a dry run (contracts/gen3.md 4.4 to 4.6)."""

from __future__ import annotations

from typing import Any, cast

from commensal.core.tabular.documents import FORMATS, document_format, parse_documents, parse_json
from commensal.errors import BadRequest, Malformed
from commensal.faces.gen3.wire import bulk_values
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_bytes, read_documents
from commensal.faces.kit.request import Request
from commensal.services.transactions import BulkPart

__all__ = ["bulk_dry_run_of", "bulk_of", "close", "commit", "dry_run_of", "upload_of"]


def _later(request: Request) -> bool:
    word = request.query_params.get("async", "false").lower()
    if word not in ("true", "false"):
        raise BadRequest("Boolean value not one of [true, false]")
    return word == "true"


async def _dictionary(request: Request) -> Any:
    return (await request.services.dictionaries.current()).dictionary


async def _upload(request: Request, *, dry_run: bool) -> Respond:
    services, params, create_only = request.services, request.params, request.method == "POST"
    where = (params["program"], params["project"])
    data = await read_bytes(request)
    doc_format = document_format(request.headers.get("content-type"))
    try:
        later = _later(request)
        documents = await read_documents(data, doc_format, await _dictionary(request))
    except BadRequest:
        # Who may not write here is told so first (contracts/gen3.md 4.2).
        await services.transactions.require_upload(request.principal, *where, create_only=create_only)
        raise
    about = {
        "create_only": create_only,
        "dry_run": dry_run,
        "name": request.headers.get("x-document-name"),
        "doc_format": doc_format,
        "source_text": data.decode("utf-8-sig"),
    }
    if later:
        number = await services.transactions.submit_later(request.principal, *where, documents, **about)
        return json_answer({"code": 200, "message": "Transaction submitted.", "transaction_id": number})
    result = await services.submission.submit(request.principal, *where, documents, **about)
    return json_answer(result, result.code)


async def upload_of(request: Request) -> Respond:
    """Create (POST), or create and update (PUT, PATCH), the records of a document."""
    return await _upload(request, dry_run=False)


async def dry_run_of(request: Request) -> Respond:
    """Say what an upload would do."""
    return await _upload(request, dry_run=True)


# --- several documents ------------------------------------------------------------------------------


async def _bulk_parts(request: Request, data: bytes) -> list[BulkPart]:
    body = parse_json(data)
    if not isinstance(body, list):
        raise Malformed('A bulk request is a list of documents: [{"name", "doc_format", "doc"}, …].')
    dictionary = await _dictionary(request)
    parts: list[BulkPart] = []
    for place, one in enumerate(cast("list[Any]", body), 1):
        entry = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
        name, doc_format, doc = entry.get("name"), entry.get("doc_format"), entry.get("doc")
        kind = doc_format.lower() if isinstance(doc_format, str) else ""
        if not isinstance(doc, str) or kind not in FORMATS or not isinstance(name, str | None):
            raise Malformed(
                f"Document {place} must have the texts name, doc_format ({', '.join(FORMATS)}) and doc; "
                "doc is the text of the document."
            )
        try:
            documents = await read_documents(doc.encode("utf-8", "strict"), kind, dictionary)
        except UnicodeEncodeError:
            raise Malformed(f"Document {place} holds half of a surrogate pair, which is no text.") from None
        except BadRequest as error:
            raise Malformed(f"Document {place} ({str(name)[:100]}): {error.message}") from None
        parts.append(BulkPart(name, kind, doc, documents))
    return parts


async def _bulk(request: Request, *, dry_run: bool) -> Respond:
    services, params, create_only = request.services, request.params, request.method == "POST"
    where = (params["program"], params["project"])
    data = await read_bytes(request)
    try:
        parts = await _bulk_parts(request, data)
    except BadRequest:
        await services.transactions.require_upload(request.principal, *where, create_only=create_only)
        raise
    result = await services.transactions.bulk(
        request.principal, *where, parts, create_only=create_only, dry_run=dry_run
    )
    return json_answer(bulk_values(result, [part.name for part in parts]), result.whole.code)


async def bulk_of(request: Request) -> Respond:
    """Create and update the records of several documents in one transaction."""
    return await _bulk(request, dry_run=False)


async def bulk_dry_run_of(request: Request) -> Respond:
    """Say what a bulk upload would do."""
    return await _bulk(request, dry_run=True)


# --- dry runs ---------------------------------------------------------------------------------------


def _number(request: Request) -> int:
    return int(request.params["transaction"])


async def commit(request: Request) -> Respond:
    """Do for real what a dry run tried."""
    params = request.params
    dictionary = await _dictionary(request)
    result = await request.services.transactions.commit(
        request.principal,
        params["program"],
        params["project"],
        _number(request),
        lambda text, doc_format: parse_documents(text.encode(), doc_format, dictionary),
    )
    return json_answer(result, result.code)


async def close(request: Request) -> Respond:
    """Forbid that a dry run be committed."""
    params = request.params
    await request.services.transactions.close(request.principal, params["program"], params["project"], _number(request))
    return json_answer({"code": 200, "message": "Closed transaction.", "transaction_id": _number(request)})
