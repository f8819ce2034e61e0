"""Files in the portal without a browser: folders, search, one file, what is shown of it, who may see what."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile

import pytest

from commensal.core.index import NewIndexRecord
from commensal.core.permissions import PublicLevel
from commensal.services.identity import operator
from commensal.storage.postgres.database import counting

from .conftest import Browser, Site, fill
from .shelf import HERE, Shelf, open_shelf, png

NASTY = "<img src=x onerror=alert(1)>'\"& Größe\u202e.html"


@pytest.fixture
async def ada(site: Site) -> Browser:
    browser = await site.signed_in("ada@example.org")
    await fill(site, samples=1)
    return browser


@pytest.fixture
async def shelf(site: Site, ada: Browser) -> Shelf:
    return await open_shelf(site)


async def reader(site: Site, role: str, name: str) -> Browser:
    browser = await site.signed_in(f"{name}@example.org")
    await site.services.grants.grant(operator(), f"{name}@example.org", role, "KIDNEY")
    return browser


def rows_of(page: str) -> list[str]:
    """Return the names in the list of files, in order."""
    return re.findall(r"<bdi>([^<]*)</bdi>(?:/</span>)?</a>(?!</li>)", page.partition("<tbody>")[2])


# --- folders ----------------------------------------------------------------------------------------


async def test_folders_are_opened_level_by_level(site: Site, ada: Browser, shelf: Shelf) -> None:
    for path, size in (
        ("raw/a/1.bam", 10),
        ("raw/a/2.bam", 2_000),
        ("raw/b.txt", 5),
        ("rawest.txt", 7),
        ("z/ä ö/x", 1),
    ):
        await shelf.put(path, path.encode().ljust(size, b"."))
    top = (await ada.get(f"{HERE}/files")).text
    assert rows_of(top) == ["raw", "z", "rawest.txt"]
    assert "5 files, 2.04 kB" in top
    raw = (await ada.get(f"{HERE}/files?folder=raw/")).text
    assert rows_of(raw) == ["a", "b.txt"]
    assert re.search(r"2 files</td>", raw)
    deep = await ada.get(f"{HERE}/files?folder=z%2F%C3%A4+%C3%B6")
    assert rows_of(deep.text) == ["x"]
    assert f'href="{HERE}/files?folder=z%2F"' in deep.text
    assert "This folder is empty" in (await ada.get(f"{HERE}/files?folder=nothing/")).text
    assert rows_of((await ada.get(f"{HERE}/files?folder=ra")).text) == []


async def test_files_are_searched_ordered_and_paged(site: Site, ada: Browser, shelf: Shelf) -> None:
    for n in range(60):
        await shelf.put(f"set{n % 2}/Sample_{n:02}%.csv", b"x" * (n + 1))
    found = (await ada.get(f"{HERE}/files?search=sAMPLE_1")).text
    assert rows_of(found) == [f"set{n % 2}/Sample_{n:02}%.csv" for n in (10, 12, 14, 16, 18, 11, 13, 15, 17, 19)]
    assert rows_of((await ada.get(f"{HERE}/files?search=_03%25.&folder=set1")).text) == ["Sample_03%.csv"]
    assert "Nothing matches" in (await ada.get(f"{HERE}/files?search=a_b")).text
    largest = (await ada.get(f"{HERE}/files?folder=set1&order=size-down&limit=25")).text
    assert rows_of(largest) == [f"Sample_{n:02}%.csv" for n in range(59, 9, -2)]
    assert 'aria-sort="descending"' in largest
    last = (await ada.get(f"{HERE}/files?folder=set1&order=size-down&limit=25&offset=25")).text
    assert rows_of(last) == [f"Sample_{n:02}%.csv" for n in range(9, 0, -2)]
    assert "26–30 of 30" in last
    assert "behind the end" in (await ada.get(f"{HERE}/files?folder=set1&offset=50")).text
    assert (await ada.get(f"{HERE}/files?order=nonsense")).status_code == 200


async def test_a_page_of_folders_is_one_statement_however_many_there_are(
    site: Site, ada: Browser, shelf: Shelf
) -> None:
    await shelf.put("first", b"1")
    counts = []
    for _ in range(2):
        with counting() as counted:
            page = await site.services.folders.level(shelf.who, shelf.project)
        counts.append(counted.n)
        for n in range(5):
            await shelf.put(f"d{n}/x", b"x")
    assert page.total == 6
    assert counts[0] == counts[1]


# --- one file ---------------------------------------------------------------------------------------


async def test_a_file_shows_what_is_known_and_how_to_fetch_it(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("in/it's $(rm).csv", b"a,b\n1,2\n", "text/csv", record=("sample", "S000"))
    page = (await ada.get(at)).text
    file = await site.services.files.get(shelf.who, shelf.project, path="in/it's $(rm).csv")
    for shown in (f"GSF{file.seq}", str(file.uuid), file.md5, file.sha256, "8 bytes", "text/csv", "Tumour number 0"):
        assert shown in page, shown
    # Whatever it is called, a copied command names one file and runs nothing.
    assert "--output &#39;./it&#39;&#34;&#39;&#34;&#39;s_$(rm).csv&#39;" in page
    assert "files/in/it%27s%20%24%28rm%29.csv" in page
    assert f"download_single(&#39;{file.uuid}&#39;" in page
    found = await ada.get(f"{HERE}/file?path=in/it%27s+$(rm).csv")
    assert (found.status_code, found.headers["location"]) == (303, at)
    assert (await ada.get(f"{HERE}/file?path=in")).status_code == 404
    assert (await ada.get(f"{HERE}/file/00000000-0000-7000-8000-000000000000")).status_code == 404


async def test_a_record_of_the_index_without_bytes_is_shown_with_what_it_says(
    site: Site, ada: Browser, shelf: Shelf
) -> None:
    record = await site.services.index.create(
        shelf.who,
        NewIndexRecord(
            did="dg.TEST/0b0e1a2c-93c4-4a0b-8d6e-1f2a3b4c5d6e", size=12, hashes={"md5": "0" * 32},
            urls=("s3://else/<b>where</b>",), authz=("/programs/KIDNEY/projects/KX1",), file_name="far.bam",
            metadata={"<i>kind</i>": "x"}, version="v7",
        ),
    )  # fmt: skip
    answer = await ada.get(f"{HERE}/file/{record.file.uuid}")
    assert answer.status_code == 200
    for shown in (
        record.did,
        "far.bam",
        "s3://else/&lt;b&gt;where&lt;/b&gt;",
        "v7",
        "&lt;i&gt;kind&lt;/i&gt;",
        "not here",
    ):
        assert shown in answer.text, shown
    assert "Fetch it from a script" not in answer.text
    assert "registered" in (await ada.get(f"{HERE}/files?search=far")).text


async def test_names_and_contents_run_nowhere(site: Site, ada: Browser, shelf: Shelf) -> None:
    script = b"<script>alert(1)</script>"
    places = {
        await shelf.put(NASTY, script, "text/html"),
        await shelf.put("x/<script>alert(2)</script>.svg", b"<svg onload='alert(1)'>" + script, "image/svg+xml"),
        await shelf.put(f"{NASTY}/t.csv", b"<b>h</b>,x\n" + script + b",=cmd|' /C calc'!A0\n", "text/csv"),
    }
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("<img src=x onerror=alert(3)>.txt", "x")
        places.add(await shelf.put("a.zip", made.getvalue(), "application/zip"))
    while await site.services.file_jobs.work():
        pass
    places |= {f"{HERE}/files", f"{HERE}/files?search=alert", f"{HERE}/files?folder=x/"}
    for place in places:
        answer = await ada.get(place)
        assert answer.status_code == 200
        for bad in ("<script>alert", "<img src=x", "<svg onload", "<b>h</b>"):
            assert bad not in answer.text, (place, bad)
        assert "object-src 'none'" in answer.headers["content-security-policy"]
        if place.endswith(("folder=x/", "search=alert")):
            assert "&lt;script&gt;alert" in answer.text
    shown = "".join([(await ada.get(place)).text for place in places])
    assert "&lt;svg onload=" in shown
    assert "&lt;img src=x onerror=alert(3)&gt;.txt" in shown


async def test_each_kind_of_file_is_previewed_or_says_why_not(site: Site, ada: Browser, shelf: Shelf) -> None:
    table = b"gene\tcount\n" + b"".join(b"g%d\t%d\n" % (n, n) for n in range(20_000))
    kinds = {
        "notes.txt": (b"line one\nline two\n", "line two"),
        "long.txt": (b"y" * 200_000, "there is more in the file"),
        "table.tsv": (table, "The first 50 rows"),
        "table.tsv.gz": (gzip.compress(table), '<td class="nowrap">g7</td>'),
        "log.gz": (gzip.compress(b"hello from a log"), "hello from a log"),
        "latin.csv": ("a;b\nMünchen;1 is a town in Bavaria, and this line is long\n".encode("latin-1"), "München"),
        "empty.txt": (b"", "This file is empty."),
        "data.bin": (bytes(range(256)) * 20, "no text, table or image"),
        "bomb.gz": (gzip.compress(bytes(3_000_000)), "no text, table or image"),
        "broken.csv.gz": (b"\x1f\x8b\x08\x00garbage", "damaged"),
        "bomb.png": (png(2, 2)[:16] + struct.pack(">II", 60_000, 60_000) + png(2, 2)[24:], "more than is shown here"),
        "half.png": (png(2, 2)[:18], "cannot be read"),
    }
    for name, (body, shown) in kinds.items():
        page = (await ada.get(await shelf.put(name, body))).text
        assert shown in page, name
        assert len(page) < 200_000, name


async def test_pictures_are_sent_as_what_they_are(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("evil.html", png(30, 20), "text/html")
    page = (await ada.get(at)).text
    assert f'<img class="preview-image" src="{at}/image"' in page
    assert 'width="30" height="20"' in page
    answer = await ada.get(f"{at}/image")
    assert answer.content == png(30, 20)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    for name, body in (
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("b.png", b"<script>1</script>"),
        ("e", b""),
    ):
        other = await shelf.put(name, body, "image/png")
        assert (await ada.get(f"{other}/image")).status_code == 404
        assert "<img" not in (await ada.get(other)).text


async def test_the_contents_tree_is_shown_and_cut(site: Site, ada: Browser, shelf: Shelf) -> None:
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w") as archive:
            for n in range(300):
                archive.writestr(f"many/{n:03}.txt", "x" * n)
            archive.writestr("deep/er/est.txt", "x")
        at = await shelf.put("archive.zip", made.getvalue())
    assert "still being made" in (await ada.get(at)).text
    while await site.services.file_jobs.work():
        pass
    page = (await ada.get(at)).text
    for shown in ("many", "007.txt", "7 bytes", "… and 100 more", "est.txt"):
        assert shown in page, shown
    wrong = await shelf.put("no.h5ad", b"this is no HDF5")
    while await site.services.file_jobs.work():
        pass
    assert "What is inside could not be read" in (await ada.get(wrong)).text


# --- rights -----------------------------------------------------------------------------------------


async def test_without_download_nothing_of_the_bytes_is_seen(site: Site, ada: Browser, shelf: Shelf) -> None:
    await site.services.catalog.set_public_level(shelf.who, shelf.project, PublicLevel.NONE)
    text, picture = await shelf.put("a.txt", b"a secret sentence"), await shelf.put("p.png", png(3, 3))
    viewer, analyst = await reader(site, "viewer", "vera"), await reader(site, "analyst", "anna")
    counter, stranger, nobody = (
        await reader(site, "counter", "cora"),
        await site.signed_in("sam@example.org"),
        await site.browser(),
    )

    page = await viewer.get(text)
    assert page.status_code == 200
    assert "needs the right to download" in page.text
    for hidden in ("a secret sentence", "curl", f'href="{HERE}/files/a.txt"', "/delete"):
        assert hidden not in page.text, hidden
    assert (await viewer.get(f"{picture}/image")).status_code == 403
    assert (await viewer.get(f"{HERE}/files/a.txt")).status_code == 403
    assert (await viewer.post(f"{text}/address", page="/portal/profile")).status_code == 403
    assert (await viewer.post(f"{text}/delete", page="/portal/profile")).status_code == 403

    page = await analyst.get(text)
    assert "a secret sentence" in page.text
    assert "/delete" not in page.text
    assert (await analyst.get(f"{picture}/image")).status_code == 200
    assert (await analyst.post(f"{text}/delete", page="/portal/profile")).status_code == 403

    for address in (text, f"{picture}/image", f"{HERE}/files", f"{HERE}/file?path=a.txt", f"{HERE}/files/a.txt"):
        assert (await counter.get(address)).status_code == 403, address
        assert (await stranger.get(address)).status_code == 404, address
        assert (await nobody.get(address)).status_code == 303, address
    for act in ("delete", "address"):
        assert (await stranger.post(f"{text}/{act}", page="/portal/profile")).status_code == 404
    assert (await site.services.files.get(shelf.who, shelf.project, path="a.txt")).size == 17


async def test_a_file_of_another_project_is_not_found(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("a.txt", b"mine")
    other = await site.services.catalog.add_project(shelf.who, "KIDNEY", "KX2", title="Other")
    elsewhere = at.replace("KX1", other.code)
    for address in (elsewhere, f"{elsewhere}/image"):
        assert (await ada.get(address)).status_code == 404
    for act in ("delete", "address"):
        assert (await ada.post(f"{elsewhere}/{act}", page=at)).status_code == 404
    assert (await ada.get(at)).status_code == 200


# --- acts -------------------------------------------------------------------------------------------


async def test_an_address_opens_the_file_without_an_account(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("d/é.txt", b"for you")
    page = (await ada.post(f"{at}/address", page=at)).text
    address = re.search(r'<code id="signed-address">([^<]+)</code>', page)
    assert address is not None
    nobody = await site.browser()
    answer = await nobody.http.get(address[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.content) == (200, b"for you")
    assert (await ada.http.post(f"{at}/address", data={"form_token": "0" * 64})).status_code == 403


async def test_a_deleted_file_is_gone_and_can_come_back(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("d/gone.txt", b"bytes")
    answer = await ada.post(f"{at}/delete", page=at)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}/files?folder=d%2F")
    page = (await ada.get(answer.headers["location"])).text
    number = re.search(r"gone.txt is deleted\. .*\(deletion (\d+)\)", page)
    assert number is not None
    assert (await ada.get(at)).status_code == 404
    assert (await ada.post(f"{at}/delete", page=f"{HERE}/files")).status_code == 404
    await site.services.deletion.undelete(operator(), int(number[1]))
    assert (await ada.get(at)).status_code == 200


async def test_what_was_seen_is_in_the_audit(site: Site, ada: Browser, shelf: Shelf) -> None:
    at = await shelf.put("a.txt", b"seen")
    signing = {"form_token": await ada.token(at)}

    async def last() -> tuple[str, str]:
        await site.services.audit.flush()
        async with site.services.database.read() as unit:
            rows = await unit.rows(
                "select action, target from audit_events where door = 'portal' order by id desc limit 1"
            )
        return rows[0]["action"], rows[0]["target"]

    for act, action in (
        (lambda: ada.get(at), "file.download"),
        # Whoever holds an address reads as often as he likes: that it was made is not lost beside a look at the page.
        (lambda: ada.http.post(f"{at}/address", data=signing), "file.sign"),
        (lambda: ada.http.post(f"{at}/address", data=signing, headers={"hx-request": "true"}), "file.sign"),
    ):
        assert (await act()).status_code == 200
        assert await last() == (action, "a.txt")
