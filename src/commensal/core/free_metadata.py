"""Free metadata: how what Pangea, ODM, Polly and Opal write shares its place with a type's declared properties.

A record has ``props`` (values of declared properties) and ``extra`` (everything else, any JSON value; ``{}`` where
there is nothing). Rules 1 to 7 of the design, "Free metadata"; pure functions, nothing is changed in place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Mapping
from typing import Any, Literal, Protocol, cast

from commensal.core.dictionary import NodeType
from commensal.errors import Invalid, Malformed, TooLarge

__all__ = [
    "IDENTITY_KEYS",
    "MAX_DEPTH",
    "PropertyValidator",
    "Splitter",
    "metadata_from_text",
    "metadata_text",
    "read",
    "refuse_unstorable",
    "settable",
    "split",
    "split_extra",
    "take_declared",
    "untaken_keys",
]

#: Keys that free metadata never sets, on any type; link names and system properties of the type come on top.
IDENTITY_KEYS = frozenset(
    {
        *("id", "type", "submitter_id", "project_id", "state", "file_state", "object_id"),
        *("created_datetime", "updated_datetime", "metadata"),
    },
)

#: Levels of nesting that metadata may have.
MAX_DEPTH = 200


class PropertyValidator(Protocol):
    """Tells whether a property of its type takes a value."""

    def validate_property(self, key: str, value: Any) -> bool:
        """Tell whether a value that is not null is one that this property takes."""
        ...


class Splitter(Protocol):
    """A type with its validator."""

    @property
    def node(self) -> NodeType:
        """The type."""
        ...

    @property
    def validator(self) -> PropertyValidator:
        """Its validator."""
        ...


def settable(node: NodeType, key: str) -> bool:
    """Tell whether a key names a property of the type that free metadata may set (rule 1)."""
    return key in node.properties and key not in IDENTITY_KEYS and not node.properties[key].system


def split(
    node: NodeType,
    metadata: Any,
    mode: Literal["replace", "merge"],
    props: Mapping[str, Any],
    extra: Any,
    validate: Callable[[str, Any], bool],
    apart: Container[str] = (),
) -> tuple[dict[str, Any], Any]:
    """Return the record's new ``(props, extra)`` after metadata was written to it.

    ``replace`` is a whole new state (Pangea), ``merge`` touches the keys that are named and removes those that are
    null (ODM, Polly). ``validate(key, value)`` tells whether a property takes a value. Required properties survive a
    replace that does not name them. ``apart``: keys of the metadata that mean something else than the property of that
    name: they stay in ``extra``, and the property as it is. Raises Malformed for what cannot be stored (rule 6).
    """
    refuse_unstorable(metadata)
    new = dict(props)
    if mode == "replace":
        for key in props:
            if settable(node, key) and key not in apart and not node.properties[key].required:
                del new[key]
    if not isinstance(metadata, dict):
        return new, metadata
    rest: dict[str, Any] = {}
    if mode == "merge" and isinstance(extra, dict):
        rest = dict(cast("dict[str, Any]", extra))
    for key, value in cast("dict[str, Any]", metadata).items():
        rest.pop(key, None)
        if settable(node, key) and key not in apart:
            new.pop(key, None)
            if value is not None and validate(key, value):
                new[key] = value
                continue
        if value is not None or mode == "replace":
            rest[key] = value
    return new, rest


def split_extra(plan: Splitter, metadata: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return which keys of new metadata become properties and which stay free (rules 1 and 2), nulls among the free."""
    node, validate = plan.node, plan.validator.validate_property
    props: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in metadata.items():
        taken = value is not None and settable(node, key) and validate(key, value)
        (props if taken else rest)[key] = value
    return props, rest


def take_declared(plan: Splitter, props: Mapping[str, Any], extra: Any) -> tuple[Mapping[str, Any], Any]:
    """Return a record's ``(props, extra)`` under another plan: keys of ``extra`` that it takes become properties.

    The very same objects come back where nothing changes.
    """
    if not isinstance(extra, dict) or not extra:
        return props, cast("Any", extra)
    free = cast("dict[str, Any]", extra)
    taken, rest = split_extra(plan, {key: value for key, value in free.items() if key not in props})
    if not taken:
        return props, free
    return {**props, **taken}, {key: value for key, value in free.items() if key in props or key in rest}


def read(node: NodeType, props: Mapping[str, Any], extra: Any, apart: Container[str] = ()) -> Any:
    """Return a record's metadata as one value (rule 3): the set properties, but those ``apart``, and ``extra``.

    A property wins over a key of the same name in ``extra``: the two meet only where another door has written the
    property later. Metadata that is no object comes back as it was written (rule 5).
    """
    if not isinstance(extra, dict):
        return extra
    if not props:
        return cast("dict[str, Any]", extra)
    declared = {
        key: value for key, value in props.items() if value is not None and settable(node, key) and key not in apart
    }
    return {**cast("dict[str, Any]", extra), **declared}


def untaken_keys(node: NodeType, extra: Any) -> list[str]:
    """Return the keys of ``extra`` that a strict project refuses, in their order: those that nothing takes.

    Types that show ``metadata`` take everything. Metadata that is no object is refused under the name ``metadata``.
    """
    if node.has_metadata or extra == {}:
        return []
    return list(cast("dict[str, Any]", extra)) if isinstance(extra, dict) else ["metadata"]


def metadata_text(extra: Any) -> str | None:
    """Return the Gen3 property ``metadata``: the JSON text of ``extra``, or None where there is nothing (rule 7)."""
    return None if extra == {} else json.dumps(extra, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def metadata_from_text(text: str | None) -> Any:
    """Return the ``extra`` that the Gen3 property ``metadata`` stands for; None clears it (rule 7).

    Raises Invalid (field ``metadata``) for text that is no JSON, Malformed for what cannot be stored.
    """
    if text is None:
        return {}
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        msg = f"metadata must be the text of a JSON value: {error.msg} at character {error.pos + 1}."
        raise Invalid(msg, field="metadata") from None
    except RecursionError:
        raise TooLarge(_too_deep(), field="metadata") from None
    except ValueError as error:
        msg = f"metadata must be the text of a JSON value: {error}."
        raise Invalid(msg, field="metadata") from None
    refuse_unstorable(value)
    return value


def refuse_unstorable(value: Any) -> None:
    """Raise Malformed if a JSON value contains U+0000, a lone surrogate, NaN or infinity, in keys or values.

    Raises TooLarge when it is nested more than :data:`MAX_DEPTH` levels deep.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for item in level:
            kind = cast("object", type(item))
            if kind is str:
                _check_text(item)
            elif kind is dict:
                for key, entry in cast("dict[str, Any]", item).items():
                    _check_text(key)
                    inner.append(entry)
            elif kind is list:
                inner.extend(cast("list[Any]", item))
            elif kind is float and not math.isfinite(item):
                msg = f"{item} is no JSON number; leave the value out or write it as text."
                raise Malformed(msg)
        if not inner:
            return
        level = inner
    raise TooLarge(_too_deep())


def _check_text(text: str) -> None:
    if text.isascii():
        found = "U+0000" if "\0" in text else ""
    elif "\0" in text:
        found = "U+0000"
    else:
        try:
            text.encode()
            return
        except UnicodeEncodeError as error:
            found = f"U+{ord(text[error.start]):04X}, half of a surrogate pair,"
    if found:
        msg = f"A text contains the character {found} which cannot be stored: {text!r:.80}."
        raise Malformed(msg)


def _too_deep() -> str:
    return f"Metadata may be nested at most {MAX_DEPTH} levels deep."


def _no_constant(name: str) -> Any:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)
