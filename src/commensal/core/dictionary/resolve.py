"""From the files of a dictionary to one JSON object without references (contracts/gen3.md 6).

A value with ``$ref`` (or ``$ref_2`` and so on, a value may have several) takes over the keys of what it names; its own
other keys stay, and lose against the referenced ones. What ``_definitions`` and ``_terms`` contain is shown as
written, except where a type reaches it: there it is shown resolved. This is what clients have always been served.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from commensal.core.dictionary.builtin import DATA_RELEASE, DEFINITIONS, METASCHEMA, ROOT
from commensal.errors import SetupError

__all__ = ["nullable", "resolve"]

#: Files that every dictionary has and that are no types, as no file is whose name begins with ``_``; the resolved form
#: shows them under their names without ``.yaml``.
_PARTS = ("metaschema", "_definitions", "_settings", "_terms")


def resolve(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved form of a dictionary: ``{type: schema, …, metaschema, _definitions, _settings, _terms}``.

    ``raw`` maps file names (``case.yaml``, ``_definitions.yaml``) to their parsed content, or is a resolved form
    already (then only what it lacks is added). Adds ``root``, ``data_release`` and ``metaschema`` where they are
    missing. Raises SetupError with a line for every reference that leads nowhere or in a circle.
    """
    try:
        files = _as_files(raw)
        nodes = _nodes(files)
        walker = _Resolver(files)
        for name in nodes.values():
            walker.visit(files[name], name, "")
    except RecursionError:
        msg = "The dictionary cannot be used: it is nested too deeply."
        raise SetupError(msg) from None
    if walker.problems:
        msg = "The dictionary cannot be used:\n" + "\n".join(f"  {line}" for line in walker.problems)
        raise SetupError(msg)
    resolved: dict[str, Any] = {node: files[name] for node, name in nodes.items()}
    others = sorted(name.removesuffix(".yaml") for name in files if name.startswith("_"))
    for part in dict.fromkeys((*_PARTS, *others)):
        resolved[part] = files[f"{part}.yaml"]
    return resolved


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a type's schema with null allowed where a document may carry it, so that a property can be cleared.

    Optional properties with a ``type`` also take null, those with an ``enum`` as well; anyOf and oneOf stay
    (contracts/gen3.md 4.11, 6). The argument is not changed.
    """
    required = cast("list[str]", schema.get("required") or [])
    properties: dict[str, Any] = {}
    for name, value in cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {}).items():
        changed = dict(value)
        if name not in required:
            kinds: Any = value.get("type")
            listed = [kinds] if isinstance(kinds, str) else cast("list[str]", kinds or [])
            enum = value.get("enum")
            if listed and not any(kind == "null" for kind in listed):
                changed["type"] = [*listed, "null"]
            if isinstance(enum, list) and None not in enum:
                changed["enum"] = [*cast("list[Any]", enum), None]
        properties[name] = changed
    return {**schema, "properties": properties}


def _as_files(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a private copy keyed by file name, completed by what the loader adds."""
    files: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in raw.items():
        name = key.rsplit("/", 1)[-1]
        name = name if name.endswith(".yaml") else name.removesuffix(".yml") + ".yaml"
        if name in files:
            problems.append(f"{key}: there are two files of this name.")
        if value is None and name.startswith("_"):
            value = {}
        if not isinstance(value, dict):
            problems.append(f"{key}: must contain an object with keys, not {_kind(value)}.")
            continue
        files[name] = copy.deepcopy(cast("dict[str, Any]", value))
    if problems:
        raise SetupError("The dictionary cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
    defaults: dict[str, Any] = {"metaschema": METASCHEMA, "_definitions": {}, "_settings": {}, "_terms": {}}
    for part, default in defaults.items():
        files.setdefault(f"{part}.yaml", copy.deepcopy(default))
    present = {value.get("id") for value in files.values()}
    added: dict[str, Any] = {}
    for node in (ROOT, DATA_RELEASE):
        if node["id"] not in present:
            added[f"{node['id']}.yaml"] = copy.deepcopy(node)
    if "data_release.yaml" in added:
        definitions = files["_definitions.yaml"]
        wanted = ("UUID", "datetime", "to_one") if "to_one" in definitions else tuple(DEFINITIONS)
        for name in wanted:
            definitions.setdefault(name, copy.deepcopy(DEFINITIONS[name]))
    return {**added, **files}


def _nodes(files: Mapping[str, Any]) -> dict[str, str]:
    """Return the file of each type, by the type's id."""
    nodes: dict[str, str] = {}
    problems: list[str] = []
    for name, value in files.items():
        if name.startswith("_") or name == "metaschema.yaml":
            continue
        node = value.get("id")
        if not isinstance(node, str) or not node:
            problems.append(f"{name}: has no id (the name of the type).")
        elif node.startswith("_") or node == "metaschema":
            problems.append(f"{name}: a type cannot be called {node!r}; its name must begin with a letter.")
        elif node in nodes:
            problems.append(f"{name}: the id {node!r} is also the id of {nodes[node]}.")
        else:
            nodes[node] = name
    if problems:
        raise SetupError("The dictionary cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
    return nodes


class _Resolver:
    """Resolves in place, each object once; objects that nothing reaches stay as written."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self.files = files
        self.problems: list[str] = []
        self._done: set[int] = set()
        self._active: dict[int, str] = {}

    def visit(self, value: Any, file: str, path: str) -> None:
        """Resolve a value and everything in it. ``file`` is where its own ``#/…`` references point into."""
        if isinstance(value, list):
            for index, item in enumerate(cast("list[Any]", value)):
                self.visit(item, file, f"{path}/{index}")
            return
        if not isinstance(value, dict) or id(cast("object", value)) in self._done:
            return
        node = cast("dict[str, Any]", value)
        if id(node) in self._active:
            first = self._active[id(node)]
            self.problems.append(f"{file}#{path}: the references go in a circle back to {first}.")
            return
        self._active[id(node)] = f"{file}#{path}"
        for key in [key for key in node if key.startswith("$ref")]:
            self._take(node, key, file, path)
        for key, item in list(node.items()):
            self.visit(item, file, f"{path}/{key}")
        del self._active[id(node)]
        self._done.add(id(node))

    def _take(self, node: dict[str, Any], key: str, file: str, path: str) -> None:
        reference = node.pop(key)
        found = self._look_up(reference, file, f"{file}#{path}/{key}") if isinstance(reference, str) else None
        if not isinstance(reference, str):
            self.problems.append(f"{file}#{path}/{key}: a reference must be a text like 'file.yaml#/name'.")
        if found is None:
            return
        target, home, pointer = found
        self.visit(target, home, pointer)
        # An object in a circle would be merged into itself for ever; it has been reported above.
        if id(target) not in self._active:
            node.update(target)

    def _look_up(self, reference: str, file: str, place: str) -> tuple[dict[str, Any], str, str] | None:
        base, _, pointer = reference.partition("#")
        home = (base.removesuffix(".yml") + ".yaml" if base.endswith(".yml") else base) or file
        value: Any = self.files.get(home)
        if value is None:
            self.problems.append(f"{place}: refers to {base}, which is not part of the dictionary.")
            return None
        for raw_step in pointer.strip("/").split("/") if pointer.strip("/") else ():
            step = unquote(raw_step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and step.isdecimal() and int(step) < len(cast("list[Any]", value)):
                value = cast("list[Any]", value)[int(step)]
            elif isinstance(value, dict) and step in value:
                value = cast("dict[str, Any]", value)[step]
            else:
                self.problems.append(f"{place}: refers to {reference}, and {home} has no {step!r} there.")
                return None
        if not isinstance(value, dict):
            self.problems.append(
                f"{place}: refers to {reference}, which is {_kind(cast('object', value))} and no object."
            )
            return None
        return cast("dict[str, Any]", value), home, pointer


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f"the value {value!r:.60}"
