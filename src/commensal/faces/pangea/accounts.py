"""Accounts: register, log in and out, change the password, who one is (contracts/pangea.md b2)."""

from __future__ import annotations

from typing import Any

from commensal.core.principals import Door
from commensal.errors import AlreadyExists, Forbidden, Invalid, InvalidRows, WrongPassword
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea.asked import Given, envelope, page_of, path_uuid, read_body
from commensal.faces.pangea.errors import FieldErrors
from commensal.faces.pangea.wire import person

__all__ = ["ACCOUNT_ROUTES"]

_WRONG = "Unable to log in with provided credentials."


async def register(request: Request) -> Respond:
    """Add an account of one's own, where the site is open for that."""
    given = Given(await read_body(request))
    email = given.text("email", required=True, blank=False)
    password = given.text("password", required=True, blank=False)
    name = given.text("name") or ""
    given.check()
    try:
        user = await request.services.identity.register(request.principal, email or "", password or "", name=name)
    except AlreadyExists:
        raise FieldErrors({"email": ["user with this email address already exists."]}) from None
    except InvalidRows as error:
        raise FieldErrors({"password": [problem.message for problem in error.problems]}) from error
    except Invalid as error:
        if error.field == "email":
            raise FieldErrors({"email": ["Enter a valid email address."]}) from error
        raise
    return json_answer({"email": user.email, "id": user.seq}, 201)


async def log_in(request: Request) -> Respond:
    """Return the caller's token: the same at each log-in, until the log-out."""
    given = await read_body(request)
    email, password = given.get("email", given.get("username")), given.get("password")
    if not isinstance(email, str) or not isinstance(password, str) or not email or not password:
        raise FieldErrors({"non_field_errors": [_WRONG]})
    exchange = request.exchange
    try:
        principal = await request.services.identity.sign_in(
            email,
            password,
            door=Door.PANGEA,
            address=request.address,
            request_id=request.request_id,
            route=exchange.template,
        )
    except WrongPassword:
        raise FieldErrors({"non_field_errors": [_WRONG]}) from None
    made = await request.services.keys.make(principal, Door.PANGEA, label="log-in")
    exchange.no_store = True
    return json_answer({"auth_token": made.shown["token"]})


async def log_out(request: Request) -> Respond:
    """End the caller's token."""
    await request.services.keys.log_out(request.principal)
    return empty(204)


async def change_password(request: Request) -> Respond:
    """Change the caller's password, which ends the token; 204 with a slash, 200 without (the CLI reads JSON)."""
    given = Given(await read_body(request))
    new = given.text("new_password", required=True, blank=False)
    old = given.text("current_password", required=True)
    given.check()
    try:
        await request.services.identity.change_password(request.principal, old or "", new or "")
    except WrongPassword:
        raise FieldErrors({"current_password": ["Invalid password."]}) from None
    except InvalidRows as error:
        raise FieldErrors({"new_password": [problem.message for problem in error.problems]}) from error
    return empty(204) if request.scope["raw_path"].endswith(b"/") else json_answer({})


def _brief(body: dict[str, Any]) -> dict[str, Any]:
    return {"email": body["email"], "id": body["id"]}


async def own_account(request: Request) -> Respond:
    """Return the caller's number and address."""
    return json_answer(_brief(person(await request.services.people.me(request.principal))))


async def own_account_list(request: Request) -> Respond:
    """Return the caller as a list of one."""
    me = _brief(person(await request.services.people.me(request.principal)))
    return json_answer(envelope(request, page_of(request), [me], 1))


async def me(request: Request) -> Respond:
    """Return all of the caller's account."""
    return json_answer(person(await request.services.people.me(request.principal)))


async def people(request: Request) -> Respond:
    """Return the people whom the caller works with."""
    page = page_of(request)
    found = await request.services.people.page(request.principal, **page.window)
    return json_answer(envelope(request, page, [person(one) for one in found.items], found.total))


async def person_by_uuid(request: Request) -> Respond:
    """Return somebody by uuid."""
    return json_answer(person(await request.services.people.person(request.principal, path_uuid(request))))


async def person_by_number(request: Request) -> Respond:
    """Return somebody by number."""
    return json_answer(person(await request.services.people.person(request.principal, int(request.params["id"]))))


async def change_person(request: Request) -> Respond:
    """Change the caller's own name and profile."""
    uuid = path_uuid(request)
    mine = await request.services.people.me(request.principal)
    if mine.user.uuid != uuid:
        await request.services.people.person(request.principal, uuid)
        raise Forbidden("Only the owner of an account changes its profile.")
    given = Given(await read_body(request), partial=True)
    name = given.text("name")
    given.check()
    if name is not None and name != mine.user.name:
        await request.services.identity.rename(request.principal, mine.user.seq, name)
    return json_answer(person(await request.services.people.write_profile(request.principal, given.body)))


ACCOUNT_ROUTES: tuple[Route, ...] = (
    Route("POST", "/api/auth/users/", register, "Register", access="anonymous", answers={201: "the account"}),
    Route("GET", "/api/auth/users/", own_account_list, "The caller, as a list"),
    Route("GET", "/api/auth/users/me/", own_account, "The caller's number and address"),
    Route("POST", "/api/auth/users/set_password/", change_password, "Change the password", writes=False),
    Route("POST", "/api/auth/token/login", log_in, "Log in", access="anonymous", writes=False),
    Route("POST", "/api/auth/token/logout", log_out, "Log out", writes=False),
    Route("GET", "/api/users", people, "People one works with"),
    Route("GET", "/api/users/me", me, "The caller"),
    Route("GET", "/api/users/id/{id:int}", person_by_number, "Somebody by number"),
    Route("GET", "/api/users/{uuid}", person_by_uuid, "Somebody by uuid"),
    Route(("PUT", "PATCH"), "/api/users/{uuid}", change_person, "Change one's name and profile"),
)
