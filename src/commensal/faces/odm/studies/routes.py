"""The table of studies, samples, libraries, preparations and links."""

from __future__ import annotations

from commensal.core.studies import Kind
from commensal.faces.face import Body, Parameter, Route
from commensal.faces.odm.studies import links, objects
from commensal.faces.odm.studies.search import search_studies
from commensal.faces.odm.studies.wire import DETAILS
from commensal.faces.odm.wire import LIMIT

__all__ = ["STUDY_ROUTES"]

_ERROR = {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": {"type": "string"}}}}}
_400 = Body("The request cannot be read; the message says what is wrong.", schema=_ERROR)
_401 = Body("No valid credential.", schema=_ERROR)
_403 = Body("You are not in the group Curator, or lack a right on the study.", schema=_ERROR)
_404 = Body("There is no such object, or none that you may see.", schema=_ERROR)
_ERRORS = {400: _400, 401: _401, 403: _403, 404: _404}

_ID = Parameter("id", "Accession of the object.", "path", required=True, example="GSF1000")
_VERSION = Parameter("version", "Number of the version.", "path", required=True, example="1")
_SOURCE = Parameter("source", "Accession of what is linked.", "path", required=True, example="GSF1001")
_TARGET = Parameter("target", "Accession of what it is linked to.", "path", required=True, example="GSF1000")
_FILTER = Parameter(
    "filter",
    "Comparisons `key = value` (also `!=`, and `<`, `>` for numbers) joined by `AND`, `OR`, `NOT` and brackets; "
    '`"…"` around what holds spaces; `?` and `*` in values.',
    example="tissue=kidney",
)
_QUERY = Parameter("query", 'Words anywhere in the metadata: `"…"` for a phrase, `AND`, `OR`, `NOT`.', example="kidney")
_SHAPE = (
    Parameter("responseFormat", "`term_id`, which adds the ids of terms where there are any."),
    Parameter(
        "returnedMetadataFields",
        "`minimal_data`: what the dictionary declares; `extended_data_included`: all values (default as user); "
        "`original_data_included`: also null for what is declared and not set (default as curator).",
        schema={"type": "string", "enum": list(DETAILS)},
    ),
)
_PAGE = (
    Parameter(
        "pageLimit",
        "Most objects of the answer.",
        schema={"type": "integer", "minimum": 0, "maximum": LIMIT, "default": LIMIT},
    ),
    Parameter("pageOffset", "How many objects to skip.", schema={"type": "integer", "minimum": 0, "default": 0}),
)
_TERMS = Parameter("searchSpecificTerms", "Taken, without effect: no narrower terms are known.")
_SEARCH = (_FILTER, _QUERY, _TERMS, *_SHAPE, *_PAGE)
_SORT = Parameter("sort", "An attribute, with `-` before it for the other direction.", example="-tissue")
_ATTRIBUTE = Parameter(
    "linkingAttribute", "By which attribute the members find each other.", example="Sample Source ID"
)
_ENDS = (
    Parameter("firstId", "Accession of an object.", required=True, example="GSF1000"),
    Parameter("firstType", "Its type.", example="study"),
    Parameter("secondId", "Accession of another object.", example="GSF1001"),
    Parameter("secondType", "Its type.", example="sample"),
)
_EXAMPLES = {
    Kind.STUDY: {"genestack:accession": "GSF1000", "genestack:name": "Renal carcinoma"},
    Kind.SAMPLE: {"genestack:accession": "GSF1001", "Sample Source ID": "S1", "genestack:name": "S1", "age": 61},
    Kind.LIBRARY: {"genestack:accession": "GSF1002", "Library ID": "L1", "genestack:name": "L1"},
    Kind.PREPARATION: {"genestack:accession": "GSF1003", "Preparation ID": "P1", "genestack:name": "P1"},
}


def _envelope(example: object) -> Body:
    pagination = {"count": 1, "total": 1, "offset": 0, "limit": LIMIT}
    return Body("A page.", example={"meta": {"pagination": pagination}, "data": [example]})


def _objects(kind: Kind, base: str, role: str) -> list[Route]:
    place, example = f"{base}/{kind.plural}", _EXAMPLES[kind]
    tag = f"{kind.plural.capitalize()} as {role}"
    made = [
        Route(
            "GET",
            place,
            objects.list_objects(kind),
            f"Find {kind.plural}",
            "By accession where `sort` says nothing. `Accept: text/tab-separated-values` gives a table.",
            (*_SEARCH, _SORT),
            answers={200: _envelope(example), **_ERRORS},
            tag=tag,
        ),
        Route(
            "GET",
            f"{place}/{{id}}",
            objects.get_object(kind),
            f"Show a {kind}",
            parameters=(_ID, *_SHAPE),
            answers={200: Body("The object.", example=example), **_ERRORS},
            tag=tag,
        ),
        Route(
            "GET",
            f"{place}/{{id}}/versions",
            objects.list_versions(kind),
            f"List the versions of a {kind}",
            parameters=(_ID,),
            answers={
                200: Body(
                    "Oldest first; times in milliseconds.",
                    example=[{"author": "Ada", "message": "create (odm)", "timestamp": 1763629200000, "version": "1"}],
                ),
                **_ERRORS,
            },
            tag=tag,
        ),
        Route(
            "GET",
            f"{place}/{{id}}/versions/{{version}}",
            objects.get_version(kind),
            f"Show a {kind} as it was",
            parameters=(_ID, _VERSION, *_SHAPE),
            answers={200: Body("The object.", example=example), **_ERRORS},
            tag=tag,
        ),
    ]
    if kind in (Kind.LIBRARY, Kind.PREPARATION):
        made.append(
            Route(
                "GET",
                f"{place}/by/group/{{id}}",
                objects.list_of_group(kind),
                f"List the {kind.plural} of a group",
                parameters=(_ID, *_SHAPE, *_PAGE),
                answers={200: _envelope(example), **_ERRORS},
                tag=tag,
            )
        )
    if role == "curator":
        made.append(
            Route(
                "PATCH",
                f"{place}/{{id}}",
                objects.change(kind),
                f"Change a {kind}",
                "Attributes are merged, null removes one. A text that looks like a truth or a number is stored as one.",
                (_ID,),
                Body("Attributes.", example={"tissue": "kidney", "age": "61", "note": None}),
                {200: Body("The object.", example=example), **_ERRORS},
                tag=tag,
                body_limit=8 * 1024 * 1024,
            )
        )
    return made


def _integration(base: str, role: str) -> list[Route]:
    link, tag = f"{base}/integration/link", f"Linked objects as {role}"
    study, sample = _EXAMPLES[Kind.STUDY], _EXAMPLES[Kind.SAMPLE]
    one = {200: Body("The study.", example=study), **_ERRORS}
    made = [
        Route(
            "GET",
            f"{link}/files/by/study/{{id}}",
            objects.files_by_study,
            "List the files of a study",
            "All of them, without pages; `Accept: text/tab-separated-values` gives a table.",
            (_ID, Parameter("includeContents", "`true`: with the structure of HDF5 files and archives.")),
            answers={
                200: Body("The files.", example=[{"genestack:accession": "GSF1004", "genestack:name": "counts.h5ad"}]),
                **_ERRORS,
            },
            tag=tag,
        ),
        Route(
            "GET",
            f"{link}/study/by/file/{{id}}",
            objects.study_by("file"),
            "Show the study of a file",
            parameters=(_ID, *_SHAPE),
            answers=one,
            tag=tag,
        ),
        Route(
            "GET",
            f"{link}/study/by/sample/{{id}}",
            objects.study_by("sample"),
            "Show the study of a sample",
            parameters=(_ID, *_SHAPE),
            answers=one,
            tag=tag,
        ),
        Route(
            "GET",
            f"{link}/studies/by/files",
            objects.studies_by_files,
            "Find studies by their files",
            "`filter`, `query` and the keys of structure are about the files.",
            _SEARCH,
            answers={200: _envelope(study), **_ERRORS},
            tag=tag,
        ),
        Route(
            "GET",
            f"{link}/samples/by/study/{{id}}",
            objects.samples_by_study,
            "List the samples of a study",
            parameters=(_ID, *_SHAPE, *_PAGE),
            answers={200: _envelope(sample), **_ERRORS},
            tag=tag,
        ),
        Route(
            "POST",
            f"{base}/integration/fulltext/search/studies",
            search_studies,
            "Find studies by words and by the commonest values",
            body=Body("What to look for.", example={"filters": [{"type": "FULL_TEXT", "match": "kidney"}]}),
            answers={200: "Studies, and values to narrow the search.", **_ERRORS},
            tag=tag,
            writes=False,
            body_limit=1024 * 1024,
        ),
    ]
    for kind, by in (
        (Kind.STUDY, Kind.SAMPLE),
        (Kind.STUDY, Kind.LIBRARY),
        (Kind.STUDY, Kind.PREPARATION),
        (Kind.SAMPLE, Kind.LIBRARY),
        (Kind.SAMPLE, Kind.PREPARATION),
        (Kind.LIBRARY, Kind.SAMPLE),
        (Kind.PREPARATION, Kind.SAMPLE),
    ):
        made.append(
            Route(
                "GET",
                f"{link}/{kind.plural}/by/{by.plural}",
                objects.list_linked(kind, by),
                f"Find {kind.plural} by their {by.plural}",
                f"`filter` and `query` are about the {by.plural}.",
                _SEARCH,
                answers={200: _envelope(_EXAMPLES[kind]), **_ERRORS},
                tag=tag,
            )
        )
    for kind in (Kind.LIBRARY, Kind.PREPARATION):
        made += [
            Route(
                "GET",
                f"{link}/{kind}/by/sample/{{id}}",
                objects.list_of_sample(kind),
                f"List the {kind.plural} of a sample",
                parameters=(_ID, *_SHAPE),
                answers={200: Body("All of them.", example=[_EXAMPLES[kind]]), **_ERRORS},
                tag=tag,
            ),
            Route(
                "GET",
                f"{link}/{kind}/group/by/study/{{id}}",
                links.groups_by_study(kind),
                f"List the {kind} groups of a study",
                parameters=(_ID, _SHAPE[0]),
                answers={200: Body("All of them.", example=[{"itemId": "GSF1005", "metadata": {}}]), **_ERRORS},
                tag=tag,
            ),
            Route(
                "GET",
                f"{link}/{kind}/{kind.plural}-to-samples/by/group/{{id}}",
                links.pairs_of_group(kind),
                f"List the {kind.plural} of a group with their samples",
                f"Pages count {kind.plural}.",
                (_ID, *_PAGE),
                answers={200: _envelope({f"{kind}Id": "GSF1002", "sampleId": "GSF1001"}), **_ERRORS},
                tag=tag,
            ),
        ]
    return made


def _linkage(base: str, role: str) -> list[Route]:
    tag = f"Links as {role}"
    link = {"firstId": "GSF1000", "firstType": "study", "secondId": "GSF1001", "secondType": "sample"}
    paging = (
        Parameter("offset", "How many links to skip.", schema={"type": "integer", "minimum": 0, "default": 0}),
        Parameter("limit", "Most links of the answer.", schema={"type": "integer", "minimum": 0, "default": 1000}),
    )
    made = [
        Route(
            "GET",
            f"{base}/links",
            links.list_links,
            "List what belongs to an object",
            parameters=(*_ENDS, *paging),
            answers={200: _envelope(link), **_ERRORS},
            tag=tag,
        ),
        Route(
            "POST",
            f"{base}/links/get-batch",
            links.batch,
            "List what belongs to many objects of one type",
            body=Body("Which.", example={"firstType": "study", "firstIds": ["GSF1000"], "offset": 0, "limit": 1000}),
            answers={200: _envelope(link), **_ERRORS},
            tag=tag,
            writes=False,
            body_limit=1024 * 1024,
        ),
        Route(
            "GET",
            f"{base}/data-types",
            links.data_types,
            "List the types of objects",
            answers={200: Body("Their names.", example=["study", "sample"]), 401: _401},
            tag=tag,
        ),
        Route(
            "GET",
            f"{base}/data-types/links",
            links.possible_links,
            "List which types may belong together",
            parameters=(Parameter("type", "Only with this type.", example="study"),),
            answers={200: Body("Pairs.", example=[{"firstType": "study", "secondType": "sample"}]), **_ERRORS},
            tag=tag,
        ),
    ]
    if role != "curator":
        return made
    made += [
        Route(
            "POST",
            f"{base}/links",
            links.save_links,
            "Link objects",
            "All or none. What is linked to a study moves there, with what was made from it.",
            body=Body("The links.", example=[link]),
            answers={201: "They are linked.", 409: Body("They were linked already.", schema=_ERROR), **_ERRORS},
            tag=tag,
            body_limit=1024 * 1024,
        ),
        Route(
            "DELETE",
            f"{base}/links",
            links.delete_link,
            "Part two objects",
            "What leaves a study goes to your home project.",
            _ENDS,
            answers={204: "They are parted.", **_ERRORS},
            tag=tag,
        ),
    ]
    for child, parent in (("sample", "study"), ("library", "sample"), ("preparation", "sample")):
        for group in (False, True):
            above = parent if parent == "study" or not group else f"{parent}/group"
            below = f"{child}/group" if group else child
            path = f"{base}/integration/link/{below}/{{source}}/to/{above}/{{target}}"
            ends = (f"{child}Group" if group else child, f"{parent}Group" if group and parent != "study" else parent)
            words = f"{child} group" if group else child
            more = (_ATTRIBUTE,) if group and parent != "study" else ()
            made += [
                Route(
                    "POST",
                    path,
                    links.join(*ends),
                    f"Link a {words} to a {above.replace('/', ' ')}",
                    parameters=(_SOURCE, _TARGET, *more),
                    answers={204: "They are linked.", **_ERRORS},
                    tag=tag,
                ),
                Route(
                    "DELETE",
                    path,
                    links.part(*ends),
                    f"Part a {words} from a {above.replace('/', ' ')}",
                    parameters=(_SOURCE, _TARGET),
                    answers={204: "They are parted.", **_ERRORS},
                    tag=tag,
                ),
            ]
    return made


def _all(role: str) -> list[Route]:
    base = f"/api/v1/as-{role}"
    made = [route for kind in Kind for route in _objects(kind, base, role)]
    return [*made, *_integration(base, role), *_linkage(base, role)]


_CURATORS = "/api/v1/as-curator/integration/studies/{id}"
STUDY_ROUTES: tuple[Route, ...] = (
    *_all("user"),
    *_all("curator"),
    Route(
        "POST",
        f"{_CURATORS}/tasks/publish-versions",
        objects.publish,
        "Name the current version of a study",
        "There are no drafts: edits are seen at once, and this gives the version that stands a message.",
        (_ID, Parameter("versionMessage", "The message.", example="After review")),
        answers={
            200: Body(
                "The task, which is done.",
                example={
                    "id": "GSF1006",
                    "name": "Publish versions of GSF1000",
                    "status": "DONE",
                    "application": "publish-versions",
                    "startedAt": 1763629200000,
                    "endedAt": 1763629200000,
                    "createdBy": "Ada",
                },
            ),
            **_ERRORS,
        },
        tag="Publishing",
    ),
    Route(
        "GET",
        "/api/v1/tasks/{id}",
        objects.get_task,
        "Show a task",
        parameters=(_ID,),
        answers={200: "The task.", **_ERRORS},
        tag="Publishing",
    ),
    Route(
        "GET",
        f"{_CURATORS}/validation-summary",
        objects.validation_summary,
        "Count the values of samples that the dictionary does not take",
        parameters=(_ID,),
        answers={200: "By group and attribute.", **_ERRORS},
        tag="Publishing",
    ),
)
