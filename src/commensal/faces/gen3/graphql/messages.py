"""Sentences of refused queries, as Gen3's clients know them (contracts/gen3.md 5.1).

The parser and validator in use say the same in other words; each of their sentences is rewritten here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from graphql import GraphQLError, GraphQLSyntaxError

from commensal.faces.gen3.graphql.types import SchemaModel

__all__ = ["syntax_error", "validation_error"]

_MOST_SUGGESTED = 5


def syntax_error(error: GraphQLSyntaxError) -> str:
    """Return the sentence for a query that cannot be parsed: place, what was expected, and the lines around it."""
    source, locations = error.source, error.locations
    text = error.description.removesuffix(".").replace("<EOF>", "EOF")
    text = re.sub(r"\b(Name|Int|Float|String|BlockString) '(.*?)'$", r'\1 "\2"', text, flags=re.DOTALL)
    text = re.sub(r"Expected '(\w+)'", r'Expected "\1"', text)
    text = re.sub(r"(Expected|found|Unexpected) '([^\w']+)'", r"\1 \2", text)
    text = text.replace("Unterminated string", "Unterminated string.")
    if source is None or not locations:
        return f"Syntax Error GraphQL {text}"
    line, column = locations[0].line, locations[0].column
    lines = re.split(r"\r\n|[\n\r]", source.body)
    width = len(str(line + 1))
    shown = ""
    if line >= 2:
        shown += f"{line - 1:>{width}}: {_cut(lines[line - 2])}\n"
    if line <= len(lines):
        shown += f"{line:>{width}}: {_cut(lines[line - 1])}\n"
        if column <= _LONG:
            shown += " " * (1 + width + column) + "^\n"
    if line < len(lines):
        shown += f"{line + 1:>{width}}: {_cut(lines[line])}\n"
    return f"Syntax Error GraphQL ({line}:{column}) {text}\n\n{shown}"


_LONG = 2000


def _cut(line: str) -> str:
    return line if len(line) <= _LONG else line[:_LONG] + "..."


def validation_error(model: SchemaModel, error: GraphQLError) -> str:
    """Return the sentence for a query that the schema does not allow."""
    text = error.message
    for pattern, write in _RULES:
        found = pattern.fullmatch(text)
        if found is not None:
            return write(model, found)
    return re.sub(r"'([^']*)'", r'"\1"', text)


# --- suggestions ----------------------------------------------------------------------------------


def _distance(one: str, other: str) -> int:
    """Return how many insertions, deletions, changes and swaps of neighbours lead from one word to the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i, *([0] * len(other))]
        for j, b in enumerate(other, 1):
            cost = 0 if a == b else 1
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost)
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], last[j - 2] + cost)
    return row[-1]


def suggestions(word: str, options: Iterable[str]) -> list[str]:
    """Return the names that are like a word, the nearest first."""
    found: dict[str, int] = {}
    for option in options:
        most = max(len(word) / 2, len(option) / 2, 1)
        if abs(len(word) - len(option)) <= most and len(word) < 200:
            far = _distance(word, option)
            if far <= most:
                found[option] = far
    return sorted(found, key=lambda option: found[option])


def _listed(names: Sequence[str]) -> str:
    shown = [f'"{name}"' for name in names[:_MOST_SUGGESTED]]
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " or " + shown[-1]


def _unknown_field(model: SchemaModel, found: re.Match[str]) -> str:
    name, kind = found["name"], found["type"]
    text = f'Cannot query field "{name}" on type "{kind}".'
    named = model.types.get(kind)
    if named is None:
        return text
    if kind == "Node":
        owners = [one for one in model.nodes if name in model.types[one].fields]
        if owners:
            return f"{text} Did you mean to use an inline fragment on {_listed(owners)}?"
    near = suggestions(name, named.fields)
    return f"{text} Did you mean {_listed(near)}?" if near else text


def _unknown_argument(model: SchemaModel, found: re.Match[str]) -> str:
    name, kind, field = found["name"], found["type"], found["field"]
    text = f'Unknown argument "{name}" on field "{field}" of type "{kind}".'
    named = model.types.get(kind)
    about = named.fields.get(field) if named is not None else None
    near = suggestions(name, about.arguments) if about is not None else []
    return f"{text} Did you mean {_listed(near)}?" if near else text


def _unknown_type(model: SchemaModel, found: re.Match[str]) -> str:
    text = f'Unknown type "{found["name"]}".'
    near = suggestions(found["name"], model.types)
    return f"{text} Perhaps you meant {_listed(near)}?" if near else text


Write = Callable[[SchemaModel, "re.Match[str]"], str]


def _plain(template: str) -> Write:
    return lambda _model, found: template.format(**found.groupdict())


_RULES: tuple[tuple[re.Pattern[str], Write], ...] = tuple(
    (re.compile(pattern, re.DOTALL), write)
    for pattern, write in (
        (r"Cannot query field '(?P<name>[^']*)' on type '(?P<type>[^']*)'\..*", _unknown_field),
        (
            r"Unknown argument '(?P<name>[^']*)' on field '(?P<type>[^'.]*)\.(?P<field>[^'.]*)'\..*",
            _unknown_argument,
        ),
        (r"Unknown type '(?P<name>[^']*)'\..*", _unknown_type),
        (
            r"Field '(?P<f>[^']*)' must not have a selection since type '(?P<t>[^']*)' has no subfields\.",
            _plain('Field "{f}" of type "{t}" must not have a sub selection.'),
        ),
        (
            r"Field '(?P<f>[^']*)' of type '(?P<t>[^']*)' must have a selection of subfields\..*",
            _plain('Field "{f}" of type "{t}" must have a sub selection.'),
        ),
        (
            r"Field '(?P<f>[^']*)' of type '(?P<t>[^']*)' must have at least one field selected\.",
            _plain('Field "{f}" of type "{t}" must have a sub selection.'),
        ),
        (r"Unknown directive '@(?P<d>[^']*)'\.", _plain('Unknown directive "{d}".')),
        (
            r"Directive '@(?P<d>[^']*)' may not be used on (?P<p>.*)\.",
            _plain('Directive "{d}" may not be used on {p}.'),
        ),
        (
            r"Argument '@(?P<d>[^'(]*)\((?P<a>[^':]*):\)' of type '(?P<t>[^']*)' is required, .*",
            _plain('Directive "{d}" argument "{a}" of type "{t}" is required but not provided.'),
        ),
        (
            r"Variable '\$(?P<v>[^']*)' of type '(?P<t>[^']*)' used in position expecting type '(?P<p>[^']*)'\.",
            _plain('Variable "{v}" of type "{t}" used in position expecting type "{p}".'),
        ),
        (
            r"There can be only one variable named '\$(?P<v>[^']*)'\.",
            _plain('There can only be one variable named "{v}".'),
        ),
        (r"There can be only one (?P<rest>.*) '(?P<n>[^']*)'\.", _plain('There can only be one {rest} "{n}".')),
        (
            r"Field '(?P<f>[^']*)' argument '(?P<a>[^']*)' of type '(?P<t>[^']*)' is required, .*",
            _plain('Field "{f}" argument "{a}" of type "{t}" is required but not provided.'),
        ),
    )
)
