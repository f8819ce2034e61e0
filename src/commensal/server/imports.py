"""What imports are made of: the fetcher, the places that are our own, the services."""

from __future__ import annotations

import os
from typing import Any

from commensal.core.own_links import OwnPlaces
from commensal.server.settings import Settings
from commensal.services.dictionaries import Dictionaries
from commensal.services.fetching import Fetching
from commensal.services.files import Files
from commensal.services.import_jobs import ImportJobs
from commensal.services.import_steps import ImportSteps
from commensal.services.records import Records
from commensal.storage.fetch.allowed import parse_allowed
from commensal.storage.fetch.http import HttpFetcher
from commensal.storage.ports.blobs import Blobs
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.jobs import PgJobs
from commensal.storage.postgres.users import PgUsers

__all__ = ["build_import_jobs", "own_addresses"]

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def own_addresses(settings: Settings) -> OwnPlaces:
    """Return the addresses under which this commons and its object store are reached."""
    scheme = "https" if settings.secure else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    servers = [settings.url]
    servers += [f"{scheme}://{name}:{settings.port}" for name in (*_LOOPBACK, host, *settings.allowed_hosts)]
    servers += [f"{kind}://{name}" for name in settings.allowed_hosts for kind in ("http", "https")]
    return OwnPlaces.of(servers, _stores(settings))


def _stores(settings: Settings) -> list[str]:
    if not (settings.blobs or "").startswith("s3://"):
        return []
    from commensal.storage.blobs.s3_place import parse_s3

    place = parse_s3(settings.blobs or "", os.environ)
    prefix = f"/{place.prefix}" if place.prefix else ""
    if place.endpoint is not None:
        return [f"{place.endpoint}/{place.bucket}{prefix}"]
    regions = ("s3.amazonaws.com", f"s3.{place.region}.amazonaws.com", f"s3.dualstack.{place.region}.amazonaws.com")
    stores = [f"{kind}://{region}/{place.bucket}{prefix}" for region in regions for kind in ("http", "https")]
    return stores + [f"{kind}://{place.bucket}.{region}{prefix}" for region in regions for kind in ("http", "https")]


def build_import_jobs(
    settings: Settings,
    *,
    blobs: Blobs,
    files: Files,
    records: Records,
    dictionaries: Dictionaries,
    common: dict[str, Any],
) -> ImportJobs:
    """Make the service; ``common``: database, catalog, guard, audit."""
    own, jobs = own_addresses(settings), PgJobs()
    fetcher = HttpFetcher(
        [parse_allowed(text) for text in settings.allow_fetch], ours=lambda address: own.link(address) is not None
    )
    fetching = Fetching(
        database=common["database"],
        fetcher=fetcher,
        own=own,
        store=PgFileStore(),
        jobs=jobs,
        files=files,
        guard=common["guard"],
    )
    steps = ImportSteps(
        store=jobs, fetching=fetching, blobs=blobs, files=files, records=records, dictionaries=dictionaries, **common
    )
    return ImportJobs(store=jobs, steps=steps, fetching=fetching, users=PgUsers(), **common)
