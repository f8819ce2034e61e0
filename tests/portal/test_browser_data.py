"""A person with a real browser: submits a table with errors, mends it, exports it, queries it, reads the dictionary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Site
from .test_browser import READABLE, Person, pytestmark, window  # noqa: F401

HEAD = "type\tsubmitter_id\tprojects.code\tsex\torganism\n"
SUBMIT = "/portal/projects/KIDNEY-KX1/submit"


def table(*rows: str) -> dict[str, object]:
    text = HEAD + "".join(f"subject\t{row}\n" for row in rows)
    return {"name": "subjects.tsv", "mimeType": "text/tab-separated-values", "buffer": text.encode()}


async def opened(chromium, commons: Site, address: str, **settings) -> Person:
    person = await window(chromium, commons, **settings)
    await person.sign_in()
    await person.go(address)
    return person


async def count(commons: Site, kind: str) -> int:
    who = await commons.principal("ada@example.org")
    project = await commons.services.catalog.project(who, "KIDNEY-KX1")
    return (await commons.services.records.counts(who, project))[kind]


# --- submission -------------------------------------------------------------------------------------


async def test_errors_stand_at_their_cells_and_a_mended_table_is_written(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, SUBMIT)
    page = person.page
    before = await count(commons, "subject")
    check, write = page.get_by_role("button", name="Check"), page.get_by_role("button", name="Submit", exact=True)
    assert await check.is_disabled()
    bad = table("Q1\tKX1\tfemale\tHomo sapiens", "Q2\tNOPE\tfemale\t", "\tKX1\tmale\t", "Q4\tKX1\tmale\t")
    await page.locator("#f-file").set_input_files(bad)
    await page.get_by_role("heading", name="4 rows").wait_for()
    await check.click()
    await page.get_by_text("2 rows of 4 have errors").wait_for()
    assert "Nothing was written" in await page.locator("[data-outcome]").inner_text()
    assert await write.is_disabled()

    # Only the rows with errors are shown first, each with its line in the file.
    rows = page.locator("[data-table] tbody tr")
    assert await rows.count() == 2
    heads = [await cell.inner_text() for cell in await page.locator("[data-table] thead th").all()]
    first, second = rows.nth(0), rows.nth(1)
    assert (await first.locator(".line-number").inner_text(), await second.locator(".line-number").inner_text()) == (
        "3",
        "4",
    )
    wrong = first.locator("td.cell-bad")
    assert await wrong.count() == 1
    assert "NOPE" in await wrong.locator(".cell-value").inner_text()
    assert await wrong.locator(".cell-fault").inner_text()
    assert await wrong.evaluate("cell => cell.cellIndex") == heads.index("projects.code")
    assert await second.locator("td.cell-bad").first.evaluate("cell => cell.cellIndex") == heads.index("submitter_id")
    await page.get_by_role("button", name="All rows").click()
    assert await rows.count() == 4
    assert await page.evaluate(READABLE) == []
    assert await count(commons, "subject") == before

    good = table("Q1\tKX1\tfemale\tHomo sapiens", "Q2\tKX1\tfemale\t", "Q3\tKX1\tmale\t", "P1\tKX1\tmale\t")
    await page.locator("#f-file").set_input_files(good)
    await check.click()
    await page.get_by_text("All 4 records can be submitted").wait_for()
    assert "3 new, 1 changed" in await page.locator("[data-outcome]").inner_text()
    assert await count(commons, "subject") == before
    await write.click()
    await page.get_by_text("4 records submitted").wait_for()
    assert await count(commons, "subject") == before + 3
    await page.get_by_role("link", name="See the records").click()
    await page.wait_for_url("**/portal/projects/KIDNEY-KX1")
    person.check()


async def test_many_errors_are_paged_and_summed_up(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, SUBMIT)
    page = person.page
    await page.locator("#f-file").set_input_files(table(*(f"Q{n}\tNOPE\t\t" for n in range(120))))
    await page.get_by_role("button", name="Check").click()
    await page.get_by_text("120 rows of 120 have errors").wait_for()
    rows = page.locator("[data-table] tbody tr")
    assert await rows.count() == 50
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("button", name="Next").click()
    assert await rows.count() == 20
    assert await page.locator("td.cell-bad").count() == 20
    assert "101–120 of 120 rows" in await page.locator("[data-pager]").inner_text()
    person.check()


async def test_json_and_csv_can_be_pasted_and_unknown_types_are_shown(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, SUBMIT)
    page = person.page
    check, outcome = page.get_by_role("button", name="Check"), page.locator("[data-outcome]")
    await page.get_by_text("Paste text instead").click()
    area = page.get_by_role("textbox", name="Records as text")
    record = {"type": "sample", "submitter_id": "N1", "subjects": {"submitter_id": "NOBODY"}, "age": "old"}
    await area.fill(json.dumps([{**record, "age": 4, "subjects": {"submitter_id": "P1"}}, record]))
    await page.get_by_role("heading", name="2 rows", exact=True).wait_for()
    await check.click()
    await page.get_by_text("1 row of 2 has errors").wait_for()
    marked = [await cell.inner_text() for cell in await page.locator("td.cell-bad .cell-value").all()]
    assert "old" in marked

    await area.fill('type,submitter_id,label\nsmaple,N2,"one, two"\nsample,N3,three\n')
    await page.get_by_role("cell", name="one, two").wait_for()
    await check.click()
    await page.get_by_text("smaple").first.wait_for()
    await page.get_by_text("The dictionary has no such type.").wait_for()
    assert await page.locator("td.cell-bad").count() == 1

    await area.fill("type\tsubmitter_id\nsample\tN1\tmore\tcells\n")
    await page.get_by_role("heading", name="1 row", exact=True).wait_for()
    await check.click()
    await page.locator("[data-outcome] .notice.bad", has_text="line 2").wait_for()

    await area.fill('[{"type": "sample"')
    await page.get_by_text("This is no JSON").wait_for()
    assert await check.is_disabled()
    await area.fill("label\tsubmitter_id\nx\tN1\n")
    await check.click()
    await page.locator("[data-outcome] .notice.bad", has_text="type").wait_for()
    await page.get_by_role("button", name="Start over").click()
    assert await outcome.inner_text() == ""
    person.check()


async def test_a_file_is_dropped_and_one_that_is_too_large_is_refused_at_once(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, SUBMIT)
    page = person.page
    drop = """(size) => {
      const data = new DataTransfer();
      const text = size ? new Uint8Array(size) : "type\\tsubmitter_id\\tprojects.code\\nsubject\\tD1\\tKX1\\n";
      data.items.add(new File([text], "dropped.tsv"));
      document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    await page.evaluate(drop, 0)
    await page.get_by_role("heading", name="1 row", exact=True).wait_for()
    assert "dropped.tsv" in await page.locator("[data-drop]").inner_text()
    await page.get_by_role("button", name="Check").click()
    await page.get_by_text("All 1 record can be submitted").wait_for()
    await page.evaluate(drop, 68_000_000)
    await page.get_by_text("too large for one request").wait_for()
    assert await page.get_by_role("button", name="Check").is_disabled()
    person.check()


async def test_templates_are_found_and_filled(chromium, commons: Site, tmp_path: Path) -> None:
    person = await opened(chromium, commons, SUBMIT, accept_downloads=True)
    page = person.page
    await page.get_by_label("Search types").fill("subj")
    assert await page.locator("#type-list li:visible").count() == 1
    async with page.expect_download() as started:
        await page.get_by_role("link", name="TSV template of subject").click()
    path = tmp_path / "subject.tsv"
    await (await started.value).save_as(path)
    columns = path.read_text().splitlines()[0].split("\t")
    values = {"type": "subject", "submitter_id": "T1", "projects.code": "KX1", "project_id": ""}
    path.write_text("\n".join(["\t".join(columns), "\t".join(values.get(c.lstrip("*"), "") for c in columns), ""]))
    await page.locator("#f-file").set_input_files(path)
    await page.get_by_role("button", name="Check").click()
    await page.get_by_text("All 1 record can be submitted").wait_for()
    person.check()


async def test_export_from_the_records_page(chromium, commons: Site, tmp_path: Path) -> None:
    person = await opened(chromium, commons, "/portal/projects/KIDNEY-KX1?type=sample", accept_downloads=True)
    async with person.page.expect_download() as started:
        await person.page.get_by_role("link", name="Export sample as TSV").click()
    download = await started.value
    assert download.suggested_filename == "KIDNEY-KX1_sample.tsv"
    await download.save_as(tmp_path / "s.tsv")
    assert len((tmp_path / "s.tsv").read_text().splitlines()) == 61
    person.check()


# --- queries ----------------------------------------------------------------------------------------


async def written(page, text: str) -> None:
    """Replace the query as a person does."""
    await page.get_by_role("textbox", name="Query").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Delete")
    await page.keyboard.type(text)


async def test_names_complete_and_control_enter_runs(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, "/portal/graphql")
    page = person.page
    await page.wait_for_selector("[data-ready]")
    await written(page, "{ sampl")
    options = page.locator(".cm-tooltip-autocomplete li")
    await options.first.wait_for()
    assert any(text.startswith("sample") for text in await options.all_inner_texts())
    await page.keyboard.press("Escape")
    await written(page, '{ sample(first: 3, order_by_asc: "submitter_id") { organ')
    await page.locator(".cm-tooltip-autocomplete li", has_text="organism").first.wait_for()
    await page.keyboard.press("Tab")
    await page.keyboard.type(" submitter_id subjects { submitter_id }")
    await page.keyboard.press("Control+Enter")
    rows = page.locator("[data-result] tbody tr")
    await rows.nth(2).wait_for()
    assert await rows.count() == 3
    heads = await page.locator("[data-result] thead th").all_inner_texts()
    assert heads == ["organism", "submitter_id", "subjects.submitter_id"]
    assert await rows.nth(0).locator("td").all_inner_texts() == ["Homo sapiens", "S000", "P1"]
    await page.get_by_role("button", name="JSON").click()
    shown = json.loads(await page.locator(".result-json").inner_text())
    assert [one["submitter_id"] for one in shown["sample"]] == ["S000", "S001", "S002"]
    assert await page.evaluate(READABLE) == []
    person.check()


async def test_faults_are_underlined_and_said(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, "/portal/graphql")
    page = person.page
    await page.wait_for_selector("[data-ready]")
    await written(page, "{ sample { colour ")
    await page.keyboard.press("Escape")
    marked = page.locator("[data-query-editor] .cm-lintRange-error")
    await page.wait_for_function(
        "() => [...document.querySelector('[data-query-editor]').shadowRoot.querySelectorAll('.cm-lintRange-error')]"
        ".some((one) => one.textContent.includes('colour'))"
    )
    await page.keyboard.press("Control+Enter")
    await page.locator("[data-errors]", has_text="colour").wait_for()
    await written(page, "{ sample { submitter_id ) ")
    await page.keyboard.press("Control+Enter")
    await page.locator("[data-errors]", has_text="Syntax Error").wait_for()
    await marked.first.wait_for()
    person.check()


async def test_variables_history_and_python(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, "/portal/graphql", permissions=["clipboard-read", "clipboard-write"])
    page = person.page
    await page.wait_for_selector("[data-ready]")
    await page.get_by_label("Examples").select_option(label="Search sample records with variables")
    await page.evaluate("""commensalQuery.variables.set('{"project": ["KIDNEY-KX1"], "text": "S05"}')""")
    await page.get_by_role("button", name="Run").click()
    await page.locator("[data-result] tbody tr").nth(9).wait_for()
    assert await page.locator("[data-result] tbody tr").count() == 10
    await page.get_by_role("button", name="Copy as Python").click()
    await page.wait_for_function("() => document.getElementById('announce').textContent.includes('Copied')")
    text = await page.evaluate("navigator.clipboard.readText()")
    compile(text, "copied", "exec")
    assert '"project": ["KIDNEY-KX1"]' in text
    assert "submission.query(query, variables)" in text

    await person.go("/portal/graphql")
    await page.wait_for_selector("[data-ready]")
    assert "query Find" in await page.evaluate("commensalQuery.query.text()")
    assert await page.get_by_label("History").locator("option").count() == 3
    await page.get_by_label("History").select_option("forget")
    assert await page.get_by_label("History").locator("option").count() == 1
    await page.evaluate("commensalQuery.variables.set('{nonsense')")
    await page.get_by_role("button", name="Run").click()
    await page.get_by_text("The variables are no JSON").wait_for()
    person.check()


# --- the dictionary, and all of it on a phone ---------------------------------------------------------


async def test_the_graph_is_walked_with_the_keyboard(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, "/portal/dictionary")
    page = person.page
    await page.locator("a.type-box[data-type=sample]").focus()
    near = await page.locator(".type-box.on").evaluate_all("all => all.map((one) => one.dataset.type)")
    assert {"sample", "subject", "dataset", "data_file", "analysis_result"} == set(near)
    width = await page.locator(".picture-scroll svg").evaluate("one => one.getBoundingClientRect().width")
    await page.get_by_role("button", name="Larger").click()
    assert await page.locator(".picture-scroll svg").evaluate("one => one.getBoundingClientRect().width") > width
    await page.locator("a.type-box[data-type=sample]").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/portal/dictionary/sample")
    await page.get_by_label("Search properties").fill("tissue")
    assert await page.locator("#property-rows tr:visible").count() == 1
    person.check()


@pytest.mark.parametrize("width", [360, 1280])
async def test_these_pages_fit_and_are_readable(chromium, commons: Site, width: int) -> None:
    person = await opened(chromium, commons, SUBMIT, viewport={"width": width, "height": 740})
    found = {}
    for address in (SUBMIT, "/portal/dictionary", "/portal/dictionary/sample", "/portal/graphql"):
        await person.go(address)
        problems = await person.page.evaluate(READABLE)
        if problems:
            found[address] = problems
    assert found == {}
    person.check()


async def test_without_scripts_records_are_submitted_by_a_form(chromium, commons: Site) -> None:
    person = await opened(chromium, commons, SUBMIT, java_script_enabled=False)
    page = person.page
    assert await page.locator("[data-drop]").is_hidden()
    await page.get_by_role("textbox", name="Records as text").fill(HEAD + "subject\tW1\tKX1\tfemale\t\n")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("All 1 record can be submitted").wait_for()
    await page.get_by_label("Submit", exact=True).check()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("1 record submitted").wait_for()
    assert await count(commons, "subject") == 3
    assert await page.get_by_role("link", name="TSV template of sample").is_visible()
    await person.go("/portal/dictionary")
    assert await page.locator("#as-graph").is_visible()
    assert await page.locator("#as-table").is_visible()
    person.check()
