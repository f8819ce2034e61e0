"""Submitting records without scripts: a form that checks first, and names every error at its record."""

from __future__ import annotations

import httpx
import pytest

from .conftest import Browser, Site, fill

SUBMIT = "/portal/projects/KIDNEY-KX1/submit"
HEAD = "type\tsubmitter_id\tprojects.code\tsex\n"


@pytest.fixture
async def ada(site: Site) -> Browser:
    browser = await site.signed_in("ada@example.org")
    await fill(site, samples=1)
    return browser


async def send(browser: Browser, body: str = "", name: str = "s.tsv", **fields: str) -> httpx.Response:
    return await browser.http.post(
        SUBMIT,
        data={"form_token": await browser.token(SUBMIT), "format": "", "act": "check", "text": "", **fields},
        files={"file": (name if body else "", body.encode(), "application/octet-stream")},
        headers={"accept": "text/html", "origin": str(browser.http.base_url).rstrip("/")},
    )


async def subjects(site: Site) -> int:
    who = await site.principal("ada@example.org")
    project = await site.services.catalog.project(who, "KIDNEY-KX1")
    return (await site.services.records.counts(who, project))["subject"]


async def test_records_are_checked_then_written(site: Site, ada: Browser) -> None:
    table = HEAD + "subject\tQ1\tKX1\tfemale\nsubject\tP1\tKX1\tmale\n"
    checked = await send(ada, table)
    assert checked.status_code == 200, checked.text
    assert "All 2 records can be submitted" in checked.text
    assert "1 new, 1 changed. Nothing has been written yet" in checked.text
    assert await subjects(site) == 2
    written = await send(ada, table, act="write")
    assert "2 records submitted" in written.text
    assert await subjects(site) == 3
    pasted = await send(ada, text='{"type": "subject", "submitter_id": "Q2", "projects": {"code": "KX1"}}', act="write")
    assert "1 record submitted" in pasted.text
    comma = await send(ada, "type,submitter_id,projects.code\nsubject,Q3,KX1\n", name="x.txt", act="write")
    assert "1 record submitted" in comma.text
    assert await subjects(site) == 5


async def test_every_error_stands_at_its_record_and_nothing_is_written(site: Site, ada: Browser) -> None:
    rows = [*(f"subject\tQ{n}\tNOPE\tfemale" for n in range(120)), "subject\t<b>Q</b>\tKX1\tmale"]
    answer = await send(ada, HEAD + "\n".join(rows), act="write")
    assert answer.status_code == 422
    for shown in ("120 records of 121 have errors", "Record 1 (<bdi>subject Q0</bdi>)", "… and 20 more", "NOPE"):
        assert shown in answer.text, shown
    assert "<b>Q</b>" not in answer.text
    for body, fields, sentence in (
        ("", {}, "Choose a file, or paste records"),
        ("[{", {"format": "json"}, "Unable to parse json"),
        ("", {"text": '[{"type": "<i>"'}, "Unable to parse json"),
        (HEAD + "subject\tA\n", {"format": "json"}, "Unable to parse json"),
        (HEAD + "nonsense\tA\tKX1\tmale\n", {}, "nonsense"),
    ):
        answer = await send(ada, body, **fields)
        assert (answer.status_code, sentence in answer.text) == (422, True), (body, fields)
        assert "<i>" not in answer.text.partition("<main")[2].replace("Renal <i>", "")
    assert await subjects(site) == 2


async def test_who_may_not_write_is_refused(site: Site, ada: Browser) -> None:
    vera = await site.signed_in("vera@example.org")
    files = {"file": ("s.tsv", b"type\tsubmitter_id\n", "text/plain")}
    token = await vera.token("/portal/profile")
    assert (await vera.http.post(SUBMIT, data={"form_token": token}, files=files)).status_code == 403
    assert (await ada.http.post(SUBMIT, data={"form_token": "0" * 64}, files=files)).status_code == 403
    nobody = await site.browser()
    assert (await nobody.http.post(SUBMIT, data={"form_token": token}, files=files)).status_code in (303, 401, 403)
