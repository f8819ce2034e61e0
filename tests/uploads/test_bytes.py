"""Signed addresses of our own, on a running server: one method, one object, an end, and useless when altered."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.server.app import build_services
from commensal.server.settings import load_settings
from commensal.storage.postgres.database import PgDatabase
from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)


class Site:
    """A running server, and its services in this process to make addresses with."""

    def __init__(self, running: Running, data: Path) -> None:
        self.running = running
        self.data = data

    def do(self, work):
        """Run ``work(services, project)`` on the server's database."""

        async def go():
            from commensal.server.local import local_database

            async with local_database(str(self.data)) as local:
                database = PgDatabase(local.dsn, size=2)
                audit = PgDatabase(local.dsn, size=2)
                services = build_services(load_settings(self.data), database, audit, local.key)
                try:
                    project = await services.catalog.project(OPERATOR, "UP-one")
                    return await work(services, project)
                finally:
                    await services.audit.flush()
                    await audit.close()
                    await database.close()

        return asyncio.run(go())


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    base = make_data_base()
    running = start_commons(base / "data", "--min-free", "1MB")
    try:
        running.add_user(ADMIN, "--site-admin")
        admin = running.bearer(ADMIN)
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            assert running.client.post(f"/commensal/v1/{path}", json=body, headers=admin).status_code == 201
        yield Site(running, base / "data")
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)


def address_of(site: Site, path: str, method: str = "GET", seconds: int = 60) -> str:
    async def work(services, project):
        file = await services.files.get(OPERATOR, project, path=path)
        return await services.bytes.address(OPERATOR, project, file, base="", method=method, seconds=seconds)

    return site.do(work)


def begin(site: Site, path: str, **more):
    async def work(services, project):
        upload = await services.uploads.begin(OPERATOR, project, path, **more)
        number_addresses = [services.uploads.part_address(upload, n, base="") for n in (1, 2, 3)]
        return (
            upload,
            services.uploads.put_address(upload, base=""),
            number_addresses,
            services.uploads.form(upload, base="", limit=1000),
        )

    return site.do(work)


def stored(site: Site, path: str) -> bytes:
    return site.running.client.get(address_of(site, path)).content


def test_put_then_get_range_and_head(site: Site):
    client = site.running.client
    data = os.urandom(3_000_000)
    _, url, _, _ = begin(site, "a/Größe 1.txt", sha256=hashlib.sha256(data).hexdigest(), media_type="text/plain")
    assert client.get(url).status_code in (404, 405)
    assert client.put(url + "0", content=data).status_code == 403
    wrong = client.put(url, content=b"evil")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid")
    assert client.put(url, content=data).status_code == 200
    got = address_of(site, "a/Größe 1.txt")
    answer = client.get(got)
    assert answer.content == data
    assert answer.headers["content-type"].startswith("text/plain")
    assert "UTF-8''Gr%C3%B6%C3%9Fe" in answer.headers["content-disposition"]
    assert "sandbox" in answer.headers["content-security-policy"]
    for wanted, expected in (("bytes=10-19", data[10:20]), ("bytes=-5", data[-5:]), ("bytes=2999990-", data[-10:])):
        part = client.get(got, headers={"Range": wanted})
        assert (part.status_code, part.content) == (206, expected)
    assert client.get(got, headers={"Range": "bytes=3000000-"}).status_code == 416
    assert client.head(got).status_code == 403  # one method
    head = client.head(address_of(site, "a/Größe 1.txt", "HEAD"))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3000000", b"")


