"""A person with a real browser and files: uploads that break and go on, questions, previews, names that bite."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site
from .shelf import HERE, Shelf, open_shelf, png
from .test_browser import READABLE, Person, pytestmark, window  # noqa: F401

UPLOAD = f"{HERE}/upload"
#: What the page sends at a time.
PIECE = 8 * 1024 * 1024
BITING = "<img src=x onerror=alert(1)>.txt"


async def opened(chromium, commons: Site, address: str, **settings) -> Person:
    person = await window(chromium, commons, **settings)

    async def answer(dialog) -> None:
        # Leaving a page that is uploading is asked about; an alert would be a script that got in.
        if dialog.type == "alert":
            person.complaints.append(dialog.message)
        await dialog.accept()

    person.page.on("dialog", answer)
    await person.sign_in()
    await person.go(address)
    return person


@pytest.fixture
async def shelf(commons: Site) -> Shelf:
    return await open_shelf(commons)


def made(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def line(page, name: str) -> Any:
    return page.locator(".upload-list li", has_text=name)


class Gate:
    """Holds back the pieces of an upload from an offset on until it is opened."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.open = asyncio.Event()

    async def stand(self, page) -> None:
        await page.route("**/commensal/v1/uploads/**", self._pass)

    async def _pass(self, route) -> None:
        if route.request.method == "PATCH" and int(route.request.headers["upload-offset"]) >= self.offset:
            await self.open.wait()
        with contextlib.suppress(Exception):  # the page may have given this piece up meanwhile
            await route.continue_()


class Pieces:
    """The pieces that a page sends: (offset, what came of it)."""

    def __init__(self, page) -> None:
        self.offsets: list[int] = []
        page.on("request", self._note)

    def _note(self, request) -> None:
        if request.method == "PATCH":
            self.offsets.append(int(request.headers["upload-offset"]))


# --- uploading --------------------------------------------------------------------------------------


async def test_uploads_go_on_after_whatever_stops_them(chromium, commons: Site, shelf: Shelf, tmp_path: Path) -> None:
    person = await opened(chromium, commons, f"{UPLOAD}?folder=raw/run7")
    await a_cut_and_a_reload(person, shelf, made(tmp_path, "reads.bam", 20_000_000))
    await a_pause_and_a_network_that_goes_away(person, shelf, made(tmp_path, "big.bin", 20_000_000))
    await a_session_that_is_over(person, shelf, made(tmp_path, "long.bin", 9_000_000))
    harmless = ("ERR_CONNECTION_RESET", "ERR_INTERNET_DISCONNECTED")
    person.complaints = [one for one in person.complaints if not any(word in one for word in harmless)]
    person.check()


async def a_cut_and_a_reload(person: Person, shelf: Shelf, path: Path) -> None:
    page = person.page
    broken = True

    async def cut(route) -> None:
        if broken and route.request.method == "PATCH" and int(route.request.headers["upload-offset"]) >= PIECE:
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await page.route("**/commensal/v1/uploads/**", cut)
    await page.locator("#f-files").set_input_files(path)
    await line(page, "raw/run7/reads.bam").get_by_text("Trying again at 8.39 MB of 20 MB").wait_for()
    assert await page.evaluate(READABLE) == []
    await page.reload()

    left = page.locator("[data-left]")
    await left.get_by_text("raw/run7/reads.bam (20 MB)").wait_for()
    broken = False
    pieces = Pieces(page)
    await page.get_by_role("textbox", name="Folder (optional)").fill("elsewhere")
    await page.locator("#f-files").set_input_files(path)
    await line(page, "raw/run7/reads.bam").get_by_text("Uploaded, 20 MB").wait_for()
    assert pieces.offsets == [PIECE, 2 * PIECE]
    assert await left.is_hidden()
    assert await shelf.read("raw/run7/reads.bam") == path.read_bytes()

    await page.get_by_role("link", name="raw/run7/reads.bam").click()
    await page.get_by_text(hashlib.sha256(path.read_bytes()).hexdigest()).first.wait_for()
    await page.unroute_all()


