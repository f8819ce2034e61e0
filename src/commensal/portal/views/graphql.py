"""The query editor: GraphQL with completion, run by the browser at the Gen3 door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commensal.core.dictionary import Dictionary, NodeType
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.pages import render
from commensal.portal.views.dictionary import fillable
from commensal.portal.views.door_token import TOKEN_PATH

__all__ = ["ROUTES", "examples"]

_PROPERTIES = 4
_COUNTED = 12


def _fields(node: NodeType) -> list[str]:
    """Return some properties that say something about a record, required ones first."""
    own = [
        one
        for one in node.properties.values()
        if not one.system and one.name not in ("type", "id", "submitter_id", "project_id", "state", "metadata")
    ]
    own.sort(key=lambda one: (not one.required, one.kind in ("array", "object")))
    return ["submitter_id", *(one.name for one in own[:_PROPERTIES])]


def _block(fields: Sequence[str], depth: int = 2) -> str:
    return "\n".join(f"{'  ' * depth}{name}" for name in fields)


def _central(nodes: Sequence[NodeType]) -> NodeType:
    """Return the type that most others hang on or that hangs on most: a good one to begin with."""
    return max(nodes, key=lambda one: (one.name == "sample", len(one.links) + len(one.backrefs), one.name))


def examples(dictionary: Dictionary) -> list[dict[str, Any]]:
    """Return queries that work with a dictionary: ``title``, ``query``, ``variables`` (JSON text or empty)."""
    nodes = sorted((node for node in dictionary.types.values() if fillable(node)), key=lambda one: one.name)
    made = [
        {
            "title": "Projects that you may see",
            "query": "{\n  project(first: 20) {\n    project_id\n    code\n    name\n  }\n}\n",
            "variables": "",
        }
    ]
    if not nodes:
        return made
    node = _central(nodes)
    name = node.label
    fields = _fields(node)
    made.insert(
        0,
        {
            "title": f"The last {name} records",
            "query": f'{{\n  {name}(first: 20, order_by_desc: "updated_datetime") {{\n{_block(fields)}\n  }}\n'
            f"  _{name}_count\n}}\n",
            "variables": "",
        },
    )
    counted = "\n".join(f"  _{one.label}_count" for one in nodes[:_COUNTED])
    made.append({"title": "How many records of each type", "query": f"{{\n{counted}\n}}\n", "variables": ""})
    linked = next((link for link in node.links if link.target in dictionary.types and link.target != "project"), None)
    if linked is not None:
        inner = _block(_fields(dictionary.types[linked.target])[:3], 3)
        made.append(
            {
                "title": f"Each {name} with its {linked.name}",
                "query": f"{{\n  {name}(first: 20) {{\n    submitter_id\n    {linked.name} {{\n{inner}\n    }}\n"
                "  }\n}\n",
                "variables": "",
            }
        )
    made.append(
        {
            "title": f"Search {name} records with variables",
            "query": f"query Find($project: [String], $text: String) {{\n"
            f"  {name}(project_id: $project, quick_search: $text, first: 20) {{\n{_block(fields)}\n  }}\n}}\n",
            "variables": '{\n  "project": ["PROGRAM-PROJECT"],\n  "text": ""\n}\n',
        }
    )
    return made


async def graphql_page(request: Request) -> Respond:
    """Show the editor."""
    dictionary = (await request.services.dictionaries.current()).dictionary
    return render(
        request,
        "graphql.html",
        title="Query",
        examples=examples(dictionary),
        token_path=TOKEN_PATH,
        endpoint="/api/v0/submission/graphql",
        schema="/api/v0/submission/getschema",
        user=request.principal.user,
    )


ROUTES = (Route("GET", "/portal/graphql", person_only(graphql_page), "Query editor", access="anonymous"),)
