"""What a query should answer, worked out slowly over lists in memory by graphql-core's own executor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, execute_sync, parse

from commensal.core.dictionary import NodeType
from tests.gen3.graphql.worlds import Item, World

BASE = {
    *("id", "submitter_id", "ids", "quick_search", "first", "offset", "created_before", "created_after"),
    *("updated_before", "updated_after", "order_by_asc", "order_by_desc", "with_links", "with_links_any"),
    *("without_links", "with_path_to", "with_path_to_any", "without_path_to", "not", "of_type", "category"),
    "project_id",
}
LEAST = 5


def iso(moment: datetime) -> str:
    return moment.isoformat()


class Evaluator:
    def __init__(self, world: World, schema: GraphQLSchema) -> None:
        self.world = world
        self.schema = schema
        self.types = world.dictionary.types

    def run(self, query: str, variables: dict[str, Any] | None = None) -> ExecutionResult:
        return execute_sync(
            self.schema,
            parse(query),
            variable_values=variables or {},
            field_resolver=self.resolve,
            type_resolver=lambda item, *_: item.type,
        )

    # --- who sees what ----------------------------------------------------------------------------

    def seen(self, item: Item) -> bool:
        if item.type == "program":
            inside = any(one.program is item and one.seq in self.world.readable for one in self.world.projects)
            return item.listed or inside
        assert item.project is not None
        return item.project.seq in self.world.readable

    def linked(self, item: Item, name: str, *, forward: bool) -> list[Item]:
        """Return the rows at the other end of a link, that the caller sees when he sees this one."""
        found: list[Item] = []
        if item.type == "project" and forward and name == "programs":
            return [item.program] if item.program else []
        if item.type == "program" and not forward:
            return [one for one in self.world.projects if one.program is item and self.seen(one)]
        for source, link, target in self.world.links:
            if link == name and (source if forward else target) is item:
                other = target if forward else source
                if other.project is item.project or self.seen(other):
                    found.append(other)
        return sorted(found, key=lambda one: one.seq)

    def ends(self, item: Item, field: str) -> list[Item]:
        """Return the rows that a link or backref field of a row leads to."""
        node = self.types[item.type]
        if field in node.links_by_name:
            return self.linked(item, field, forward=True)
        link = node.backrefs[field]
        return [one for one in self.linked(item, link.name, forward=False) if one.type == link.source]

    # --- values -----------------------------------------------------------------------------------

    def value(self, item: Item, name: str) -> Any:
        if name == "id":
            return item.uuid
        if name == "type":
            return item.type
        if item.type not in ("program", "project"):
            assert item.project is not None
            if name == "submitter_id":
                return item.submitter_id
            if name == "project_id":
                return self.value(item.project, "project_id")
            if name == "created_datetime":
                return iso(item.created)
            if name == "updated_datetime":
                return iso(item.updated)
        elif name == "project_id" and item.type == "project":
            assert item.program is not None
            return f"{item.program.props['name']}-{item.props['code']}"
        return item.props.get(name)

    # --- conditions -------------------------------------------------------------------------------

    def equals(self, node: NodeType, item: Item, name: str, wanted: Any) -> bool:
        if name == "project_id":
            return self.value(item, name) in (wanted if isinstance(wanted, list) else [wanted])
        if name not in node.properties:
            return False
        prop = node.properties[name]
        value = self.value(item, name)
        values = wanted if isinstance(wanted, list) else [wanted]
        if prop.kind == "array":
            return value is not None and bool(values) and all(one in map(str, value) for one in values)
        if value is None:
            return False
        if prop.kind in ("number", "integer", "boolean"):
            return value in values
        return (value if isinstance(value, str) else str(value)) in values

    def holds(self, node: NodeType, item: Item, args: dict[str, Any]) -> bool:
        if "id" in args and item.uuid != args["id"]:
            return False
        if "ids" in args and item.uuid not in args["ids"]:
            return False
        if "submitter_id" in args:
            wanted = args["submitter_id"]
            if item.submitter_id is None or item.submitter_id not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        if "project_id" in args:
            wanted = args["project_id"]
            if self.value(item, "project_id") not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        if args.get("quick_search"):
            text = args["quick_search"].casefold()
            if text not in item.uuid and text not in (item.submitter_id or "").casefold():
                return False
        for name, moment in (("created", item.created), ("updated", item.updated)):
            if f"{name}_before" in args and not moment < datetime.fromisoformat(args[f"{name}_before"]):
                return False
            if f"{name}_after" in args and not moment > datetime.fromisoformat(args[f"{name}_after"]):
                return False
        if not all(self.equals(node, item, name, value) for name, value in args.items() if name not in BASE):
            return False
        for one in args.get("not", []):
            for name, value in one.items():
                if self.equals(node, item, name, value):
                    return False
        if not all(self.ends(item, name) for name in args.get("with_links", [])):
            return False
        if args.get("with_links_any") and not any(self.ends(item, name) for name in args["with_links_any"]):
            return False
        if any(self.ends(item, name) for name in args.get("without_links", [])):
            return False
        if not all(self.reaches(item, one) for one in args.get("with_path_to", [])):
            return False
        if args.get("with_path_to_any") and not any(self.reaches(item, one) for one in args["with_path_to_any"]):
            return False
        return not any(self.reaches(item, one) for one in args.get("without_path_to", []))

    def level(self, name: str) -> int:
        category = self.types[name].category
        return 0 if category == "administrative" else 2 if category.endswith("_file") else 1

    def reaches(self, item: Item, goal: dict[str, Any]) -> bool:
        rest = {key: value for key, value in goal.items() if key != "type"}
        node = self.types.get(goal["type"])
        if node is None or node.name == item.type:
            return False
        if "submitter_id" in rest and node.name in ("program", "project"):
            return False

        def go(here: Item, seen: set[str], direction: int) -> bool:
            around = self.types[here.type]
            for field in (*around.links_by_name, *around.backrefs):
                for other in self.ends(here, field):
                    turn = (self.level(other.type) > self.level(here.type)) - (
                        self.level(other.type) < self.level(here.type)
                    )
                    if other.type in seen or turn * direction < 0:
                        continue
                    if other.type == node.name:
                        if self.holds(node, other, rest):
                            return True
                    elif go(other, seen | {other.type}, direction or turn):
                        return True
            return False

        return go(item, {item.type}, 0)

    # --- lists ------------------------------------------------------------------------------------

    def ordered(self, items: list[Item], args: dict[str, Any]) -> list[Item]:
        for argument, reverse in (("order_by_desc", True), ("order_by_asc", False)):
            name = args.get(argument)
            if name is None or name == "type":
                continue
            have = [one for one in items if self.value(one, name) is not None]
            lack = [one for one in items if self.value(one, name) is None]

            def key(one: Item, name: str = name) -> Any:
                value = self.value(one, name)
                kind = (
                    self.types[one.type].properties[name].kind if name in self.types[one.type].properties else "string"
                )
                if name == "submitter_id":
                    return value.casefold()
                return value if kind in ("number", "integer", "boolean") else str(value)

            # Python keeps equal items in their order also when reversed; the database has absent ones last, or first.
            have.sort(key=key, reverse=reverse)
            items = lack + have if reverse else have + lack
        return items

    def page(self, items: list[Item], args: dict[str, Any]) -> list[Item]:
        first, offset = args.get("first", 10), max(args.get("offset", 0), 0)
        return items[offset : offset + first] if first > 0 else items[offset:]

    def all_of(self, name: str) -> list[Item]:
        if name == "program":
            return self.world.programs
        if name == "project":
            return self.world.projects
        found = [one for one in self.world.records if one.type == name]
        return sorted(found, key=lambda one: (one.project.seq if one.project else 0, one.seq))

    def count(self, name: str, args: dict[str, Any]) -> int | None:
        node = self.types[name]
        if name in ("program", "project"):
            return sum(1 for one in self.all_of(name) if self.seen(one) and self.holds(node, one, args))
        total, hidden = 0, False
        for project in self.world.projects:
            if project.seq not in self.world.counted:
                continue
            if "project_id" in args and self.value(project, "project_id") not in args["project_id"]:
                continue
            n = sum(1 for one in self.all_of(name) if one.project is project and self.holds(node, one, args))
            if project.seq in self.world.readable or n >= LEAST:
                total += n
            else:
                hidden = True
        inside = [
            project
            for project in self.world.projects
            if project.seq in self.world.readable
            and not ("project_id" in args and self.value(project, "project_id") not in args["project_id"])
        ]
        return None if total == 0 and hidden and not inside else total

    # --- fields -----------------------------------------------------------------------------------

    def resolve(self, source: Any, info: Any, **args: Any) -> Any:
        args = {name: value for name, value in args.items() if value is not None}
        name = info.field_name
        if source is None or source == "viewer":
            if name == "viewer":
                return "viewer"
            return self.root(name, args)
        if name == "__typename":
            return info.parent_type.name
        node = self.types[source.type]
        if name in node.links_by_name or name in node.backrefs:
            link = node.links_by_name.get(name)
            far = link.target if link is not None else node.backrefs[name].source
            items = [one for one in self.ends(source, name) if self.holds(self.types[far], one, args)]
            return self.page(self.ordered(items, args), args)
        if name.startswith("_") and name.endswith("_count"):
            field = name[1:-6]
            link = node.links_by_name.get(field)
            far = link.target if link is not None else node.backrefs[field].source
            return sum(1 for one in self.ends(source, field) if self.holds(self.types[far], one, args))
        if name == "_links":
            found: dict[int, Item] = {}
            for field in (*node.links_by_name, *node.backrefs):
                found.update({one.seq: one for one in self.ends(source, field)})
            return self.page(self.any_order(list(found.values()), args), args)
        return self.value(source, name)

    def any_order(self, items: list[Item], args: dict[str, Any]) -> list[Item]:
        kept = [
            one
            for one in items
            if self.holds(self.types[one.type], one, args)
            and ("of_type" not in args or one.type in args["of_type"])
            and ("category" not in args or self.types[one.type].category == args["category"])
        ]
        rank = {"program": 0, "project": 1}

        def usual(one: Item) -> Any:
            place = rank.get(one.type, 2)
            return (
                (place, one.project.seq, one.type, one.seq) if place == 2 and one.project else (place, one.seq, "", 0)
            )

        return self.ordered(sorted(kept, key=usual), args)

    def root(self, name: str, args: dict[str, Any]) -> Any:
        if name in self.types:
            node = self.types[name]
            items = [one for one in self.all_of(name) if self.seen(one) and self.holds(node, one, args)]
            return self.page(self.ordered(items, args), args)
        if name == "node":
            every = [*self.world.programs, *self.world.projects, *self.world.records]
            return self.page(self.any_order([one for one in every if self.seen(one)], args), args)
        if name == "datanode":
            every = [one for one in self.world.records if self.types[one.type].is_data_file and self.seen(one)]
            kind = args.pop("type", None)
            kept = [one for one in every if kind is None or one.type == kind]
            return self.page(self.any_order(kept, args), args)
        return self.count(name[1:-6], args)
