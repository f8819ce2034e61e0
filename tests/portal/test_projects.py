"""Projects, their records, files, members and settings, as people with different rights see them."""

import re
from urllib.parse import quote_from_bytes

from commensal.core.permissions import PublicLevel, Right
from commensal.core.puts import Put
from commensal.services.identity import operator
from commensal.storage.postgres.database import counting

from .conftest import Open, Site, fill

HERE = "/portal/projects/KIDNEY-KX1"


async def bytes_of(*parts: bytes):
    for part in parts:
        yield part


# --- the list ---------------------------------------------------------------------------------------


async def test_everybody_sees_what_is_public(site: Site) -> None:
    ada = await site.signed_in()
    await fill(site)
    stranger = await site.browser()
    for address in ("/", "/portal/projects"):
        page = await stranger.get(address)
        assert page.status_code == 200
        assert "Renal &lt;i&gt;tumours&lt;/i&gt;" in page.text
        assert "<b>60</b> sample" in page.text
        assert "public: records" in page.text
    assert "New project" in (await ada.get("/portal/projects")).text
    assert "New project" not in (await stranger.get("/portal/projects")).text


async def test_private_projects_are_not_listed(site: Site) -> None:
    await site.signed_in()
    await fill(site, public="none")
    stranger = await site.browser()
    grace = await site.signed_in("grace@example.org")
    assert "KIDNEY-KX1" not in (await stranger.get("/")).text
    assert "KIDNEY-KX1" not in (await grace.get("/portal/projects")).text
    assert "No projects yet" in (await grace.get("/portal/projects")).text
    # Whoever holds nothing on it is told the same of a project that is there as of one that is not.
    seq = (await site.services.catalog.project(operator(), "KIDNEY-KX1")).seq
    for here, other in ((HERE, HERE[:-1] + "7"), (f"/portal/projects/{seq}", f"/portal/projects/{seq + 99_999}")):
        for page in ("", "/files", "/members", "/settings", "/submit", "/upload"):
            refused, absent = await grace.get(here + page), await grace.get(other + page)
            assert (page, refused.status_code, absent.status_code) == (page, 404, 404)
            told = [
                re.sub(r'name="form_token" value="\w+"', "", answer.text).replace(at.rpartition("/")[2], "")
                for answer, at in ((refused, here), (absent, other))
            ]
            assert told[0] == told[1]
            for at in (here, other):
                answer = await stranger.get(at + page)
                assert (answer.status_code, answer.headers["location"]) == (303, f"/portal/sign-in?next={at}{page}")
    assert (await stranger.get(HERE)).headers["location"] == f"/portal/sign-in?next={HERE}"


async def test_without_anonymous_access_the_first_page_asks_to_sign_in(open_site: Open) -> None:
    site = await open_site(anonymous=False, registration="invite")
    await site.signed_in()
    await fill(site)
    stranger = await site.browser()
    page = await stranger.get("/")
    assert page.status_code == 200
    assert "KIDNEY-KX1" not in page.text
    assert "Projects are shown after signing in" in page.text
    assert (await stranger.get("/portal/projects")).headers["location"] == "/portal/sign-in?next=/portal/projects"


async def test_projects_are_searched_and_filtered(site: Site) -> None:
    ada = await site.signed_in()
    await fill(site)
    principal = await site.principal("ada@example.org")
    for number in range(30):
        await site.services.catalog.add_project(principal, "KIDNEY", f"M{number:02}", title=f"Minor {number:02}")
    page = (await ada.get("/portal/projects")).text
    assert "1–25 of 31 projects" in page
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    assert "26–31 of 31 projects" in (await ada.get(following[1].replace("&amp;", "&"))).text
    assert "1–1 of 1 projects" in (await ada.get("/portal/projects?search=renal")).text
    assert "Nothing matches" in (await ada.get("/portal/projects?search=nowhere%25")).text
    assert "Nothing matches" in (await ada.get("/portal/projects?kind=atlas")).text
    assert "Nothing matches" in (await ada.get("/portal/projects?program=NONE")).text
    assert "1–25 of 31" in (await ada.get("/portal/projects?program=KIDNEY&offset=x&limit=7")).text


# --- records ----------------------------------------------------------------------------------------


