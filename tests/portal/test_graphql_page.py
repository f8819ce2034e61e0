"""The query page without a browser: who may, its examples against the real door, what is served with it."""

from __future__ import annotations

import html
import json
import re

import pytest

from commensal.portal.views.graphql import examples

from .conftest import Browser, Site, fill


@pytest.fixture
async def ada(site: Site) -> Browser:
    browser = await site.signed_in("ada@example.org")
    await fill(site)
    return browser


async def test_the_page_is_for_people_who_are_signed_in(site: Site, ada: Browser) -> None:
    assert "/portal/graphql" in (await ada.get("/portal/projects")).text
    stranger = await site.browser()
    assert (await stranger.get("/portal/graphql")).status_code == 303
    assert '"/portal/graphql"' not in (await stranger.get("/portal/projects")).text


async def test_every_example_runs_at_the_door(site: Site, ada: Browser) -> None:
    page = (await ada.get("/portal/graphql")).text
    offered = json.loads(html.unescape(re.search(r'data-examples="([^"]*)"', page)[1]))
    assert offered == examples((await site.services.dictionaries.current()).dictionary)
    token = (await ada.post("/portal/door-token", page="/portal/graphql")).json()["access_token"]
    for one in offered:
        body = {"query": one["query"], "variables": json.loads(one["variables"] or "null")}
        answer = await ada.http.post(
            "/api/v0/submission/graphql", json=body, headers={"authorization": f"bearer {token}"}
        )
        assert answer.status_code == 200, (one["title"], answer.text)
        assert "errors" not in answer.json()
    first = await ada.http.post(
        "/api/v0/submission/graphql", json={"query": offered[0]["query"]}, headers={"authorization": f"bearer {token}"}
    )
    assert first.json()["data"]["_sample_count"] == 60
    assert len(first.json()["data"]["sample"]) == 20


async def test_the_editor_is_served_from_here_with_its_licences(ada: Browser) -> None:
    page = (await ada.get("/portal/graphql")).text
    address = re.search(r'src="(/static/vendor/editor.min.js\?v=\w+)"', page)[1]
    script = await ada.http.get(address)
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert "CommensalEditor" in script.text[:200]
    licences = (await ada.http.get("/static/vendor/editor.LICENSE")).text
    for name in ("@codemirror/view", "@lezer/lr", "cm6-graphql", "graphql ", "graphql-language-service", "style-mod"):
        assert name in licences
    assert "sourceMappingURL" not in script.text
