"""Submission, export and dictionary pages without a browser: who may, what they hold; tokens for the page's scripts."""

from __future__ import annotations

import json
import re

import pytest

from commensal.core.dictionary import compile_dictionary, resolve
from commensal.core.permissions import PublicLevel
from commensal.dictionaries import base_dictionary, open_dictionary
from commensal.portal.dictionary_picture import BOX_HEIGHT, picture
from commensal.services.identity import operator

from .conftest import Browser, Site, fill

SUBMIT = "/portal/projects/KIDNEY-KX1/submit"
EXPORT = "/portal/projects/KIDNEY-KX1/export"


@pytest.fixture
async def ada(site: Site) -> Browser:
    browser = await site.signed_in("ada@example.org")
    await fill(site)
    return browser


async def token(browser: Browser) -> str:
    answer = await browser.post("/portal/door-token", page=SUBMIT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["access_token"]


# --- the token of the scripts -----------------------------------------------------------------------


async def test_the_token_submits_as_the_person_and_ends_with_the_session(site: Site, ada: Browser) -> None:
    bearer = {"authorization": f"bearer {await token(ada)}"}
    who = await ada.http.get("/user/user", headers=bearer)
    assert who.json()["email"] == "ada@example.org"
    record = {"type": "subject", "submitter_id": "P9", "projects": {"code": "KX1"}}
    answer = await ada.http.put("/api/v0/submission/KIDNEY/KX1", headers=bearer, json=record)
    assert answer.json()["created_entity_count"] == 1

    await ada.post("/portal/sign-out", page="/portal/projects")
    again = await ada.http.put("/api/v0/submission/KIDNEY/KX1/_dry_run", headers=bearer, json=record)
    assert again.status_code in (401, 403)


async def test_the_token_makes_no_keys(site: Site, ada: Browser) -> None:
    bearer = await token(ada)
    ada.http.cookies.clear()
    answer = await ada.http.post("/user/credentials/cdis", headers={"authorization": f"bearer {bearer}"}, json={})
    assert answer.status_code in (401, 403)
    assert await site.services.keys.list(await site.principal("ada@example.org")) == []


async def test_no_token_without_a_form_of_ours_or_a_session(site: Site, ada: Browser) -> None:
    origin = {"origin": str(ada.http.base_url).rstrip("/")}
    for data in ({}, {"form_token": "0" * 64}):
        answer = await ada.http.post("/portal/door-token", data=data, headers=origin)
        assert answer.status_code in (400, 403)
        assert "access_token" not in answer.text
    stranger = await site.browser()
    answer = await stranger.post("/portal/door-token", page="/portal/sign-in")
    assert answer.status_code in (303, 401)
    assert "access_token" not in answer.text


# --- submitting -------------------------------------------------------------------------------------


async def test_the_page_offers_templates_of_every_type_that_can_be_submitted(site: Site, ada: Browser) -> None:
    page = await ada.get(SUBMIT)
    assert page.status_code == 200
    assert 'data-endpoint="/api/v0/submission/KIDNEY/KX1"' in page.text
    types = (await site.services.dictionaries.current()).dictionary.types
    for name in ("subject", "sample", "data_file", "dataset"):
        address = f"/api/v0/submission/template/{name}?format=tsv"
        assert address in page.text
        header = (await ada.http.get(address)).text.splitlines()[0].split("\t")
        assert {column.lstrip("*").partition(".")[0] for column in header} >= {link.name for link in types[name].links}
    assert "template/program?" not in page.text
    assert "template/project?" not in page.text


async def test_only_who_may_write_sees_the_page_and_its_tab(site: Site, ada: Browser) -> None:
    assert SUBMIT in (await ada.get("/portal/projects/KIDNEY-KX1")).text
    viewer = await site.signed_in("vera@example.org")
    assert SUBMIT not in (await viewer.get("/portal/projects/KIDNEY-KX1")).text
    assert (await viewer.get(SUBMIT)).status_code == 403
    stranger = await site.browser()
    answer = await stranger.get(SUBMIT)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/portal/sign-in?next={SUBMIT}")


# --- exporting --------------------------------------------------------------------------------------


async def test_a_type_is_exported_as_the_door_exports_it(site: Site, ada: Browser) -> None:
    page = (await ada.get("/portal/projects/KIDNEY-KX1?type=sample")).text
    bearer = {"authorization": f"bearer {await token(ada)}"}
    for form in ("tsv", "csv", "json"):
        assert f"{EXPORT}/sample?format={form}" in page
        ours = await ada.http.get(f"{EXPORT}/sample?format={form}")
        assert ours.status_code == 200
        assert f"KIDNEY-KX1_sample.{form}" in ours.headers["content-disposition"]
        door = f"/api/v0/submission/KIDNEY/KX1/export?node_label=sample&format={form}"
        theirs = await ada.http.get(door, headers=bearer)
        assert ours.content == theirs.content
        assert ours.text.count("Tumour number") == 60


async def test_export_needs_a_grant_or_download(site: Site, ada: Browser) -> None:
    viewer = await site.signed_in("vera@example.org")
    assert EXPORT not in (await viewer.get("/portal/projects/KIDNEY-KX1?type=sample")).text
    assert (await viewer.http.get(f"{EXPORT}/sample")).status_code == 403
    owner = await site.principal("ada@example.org")
    project = await site.services.catalog.project(owner, "KIDNEY-KX1")
    await site.services.catalog.set_public_level(owner, project, PublicLevel.parse("download"))
    answer = await viewer.http.get(f"{EXPORT}/sample")
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 61)
    await site.services.catalog.set_public_level(owner, project, PublicLevel.parse("none"))
    assert (await viewer.http.get(f"{EXPORT}/sample")).status_code in (403, 404)
    await site.services.grants.grant(operator(), "vera@example.org", "viewer", project)
    assert (await viewer.http.get(f"{EXPORT}/sample")).status_code == 200


