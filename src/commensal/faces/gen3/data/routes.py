"""The table of ``/user/data``."""

from __future__ import annotations

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.gen3.data import handlers

__all__ = ["DATA_ROUTES"]

#: Tag of these routes: fence answers them.
DATA = "Data"
_BASE = "/user/data"
_GUID = Parameter("guid", "GUID of the record.", "path", required=True)
_SECONDS = Parameter("expires_in", "Seconds that the address is good, at most 3,600.", schema={"type": "integer"})
_PROTOCOL = Parameter("protocol", "Which location: `https`, `http`, `s3`, or the scheme of one that the record names.")
_NAME = Parameter("file_name", "Name of the file.")
_NOT_HERE = "There is no such record, or it has no bytes (of that protocol)."
_NO_ACCESS = "You may not, whether signed in or not."
_KEY = {"key": "<guid>/counts.h5ad", "uploadId": "…"}

DATA_ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{_BASE}/upload",
        handlers.upload,
        "Begin an upload",
        "Makes a blank record in your home project, or in the project that `authz` names, and gives an address to PUT "
        "the raw bytes to. Once they came, size and hashes are in the record.",
        body=Body(example={"file_name": "counts.h5ad", "authz": ["/programs/GEO/projects/GSE781"]}),
        answers={
            201: Body(example={"guid": "…", "url": "…"}),
            400: "No JSON, or no file name.",
            403: "You may not store files there.",
            404: "There is no record with this `guid`.",
        },
        tag=DATA,
    ),
    Route(
        "GET",
        f"{_BASE}/upload/{{guid:path}}",
        handlers.upload_to,
        "Begin an upload to a record",
        "For a blank record, or to give a record new bytes.",
        (_GUID, _NAME, _SECONDS),
        answers={200: Body(example={"url": "…"}), 401: _NO_ACCESS, 404: _NOT_HERE},
        tag=DATA,
    ),
    Route(
        "GET",
        f"{_BASE}/download/{{guid:path}}",
        handlers.download,
        "Get an address to download from",
        "With `redirect` the answer is a 302 to it. Files that are open to everybody need no token where the site "
        "lets anonymous callers in.",
        (_GUID, _PROTOCOL, _SECONDS, Parameter("redirect", "Send the caller to the bytes.")),
        answers={200: Body(example={"url": "…"}), 302: "To the bytes.", 401: _NO_ACCESS, 404: _NOT_HERE},
        access="anonymous",
        tag=DATA,
    ),
    Route(
        "POST",
        f"{_BASE}/download/bulk",
        handlers.download_bulk,
        "Get addresses of many files",
        "At most 1,000 GUIDs.",
        (_PROTOCOL, _SECONDS),
        Body(example={"guids": ["…"]}),
        {200: Body(example={"urls": [{"drs_object_id": "…", "url": "…"}], "failed_guids": []})},
        access="anonymous",
        writes=False,
        tag=DATA,
    ),
    Route(
        "POST",
        f"{_BASE}/multipart/init",
        handlers.multipart_init,
        "Begin an upload in parts",
        body=Body(example={"file_name": "counts.h5ad"}),
        answers={201: Body(example={"guid": "…", "uploadId": "…"}), 404: "There is no record with this `guid`."},
        tag=DATA,
    ),
    Route(
        "POST",
        f"{_BASE}/multipart/upload",
        handlers.multipart_part,
        "Get an address for one part",
        "PUT the part there and keep the ETag of the answer.",
        body=Body(example={**_KEY, "partNumber": 1}),
        answers={200: Body(example={"presigned_url": "…"}), 404: "There is no such upload of yours."},
        tag=DATA,
    ),
    Route(
        "POST",
        f"{_BASE}/multipart/complete",
        handlers.multipart_complete,
        "End an upload in parts",
        body=Body(example={**_KEY, "parts": [{"PartNumber": 1, "ETag": "…"}]}),
        answers={
            200: Body(example={"message": "OK"}),
            400: "A part did not come, or the bytes are not those that the record declares.",
            404: "There is no such upload of yours.",
        },
        tag=DATA,
    ),
    Route("GET", f"{_BASE}/buckets", handlers.buckets, "Buckets to name", "None.", access="open", tag=DATA),
    Route(
        "DELETE",
        f"{_BASE}/{{guid:path}}",
        handlers.delete,
        "Delete a file and its record",
        parameters=(_GUID,),
        answers={204: "Deleted.", 403: "You may not delete there.", 404: _NOT_HERE},
        tag=DATA,
    ),
    # The SDK's drs-pull asks which other commons a token can be had for.
    Route("GET", "/wts/external_oidc", handlers.external_commons, "Other commons to sign in to", "None.",
          access="open", tag=DATA),
)  # fmt: skip
