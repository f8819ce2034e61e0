"""Handlers of import jobs and of deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect

from commensal.core.jobs import ImportRequest, JobKind
from commensal.core.names import accession as gsf
from commensal.errors import Malformed, StateConflict, TooLarge
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_json, stream
from commensal.faces.kit.form_file import FormFile
from commensal.faces.kit.request import Request
from commensal.faces.odm.errors import NotDeletable
from commensal.faces.odm.jobs.wire import (
    allow_dups,
    file_request,
    info,
    job_number,
    metadata_request,
    output,
    study_number,
)
from commensal.faces.odm.wire import accession
from commensal.services.import_steps import METADATA_BYTES

__all__ = [
    "delete_data",
    "import_file",
    "import_group",
    "import_study",
    "job_info",
    "job_output",
    "restart_job",
    "stop_job",
    "take_file",
    "take_group",
]

_METADATA_FILE = "metadataFile"
#: What is still read of a body after its import has failed, so that the sender reads the answer.
_DRAIN_BYTES = 64 * 1024 * 1024
#: Most accessions of one deletion.
_DELETIONS = 1_000


async def import_file(request: Request) -> Respond:
    """Start the import of a file by link."""
    study, wanted = file_request(await read_json(request))
    duplicates = allow_dups(request.query_params)
    job = await request.services.import_jobs.import_file(request.principal, study, wanted, allow_duplicates=duplicates)
    return json_answer(info(job))


async def import_study(request: Request) -> Respond:
    """Start the import of a study by link."""
    wanted, duplicates = metadata_request(await read_json(request)), allow_dups(request.query_params)
    job = await request.services.import_jobs.import_study(request.principal, wanted, allow_duplicates=duplicates)
    return json_answer(info(job))


def _group(request: Request) -> JobKind:
    """Return what an address imports: its part behind ``import``."""
    return JobKind(request.exchange.template.split("/")[5])


async def import_group(request: Request) -> Respond:
    """Start the import of samples, libraries or preparations by link."""
    wanted, duplicates = metadata_request(await read_json(request)), allow_dups(request.query_params)
    job = await request.services.import_jobs.import_group(
        request.principal, _group(request), wanted, allow_duplicates=duplicates
    )
    return json_answer(info(job))


async def take_file(request: Request) -> Respond:
    """Import a file that is sent as the last field of a form."""
    form = FormFile(request.headers.get("content-type", ""), stream(request), small={_METADATA_FILE: METADATA_BYTES})
    fields = await form.fields()
    wanted = ImportRequest(data_class=fields.get("dataClass"), name=_file_name(form))
    job = await request.services.import_jobs.take_file(
        request.principal,
        study_number(fields.get("studyAccession")),
        wanted,
        _sent(form),
        metadata=form.parts.get(_METADATA_FILE),
        media_type=form.media_type,
    )
    await _drain(form)
    return json_answer(info(job))


async def take_group(request: Request) -> Respond:
    """Import samples, libraries or preparations from a table that is sent as the last field of a form."""
    form = FormFile(request.headers.get("content-type", ""), stream(request))
    fields = await form.fields()
    table = bytearray()
    async for chunk in form.chunks():
        table += chunk
        if len(table) > METADATA_BYTES:
            raise TooLarge(f"The table has more than {METADATA_BYTES:,} bytes.")
    study = study_number(fields["studyId"]) if fields.get("studyId") else None
    wanted = ImportRequest(template=fields.get("templateId") or None, name=_file_name(form))
    job = await request.services.import_jobs.take_group(request.principal, _group(request), study, wanted, bytes(table))
    return json_answer(info(job))


async def _sent(form: FormFile) -> AsyncIterator[bytes]:
    try:
        async for chunk in form.chunks():
            yield chunk
    except ClientDisconnect:
        raise Malformed("The form broke off in the middle of the file: its sender went away.") from None


def _file_name(form: FormFile) -> str:
    name = form.file_name.replace("\\", "/").rpartition("/")[2].strip()
    return name if name not in ("", ".", "..") else "file"


async def _drain(form: FormFile) -> None:
    """Read what is left of a body whose import has failed."""
    left = _DRAIN_BYTES
    try:
        async for chunk in form.chunks():
            left -= len(chunk)
            if left < 0:
                return
    except (Malformed, ClientDisconnect):
        return


async def job_info(request: Request) -> Respond:
    """Tell where a job is."""
    job = await request.services.import_jobs.job(request.principal, job_number(request.params["job"]))
    return json_answer(info(job))


async def job_output(request: Request) -> Respond:
    """Tell what a job has made, or why it failed."""
    job = await request.services.import_jobs.job(request.principal, job_number(request.params["job"]))
    return json_answer(output(job))


async def stop_job(request: Request) -> Respond:
    """Stop a job."""
    job = await request.services.import_jobs.stop(request.principal, job_number(request.params["job"]))
    return json_answer(info(job))


async def restart_job(request: Request) -> Respond:
    """Start a job again."""
    job = await request.services.import_jobs.restart(request.principal, job_number(request.params["job"]))
    return json_answer(info(job))


async def delete_data(request: Request) -> Respond:
    """Delete studies, groups, samples and files by accession, all or none."""
    # The documents repeat the parameter, the client joins its values by commas.
    given = ",".join(request.query_params.getlist("accessions")).split(",")
    texts = list(dict.fromkeys(text.strip() for text in given if text.strip()))
    if not texts or len(texts) > _DELETIONS:
        raise Malformed(f"Name 1 to {_DELETIONS:,} accessions (accessions=GSF1000&accessions=…).", field="accessions")
    numbers = [(text, accession(text)) for text in texts]
    try:
        gone = await request.services.managed_data.delete(request.principal, numbers)
    except StateConflict as error:
        raise NotDeletable(error.message) from None
    return json_answer(
        [
            {
                "genestack:accession": gsf(one.seq),
                "objectType": one.kind,
                "ownerEmail": one.owner,
                "createdAt": one.created,
            }
            for one in gone
        ],
        202,
    )
