"""The dictionary in use: as a graph, as a table of types, and each type with its properties and links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commensal.core.dictionary import Dictionary, Link, LinkGroup, NodeType, Property
from commensal.core.plans import NOT_SUBMITTED
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.dictionary_picture import picture
from commensal.portal.pages import render

__all__ = ["ROUTES", "categories_of", "fillable", "shown_types", "template_path", "tint_of"]

#: Colours of the categories that most dictionaries have; others get one by their place in the alphabet.
_TINTS = {
    "administrative": "a", "biospecimen": "c", "clinical": "f", "analysis": "d", "data_file": "b", "metadata_file": "b",
    "index_file": "b", "notation": "e", "medical_history": "f", "data_observations": "e", "imaging": "d",
}  # fmt: skip
_REST = "aecdbf"
#: Values of an enumeration that are shown before the rest is folded away.
VALUES_SHOWN = 8
_TEMPLATES = "/api/v0/submission/template"


def tint_of(category: str) -> str:
    """Return the letter of the colour of a category."""
    return _TINTS.get(category) or _REST[sum(category.encode()) % len(_REST)]


def shown_types(dictionary: Dictionary) -> list[NodeType]:
    """Return the types that people work with: all but internal ones."""
    return [node for node in dictionary.types.values() if node.exportable]


def categories_of(nodes: Iterable[NodeType]) -> dict[str, list[NodeType]]:
    """Return types by category, both in alphabetic order."""
    found: dict[str, list[NodeType]] = {}
    for node in sorted(nodes, key=lambda one: (one.category, one.name)):
        found.setdefault(node.category, []).append(node)
    return found


def fillable(node: NodeType) -> bool:
    """Tell whether records of a type are submitted inside a project."""
    return node.submittable and node.exportable and node.label not in NOT_SUBMITTED


def template_path(name: str = "") -> str:
    """Return the address of a type's template, or of all; a format may follow."""
    return f"{_TEMPLATES}/{name}" if name else _TEMPLATES


async def _dictionary(request: Request) -> Any:
    return await request.services.dictionaries.current()


async def dictionary_page(request: Request) -> Respond:
    """Show all types."""
    used = await _dictionary(request)
    nodes = shown_types(used.dictionary)
    return render(
        request,
        "dictionary.html",
        title="Dictionary",
        source=used.source,
        version=used.version,
        picture=picture(nodes),
        categories=categories_of(nodes),
        total=len(nodes),
        fillable=fillable,
        tint=tint_of,
        template_at=template_path,
    )


# --- one type -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PropertyShown:
    """A property in words."""

    name: str
    kind: str
    required: bool
    system: bool
    description: str
    values: Sequence[str]
    term: str
    term_href: str


@dataclass(frozen=True, slots=True)
class LinkShown:
    """A link as seen from one of its ends; ``rule`` says what else holds for it."""

    name: str
    other: str
    known: bool
    how_many: str
    required: bool
    rule: str


def _kind(value: Property) -> str:
    """Return a property's type in words."""
    if value.enum is not None:
        return "one of"
    schema = value.schema
    kinds = [kind for kind in value.types if kind != "null"]
    if not kinds:
        branches = schema.get("oneOf") or schema.get("anyOf") or ()
        kinds = list(dict.fromkeys(str(one["type"]) for one in branches if isinstance(one, Mapping) and "type" in one))
    text = " or ".join(kind for kind in kinds if kind != "null") or "text"
    text = text.replace("string", "text").replace("boolean", "true or false")
    if value.kind == "array" and value.item_kind:
        text = f"list of {value.item_kind.replace('string', 'text')}"
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    if value.format:
        limits.append(value.format)
    if "pattern" in schema:
        limits.append(f"like {schema['pattern']}")
    return ", ".join([text, *limits])


def _term(value: Property) -> tuple[str, str]:
    """Return the name and the address of the term that a property stands for."""
    term = value.term or {}
    inner = term.get("termDef")
    about: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
        about = inner[0]
    name = str(about.get("term") or term.get("term") or "")
    code = str(about.get("cde_id") or about.get("term_id") or "")
    href = str(about.get("term_url") or "")
    shown = " ".join(part for part in (name, f"({code})" if code and code != "None" else "") if part)
    return shown, href if href.startswith(("https://", "http://")) else ""


def _property(value: Property) -> PropertyShown:
    term, href = _term(value)
    described = value.description or (value.term or {}).get("description") or ""
    return PropertyShown(
        value.name,
        _kind(value),
        value.required,
        value.system,
        str(described).strip(),
        [str(one) for one in value.enum or () if one is not None],
        term,
        href,
    )


_WORDS = {"one": "one", "many": "many"}


def _how_many(link: Link, *, forward: bool) -> str:
    here, _, there = link.multiplicity.value.partition("_to_")
    here, there = (_WORDS[here], _WORDS[there]) if forward else (_WORDS[there], _WORDS[here])
    return f"{here} to {there}"


def _rules(node: NodeType) -> dict[str, str]:
    """Return what groups of links demand, by the name of each link in them."""
    found: dict[str, str] = {}

    def walk(group: LinkGroup) -> None:
        names = [link.name for link in group.links()]
        words = []
        if group.required:
            words.append(f"at least one of {', '.join(names)}" if not group.exclusive else "")
        if group.exclusive:
            words.append(f"{'exactly' if group.required else 'at most'} one of {', '.join(names)}")
        for name in names:
            found[name] = "; ".join(word for word in words if word)

    for member in node.link_groups:
        if isinstance(member, LinkGroup):
            walk(member)
    return found


async def type_page(request: Request) -> Respond:
    """Show one type."""
    used = await _dictionary(request)
    dictionary: Dictionary = used.dictionary
    node = dictionary.types.get(request.params["type"])
    if node is None:
        raise NotFound("The dictionary in use has no such type.")
    rules = _rules(node)
    order = sorted(node.properties.values(), key=lambda one: (one.system, not one.required))
    known = {one.name for one in shown_types(dictionary)}
    return render(
        request,
        "dictionary_type.html",
        title=node.label,
        node=node,
        tint=tint_of,
        fillable=fillable(node),
        template_at=template_path,
        properties=[_property(one) for one in order],
        values_shown=VALUES_SHOWN,
        links=[
            LinkShown(
                link.name,
                link.target,
                link.target in known,
                _how_many(link, forward=True),
                link.required and link.name not in rules,
                rules.get(link.name, ""),
            )
            for link in node.links
        ],
        backrefs=[
            LinkShown(name, link.source, link.source in known, _how_many(link, forward=False), required=False, rule="")
            for name, link in sorted(node.backrefs.items())
        ],
    )


ROUTES = (
    Route("GET", "/portal/dictionary", dictionary_page, "The dictionary in use", access="anonymous"),
    Route("GET", "/portal/dictionary/{type}", type_page, "A type of the dictionary", access="anonymous"),
)
