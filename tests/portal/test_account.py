"""Signing up, in and out; links; forms that are not ours; what every page carries."""

import itertools
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from commensal.portal import FACE
from commensal.portal.pages import CONTENT_SECURITY_POLICY
from commensal.services.identity import operator

from .conftest import PASSWORD, Open, Site


async def test_first_page_is_the_same_for_everybody(site: Site) -> None:
    person = await site.signed_in()
    stranger = await site.browser()
    pages = [await browser.get("/") for browser in (person, stranger)]
    assert pages[0].text == pages[1].text
    assert "Five ways" in pages[0].text
    assert site.base in pages[0].text
    for page in pages:
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
    assert "Ada" in (await person.get("/portal/nav?at=/")).text
    assert "Sign in" in (await stranger.get("/portal/nav?at=/")).text


async def test_sign_up_signs_in(site: Site) -> None:
    browser = await site.browser()
    values = {"email": "grace@example.org", "name": "Grace Hopper", "password": PASSWORD}
    answer = await browser.post("/portal/sign-up", values, page="/portal/sign-up")
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/profile")
    page = await browser.get("/portal/profile")
    assert "grace@example.org" in page.text
    assert "Your account is ready" in page.text
    assert "Your account is ready" not in (await browser.get("/portal/profile")).text


REFUSED = [
    ({"email": "", "password": PASSWORD}, "Type your e-mail address."),
    ({"email": "nobody", "password": PASSWORD}, "Enter a valid e-mail address"),
    ({"email": "a@example.org", "password": "short"}, "8 characters"),
    ({"email": "a@example.org", "password": ""}, "Choose a password."),
]


async def test_a_refused_sign_up_says_why_and_keeps_what_was_typed(site: Site) -> None:
    browser = await site.browser()
    for values, sentence in REFUSED:
        answer = await browser.post("/portal/sign-up", {"name": "Zoë <b>", **values}, page="/portal/sign-up")
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "Zoë &lt;b&gt;" in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert PASSWORD not in answer.text


async def test_a_taken_address_is_refused(site: Site) -> None:
    await site.person("ada@example.org")
    browser = await site.browser()
    answer = await browser.post("/portal/sign-up", {"email": "ADA@example.org", "password": PASSWORD})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("registration", "sentence"), [("invite", "by invitation"), ("closed", "Registration is closed")]
)
async def test_where_nobody_signs_up_the_page_explains(open_site: Open, registration: str, sentence: str) -> None:
    site = await open_site(registration=registration, support_contact="help@example.org")
    browser = await site.browser()
    page = await browser.get("/portal/sign-up")
    assert page.status_code == 200
    assert sentence in page.text
    assert "help@example.org" in page.text
    assert 'name="password"' not in page.text
    answer = await browser.post("/portal/sign-up", {"email": "a@example.org", "password": PASSWORD})
    assert answer.status_code == 403


