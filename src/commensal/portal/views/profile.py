"""The profile page: who I am, my password, and the keys of all doors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from commensal.core.principals import Credential, Door
from commensal.core.projects import Program
from commensal.core.users import NewKey
from commensal.errors import CommensalError, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.doors import DOORS, DoorPage, door_page
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import done, render
from commensal.portal.site import Site, site_of

__all__ = ["ROUTES"]

_SMALL = 65_536


@dataclass(frozen=True, slots=True)
class _Entry:
    """One door's card: its keys, and the one that was just made as the text people save."""

    door: DoorPage
    keys: Sequence[Credential]
    new: str = ""
    expires: datetime | None = None
    ready: DoorPage | None = None
    refusal: str = ""


def _entry(site: Site, door: Door, keys: Sequence[Credential], made: NewKey | None, refusal: str) -> _Entry:
    page = door_page(door, site)
    live = [key for key in keys if key.door is door and key.revoked is None]
    if made is None:
        return _Entry(page, live, refusal=refusal)
    return _Entry(page, live, json.dumps(made.shown, indent=2), made.expires, door_page(door, site, made.shown))


async def _profile(
    request: Request,
    *,
    status: int = 200,
    made: NewKey | None = None,
    refused: Mapping[Door, str] | None = None,
    name_form: Form | None = None,
    password_form: Form | None = None,
) -> Respond:
    services, principal = request.services, request.principal
    site = site_of(request)
    user = await services.identity.user(principal)
    keys = await services.keys.list(principal)
    programs: list[Program] = await services.catalog.list_programs(principal)
    return render(
        request,
        "profile.html",
        status=status,
        title="Profile",
        user=user,
        doors=[
            _entry(site, door, keys, made if made and made.door is door else None, (refused or {}).get(door, ""))
            for door in DOORS
        ],
        programs=[program for program in programs if program.home_of is None],
        program_names={program.seq: program.title or program.code for program in programs},
        now=datetime.now(UTC),
        name_form=name_form or Form(),
        password_form=password_form or Form(),
    )


async def profile_page(request: Request) -> Respond:
    """Show the account and its keys."""
    return await _profile(request)


async def rename(request: Request) -> Respond:
    """Change the name that people see."""
    form = await read_form(request)
    try:
        await request.services.identity.rename(request.principal, request.principal.user, form.text("name"))
    except CommensalError as error:
        return await _profile(request, status=error.status, name_form=form.refuse(error).shown())
    return done(request, "/portal/profile", "Your name is saved.")


async def change_password(request: Request) -> Respond:
    """Change the password."""
    form = await read_form(request)
    sentences = {"old_password": "Type your present password.", "new_password": "Choose a new password."}
    if not form.require(**sentences):
        return await _profile(request, status=422, password_form=form.shown())
    try:
        await request.services.identity.change_password(
            request.principal, form.secret("old_password"), form.secret("new_password")
        )
    except CommensalError as error:
        names = {"password": "new_password", "current_password": "old_password"}
        return await _profile(request, status=error.status, password_form=form.refuse(error, **names).shown())
    return done(request, "/portal/profile", "Your password is changed. Other browsers are signed out.")


def _door(request: Request) -> Door:
    name = request.params["door"]
    if name not in DOORS:
        raise NotFound("There is no such door.")
    return Door(name)


async def make_key(request: Request) -> Respond:
    """Make a key and show it: the only answer that ever holds it."""
    form = await read_form(request)
    door = _door(request)
    program = form.whole("program", 1, (1 << 63) - 1)
    try:
        if program is not None:
            await request.services.catalog.program(request.principal, program)
        made = await request.services.keys.make(
            request.principal, door, program=program, base_url=request.exchange.base
        )
    except Unauthenticated:
        raise
    except CommensalError as error:
        return await _profile(request, status=error.status, refused={door: error.message})
    return await _profile(request, made=made)


async def revoke_key(request: Request) -> Respond:
    """End a key."""
    form = await read_form(request)
    door = _door(request)
    number = form.whole("id", 1, (1 << 63) - 1)
    if number is None:
        raise NotFound("There is no such key.")
    await request.services.keys.revoke(request.principal, number, door=door)
    return done(request, f"/portal/profile#keys-{door.value}", "The key is revoked; it stops working at once.")


ROUTES = (
    Route("GET", "/portal/profile", person_only(profile_page), "Profile and keys", access="anonymous"),
    Route("POST", "/portal/profile/name", person_only(rename), "Rename", access="anonymous", body_limit=_SMALL),
    Route(
        "POST",
        "/portal/profile/password",
        person_only(change_password),
        "New password",
        access="anonymous",
        body_limit=_SMALL,
    ),
    Route(
        "POST",
        "/portal/profile/keys/{door}",
        person_only(make_key),
        "Make a key",
        access="anonymous",
        body_limit=_SMALL,
    ),
    Route(
        "POST",
        "/portal/profile/keys/{door}/revoke",
        person_only(revoke_key),
        "End a key",
        access="anonymous",
        body_limit=_SMALL,
    ),
)
