"""The profile page: name, password, and keys of all doors, each shown once and listed without its secret."""

import html
import json
import re

import pytest

from commensal.core.principals import Door
from commensal.errors import Unauthenticated

from .conftest import PASSWORD, Browser, Site

HERE = "/portal/profile"


def shown(page: str, door: str) -> dict[str, str]:
    """Return the JSON that a page shows for a new key."""
    found = re.search(rf'<code id="new-{door}">(.*?)</code>', page, re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found[1]))


async def make(browser: Browser, door: str, **values: str) -> dict[str, str]:
    answer = await browser.post(f"{HERE}/keys/{door}", values, page=HERE)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return shown(answer.text, door)


SHOWN = {
    "gen3": {"api_key", "key_id"},
    "polly": {"token"},
    "pangea": {"token"},
    "odm": {"api_token", "access_token"},
    "opal": {"login", "password"},
}


async def test_a_key_is_shown_once_and_works(site: Site) -> None:
    browser = await site.signed_in()
    identity = site.services.identity
    for door, names in SHOWN.items():
        key = await make(browser, door)
        assert set(key) == names
        page = (await browser.get(HERE)).text
        secrets = [value for name, value in key.items() if name not in ("key_id", "login")]
        assert all(secret not in page for secret in secrets)
        assert "Create API key" in page
        if door == "gen3":
            access = await site.services.keys.exchange(key["api_key"])
            caller = await identity.authenticate(Door.GEN3, access)
            assert key["key_id"] in page
        elif door == "opal":
            caller = await identity.authenticate_basic(Door.OPAL, key["login"], key["password"])
        else:
            caller = await identity.authenticate(Door(door), secrets[0])
        assert caller.email == "ada@example.org"


async def test_a_gen3_key_names_the_address_that_the_browser_uses(site: Site) -> None:
    import base64

    browser = await site.signed_in()
    key = await make(browser, "gen3")
    body = key["api_key"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["iss"] == f"{site.base}/user"


async def test_a_revoked_key_is_gone(site: Site) -> None:
    browser = await site.signed_in()
    key = await make(browser, "polly")
    page = (await browser.get(HERE)).text
    card = page[page.index('id="keys-polly"') : page.index('id="keys-pangea"')]
    number = re.search(r'name="id" value="(\d+)"', card)
    assert number is not None
    answer = await browser.post(f"{HERE}/keys/polly/revoke", {"id": number[1]}, page=HERE)
    assert answer.headers["location"] == f"{HERE}#keys-polly"
    page = (await browser.get(HERE)).text
    assert "The key is revoked" in page
    assert "You have no Polly key" in page
    with pytest.raises(Unauthenticated):
        await site.services.identity.authenticate(Door.POLLY, key["token"])


async def test_nobody_revokes_the_key_of_somebody_else(site: Site) -> None:
    mine, other = await site.signed_in(), await site.signed_in("grace@example.org")
    key = await make(mine, "polly")
    number = re.search(r'name="id" value="(\d+)"', (await mine.get(HERE)).text)
    assert number is not None
    answer = await other.post(f"{HERE}/keys/polly/revoke", {"id": number[1]}, page=HERE)
    assert answer.status_code == 404
    assert (await site.services.identity.authenticate(Door.POLLY, key["token"])).email == "ada@example.org"


async def test_an_opal_key_belongs_to_the_chosen_program(site: Site) -> None:
    browser = await site.signed_in()
    mine = await site.services.catalog.open_own_program(await site.principal("ada@example.org"), "Kidney lab")
    page = (await browser.get(HERE)).text
    assert f'<option value="{mine.seq}">Kidney lab</option>' in page
    key = await make(browser, "opal", program=str(mine.seq))
    caller = await site.services.identity.authenticate_basic(Door.OPAL, key["login"], key["password"])
    assert caller.only_program == mine.seq
    assert "Kidney lab</td>" in (await browser.get(HERE)).text
    refused = await browser.post(f"{HERE}/keys/opal", {"program": "99999999"}, page=HERE)
    assert refused.status_code == 404
    assert "There is no program" in refused.text


async def test_other_doors_have_no_keys(site: Site) -> None:
    browser = await site.signed_in()
    for door in ("portal", "api", "gen4"):
        assert (await browser.post(f"{HERE}/keys/{door}", page=HERE)).status_code == 404


async def test_the_name_is_changed(site: Site) -> None:
    browser = await site.signed_in()
    answer = await browser.post(f"{HERE}/name", {"name": "Ada, Countess"}, page=HERE)
    assert answer.status_code == 303
    assert "Ada, Countess" in (await browser.get(HERE)).text
    refused = await browser.post(f"{HERE}/name", {"name": "x" * 201}, page=HERE)
    assert refused.status_code == 422
    assert "longer than 200" in refused.text


async def test_the_password_is_changed(site: Site) -> None:
    browser = await site.signed_in()
    other = await site.browser()
    await other.sign_in("ada@example.org")
    for values, sentence in (
        ({"old_password": "wrong horse", "new_password": "a longer sentence"}, "problem"),
        ({"old_password": PASSWORD, "new_password": "short"}, "8 characters"),
        ({"old_password": "", "new_password": "a longer sentence"}, "Type your present password."),
    ):
        answer = await browser.post(f"{HERE}/password", values, page=HERE)
        assert answer.status_code in (401, 422)
        assert sentence in answer.text
    values = {"old_password": PASSWORD, "new_password": "a longer sentence"}
    assert (await browser.post(f"{HERE}/password", values, page=HERE)).status_code == 303
    assert (await browser.get(HERE)).status_code == 200
    assert (await other.get(HERE)).status_code == 303
    assert (await (await site.browser()).sign_in("ada@example.org", "a longer sentence")).status_code == 303
