"""The table of the Gen3 door: keys, submission, export, dictionary, GraphQL."""

from __future__ import annotations

from dataclasses import replace

from commensal.faces.face import Route
from commensal.faces.gen3 import (
    handlers_dictionary,
    handlers_entities,
    handlers_export,
    handlers_fence,
    handlers_graphql,
    handlers_programs,
    handlers_submission,
    health,
)
from commensal.faces.gen3 import route_words as words
from commensal.faces.gen3.data.routes import DATA_ROUTES
from commensal.faces.gen3.drs.routes import DRS_ROUTES
from commensal.faces.gen3.errors import LISTS
from commensal.faces.gen3.index.routes import INDEX_ROUTES
from commensal.faces.gen3.mds.routes import MDS_ROUTES

__all__ = ["ROUTES", "SUBMISSION"]

SUBMISSION = "/api/v0/submission"
#: The route of older clients, the same in all.
LEGACY = "/api/submission"

_PROGRAM = f"{SUBMISSION}/{{program}}"
_PROJECT = f"{_PROGRAM}/{{project}}"
_WRITES = ("PUT", "POST", "PATCH")

_KEYS = "/user/credentials"


def _fence() -> list[Route]:
    routes = [Route("GET", _KEYS, handlers_fence.credential_kinds, "Kinds of credentials", tag="Keys")]
    for kind in ("cdis", "api"):
        place, shown = f"{_KEYS}/{kind}", kind == "cdis"
        routes += [
            Route(
                "POST", place, handlers_fence.new_key, "Make an API key", words.NEW_KEY, parameters=(words.EXPIRES_IN,),
                body=words.SCOPES, answers=words.NEW_KEY_ANSWERS, tag="Keys", documented=shown,
            ),
            Route("GET", place, handlers_fence.list_keys, "List your API keys", answers=words.KEY_LIST, tag="Keys",
                  documented=shown),
            Route("DELETE", f"{place}/{{key_id}}", handlers_fence.delete_key, "Revoke an API key",
                  answers={204: "Revoked.", 404: "No such key of yours."}, tag="Keys", documented=shown),
            Route(
                "POST", f"{place}/access_token", handlers_fence.exchange_key, "Exchange an API key", words.EXCHANGE,
                parameters=(words.EXPIRES_IN,), body=words.API_KEY, answers=words.EXCHANGE_ANSWERS, access="open",
                writes=False, tag="Keys", documented=shown,
            ),
        ]  # fmt: skip
    return [
        *routes,
        Route(("GET", "POST"), "/user/user", handlers_fence.user, "Who am I?", words.USER, writes=False, tag="User"),
        Route("GET", "/user/jwks", handlers_fence.jwks, "Public keys", access="open", tag="Token keys"),
        Route("GET", "/user/.well-known/jwks", handlers_fence.jwks, "Public keys", access="open", tag="Token keys"),
        Route("GET", "/user/jwt/keys", handlers_fence.jwt_keys, "Public keys as PEM", access="open", tag="Token keys"),
        Route("GET", "/user/.well-known/openid-configuration", handlers_fence.openid_configuration,
              "Who signs the tokens", access="open", tag="Token keys"),
        Route("GET", "/user/_status", health.status, "Health of keys", access="open", tag="Health"),
        Route("GET", "/user/_version", health.version, "Version", access="open", tag="Health"),
    ]  # fmt: skip


