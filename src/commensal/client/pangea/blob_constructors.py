"""Objects from what the server answers, with those above them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from commensal.client.pangea.analysis_result import SampleAnalysisResult
from commensal.client.pangea.organization import Organization
from commensal.client.pangea.sample import Sample
from commensal.client.pangea.sample_group import SampleGroup

if TYPE_CHECKING:
    from commensal.client.pangea.knex import Knex
    from commensal.client.pangea.remote_object import RemoteObject

__all__ = [
    "group_of",
    "org_from_blob",
    "sample_ar_from_blob",
    "sample_ar_from_uuid",
    "sample_from_blob",
    "sample_from_uuid",
    "sample_group_from_blob",
    "sample_group_from_uuid",
    "sample_of",
]


def _filled(made: RemoteObject, blob: Mapping[str, Any], *, fetched: bool = True, modified: bool = False) -> None:
    made.load_blob(blob, allow_overwrite=True)
    made._already_fetched = fetched  # noqa: SLF001 one family of classes
    made._modified = modified  # noqa: SLF001


def group_of(knex: Knex, blob: Mapping[str, Any], *, organization: Organization) -> SampleGroup:
    """Return the group of an answer, in an organization that is known."""
    group = SampleGroup(knex, organization, blob["name"], is_library=blob["is_library"])
    _filled(group, blob)
    return group


def sample_of(knex: Knex, blob: Mapping[str, Any], *, group: SampleGroup) -> Sample:
    """Return the sample of an answer: in this group if that is its library, else in the one that it names."""
    if blob["library"] == group.uuid or not blob.get("library_obj"):
        library = group
    else:
        library = sample_group_from_blob(knex, blob["library_obj"])
    sample = Sample(knex, library, blob["name"])
    _filled(sample, blob)
    return sample


def org_from_blob(
    knex: Knex,
    blob: Mapping[str, Any],
    already_fetched: bool = True,  # noqa: FBT001, FBT002 as the published client has it
    modified: bool = False,  # noqa: FBT001, FBT002
) -> Organization:
    """Return the organization of an answer."""
    organization = Organization(knex, blob["name"])
    _filled(organization, blob, fetched=already_fetched, modified=modified)
    return organization


def sample_group_from_blob(
    knex: Knex,
    blob: Mapping[str, Any],
    already_fetched: bool = True,  # noqa: FBT001, FBT002 as the published client has it
    modified: bool = False,  # noqa: FBT001, FBT002
) -> SampleGroup:
    """Return the group of an answer."""
    organization = org_from_blob(knex, blob["organization_obj"], already_fetched, modified)
    group = SampleGroup(knex, organization, blob["name"], is_library=blob["is_library"])
    _filled(group, blob, fetched=already_fetched, modified=modified)
    return group


def sample_from_blob(
    knex: Knex,
    blob: Mapping[str, Any],
    already_fetched: bool = True,  # noqa: FBT001, FBT002 as the published client has it
    modified: bool = False,  # noqa: FBT001, FBT002
) -> Sample:
    """Return the sample of an answer."""
    library = sample_group_from_blob(knex, blob["library_obj"], already_fetched, modified)
    sample = Sample(knex, library, blob["name"], blob["metadata"])
    _filled(sample, blob, fetched=already_fetched, modified=modified)
    return sample


def sample_ar_from_blob(
    knex: Knex,
    blob: Mapping[str, Any],
    already_fetched: bool = True,  # noqa: FBT001, FBT002 as the published client has it
    modified: bool = False,  # noqa: FBT001, FBT002
) -> SampleAnalysisResult:
    """Return the result of an answer."""
    sample = sample_from_blob(knex, blob["sample_obj"], already_fetched, modified)
    result = SampleAnalysisResult(knex, sample, blob["module_name"], blob["replicate"], blob["metadata"])
    _filled(result, blob, fetched=already_fetched, modified=modified)
    return result


def sample_group_from_uuid(knex: Knex, uuid: str) -> SampleGroup:
    """Fetch a group by its uuid."""
    return sample_group_from_blob(knex, knex.get(f"sample_groups/{uuid}"))


def sample_from_uuid(knex: Knex, uuid: str) -> Sample:
    """Fetch a sample by its uuid."""
    return sample_from_blob(knex, knex.get(f"samples/{uuid}"))


def sample_ar_from_uuid(knex: Knex, uuid: str) -> SampleAnalysisResult:
    """Fetch a result of a sample by its uuid."""
    return sample_ar_from_blob(knex, knex.get(f"sample_ars/{uuid}"))
