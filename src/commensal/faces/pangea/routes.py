"""The table of routes. Each part brings its own; flat lists are found with ``.json`` at their end, too."""

from __future__ import annotations

from dataclasses import replace

from commensal.faces.face import Route
from commensal.faces.pangea.accounts import ACCOUNT_ROUTES
from commensal.faces.pangea.buckets import BUCKET_ROUTES
from commensal.faces.pangea.groups import GROUP_ROUTES
from commensal.faces.pangea.manifests import MANIFEST_ROUTES
from commensal.faces.pangea.order_prototypes import ORDER_PROTOTYPE_ROUTES
from commensal.faces.pangea.organizations import ORGANIZATION_ROUTES
from commensal.faces.pangea.pipelines import PIPELINE_ROUTES
from commensal.faces.pangea.results import RESULT_ROUTES
from commensal.faces.pangea.samples import SAMPLE_ROUTES
from commensal.faces.pangea.schemas import SCHEMA_ROUTES
from commensal.faces.pangea.search import SEARCH_ROUTES
from commensal.faces.pangea.storage import STORAGE_ROUTES
from commensal.faces.pangea.tags import TAG_ROUTES
from commensal.faces.pangea.work_orders import WORK_ORDER_ROUTES

__all__ = ["ROUTES"]

_ROUTES: tuple[Route, ...] = (
    *ACCOUNT_ROUTES,
    *ORGANIZATION_ROUTES,
    *GROUP_ROUTES,
    *SAMPLE_ROUTES,
    *RESULT_ROUTES,
    *MANIFEST_ROUTES,
    *SCHEMA_ROUTES,
    *STORAGE_ROUTES,
    *TAG_ROUTES,
    *PIPELINE_ROUTES,
    *SEARCH_ROUTES,
    *ORDER_PROTOTYPE_ROUTES,
    *WORK_ORDER_ROUTES,
    *BUCKET_ROUTES,
)


def _with_suffix(route: Route) -> Route | None:
    """Return the same route with ``.json``, where the path is two fixed words: others read the suffix themselves."""
    if route.path.count("/") != 2 or "{" in route.path or route.path.endswith("/"):
        return None
    return replace(route, path=f"{route.path}.json", documented=False)


ROUTES: tuple[Route, ...] = (*_ROUTES, *(twin for route in _ROUTES if (twin := _with_suffix(route)) is not None))