def _lists() -> list[Route]:
    programs, dictionary = handlers_programs, handlers_dictionary
    return [
        Route("GET", SUBMISSION, programs.list_programs, "List programs", answers=words.LINKS, tag=LISTS),
        Route("GET", _PROGRAM, programs.list_projects, "List projects of a program", answers=words.LINKS, tag=LISTS),
        Route("GET", f"{_PROJECT}/_dictionary", dictionary.project_entries, "List types", answers=words.LINKS,
              tag=LISTS),
        Route("GET", f"{_PROJECT}/_dictionary/{{entry}}", dictionary.project_entry, "Show a type", tag=LISTS),
        Route("GET", f"{SUBMISSION}/_dictionary", dictionary.list_entries, "List types", answers=words.LINKS,
              access="open", tag="Dictionary"),
        Route("GET", f"{SUBMISSION}/_dictionary/{{entry}}", dictionary.entry, "Show a type, or all", words.ENTRY,
              access="open", tag="Dictionary"),
        Route("GET", f"{SUBMISSION}/template", dictionary.templates, "Templates of all types", words.TEMPLATE,
              parameters=words.TEMPLATES, access="open", tag="Dictionary"),
        Route("GET", f"{SUBMISSION}/template/{{node}}", dictionary.template, "Template of a type", words.TEMPLATE,
              parameters=words.TEMPLATES[:1], access="open", tag="Dictionary"),
        Route("GET", f"{_PROJECT}/template", dictionary.templates, "Templates of all types", words.TEMPLATE,
              parameters=words.TEMPLATES, access="open", tag="Dictionary"),
        Route("GET", f"{_PROJECT}/template/{{node}}", dictionary.template, "Template of a type", words.TEMPLATE,
              parameters=words.TEMPLATES[:1], access="open", tag="Dictionary"),
    ]  # fmt: skip


def _programs() -> list[Route]:
    programs = handlers_programs
    routes = [
        Route(_WRITES, SUBMISSION, programs.put_program, "Make or change a program", words.PROGRAM,
              body=words.PROGRAM_BODY, tag="Programs and projects"),
        Route("DELETE", _PROGRAM, programs.delete_program, "Delete an empty program",
              answers={204: "Deleted.", 400: "It holds projects."}, tag="Programs and projects"),
        Route(_WRITES, _PROGRAM, programs.put_project, "Make or change a project", words.PROJECT,
              body=words.PROJECT_BODY, tag="Programs and projects"),
        Route("DELETE", _PROJECT, programs.delete_project, "Delete an empty project",
              answers={204: "Deleted.", 400: "It holds records or files."}, tag="Programs and projects"),
    ]  # fmt: skip
    for move in ("open", "review", "submit", "release"):
        place, what = f"{_PROJECT}/{move}", f"Move a project: {move}"
        routes += [
            Route(("PUT", "POST"), place, programs.move_project, what, words.MOVE, tag="Programs and projects"),
            Route(("PUT", "POST"), f"{place}/_dry_run", programs.move_dry, f"{what} (dry run)",
                  tag="Programs and projects"),
        ]  # fmt: skip
    return routes


def _submission() -> list[Route]:
    upload, entities = handlers_submission, handlers_entities
    about = {"parameters": words.UPLOAD, "body": words.UPLOAD_BODY, "answers": words.RESULTS, "tag": "Submission"}
    ids = f"{_PROJECT}/entities/{{ids}}"
    return [
        Route(_WRITES, _PROJECT, upload.upload_of, "Submit records", words.SUBMIT, **about),
        Route(("PUT", "POST"), f"{_PROJECT}/_dry_run", upload.dry_run_of, "Try a submission", words.DRY_RUN, **about),
        Route(("PUT", "POST"), f"{_PROJECT}/bulk", upload.bulk_of, "Submit several documents", words.BULK,
              body=words.BULK_BODY, tag="Submission"),
        Route(("PUT", "POST"), f"{_PROJECT}/bulk/_dry_run", upload.bulk_dry_run_of, "Try several documents",
              body=words.BULK_BODY, tag="Submission"),
        Route(("PUT", "POST"), f"{_PROJECT}/transactions/{{transaction:int}}/commit", upload.commit,
              "Do a dry run for real", tag="Submission"),
        Route(("PUT", "POST"), f"{_PROJECT}/transactions/{{transaction:int}}/close", upload.close,
              "Forbid to commit a dry run", tag="Submission"),
        Route("GET", ids, entities.get_entities, "Show entities", tag="Entities"),
        Route("DELETE", ids, entities.delete_entities, "Delete entities", words.DELETE, parameters=words.FIELDS,
              tag="Entities"),
        Route("DELETE", f"{_PROJECT}/entities/_dry_run/{{ids}}", entities.dry_run_delete, "Try a deletion",
              parameters=words.FIELDS, tag="Entities"),
        Route("DELETE", f"{SUBMISSION}/admin/{{program}}/{{project}}/entities/{{ids}}/to_delete/{{to_delete}}",
              entities.delete_entities_as, "Delete entities (older route)", tag="Entities"),
        Route("POST", f"{SUBMISSION}/validation/upload_manifest", health.validate_manifest, "Judge an upload manifest",
              access="open", writes=False, tag="Manifests"),
    ]  # fmt: skip


