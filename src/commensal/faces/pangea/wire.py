"""Bodies of this door (contracts/pangea.md b4-b8), made from values; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.core.free_metadata import read
from commensal.core.lineage import Lineage, ResultSettings, field_value
from commensal.core.people import Person
from commensal.core.permissions import PublicLevel
from commensal.core.projects import CatalogObject, Program, Project
from commensal.core.records import Record
from commensal.faces.kit.answers import json_bytes
from commensal.services.results import OWN_KEYS

__all__ = [
    "DESCRIPTION",
    "SAMPLE_KEYS",
    "Shown",
    "catalog_object",
    "description_of",
    "group",
    "group_properties",
    "is_public",
    "moment",
    "organization",
    "person",
]

#: Keys of a sample's metadata that are fields of their own beside it.
SAMPLE_KEYS = frozenset({"description"})
#: Key of a sample's free metadata that holds its description where the site's sample type has no property for that.
DESCRIPTION = "commensal:description"
#: What a group keeps beside title, metadata and public level, with what it is when nothing was written.
GROUP_DEFAULTS: dict[str, Any] = {
    "description": "",
    "long_description": "",
    "theme": "",
    "bucket": None,
    "storage_provider_name": "custom",
    "sample_metadata_schema": {},
}
Signed = Callable[[UUID], str | None]


def moment(time: datetime) -> str:
    """Return a time as this door writes it: UTC with six digits and Z."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def organization(program: Program) -> dict[str, Any]:
    """Return a program (b4)."""
    return {
        "uuid": str(program.uuid),
        "name": program.title,
        "created_at": moment(program.created),
        "updated_at": moment(program.updated),
        "core_sample_group_uuid": None,
    }


def is_public(project: Project) -> bool:
    """Tell whether everybody may read a project."""
    return project.public_level >= PublicLevel.READ


def group_properties(project: Project) -> dict[str, Any]:
    """Return what a group keeps besides, with defaults."""
    kept = project.properties
    return {key: kept.get(key, default) for key, default in GROUP_DEFAULTS.items()}


def group(found: Lineage) -> dict[str, Any]:
    """Return a project or collection (b5)."""
    project = found.place
    own = group_properties(project)
    return {
        "uuid": str(project.uuid),
        "name": project.title,
        "created_at": moment(project.created),
        "updated_at": moment(project.updated),
        "organization": str(found.program.uuid),
        "description": own["description"],
        "is_library": not found.is_collection,
        "is_public": is_public(project),
        "theme": own["theme"],
        "organization_obj": organization(found.program),
        "long_description": own["long_description"],
        "metadata": {} if project.extra is None else project.extra,
        "bucket": own["bucket"],
        "storage_provider_name": own["storage_provider_name"],
        "sample_metadata_schema": own["sample_metadata_schema"],
    }