def test_an_altered_or_ended_address_is_useless(site: Site):
    client = site.running.client
    _, first, _, _ = begin(site, "one")
    _, second, _, _ = begin(site, "two")
    assert client.put(first, content=b"one").status_code == 200
    assert client.put(second, content=b"two").status_code == 200
    one, two = address_of(site, "one"), address_of(site, "two")
    assert client.get(one).content == b"one"
    mixed = urlsplit(two).path + "?" + urlsplit(one).query
    longer = one.replace("expires=", "expires=9")
    for url in (mixed, longer, one + "&x=1", one.replace("name=one", "name=evil"), one.partition("?")[0], one[:-1]):
        assert client.get(url).status_code == 403
    assert client.get(one.replace("/one?", "/evil.exe?")).status_code == 403
    assert client.put(urlsplit(second).path + "?" + urlsplit(first).query, content=b"evil").status_code == 403


def test_parts_by_signed_addresses(site: Site):
    client = site.running.client
    upload, _, addresses, _ = begin(site, "parts", parts=True)
    pieces = [os.urandom(100_000), os.urandom(5), b""]
    etags = {}
    for number in (2, 3, 1, 1):
        answer = client.put(addresses[number - 1], content=pieces[number - 1])
        etags[number] = answer.headers["etag"]
    assert etags[1].strip('"') == hashlib.md5(pieces[0]).hexdigest()
    swapped = urlsplit(addresses[0]).path + "?" + urlsplit(addresses[1]).query
    assert client.put(swapped, content=b"evil").status_code == 403

    async def complete(services, project):
        return await services.uploads.complete(OPERATOR, upload.uuid, sorted(etags.items()))

    assert site.do(complete).state == "available"
    assert stored(site, "parts") == b"".join(pieces)


def test_a_signed_form(site: Site):
    client = site.running.client
    _, _, _, form = begin(site, "form")
    too_long = client.post(form.url, data=dict(form.fields), files={"file": ("x", b"x" * 1001)})
    assert too_long.status_code == 413
    changed = {**form.fields, "limit": "100000"}
    assert client.post(form.url, data=changed, files={"file": ("x", b"x" * 1001)}).status_code == 403
    assert client.post(form.url, data=dict(form.fields)).status_code == 400
    sent = client.post(form.url, data=dict(form.fields), files={"file": ("x", b"by form\r\n--no boundary")})
    assert sent.status_code == 204
    assert stored(site, "form") == b"by form\r\n--no boundary"


def test_a_broken_off_form_and_body_leave_nothing(site: Site):
    client = site.running.client
    _, _, _, form = begin(site, "broken")
    request = client.build_request("POST", form.url, data=dict(form.fields), files={"file": ("x", b"x" * 500)})
    body = request.read()[:-60]
    headers = {"content-type": request.headers["content-type"]}
    assert client.post(form.url, content=body, headers=headers).status_code == 400
    with pytest.raises(httpx.HTTPStatusError):
        client.get("/commensal/v1/projects/UP-one/files/broken", headers=site.running.bearer(ADMIN)).raise_for_status()


def test_an_address_by_the_own_api_opens_one_file_without_a_credential(site: Site):
    client, admin = site.running.client, site.running.bearer(ADMIN)
    made = client.put("/commensal/v1/projects/UP-one/files/signed/x.txt", content=b"signed", headers=admin).json()
    for name in ("signed/x.txt", made["uuid"]):
        url = f"/commensal/v1/projects/UP-one/addresses/{name}"
        answer = client.get(f"{url}?seconds=60", headers=admin)
        assert answer.headers["cache-control"] == "no-store"
        signed = answer.json()["url"]
        assert signed.startswith(site.running.url)
        assert client.get(signed).content == b"signed"
        assert client.get(signed + "0").status_code == 403
        assert client.get(url).status_code in (401, 404)
        for seconds in ("0", "-1", "604801", "x", ""):
            assert client.get(f"{url}?seconds={seconds}", headers=admin).status_code == 400
    assert client.get("/commensal/v1/projects/UP-one/addresses/none", headers=admin).status_code == 404