async def test_records_are_a_table(site: Site) -> None:
    ada = await site.signed_in()
    await fill(site)
    page = (await ada.get(HERE)).text
    assert "1–25 of 60 records" in page
    assert 'aria-current="page">sample <span class="count">60' in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Homo sapiens" in page
    assert "Made up for tests" in page
    shown = (await ada.get(f"{HERE}?type=sample&search=S01&column=*.stage&column=tissue")).text
    assert "1–10 of 10 records" in shown
    assert '<th scope="col">stage</th>' in shown
    assert ">III</td>" in shown
    assert "Homo sapiens" not in shown
    last = (await ada.get(f"{HERE}?type=sample&limit=50&offset=50")).text
    assert "51–60 of 60 records" in last
    assert "1–2 of 2 records" in (await ada.get(f"{HERE}?type=subject")).text
    assert "1–25 of 60 records" in (await ada.get(f"{HERE}?type=nothing")).text


async def test_who_may_only_count_sees_counts(site: Site) -> None:
    await site.signed_in()
    await fill(site, public="aggregate")
    stranger = await site.browser()
    page = (await stranger.get(HERE)).text
    assert "Counts only" in page
    assert '>sample <span class="count">60' in page
    assert '>subject <span class="count">…' in page
    assert "S001" not in page
    assert "Made up for tests" not in page
    assert (await stranger.get(f"{HERE}/files")).status_code == 303


async def test_a_record_shows_links_and_history(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site)
    principal = await site.principal("ada@example.org")
    change = [{"type": "sample", "submitter_id": "S001", "tissue": "cortex", "organism": None}]
    result = await site.services.submission.submit(principal, "KIDNEY", "KX1", change)
    assert result.success
    record = await site.services.records.find(principal, project, "sample", "S001")
    page = (await ada.get(f"{HERE}/records/{record.uuid}")).text
    assert "Tumour number 1" in page
    assert "cortex</dd>" in page
    assert "<dt>stage</dt><dd>III</dd>" in page
    assert "<dt>grades</dt><dd>1, 1</dd>" in page
    assert "Version 2" in page
    assert "<del" in page
    subject = await site.services.records.find(principal, project, "subject", "P2")
    assert f'href="{HERE}/records/{subject.uuid}"' in page
    other = (await ada.get(f"{HERE}/records/{subject.uuid}")).text
    assert "Pointing here" in other
    assert "… and 5 more" in other
    assert (await ada.get(f"{HERE}/records/00000000-0000-4000-8000-000000000000")).status_code == 404
    assert (await ada.get(f"{HERE}/records/nothing")).status_code == 404


async def test_records_of_other_projects_are_not_found_here(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site)
    principal = await site.principal("ada@example.org")
    other = await site.services.catalog.add_project(principal, "KIDNEY", "KX2", title="Other")
    record = await site.services.records.find(principal, project, "sample", "S001")
    answer = await ada.get(f"/portal/projects/{other.project_id}/records/{record.uuid}")
    assert answer.status_code == 404


async def test_a_page_costs_a_bounded_number_of_statements(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site, samples=120)
    principal = await site.principal("ada@example.org")
    for number in range(12):
        await site.services.catalog.add_project(principal, "KIDNEY", f"M{number:02}", title=f"Minor {number:02}")
    subject = await site.services.records.find(principal, project, "subject", "P2")

    async def cost(address: str) -> int:
        await ada.get(address)  # sessions, grants and the dictionary are remembered for a second
        with counting() as statements:
            assert (await ada.get(address)).status_code == 200
        return statements.n

    few, many = await cost(f"{HERE}?type=sample&search=S00"), await cost(f"{HERE}?type=sample&limit=100")
    assert few == many <= 14
    assert await cost(f"{HERE}/records/{subject.uuid}") <= 14
    one, thirteen = await cost("/portal/projects?search=renal"), await cost("/portal/projects")
    assert one == thirteen <= 6


# --- files ------------------------------------------------------------------------------------------


async def test_files_are_listed_and_sent(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site)
    principal = await site.principal("ada@example.org")
    body = b"<script>alert(1)</script>" * 100
    name = "raw/Größe & co.html"
    await site.services.files.put(principal, project, name, bytes_of(body), media_type="text/html")
    page = (await ada.get(f"{HERE}/files?folder=raw")).text
    assert "Größe &amp; co.html" in page
    assert "2.5 kB" in page
    found = re.search(r'href="([^"]+)" download', page)
    assert found is not None
    answer = await ada.get(found[1].replace("&amp;", "&"))
    assert answer.content == body
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    stranger = await site.browser()
    listed = (await stranger.get(f"{HERE}/files")).text
    assert "<bdi>raw</bdi>/" in listed
    assert " download>" not in listed
    assert (await stranger.get(found[1].replace("&amp;", "&"))).status_code == 303


