"""What a start does once through the services: the dictionary, demo accounts, demo data."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from commensal.core.principals import Principal
from commensal.errors import NotFound
from commensal.server.app import AUDIT_CONNECTIONS, build_services
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.services.identity import operator
from commensal.storage.dictionary_source import read_roles, read_source
from commensal.storage.postgres.database import PgDatabase

__all__ = ["DEMO_ACCOUNTS", "demo_accounts", "demo_data", "load_dictionary", "open_services", "read_dictionary"]

#: (e-mail, name, site admin, what is said about it)
DEMO_ACCOUNTS = (
    ("admin@demo.example", "Demo Admin", True, "site admin: may do everything"),
    ("viewer@demo.example", "Demo Viewer", False, "viewer of the demo data"),
)
_DEMO_MODULE = "commensal.importers.demo"


@asynccontextmanager
async def open_services(settings: Settings, dsn: str, master_key: bytes) -> AsyncIterator[Services]:
    """Make services for a short piece of work; afterwards the audit is written and all connections are given back."""
    database = PgDatabase(dsn, size=4)
    audit_database = PgDatabase(dsn, size=AUDIT_CONNECTIONS, application="commensal audit", sessions=True)
    services = build_services(settings, database, audit_database, master_key)
    try:
        await services.keys.check()
        yield services
    finally:
        try:
            await services.audit.flush()
        finally:
            await audit_database.close()
            await database.close()


async def load_dictionary(services: Services, settings: Settings) -> None:
    """Take up the dictionary of ``--dictionary``; raises SetupError when the site uses another one."""
    if settings.dictionary is None:
        await services.dictionaries.start(None)
        return
    raw, roles = read_dictionary(settings.dictionary)
    await services.dictionaries.start(raw, settings.dictionary, roles)


def read_dictionary(source: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a dictionary as read, and its ``roles.yaml`` when one stands in or beside it."""
    raw = read_source(source)
    path = Path(source).expanduser()
    for folder in (path, path.parent) if path.is_dir() else (path.parent,):
        roles = folder / "roles.yaml"
        if path.exists() and roles.is_file():
            return raw, read_roles(str(roles))
    return raw, None


async def demo_accounts(services: Services) -> list[dict[str, str]]:
    """Make the demo accounts if they are absent, and give them new random passwords."""
    who = operator("serve --demo")
    shown: list[dict[str, str]] = []
    for email, name, site_admin, role in DEMO_ACCOUNTS:
        password = secrets.token_urlsafe(9)
        try:
            user = await services.identity.user(who, email)
        except NotFound:
            await services.identity.add_user(who, email, name=name, password=password, site_admin=site_admin)
        else:
            await services.identity.set_password(who, user.seq, password)
            if not user.active:
                await services.identity.activate(who, user.seq)
        shown.append({"email": email, "password": password, "role": role})
    return shown


async def demo_data(services: Services) -> str:
    """Write the demo data, which is small and labelled as made up; returns a sentence about it."""
    if find_spec(_DEMO_MODULE) is None:
        return ""
    from commensal.importers import demo
    from commensal.importers.service_sink import ServiceSink

    who: Principal = operator("serve --demo")
    report = await demo.load_demo(ServiceSink(services, who))
    viewer = next(email for email, _, site_admin, _ in DEMO_ACCOUNTS if not site_admin)
    await services.grants.grant(who, viewer, "viewer", f"{report.program}-{report.project}")
    return report.written()
