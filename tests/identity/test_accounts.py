"""Accounts: who may see and change whose; names and addresses."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.principals import Door, Principal
from commensal.core.users import clean_line, fold_email, normal_email
from commensal.errors import AlreadyExists, Forbidden, Invalid, NotFound, StateConflict, Unauthenticated
from commensal.services.identity import operator
from commensal.storage.postgres.database import counting
from tests.identity.conftest import PASSWORD, Site


async def test_the_first_site_admin(site: Site) -> None:
    admin = await site.identity.add_user(operator(), "Ada@Example.ORG", password=PASSWORD, site_admin=True)
    assert (admin.email, admin.site_admin, admin.active) == ("Ada@example.org", True, True)
    session = await site.signed_in(admin)
    assert session.site_admin
    user = await site.identity.add_user(session, "bob@example.org", name="Bob")
    assert (await site.identity.user(session, user.seq)).name == "Bob"
    assert ("user.add", "ok", "bob@example.org", admin.seq) in await site.events()


async def test_addresses_are_unique_without_case(site: Site) -> None:
    await site.identity.add_user(operator(), "ada@example.org")
    for email in ("ada@example.org", "ADA@EXAMPLE.ORG", " Ada@example.org "):
        with pytest.raises(AlreadyExists):
            await site.identity.add_user(operator(), email)


async def test_what_a_user_may_do(site: Site, nobody: Principal) -> None:
    ada, bob = await site.person(), await site.person()
    session = await site.signed_in(ada)
    assert await site.identity.user(session) == await site.identity.user(session, ada.email)
    assert (await site.identity.rename(session, ada.seq, " Ada Lovelace ")).name == "Ada Lovelace"
    for forbidden in (
        lambda: site.identity.user(session, bob.seq),
        lambda: site.identity.user(session, bob.email),
        lambda: site.identity.user(session, 10**6),
        lambda: site.identity.user(session, "nobody@example.org"),
        lambda: site.identity.list_users(session),
        lambda: site.identity.rename(session, bob.seq, "Bobby"),
        lambda: site.identity.add_user(session, "eve@example.org"),
        lambda: site.identity.deactivate(session, bob.seq),
        lambda: site.identity.deactivate(session, ada.seq),
        lambda: site.identity.activate(session, ada.seq),
        lambda: site.identity.set_password(session, ada.seq, "a new grey heron"),
        lambda: site.identity.set_site_admin(session, ada.seq, site_admin=True),
        lambda: site.identity.reset_link(session, ada.seq),
        lambda: site.identity.invite(session, "eve@example.org"),
    ):
        with pytest.raises(Forbidden):
            await forbidden()
    for unknown in (
        lambda: site.identity.user(nobody),
        lambda: site.identity.user(nobody, ada.seq),
        lambda: site.identity.list_users(nobody),
        lambda: site.identity.rename(nobody, ada.seq, "x"),
        lambda: site.identity.add_user(nobody, "eve@example.org"),
        lambda: site.identity.change_password(nobody, PASSWORD, "a new grey heron"),
        lambda: site.keys.list(nobody),
        lambda: site.keys.revoke(nobody, 1),
        lambda: site.keys.log_out(nobody),
        lambda: site.identity.list_invitations(nobody),
        lambda: site.identity.invite(nobody, "eve@example.org"),
    ):
        with pytest.raises(Unauthenticated):
            await unknown()
    refused = {action for action, result, _, who in await site.events() if result == "refused" and who == ada.seq}
    assert {"user.read", "user.list", "user.add", "user.deactivate", "user.password"} <= refused


async def test_site_admins_manage_everybody(site: Site) -> None:
    admin, ada = await site.person(site_admin=True), await site.person()
    session = await site.signed_in(admin)
    for ref in (ada.seq, str(ada.seq), ada.uuid, str(ada.uuid), ada.email.upper()):
        assert (await site.identity.user(session, ref)).seq == ada.seq
    for ref in (10**30, "9" * 30, uuid4(), "nobody@example.org", "a\0@b", "", "\ud800@x"):
        with pytest.raises(NotFound):
            await site.identity.user(session, ref)
    await site.identity.rename(session, ada.seq, "Countess")
    await site.identity.set_password(session, ada.seq, "a new grey heron")
    await site.identity.sign_in(ada.email, "a new grey heron", door=Door.PORTAL)
    for act in (site.identity.rename(session, 1, "x"), site.identity.set_password(session, 1, "a new grey heron")):
        with pytest.raises(NotFound):
            await act


async def test_pages_of_users(site: Site) -> None:
    for name in ("Cleo", "ada", "Bob", "100%_\\"):
        await site.identity.add_user(operator(), f"{name[0].lower()}@example.org", name=name)
    with counting() as count:
        page, total = await site.identity.list_users(operator(), offset=1, limit=2)
    assert ([user.name for user in page], total, count.n) == (["ada", "Bob"], 4, 1)
    assert ([user.name for user in (await site.identity.list_users(operator(), "CLE"))[0]]) == ["Cleo"]
    assert await site.identity.list_users(operator(), "%") == await site.identity.list_users(operator(), "100%_\\")
    assert await site.identity.list_users(operator(), "nobody\0") == ([], 0)
    assert await site.identity.list_users(operator(), offset=10**30) == ([], 4)


async def test_the_last_site_admin_stays(site: Site) -> None:
    first = await site.person(site_admin=True)
    session = await site.signed_in(first)
    for act in (
        site.identity.deactivate(session, first.seq),
        site.identity.set_site_admin(session, first.seq, site_admin=False),
    ):
        with pytest.raises(StateConflict):
            await act
    second = await site.person()
    await site.identity.set_site_admin(session, second.seq, site_admin=True)
    await site.identity.set_site_admin(session, first.seq, site_admin=False)
    assert not (await site.identity.user(operator(), first.seq)).site_admin


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@", "ada@", "@example.org", "a@b@c", "a b@c", "a@b\n", "a@b\nBcc: x@y", "a\0@b", "<a@b>", "a@b,c@d",
     "a@.org", "a@b..c", "a@b.", "x" * 250 + "@b.de", "a@\ud800"],
)  # fmt: skip
def test_no_addresses(email: str) -> None:
    if email == "a@b\n":
        assert normal_email(email) == "a@b"
        return
    with pytest.raises(Invalid):
        normal_email(email)


@given(st.text(max_size=300))
def test_an_address_that_passes_can_be_stored_and_mailed(text: str) -> None:
    try:
        email = normal_email(text)
    except Invalid:
        return
    assert normal_email(email) == email
    assert fold_email(email) == fold_email(email.upper()) or not email.isascii()
    assert "\0" not in email
    assert not set(email) & set("\r\n\t <>,;")
    email.encode()


@given(st.text(max_size=300))
def test_a_name_that_passes_can_be_stored(text: str) -> None:
    try:
        name = clean_line(text, field="name")
    except Invalid:
        return
    assert "\n" not in name
    assert "\0" not in name
    name.encode()
