"""DRS objects, authorizations and bulk answers as values; pure.

Source: contracts/gen3.md 7.1 for what an index of a Gen3 commons answers, GA4GH DRS 1.5 for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from commensal.core.index import IndexRecord
from commensal.errors import Malformed
from commensal.faces.gen3.data.wire import id_list
from commensal.faces.gen3.index.wire import own_address
from commensal.services.downloads import is_public, scheme_of
from commensal.services.tokens import issuer_of

__all__ = ["access_pairs", "authorizations", "bulk_answer", "object_values", "service_info"]

#: DRS has no type for plain HTTP.
_TYPES = {"http": "https"}
#: Names of digests that DRS takes from IANA's registry.
_DIGESTS = {"sha256": "sha-256", "sha512": "sha-512"}


def _moment(value: datetime) -> str:
    """Return a moment as RFC 3339 in UTC; one without a zone is UTC."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def authorizations(record: IndexRecord, *, base: str, anonymous: bool) -> dict[str, Any]:
    """Return how a caller shows who it is; ``anonymous``: the site lets callers without a token in."""
    free = anonymous and is_public(record)
    return {
        "drs_object_id": record.did,
        "supported_types": ["None"] if free else ["BearerAuth"],
        "passport_auth_issuers": [],
        "bearer_auth_issuers": [] if free else [issuer_of(base)],
    }


def _available(about: Mapping[str, Any]) -> bool:
    value = about.get("available", True)
    return value.lower() == "true" if isinstance(value, str) else bool(value)


def _methods(record: IndexRecord, *, base: str, anonymous: bool) -> list[dict[str, Any]]:
    """Return the ways to the bytes: ours first, then what the record names; ``access_id`` is the scheme."""
    urls = [own_address(base, record.did)] if record.file.blob is not None else []
    allowed = authorizations(record, base=base, anonymous=anonymous)
    methods: list[dict[str, Any]] = []
    for url in [*urls, *record.urls]:
        scheme = scheme_of(url)
        found: object = record.urls_metadata.get(url)
        about = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
        methods.append(
            {
                "type": _TYPES.get(scheme, scheme),
                "access_id": scheme,
                "access_url": {"url": url},
                "cloud": about.get("cloud"),
                "region": about.get("region", ""),
                "available": _available(about),
                "authorizations": allowed,
            }
        )
    return methods


def self_uri(did: str) -> str:
    """Return the address of an object: ``drs://<id>``, with a prefix ``drs://<prefix>:<id>``."""
    prefix, slash, rest = did.partition("/")
    return f"drs://{prefix}:{rest}" if slash and rest else f"drs://{did}"


def object_values(record: IndexRecord, *, base: str, anonymous: bool, aliases: Sequence[str] = ()) -> dict[str, Any]:
    """Return a record as a DRS object."""
    created = record.content_created or record.created
    return {
        "id": record.did,
        "name": record.file_name,
        "size": record.size,
        "mime_type": record.file.media_type,
        "form": record.form or "object",
        "version": record.version,
        "description": record.description,
        "aliases": list(aliases),
        "self_uri": self_uri(record.did),
        "checksums": [
            {"checksum": value, "type": _DIGESTS.get(name, name)} for name, value in sorted(record.hashes.items())
        ],
        "created_time": _moment(created),
        "updated_time": _moment(record.content_updated or created),
        "index_created_time": _moment(record.created),
        "index_updated_time": _moment(record.updated),
        "access_methods": _methods(record, base=base, anonymous=anonymous),
    }


def bulk_answer(
    requested: int, name: str, resolved: Sequence[Mapping[str, Any]], failed: Mapping[int, Iterable[str]]
) -> dict[str, Any]:
    """Return what a bulk request found under ``name``, and the ids of the rest by status."""
    unresolved = [{"error_code": code, "object_ids": list(ids)} for code, ids in sorted(failed.items())]
    return {
        "summary": {"requested": requested, "resolved": len(resolved), "unresolved": requested - len(resolved)},
        "unresolved_drs_objects": unresolved,
        name: resolved,
    }


def access_pairs(value: object) -> list[tuple[str, str]]:
    """Return (object id, access id) of each address that is asked for."""
    if not isinstance(value, list):
        raise Malformed("`bulk_object_access_ids` must be a list of objects.")
    pairs: list[tuple[str, str]] = []
    for one in cast("list[object]", value):
        entry = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        name = entry.get("bulk_object_id")
        if not isinstance(name, str):
            raise Malformed("Each of `bulk_object_access_ids` must have `bulk_object_id`, a text.")
        pairs += [(name, access) for access in id_list(entry.get("bulk_access_ids"), "bulk_access_ids")]
    id_list([name for name, _ in pairs], "bulk_object_access_ids")
    return pairs


def service_info(*, base: str, host: str, version: str, contact: str, most: int, stats: Any) -> dict[str, Any]:
    """Return what GA4GH Service Info 1.0.0 and DRS 1.5 want to be said of a service."""
    about: dict[str, Any] = {"maxBulkRequestLength": most}
    if stats is not None:
        about |= {"objectCount": stats[0], "totalObjectSize": stats[1]}
    info: dict[str, Any] = {
        "id": ".".join(reversed(host.split("."))),
        "name": "commensal DRS",
        "type": {"group": "org.ga4gh", "artifact": "drs", "version": "1.5.0"},
        "organization": {"name": "commensal", "url": base},
        "documentationUrl": f"{base}/docs/",
        "version": version,
        "drs": about,
        "maxBulkRequestLength": most,
    }
    if contact:
        info["contactUrl"] = contact if ":" in contact else f"mailto:{contact}"
    return info
