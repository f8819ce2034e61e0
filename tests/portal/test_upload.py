"""Uploading without scripts: a plain form, who may, what is asked; and what the page's script asks."""

from __future__ import annotations

import re

import httpx
import pytest

from commensal.services.identity import operator

from .conftest import Browser, Site, fill
from .shelf import HERE, Shelf, open_shelf

UPLOAD = f"{HERE}/upload"


@pytest.fixture
async def ada(site: Site) -> Browser:
    browser = await site.signed_in("ada@example.org")
    await fill(site, samples=1)
    return browser


@pytest.fixture
async def shelf(site: Site, ada: Browser) -> Shelf:
    return await open_shelf(site)


async def send(browser: Browser, name: str, body: bytes, *, token: str | None = None, **fields: str) -> httpx.Response:
    """Send the plain form as a browser does: fields first, then the file."""
    values = {"form_token": await browser.token(UPLOAD) if token is None else token, **fields}
    return await browser.http.post(
        UPLOAD,
        data=values,
        files={"file": (name, body, "application/octet-stream")},
        headers={"accept": "text/html", "origin": str(browser.http.base_url).rstrip("/")},
    )


async def test_a_plain_form_sends_a_file_and_asks_before_it_replaces(site: Site, ada: Browser, shelf: Shelf) -> None:
    page = (await ada.get(f"{UPLOAD}?folder=raw/<b>")).text
    assert 'enctype="multipart/form-data"' in page
    assert "raw/&lt;b&gt;/" in page
    body = bytes(range(256)) * 5_000
    answer = await send(ada, "Übersicht & co.tar.gz", body, folder="/raw/x/")
    assert answer.status_code == 303, answer.text
    assert "is uploaded" in (await ada.get(answer.headers["location"])).text
    assert await shelf.read("raw/x/Übersicht & co.tar.gz") == body
    file = await site.services.files.get(shelf.who, shelf.project, path="raw/x/Übersicht & co.tar.gz")
    assert file.media_type == "application/gzip"

    again = await send(ada, "Übersicht & co.tar.gz", b"new", folder="raw/x")
    assert again.status_code == 409
    assert "A file is already there" in again.text
    assert await shelf.read("raw/x/Übersicht & co.tar.gz") == body
    again = await send(ada, "Übersicht & co.tar.gz", b"new", folder="raw/x", replace="1")
    assert again.status_code == 303
    assert await shelf.read("raw/x/Übersicht & co.tar.gz") == b"new"


async def test_odd_forms_are_refused_and_leave_nothing(site: Site, ada: Browser, shelf: Shelf) -> None:
    for name, fields, status in (
        ("", {}, 422),
        ("..", {}, 422),
        ("x", {"folder": "a/../b"}, 422),
        ("x", {"folder": "a//b"}, 422),
        ("x", {"folder": "y" * 1_500}, 400),
        ("y" * 1_100, {}, 422),
    ):
        answer = await send(ada, name, b"body", **fields)
        assert answer.status_code in (status, 400), (name[:9], fields, answer.status_code)
    assert (await send(ada, "x", b"body", token="0" * 64)).status_code == 403
    assert (await ada.http.post(UPLOAD, data={"form_token": await ada.token(UPLOAD)})).status_code == 400
    answer = await send(ada, "..\\..\\C:\\reads.txt", b"body")
    assert answer.status_code == 303
    assert await shelf.paths() == ["reads.txt"]


async def test_the_script_is_told_which_paths_are_taken(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("a/b.txt", b"12345")
    answer = await ada.post(f"{UPLOAD}/check", {"path": ["a/b.txt", "a/c.txt", "../x", "a\u202e"]}, page=UPLOAD)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert list(said["taken"]) == ["a/b.txt"]
    assert (said["taken"]["a/b.txt"]["size"], said["taken"]["a/b.txt"]["page"]) == (5, at)
    assert list(said["refused"]) == ["../x"]
    many = await ada.post(f"{UPLOAD}/check", {"path": [str(n) for n in range(501)]}, page=UPLOAD)
    assert many.status_code == 400


async def test_only_who_may_create_sees_where_to_upload(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("a.txt", b"1")
    assert f'href="{UPLOAD}' in (await ada.get(f"{HERE}/files")).text
    analyst = await site.signed_in("anna@example.org")
    await site.services.grants.grant(operator(), "anna@example.org", "analyst", "KIDNEY")
    assert f'href="{UPLOAD}' not in (await analyst.get(f"{HERE}/files")).text
    assert (await analyst.get(UPLOAD)).status_code == 403
    token = await analyst.token(at)
    assert (await send(analyst, "x", b"1", token=token)).status_code == 403
    assert (await analyst.post(f"{UPLOAD}/check", {"path": "a.txt"}, page=at)).status_code == 403
    nobody = await site.browser()
    answer = await nobody.get(UPLOAD)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/portal/sign-in?next={UPLOAD}")
    assert await shelf.paths() == ["a.txt"]


async def test_the_scripts_of_the_page_are_ours_and_send_nothing_elsewhere(site: Site, ada: Browser) -> None:
    page = (await ada.get(UPLOAD)).text
    scripts = re.findall(r'<script src="([^"]+)"', page)
    assert any("/static/tus.js" in one for one in scripts)
    for one in scripts:
        assert one.startswith("/static/")
        text = (await ada.get(one)).text
        assert "vendor" in one or "innerHTML" not in text
