"""A person with a real browser (headless Chromium): keys, tables, keyboard, phone, screen readers, no other origin."""

import json
import re
from pathlib import Path

import pytest

from .conftest import CHROMIUM, PASSWORD, Site

pytest.importorskip("playwright.async_api", reason="the playwright package is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (set COMMENSAL_CHROMIUM, or install it)"),
]
PAGES = [
    "/", "/portal/projects", "/portal/projects/KIDNEY-KX1", "/portal/projects/KIDNEY-KX1/files",
    "/portal/projects/KIDNEY-KX1/members", "/portal/projects/KIDNEY-KX1/settings", "/portal/profile", "/portal/groups",
    "/portal/new-project", "/portal/admin/users", "/portal/admin/programs", "/portal/admin/audit",
    "/portal/admin/deletions", "/portal/nothing-here",
]  # fmt: skip
OPEN_PAGES = [
    "/",
    "/portal/sign-in",
    "/portal/sign-up",
    "/portal/forgotten",
    "/portal/reset?token=x",
    "/portal/projects",
]


class Person:
    """A browser window, and everything it asked for, said and complained about."""

    def __init__(self, site: Site, page, *, scripts: bool) -> None:
        self.site = site
        self.scripts = scripts
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)

    def _console(self, message) -> None:
        # A page that is refused on purpose is told in the console, too.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)

    async def go(self, address: str) -> None:
        await self.page.goto(self.site.base + address)
        if self.scripts:
            await self.page.wait_for_function("() => !document.querySelector('nav[hx-trigger]')")

    async def sign_in(self, email: str = "ada@example.org") -> None:
        await self.go("/portal/sign-in")
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url("**/portal/projects")

    def check(self) -> None:
        """Nothing left this origin, and the browser had nothing to complain about."""
        assert {
            url for url in self.asked if not url.startswith((self.site.base + "/", "blob:" + self.site.base))
        } == set()
        assert self.complaints == []


async def window(chromium, site: Site, **settings) -> Person:
    context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
    context.set_default_timeout(20_000)
    return Person(site, await context.new_page(), scripts=settings.get("java_script_enabled", True))


# --- keys -------------------------------------------------------------------------------------------


async def test_sign_up_make_copy_save_and_revoke_a_gen3_key(chromium, commons: Site, tmp_path: Path) -> None:
    person = await window(chromium, commons, accept_downloads=True, permissions=["clipboard-read", "clipboard-write"])
    page = person.page
    await person.go("/")
    await page.get_by_role("link", name="Create an account").click()
    await page.get_by_label("E-mail").fill("grace@example.org")
    await page.get_by_label("Name").fill("Grace Hopper")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url("**/portal/profile")
    assert "Your account is ready" in await page.locator(".toasts").inner_text()

    await page.get_by_role("button", name="Create API key").click()
    panel = page.locator(".new-key")
    await panel.wait_for()
    shown = json.loads(await panel.locator("#new-gen3").inner_text())
    assert set(shown) == {"api_key", "key_id"}
    await page.wait_for_function("() => document.activeElement.className === 'new-key'")

    await panel.get_by_role("button", name="copy").first.click()
    await page.wait_for_function("() => document.getElementById('announce').textContent.includes('Copied')")
    assert json.loads(await page.evaluate("navigator.clipboard.readText()")) == shown

    async with page.expect_download() as started:
        await panel.get_by_role("button", name="download").click()
    download = await started.value
    assert download.suggested_filename == "credentials.json"
    await download.save_as(tmp_path / "credentials.json")
    assert json.loads((tmp_path / "credentials.json").read_text()) == shown
    assert await commons.services.keys.exchange(shown["api_key"])
    assert all(shown["api_key"] not in url for url in person.asked)

    await page.reload()
    assert shown["api_key"] not in await page.content()
    row = page.locator("tr", has_text=shown["key_id"])
    await row.get_by_text("Revoke", exact=True).click()
    await row.get_by_role("button", name="Yes, revoke").click()
    await page.get_by_text("The key is revoked").wait_for()
    assert await page.locator("tr", has_text=shown["key_id"]).count() == 0
    person.check()


