"""Requests in, ``Info`` and ``Output`` out; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from commensal.core.jobs import ImportRequest, Job, JobKind, JobStatus
from commensal.core.names import accession as gsf
from commensal.errors import Malformed, NotFound
from commensal.faces.odm.wire import accession

__all__ = ["allow_dups", "file_request", "info", "job_number", "metadata_request", "output", "study_number"]

_NAMES = {JobKind.FILE: "Import of a file", JobKind.STUDY: "Import of a study"}


def info(job: Job) -> dict[str, Any]:
    """Return what a job is: the client knows exactly these status words."""
    made: dict[str, Any] = {
        "jobExecId": job.seq,
        "startedBy": job.started_by,
        "jobName": _NAMES.get(job.kind, f"Import of {job.kind}"),
        "status": str(job.status),
        "createTime": job.created,
    }
    if job.ended is not None:
        made["endTime"] = job.ended
    return made


def output(job: Job) -> dict[str, Any]:
    """Return what a job has made, or why it failed."""
    made: dict[str, Any] = {"status": str(job.status)}
    if job.status is JobStatus.COMPLETED and job.result is not None:
        number = gsf(job.result)
        # The documents of a study's import say groupAccession, its client reads accession: both are there.
        made["result"] = {
            JobKind.FILE: {"accession": number},
            JobKind.STUDY: {"accession": number, "groupAccession": number},
        }.get(job.kind, {"groupAccession": number})
    if job.errors:
        stages: dict[str, list[dict[str, str]]] = {}
        for error in job.errors:
            stages.setdefault(error.stage, []).append({"type": error.type, "message": error.message})
        made["errors"] = [{"stage": stage, "stack": stack} for stage, stack in stages.items()]
    return made


def job_number(text: str) -> int:
    """Return the number of a job in a path; raises Malformed."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Malformed(f"{text[:40]!r} is no number of a job.", field="jobExecId")
    return int(text)


def allow_dups(query: Mapping[str, str]) -> bool:
    """Return whether an import may be repeated; raises Malformed for other words than true and false."""
    text = query.get("allow_dups", "false")
    if text not in ("true", "false"):
        raise Malformed(f"allow_dups must be true or false, not {text[:40]!r}.", field="allow_dups")
    return text == "true"


def _text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        if required:
            raise Malformed(f"The body needs {name}.", field=name)
        return None
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a text.", field=name)
    return value


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Malformed("The body must be a JSON object.")
    return cast("dict[str, Any]", body)


def study_number(text: str | None) -> int:
    """Return the number of the accession of a study; raises Malformed, and NotFound for another kind's."""
    if not text:
        raise Malformed("studyAccession is missing: name the study that the data belongs to.", field="studyAccession")
    number = accession(text)
    if number is None:
        raise NotFound(f"There is no study {text[:64]} that you may see.")
    return number


def file_request(body: Any) -> tuple[int, ImportRequest]:
    """Return the study and what is imported of a body ``{dataLink, studyAccession, dataClass, metadataLink?}``."""
    given = _object(body)
    request = ImportRequest(
        data_link=_text(given, "dataLink", required=True),
        metadata_link=_text(given, "metadataLink"),
        data_class=_text(given, "dataClass"),
    )
    return study_number(_text(given, "studyAccession")), request


def metadata_request(body: Any) -> ImportRequest:
    """Return what is imported of a body ``{metadataLink, templateId?}``."""
    given = _object(body)
    return ImportRequest(metadata_link=_text(given, "metadataLink", required=True), template=_text(given, "templateId"))
