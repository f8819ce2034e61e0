"""One schema of the resolved dictionary to one :class:`NodeType`; collects what is wrong with it as sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

from commensal.core.dictionary.model import OUR_NAMESPACE, Link, LinkGroup, Multiplicity, NodeType, Property

__all__ = ["RESERVED_TYPES", "build_node"]

#: A name that can stand in the graph query language, in a tabular header (no dot, ``#``, ``*``) and in SQL text.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

#: Names that the graph query language gives to types and root fields of its own (contracts/gen3.md 5.2).
RESERVED_TYPES = frozenset(
    {
        *("Root", "Node", "DataNode", "NodeType", "viewer", "node", "datanode", "GenericEntity", "WithPathToInput"),
        *("TransactionLog", "TransactionDocument", "TransactionSnapshot", "TransactionResponse", "transaction_log"),
        *("TransactionResponseEntity", "TransactionResponseError", "TransactionResponseEntityRelatedCases"),
        *("String", "Int", "Float", "Boolean", "ID", "commensal", "metaschema"),
    },
)

#: Fields every record has in the graph query language; a property of this name would hide one.
_RESERVED_PROPERTIES = frozenset({"_links", "_transaction_logs", "_transaction_logs_count", "_links_count"})

_JSON_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


def build_node(
    name: str,
    schema: Mapping[str, Any],
    problems: list[str],
    *,
    system: bool = False,
    rename: Callable[[str], str] = str,
) -> NodeType | None:
    """Return the compiled type, or None when it is too broken; problems are appended as ``type: sentence``.

    ``rename`` maps a target as written to its stored name (system types point at system types).
    """
    complain = _complainer(name, problems)
    if not _NAME.fullmatch(name.removeprefix("commensal.")) or name.startswith("__"):
        complain("the name of a type must be made of letters, digits and '_', and not begin with a digit or '__'")
    if name in RESERVED_TYPES:
        complain("this name is taken by the query language; choose another")
    raw_properties = schema.get("properties")
    category = schema.get("category")
    if not isinstance(raw_properties, dict):
        complain("has no properties (an object is needed)")
        return None
    if not isinstance(category, str) or not category:
        complain("has no category")
        return None
    declared = cast("dict[str, Any]", raw_properties)
    required = _texts(schema.get("required"), "required", complain)
    system_properties = _texts(schema.get("systemProperties"), "systemProperties", complain)
    groups = _links(name, schema.get("links"), complain, rename)
    links = tuple(_flat(groups))
    by_name: dict[str, Link] = {}
    for link in links:
        if link.name in by_name:
            complain(f"two links are called {link.name!r}")
        by_name[link.name] = link
        if link.name not in declared and schema.get("additionalProperties") is False:
            complain(f"the link {link.name!r} is not among the properties, so no document can set it")
    properties: dict[str, Property] = {}
    for key, value in declared.items():
        if not _NAME.fullmatch(key) or key.startswith("__") or key in _RESERVED_PROPERTIES:
            complain(f"the property name {key!r} is not usable: letters, digits and '_', not beginning with a digit")
        elif not isinstance(value, dict):
            complain(f"the property {key!r} is no object")
        elif key not in by_name:
            body = cast("dict[str, Any]", value)
            properties[key] = _property(key, body, key in required, key in system_properties, complain)
    return NodeType(
        name=name,
        title=_text(schema.get("title")) or name,
        category=category,
        description=_text(schema.get("description")),
        schema=schema,
        properties=MappingProxyType(properties),
        required=required,
        unique_keys=_unique_keys(schema.get("uniqueKeys"), complain),
        system_properties=system_properties,
        links=links,
        link_groups=groups,
        links_by_name=MappingProxyType(by_name),
        system=system,
        ours=schema.get("namespace") == OUR_NAMESPACE,
    )


def _property(
    name: str,
    schema: dict[str, Any],
    required: bool,  # noqa: FBT001 (positional, private)
    system: bool,  # noqa: FBT001
    complain: Callable[[str], None],
) -> Property:
    listed: Any = schema.get("type")
    kinds = [listed] if isinstance(listed, str) else cast("list[str]", listed if isinstance(listed, list) else [])
    unknown = [kind for kind in kinds if kind not in _JSON_TYPES]
    if unknown:
        complain(f"the property {name!r} has the type {unknown[0]!r}, which does not exist")
    items = schema.get("items")
    enum = schema.get("enum")
    term = schema.get("term")
    description = schema.get("description")
    if description is None and isinstance(term, dict):
        description = cast("dict[str, Any]", term).get("description")
    item_type: Any = cast("dict[str, Any]", items).get("type") if isinstance(items, dict) else None
    if isinstance(item_type, list):
        item_type = next((kind for kind in cast("list[Any]", item_type) if kind != "null"), None)
    return Property(
        name=name,
        kind=next((kind for kind in kinds if kind != "null"), "string"),
        types=tuple(kinds),
        schema=schema,
        required=required,
        system=system,
        item_kind=item_type if isinstance(item_type, str) else None,
        enum=tuple(cast("list[Any]", enum)) if isinstance(enum, list) else None,
        format=_text(schema.get("format")) or None,
        default=schema.get("default"),
        has_default="default" in schema,
        description=description if isinstance(description, str) else None,
        term=cast("dict[str, Any]", term) if isinstance(term, dict) else None,
    )


def _links(
    source: str,
    raw: object,
    complain: Callable[[str], None],
    rename: Callable[[str], str],
) -> tuple[Link | LinkGroup, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        complain("links must be a list")
        return ()
    found: list[Link | LinkGroup] = []
    for entry in cast("list[Any]", raw):
        if not isinstance(entry, dict):
            complain(f"a link must be an object, not {entry!r:.60}")
            continue
        item = cast("dict[str, Any]", entry)
        if "subgroup" in item:
            members = _links(source, item["subgroup"], complain, rename)
            group = LinkGroup(item.get("exclusive") is True, item.get("required") is True, members)
            found.append(group)
            continue
        wanted = ("name", "backref", "label", "target_type", "multiplicity")
        texts = {key: item.get(key) for key in wanted}
        missing = [key for key, value in texts.items() if not isinstance(value, str) or not value]
        if missing:
            complain(f"the link {item.get('name')!r} lacks {', '.join(missing)}")
            continue
        name, backref, label, target, multiplicity = (str(texts[key]) for key in wanted)
        if multiplicity not in set(Multiplicity):
            complain(f"the link {name!r} has the multiplicity {multiplicity!r}; use one of {', '.join(Multiplicity)}")
            continue
        for word in (name, backref):
            if not _NAME.fullmatch(word) or word.startswith("__"):
                complain(f"the link name {word!r} is not usable: letters, digits and '_', not beginning with a digit")
        required = item.get("required") is True
        found.append(Link(name, backref, label, source, rename(target), Multiplicity(multiplicity), required))
    return tuple(found)


def _flat(groups: Iterable[Link | LinkGroup]) -> Iterable[Link]:
    for entry in groups:
        if isinstance(entry, Link):
            yield entry
        else:
            yield from entry.links()


def _unique_keys(raw: object, complain: Callable[[str], None]) -> tuple[tuple[str, ...], ...]:
    if raw is None:
        return (("id",),)
    entries = cast("list[Any]", raw) if isinstance(raw, list) else [raw]
    keys: list[tuple[str, ...]] = []
    for entry in entries:
        names = cast("list[Any]", entry) if isinstance(entry, list) else [None]
        if all(isinstance(name, str) for name in names):
            keys.append(tuple(str(name) for name in names))
        else:
            complain(f"uniqueKeys must be lists of property names, not {entry!r:.60}")
    return tuple(keys)


def _texts(raw: object, what: str, complain: Callable[[str], None]) -> tuple[str, ...]:
    if raw is None:
        return ()
    if isinstance(raw, list) and all(isinstance(item, str) for item in cast("list[Any]", raw)):
        return tuple(cast("list[str]", raw))
    complain(f"{what} must be a list of names")
    return ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _complainer(name: str, problems: list[str]) -> Callable[[str], None]:
    return lambda text: problems.append(f"{name}: {text}.")