async def test_every_door_has_its_key(chromium, commons: Site) -> None:
    person = await window(chromium, commons)
    await person.sign_in()
    await person.go("/portal/profile")
    for name, door in (
        ("Create Polly key", "polly"), ("Show login token", "pangea"), ("Create ODM tokens", "odm"),
        ("Create Opal key", "opal"),
    ):  # fmt: skip
        await person.page.get_by_role("button", name=name).click()
        shown = json.loads(await person.page.locator(f"#new-{door}").inner_text())
        snippet = await person.page.locator(f"[id^=ready-{door}-]").last.inner_text()
        assert all(value in snippet for key, value in shown.items() if key != "access_token")
    assert await person.page.locator(".new-key").count() == 4
    person.check()


# --- tables -----------------------------------------------------------------------------------------


async def test_browse_from_the_first_page_to_a_record(chromium, commons: Site) -> None:
    person = await window(chromium, commons)
    page = person.page
    await person.go("/")
    await page.get_by_role("link", name="Renal <i>tumours</i>").click()
    await page.wait_for_url("**/portal/projects/KIDNEY-KX1")
    assert await page.locator("#results tbody tr").count() == 25
    await page.get_by_role("link", name="Next").click()
    assert "26–50 of 60 records" in await page.locator(".pager").inner_text()

    await page.get_by_role("searchbox").fill("S05")
    await page.wait_for_function("() => document.querySelectorAll('#results tbody tr').length === 10")
    assert "search=S05" in page.url
    await page.wait_for_function("() => document.getElementById('announce').textContent === '10 records found'")

    await page.get_by_text("Columns", exact=False).first.click()
    await page.get_by_label("stage").check()
    await page.get_by_role("button", name="Show these").click()
    await page.wait_for_function(
        "() => [...document.querySelectorAll('thead th')].some(th => th.textContent === 'stage')"
    )
    assert "search=S05" in page.url

    await page.get_by_role("link", name="S051").click()
    assert "Tumour number 51" in await page.locator("h1").inner_text()
    await page.get_by_role("link", name="P2").click()
    assert "Pointing here" in await page.content()
    person.check()


async def test_projects_are_found_while_typing(chromium, commons: Site) -> None:
    person = await window(chromium, commons)
    await person.sign_in()
    await person.page.keyboard.press("/")
    await person.page.keyboard.type("nowhere")
    await person.page.get_by_text("Nothing matches").wait_for()
    await person.page.get_by_role("searchbox").fill("renal")
    await person.page.get_by_role("link", name="Renal <i>tumours</i>").wait_for()
    assert "search=renal" in person.page.url
    person.check()


# --- tabs, colours, no scripts ----------------------------------------------------------------------


async def test_tabs_of_the_first_page_follow_the_keyboard(chromium, commons: Site) -> None:
    person = await window(chromium, commons)
    page = person.page
    await person.go("/")
    first = page.get_by_role("tab", name="Gen3")
    await first.focus()
    for name in ("Polly", "Pangea", "ODM", "Opal", "Gen3"):
        await page.keyboard.press("ArrowRight")
        assert await page.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
    await page.keyboard.press("End")
    assert await page.locator("#door-opal").is_visible()
    assert not await page.locator("#door-gen3").is_visible()
    person.check()


