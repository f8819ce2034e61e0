"""The table of import jobs and of deletion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commensal.core.jobs import DATA_CLASSES, JobStatus
from commensal.faces.face import Body, Parameter, Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.faces.odm.jobs import handlers

__all__ = ["JOB_ROUTES"]

Handler = Callable[[Request], Awaitable[Respond]]

_IMPORT = "/api/v1/jobs/import"
_ERROR = {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": {"type": "string"}}}}}
_TEXT = {"type": "string"}
_INFO_EXAMPLE = {
    "jobExecId": 1042,
    "startedBy": "curator@example.org",
    "jobName": "Import of a file",
    "status": "COMPLETED",
    "createTime": "2026-11-20T09:00:00Z",
    "endTime": "2026-11-20T09:00:02Z",
}
_INFO = Body(
    f"The job. `status` is one of {', '.join(JobStatus)}; poll `/info` until it has ended, then read `/output`.",
    example=_INFO_EXAMPLE,
)
_400 = Body("The request, a link or the data class cannot be taken; the message says why.", schema=_ERROR)
_401 = Body("No valid credential.", schema=_ERROR)
_403 = Body("A right is missing, or the link's host is not on this server's list.", schema=_ERROR)
_404 = Body("There is no such study or job, or none that you may see.", schema=_ERROR)
_409 = Body("A job imports the same already; the message ends with `jobExecId=NUMBER`.", schema=_ERROR)
_DUPLICATES = Parameter(
    "allow_dups", "`true`: import the same link again.", schema={"type": "boolean", "default": False}
)
_JOB = Parameter(
    "job", "Number of the job (`jobExecId`).", "path", required=True, schema={"type": "integer"}, example=1042
)


def _form(description: str, properties: dict[str, object], required: list[str]) -> Body:
    return Body(
        description,
        schema={"type": "object", "properties": properties, "required": required},
        media_type="multipart/form-data",
    )


def _by_link(kind: str, handler: Handler, summary: str, description: str) -> Route:
    return Route(
        "POST",
        f"{_IMPORT}/{kind}",
        handler,
        summary,
        description,
        (_DUPLICATES,),
        body=Body(
            "Links are http or https, to hosts that this server fetches from (`--allow-fetch`).",
            schema={
                "type": "object",
                "properties": {"metadataLink": _TEXT, "templateId": _TEXT, "source": _TEXT},
                "required": ["metadataLink"],
            },
            example={"metadataLink": f"https://data.example.org/{kind}.tsv"},
        ),
        answers={200: _INFO, 400: _400, 401: _401, 403: _403, 409: _409},
        body_limit=1_000_000,
        tag="Import",
    )


def _on_job(method: str, action: str, handler: Handler, summary: str, answer: Body) -> Route:
    conflict = {409: Body("The job is in another state.", schema=_ERROR)} if method == "PUT" else {}
    return Route(
        method,
        f"/api/v1/jobs/{{job}}/{action}",
        handler,
        summary,
        parameters=(_JOB,),
        answers={200: answer, 400: _400, 401: _401, 404: _404, **conflict},
        tag="Jobs",
    )


_FILE_BYTES: dict[str, object] = {"type": "string", "format": "binary"}


def _groups(kind: str, made: str) -> list[Route]:
    by_link = _by_link(
        kind,
        handlers.import_group,
        f"Import {kind} by link",
        f"A table with one record a line makes {made}. It waits in your home project until it is linked.",
    )
    form = Route(
        "POST",
        f"{_IMPORT}/{kind}/multipart",
        handlers.take_group,
        f"Import {kind} from a table that is sent along",
        "Into the study of `studyId`; without it as by link. The job has ended when the answer comes.",
        body=_form("The form.", {"studyId": _TEXT, "templateId": _TEXT, "file": _FILE_BYTES}, ["file"]),
        answers={200: _INFO, 400: _400, 401: _401, 403: _403, 404: _404},
        body_limit=None,
        tag="Import",
    )
    return [by_link, form]


JOB_ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{_IMPORT}/file",
        handlers.import_file,
        "Import a file by link",
        "Into a study, with a class and, from the one record of the table behind `metadataLink`, its attributes. "
        f"The classes are: {'; '.join(DATA_CLASSES)}.",
        (_DUPLICATES,),
        body=Body(
            "Links are http or https, to hosts that this server fetches from (`--allow-fetch`).",
            schema={
                "type": "object",
                "properties": {
                    "dataLink": _TEXT,
                    "studyAccession": _TEXT,
                    "dataClass": {"type": "string", "enum": list(DATA_CLASSES)},
                    "metadataLink": _TEXT,
                    "source": _TEXT,
                },
                "required": ["dataLink", "studyAccession", "dataClass"],
            },
            example={
                "dataLink": "https://data.example.org/counts.h5ad",
                "studyAccession": "GSF1000",
                "dataClass": "Single-cell transcriptomics",
            },
        ),
        answers={200: _INFO, 400: _400, 401: _401, 403: _403, 404: _404, 409: _409},
        body_limit=1_000_000,
        tag="Import",
    ),
    Route(
        "POST",
        f"{_IMPORT}/file/multipart",
        handlers.take_file,
        "Import a file that is sent along",
        "The job has ended when the answer comes. `file` is the last field: it is stored while it comes in.",
        body=_form(
            "The form.",
            {
                "studyAccession": _TEXT,
                "dataClass": {"type": "string", "enum": list(DATA_CLASSES)},
                "metadataFile": _FILE_BYTES,
                "file": _FILE_BYTES,
            },
            ["studyAccession", "dataClass", "file"],
        ),
        answers={200: _INFO, 400: _400, 401: _401, 403: _403, 404: _404},
        body_limit=None,
        tag="Import",
    ),
    _by_link(
        "study",
        handlers.import_study,
        "Import a study by link",
        "A table with one record makes a study: in your home program, or in the program that its column "
        "`commensal:program` names.",
    ),
    *_groups("samples", "a sample group"),
    *_groups("libraries", "a library group"),
    *_groups("preparations", "a preparation group"),
    _on_job("GET", "info", handlers.job_info, "Show a job", _INFO),
    _on_job(
        "GET",
        "output",
        handlers.job_output,
        "Show what a job has made",
        Body(
            "`result` of a completed job, `errors` of a failed one.",
            example={"status": "COMPLETED", "result": {"accession": "GSF1043"}},
        ),
    ),
    _on_job("PUT", "stop", handlers.stop_job, "Stop a job", _INFO),
    _on_job("PUT", "restart", handlers.restart_job, "Start a failed or stopped job again", _INFO),
    Route(
        "DELETE",
        "/api/v1/manage-data/data",
        handlers.delete_data,
        "Delete studies, sample groups, samples and files",
        "All of them or none. With a study goes all that is in it, with a group its samples. Needs `delete`, for a "
        "study also `manage` on its program.",
        (
            Parameter(
                "accessions", "Accessions, by commas or one for each parameter.", required=True, example="GSF1000"
            ),
        ),
        answers={
            202: Body(
                "What was deleted.",
                example=[
                    {
                        "genestack:accession": "GSF1000",
                        "objectType": "FILE",
                        "ownerEmail": "curator@example.org",
                        "createdAt": "2026-11-20T09:00:00Z",
                    }
                ],
            ),
            400: _400,
            401: _401,
            403: _403,
            404: Body("There is nothing of this accession that you may see.", schema=_ERROR),
            406: Body("The object is none that can be deleted here.", schema=_ERROR),
        },
        tag="Manage data",
    ),
)
