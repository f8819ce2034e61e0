"""Random queries that the schema of a random dictionary allows."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

from commensal.core.dictionary import NodeType
from tests.gen3.graphql.worlds import START, WORDS, World, _value


class QueryMaker:
    def __init__(self, rnd: random.Random, world: World) -> None:
        self.rnd = rnd
        self.world = world
        self.types = world.dictionary.types
        self.variables: dict[str, Any] = {}
        self.declared: list[str] = []
        self.fragments: list[str] = []

    def chance(self, share: float) -> bool:
        return self.rnd.random() < share

    def query(self) -> tuple[str, dict[str, Any]]:
        fields = " ".join(self.root_field(n) for n in range(self.rnd.randint(1, 3)))
        if self.chance(0.15):
            fields = f"viewer {{ {fields} }} __typename"
        head = f"query Q({', '.join(self.declared)}) " if self.declared else self.rnd.choice(("", "query ", "query Q "))
        return f"{head}{{ {fields} }} {' '.join(self.fragments)}", self.variables

    def root_field(self, n: int) -> str:
        alias = f"f{n}: "
        name = self.rnd.choice(list(self.types))
        way = self.rnd.random()
        if way < 0.25:
            return f"{alias}_{name}_count{self.arguments(self.types[name])}"
        if way < 0.35:
            return f"{alias}node{self.loose()} {self.any_selection()}"
        if way < 0.42 and any(node.is_data_file for node in self.types.values()):
            return f"{alias}datanode{self.data_arguments()} {{ id type submitter_id project_id }}"
        return f"{alias}{name}{self.arguments(self.types[name])} {self.selection(self.types[name], 2)}"

    # --- selections -------------------------------------------------------------------------------

    def selection(self, node: NodeType, depth: int) -> str:
        plain = [name for name in node.properties if name not in node.links_by_name]
        wanted = ["id", *self.rnd.sample(plain, min(len(plain), self.rnd.randint(0, 4)))]
        parts = [self.value_field(name) for name in dict.fromkeys(wanted)]
        if self.chance(0.3):
            parts.append("__typename")
        if self.chance(0.2):
            parts.append("created_datetime submitter_id type")
        if self.chance(0.3):
            parts.append("project_id")
        for field in (*node.links_by_name, *node.backrefs):
            link = node.links_by_name.get(field)
            far = self.types[link.target if link is not None else node.backrefs[field].source]
            if depth > 0 and self.chance(0.45):
                parts.append(f"{field}{self.arguments(far, light=True)} {self.selection(far, depth - 1)}")
            if depth > 0 and self.chance(0.25):
                parts.append(f"_{field}_count")
        if depth > 0 and self.chance(0.2):
            parts.append(f"_links{self.loose(of_type=False)} {self.any_selection()}")
        if self.chance(0.15):
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {node.name} {{ id {parts[-1]} }}")
            parts.append(f"...{name}")
        if self.chance(0.15):
            parts.append(f"... on {self.rnd.choice((node.name, 'Node'))} {{ id }}")
        return "{ " + " ".join(parts) + " }"

    def value_field(self, name: str) -> str:
        way = self.rnd.random()
        if way < 0.1:
            return f"{name} @include(if: {self.rnd.choice(('true', 'false'))})"
        if way < 0.2:
            return f"other_{name}: {name}"
        if way < 0.25:
            variable = self.variable("Boolean!", self.chance(0.5))
            return f"{name} @skip(if: {variable})"
        return name

    def any_selection(self) -> str:
        parts = ["id type __typename", self.rnd.choice(("submitter_id", "project_id created_datetime", ""))]
        for node in self.rnd.sample(list(self.types.values()), self.rnd.randint(0, 2)):
            plain = [name for name in node.properties if name not in node.links_by_name]
            parts.append(f"... on {node.name} {{ {node.name}_x: {self.rnd.choice(plain)} }}")
        return "{ " + " ".join(parts) + " }"

    # --- arguments --------------------------------------------------------------------------------

    def variable(self, kind: str, value: Any) -> str:
        name = f"v{len(self.declared)}"
        self.declared.append(f"${name}: {kind}")
        self.variables[name] = value
        return f"${name}"

    def given(self, kind: str, value: Any) -> str:
        """Write a value as a literal or as a variable."""
        if self.chance(0.3):
            return self.variable(kind, value)
        return self.literal(value)

    def literal(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key}: {self.literal(one)}" for key, one in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.literal, value)) + "]"
        return json.dumps(value)

    def written(self, arguments: list[str]) -> str:
        return f"({', '.join(arguments)})" if arguments else ""

    def some_ids(self) -> list[str]:
        every = [*self.world.records, *self.world.projects, *self.world.programs]
        found = [one.uuid for one in self.rnd.sample(every, min(len(every), 3))]
        return [*found, self.rnd.choice(("nonsense", found[0].upper() if found else "x"))]

    def some_names(self) -> list[str]:
        names = [one.submitter_id for one in self.world.records if one.submitter_id]
        return [*self.rnd.sample(names, min(len(names), 4)), "nope"]

    def project_ids(self) -> list[str]:
        found = [f"{one.program.props['name']}-{one.props['code']}" for one in self.world.projects if one.program]
        return [*self.rnd.sample(found, min(len(found), self.rnd.randint(0, 2))), "FAKE-x", "FAKE"]

    def base(self, chance: float, *, lists: bool) -> list[str]:
        out: list[str] = []
        if self.chance(chance / 3):
            out.append(f"id: {self.given('String', self.rnd.choice(self.some_ids()))}")
        if self.chance(chance / 3):
            out.append(f"ids: {self.given('[String]', self.rnd.choice((self.some_ids(), [])))}")
        if self.chance(chance / 2):
            names = self.some_names()
            out.append(f"submitter_id: {self.given('[String]', names) if lists else self.given('String', names[0])}")
        if self.chance(chance / 2):
            out.append(
                f"quick_search: {self.given('String', self.rnd.choice(('-1', 'A-', '', 'upper', 'q', '%', 'É')))}"
            )
        if self.chance(chance):
            out.append(f"first: {self.given('Int', self.rnd.choice((0, 1, 3, 100, -1)))}")
        if self.chance(chance / 2):
            out.append(f"offset: {self.given('Int', self.rnd.choice((0, 1, 4)))}")
        if self.chance(chance / 2):
            moment = START + timedelta(seconds=self.rnd.randint(0, 5), microseconds=self.rnd.choice((0, 120_000)))
            name = self.rnd.choice(("created_before", "created_after", "updated_before", "updated_after"))
            out.append(f"{name}: {self.given('String', moment.isoformat())}")
        return out

    def loose(self, *, of_type: bool = True) -> str:
        out = self.base(0.3, lists=False)
        if self.chance(0.2):
            out.append(f"project_id: {self.given('String', self.rnd.choice(self.project_ids()))}")
        if of_type and self.chance(0.3):
            out.append(f"of_type: {self.given('[String]', self.rnd.sample(list(self.types), 2))}")
        if self.chance(0.15):
            out.append(f"category: {self.given('String', self.rnd.choice(list(self.types.values())).category)}")
        if self.chance(0.2):
            name = self.rnd.choice(("id", "submitter_id", "type", "project_id", "created_datetime"))
            out.append(f'order_by_{self.rnd.choice(("asc", "desc"))}: "{name}"')
        return self.written(out)

    def data_arguments(self) -> str:
        out = self.base(0.3, lists=False)
        if self.chance(0.3):
            out.append(f"project_id: {self.given('String', self.rnd.choice(self.project_ids()))}")
        if self.chance(0.3):
            out.append(f"of_type: {self.given('[String]', self.rnd.sample(list(self.types), 2))}")
        return self.written(out)

    def arguments(self, node: NodeType, *, light: bool = False) -> str:
        share = 0.12 if light else 0.25
        records = node.name not in ("program", "project")
        out = self.base(share, lists=records)
        if node.name != "program" and self.chance(share):
            out.append(f"project_id: {self.given('[String]', self.project_ids())}")
        for name in node.properties:
            if self.chance(share / 2):
                value = self.property_value(node, name)
                if value is not None:
                    out.append(f"{name}: {value}")
        orderable = [name for name in node.properties if node.properties[name].kind != "array"]
        if self.chance(share):
            name = self.rnd.choice(["id", "type", *orderable])
            out.append(f'order_by_{self.rnd.choice(("asc", "desc"))}: "{name}"')
        links = [*node.links_by_name, *node.backrefs]
        for name in ("with_links", "with_links_any", "without_links"):
            if links and self.chance(share / 2):
                out.append(f"{name}: {self.given('[String]', self.rnd.sample(links, min(len(links), 2)))}")
        for name in ("with_path_to", "with_path_to_any", "without_path_to"):
            if self.chance(share / 2):
                goals = [self.goal() for _ in range(self.rnd.randint(1, 2))]
                out.append(f"{name}: {self.given('[WithPathToInput]', goals)}")
        if self.chance(share / 2):
            out.append(f"not: {self.given(f'[NotPropertiesInput_{node.name}]', [self.excluded(node)])}")
        return self.written(out)

    def property_value(self, node: NodeType, name: str) -> str | None:
        if name in ("id", "type", "submitter_id", "project_id") or name in node.links_by_name:
            return None
        if name in ("colour", "site", "both", "size", "weight", "flag", "tags", "codes"):
            kind = node.properties[name].types[0] if node.properties[name].types else "string"
            values = [_value(self.rnd, name) for _ in range(self.rnd.randint(1, 3))]
            if kind == "array":
                chosen: Any = self.rnd.choice((["t1"], ["t1", "t2"], ["1"], ["3", "1"], []))
                return self.given("[String]", chosen)
            scalar = {"number": "Float", "integer": "Float", "boolean": "Boolean"}.get(kind, "String")
            if scalar == "String":
                values = [str(value) for value in values]
            if self.chance(0.3):
                return self.literal(values[0])
            return self.given(f"[{scalar}]", values)
        items = [
            one for one in (*self.world.records, *self.world.projects, *self.world.programs) if one.type == node.name
        ]
        value = next((one.props[name] for one in items if name in one.props), None)
        if isinstance(value, bool):
            return self.given("[Boolean]", [value])
        return self.given("[String]", [value, "other"]) if isinstance(value, str) else None

    def excluded(self, node: NodeType) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("colour", "size", "flag"):
            if name in node.properties:
                found[name] = _value(self.rnd, name)
        if "tags" in node.properties:
            found["tags"] = ["t1"]
        if node.name != "program" and self.chance(0.3):
            found["project_id"] = self.rnd.choice(self.project_ids())
        return found

    def goal(self) -> dict[str, Any]:
        name = self.rnd.choice([*self.types, "unknown"])
        goal: dict[str, Any] = {"type": name}
        if self.chance(0.3):
            goal["submitter_id"] = self.rnd.choice(self.some_names())
        if self.chance(0.3):
            key = self.rnd.choice(("colour", "size", "flag"))
            owners = [node for node in self.types.values() if key in node.properties]
            if owners:
                goal[key] = self.rnd.choice(WORDS) if key == "colour" else _value(self.rnd, key)
        if self.chance(0.1):
            goal["project_id"] = self.rnd.choice(self.project_ids())
        return goal