def _exports() -> list[Route]:
    export = handlers_export
    return [
        Route("GET", f"{_PROJECT}/export", export.export, "Export records", words.EXPORT, parameters=words.EXPORTS,
              answers=words.EXPORT_ANSWERS, tag="Export"),
        Route("POST", f"{_PROJECT}/export", export.export_posted, "Export records", words.EXPORT,
              answers=words.EXPORT_ANSWERS, writes=False, tag="Export"),
        Route("GET", f"{_PROJECT}/manifest", export.manifest, "Manifest of data files", parameters=words.IDS,
              tag="Manifests"),
        Route("GET", f"{_PROJECT}/upload_manifest", export.upload_manifest, "Manifest of data files",
              parameters=words.IDS, tag="Manifests"),
    ]  # fmt: skip


def _legacy(routes: list[Route]) -> list[Route]:
    return [
        replace(route, path=LEGACY + route.path.removeprefix(SUBMISSION), documented=False)
        for route in routes
        if route.path.startswith(SUBMISSION)
    ]


def _others() -> list[Route]:
    return [
        Route("GET", "/api/v0/datasets", handlers_programs.dataset_counts, "Count records by project", words.COUNTS,
              parameters=words.NODES, tag=LISTS),
        Route("GET", "/api/v0/datasets/projects", handlers_programs.dataset_projects, "Projects with their numbers",
              tag=LISTS),
        Route("GET", "/api/_status", health.status, "Health of submission", access="open", tag="Health"),
        Route("GET", "/api/_version", health.version, "Version", access="open", tag="Health"),
        Route("GET", "/peregrine/_status", health.status, "Health of queries", access="open", tag="Health"),
        Route("GET", "/peregrine/_version", health.version, "Version", access="open", tag="Health"),
    ]  # fmt: skip


def _graphql() -> list[Route]:
    return [
        Route("POST", f"{SUBMISSION}/graphql", handlers_graphql.query, "Query the graph", words.QUERY,
              body=words.QUERY_BODY, writes=False, tag="GraphQL"),
        Route("GET", f"{SUBMISSION}/getschema", handlers_graphql.getschema, "The schema as introspection shows it",
              access="open", tag="GraphQL"),
    ]  # fmt: skip


def _told(route: Route) -> Route:
    """Add to a route's page how it refuses, where it does not say that better itself."""
    more = dict(words.REFUSALS.get(route.tag, {}))
    if "{" in route.path:
        more[404] = words.NOT_FOUND
    if more and "GET" not in route.methods:
        more[413] = words.TOO_LARGE
    return replace(route, answers={**more, **(route.answers or {200: "Done."})})


_SUBMISSION = [*_graphql(), *_lists(), *_programs(), *_submission(), *_exports()]
_ALL = (
    *_fence(),
    *_SUBMISSION,
    *_others(),
    *_legacy(_SUBMISSION),
    *MDS_ROUTES,
    *DATA_ROUTES,
    *DRS_ROUTES,
    *INDEX_ROUTES,
)
ROUTES: tuple[Route, ...] = tuple(_told(route) for route in _ALL)