# --- members ----------------------------------------------------------------------------------------


async def test_roles_are_given_and_taken(site: Site) -> None:
    ada, grace = await site.signed_in(), await site.signed_in("grace@example.org")
    await fill(site, public="none")
    values = {"holder": "grace@example.org", "role": "viewer", "on": "project", "until": "2099-12-31"}
    answer = await ada.post(f"{HERE}/members/grant", values, page=f"{HERE}/members")
    assert answer.status_code == 303, answer.text
    page = (await ada.get(f"{HERE}/members")).text
    assert "grace@example.org is viewer of this project now." in page
    assert "until" in page
    assert (await grace.get(HERE)).status_code == 200
    assert (await grace.get(f"{HERE}/members")).status_code == 403
    number = re.search(r'name="grant" value="(\d+)">\s*<span class="question">Take viewer', page)
    assert number is not None
    refused = await grace.post(f"{HERE}/members/revoke", {"grant": number[1]}, page="/portal/profile")
    assert refused.status_code == 403
    await ada.post(f"{HERE}/members/revoke", {"grant": number[1]}, page=f"{HERE}/members")
    assert (await grace.get(HERE)).status_code == 404


async def test_a_role_for_a_group_and_a_whole_program(site: Site) -> None:
    ada, grace = await site.signed_in(), await site.signed_in("grace@example.org")
    await fill(site, public="none")
    await site.services.groups.add(await site.principal("ada@example.org"), "Team", members=["grace@example.org"])
    values = {"holder": "team", "role": "analyst", "on": "program"}
    answer = await ada.post(f"{HERE}/members/grant", values, page=f"{HERE}/members")
    assert answer.status_code == 303, answer.text
    assert "all projects of KIDNEY" in (await ada.get(f"{HERE}/members")).text
    assert (await grace.get(HERE)).status_code == 200


REFUSED_ROLES = [
    ({"holder": "", "role": "viewer"}, 422, "Type an e-mail address"),
    ({"holder": "nobody@example.org", "role": "viewer"}, 404, "There is no account"),
    ({"holder": "nobody", "role": "viewer"}, 404, "There is no group"),
    ({"holder": "grace@example.org", "role": "king"}, 422, "is no role"),
    ({"holder": "grace@example.org", "role": "viewer", "until": "soon"}, 422, "YYYY-MM-DD"),
    ({"holder": "grace@example.org", "role": "viewer", "until": "2020-01-01"}, 422, "future"),
]


async def test_a_refused_role_says_why(site: Site) -> None:
    ada = await site.signed_in()
    await site.person("grace@example.org")
    await fill(site)
    for values, status, sentence in REFUSED_ROLES:
        answer = await ada.post(f"{HERE}/members/grant", values, page=f"{HERE}/members")
        assert answer.status_code == status
        assert sentence in answer.text


async def test_a_manager_cannot_give_more_than_he_holds(site: Site) -> None:
    await site.signed_in()
    grace = await site.signed_in("grace@example.org")
    project = await fill(site)
    await site.services.grants.grant(operator(), "grace@example.org", "manager", project)
    page = (await grace.get(f"{HERE}/members")).text
    assert 'value="manager"' in page
    assert 'value="owner"' not in page
    answer = await grace.post(
        f"{HERE}/members/grant", {"holder": "grace@example.org", "role": "owner"}, page=f"{HERE}/members"
    )
    assert answer.status_code == 403
    assert "identify" in answer.text


# --- settings ---------------------------------------------------------------------------------------


async def test_the_public_level_is_set(site: Site) -> None:
    ada, stranger = await site.signed_in(), await site.browser()
    await fill(site, public="none")
    here = f"{HERE}/settings"
    assert (await stranger.get(HERE)).status_code == 303
    assert (await ada.post(f"{here}/level", {"level": "read"}, page=here)).status_code == 303
    assert (await stranger.get(HERE)).status_code == 200
    refused = await ada.post(f"{here}/level", {"level": "everything"}, page=here)
    assert refused.status_code == 422
    project = await site.services.catalog.project(operator(), "KIDNEY-KX1")
    assert project.public_level is PublicLevel.READ