async def test_sign_in_comes_back_to_the_page(site: Site) -> None:
    await site.person()
    browser = await site.browser()
    refused = await browser.get("/portal/profile")
    assert refused.status_code == 303
    where = refused.headers["location"]
    assert where == "/portal/sign-in?next=/portal/profile"
    page = await browser.get(where)
    assert 'value="/portal/profile"' in page.text
    values = {"email": "ada@example.org", "password": PASSWORD, "next": "/portal/profile"}
    answer = await browser.post("/portal/sign-in", values, page=where)
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/profile")
    cookie = answer.headers.get_list("set-cookie")[0]
    assert cookie.startswith("commensal_session=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert (await browser.get("/portal/sign-in")).status_code == 303


async def test_over_https_the_cookie_is_bound_to_the_host(open_site: Open) -> None:
    site = await open_site(base_url="https://commons.example.org")
    site.base = "https://commons.example.org"
    browser = await site.signed_in()
    names = {cookie.name for cookie in browser.http.cookies.jar}
    assert "__Host-commensal_session" in names
    assert all(cookie.secure for cookie in browser.http.cookies.jar if cookie.name.startswith("__Host-"))
    assert (await browser.get("/portal/profile")).status_code == 200


async def test_a_foreign_way_back_is_dropped(site: Site) -> None:
    await site.person()
    browser = await site.browser()
    values = {"email": "ada@example.org", "password": PASSWORD, "next": "https://evil.example/portal/"}
    answer = await browser.post("/portal/sign-in", values)
    assert answer.headers["location"] == "/portal/projects"


async def test_a_wrong_password_does_not_sign_in(site: Site) -> None:
    await site.person()
    browser = await site.browser()
    answer = await browser.post("/portal/sign-in", {"email": "ada@example.org", "password": "wrong horse"})
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert 'value="ada@example.org"' in answer.text
    assert "commensal_session" not in answer.headers.get("set-cookie", "")


async def test_sign_out_ends_the_session(site: Site) -> None:
    browser = await site.signed_in()
    old = browser.http.cookies["commensal_session"]
    answer = await browser.post("/portal/sign-out", page="/portal/profile")
    assert answer.status_code == 303
    assert "signed out" in (await browser.get("/portal/sign-in")).text
    browser.http.cookies.set("commensal_session", old)
    assert (await browser.get("/portal/profile")).status_code == 303


# --- links ------------------------------------------------------------------------------------------


def below(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


async def test_an_invitation_makes_an_account_once(open_site: Open) -> None:
    site = await open_site(registration="invite")
    invitation = await site.services.identity.invite(operator(), "new@example.org", name="New Person")
    browser = await site.browser()
    page = await browser.get(below(invitation.link))
    assert page.status_code == 200
    assert 'value="New Person"' in page.text
    assert page.headers["cache-control"] == "no-store"
    token = parse_qs(urlsplit(invitation.link).query)["token"][0]
    here = below(invitation.link)
    weak = await browser.post("/portal/invitation", {"link": token, "password": "12345678"}, page=here)
    assert weak.status_code == 422
    answer = await browser.post("/portal/invitation", {"link": token, "password": PASSWORD}, page=here)
    assert answer.status_code == 303
    assert "new@example.org" in (await browser.get("/portal/profile")).text
    again = await (await site.browser()).get(below(invitation.link))
    assert again.status_code == 404
    assert "not valid any more" in again.text


async def test_a_password_link_sets_a_new_password(site: Site) -> None:
    user = await site.person()
    link = await site.services.identity.reset_link(operator(), user.seq)
    token = parse_qs(urlsplit(link).query)["token"][0]
    browser = await site.browser()
    answer = await browser.post("/portal/reset", {"link": token, "new_password": "short"}, page=below(link))
    assert answer.status_code == 422
    assert token in answer.text
    answer = await browser.post("/portal/reset", {"link": token, "new_password": "a longer sentence"}, page=below(link))
    assert answer.status_code == 303
    assert (await browser.get("/portal/profile")).status_code == 200
    other = await site.browser()
    assert (await other.sign_in("ada@example.org", "a longer sentence")).status_code == 303
    assert (await (await site.browser()).sign_in("ada@example.org")).status_code == 401


async def test_asking_for_a_password_link_tells_nothing(site: Site) -> None:
    await site.person()
    texts = []
    for email in ("ada@example.org", "nobody@example.org"):
        browser = await site.browser()
        answer = await browser.post("/portal/forgotten", {"email": email}, page="/portal/forgotten")
        assert answer.status_code == 200
        texts.append(answer.text.replace(await browser.token("/portal/forgotten"), ""))
    assert "no mail connected" in texts[0]
    assert texts[0] == texts[1]


# --- forms and headers ------------------------------------------------------------------------------

PLACES = {
    "project": "A-B",
    "group": "1",
    "user": "1",
    "deletion": "1",
    "record": "00000000-0000-4000-8000-000000000000",
    "file": "00000000-0000-4000-8000-000000000000",
}
POSTS = sorted(re.sub(r":[a-z]+}", "}", route.path) for route in FACE.routes if "POST" in route.verbs)


async def test_no_form_is_taken_without_its_token(site: Site) -> None:
    browser = await site.signed_in("root@example.org", admin=True)
    for path, token in itertools.product(POSTS, ("", "0" * 64)):
        address = path.format_map({**PLACES, "door": "gen3"})
        upload = {"file": ("x", b"x")} if address.endswith(("/upload", "/submit")) else None
        answer = await browser.http.post(address, data={"name": "x", "form_token": token}, files=upload)
        assert (address, answer.status_code) == (address, 403)
        assert "no longer valid" in answer.text


async def test_the_token_of_somebody_else_is_refused(site: Site) -> None:
    mine, other = await site.signed_in(), await site.signed_in("grace@example.org")
    token = await other.token("/portal/profile")
    answer = await mine.http.post("/portal/profile/name", data={"form_token": token, "name": "x"})
    assert answer.status_code == 403


async def test_a_foreign_origin_is_refused(site: Site) -> None:
    browser = await site.signed_in()
    token = await browser.token("/portal/profile")
    data = {"form_token": token, "name": "x"}
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await browser.http.post("/portal/profile/name", data=data, headers=headers)
        assert answer.status_code == 403


async def test_only_small_forms_are_read(site: Site) -> None:
    browser = await site.signed_in()
    for kind in ("application/json", "multipart/form-data; boundary=x", ""):
        answer = await browser.http.post("/portal/profile/name", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 400
    answer = await browser.http.post("/portal/profile/name", data={"name": "x" * 100_000})
    assert answer.status_code == 413


async def test_every_page_has_its_headers(site: Site) -> None:
    browser = await site.signed_in()
    for address in ("/", "/portal/forgotten", "/portal/profile", "/portal/projects", "/portal/nothing", "/nothing"):
        page = await browser.get(address)
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, address
        assert page.headers.get_list("x-content-type-options") == ["nosniff"], address
        assert page.headers.get_list("referrer-policy") == ["no-referrer"], address
        assert page.headers.get_list("cache-control") == ["no-cache" if address == "/" else "no-store"], address


async def test_static_files_are_kept_and_checked(site: Site) -> None:
    browser = await site.browser()
    page = await browser.get("/")
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(addresses) >= 7
    for address in addresses:
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        again = await browser.get(address, **{"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = await browser.get(address.partition("?")[0])
        assert plain.headers["cache-control"] == "no-cache"
    assert (await browser.get("/static/%2e%2e/assets.py")).status_code == 404


# --- errors -----------------------------------------------------------------------------------------


async def test_errors_are_pages_for_people_and_json_for_programs(open_site: Open) -> None:
    site = await open_site(support_contact="help@example.org")
    browser = await site.browser()
    page = await browser.get("/nothing/here")
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    answer = await browser.http.get("/nothing/here", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


async def test_a_defect_shows_an_id_and_the_contact(open_site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    site = await open_site(support_contact="help@example.org")
    browser = await site.browser()

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(site.services.catalog), "list_projects", broken)
    page = await browser.get("/portal/projects")
    assert page.status_code == 500
    assert "Error id" in page.text
    assert "help@example.org" in page.text
    assert "secret detail" not in page.text


async def test_too_many_wrong_passwords_are_slowed(site: Site) -> None:
    await site.person()
    browser = await site.browser()
    for _ in range(11):
        answer = await browser.post("/portal/sign-in", {"email": "ada@example.org", "password": "wrong horse"})
    assert answer.status_code == 429
    assert "wait" in answer.text
