"""The table of ``/mds`` and ``/mds-admin``."""

from __future__ import annotations

from dataclasses import replace

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.gen3.mds import handlers, objects

__all__ = ["ADMIN", "MDS_ROUTES", "PUBLIC"]

PUBLIC = "/mds"
ADMIN = "/mds-admin"

_BOOLEAN = {"type": "boolean"}
_WHOLE = {"type": "integer", "minimum": 0}
_QUERY = (
    Parameter("data", "`true`: documents by GUID, not only GUIDs.", schema=_BOOLEAN),
    Parameter("limit", "10 unless given, 2,000 at most.", schema=_WHOLE),
    Parameter("offset", "How many to leave out.", schema=_WHOLE),
)
_SEARCH = (
    "Every other parameter is a filter: a path of keys with dots, and the value there as text "
    "(`?_guid_type=study&study.phase=2`). A key that stands twice offers alternatives, different keys all hold. `*` "
    "asks for any value, `\\*` for a star. The order is that of the GUIDs."
)
_READ = "By GUID or alias. What belongs to a project needs `read` there; what belongs to the site is for everybody."
_WRITE = "Needs `update` on the project of the file that has the GUID; where there is no such file, a site admin."
_OVERWRITE = Parameter("overwrite", "Replace what exists.", schema=_BOOLEAN)
_MERGE = Parameter("merge", "Keep what is not named.", schema=_BOOLEAN)
_DOCUMENT = Body("A JSON object.", example={"_guid_type": "study", "study": {"title": "Renal", "phase": 2}})
_DOCUMENTS = Body("Up to 10,000 documents.", example=[{"guid": "study-1", "data": {"title": "Renal"}}])
_ALIASES = Body(example={"aliases": ["phs000001"]})
_ALIASED = Body(example={"guid": "study-1", "aliases": ["phs000001"]})
_COUNTED = Body(example={"created": ["study-1"], "updated": [], "conflict": [], "bad_input": []})
_NONE = "No such document."
_BAD = {400: "A parameter or the body cannot be understood.", 422: "The content is not what is needed."}
_REFUSED = {401: "No valid token.", 403: "You may not write this document.", 413: "Larger than 4 MB, or too deep."}
_MAKE = (
    "Makes an index record without bytes and a document that says so (`_upload_status`), and gives an address to PUT "
    "the bytes to. Needs `create` in the projects of `authz.resource_paths`; without paths it stands in your home "
    "project."
)
_NEW_OBJECT = Body(
    example={
        "file_name": "counts.h5ad",
        "authz": {"version": 0, "resource_paths": ["/programs/GEO/projects/GSE781"]},
        "metadata": {"assay": "RNA-seq"},
        "aliases": ["counts of GSE781"],
    }
)
_MADE_OBJECT = Body(example={"guid": "…", "aliases": [], "metadata": {}, "upload_url": "https://…"})
_OBJECT = Body(example={"record": {"did": "…", "size": 10}, "metadata": {"assay": "RNA-seq"}})
_SEE = (
    "By GUID or alias. Each part is shown to who may read it. `/download` after the GUID: an address of the bytes; "
    "`/latest`: the newest version."
)
_PATHS = "For site admins. Every path is indexed; the list says which ones people asked for."


def _public() -> list[Route]:
    return [
        Route("GET", f"{PUBLIC}/_status", handlers.status, "Health of metadata", access="open", tag="Health"),
        Route("GET", f"{PUBLIC}/version", handlers.version, "Version of metadata", access="open", tag="Health"),
        Route("GET", f"{PUBLIC}/metadata", handlers.search, "Search documents", _SEARCH, parameters=_QUERY,
              answers={200: Body(example=["study-1"]), 401: "No valid token.", 422: "A bad path."}),
        Route("GET", f"{PUBLIC}/metadata/{{guid:path}}", handlers.get, "Show a document", _READ,
              answers={200: _DOCUMENT, 401: "No valid token.", 404: _NONE}),
        Route("GET", f"{PUBLIC}/metadata/{{guid}}/aliases", handlers.aliases, "Show aliases", _READ,
              answers={200: _ALIASED, 404: _NONE}),
    ]  # fmt: skip