async def a_pause_and_a_network_that_goes_away(person: Person, shelf: Shelf, path: Path) -> None:
    await person.go(UPLOAD)
    page = person.page
    gate = Gate(PIECE)
    await gate.stand(page)
    await page.locator("#f-files").set_input_files(path)
    row = line(page, "big.bin")
    await row.get_by_role("button", name="Pause").click()
    await row.get_by_text("Paused at").wait_for()
    await page.get_by_role("button", name="Resume all").click()
    await row.get_by_text("8.39 MB of 20 MB").wait_for()
    await page.context.set_offline(True)
    gate.open.set()
    await row.get_by_text("Trying again at").wait_for()
    await page.context.set_offline(False)
    await row.get_by_text("Uploaded, 20 MB").wait_for()
    assert await shelf.read("big.bin") == path.read_bytes()
    await page.unroute_all()


async def a_session_that_is_over(person: Person, shelf: Shelf, path: Path) -> None:
    await person.go(UPLOAD)
    page = person.page
    gate = Gate(0)
    await gate.stand(page)
    await page.locator("#f-files").set_input_files(path)
    await line(page, "long.bin").get_by_text("0 bytes of 9 MB").wait_for()
    await page.context.clear_cookies()
    gate.open.set()
    await line(page, "long.bin").get_by_text("You are signed out").wait_for()
    again = Person(person.site, await page.context.new_page(), scripts=True)
    await again.sign_in()
    await line(page, "long.bin").get_by_role("button", name="Try again").click()
    await line(page, "long.bin").get_by_text("Uploaded").wait_for()
    assert await shelf.read("long.bin") == path.read_bytes()
    await page.unroute_all()


async def test_questions_refusals_folders_and_drops(chromium, commons: Site, shelf: Shelf, tmp_path: Path) -> None:
    person = await opened(chromium, commons, f"{UPLOAD}?folder=in")
    await files_that_are_there(person, shelf, tmp_path / "there")
    await wrong_checksums_and_odd_paths(person, shelf, tmp_path / "sums")
    await folders_and_drops(person, shelf, tmp_path / "tree")
    person.check()


async def files_that_are_there(person: Person, shelf: Shelf, tmp_path: Path) -> None:
    for name in ("a.txt", "b.tar.gz", "c", "d.txt", "e.txt"):
        await shelf.put(f"in/{name}", b"old")
    paths = [made(tmp_path, name, 1_000) for name in ("a.txt", "b.tar.gz", "c", "d.txt", "e.txt", "new.txt")]
    page = person.page
    await page.locator("#f-files").set_input_files(paths)
    await line(page, "in/new.txt").get_by_text("Uploaded").wait_for()
    await page.get_by_text("5 are already there").wait_for()
    await line(page, "in/a.txt").get_by_role("button", name="Replace").click()
    await line(page, "in/b.tar.gz").get_by_role("button", name="Keep both").click()
    await line(page, "in/c").get_by_role("button", name="Skip").click()
    await page.locator("[data-all=both]").click()
    for name in ("in/a.txt", "in/b (2).tar.gz", "in/d (2).txt", "in/e (2).txt"):
        await line(page, name).get_by_text("Uploaded, 1 kB").wait_for()
    assert "5 of 5 files, 5 kB of 5 kB" in await page.locator("[data-sum]").inner_text()
    assert await shelf.read("in/a.txt") == paths[0].read_bytes()
    assert await shelf.read("in/b (2).tar.gz") == paths[1].read_bytes()
    for name in ("b.tar.gz", "c", "d.txt", "e.txt"):
        assert await shelf.read(f"in/{name}") == b"old"
    assert await page.evaluate(READABLE) == []


