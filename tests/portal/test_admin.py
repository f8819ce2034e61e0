"""What site admins do: accounts, invitations, programs, audit; and groups, which everybody may make."""

import html
import re
from urllib.parse import urlsplit

from .conftest import PASSWORD, Open, Site, fill

USERS = "/portal/admin/users"
ADMIN_PAGES = [USERS, "/portal/admin/programs", "/portal/admin/audit", "/portal/admin/deletions"]


async def test_only_site_admins_open_their_pages(site: Site) -> None:
    ada, root = await site.signed_in(), await site.signed_in("root@example.org", admin=True)
    stranger = await site.browser()
    for address in ADMIN_PAGES:
        assert (await root.get(address)).status_code == 200
        assert (await ada.get(address)).status_code == 403
        assert (await stranger.get(address)).status_code == 303
    assert 'href="/portal/admin/users"' in (await root.get("/portal/projects")).text
    assert 'href="/portal/admin/users"' not in (await ada.get("/portal/projects")).text


async def test_accounts_are_found_switched_off_and_on(site: Site) -> None:
    root, ada = await site.signed_in("root@example.org", admin=True), await site.signed_in()
    user = await site.services.identity.user(await site.principal("ada@example.org"))
    page = (await root.get(f"{USERS}?search=ADA")).text
    assert "ada@example.org" in page
    assert "1–1 of 1 users" in page
    assert "Nobody matches" in (await root.get(f"{USERS}?search=zzz")).text
    assert (await root.post(f"{USERS}/{user.seq}/deactivate", page=USERS)).status_code == 303
    assert "ada@example.org is deactivated." in (await root.get(USERS)).text
    assert (await ada.get("/portal/profile")).status_code == 303
    assert (await (await site.browser()).sign_in("ada@example.org")).status_code == 401
    await root.post(f"{USERS}/{user.seq}/activate", page=USERS)
    assert (await (await site.browser()).sign_in("ada@example.org")).status_code == 303


async def test_a_site_admin_is_made_and_unmade_but_not_by_himself(site: Site) -> None:
    root, ada = await site.signed_in("root@example.org", admin=True), await site.signed_in()
    user = await site.services.identity.user(await site.principal("ada@example.org"))
    await root.post(f"{USERS}/{user.seq}/admin", {"on": "1"}, page=USERS)
    assert (await ada.get(USERS)).status_code == 200
    await root.post(f"{USERS}/{user.seq}/admin", {"on": "0"}, page=USERS)
    assert (await ada.get(USERS)).status_code == 403
    me = await site.services.identity.user(await site.principal("root@example.org"))
    for change in ("deactivate", "admin"):
        await root.post(f"{USERS}/{me.seq}/{change}", {"on": "0"}, page=USERS)
        assert "ask another site admin" in (await root.get(USERS)).text


def shown_link(page: str) -> str:
    found = re.search(r'<code id="one-time-link">(.*?)</code>', page)
    assert found is not None
    parts = urlsplit(html.unescape(found[1]))
    return f"{parts.path}?{parts.query}"


async def test_without_mail_an_invitation_is_shown_once(open_site: Open) -> None:
    site = await open_site(registration="invite")
    root = await site.signed_in("root@example.org", admin=True)
    answer = await root.post(f"{USERS}/invite", {"email": "new@example.org", "name": "New"}, page=USERS)
    assert answer.status_code == 200
    link = shown_link(answer.text)
    page = (await root.get(USERS)).text
    assert "one-time-link" not in page
    assert "new@example.org" in page
    assert (await (await site.browser()).get(link)).status_code == 200
    number = re.search(r'name="id" value="(\d+)"', page)
    assert number is not None
    await root.post(f"{USERS}/withdraw", {"id": number[1]}, page=USERS)
    assert (await (await site.browser()).get(link)).status_code == 404
    for values, status in (({"email": "root@example.org"}, 409), ({"email": "x"}, 422), ({"email": ""}, 422)):
        assert (await root.post(f"{USERS}/invite", values, page=USERS)).status_code == status


async def test_without_mail_a_password_link_is_shown_once(site: Site) -> None:
    root = await site.signed_in("root@example.org", admin=True)
    user = await site.person()
    answer = await root.post(f"{USERS}/{user.seq}/reset", page=USERS)
    browser = await site.browser()
    link = shown_link(answer.text)
    token = link.partition("token=")[2]
    answer = await browser.post("/portal/reset", {"link": token, "new_password": PASSWORD + "!"}, page=link)
    assert answer.status_code == 303
    assert (await browser.get("/portal/profile")).status_code == 200


async def test_programs_are_made(site: Site) -> None:
    root = await site.signed_in("root@example.org", admin=True)
    here = "/portal/admin/programs"
    assert (await root.post(here, {"code": "GEO", "program_title": "Expression"}, page=here)).status_code == 303
    page = (await root.get(here)).text
    assert "Program GEO is made." in page
    assert ">Expression</td>" in page
    for values, status in (
        ({"code": "geo"}, 409),
        ({"code": "a-b"}, 422),
        ({"code": ""}, 422),
        ({"code": "admin"}, 422),
    ):
        assert (await root.post(here, values, page=here)).status_code == status


async def test_the_audit_tells_who_did_what(site: Site) -> None:
    root, ada = await site.signed_in("root@example.org", admin=True), await site.signed_in()
    await fill(site)
    await ada.get(USERS)
    page = (await root.get("/portal/admin/audit?who=ada&result=refused")).text
    assert "portal.admin" in page
    assert "user.sign_in" not in page
    page = (await root.get("/portal/admin/audit?action=records.submit")).text
    assert "KIDNEY-KX1" in page
    assert "Nothing matches" in (await root.get("/portal/admin/audit?action=nothing")).text


async def test_a_page_makes_one_event(site: Site) -> None:
    root, ada = await site.signed_in("root@example.org", admin=True), await site.signed_in()
    await fill(site)
    await ada.get("/portal/projects/KIDNEY-KX1?type=sample")
    await site.services.audit.flush()
    events = await site.services.audit.tail(await site.principal("root@example.org"), 100)
    mine = [event for event in events if event.who_label == "ada@example.org" and event.door == "portal"]
    assert [event.action for event in mine if event.route == "/portal/projects/{project}"] == ["records.list"]
    assert root is not None


# --- groups -----------------------------------------------------------------------------------------


async def test_groups_are_made_filled_and_deleted(site: Site) -> None:
    ada, grace = await site.signed_in(), await site.signed_in("grace@example.org")
    here = "/portal/groups"
    answer = await ada.post(here, {"name": "Kidney team"}, page=here)
    group = answer.headers["location"]
    assert (await ada.post(f"{group}/add", {"email": "grace@example.org"}, page=group)).status_code == 303
    assert "grace@example.org" in (await ada.get(group)).text
    assert "nobody@example.org" in (await ada.post(f"{group}/add", {"email": "nobody@example.org"}, page=group)).text
    assert "Kidney team" in (await grace.get(here)).text
    assert "Delete Kidney team" not in (await grace.get(here)).text
    assert (await grace.post(f"{group}/delete", page=here)).status_code == 403
    await ada.post(f"{group}/remove", {"email": "grace@example.org"}, page=group)
    assert "No members yet" in (await ada.get(group)).text
    assert (await grace.get(group)).status_code == 403
    await ada.post(f"{group}/delete", page=here)
    assert "Kidney team is deleted" in (await ada.get(here)).text
    assert (await ada.get(group)).status_code == 404
    assert (await ada.post(here, {"name": "curator"}, page=here)).status_code == 409
