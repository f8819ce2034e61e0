"""The table of ``/index``."""

from __future__ import annotations

from typing import Any

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.gen3 import health
from commensal.faces.gen3.index import handlers as records
from commensal.faces.gen3.index import handlers_queries as queries
from commensal.faces.gen3.index.errors import INDEX

__all__ = ["INDEX_ROUTES"]

_SMALL = 4_000_000
_EXAMPLE = {
    "form": "object",
    "size": 42,
    "hashes": {"md5": "8b9942cf415384b27cadf1f4d2d682e5"},
    "urls": ["s3://bucket/a.bam"],
    "authz": ["/programs/LAB/projects/ONE"],
    "file_name": "a.bam",
}
_BRIEF = {"did": "…", "baseid": "…", "rev": "0f3a1b2c"}
_REV = Parameter("rev", "The revision that you saw.", required=True)
_DENIED = "You may not do this, or sent no valid token."
_READ: dict[int, str | Body] = {
    200: Body(example={**_EXAMPLE, **_BRIEF}),
    400: "What is asked is wrong; `error` says how.",
    404: "There is no such record.",
}
_WRITE: dict[int, str | Body] = {
    200: Body(example=_BRIEF),
    400: "What is asked is wrong; `error` says how.",
    401: _DENIED,
    404: "There is no such record.",
    409: "The revision is another one, or the GUID is taken.",
}
_MADE: dict[int, str | Body] = {201: Body(example=_BRIEF), **{k: v for k, v in _WRITE.items() if k != 200}}
_ALIASES = Body(example={"aliases": [{"value": "LAB-ONE/sample1"}]})
_GET = "By its GUID a record is shown to everybody; addresses and uploader to those who may read its project."
_CREATE = (
    "Needs the right to create on each project that `authz` names, and a site admin for other paths or none. At least "
    "one hash: md5, sha1, sha256, sha512, crc or etag."
)
_PAGE = (
    Parameter("limit", "At most 1024.", schema={"type": "integer", "default": 100}),
    Parameter("start", "Records after this GUID."),
    Parameter("page", "Number of the page, from 0.", schema={"type": "integer"}),
)
_QUERY = (
    *_PAGE,
    Parameter("hash", "`type:value`; may be repeated.", example="md5:8b9942cf415384b27cadf1f4d2d682e5"),
    Parameter("size", "Bytes.", schema={"type": "integer"}),
    Parameter("ids", "GUIDs, comma-separated."),
    Parameter("url", "A whole address; may be repeated."),
    Parameter("acl", "Entries, comma-separated; `null`: records without any."),
    Parameter("authz", "Paths, comma-separated; `null`: records without any."),
    Parameter("file_name", "The whole name."),
    Parameter("version", "The text of the version."),
    Parameter("uploader", "User name."),
    Parameter("metadata", "`key:value`; may be repeated."),
    Parameter("urls_metadata", "JSON: part of an address → key → value."),
    Parameter("negate_params", "JSON: what records must not have, by the names of these parameters."),
    Parameter("form", "`object`, `bundle` or `all`."),
)
_HASH = (_QUERY[5], _QUERY[3], _QUERY[4])
_URLS = (
    Parameter("include", "Part of the address."),
    Parameter("exclude", "What is no part of it."),
    Parameter("version", "`true`: only records with a version; `false`: only those without."),
    Parameter("fields", "`did`, `urls` or both."),
    _PAGE[0],
    Parameter("offset", "Records to pass over.", schema={"type": "integer"}),
)
_URLS_ABOUT = (Parameter("key", "A key of `urls_metadata`.", required=True), Parameter("value"), Parameter("url"))


def _route(methods: str, path: str, handler: Any, summary: str, description: str = "", **more: Any) -> Route:
    more = {"answers": {200: "Done.", 400: "What is asked is wrong."}, "body_limit": _SMALL, **more}
    return Route(methods, path, handler, summary, description, access="anonymous", tag=INDEX, **more)


def _of_record(place: str, **more: Any) -> list[Route]:
    """The routes of one record; a GUID with a prefix is one segment, or two."""
    body = Body(example=_EXAMPLE)
    return [
        _route("GET", place, records.get_record, "Show a record", _GET, answers=_READ, **more),
        _route("PUT", place, records.change_record, "Change a record", parameters=(_REV,),
               body=Body("Any of urls, acl, authz, file_name, version, uploader, metadata, urls_metadata, description, "
                         "content dates.", example={"file_name": "b.bam"}), answers=_WRITE, **more),
        _route("DELETE", place, records.delete_record, "Delete a record", parameters=(_REV,),
               answers={**_WRITE, 200: "Deleted; it can be brought back for 30 days."}, **more),
        _route("POST", place, records.add_version, "Make a new version of a record", body=body, answers=_WRITE, **more),
        _route("GET", f"{place}/versions", records.get_versions, "Show all versions", answers=_READ, **more),
        _route("PUT", f"{place}/versions", records.change_versions, "Change acl and authz of all versions",
               body=Body(example={"authz": ["/programs/LAB/projects/ONE"]}), answers=_WRITE, **more),
        _route("GET", f"{place}/latest", records.get_latest, "Show the newest version",
               parameters=(Parameter("has_version", "`true`: the newest that has a version."),), answers=_READ, **more),
        _route("GET", f"{place}/aliases", records.get_aliases, "Show aliases", answers={200: _ALIASES}, **more),
        _route("POST", f"{place}/aliases", records.add_aliases, "Add aliases", body=_ALIASES,
               answers={**_WRITE, 200: _ALIASES}, **more),
        _route("PUT", f"{place}/aliases", records.set_aliases, "Replace all aliases", body=_ALIASES,
               answers={**_WRITE, 200: _ALIASES}, **more),
        _route("DELETE", f"{place}/aliases", records.delete_aliases, "Delete all aliases", answers=_WRITE, **more),
        _route("DELETE", f"{place}/aliases/{{alias:path}}", records.delete_aliases, "Delete an alias", answers=_WRITE,
               **more),
    ]  # fmt: skip


