"""Where each property of a row stands, and how it is shown, compared and ordered."""

# ruff: noqa: S608 - names come from the dictionary as quoted constants, values are parameters

from __future__ import annotations

from dataclasses import dataclass

from commensal.core.graph.model import Form, Match, Table
from commensal.storage.postgres.graph.text import Draft, any_of, literal

__all__ = ["Row"]

#: More values than this are compared as text.
_MOST_CONTAINED = 8
_PLACES = {Table.RECORDS: "props", Table.PROJECTS: "properties", Table.PROGRAMS: "properties"}


def moment(column: str) -> str:
    """Return a time as text: ISO with microseconds (none where there are none) and offset."""
    return (
        f"to_char({column} at time zone 'UTC', case when extract(microseconds from {column})::int % 1000000 = 0 "
        'then \'YYYY-MM-DD"T"HH24:MI:SS"+00:00"\' else \'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\' end)'
    )


def _as_list(value: str) -> str:
    """Return a jsonb as a list: a single value is a list of one, null is null."""
    return (
        f"case when jsonb_typeof({value}) = 'array' then {value} "
        f"when jsonb_typeof({value}) <> 'null' then jsonb_build_array({value}) end"
    )


def _code_of(project: str) -> str:
    """Return the ``project_id`` of a project by a look-up of its own."""
    return (
        f"(select h.code || '-' || q.code from projects q join programs h on h.seq = q.program where q.seq = {project})"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A row of one of the three tables under its alias; ``program`` and ``of`` are the rows it belongs to.

    ``of`` is the alias of the project of a record, ``program`` that of the program; None where not joined.
    """

    table: Table
    alias: str
    of: str = ""
    program: str = ""

    @property
    def project(self) -> str:
        """The number of the project that the row is or belongs to."""
        return f"{self.alias}.project" if self.table is Table.RECORDS else f"{self.alias}.seq"

    @property
    def in_project(self) -> bool:
        """Whether the row is or belongs to a project, so that rights limit it."""
        return self.table in (Table.RECORDS, Table.PROJECTS)

    def column(self, name: str) -> str | None:
        """Return the text of what is stored in a column of its own; None for what is a property."""
        a = self.alias
        if name == "id":
            return f"{a}.uuid::text"
        if self.table is Table.RECORDS:
            if name == "submitter_id" or name == "state":
                return f"{a}.{name}"
            if name == "project_id":
                return f"({self.program}.code || '-' || {self.of}.code)" if self.program else _code_of(f"{a}.project")
            if name == "type":
                return f"{a}.type"
        elif self.table is Table.PROJECTS:
            if name == "code":
                return f"{a}.code"
            if name == "name":
                return f"{a}.title"
            if name == "state":
                return f"{a}.state"
            if name == "project_id":
                return _code_of(f"{a}.seq")
            if name == "availability_type":
                return f"case when {a}.public_level >= 2 then 'Open' else 'Restricted' end"
            if name == "type":
                return "'project'"
        elif name == "name":
            return f"{a}.code"
        elif name == "type":
            return "'program'"
        if name == "created_datetime":
            return moment(f"{a}.created")
        if name == "updated_datetime":
            return moment(f"{a}.updated")
        return None

    def flag(self, name: str) -> str | None:
        """Return a column that is a boolean."""
        return f"{self.alias}.released" if self.table is Table.PROJECTS and name == "released" else None

    def stored(self, name: str) -> str:
        """Return the stored property as jsonb."""
        return f"{self.alias}.{_PLACES[self.table]} -> {literal(name)}"

    def as_text(self, name: str, form: Form = Form.TEXT) -> str:
        """Return a property as text, null where it is not set."""
        if form is Form.EXTRA:
            return f"{self.alias}.extra::text"
        column = self.column(name)
        if column is not None:
            return column
        flag = self.flag(name)
        return f"{flag}::text" if flag is not None else f"{self.alias}.{_PLACES[self.table]} ->> {literal(name)}"

    def shown(self, name: str, form: Form) -> str:
        """Return the JSON text of a property, never null."""
        if name == "id":
            return f"'\"' || {self.alias}.uuid || '\"'"
        if form is Form.EXTRA:
            return f"coalesce(to_json({self.as_text(name, form)})::text, 'null')"
        column = self.column(name)
        if column is not None:
            if name in ("project_id", "type", "availability_type", "created_datetime", "updated_datetime", "state"):
                return f"to_json({column})" if name != "type" else f"'\"' || {column} || '\"'"
            return f"coalesce(to_json({column})::text, 'null')"
        flag = self.flag(name)
        if flag is not None:
            return f"to_json({flag})"
        value = self.stored(name)
        if form is Form.SHOWN:
            return f"coalesce(to_json({self.as_text(name)})::text, 'null')"
        if form is Form.SHOWN_TEXTS:
            return (
                f"coalesce((select json_agg(e) from jsonb_array_elements_text({_as_list(value)}) e)::text, "
                f"case jsonb_typeof({value}) when 'array' then '[]' else 'null' end)"
            )
        return f"coalesce(({value})::text, 'null')"

    def matches(self, draft: Draft, match: Match) -> str:
        """Return the condition that a property matches; never true for null, null where the property is not set."""
        if not match.values:
            return "false"
        name, form, values = match.name, match.form, match.values
        if form.many:
            if form is Form.TEXTS:
                return f"{self.stored(name)} @> {draft.parameter(sorted(map(str, values)), 'jsonb')}"
            texts = draft.parameter(sorted(map(str, values)), "text[]")
            listed = _as_list(self.stored(name))
            return f"(select array_agg(e) from jsonb_array_elements_text({listed}) e) @> {texts}"
        if form is Form.NUMBER:
            value = self.stored(name)
            number = f"case jsonb_typeof({value}) when 'number' then ({value})::numeric end"
            return f"{number} = any({draft.parameter([str(one) for one in values], 'text[]')}::numeric[])"
        if form is Form.BOOLEAN:
            flags = ["true" if one else "false" for one in values]
            return f"{self.as_text(name)} = any({draft.parameter(flags, 'text[]')})"
        texts = list(dict.fromkeys(str(one) for one in values))
        if form is Form.TEXT and self.column(name) is None and len(texts) <= _MOST_CONTAINED:
            # The planner knows from the column's statistics how many rows contain a pair, but nothing of "->>".
            place = f"{self.alias}.{_PLACES[self.table]}"
            tests = [f"{place} @> {draft.parameter({name: text}, 'jsonb')}" for text in texts]
            return any_of(tests)
        if len(texts) == 1:
            return f"{self.as_text(name, form)} = {draft.parameter(texts[0], 'text')}"
        return f"{self.as_text(name, form)} = any({draft.parameter(texts, 'text[]')})"

    def ordered(self, name: str, form: Form) -> str:
        """Return what rows are ordered by: texts by code point, numbers by value, submitter_ids without case."""
        if name == "id":
            return f"{self.alias}.uuid"
        if name == "submitter_id" and self.table is Table.RECORDS:
            return f'{self.alias}.sid_folded collate "C"'
        if self.column(name) is None and self.flag(name) is None and form in (Form.NUMBER, Form.BOOLEAN):
            return f"({self.stored(name)})"
        return f'({self.as_text(name, form)}) collate "C"'
