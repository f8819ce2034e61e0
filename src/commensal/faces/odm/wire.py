"""Parameters in, file objects and tables out (contracts/odm.md, "List" and "TSV form"); pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from commensal.core.files_query import STRUCTURE_KEYS, Node, equals, parse_filter, parse_text
from commensal.errors import Malformed
from commensal.faces.kit.answers import json_bytes
from commensal.services.file_search import FoundFile

__all__ = ["FIRST", "LIMIT", "accession", "file_object", "include_contents", "nodes", "number", "plain", "table"]

#: Most files of a page, and how many it has when nothing is said.
LIMIT = 2000
#: The first keys of a file object and columns of a table, in this order.
FIRST = ("genestack:accession", "genestack:name", "Data Class")
_CONTENTS = "contents"

_ACCESSION = re.compile(r"([A-Z]{1,20})([0-9]{1,44})")
_WHITE = re.compile(r"[\t\r\n]+")


def accession(text: str) -> int | None:
    """Return the number of an accession of ours, None for another kind's; raises Malformed for what is none."""
    found = _ACCESSION.fullmatch(text)
    if found is None:
        raise Malformed(
            f"{text[:64]!r} is no accession: capital letters and digits, such as GSF1000, are expected.", field="id"
        )
    digits = found[2]
    return int(digits) if found[1] == "GSF" and (digits == "0" or digits[0] != "0") else None


def number(query: Mapping[str, str], name: str, default: int, most: int | None) -> int:
    """Return a whole number from 0 to ``most`` of the query string; raises Malformed."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Malformed(f"{name} must be a whole number from 0 on, not {text[:40]!r}.", field=name)
    if most is not None and int(text) > most:
        raise Malformed(f"{name} must be from 0 to {most}.", field=name)
    return int(text)


def include_contents(query: Mapping[str, str]) -> bool:
    """Return whether the structure of files is asked for; raises Malformed for other words than true and false."""
    text = query.get("includeContents", "false")
    if text not in ("true", "false"):
        raise Malformed(f"includeContents must be true or false, not {text[:40]!r}.", field="includeContents")
    return text == "true"


def nodes(query: Mapping[str, str]) -> list[Node]:
    """Return all that a file must match: filter, query, and the keys of structure as parameters; raises Malformed."""
    found = [parse_filter(query.get("filter", "")), parse_text(query.get("query", ""))]
    found += [equals(key, query[key]) for key in STRUCTURE_KEYS if query.get(key)]
    return [node for node in found if node is not None]


def file_object(file: FoundFile) -> dict[str, Any]:
    """Return the flat object of a file; ``contents`` only when it is there."""
    attributes = file.attributes
    made = {key: attributes[key] for key in FIRST if key in attributes}
    made.update((key, value) for key, value in attributes.items() if key not in made and key != _CONTENTS)
    if file.contents is not None:
        made[_CONTENTS] = msgspec.Raw(file.contents.encode())
    elif _CONTENTS in attributes:  # somebody's attribute of this name must not pass for a tree
        made["commensal:contents"] = attributes[_CONTENTS]
    return made


def plain(value: Any) -> str:
    """Return a value as text: JSON for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return json_bytes(value).decode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        text = "|".join("" if item is None else plain(item).replace("|", "||") for item in value)
    else:
        text = plain(value)
    return _WHITE.sub(" ", text)


def table(objects: Sequence[Mapping[str, Any]], first: Sequence[str] = FIRST) -> bytes:
    """Return objects as tab-separated text in UTF-8: a header, then one row each; lists joined by ``|``."""
    columns: dict[str, None] = dict.fromkeys(first)
    for one in objects:
        columns.update(dict.fromkeys(one))
    lines = ["\t".join(_cell(name) for name in columns)]
    lines += ["\t".join(_cell(one.get(name)) for name in columns) for one in objects]
    return "".join(f"{line}\n" for line in lines).encode()
