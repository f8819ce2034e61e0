"""Submitting records without scripts: one form, one answer with every error at its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from commensal.core.dictionary import Dictionary
from commensal.core.permissions import Right
from commensal.core.principals import Door
from commensal.core.records import SubmissionResult
from commensal.core.tabular.documents import FORMATS
from commensal.errors import CommensalError, Malformed, TooLarge, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.bodies import read_documents, stream
from commensal.faces.kit.form_file import FormFile
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form, require_token
from commensal.portal.views.project_frame import open_project
from commensal.portal.views.submission import LARGEST, submission_page

__all__ = ["ROUTES"]

#: Most records with errors that the page names.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """A record with what is wrong with it; ``row`` counts the records from 1."""

    row: int
    name: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check or a submission came to."""

    success: bool
    dry: bool
    total: int
    made: int
    changed: int
    reasons: tuple[str, ...]
    faults: tuple[Fault, ...]
    wrong: int


def _outcome(result: SubmissionResult, documents: Sequence[Any], *, dry: bool) -> Outcome:
    wrong = [(row, entity) for row, entity in enumerate(result.entities, 1) if entity.errors]
    reasons = [one if isinstance(one, str) else one.message for one in result.transactional_errors]
    return Outcome(
        success=result.success,
        dry=dry,
        total=len(documents),
        made=sum(entity.action == "create" for entity in result.entities),
        changed=sum(entity.action == "update" for entity in result.entities),
        reasons=tuple(reasons) or (() if result.success or wrong else (result.message,)),
        faults=tuple(
            Fault(row, _name(documents, row), tuple(error.message for error in entity.errors))
            for row, entity in wrong[:_NAMED]
        ),
        wrong=len(wrong),
    )


def _name(documents: Sequence[Any], row: int) -> str:
    document = documents[row - 1] if row <= len(documents) else None
    if not isinstance(document, dict):
        return ""
    return " ".join(str(document[key])[:200] for key in ("type", "submitter_id") if document.get(key))


def _format(form: Form, file_name: str, text: str) -> str:
    """Return the format that was chosen, or that the name or the first letters tell."""
    ending = file_name.lower().rpartition(".")[2]
    for name in (form.text("format"), ending):
        if name in FORMATS:
            return name
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] in ("{", "["):
        return "json"
    line = start.partition("\n")[0]
    return "tsv" if line.count("\t") >= line.count(",") else "csv"


async def _body(upload: FormFile) -> bytes:
    data = bytearray()
    async for chunk in upload.chunks():
        data += chunk
        if len(data) > LARGEST:
            raise TooLarge(f"At most {LARGEST // 1_000_000} MB are taken at a time: cut the file into several.")
    return bytes(data)


async def submit(request: Request) -> Respond:
    """Check or submit records as the Gen3 door would, and show what came of it."""
    upload = FormFile(request.headers.get("content-type", ""), stream(request))
    fields = await upload.fields()
    require_token(request, fields.get("form_token", ""))
    opened = await open_project(request, Right.READ | Right.CREATE)
    form = Form({name: fields.get(name, "") for name in ("text", "format", "act")} | {"file": ""})
    outcome: Outcome | None = None
    try:
        data = await _body(upload) or form.values["text"].encode()
        if not data.strip():
            raise Malformed("Choose a file, or paste records as text.", field="file")
        kind = _format(form, upload.file_name, data[:20_000].decode("utf-8", "replace"))
        dictionary: Dictionary = (await request.services.dictionaries.current()).dictionary
        documents = await read_documents(data, kind, dictionary)
        dry = form.text("act") != "write"
        # The page's script sends the same to the Gen3 door; so do its rules hold here.
        principal = replace(request.principal, door=Door.GEN3)
        result: SubmissionResult = await request.services.submission.submit(
            principal,
            opened.project.program_code,
            opened.project.code,
            documents,
            dry_run=dry,
            doc_format=kind,
            source_text=data.decode("utf-8-sig"),
        )
        outcome = _outcome(result, documents, dry=dry)
    except Unauthenticated:
        raise
    except CommensalError as error:
        form.refuse(error, doc="file")
    status = 200 if outcome is not None and outcome.success else 422
    return await submission_page(request, opened, form, outcome, status=status)


ROUTES = (
    Route(
        "POST",
        "/portal/projects/{project}/submit",
        person_only(submit),
        "Submit records by a form",
        access="anonymous",
        body_limit=LARGEST + 200_000,
    ),
)