async def test_to_strict_shows_what_stands_in_the_way(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site, samples=3)
    principal = await site.principal("ada@example.org")
    here = f"{HERE}/settings"
    await site.services.records.put(principal, project, [Put(type="analysis_result", submitter_id="loose")])
    answer = await ada.post(f"{here}/mode", {"mode": "strict"}, page=here)
    assert answer.status_code == 422
    assert "in the way" in answer.text
    assert "analysis_result loose, module" in answer.text
    loose = await site.services.records.find(principal, project, "analysis_result", "loose")
    await site.services.deletion.delete_records(principal, project, [loose.seq])
    assert (await ada.post(f"{here}/mode", {"mode": "strict"}, page=here)).status_code == 303
    assert "The project is strict now." in (await ada.get(here)).text
    assert (await ada.post(f"{here}/mode", {"mode": "open"}, page=here)).status_code == 303


async def test_title_and_description(site: Site) -> None:
    ada = await site.signed_in()
    await fill(site)
    here = f"{HERE}/settings"
    values = {"title": "New title", "description": "Two\r\nlines <b>"}
    assert (await ada.post(f"{here}/about", values, page=here)).status_code == 303
    page = (await ada.get(HERE)).text
    assert "<h1>New title</h1>" in page
    assert "lines &lt;b&gt;" in page
    assert "Made up for tests" in page
    assert (await ada.post(f"{here}/about", {"title": " "}, page=here)).status_code == 422


async def test_settings_are_for_managers(site: Site) -> None:
    await site.signed_in()
    grace = await site.signed_in("grace@example.org")
    project = await fill(site)
    await site.services.grants.grant(operator(), "grace@example.org", "curator", project)
    page = (await grace.get(HERE)).text
    assert "Settings</a>" not in page
    assert (await grace.get(f"{HERE}/settings")).status_code == 403
    caller = await site.principal("grace@example.org")
    assert Right.MANAGE not in await site.services.catalog.project_rights(caller, project)


# --- making -----------------------------------------------------------------------------------------


async def test_a_program_and_a_project_of_ones_own(site: Site) -> None:
    ada = await site.signed_in()
    page = (await ada.get("/portal/new-project")).text
    assert "you manage none" in page
    answer = await ada.post("/portal/new-program", {"program_title": "My lab"}, page="/portal/new-project")
    assert answer.headers["location"].startswith("/portal/new-project?program=")
    page = (await ada.get(answer.headers["location"])).text
    number = re.search(r'<option value="(\d+)" selected>', page)
    assert number is not None
    values = {"program": number[1], "title": "First study", "code": "", "kind": "study", "mode": "strict"}
    answer = await ada.post("/portal/new-project", values, page="/portal/new-project")
    assert answer.status_code == 303, answer.text
    page = (await ada.get(answer.headers["location"])).text
    assert "<h1>First study</h1>" in page
    assert "No records yet" in page
    assert ">strict</span>" in page


REFUSED_PROJECTS = [
    ({"title": ""}, 422, "Give the project a title"),
    ({"title": "x", "code": "KX1"}, 409, "taken"),
    ({"title": "x", "code": "a b"}, 422, "code"),
    ({"title": "x", "kind": "poem"}, 422, "no kind"),
    ({"title": "x", "program": ""}, 404, "Choose the program"),
]


async def test_a_refused_project_says_why(site: Site) -> None:
    ada = await site.signed_in()
    project = await fill(site)
    for values, status, sentence in REFUSED_PROJECTS:
        values = {"program": str(project.program), **values}
        answer = await ada.post("/portal/new-project", values, page="/portal/new-project")
        assert answer.status_code == status
        assert sentence in answer.text


async def test_a_stranger_makes_no_project(site: Site) -> None:
    await site.signed_in()
    grace = await site.signed_in("grace@example.org")
    project = await fill(site)
    values = {"program": str(project.program), "title": "Mine"}
    answer = await grace.post("/portal/new-project", values, page="/portal/new-project")
    assert answer.status_code == 403


# --- deleting ---------------------------------------------------------------------------------------


async def test_a_record_is_deleted_and_comes_back(site: Site) -> None:
    ada = await site.signed_in()
    root = await site.signed_in("root@example.org", admin=True)
    project = await fill(site)
    record = await site.services.records.find(operator(), project, "sample", "S001")
    here = f"{HERE}/records/{record.uuid}"
    answer = await ada.post(f"{here}/delete", page=here)
    assert answer.headers["location"] == f"{HERE}?type=sample"
    assert "bring it back for 30 days" in (await ada.get(answer.headers["location"])).text
    assert (await ada.get(here)).status_code == 404
    page = (await root.get("/portal/admin/deletions")).text
    number = re.search(r"/portal/admin/deletions/(\d+)/undelete", page)
    assert number is not None
    assert "1 sample" in page
    assert (await ada.get("/portal/admin/deletions")).status_code == 403
    await root.post(f"/portal/admin/deletions/{number[1]}/undelete", page="/portal/admin/deletions")
    assert "is back." in (await root.get("/portal/admin/deletions")).text
    assert (await ada.get(here)).status_code == 200