class Shown:
    """Bodies of one answer: each group is written once and put in wherever it belongs.

    ``dictionary`` tells which properties are metadata. ``signed``: the address of a field's bytes, where it has one;
    ``modules``: bodies of the catalog objects that describe results, by number, as (uuid, body).
    """

    def __init__(
        self,
        dictionary: Dictionary,
        *,
        signed: Mapping[UUID, str] | None = None,
        modules: Mapping[int, tuple[str, Any]] | None = None,
    ) -> None:
        self._dictionary = dictionary
        self._signed = signed or {}
        self._modules = modules or {}
        self._groups: dict[int, msgspec.Raw] = {}

    def group(self, found: Lineage) -> msgspec.Raw:
        """Return a group, encoded."""
        seq = found.place.seq
        made = self._groups.get(seq)
        if made is None:
            made = self._groups[seq] = msgspec.Raw(json_bytes(group(found)))
        return made

    def metadata(self, record: Record, apart: frozenset[str]) -> Any:
        """Return a record's metadata."""
        return self.metadata_of(record.type, record.props, record.extra, apart)

    def metadata_of(self, type_name: str, props: Mapping[str, Any], extra: Any, apart: frozenset[str]) -> Any:
        """Return the metadata that properties and free metadata of a type make."""
        node = self._dictionary.find(type_name)
        if isinstance(extra, dict) and DESCRIPTION in extra:
            extra = {key: value for key, value in extra.items() if key != DESCRIPTION}
        return extra if node is None else read(node, props, extra, apart)

    def sample(self, found: Lineage, record: Record | None = None, *, library: bool = True) -> dict[str, Any]:
        """Return a sample (b6), ``record`` or that of the lineage."""
        record = record or found.sample
        assert record is not None
        body = {
            "uuid": str(record.uuid),
            "name": record.submitter_id,
            "created_at": moment(record.created),
            "updated_at": moment(record.updated),
            "library": str(found.place.uuid),
            "metadata": self.metadata(record, SAMPLE_KEYS),
            "description": description_of(record),
        }
        if library:
            body["library_obj"] = self.group(found)
        return body

    def result(
        self,
        found: Lineage,
        record: Record | None = None,
        settings: ResultSettings | None = None,
        *,
        owner: bool = True,
    ) -> dict[str, Any]:
        """Return a result (b7) of a sample or of a group, ``record`` or that of the lineage."""
        record = record or found.result
        settings = settings or found.settings
        assert record is not None
        module = self._modules.get(settings.described_by or 0)
        body = {
            "uuid": str(record.uuid),
            "module_name": record.props.get("module") or "",
            "replicate": record.props.get("replicate") or "",
            "created_at": moment(record.created),
            "updated_at": moment(record.updated),
            "description": record.props.get("description") or "",
            "metadata": self.metadata(record, OWN_KEYS),
            "is_private": settings.private,
            "is_hidden": settings.hidden,
            "pipeline_module": None if module is None else module[0],
            "pipeline_module_obj": None if module is None else module[1],
        }
        if found.sample is not None:
            body["sample"] = str(found.sample.uuid)
            if owner:
                body["sample_obj"] = self.sample(found)
        else:
            body["sample_group"] = str(found.place.uuid)
            if owner:
                body["sample_group_obj"] = self.group(found)
        return body

    def field(
        self, found: Lineage, record: Record | None = None, result: Record | None = None, *, owner: bool = True
    ) -> dict[str, Any]:
        """Return a field (b7), ``record`` of ``result`` or that of the lineage."""
        record = record or found.field
        result = result or found.result
        assert record is not None
        assert result is not None
        value = field_value(record)
        address = self._signed.get(record.uuid)
        if address is not None and isinstance(value, dict):
            value = {**value, "presigned_url": address}
        body = {
            "uuid": str(record.uuid),
            "name": record.props.get("name") or "",
            "created_at": moment(record.created),
            "updated_at": moment(record.updated),
            "stored_data": value,
            "analysis_result": str(result.uuid),
            "description": _description(record),
        }
        if owner:
            body["analysis_result_obj"] = self.result(found)
        return body

    def results(
        self, found: Lineage, results: Sequence[tuple[Record, ResultSettings, Sequence[Record]]]
    ) -> list[dict[str, Any]]:
        """Return results with their fields, without what they hang on (b8)."""
        made: list[dict[str, Any]] = []
        for record, settings, fields in results:
            body = self.result(found, record, settings, owner=False)
            body["fields"] = [self.field(found, field, record, owner=False) for field in fields]
            made.append(body)
        return made


def description_of(record: Record) -> str:
    """Return a sample's description: its property, else what stands for that in the free metadata."""
    text = record.props.get("description")
    if text is None and isinstance(record.extra, dict):
        text = record.extra.get(DESCRIPTION)
    return text if isinstance(text, str) else ""


def _description(record: Record) -> str:
    text = record.extra.get("description") if isinstance(record.extra, dict) else None
    return text if isinstance(text, str) else ""


def catalog_object(one: CatalogObject) -> dict[str, Any]:
    """Return what all catalog objects of this door have; the keys of its body follow."""
    return {
        "uuid": str(one.uuid),
        "name": one.name,
        "created_at": None if one.created is None else moment(one.created),
        "updated_at": None if one.updated is None else moment(one.updated),
        **one.body,
    }


def person(one: Person) -> dict[str, Any]:
    """Return an account (b2)."""
    user, profile = one.user, one.profile
    return {
        "id": user.seq,
        "uuid": str(user.uuid),
        "email": user.email,
        "is_staff": user.site_admin,
        "is_active": user.active,
        "personal_org_uuid": None if one.home is None else str(one.home),
        "organization_objs": [{"uuid": str(uuid), "name": title} for uuid, title in one.programs],
        "saved_sample_group_objs": [],
        "avatar": profile.get("avatar", ""),
        "name": user.name,
        "biography": profile.get("biography", ""),
        "url": profile.get("url", ""),
        "twitter_username": profile.get("twitter_username", ""),
        "github_username": profile.get("github_username", ""),
        "company": profile.get("company", ""),
        "location": profile.get("location", ""),
    }