def _of_blank(place: str, **more: Any) -> list[Route]:
    return [
        _route("PUT", place, records.fill_blank, "Tell size and hashes of a blank record", parameters=(_REV,),
               body=Body(example={"size": 42, "hashes": _EXAMPLE["hashes"]}), answers=_WRITE, **more),
        _route("POST", place, records.add_blank_version, "Make a blank new version",
               body=Body(example={"file_name": "a.bam"}), answers=_MADE, **more),
    ]  # fmt: skip


_RECORDS = "/index/index"
_BLANK = f"{_RECORDS}/blank"
_HIDDEN: dict[str, Any] = {"documented": False}
INDEX_ROUTES: tuple[Route, ...] = (
    _route("GET", _RECORDS, queries.list_records, "List records", "Those that you may read, by GUID.",
           parameters=_QUERY, answers={200: Body(example={"records": [_EXAMPLE], "limit": 100}), 400: "Wrong query."}),
    _route("POST", _RECORDS, records.add_record, "Make a record", _CREATE, body=Body(example=_EXAMPLE), answers=_WRITE),
    _route("POST", _BLANK, records.add_blank, "Make a blank record",
           "Without `authz` it waits in your home project, with you as its uploader.",
           body=Body(example={"file_name": "a.bam"}), answers=_MADE),
    *_of_blank(f"{_BLANK}/{{did}}"),
    *_of_blank(f"{_BLANK}/{{prefix}}/{{did:uuid}}", **_HIDDEN),
    *_of_record(f"{_RECORDS}/{{did}}"),
    *_of_record(f"{_RECORDS}/{{prefix}}/{{did:uuid}}", **_HIDDEN),
    _route("POST", "/index/bulk/documents", queries.bulk_documents, "Show many records",
           "Those that you may read; others are left out.", body=Body(example=["…", "…"]), writes=False,
           answers={200: Body(example=[_EXAMPLE]), 400: "No list of GUIDs."}),
    _route("GET", "/index/urls", queries.urls, "List addresses", parameters=_HASH,
           answers={200: Body(example={"urls": [{"url": "s3://bucket/a.bam", "metadata": {}}]}), 400: "Wrong query."}),
    _route("GET", "/index/_query/urls/q", queries.query_urls, "Find records by address", parameters=_URLS),
    _route("GET", "/index/_query/urls/metadata/q", queries.query_urls_metadata, "Find records by metadata of addresses",
           parameters=(*_URLS_ABOUT, *_URLS[2:])),
    _route("GET", "/index/_stats", queries.stats, "Count records",
           answers={200: Body(example={"fileCount": 2, "totalFileSize": 84})}),
    _route("GET", "/index/_dist", queries.dist, "List other indexes"),
    _route("GET", "/index/guid/mint", queries.mint, "Make new GUIDs", "Nothing is stored.",
           parameters=(Parameter("count", "At most 10,000.", schema={"type": "integer", "default": 1}),),
           answers={200: Body(example={"guids": ["…"]}), 400: "Wrong number."}),
    _route("GET", "/index/guid/prefix", queries.prefix, "Prefix of new GUIDs"),
    Route("GET", "/index/_status", health.status, "Health of the index", access="open", tag="Health"),
    Route("GET", "/index/_version", health.version, "Version", access="open", tag="Health"),
    # A client whose address is http://localhost leaves one /index out (contract 1.2).
    _route("GET", "/index", queries.list_records, "List records", parameters=_QUERY, **_HIDDEN),
    _route("POST", "/index", records.add_record, "Make a record", body=Body(example=_EXAMPLE), **_HIDDEN),
    _route("POST", "/index/blank", records.add_blank, "Make a blank record", **_HIDDEN),
    _route("PUT", "/index/blank/{did:uuid}", records.fill_blank, "Tell size and hashes", **_HIDDEN),
    *(route for route in _of_record("/index/{did:uuid}", **_HIDDEN)
      if route.verbs != ("GET",) or not route.path.endswith("}")),
    _route("GET", "/index/{name:path}", records.resolve, "Show a record by GUID or alias",
           f"{_GET} By an alias it is shown to those only.", answers=_READ),
)  # fmt: skip