async def wrong_checksums_and_odd_paths(person: Person, shelf: Shelf, tmp_path: Path) -> None:
    right, wrong, empty = made(tmp_path, "right.bin", 5_000), made(tmp_path, "wrong.bin", 5_000), made(tmp_path, "e", 0)
    await person.go(UPLOAD)
    page = person.page
    await page.get_by_text("Checksums to verify").click()
    sums = f"{hashlib.sha256(right.read_bytes()).hexdigest()}  right.bin\n{'0' * 32} *./wrong.bin\n"
    await page.get_by_label("Lines of sha256sum or md5sum").fill(sums)
    await page.locator("#f-files").set_input_files([right, wrong, empty])
    await line(page, "right.bin").get_by_text("Uploaded").wait_for()
    await line(page, "e").get_by_text("Uploaded, 0 bytes").wait_for()
    await line(page, "wrong.bin").locator(".bad").get_by_text("md5").wait_for()
    assert "right.bin" in await shelf.paths()
    assert "wrong.bin" not in await shelf.paths()
    await line(page, "wrong.bin").get_by_role("button", name="Remove").click()
    assert await line(page, "wrong.bin").count() == 0

    await page.get_by_role("textbox", name="Folder (optional)").fill("a/../b")
    await page.locator("#f-files").set_input_files(right)
    await line(page, "a/../b/right.bin").get_by_text("must not").wait_for()
    assert await line(page, "a/../b/right.bin").get_by_role("button", name="Try again").count() == 0


