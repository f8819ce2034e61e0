"""The pure parts of the portal: ways back, formats, snippets, columns, static files."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import commensal.portal.assets as assets
from commensal.core.principals import Door
from commensal.errors import Invalid, InvalidRows, Malformed, NotFound, Problem
from commensal.portal import FACE, formats
from commensal.portal.doors import DOORS, door_page
from commensal.portal.forms import Form
from commensal.portal.pages import ENVIRONMENT, Paging
from commensal.portal.session import safe_next
from commensal.portal.site import Site

TEMPLATES = Path(assets.__file__).parent / "templates"


def site(base: str = "https://commons.example.org") -> Site:
    return Site(
        base=base, version="1", demo=False, anonymous=False, registration="open", support="", mails=False,
        self_service=True, min_count=5, zone=ZoneInfo("Europe/Berlin"),
    )  # fmt: skip


# --- ways back --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/portal/x",
        "//evil.example/portal/",
        "/\\evil.example/portal/",
        "\\\\evil.example",
        "/portal/../../x\n",
        "javascript:alert(1)",
        "/api/v0/submission",
        "portal/projects",
        "/portal/sign-out",
        "/portal/sign-in?next=/portal/sign-in",
        "/portal/ x",
        "",
        None,
        "/portal/" + "a" * 3000,
        "http://[broken",
    ],
)
def test_a_way_back_stays_on_this_site(address: str | None) -> None:
    assert safe_next(address) == "/portal/projects"


def test_a_way_back_keeps_the_query() -> None:
    assert (
        safe_next("/portal/projects/GEO-GSE781?type=sample&offset=25")
        == "/portal/projects/GEO-GSE781?type=sample&offset=25"
    )


@given(st.text(max_size=60))
def test_a_way_back_is_always_a_path_of_the_portal(text: str) -> None:
    for address in (text, "/" + text, "//" + text, "/portal/" + text):
        assert safe_next(address).startswith("/portal/")


# --- formats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "true"), (3, "3"), (3.0, "3"), (2.5, "2.5"), ("x", "x"), (["a", 1, 2.0], "a, 1, 2"),
        ({"a": [1]}, '{"a": [1]}'), ([{"a": 1}], '[{"a": 1}]'), ([], ""),
    ],
)  # fmt: skip
def test_any_metadata_value_becomes_one_line(value: object, text: str) -> None:
    assert formats.as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB"), (3_145_728, "3.15 MB"),
     (999_999, "1 MB"), (10**15, "1 PB"), (10**19, "10000 PB")],
)  # fmt: skip
def test_sizes(value: int | None, text: str) -> None:
    assert formats.size(value) == text


def test_moments_are_shown_in_the_zone_of_the_site() -> None:
    moment = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
    assert formats.local(moment, ZoneInfo("Europe/Berlin")) == "2026-07-02 00:30"
    assert formats.utc(moment) == "2026-07-01 22:30:15 UTC"
    assert formats.iso(moment) == "2026-07-01T22:30:15Z"


@given(st.text())
def test_everybody_has_initials(name: str) -> None:
    assert formats.initials(name)


def test_initials() -> None:
    assert [formats.initials(name) for name in ("Ada Lovelace", "ada.lovelace@example.org", "ada", "")] == [
        "AL", "AL", "A", "?",
    ]  # fmt: skip


@given(st.integers(0, 500), st.sampled_from([25, 50, 100]), st.integers(0, 400))
def test_paging_stays_within_the_list(offset: int, limit: int, total: int) -> None:
    paging = Paging(offset, limit, total)
    assert 0 <= paging.first <= total
    assert 0 <= paging.last <= total
    assert paging.previous >= 0
    assert paging.next > offset


# --- forms ------------------------------------------------------------------------------------------


def test_an_error_stands_at_its_field() -> None:
    form = Form({"email": "x", "new_password": "y"})
    form.refuse(Invalid("No address.", field="email"))
    form.refuse(
        InvalidRows("Bad.", [Problem("Too short.", field="password"), Problem("Common.", field="password")]),
        password="new_password",
    )
    assert form.problems == {"email": "No address.", "new_password": "Too short. Common."}
    assert form.refuse(Invalid("Else.", field="other")).message == "Else."


def test_a_form_that_is_shown_again_holds_no_secret() -> None:
    secrets = {"password": "a", "new_password": "b", "old_password": "c", "form_token": "d"}
    assert Form({"email": "e", **secrets}).shown().values == {"email": "e"}


@pytest.mark.parametrize("text", ["x", "-1", "0", "1.5", "²", "99999999999999999999"])
def test_numbers_of_forms_are_checked(text: str) -> None:
    with pytest.raises(Malformed):
        Form({"n": text}).whole("n", 1, (1 << 63) - 1)


# --- snippets ---------------------------------------------------------------------------------------


def test_snippets_name_this_server_and_a_new_key() -> None:
    secrets = {
        Door.POLLY: {"token": "SECRET1"}, Door.PANGEA: {"token": "SECRET2"},
        Door.ODM: {"api_token": "SECRET3", "access_token": "SECRET4"},
        Door.OPAL: {"login": "LOGIN5", "password": "SECRET5"},
    }  # fmt: skip
    for door in DOORS:
        text = "\n".join(snippet.text for snippet in door_page(door, site(), secrets.get(door)).snippets)
        assert "commons.example.org" in text, door
        for name, secret in secrets.get(door, {}).items():
            assert secret in text or name == "access_token"


@pytest.mark.parametrize("base", ["https://commons.example.org", "http://127.0.0.1:8000"])
def test_python_snippets_are_python(base: str) -> None:
    found = 0
    for door in DOORS:
        for snippet in door_page(door, site(base)).snippets:
            if snippet.title.startswith("Python"):
                compile(snippet.text, door.value, "exec")
                found += 1
    assert found == 4


# --- templates and static files ---------------------------------------------------------------------


def test_templates_need_no_inline_code_and_no_other_origin() -> None:
    import re

    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        ENVIRONMENT.get_template(path.relative_to(TEMPLATES).as_posix())
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=\"\{\{ asset\()", text), path
        assert not re.search(r"(?:src|href|action|hx-get|hx-post)=\"https?://", text), path
        assert "|safe" not in text.replace("shapes[name]|safe", ""), path


def test_every_static_file_is_sent_and_needs_nothing_else() -> None:
    import re

    for path in assets.FOLDER.rglob("*"):
        if path.is_file() and path.name != "htmx.LICENSE":
            found = assets.asset(path.relative_to(assets.FOLDER).as_posix())
            if path.suffix == ".css":
                assert not re.search(rb"@import|url\(", found.body), path
    assert assets.asset_address("portal.js").startswith("/static/portal.js?v=")
    with pytest.raises(NotFound):
        assets.asset("../assets.py")


def test_pages_take_no_word_of_a_door() -> None:
    tops = {route.path.split("/")[1] for route in FACE.routes}
    assert tops <= {"", "portal", "static", "docs"}
