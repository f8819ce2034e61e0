"""The whole server in this process on a fresh database, as pages see it; people who use it with a browser or httpx."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from argon2 import PasswordHasher
from prometheus_client import REGISTRY

from commensal.core.permissions import PublicLevel
from commensal.core.principals import Door, Principal
from commensal.core.projects import Project
from commensal.core.users import User
from commensal.server.runtime import Worker
from commensal.server.settings import Settings
from commensal.services import passwords
from commensal.services.identity import operator

CHROMIUM = os.environ.get("COMMENSAL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PASSWORD = "grey heron by the weir"
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass
class Browser:
    """A browser without scripts: cookies, forms with the token of the page they stand on."""

    http: httpx.AsyncClient

    async def get(self, address: str, **more: Any) -> httpx.Response:
        return await self.http.get(address, headers={"accept": "text/html", **more})

    async def post(self, address: str, values: dict[str, Any] | None = None, *, page: str = "") -> httpx.Response:
        """Send a form as the page (by default the sign-in page) would."""
        token = await self.token(page or "/portal/nav")
        return await self.http.post(
            address,
            data={"form_token": token, **(values or {})},
            headers={"accept": "text/html", "origin": str(self.http.base_url).rstrip("/")},
        )

    async def token(self, page: str) -> str:
        """Return the form token of a page; pages without a form get one from the sign-in page."""
        found = _TOKEN.search((await self.get(page)).text) or _TOKEN.search((await self.get("/portal/sign-in")).text)
        assert found is not None
        return found[1]

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/portal/sign-in", {"email": email, "password": password}, page="/portal/sign-in")


@dataclass
class Site:
    """A running server; ``services`` are those that answer its requests."""

    worker: Worker
    base: str
    stack: AsyncExitStack = field(repr=False)

    @property
    def services(self) -> Any:
        return self.worker.services

    async def person(self, email: str = "ada@example.org", *, name: str = "Ada Lovelace", admin: bool = False) -> User:
        return await self.services.identity.add_user(operator(), email, name=name, password=PASSWORD, site_admin=admin)

    async def principal(self, email: str) -> Principal:
        """Return the caller behind an account, signed in."""
        return await self.services.identity.sign_in(email, PASSWORD, door=Door.API, address="192.0.2.1")

    async def browser(self, *, follow: bool = False) -> Browser:
        """Open a browser that speaks to the app directly."""
        transport = httpx.ASGITransport(app=self.worker.app, client=("127.0.0.1", 40000))
        client = httpx.AsyncClient(transport=transport, base_url=self.base, follow_redirects=follow)
        return Browser(await self.stack.enter_async_context(client))

    async def signed_in(self, email: str = "ada@example.org", *, admin: bool = False) -> Browser:
        """Make an account and open a browser that is signed in to it."""
        await self.person(email, name=email.partition("@")[0].title(), admin=admin)
        browser = await self.browser()
        answer = await browser.sign_in(email)
        assert answer.status_code == 303, answer.text
        return browser


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Start a server with some settings; passwords at the lowest cost, so that tests do not wait for argon2."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: cheap)
    async with AsyncExitStack() as stack:

        async def start(*, listen: bool = False, **settings: Any) -> Site:
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            values = {"registration": "open", "anonymous": True, "timezone": "Europe/Berlin", **settings}
            chosen = Settings(data=str(tmp_path / "data"), port=port, min_free=0, **values)
            _forget_metrics()
            worker = Worker(chosen, dsn, os.urandom(32), log=structlog.get_logger())
            ready = asyncio.Event()
            await worker.start(ready.set)
            stack.push_async_callback(worker.stop)
            await asyncio.wait_for(ready.wait(), 30)
            if listen:
                await _listen(worker, sock, stack)
            else:
                sock.close()
            return Site(worker, chosen.url, stack)

        yield start


def _forget_metrics() -> None:
    """A process has one worker; here, each test starts another one in the same process."""
    names = [name for name in REGISTRY._names_to_collectors if name.startswith("commensal")]
    for collector in {REGISTRY._names_to_collectors[name] for name in names}:
        REGISTRY.unregister(collector)


async def _listen(worker: Worker, sock: socket.socket, stack: AsyncExitStack) -> None:
    config = uvicorn.Config(worker.app, log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[sock]))

    async def stop() -> None:
        server.should_exit = True
        await task

    stack.push_async_callback(stop)
    while not server.started:
        await asyncio.sleep(0.01)


@pytest.fixture
async def site(open_site: Open) -> Site:
    """A server that anybody may look at and sign up to."""
    return await open_site()


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.async_api", reason="the playwright package is not installed")
    async with playwright.async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def commons(open_site: Open) -> Site:
    """A server that listens, with a site admin and a project."""
    site = await open_site(listen=True, demo=True, support_contact="help@example.org")
    await site.person("ada@example.org", admin=True)
    await fill(site)
    return site


async def fill(site: Site, owner: str = "ada@example.org", *, public: str = "read", samples: int = 60) -> Project:
    """Make project KIDNEY-KX1 of an existing account with a dataset, two subjects and some samples."""
    principal = await site.principal(owner)
    program = await site.services.catalog.add_program(operator(), "KIDNEY", title="Kidney lab")
    await site.services.grants.grant(operator(), owner, "owner", program)
    level = PublicLevel.parse(public)
    project = await site.services.catalog.add_project(
        principal, program, "KX1", title="Renal <i>tumours</i>", public=level, extra={"summary": "Made up for tests"}
    )
    documents: list[dict[str, Any]] = [
        {"type": "dataset", "submitter_id": "KX1_A", "projects": {"code": "KX1"}, "label": "Arrays"},
        *({"type": "subject", "submitter_id": f"P{n}", "projects": {"code": "KX1"}, "sex": "female"} for n in (1, 2)),
        *(
            {
                "type": "sample",
                "submitter_id": f"S{n:03}",
                "subjects": {"submitter_id": f"P{n % 2 + 1}"},
                "datasets": {"submitter_id": "KX1_A"},
                "organism": "Homo sapiens",
                "tissue": "kidney" if n % 3 else "<script>alert(1)</script>",
                "label": f"Tumour number {n}",
                "metadata": json.dumps({"stage": ["II", "III"][n % 2], "grades": [1, n]}),
            }
            for n in range(samples)
        ),
    ]
    result = await site.services.submission.submit(principal, "KIDNEY", "KX1", documents)
    assert result.success, [entity.errors for entity in result.entities if entity.errors][:3]
    return project