async def test_who_may_not_delete_cannot(site: Site) -> None:
    await site.signed_in()
    grace = await site.signed_in("grace@example.org")
    project = await fill(site)
    await site.services.grants.grant(operator(), "grace@example.org", "contributor", project)
    record = await site.services.records.find(operator(), project, "sample", "S001")
    here = f"{HERE}/records/{record.uuid}"
    assert "Delete this record" not in (await grace.get(here)).text
    assert (await grace.post(f"{here}/delete", page=here)).status_code == 403
    assert (await grace.get(here)).status_code == 200


async def test_a_project_is_deleted_after_its_id_was_typed(site: Site) -> None:
    ada = await site.signed_in()
    await fill(site)
    here = f"{HERE}/settings"
    await ada.post(f"{here}/delete", {"project_id": "KIDNEY"}, page=here)
    assert "Nothing was deleted" in (await ada.get(here)).text
    answer = await ada.post(f"{here}/delete", {"project_id": "KIDNEY-KX1"}, page=here)
    assert answer.headers["location"] == "/portal/projects"
    assert (await ada.get(HERE)).status_code == 404


# --- odd addresses ----------------------------------------------------------------------------------

ODD = [
    "%00",
    "%0A",
    "%FF",
    "..",
    "%2e%2e",
    "-",
    "--",
    "9" * 30,
    "1",
    "%F0%9F%98%80",
    "a" * 3000,
    "KIDNEY-",
    "-KX1",
    "%25",
    "'",
]
ODD_QUERIES = [
    "offset=-1", "offset=99999999999", "offset=9999999999999999999", "limit=0", "limit=99999", "type=%00", "type=%FF",
    "search=%00", "search=%25_%5C", "search=%ED%A0%80", "column=%00&column=*.&column=*", "search=" + "x" * 5000,
    "program=%00", "program=99999999999999999999", "kind=%00", "column=" + "&column=".join(map(str, range(500))),
]  # fmt: skip


async def test_odd_addresses_are_answered_without_a_defect(site: Site) -> None:
    root = await site.signed_in("ada@example.org", admin=True)
    await fill(site)
    places = ["/portal/projects/{}", "/portal/projects/{}/files/x", f"{HERE}/records/{{}}", f"{HERE}/files/{{}}"]
    for place in [*places, "/portal/groups/{}", "/portal/admin/users/{}", "/portal/{}", "/static/{}", "/{}"]:
        for odd in ODD:
            answer = await root.get(place.format(odd))
            assert 200 <= answer.status_code < 500, (place, odd[:40])
    for place in (
        "/portal/projects",
        HERE,
        f"{HERE}/files",
        "/portal/groups",
        "/portal/admin/users",
        "/portal/admin/audit",
    ):
        for query in [*ODD_QUERIES, "who=%00&action=%00", "door=%00", "result=%FF"]:
            answer = await root.get(f"{place}?{query}")
            assert 200 <= answer.status_code < 500, (place, query[:40])


async def test_odd_forms_are_answered_without_a_defect(site: Site) -> None:
    root = await site.signed_in("ada@example.org", admin=True)
    await fill(site)
    token = await root.token("/portal/profile")
    posts = {
        "/portal/profile/name": "name", "/portal/new-program": "program_title", "/portal/new-project": "title",
        "/portal/groups": "name", f"{HERE}/members/grant": "holder", f"{HERE}/members/revoke": "grant",
        f"{HERE}/settings/about": "title", f"{HERE}/settings/level": "level", "/portal/admin/programs": "code",
        "/portal/admin/users/invite": "email", "/portal/profile/keys/opal": "program", "/portal/sign-in": "email",
    }  # fmt: skip
    for address, name in posts.items():
        for value in (
            "\ud800".encode("utf-8", "surrogatepass"),
            b"\x00",
            b"\xff",
            b"\r\n",
            b"x" * 3000,
            b"9" * 40,
            "\u202e😀".encode(),
        ):
            body = (
                b"form_token="
                + token.encode()
                + b"&password=x&role=viewer&"
                + name.encode()
                + b"="
                + quote_from_bytes(value).encode()
            )
            answer = await root.http.post(
                address,
                content=body,
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "text/html"},
            )
            assert 200 <= answer.status_code < 500, (address, value[:20])
