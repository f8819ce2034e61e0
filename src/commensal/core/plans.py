"""What the write path needs to know of each type, worked out once per dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commensal.core.dictionary import SYSTEM_PREFIX, Dictionary, Link, LinkGroup, NodeType
from commensal.core.validation import TypeValidator, Validators

__all__ = ["IDENTITY", "NOT_SUBMITTED", "Plans", "TypePlan"]

#: Keys that name a record or are kept in columns of their own; free metadata never sets them.
IDENTITY = frozenset(
    {
        *("id", "type", "submitter_id", "project_id", "state", "created_datetime", "updated_datetime", "metadata"),
    },
)

#: Types whose rows are no records: they have routes of their own (contracts/gen3.md 4.5, INVALID_TYPE).
NOT_SUBMITTED = frozenset({"program", "project", "root", "data_release"})


class TypePlan:
    """One type, as sets and tuples that loops can use."""

    __slots__ = (
        "closed",
        "defaults",
        "exclusive",
        "groups",
        "has_label",
        "has_metadata",
        "is_data_file",
        "known",
        "label",
        "link_names",
        "links",
        "links_by_name",
        "name",
        "node",
        "project_link",
        "required",
        "required_links",
        "state",
        "stored",
        "submittable",
        "system",
        "target_once",
        "validator",
    )

    def __init__(self, node: NodeType, validator: TypeValidator) -> None:
        self.node = node
        self.name = node.name
        self.label = node.label
        self.validator = validator
        self.links: tuple[Link, ...] = node.links
        self.links_by_name = dict(node.links_by_name)
        self.link_names = frozenset(self.links_by_name)
        self.known = frozenset(node.properties) | self.link_names | {"type"}
        #: Whether the schema itself refuses unknown keys; where it does not, they have no place all the same.
        self.closed = node.schema.get("additionalProperties") is False
        #: Properties that only the system sets; ``id`` has rules of its own.
        self.system = frozenset(node.system_properties) - {"id"}
        self.has_metadata = node.has_metadata
        kept = IDENTITY if node.has_metadata else IDENTITY - {"metadata"}
        self.stored = frozenset(node.properties) - kept - self.system
        self.required = frozenset(node.required)
        self.required_links = tuple(link for link in node.link_groups if isinstance(link, Link) and link.required)
        self.groups: tuple[LinkGroup, ...] = tuple(group for group in node.link_groups if isinstance(group, LinkGroup))
        #: The required link to the project itself: where a door does not speak of it, it goes without saying.
        self.project_link = next((link.name for link in self.required_links if link.target == "project"), None)
        self.target_once = frozenset(link.name for link in node.links if link.target_once)
        self.has_label = "label" in self.stored
        self.is_data_file = node.is_data_file
        self.submittable = node.submittable and node.label not in NOT_SUBMITTED
        declared = node.properties.get("state")
        default = declared.default if declared is not None else None
        self.state = default if isinstance(default, str) else "validated"
        #: System properties with a default that is stored when a record is made (``file_state``).
        self.defaults: dict[str, Any] = {
            name: node.properties[name].default
            for name in node.system_properties
            if name in node.properties and name not in IDENTITY and node.properties[name].default is not None
        }

    def label_of(self, props: Mapping[str, Any], given: str | None = None) -> str | None:
        """Return the record's label: the property where the type has one, else what was given."""
        if not self.has_label:
            return given
        label = props.get("label")
        return label if isinstance(label, str) else None


class Plans:
    """All plans of one dictionary, made when first needed."""

    def __init__(self, dictionary: Dictionary, validators: Validators) -> None:
        self.dictionary = dictionary
        self._validators = validators
        self._plans: dict[str, TypePlan] = {}

    def stored(self, name: str) -> TypePlan | None:
        """Return the plan of a type by its stored name, or None."""
        plan = self._plans.get(name)
        if plan is None:
            node = self.dictionary.find(name)
            if node is None:
                return None
            plan = self._plans[name] = TypePlan(node, self._validators[name])
        return plan

    def shown(self, name: str, *, system: bool = True) -> TypePlan | None:
        """Return the plan of a type by the name that people write: a site's type first, else (``system``) ours."""
        plan = self._plans.get(name)
        if plan is not None and not plan.node.system:
            return plan
        if name in self.dictionary.types:
            return self.stored(name)
        return self.stored(SYSTEM_PREFIX + name.removeprefix(SYSTEM_PREFIX)) if system else None