async def folders_and_drops(person: Person, shelf: Shelf, tmp_path: Path) -> None:
    for name in ("set/one.txt", "set/deep/two.txt"):
        made(tmp_path, name, 100)
    await person.go(UPLOAD)
    page = person.page
    await page.locator("#u-whole").set_input_files(tmp_path / "set")
    await line(page, "set/deep/two.txt").get_by_text("Uploaded").wait_for()
    await page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["dropped"], "dropped.txt"));
          data.items.add(new File(["too"], "too.txt"));
          data.items.add(new File(["odd"], "constructor")); // what every object of JavaScript has
          const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
          document.querySelector("[data-drop]").dispatchEvent(drop);
        }"""
    )
    await line(page, "too.txt").get_by_text("Uploaded").wait_for()
    await line(page, "dropped.txt").get_by_text("Uploaded").wait_for()
    await line(page, "constructor").get_by_text("Uploaded").wait_for()
    assert {"constructor", "dropped.txt", "set/deep/two.txt", "set/one.txt", "too.txt"} <= set(await shelf.paths())
    await page.wait_for_function("() => document.getElementById('announce').textContent === 'All files are uploaded'")


async def test_without_scripts_a_form_sends_one_file(chromium, commons: Site, shelf: Shelf, tmp_path: Path) -> None:
    path = made(tmp_path, "plain.bin", 2_000_000)
    person = await opened(chromium, commons, f"{UPLOAD}?folder=by/hand", java_script_enabled=False)
    page = person.page
    assert await page.locator("[data-drop]").is_hidden()
    await page.get_by_label("File", exact=True).set_input_files(path)
    await page.get_by_role("button", name="Upload").click()
    await page.get_by_text("plain.bin is uploaded").wait_for()
    assert await shelf.read("by/hand/plain.bin") == path.read_bytes()
    person.check()


# --- looking ----------------------------------------------------------------------------------------


async def test_previews_are_shown_and_nothing_in_them_runs(chromium, commons: Site, shelf: Shelf) -> None:
    script = b"<script>alert(2)</script><img src=x onerror=alert(3)>"
    with io.BytesIO() as archive:
        with zipfile.ZipFile(archive, "w") as written:
            written.writestr(BITING, "x")
            written.writestr("deep/er/<b>est</b>.txt", "x")
        inside = await shelf.put("inside.zip", archive.getvalue())
    picture = await shelf.put(f"pics/{BITING}.png", png(640, 480), "image/png")
    table = await shelf.put("t.csv.gz", gzip.compress(b"head," + script + b"\n1,2\n"))
    text = await shelf.put(BITING, script, "text/html")
    drawing = await shelf.put("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(4)'/>", "image/svg+xml")
    while await commons.services.file_jobs.work():
        pass
    person = await opened(chromium, commons, picture)
    page = person.page
    assert await page.locator(".preview-image").evaluate("async (one) => (await one.decode(), one.naturalWidth)") == 640
    await person.go(table)
    assert await page.locator(".preview-table th").nth(1).inner_text() == script.decode()
    await person.go(text)
    assert await page.locator(".preview-text").inner_text() == script.decode()
    assert await page.get_by_role("heading", level=1).inner_text() == BITING
    await person.go(drawing)
    assert "onload='alert(4)'" in await page.locator(".preview-text").inner_text()
    assert await page.locator("main img").count() == 0
    await person.go(inside)
    await page.locator(".tree summary", has_text="deep").focus()
    await page.keyboard.press("Enter")
    await page.locator(".tree summary", has_text="er/").last.focus()
    await page.keyboard.press("Enter")
    assert await page.get_by_text("est<").is_visible()
    assert await page.get_by_text(BITING, exact=True).is_visible()
    for place in (f"{HERE}/files", f"{HERE}/files?folder=pics", f"{HERE}/files?search=alert"):
        await person.go(place)
        assert BITING in await page.locator("main").inner_text()
    person.check()
    # Opened by itself, a picture is shown in a sandbox (where Chromium misses the styles of its own viewer).
    answer = await page.goto(f"{commons.base}{picture}/image")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_person_finds_fetches_shares_and_deletes_a_file(
    chromium, commons: Site, shelf: Shelf, tmp_path: Path
) -> None:
    for n in range(3):
        await shelf.put(f"raw/run {n}/lane.txt", b"lane %d" % n)
    person = await opened(chromium, commons, f"{HERE}/files", accept_downloads=True)
    page = person.page
    await page.get_by_role("link", name="Folder raw/").click()
    await page.get_by_role("link", name="Folder run 1/").click()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download lane.txt").click()
    await (await started.value).save_as(tmp_path / "lane.txt")
    assert (tmp_path / "lane.txt").read_bytes() == b"lane 1"
    await page.get_by_role("navigation", name="Folder").get_by_role("link", name="KIDNEY-KX1").click()
    await page.get_by_label("Search files by part of their path").fill("run 2")
    await page.get_by_role("link", name="raw/run 2/lane.txt", exact=True).click()
    await page.get_by_role("button", name="Make an address").click()
    address = await page.locator("#signed-address").inner_text()
    answer = await (await commons.browser()).http.get(address)
    assert answer.content == b"lane 2"
    await page.get_by_text("Delete", exact=True).click()
    await page.get_by_role("button", name="Yes, delete").click()
    await page.get_by_text("lane.txt is deleted").wait_for()
    assert await shelf.paths() == ["raw/run 0/lane.txt", "raw/run 1/lane.txt"]
    person.check()


async def test_these_pages_fit_and_are_readable(chromium, commons: Site, shelf: Shelf) -> None:
    table = b"\t".join(b"a_long_column_%d" % n for n in range(60)) + b"\n" + b"\t".join(b"x" * 200 for _ in range(60))
    places = [
        f"{HERE}/files", UPLOAD, f"{HERE}/files?search=nothing",
        await shelf.put("a/" + "long" * 40 + ".tsv", table), await shelf.put("p.png", png(2_000, 30)),
        await shelf.put("t.txt", b"y" * 100_000), f"{HERE}/files?folder=a",
    ]  # fmt: skip
    person = await opened(chromium, commons, places[0])
    found = {}
    for scheme, width in (("light", 360), ("dark", 1280)):
        await person.page.emulate_media(color_scheme=scheme)
        await person.page.set_viewport_size({"width": width, "height": 740})
        for address in places:
            await person.go(address)
            problems = await person.page.evaluate(READABLE)
            if problems:
                found[(address, width)] = problems
    assert found == {}
    person.check()
