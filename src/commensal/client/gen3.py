"""Records and files through the Gen3 door: submit, query, export, upload, download.

::

    from commensal.client.gen3 import Gen3

    commons = Gen3()                                   # credentials.json in this folder
    commons.submit("KIDNEY", "PILOT", "samples.tsv")
    commons.query('{ sample(project_id: "KIDNEY-PILOT", first: 0) { submitter_id tissue } }').to_pandas()
    commons.export("KIDNEY", "PILOT", node_label="sample", path="samples.tsv")
    guid = commons.upload_file("counts.h5ad", authz="/programs/KIDNEY/projects/PILOT")
    commons.download_file(guid, "data", progress=True)

It works with any Gen3 commons that speaks this API (contracts/gen3.md 3, 4, 5 and 7).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload
from urllib.parse import quote

from commensal.client._credentials import read_key, server_of
from commensal.client._files import Files
from commensal.client._graphql import page_query
from commensal.client._http import Connection, decode, member
from commensal.client._progress import Progress, reporter
from commensal.client._records import open_source
from commensal.client._results import DeleteResult, ExportResult, QueryResult, SubmitResult
from commensal.client._submit import Submitter, TransactionAnswer, entity_problems, transaction_problems
from commensal.client._transfer import download, filename_of
from commensal.client.errors import QueryFailed, SubmissionFailed
from commensal.errors import Malformed, Problem

__all__ = ["DeleteResult", "ExportResult", "Gen3", "Progress", "QueryResult", "SubmitResult"]

_BASE = "/api/v0/submission"
#: More ids than these go in the body of a request: addresses have an end.
_IDS_IN_URL = 50
_IDS_A_DELETE = 100
_GZIP = b"\x1f\x8b"

Format = Literal["tsv", "csv", "json"]
Told = bool | Callable[[Progress], None]
PathLike = str | os.PathLike[str]


def _place(*parts: str) -> str:
    return "/".join([_BASE, *(quote(part, safe="") for part in parts)])


class Gen3(Files):
    """A commons, seen with the rights of one API key.

    ``credentials`` is the file that the Profile page saves, its JSON text, or its content as a dict; None for what
    needs no key (dictionary and templates). The server is ``base_url``, else the environment's COMMENSAL_URL, else
    the one that made the key. ``timeout`` is in seconds, ``tries`` how often a request is sent at most when a server
    is busy or out of reach, ``verify`` False or the path of a CA certificate.

    Use it as a context manager, or ``close`` it. One object may be used by several threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        credentials: PathLike | Mapping[str, Any] | None = "credentials.json",
        *,
        timeout: float = 600.0,
        tries: int = 5,
        verify: bool | str = True,
    ) -> None:
        key = None if credentials is None else read_key(credentials)
        self.base_url = server_of(base_url, key)
        self._http = Connection(self.base_url, key, timeout=timeout, tries=tries, verify=verify)

    def __enter__(self) -> Gen3:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Gen3 {self.base_url}>"

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # --- programs and projects

    def programs(self) -> list[str]:
        """Return the names of the programs."""
        return self._names(_place() + "/")

    def projects(self, program: str) -> list[str]:
        """Return the codes of a program's projects; NotFound for an unknown program."""
        return self._names(_place(program))

    def create_program(self, program: str, dbgap_accession_number: str | None = None) -> str:
        """Make a program and return its uuid; one that exists stays. Needs the right to administer programs."""
        body = {
            "type": "program",
            "name": program,
            "dbgap_accession_number": program if dbgap_accession_number is None else dbgap_accession_number,
        }
        return str(member(self._http.request("POST", _place() + "/", json=body), "id"))

    def create_project(
        self,
        program: str,
        project: str,
        name: str | None = None,
        dbgap_accession_number: str | None = None,
        **properties: Any,
    ) -> str:
        """Make a project, or update it, and return its uuid.

        Name and dbGaP number are the code unless given; ``properties`` are others of the dictionary's project.
        Raises SubmissionFailed naming each property that is wrong.
        """
        body = {
            "type": "project",
            "code": project,
            "name": project if name is None else name,
            "dbgap_accession_number": project if dbgap_accession_number is None else dbgap_accession_number,
            **properties,
        }
        response = self._http.request("PUT", _place(program), json=body, take=(400,))
        answer = self._transaction(response)
        self._check(answer, f"The project {program}-{project} was refused")
        return str(answer.entities[0].id) if answer.entities else ""

    def delete_program(self, program: str) -> None:
        """Delete a program without projects."""
        self._http.request("DELETE", _place(program), safe=False)

    def delete_project(self, program: str, project: str) -> None:
        """Delete a project without records."""
        self._http.request("DELETE", _place(program, project), safe=False)

    # --- the dictionary

    def dictionary(self, node: str | None = None) -> dict[str, Any]:
        """Return the schema of one node, or of every node by name. Needs no key."""
        return decode(self._http.request("GET", _place("_dictionary", node or "_all")), dict[str, Any])

    def template(self, node: str, format: Format = "tsv") -> str:
        """Return the header of a table for records of a node; ``*`` marks required columns. Needs no key."""
        return self._http.request("GET", _place("template", node), params={"format": format}).text

    # --- records

    def submit(
        self,
        program: str,
        project: str,
        records: Any,
        *,
        create_only: bool = False,
        dry_run: bool = False,
        atomic: bool = False,
        chunk_rows: int | None = None,
        progress: Told = False,
    ) -> SubmitResult:
        """Create records, and update those whose ``submitter_id`` is known.

        ``records``: a dict, an iterable of dicts, a path to .json, .jsonl, .tsv or .csv (also with .gz), a pandas or
        polars frame, or what ``export`` returned. Files and iterators are read as they are sent, in chunks that
        follow the speed and limits of the server; each chunk is one transaction, so records that others link to come
        first. A dict may name its links by column: ``{"subjects.submitter_id": "S1"}``.

        ``create_only`` refuses records that exist. ``atomic`` sends all in one transaction, which is held in memory.
        ``dry_run`` checks like ``atomic`` and writes nothing. ``chunk_rows`` sets the rows of a chunk. ``progress``:
        True draws a bar, a function is called with a Progress after each chunk.

        Raises SubmissionFailed naming each bad row and field, with ``written`` for the chunks before;
        SubmissionStopped when a later chunk cannot be sent; Forbidden, NotFound, CredentialExpired and others.
        """
        if chunk_rows is not None and chunk_rows < 1:
            raise Malformed("chunk_rows must be at least 1.")
        source = open_source(records)
        path = _place(program, project, *(["_dry_run"] if dry_run else []))
        report, end = reporter(progress)
        submitter = Submitter(
            self._http,
            "POST" if create_only else "PUT",
            path,
            atomic=atomic or dry_run,
            dry_run=dry_run,
            chunk_rows=chunk_rows,
            report=report,
        )
        try:
            return submitter.send(source)
        finally:
            end()

    def entities(self, program: str, project: str, ids: str | Sequence[str]) -> list[dict[str, Any]]:
        """Return records by uuid with all their properties, system ones too; BadRequest names what is not there."""
        found: list[dict[str, Any]] = []
        for some in _batches(ids, _IDS_A_DELETE):
            path = f"{_place(program, project)}/entities/{quote(','.join(some), safe=',')}"
            found += [entity["properties"] for entity in member(self._http.request("GET", path), "entities")]
        return found

    def delete(self, program: str, project: str, ids: str | Sequence[str]) -> DeleteResult:
        """Delete records by uuid, in transactions of at most 100.

        Raises SubmissionFailed naming each record that stays and why, for example what depends on it.
        """
        result = DeleteResult()
        for some in _batches(ids, _IDS_A_DELETE):
            path = f"{_place(program, project)}/entities/{quote(','.join(some), safe=',')}"
            answer = self._transaction(self._http.request("DELETE", path, safe=False, take=(400,)))
            before = f" {result.deleted:,} before them are deleted." if result.deleted else ""
            self._check(answer, f"None of these {len(some)} records was deleted.{before}")
            result.deleted += answer.deleted_entity_count
            if answer.transaction_id is not None:
                result.transaction_ids.append(answer.transaction_id)
        return result

    # --- queries

    def query(self, text: str, variables: Mapping[str, Any] | None = None) -> QueryResult:
        """Run a GraphQL query; QueryFailed carries every sentence of a refusal.

        The door answers 10 records a field unless the query says ``first: 0`` for all.
        """
        body = {"query": text, "variables": dict(variables) if variables else None}
        answer = decode(self._http.request("POST", _place("graphql"), json=body, take=(400,)))
        if not isinstance(answer, dict) or "errors" in answer or "data" not in answer:
            said = answer.get("errors") or [answer.get("message", "")] if isinstance(answer, dict) else [str(answer)]
            data = answer.get("data") if isinstance(answer, dict) else None
            raise QueryFailed([_text_of(one) for one in (said if isinstance(said, list) else [said])], data)
        return QueryResult(answer["data"])

    def paginate(
        self, node: str, fields: str | Sequence[str] = "id submitter_id", *, page_size: int = 1000, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield every record of a node, one page in memory at a time, in the order of ids.

        ``fields`` is what stands between the braces (nested fields, too), ``arguments`` those of the node:
        ``paginate("sample", "submitter_id tissue", project_id="KIDNEY-PILOT", tissue=["kidney"])``.
        """
        if page_size < 1:
            raise Malformed("page_size must be at least 1.")
        offset = 0
        while True:
            page = self.query(page_query(node, fields, arguments, first=page_size, offset=offset)).rows(node)
            yield from page
            if len(page) < page_size:
                return
            offset += page_size

    # --- exports

    @overload
    def export(
        self,
        program: str,
        project: str,
        *,
        node_label: str | None = None,
        ids: str | Sequence[str] | None = None,
        format: Format = "tsv",
        without_id: bool = False,
        path: None = None,
        progress: Told = False,
    ) -> ExportResult: ...

    @overload
    def export(
        self,
        program: str,
        project: str,
        *,
        node_label: str | None = None,
        ids: str | Sequence[str] | None = None,
        format: Format = "tsv",
        without_id: bool = False,
        path: PathLike,
        progress: Told = False,
    ) -> Path: ...

    def export(
        self,
        program: str,
        project: str,
        *,
        node_label: str | None = None,
        ids: str | Sequence[str] | None = None,
        format: Format = "tsv",
        without_id: bool = False,
        path: PathLike | None = None,
        progress: Told = False,
    ) -> ExportResult | Path:
        """Export all records of a node, or those with the given uuids.

        With ``path`` the answer is streamed to that file (a folder: under the server's name for it) and its path is
        returned; without, an ExportResult holds it: ``.text``, ``.rows``, ``.to_pandas()``, ``.to_polars()``.
        """
        if (node_label is None) == (ids is None):
            raise Malformed("Say what to export: either node_label='sample' or ids=[…].")
        params: dict[str, str] = {"format": format}
        if without_id:
            params["without_id"] = "true"
        if node_label is not None:
            params["node_label"] = node_label
        wanted = [] if ids is None else _ids(ids)
        if ids is not None and not wanted:
            raise Malformed("The list of ids is empty.")
        if wanted:
            params["ids"] = ",".join(wanted)
        method, json = ("POST", params) if len(wanted) > _IDS_IN_URL else ("GET", None)
        query = None if json is not None else params
        url = _place(program, project, "export")
        default = f"{node_label or 'export'}.{format}"
        if path is None:
            response = self._http.request(method, url, params=query, json=json)
            if response.content.startswith(_GZIP):
                raise Malformed(
                    "These records are of several types, so the server packs one table for each: give path= to save "
                    "the archive, or ask for format='json'."
                )
            return ExportResult(response.content.decode("utf-8"), format, filename_of(response, default))
        report, end = reporter(progress)
        target = Path(path).expanduser()
        try:
            return download(
                self._http, method, url, params=query, json=json, path=target, default_name=default, report=report
            )
        finally:
            end()

    # --- the wire

    def _names(self, path: str) -> list[str]:
        """Return the last parts of the links that a place answers."""
        return [str(link).rstrip("/").rpartition("/")[2] for link in member(self._http.request("GET", path), "links")]

    @staticmethod
    def _transaction(response: Any) -> TransactionAnswer:
        return decode(response, TransactionAnswer)

    @staticmethod
    def _check(answer: TransactionAnswer, sentence: str) -> None:
        if answer.success:
            return
        problems = [*transaction_problems(answer), *entity_problems(answer.entities)]
        if not problems:
            problems = [Problem(str(answer.message), code="transaction")]
        raise SubmissionFailed(f"{sentence.removesuffix('.')}.", problems, SubmitResult(), answer.transaction_id)


def _text_of(error: Any) -> str:
    """Return a sentence of the server: text here, an object with ``message`` where GraphQL's own form is used."""
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def _ids(ids: str | Sequence[str]) -> list[str]:
    listed = ids.split(",") if isinstance(ids, str) else list(ids)
    return [str(one).strip() for one in listed if str(one).strip()]


def _batches(ids: str | Sequence[str], size: int) -> Iterator[list[str]]:
    listed = _ids(ids)
    if not listed:
        raise Malformed("The list of ids is empty.")
    for at in range(0, len(listed), size):
        yield listed[at : at + size]