def _admin() -> list[Route]:
    one, several = f"{ADMIN}/metadata/{{guid:path}}", f"{ADMIN}/metadata/{{guid}}/aliases"
    path = f"{ADMIN}/metadata_index/{{path:path}}"
    return [
        Route("POST", f"{ADMIN}/metadata", handlers.batch, "Write documents", _WRITE,
              parameters=(replace(_OVERWRITE, description="`true` unless given."),), body=_DOCUMENTS,
              answers={201: _COUNTED, 422: "A row is no document; nothing is written.", **_REFUSED}),
        Route("POST", one, handlers.create, "Write a document", _WRITE, parameters=(_OVERWRITE,), body=_DOCUMENT,
              answers={201: _DOCUMENT, 200: "Overwritten.", 409: "It exists.", **_REFUSED}),
        Route("PUT", one, handlers.update, "Change a document", _WRITE, parameters=(_MERGE,), body=_DOCUMENT,
              answers={200: _DOCUMENT, 404: _NONE, **_REFUSED}),
        Route("DELETE", one, handlers.delete, "Remove a document", _WRITE,
              answers={200: _DOCUMENT, 404: _NONE, **_REFUSED}),
        Route("POST", several, handlers.add_aliases, "Give aliases", _WRITE, body=_ALIASES,
              answers={201: _ALIASED, 404: _NONE, 409: "It has aliases, or one is taken.", **_REFUSED}),
        Route("PUT", several, handlers.set_aliases, "Set aliases", _WRITE, parameters=(_MERGE,), body=_ALIASES,
              answers={201: _ALIASED, 404: _NONE, 409: "One is taken.", **_REFUSED}),
        Route("DELETE", several, handlers.delete_aliases, "Remove all aliases", _WRITE,
              answers={204: "Removed.", 404: "It has none.", **_REFUSED}),
        Route("DELETE", f"{several}/{{alias:path}}", handlers.delete_aliases, "Remove an alias", _WRITE,
              answers={204: "Removed.", 404: "No such alias.", **_REFUSED}),
        Route("GET", f"{ADMIN}/metadata_index", handlers.index_paths, "List indexed paths", _PATHS,
              answers={200: Body(example=["study.title"]), **_REFUSED}),
        Route("POST", path, handlers.add_index_path, "Declare an indexed path", _PATHS,
              answers={201: "Declared.", 409: "It was.", **_REFUSED}),
        Route("DELETE", path, handlers.delete_index_path, "Take a path from the list", _PATHS,
              answers={204: "Done.", 404: "It is not there.", **_REFUSED}),
    ]  # fmt: skip


def _objects() -> list[Route]:
    place, tag = f"{PUBLIC}/objects", "Metadata objects"
    one = f"{place}/{{guid:path}}"
    made = {201: _MADE_OBJECT, 409: "An alias is taken.", 422: "Something is missing, or wrong.", **_REFUSED}
    return [
        Route("POST", place, objects.create, "Make an object", _MAKE, body=_NEW_OBJECT, answers=made, tag=tag),
        Route("POST", f"{place}/upload", objects.create, "Make an object", _MAKE, body=_NEW_OBJECT, answers=made,
              tag=tag, documented=False),
        Route("POST", one, objects.create_version, "Make the next version of an object",
              "Needs `update` there; it gets the authz of the other one.", body=_NEW_OBJECT, answers=made, tag=tag),
        Route("GET", one, objects.get, "Show an object", _SEE, answers={200: _OBJECT, 404: "No such object."}, tag=tag,
              access="anonymous"),
        Route("DELETE", one, objects.delete, "Delete an object", "Needs `delete` on the project.",
              answers={200: "Index record, bytes and document are gone.", 404: "No such object.", **_REFUSED}, tag=tag),
    ]  # fmt: skip


def _table() -> list[Route]:
    routes: list[Route] = []
    for route in (*_public(), *_admin(), *_objects()):
        tag = route.tag or "Metadata"
        # Reading goes without a token where the site lets it; the service decides.
        if tag != "Health":
            route = replace(route, answers={**_BAD, **route.answers})
        access = "anonymous" if tag == "Metadata" and route.path.startswith(f"{PUBLIC}/") else route.access
        routes.append(replace(route, tag=tag, access=access))
    # What is read may be read at the admin's address too.
    routes += [
        replace(route, path=ADMIN + route.path.removeprefix(PUBLIC), documented=False, access="signed-in")
        for route in routes
        if route.path.startswith(f"{PUBLIC}/") and route.tag == "Metadata"
    ]
    return routes


MDS_ROUTES: tuple[Route, ...] = tuple(_table())