async def test_the_reader_chooses_the_colours(chromium, commons: Site) -> None:
    person = await window(chromium, commons, color_scheme="light")
    page = person.page
    await person.go("/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_role("button", name=re.compile("light and dark")).click()
    dark = await page.evaluate(ground)
    assert light != dark
    await person.go("/portal/projects")
    assert await page.evaluate(ground) == dark
    person.check()


async def test_without_scripts_everything_is_there(chromium, commons: Site) -> None:
    person = await window(chromium, commons, java_script_enabled=False)
    page = person.page
    await person.go("/")
    assert await page.locator(".door-panel").count() == 5
    for panel in await page.locator(".door-panel").all():
        assert await panel.is_visible()
    await page.get_by_role("link", name="Sign in").first.click()
    await page.get_by_label("E-mail").fill("ada@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/portal/projects")
    await page.get_by_role("searchbox").fill("renal")
    await page.get_by_role("button", name="Search").click()
    assert "search=renal" in page.url
    await person.go("/portal/profile")
    await page.get_by_role("button", name="Create API key").click()
    assert set(json.loads(await page.locator("#new-gen3").inner_text())) == {"api_key", "key_id"}
    assert await page.get_by_role("button", name="download").count() == 0
    person.check()


# --- keyboard ---------------------------------------------------------------------------------------


async def focused(page) -> str:
    return await page.evaluate(
        "() => { const at = document.activeElement;"
        " return (at.getAttribute('aria-label') || at.textContent || at.id).trim(); }"
    )


async def tab_to(page, name: str, most: int = 80) -> None:
    """Press Tab until something of this name has the focus, which must be visible each time."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        outline = await page.evaluate(
            "() => { const style = getComputedStyle(document.activeElement);"
            " return style.outlineStyle + ' ' + style.outlineWidth; }"
        )
        inside = await page.evaluate("document.activeElement !== document.body")
        assert not inside or (not outline.startswith("none") and not outline.endswith(" 0px")), await focused(page)
        if await focused(page) == name:
            return
    raise AssertionError(f"{name!r} was not reached")


async def test_a_key_is_made_and_revoked_with_the_keyboard_alone(chromium, commons: Site) -> None:
    person = await window(chromium, commons)
    page = person.page
    await person.go("/portal/sign-in?next=/portal/profile")
    assert await page.evaluate("document.activeElement.id") == "f-email"
    await page.keyboard.type("ada@example.org")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Profile").wait_for()
    await page.keyboard.press("Tab")
    assert await focused(page) == "Skip to the content"
    await page.keyboard.press("Enter")
    await tab_to(page, "Create API key")
    await page.keyboard.press("Enter")
    await page.wait_for_function("() => document.activeElement.className === 'new-key'")
    await tab_to(page, "copy")
    await tab_to(page, "I have saved it")
    await page.keyboard.press("Enter")
    assert await page.locator(".new-key").count() == 0
    revoke = await page.locator("#keys-gen3 .confirm summary").get_attribute("aria-label")
    assert revoke is not None
    await tab_to(page, revoke)
    await page.keyboard.press("Enter")
    await page.wait_for_function("() => document.activeElement.textContent === 'Yes, revoke'")
    await page.keyboard.press("Escape")
    assert await focused(page) == revoke
    await page.keyboard.press("Enter")
    await page.wait_for_function("() => document.activeElement.textContent === 'Yes, revoke'")
    await page.keyboard.press("Enter")
    await page.get_by_text("The key is revoked").wait_for()
    person.check()


# --- phone and screen readers -----------------------------------------------------------------------

READABLE = (Path(__file__).parent / "readable.js").read_text()


@pytest.mark.parametrize("width", [360, 1280])
async def test_pages_fit_and_are_readable(chromium, commons: Site, width: int) -> None:
    found: dict[str, list[str]] = {}
    stranger = await window(chromium, commons, viewport={"width": width, "height": 740})
    for address in OPEN_PAGES:
        await stranger.go(address)
        problems = await stranger.page.evaluate(READABLE)
        if problems:
            found["open " + address] = problems
    person = await window(chromium, commons, viewport={"width": width, "height": 740})
    await person.sign_in()
    project = await commons.services.catalog.project(await commons.principal("ada@example.org"), "KIDNEY-KX1")
    record = await commons.services.records.find(await commons.principal("ada@example.org"), project, "sample", "S001")
    for address in [*PAGES, f"/portal/projects/KIDNEY-KX1/records/{record.uuid}"]:
        await person.go(address)
        problems = await person.page.evaluate(READABLE)
        if problems:
            found[address] = problems
    assert found == {}
    stranger.check()
    person.check()


async def test_the_menu_of_a_phone_reaches_everything(chromium, commons: Site) -> None:
    person = await window(chromium, commons, viewport={"width": 360, "height": 740}, has_touch=True)
    page = person.page
    await person.sign_in()
    await page.locator("details.menu summary").tap()
    for name in ("Projects", "Docs", "Site", "Profile and keys", "Groups"):
        assert await page.locator(".menu-list").get_by_role("link", name=name).is_visible()
    await page.keyboard.press("Escape")
    await page.locator("details.menu summary").tap()
    await page.get_by_role("button", name="Sign out").tap()
    await page.wait_for_url("**/portal/sign-in")
    await page.get_by_text("You are signed out.").wait_for()
    person.check()
