"""The table of the ODM door."""

from __future__ import annotations

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.odm import handlers
from commensal.faces.odm.jobs.routes import JOB_ROUTES
from commensal.faces.odm.scim.routes import SCIM_ROUTES
from commensal.faces.odm.studies.routes import STUDY_ROUTES
from commensal.faces.odm.wire import LIMIT

__all__ = ["ROUTES"]

_ID = Parameter("id", "Accession of the file.", "path", required=True, example="GSF1000")
_CONTENTS = Parameter(
    "includeContents",
    "`true`: with the structure (`contents`) of .h5, .h5ad, .zip and .gz files.",
    schema={"type": "boolean", "default": False},
)
_ERROR = {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": {"type": "string"}}}}}
_401 = Body("No valid credential.", schema=_ERROR)
_404 = Body("There is no such object, or none that you may see.", schema=_ERROR)
_400 = Body("The request cannot be read; the message says what is wrong.", schema=_ERROR)
_EXAMPLE = {
    "genestack:accession": "GSF1000",
    "genestack:name": "counts.h5ad",
    "Data Class": "Other",
    "tissue": "kidney",
}

_FILTER = Parameter(
    "filter",
    "Comparisons `key = value` (also `!=`, and `<`, `>` for numbers) joined by `AND`, `OR`, `NOT` and brackets; "
    '`"…"` around what holds spaces; `?` and `*` in values. The keys `group`, `dataset`, `fullPath` and '
    "`partialPath` look into HDF5 files and archives.",
    example='tissue=kidney AND "Data Class"=Other',
)
_QUERY = Parameter(
    "query",
    'Words anywhere in the metadata, or in the names inside of HDF5 files and archives: `"…"` for a phrase, `?` and '
    "`*` within words, several words are alternatives, `AND`, `OR`, `NOT`.",
    example="kidney AND carcinoma",
)
_LIST_PARAMETERS = (
    _FILTER,
    _QUERY,
    _CONTENTS,
    Parameter(
        "pageLimit",
        "Most files of the answer.",
        schema={"type": "integer", "minimum": 0, "maximum": LIMIT, "default": LIMIT},
    ),
    Parameter("pageOffset", "How many files to skip.", schema={"type": "integer", "minimum": 0, "default": 0}),
)


def _reads(kind: str) -> list[Route]:
    base = f"/api/v1/as-{kind}/files"
    curator = {403: Body("You are not in the group Curator.", schema=_ERROR)} if kind == "curator" else {}
    return [
        Route(
            "GET",
            base,
            handlers.list_files,
            "Find files",
            "All files that you may read, in the order of their accessions; `filter` and `query` narrow them. "
            "`Accept: text/tab-separated-values` gives a table.",
            _LIST_PARAMETERS,
            answers={
                200: Body(
                    "A page.",
                    example={
                        "meta": {"pagination": {"count": 1, "total": 1, "offset": 0, "limit": LIMIT}},
                        "data": [_EXAMPLE],
                    },
                ),
                400: _400,
                401: _401,
                **curator,
            },
            tag=f"Files as {kind}",
        ),
        Route(
            "GET",
            f"{base}/{{id}}",
            handlers.get_file,
            "Show a file's metadata",
            parameters=(_ID, _CONTENTS),
            answers={200: Body("The file.", example=_EXAMPLE), 400: _400, 401: _401, 404: _404, **curator},
            tag=f"Files as {kind}",
        ),
        Route(
            "GET",
            f"{base}/{{id}}/download",
            handlers.download_file,
            "Download a file",
            "One byte range (`Range: bytes=0-1023`), `If-Range` and `If-None-Match` are understood; the ETag is the "
            "SHA-256. HEAD gives the same headers without the bytes.",
            (_ID, Parameter("Range", "One range of bytes.", "header", example="bytes=0-1023")),
            answers={
                200: Body("The bytes.", media_type="application/octet-stream"),
                206: "The range.",
                400: _400,
                401: _401,
                403: Body("You may see the file, but not download from its project.", schema=_ERROR),
                404: _404,
                406: Body("The object has no bytes to download.", schema=_ERROR),
                416: Body("The range begins behind the end.", schema=_ERROR),
            },
            tag=f"Files as {kind}",
        ),
    ]


ROUTES: tuple[Route, ...] = (*_reads("user"), *_reads("curator"), *JOB_ROUTES, *STUDY_ROUTES, *SCIM_ROUTES)
