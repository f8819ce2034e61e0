"""The rules of the edge, each on the whole request path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.server.edge_kit import SECRET_DETAIL, Site


async def get(site: Site, path: str, address: str = "198.51.100.9", **more: Any) -> httpx.Response:
    async with site.client(address) as client:
        return await client.get(path, **more)


async def send(site: Site, method: str, path: str, **more: Any) -> httpx.Response:
    async with site.client() as client:
        return await client.request(method, path, **more)


async def test_every_answer_has_an_id_and_the_security_headers():
    site = Site()
    for path in ("/own/echo/a/b", "/own/nothing", "/nowhere", "/own/fail", "/own/error/conflict"):
        answer = await get(site, path)
        assert len(answer.headers["x-request-id"]) == 16
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert len({fields["request_id"] for _, fields in site.log.events}) == 5


async def test_signed_in_answers_and_errors_are_not_kept_by_caches():
    site = Site()
    signed_in = await get(site, "/own/me", headers={"Authorization": "Bearer good"})
    assert signed_in.headers["cache-control"] == "no-store"
    assert (await get(site, "/own/error/conflict")).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await get(site, "/own/echo/a/b")).headers


async def test_parameters_of_the_path_arrive_decoded():
    answer = await get(Site(), "/own/echo/x%2Fy/p%20q/r")
    assert answer.json()["params"] == {"a": "x/y", "rest": "p q/r"}


async def test_errors_have_the_shape_of_the_face_and_its_status():
    site = Site()
    for path, status, retry in [
        ("/own/error/conflict", 409, None),
        ("/own/error/invalid", 422, None),
        ("/own/error/slow", 429, "7"),
        ("/own/error/space", 507, "60"),
        ("/own/nothing", 404, None),
        ("/own/%zz", 400, None),
    ]:
        answer = await get(site, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/x-own"), path
        assert answer.headers.get("retry-after") == retry
    assert (await get(site, "/nowhere")).json()["error"]["code"] == "not_found"


async def test_a_defect_is_an_id_and_the_support_contact_and_the_log_has_the_rest():
    site = Site()
    answer = await get(site, "/own/fail")
    assert answer.status_code == 500
    assert SECRET_DETAIL not in answer.text
    assert "help@example.org" in answer.text
    (_, fields), *_ = site.log.events
    assert fields["error_id"] in answer.text
    assert str(fields["exc_info"]) == SECRET_DETAIL


async def test_a_defect_in_the_middle_of_an_answer_never_looks_like_its_end():
    site = Site()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/own/half",
        "raw_path": b"/own/half",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }
    with pytest.raises(RuntimeError):
        await site.app(scope, receive, keep)
    assert [m.get("body") for m in sent if m["type"] == "http.response.body"] == [b"first"]
    assert all(m.get("more_body") for m in sent if m["type"] == "http.response.body")


async def test_other_methods_are_405_with_allow_and_options_lists_them():
    site = Site()
    answer = await send(site, "DELETE", "/own/echo")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, PUT")
    answer = await send(site, "OPTIONS", "/own/echo")
    assert (answer.status_code, answer.headers["allow"]) == (204, "POST, PUT, OPTIONS")


async def test_head_is_answered_like_get():
    answer = await send(Site(), "HEAD", "/own/echo/a/b")
    assert answer.status_code == 200


async def test_routes_for_signed_in_callers_need_a_valid_credential():
    site = Site()
    assert (await get(site, "/own/me")).status_code == 401
    assert (await get(site, "/own/me", headers={"Authorization": "Bearer bad"})).status_code == 401
    assert (await get(site, "/own/me", headers={"Authorization": "Bearer good"})).status_code == 200
    assert [address for address, _ in site.services.audit.unknown] == ["198.51.100.9"]


async def test_links_use_the_host_of_the_request_only_where_that_is_allowed():
    site = Site(base_url="https://commons.example.org", allowed_hosts=("other.example.org",))
    for host, base in [
        ("commons.example.org", "https://commons.example.org"),
        ("other.example.org:8443", "http://other.example.org:8443"),
        ("localhost:9000", "http://localhost:9000"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("evil.example.com", "https://commons.example.org"),
        ("commons.example.org.evil.com", "https://commons.example.org"),
        ('x"><script>', "https://commons.example.org"),
    ]:
        answer = await get(site, "/own/echo/a/b", headers={"Host": host})
        assert answer.json()["base"] == f"{base}/x", host


async def test_forwarded_headers_are_believed_from_trusted_proxies_only():
    headers = {
        "X-Forwarded-For": "203.0.113.5, 10.0.0.2",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "localhost:77",
    }
    site = Site(trusted_proxy=("10.0.0.0/8",))
    trusted = (await get(site, "/own/echo/a/b", "10.1.2.3", headers=headers)).json()
    assert (trusted["address"], trusted["scheme"], trusted["base"]) == (
        "203.0.113.5",
        "https",
        "https://localhost:77/x",
    )
    foreign = (await get(site, "/own/echo/a/b", "198.51.100.9", headers=headers)).json()
    assert (foreign["address"], foreign["scheme"]) == ("198.51.100.9", "http")
    assert "localhost:77" not in foreign["base"]
    forged = {"X-Forwarded-For": "1.2.3.4, 203.0.113.5"}
    assert (await get(site, "/own/echo/a/b", "10.1.2.3", headers=forged)).json()["address"] == "203.0.113.5"
    nobody = (await get(Site(), "/own/echo/a/b", "127.0.0.1", headers=headers)).json()
    assert nobody["address"] == "127.0.0.1"


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Anything"])
async def test_a_demo_answers_nobody_through_a_proxy(header: str):
    demo, usual = Site(demo=True), Site()
    for site, status in ((demo, 400), (usual, 200)):
        answer = await get(site, "/own/echo/a/b", headers={"Host": "localhost", header: "x"})
        assert answer.status_code == status
    assert (await get(demo, "/own/echo/a/b", headers={"Host": "localhost"})).status_code == 200
    assert (await get(demo, "/own/echo/a/b", headers={"Host": "rebound.example.com"})).status_code == 400


COOKIE = {"Cookie": "session=1"}
BASIC = {"Authorization": "Basic eDp5"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**COOKIE, "Origin": "https://evil.example.com"}, 403),
        ({**COOKIE, "Origin": "null"}, 403),
        ({**COOKIE, "Origin": "http://localhost:3000"}, 403),
        ({**COOKIE, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**COOKIE, "Sec-Fetch-Site": "Cross-Site", "Origin": "http://localhost"}, 403),
        ({**BASIC, "Origin": "https://evil.example.com"}, 403),
        ({**BASIC, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**COOKIE, "Origin": "http://localhost"}, 200),
        ({**COOKIE, "Sec-Fetch-Site": "same-origin"}, 200),
        (COOKIE, 200),
        (BASIC, 200),
        ({"Authorization": "Bearer good", "Origin": "https://notebook.example.com"}, 200),
        ({"Origin": "https://evil.example.com"}, 200),
    ],
)
async def test_pages_of_other_sites_cannot_act_with_a_browsers_credentials(headers: dict[str, str], status: int):
    for method in ("POST", "PUT"):
        answer = await send(Site(), method, "/own/echo", headers={"Host": "localhost", **headers}, content=b"x")
        assert answer.status_code == status


async def test_cross_site_requests_are_refused_before_routing_and_reading_is_not():
    foreign = {**COOKIE, "Origin": "https://evil.example.com"}
    assert (await send(Site(), "POST", "/own/no/such/route", headers=foreign)).status_code == 403
    assert (await send(Site(), "DELETE", "/nowhere", headers=foreign)).status_code == 403
    assert (await get(Site(), "/own/echo/a/b", headers=foreign)).status_code == 200


async def test_bodies_have_limits_announced_or_not():
    site = Site()
    assert (await send(site, "POST", "/own/echo", content=b"x" * 1000)).json()["size"] == 1000
    assert (await send(site, "POST", "/own/echo", content=b"x" * 1001)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    assert (await send(site, "POST", "/own/echo", content=chunks())).status_code == 413
    assert (await send(site, "POST", "/own/stream", content=b"x" * 100_000)).json()["size"] == 100_000


async def test_a_full_disk_refuses_writes_and_goes_on_reading():
    site = Site(min_free=10**18)
    answer = await send(site, "POST", "/own/echo", content=b"x")
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "60")
    assert "almost full" in answer.text
    assert (await get(site, "/own/echo/a/b")).status_code == 200
    assert (await send(site, "POST", "/own/query", content=b"x")).status_code == 200


async def test_the_polly_prefix_selects_the_polly_face_and_only_that():
    site = Site()
    for prefix in ("/v2.api.elucidata.io", "/API.Elucidata.IO"):
        answer = await get(site, f"{prefix}/polly-only/echo/x")
        assert answer.json()["params"] == {"a": "x"}
    assert (await get(site, "/polly-only/echo/x")).status_code == 200
    for path in (
        "/api.elucidata.io/own/echo/a/b",
        "/api.elucidata.io/api.elucidata.io/polly-only/echo/x",
        "/api.elucidata.io",
        "/evil.io/polly-only/echo/x",
        "/elucidata.io/polly-only/echo/x",
    ):
        assert (await get(site, path)).status_code == 404, path
    without = Site(faces=Site().edge.faces.all[:1])
    assert (await get(without, "/api.elucidata.io/own/echo/a/b")).status_code == 404


async def test_plain_http_is_redirected_or_refused_where_the_site_says_so():
    redirect = Site(base_url="https://commons.example.org", plain_http="redirect")
    answer = await get(redirect, "/own/echo/a/b?q=1%2F2")
    assert answer.status_code == 308
    assert answer.headers["location"] == "https://commons.example.org/own/echo/a/b?q=1%2F2"
    assert (await get(redirect, "/healthz")).status_code == 404  # no such route here, but no redirect either
    refuse = Site(base_url="https://commons.example.org", plain_http="refuse", trusted_proxy=("10.0.0.0/8",))
    assert (await get(refuse, "/own/echo/a/b")).status_code == 403
    https = await get(refuse, "/own/echo/a/b", "10.0.0.1", headers={"X-Forwarded-Proto": "https"})
    assert https.status_code == 200


async def test_the_log_has_no_query_values_and_no_secrets_of_links():
    site = Site()
    await get(site, "/own/echo/a/b?token=hunter2&page=3")
    await get(site, "/own/secret/hunter2")
    text = repr(site.log.events)
    assert "hunter2" not in text
    assert "token=…&page=…" in text
    assert "/own/secret/{token}" in text


async def test_requests_are_counted_with_their_status():
    site = Site()
    await get(site, "/own/echo/a/b")
    await get(site, "/nowhere")
    assert site.counted.seen == [("GET", 200), ("GET", 404)]
