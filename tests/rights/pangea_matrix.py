"""Rows of the permission matrix for pipelines, search by name, work orders and buckets; imported by test_matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.work_orders import OrderKind
from commensal.services.buckets import Buckets
from commensal.services.name_search import NameSearch
from commensal.services.order_prototypes import OrderPrototypes, PrototypeChanges
from commensal.services.pipelines import ModuleFilter, Pipelines
from commensal.services.work_orders import WorkOrders
from commensal.storage.postgres.buckets import PgBuckets
from commensal.storage.postgres.order_prototypes import PgOrderPrototypes
from commensal.storage.postgres.pipelines import PgPipelines
from tests.rights.conftest import OPERATOR, Site
from tests.rights.matrix import EXEMPT, MAKER, MATRIX, SERVICES, SIGNED_IN, SITE_ADMIN, Place, Row


def _common(site: Site) -> dict[str, Any]:
    return {"database": site.database, "guard": site.guard, "audit": site.audit}


def _pipelines(method: str, need: str, call: Callable[[Pipelines, Any, Principal], Any]) -> Row:
    """``call`` gets a pipeline with a module, which the operator made."""

    async def made(p: Place, who: Principal) -> Any:
        service = Pipelines(store=PgPipelines(), catalog=p.site.catalog, **_common(p.site))
        pipeline = await service.add(OPERATOR, f"pipeline {p.project.seq}", {})
        return await call(service, await service.add_module(OPERATOR, pipeline, "m", "1", {}), who)

    return Row(f"Pipelines.{method}", need, "program", made)


def _prototypes(method: str, need: str, call: Callable[[OrderPrototypes, Any, Principal], Any]) -> Row:
    """``call`` gets a job of a prototype."""

    async def made(p: Place, who: Principal) -> Any:
        service = OrderPrototypes(store=PgOrderPrototypes(), **_common(p.site))
        name = f"prototype {p.project.seq}"
        one = await service.put(OPERATOR, OrderKind.SAMPLE, PrototypeChanges(name))
        return await call(service, await service.put_job(OPERATOR, one.uuid, "job", resources_needed={}), who)

    return Row(f"OrderPrototypes.{method}", need, "program", made)


def _buckets(method: str, call: Callable[[Buckets, Place, Any, Principal], Any]) -> Row:
    """``call`` gets a key of a bucket."""

    async def made(p: Place, who: Principal) -> Any:
        service = Buckets(store=PgBuckets(), master_key=b"0" * 32, **_common(p.site))
        bucket = await service.add(OPERATOR, p.program, "b", "https://store.example")
        return await call(service, p, await service.add_key(OPERATOR, bucket.uuid, "public", "private"), who)

    return Row(f"Buckets.{method}", Right.UPDATE, "program", made, public=False)


_LIST: dict[str, Any] = {"offset": 0, "limit": 10}


async def _change_prototype(service: OrderPrototypes, job: Any, who: Principal) -> Any:
    one = await service.prototype(OPERATOR, OrderKind.SAMPLE, job.prototype)
    return await service.put(who, OrderKind.SAMPLE, PrototypeChanges(description="x"), one)


async def _delete_prototype(service: OrderPrototypes, job: Any, who: Principal) -> Any:
    return await service.delete(who, await service.prototype(OPERATOR, OrderKind.SAMPLE, job.prototype))


MATRIX += [
    _pipelines("page", SIGNED_IN, lambda s, m, who: s.page(who, **_LIST)),
    _pipelines("pipeline", SIGNED_IN, lambda s, m, who: s.pipeline(who, m.pipeline.uuid)),
    _pipelines("add", SIGNED_IN, lambda s, m, who: s.add(who, f"new {m.object.seq}", {})),
    _pipelines("change", MAKER, lambda s, m, who: s.change(who, m.pipeline, None, {"description": "x"})),
    _pipelines("modules", SIGNED_IN, lambda s, m, who: s.modules(who, ModuleFilter(), **_LIST)),
    _pipelines("module", SIGNED_IN, lambda s, m, who: s.module(who, m.object.uuid)),
    _pipelines("module_at", SIGNED_IN, lambda s, m, who: s.module_at(who, m.pipeline.uuid, "m", "1")),
    _pipelines("add_module", MAKER, lambda s, m, who: s.add_module(who, m.pipeline, "m", "2", {})),
    _pipelines("change_module", MAKER, lambda s, m, who: s.change_module(who, m, {"description": "x"})),
    _pipelines("delete_module", MAKER, lambda s, m, who: s.delete_module(who, m)),
    _prototypes("page", SIGNED_IN, lambda s, j, who: s.page(who, OrderKind.SAMPLE, **_LIST)),
    _prototypes("prototype", SIGNED_IN, lambda s, j, who: s.prototype(who, OrderKind.SAMPLE, j.prototype)),
    _prototypes("put", SITE_ADMIN, _change_prototype),
    _prototypes("delete", SITE_ADMIN, _delete_prototype),
    _prototypes("job_page", SIGNED_IN, lambda s, j, who: s.job_page(who, **_LIST)),
    _prototypes("job", SIGNED_IN, lambda s, j, who: s.job(who, j.uuid)),
    _prototypes("put_job", SITE_ADMIN, lambda s, j, who: s.put_job(who, j.prototype, "x", resources_needed={})),
    _prototypes("delete_job", SITE_ADMIN, lambda s, j, who: s.delete_job(who, j)),
    _buckets("add", lambda s, p, k, who: s.add(who, p.program, "new", "https://store.example")),
    _buckets("delete", lambda s, p, k, who: s.delete(who, k.bucket)),
    _buckets("add_key", lambda s, p, k, who: s.add_key(who, k.bucket, "public", "private")),
    _buckets("delete_key", lambda s, p, k, who: s.delete_key(who, k.uuid)),
]
SERVICES += [Buckets, NameSearch, OrderPrototypes, Pipelines, WorkOrders]
EXEMPT.update(
    {
        "Pipelines.delete": "as change (tests/pangea/test_pipelines)",
        "Pipelines.modules_by": "none to callers without an account, no refusal",
        "NameSearch.search": "a list limited by the scope (tests/pangea/test_search)",
        "Buckets.page": "a list limited by the scope (tests/pangea/test_buckets, these all)",
        "Buckets.key_page": "as page",
        "Buckets.bucket": "as page; others are NotFound",
        "Buckets.key": "as bucket",
        "Buckets.addresses": "download; without it none, and no refusal",
        "WorkOrders.order": "update on the project and on all samples (tests/pangea/test_work_orders)",
        "WorkOrders.page": "a list limited by the scope, and what the caller does the work of",
        "WorkOrders.get": "as page; others are NotFound",
        "WorkOrders.job": "as get",
        "WorkOrders.change_job": "who does the work of the prototype (tests/pangea/test_work_orders)",
        "WorkOrders.delete_job": "as change_job",
        "WorkOrders.passage": "as change_job; what it lends is checked there, too",
    }
)
