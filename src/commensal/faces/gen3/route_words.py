"""What the documents say about the routes of the Gen3 door."""

from __future__ import annotations

from commensal.faces.face import Body, Parameter

__all__: list[str] = []

EXPIRES_IN = Parameter("expires_in", "Seconds that it is valid.", schema={"type": "integer", "minimum": 1})
NEW_KEY = (
    "The answer, saved as `credentials.json`, is what the SDK reads. Sign in on the portal, or send a token of a key "
    "that was made at the console. A key is good for 30 days and carries no right of its own."
)
SCOPES = Body("Optional.", example={"scope": ["data", "user"]})
NEW_KEY_ANSWERS = {200: Body(example={"key_id": "…", "api_key": "…"}), 400: "No such scope.", 401: "Sign in."}
KEY_LIST = {200: Body(example={"jtis": [{"jti": "…", "exp": 1800000000}]})}
EXCHANGE = "The access token is good for 30 minutes and is sent as `Authorization: bearer …`."
API_KEY = Body(example={"api_key": "…", "key_id": "…"})
EXCHANGE_ANSWERS = {
    200: Body(example={"access_token": "…"}),
    400: "No key, or one that would expire before the token.",
    401: "The key is unknown, expired or revoked: make a new one.",
}
USER = "The account behind the token, and what it may do where."

LINKS = {200: Body(example={"links": ["/v0/submission/GEO"]})}
ENTRY = "`_all` gives the whole dictionary; `_definitions`, `_terms` and `_settings` are entries, too."
TEMPLATE = "Required columns have a `*`. Fill in the rows and submit the table."
TEMPLATES = (
    Parameter("format", "`tsv`, `csv` or `json`.", schema={"type": "string", "enum": ["tsv", "csv", "json"]}),
    Parameter("categories", "Only types of these categories, comma-separated."),
    Parameter("exclude", "Types to leave out, comma-separated."),
)

PROGRAM = "For site admins. The name is the program's code: letters, digits, `_` and `.`."
PROGRAM_BODY = Body(example={"type": "program", "name": "GEO", "dbgap_accession_number": "GEO"})
PROJECT = (
    "For those who manage the program. The code is unique on the site. A project made here is strict: the dictionary "
    "binds every door in it. `availability_type` `Open` makes it readable for every token holder."
)
PROJECT_BODY = Body(example={"type": "project", "code": "GSE781", "name": "Renal", "dbgap_accession_number": "GSE781"})
MOVE = "open → review → submit → release; only an open project takes records."

UPLOAD = (
    Parameter("async", "`true`: answer at once with a transaction id, work afterwards."),
    Parameter("X-Document-Name", "Name of the document in the log.", "header"),
)
UPLOAD_BODY = Body(
    "JSON: one object or a list. Tables: Content-Type `text/tab-separated-values` (`text/tsv`) or `text/csv`.",
    example=[{"type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "c1"}}],
)
RESULTS = {
    200: Body("All was written (PUT), or the outcome of a dry run.", example={"transaction_id": 7, "success": True}),
    201: "All was written (POST).",
    400: "Nothing was written; `entities` names every error of every record.",
    403: "You may not write here.",
    404: "No such program or project.",
}
SUBMIT = (
    "POST creates only; PUT creates what is new and changes what is there: given properties are set, null clears, "
    "links are added. All of a request is written, or none of it."
)
DRY_RUN = "The same answer as a submission, with status 200; nothing is written. Commit it by its transaction id."
BULK = "One transaction over all documents; records may refer to each other across them."
BULK_BODY = Body(example=[{"name": "cases.json", "doc_format": "json", "doc": "[…]"}])

DELETE = "Refused while other entities need these; name all of them in one request, in any order."
FIELDS = (Parameter("fields", "Set these properties to null instead, comma-separated."),)

EXPORT = (
    "`node_label` gives all records of a type, streamed; `ids` gives chosen ones. What was exported can be submitted "
    "again. Needs the read right by a grant, or a project that is public for download."
)
EXPORTS = (
    Parameter("node_label", "A type.", example="sample"),
    Parameter("ids", "Ids, comma-separated."),
    Parameter("format", "`tsv`, `json` or `csv`.", schema={"type": "string", "enum": ["tsv", "json", "csv"]}),
    Parameter("without_id", "`true`: no ids, so that the records can be submitted elsewhere."),
    Parameter("with_children", "With `ids`: also all that links to them."),
    Parameter("category", "With `ids`: only types of this category."),
)
EXPORT_ANSWERS = {
    200: Body("A file.", media_type="application/octet-stream"),
    400: "No such type, or neither ids nor node_label.",
    403: "You may not export here.",
    404: "None of the ids was found.",
}
IDS = (Parameter("ids", "Ids of data files, comma-separated.", required=True),)
NODES = (Parameter("nodes", "Types, comma-separated.", required=True, example="case,sample"),)
COUNTS = "The number of records of each type in the projects that you may read."

QUERY = "Answers are limited to what you may read; errors are texts."
QUERY_BODY = Body(example={"query": "{ sample(first: 10) { submitter_id } }"})

#: What routes say against a request, by the tag of the route: a body or value that is wrong, a right that is missing.
_WRONG = "What is asked is wrong; `message` says how."
_NO_RIGHT = "You may not do this here."
REFUSALS: dict[str, dict[int, str]] = {
    "Keys": {400: _WRONG, 403: "This token may not make keys."},
    "Lists": {400: _WRONG},
    "Dictionary": {400: _WRONG},
    "Programs and projects": {400: _WRONG, 403: _NO_RIGHT},
    "Submission": {400: _WRONG, 403: _NO_RIGHT},
    "Entities": {400: _WRONG, 403: _NO_RIGHT},
    "Export": {400: _WRONG, 403: _NO_RIGHT},
    "Manifests": {400: _WRONG, 403: _NO_RIGHT},
    "Data": {400: _WRONG, 401: "You may not, or send a token first.", 403: _NO_RIGHT, 404: "There is no such record."},
    "DRS": {
        400: _WRONG,
        401: "You may not, or the token is not valid.",
        404: "There is no such object, or no bytes of it.",
    },
    "GraphQL": {400: "The query is wrong, or asks for too much; `errors` says how."},
}
NOT_FOUND = "There is nothing of this name."
TOO_LARGE = "The request is too large; send smaller pieces."
