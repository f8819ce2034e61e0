"""Handlers of our own API for records: one request is one transaction, all of it or nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from commensal.core.permissions import Right
from commensal.core.records import SubmissionResult
from commensal.errors import InvalidRows, Malformed, Problem
from commensal.faces.commensal.handlers import page
from commensal.faces.commensal.wire import record_values
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_json
from commensal.faces.kit.paging import page_of, query_bool
from commensal.faces.kit.request import Request

__all__ = ["list_records", "submit_records"]


def _documents(body: Any) -> list[Any]:
    if isinstance(body, dict):
        documents = body.get("documents", [body])
    else:
        documents = body
    if not isinstance(documents, list):
        raise Malformed('Send a list of records, or {"documents": [ … ]}.')
    return documents


async def list_records(request: Request) -> Respond:
    """List a project's records of one type, or of all."""
    query = request.query_params
    offset, limit = page_of(query)
    project = await request.services.catalog.project(request.principal, request.params["project"], right=Right.READ)
    types = [name for name in query.get("type", "").split(",") if name]
    found = await request.services.records.page(
        request.principal, project, types or None, search=query.get("search", ""), offset=offset, limit=limit
    )
    return page([record_values(record) for record in found.rows], found.total, offset, limit)


async def submit_records(request: Request) -> Respond:
    """Create or update records of a project."""
    query = request.query_params
    documents = _documents(await read_json(request))
    project = await request.services.catalog.project(request.principal, request.params["project"], right=Right.CREATE)
    result: SubmissionResult = await request.services.submission.submit(
        request.principal,
        project.program_code,
        project.code,
        documents,
        create_only=query_bool(query, "create_only"),
        dry_run=query_bool(query, "dry_run"),
        **({"cells": True} if query_bool(query, "cells") else {}),
    )
    if not result.success:
        raise refused(result)
    return json_answer(counts(result))


def counts(result: SubmissionResult) -> dict[str, Any]:
    """Return how many records of each type were made, changed, and found equal."""
    by_type: dict[str, Counter[str]] = {}
    for entity in result.entities:
        what = "created" if entity.action == "create" else "updated"
        if entity.unchanged:
            what = "unchanged"
        by_type.setdefault(entity.type or "", Counter())[what] += 1
    return {
        "transaction": result.transaction_id,
        "types": {
            name: {"created": n["created"], "updated": n["updated"], "unchanged": n["unchanged"]}
            for name, n in by_type.items()
        },
    }


def refused(result: SubmissionResult) -> InvalidRows:
    """Return the error that names every bad record and field of a refused submission."""
    problems: list[Problem] = []
    for row, entity in enumerate(result.entities, 1):
        name = next((key.get("submitter_id") for key in entity.unique_keys if key.get("submitter_id")), None)
        shown = f"{entity.type} {name}" if name else entity.type
        problems += [
            Problem(
                error.message,
                code=error.type.lower(),
                row=row,
                field=", ".join(error.keys) or None,
                record=shown,
            )
            for error in entity.errors
        ]
    for fault in result.transactional_errors:
        problems.append(Problem(fault if isinstance(fault, str) else fault.message))
    return InvalidRows(f"{result.message} Nothing was written.", problems)