def test_an_address_opens_what_is_a_file_and_nothing_that_was_one(site: Site):
    client, admin = site.running.client, site.running.bearer(ADMIN)
    base = "/commensal/v1/projects/UP-one"

    def signed(path: str) -> str:
        return client.get(f"{base}/addresses/{path}", headers=admin).json()["url"]

    for path in ("was/a", "was/twin", "was/b"):
        data = b"the same bytes" if path != "was/b" else b"others"
        assert client.put(f"{base}/files/{path}", content=data, headers=admin).status_code == 201
    twin, other = signed("was/twin"), signed("was/b")
    answer = client.get(twin)
    # Kept by nobody in between: it would be given out when the address has ended.
    assert (answer.content, answer.headers["cache-control"]) == (b"the same bytes", "no-store")
    number = client.delete(f"{base}/files/was/twin", headers=admin).json()["deletion"]
    assert client.get(twin).status_code == 200  # these bytes are those of was/a, too
    last = client.delete(f"{base}/files/was/a", headers=admin).json()["deletion"]
    assert client.get(twin).status_code == 404
    for one in (number, last):
        assert client.post(f"/commensal/v1/deletions/{one}/undelete", headers=admin).status_code == 200
    assert client.get(twin).content == b"the same bytes"
    assert client.put(f"{base}/files/was/b", content=b"newer", headers=admin).status_code == 200
    assert client.get(other).status_code == 404
    assert client.get(signed("was/b")).content == b"newer"


def test_without_download_no_header_gets_an_answer_about_the_bytes(site: Site):
    client, admin = site.running.client, site.running.bearer(ADMIN)
    url = "/commensal/v1/projects/UP-one/files/seen/x"
    tag = f'"{client.put(url, content=b"12345", headers=admin).json()["sha256"]}"'
    site.running.add_user("viewer@example.org")
    site.running.admin("grant", "viewer@example.org", "viewer", "UP-one")
    viewer = site.running.bearer("viewer@example.org")
    for known, status in ((tag, 304), (f"W/{tag}", 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)):
        assert client.get(url, headers={**admin, "If-None-Match": known}).status_code == status
        assert client.get(url, headers={**viewer, "If-None-Match": known}).status_code == 403
    for wanted, status in (("bytes=5-", 416), ("bytes=-0", 416), ("bytes=0-0", 206), ("bytes=0-0,1-1", 200)):
        assert client.get(url, headers={**admin, "Range": wanted}).status_code == status
        assert client.get(url, headers={**viewer, "Range": wanted}).status_code == 403
    # If-Range compares strongly.
    for condition, status in ((tag, 206), (f"W/{tag}", 200)):
        assert client.get(url, headers={**admin, "Range": "bytes=0-0", "If-Range": condition}).status_code == status


def test_a_file_is_deleted_and_comes_back(site: Site):
    client, admin = site.running.client, site.running.bearer(ADMIN)
    url = "/commensal/v1/projects/UP-one/files/gone/x.txt"
    made = client.put(url, content=b"gone", headers=admin).json()
    assert client.delete(url).status_code == 401
    number = client.delete(url, headers=admin).json()["deletion"]
    assert client.get(url, headers=admin).status_code == 404
    assert client.delete(url, headers=admin).status_code == 404
    back = f"/commensal/v1/deletions/{number}/undelete"
    assert client.post(back, headers=admin).json() == {"deletion": number, "title": "gone/x.txt"}
    assert client.get(url, headers=admin).content == b"gone"
    assert client.post(back, headers=admin).status_code == 409
    # By its uuid, and another file under the path is in the way.
    by_uuid = f"/commensal/v1/projects/UP-one/files/{made['uuid']}"
    number = client.delete(by_uuid, headers=admin).json()["deletion"]
    client.put(url, content=b"other", headers=admin)
    clash = client.post(f"/commensal/v1/deletions/{number}/undelete", headers=admin)
    assert (clash.status_code, "gone/x.txt" in clash.json()["error"]["message"]) == (409, True)
    for number in ("0", "x", "9" * 30):
        assert client.post(f"/commensal/v1/deletions/{number}/undelete", headers=admin).status_code == 404
