"""The table of our own API."""

from __future__ import annotations

from commensal.faces.commensal import file_handlers, handlers, record_handlers, token_handlers
from commensal.faces.face import Body, Parameter, Route

__all__ = ["ROUTES"]

_BASE = "/commensal/v1"
_PROJECT = f"{_BASE}/projects/{{project}}"

_NUMBER = {"type": "integer", "minimum": 0}
_SWITCH = {"type": "boolean"}

_PAGING = (
    Parameter("offset", "How many to leave out.", schema=_NUMBER),
    Parameter("limit", "How many to show, at most 1,000.", schema=_NUMBER, example=100),
)
_SEARCH = Parameter("search", "Part of a code or title.")
_PROJECT_PARAMETER = Parameter(
    "project", "`PROGRAM-CODE`, the code alone, the number or the uuid.", "path", required=True, example="GEO-GSE781"
)
_PROGRAM_PARAMETER = Parameter("program", "Code, number or uuid.", "path", required=True, example="GEO")
_PATH_PARAMETER = Parameter("path", "Path of the file in its project.", "path", required=True, example="raw/reads.bam")

_PROBLEMS = Body(
    "Refused, nothing was written; every bad row and field is named.",
    example={
        "error": {
            "code": "invalid_rows",
            "message": "…",
            "problems": [{"row": 1, "field": "age", "message": "…", "code": "invalid_value"}],
        }
    },
)

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{_BASE}/whoami",
        handlers.whoami,
        "Who am I?",
        "The account behind the credential that was sent.",
        answers={200: Body(example={"kind": "user", "email": "you@example.org", "site_admin": False})},
        tag="account",
    ),
    Route(
        "POST",
        f"{_BASE}/access-token",
        token_handlers.access_token,
        "Exchange a Gen3 API key",
        "A Gen3 API key opens nothing by itself; it is exchanged for an access token of 30 minutes.",
        body=Body(example={"api_key": "…"}),
        answers={200: Body(example={"access_token": "…"}), 401: "The key is unknown, expired or revoked."},
        access="open",
        writes=False,
        tag="account",
    ),
    Route(
        "GET",
        f"{_BASE}/programs",
        handlers.list_programs,
        "List programs",
        "Programs made by site admins are known to everybody who is signed in, others to those who hold something "
        "in them.",
        (_SEARCH, *_PAGING),
        access="anonymous",
        tag="programs",
    ),
    Route(
        "POST",
        f"{_BASE}/programs",
        handlers.add_program,
        "Make a program",
        "For site admins.",
        body=Body(example={"code": "GEO", "title": "Gene Expression Omnibus"}),
        answers={201: "Made.", 409: "The code or title is taken.", 422: "The code or title is refused."},
        tag="programs",
    ),
    Route(
        "GET",
        f"{_BASE}/programs/{{program}}",
        handlers.get_program,
        "Show a program",
        parameters=(_PROGRAM_PARAMETER,),
        access="anonymous",
        tag="programs",
    ),
    Route(
        "POST",
        f"{_BASE}/programs/{{program}}/projects",
        handlers.add_project,
        "Make a project",
        "Needs `manage` on the program. `kind`: study, atlas, library, workspace or collection. `mode`: open or "
        "strict. `public`: none, aggregate, read or download.",
        (_PROGRAM_PARAMETER,),
        Body(example={"code": "GSE781", "title": "Renal clear cell carcinoma", "kind": "study", "public": "read"}),
        {201: "Made.", 409: "The code is taken.", 422: "The code is refused."},
        tag="projects",
    ),
    Route(
        "GET",
        f"{_BASE}/projects",
        handlers.list_projects,
        "List projects",
        "The projects on which you hold a right, with your rights and the number of records by type. Counts too "
        "small to be shown to you are null.",
        (
            _SEARCH,
            Parameter("program", "Only this program's."),
            Parameter("kind", "Only of this kind."),
            Parameter("right", "The right that you must hold: aggregate, read (usual), download, …"),
            *_PAGING,
        ),
        access="anonymous",
        tag="projects",
    ),
    Route(
        "GET",
        _PROJECT,
        handlers.get_project,
        "Show a project",
        parameters=(_PROJECT_PARAMETER,),
        access="anonymous",
        tag="projects",
    ),
    Route(
        "GET",
        f"{_PROJECT}/records",
        record_handlers.list_records,
        "List records",
        "In the order of making.",
        (
            _PROJECT_PARAMETER,
            Parameter("type", "Only of these types or roles, separated by commas.", example="sample"),
            Parameter("search", "Part of a submitter_id or label."),
            *_PAGING,
        ),
        access="anonymous",
        tag="records",
    ),
    Route(
        "POST",
        f"{_PROJECT}/records",
        record_handlers.submit_records,
        "Write records",
        "Makes records that are new and changes those that exist (same `type` and `submitter_id`), all in one "
        "transaction: when one is refused, nothing is written. Links are objects: "
        '`{"submitter_id": …}` or `{"id": …}`, one or a list. Free metadata stands under `*extra`.',
        (
            _PROJECT_PARAMETER,
            Parameter("create_only", "Refuse records that exist.", schema=_SWITCH),
            Parameter("dry_run", "Only check.", schema=_SWITCH),
            Parameter("cells", "Values are texts of table cells: cast them to the dictionary's types.", schema=_SWITCH),
        ),
        Body(
            "A list of records.",
            example=[{"type": "subject", "submitter_id": "P-1", "projects": {"code": "GSE781"}, "sex": "female"}],
        ),
        {
            200: Body("Written.", example={"types": {"subject": {"created": 1, "updated": 0, "unchanged": 0}}}),
            422: _PROBLEMS,
        },
        body_limit=256 * 1024 * 1024,
        tag="records",
    ),
    Route(
        "GET",
        f"{_PROJECT}/files",
        file_handlers.list_files,
        "List files",
        parameters=(_PROJECT_PARAMETER, Parameter("prefix", "Only paths that begin so."), *_PAGING),
        access="anonymous",
        tag="files",
    ),
    Route(
        "PUT",
        f"{_PROJECT}/files/{{path:path}}",
        file_handlers.put_file,
        "Store a file",
        "The body is the file, of any size. The same bytes again change nothing.",
        (
            _PROJECT_PARAMETER,
            _PATH_PARAMETER,
            Parameter("sha256", "Digest of the bytes, checked."),
            Parameter("type", "Type of the record that the file belongs to."),
            Parameter("submitter_id", "Name of the record that the file belongs to."),
        ),
        Body("The bytes.", media_type="application/octet-stream"),
        {200: "The path existed.", 201: "The file is new.", 422: "The path or the digest is wrong.", 507: "No room."},
        body_limit=None,
        tag="files",
    ),
    Route(
        "GET",
        f"{_PROJECT}/files/{{path:path}}",
        file_handlers.get_file,
        "Get a file",
        "Needs `download`. One byte range (`Range: bytes=0-99`), If-None-Match and If-Range are understood; the ETag "
        "is the SHA-256.",
        (_PROJECT_PARAMETER, _PATH_PARAMETER, Parameter("info", "What is known about it, no bytes.", schema=_SWITCH)),
        answers={
            200: Body("The bytes.", media_type="application/octet-stream"),
            206: "The range.",
            304: "You have these bytes.",
            416: "The range lies outside the file.",
        },
        access="anonymous",
        tag="files",
    ),
)