async def test_an_export_that_is_only_asked_about_gives_its_connection_back(site: Site, ada: Browser) -> None:
    for _ in range(30):
        assert (await ada.http.head(f"{EXPORT}/sample")).status_code == 200
    assert (await ada.http.get(f"{EXPORT}/sample")).status_code == 200


@pytest.mark.parametrize(("address", "status"), [("/sample?format=xml", 400), ("/nothing", 400), ("/project", 400)])
async def test_what_cannot_be_exported_is_said(ada: Browser, address: str, status: int) -> None:
    answer = await ada.get(EXPORT + address)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


# --- the dictionary ---------------------------------------------------------------------------------


async def test_the_dictionary_is_drawn_and_listed_for_everybody(site: Site) -> None:
    stranger = await site.browser()
    page = (await stranger.get("/portal/dictionary")).text
    dictionary = (await site.services.dictionaries.current()).dictionary
    shown = {node.name for node in dictionary.types.values() if node.exportable}
    assert set(re.findall(r'data-type="(\w+)"', page)) == shown
    links = {(n.name, link.target) for n in dictionary.types.values() if n.name in shown for link in n.links}
    assert set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', page)) == {one for one in links if one[1] in shown}
    for name in shown:
        answer = await stranger.get(f"/portal/dictionary/{name}")
        assert answer.status_code == 200
        for declared in dictionary.types[name].properties:
            assert f'<code class="break">{declared}</code>' in answer.text
    assert (await stranger.get("/portal/dictionary/unicorn")).status_code == 404


async def test_a_type_page_names_what_is_required_and_allowed(site: Site) -> None:
    raw = json.loads(json.dumps(resolve(open_dictionary())))
    raw["subject"]["properties"]["sex"] = {"enum": [f"value {n}" for n in range(20)], "description": "<b>Sex</b>"}
    raw["subject"]["required"] = [*raw["subject"]["required"], "sex"]
    await site.services.dictionaries.apply(operator(), raw, "ours")
    page = (await (await site.browser()).get("/portal/dictionary/subject")).text
    row = page[page.index('<code class="break">sex</code>') :].partition("</tr>")[0]
    assert "required" in row
    assert row.count("<code>value ") == 20
    assert "12 more" in row
    assert "&lt;b&gt;Sex" in row


def test_the_picture_has_no_overlaps_and_leads_left() -> None:
    types = compile_dictionary(resolve(open_dictionary()), base_dictionary()).types
    drawn = picture(types.values())
    places = {box.node.name: box for box in drawn.boxes}
    assert places.keys() == types.keys()
    for one in drawn.boxes:
        assert one.x >= 0
        assert one.x + one.width <= drawn.width
        assert 0 <= one.y <= drawn.height - BOX_HEIGHT
        for other in drawn.boxes:
            apart = abs(one.y - other.y) >= BOX_HEIGHT or one.x + one.width < other.x or other.x + other.width < one.x
            assert one is other or apart, (one.node.name, other.node.name)
    for curve in drawn.curves:
        assert places[curve.target].x < places[curve.source].x


def test_types_that_link_in_circles_are_drawn() -> None:
    raw = json.loads(json.dumps(resolve(open_dictionary())))
    back = {
        "name": "results", "backref": "of_samples", "label": "l", "target_type": "analysis_result",
        "multiplicity": "many_to_one", "required": False,
    }  # fmt: skip
    raw["sample"]["links"] = [
        *raw["sample"]["links"],
        back,
        {**back, "name": "self", "backref": "selves", "target_type": "sample"},
    ]
    raw["sample"]["properties"] |= {"results": {"type": "object"}, "self": {"type": "object"}}
    types = compile_dictionary(raw, base_dictionary()).types
    drawn = picture(types.values())
    assert {box.node.name for box in drawn.boxes} == types.keys()
