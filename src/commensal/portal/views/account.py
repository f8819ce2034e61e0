"""Coming in and going out: sign in, sign up, invitations, forgotten passwords, sign out."""

from __future__ import annotations

from commensal.core.principals import Door
from commensal.errors import Closed, CommensalError, Forbidden, NotFound, TooManyRequests, WrongPassword
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import done, go, render
from commensal.portal.session import clear_session, safe_next, set_session

__all__ = ["ROUTES"]


async def _enter(request: Request, email: str, password: str) -> None:
    """Sign somebody in and give the browser a session."""
    identity = request.services.identity
    principal = await identity.sign_in(
        email,
        password,
        door=Door.PORTAL,
        address=request.address,
        request_id=request.request_id,
        route=request.exchange.template,
    )
    secret, expires = await identity.open_session(principal)
    set_session(request.exchange, secret, expires)


# --- signing in and out ---------------------------------------------------------------------------


def _sign_in_page(request: Request, form: Form, after: str, status: int = 200) -> Respond:
    return render(request, "sign_in.html", status=status, title="Sign in", form=form.shown(), next=after)


async def sign_in_page(request: Request) -> Respond:
    """Show the sign-in form; who is signed in already goes on."""
    after = safe_next(request.query_params.get("next"))
    if request.principal.user is not None:
        return go(request, after)
    return _sign_in_page(request, Form(), after)


async def sign_in(request: Request) -> Respond:
    """Sign in and go where the person wanted to go."""
    form = await read_form(request)
    after = safe_next(form.text("next"))
    if not form.require(email="Type your e-mail address.", password="Type your password."):  # noqa: S106 - a sentence
        return _sign_in_page(request, form, after, 422)
    try:
        await _enter(request, form.text("email"), form.secret("password"))
    except (WrongPassword, TooManyRequests) as error:
        return _sign_in_page(request, form.refuse(error), after, error.status)
    return go(request, after)


async def sign_out(request: Request) -> Respond:
    """End the session."""
    await read_form(request)
    await request.services.identity.close_session(request.principal)
    clear_session(request.exchange)
    return done(request, "/portal/sign-in", "You are signed out.")


# --- signing up -----------------------------------------------------------------------------------


def _sign_up_page(request: Request, form: Form, status: int = 200, invitation: str = "") -> Respond:
    title = "Accept your invitation" if invitation else "Create an account"
    return render(request, "sign_up.html", status=status, title=title, form=form.shown(), invitation=invitation)


async def sign_up_page(request: Request) -> Respond:
    """Show the form for a new account, or why there is none."""
    if request.principal.user is not None:
        return go(request, "/portal/projects")
    return _sign_up_page(request, Form())


async def sign_up(request: Request) -> Respond:
    """Make an account and sign in to it."""
    form = await read_form(request)
    if not form.require(email="Type your e-mail address.", password="Choose a password."):  # noqa: S106 - a sentence
        return _sign_up_page(request, form, 422)
    try:
        await request.services.identity.register(
            request.principal, form.text("email"), form.secret("password"), name=form.text("name")
        )
    except Closed:
        raise
    except CommensalError as error:
        return _sign_up_page(request, form.refuse(error), error.status)
    await _enter(request, form.text("email"), form.secret("password"))
    return done(request, "/portal/profile", "Welcome. Your account is ready; make your first key below.")


async def invitation_page(request: Request) -> Respond:
    """Show the form that an invitation's link opens."""
    token = request.query_params.get("token", "")
    invitation = await request.services.identity.invitation(token)
    return _sign_up_page(request, Form({"name": invitation.name, "email": invitation.email}), invitation=token)


async def accept_invitation(request: Request) -> Respond:
    """Make the account that an invitation promises and sign in to it."""
    form = await read_form(request)
    token = form.secret("link")
    identity = request.services.identity
    try:
        user = await identity.accept_invitation(
            request.principal, token, form.secret("password"), name=form.text("name")
        )
    except NotFound:
        raise
    except CommensalError as error:
        return _sign_up_page(request, form.refuse(error), error.status, invitation=token)
    try:
        await _enter(request, user.email, form.secret("password"))
    except WrongPassword:
        # The address had got an account meanwhile: it keeps its own password.
        return done(request, "/portal/sign-in", "This address has an account already: sign in with its password.")
    return done(request, "/portal/projects", "Welcome. Your account is ready.")


# --- forgotten passwords --------------------------------------------------------------------------


async def forgotten_page(request: Request) -> Respond:
    """Show the form that asks for a password link."""
    return render(request, "forgotten.html", title="Forgotten password", sent=False)


async def forgotten(request: Request) -> Respond:
    """Ask for a password link; the answer is the same whether there is an account or not."""
    form = await read_form(request)
    if not form.require(email="Type your e-mail address."):
        return render(request, "forgotten.html", status=422, title="Forgotten password", sent=False, form=form.shown())
    await request.services.identity.request_password_reset(request.principal, form.text("email"))
    return render(request, "forgotten.html", title="Forgotten password", sent=True)


def _reset_page(request: Request, form: Form, link: str, status: int = 200) -> Respond:
    return render(request, "reset.html", status=status, title="New password", form=form.shown(), link=link)


async def reset_page(request: Request) -> Respond:
    """Show the form that a password link opens."""
    return _reset_page(request, Form(), request.query_params.get("token", ""))


async def reset(request: Request) -> Respond:
    """Set a new password by a link."""
    form = await read_form(request)
    try:
        user = await request.services.identity.reset_password(
            request.principal, form.secret("link"), form.secret("new_password")
        )
    except (NotFound, Forbidden):
        raise
    except CommensalError as error:
        return _reset_page(request, form.refuse(error, password="new_password"), form.secret("link"), error.status)  # noqa: S106
    await _enter(request, user.email, form.secret("new_password"))
    return done(request, "/portal/profile", "Your new password is set. Other browsers are signed out.")


async def navigation(request: Request) -> Respond:
    """Return the navigation with who is signed in, for pages that are the same for everybody."""
    return render(request, "nav.html", path=request.query_params.get("at", "/"))


_SMALL = 65_536

ROUTES = (
    Route("GET", "/portal/nav", navigation, "Navigation", access="anonymous", hidden=True),
    Route("GET", "/portal/sign-in", sign_in_page, "Sign-in form", access="anonymous"),
    Route("POST", "/portal/sign-in", sign_in, "Sign in", access="anonymous", body_limit=_SMALL, writes=False),
    Route("POST", "/portal/sign-out", sign_out, "Sign out", access="anonymous", body_limit=_SMALL, writes=False),
    Route("GET", "/portal/sign-up", sign_up_page, "Form for a new account", access="anonymous"),
    Route("POST", "/portal/sign-up", sign_up, "Make an account", access="anonymous", body_limit=_SMALL),
    Route("GET", "/portal/invitation", invitation_page, "An invitation", access="anonymous"),
    Route(
        "POST", "/portal/invitation", accept_invitation, "Accept an invitation", access="anonymous", body_limit=_SMALL
    ),
    Route("GET", "/portal/forgotten", forgotten_page, "Forgotten password", access="anonymous"),
    Route("POST", "/portal/forgotten", forgotten, "Ask for a password link", access="anonymous", body_limit=_SMALL),
    Route("GET", "/portal/reset", reset_page, "Choose a new password", access="anonymous"),
    Route("POST", "/portal/reset", reset, "Set a new password", access="anonymous", body_limit=_SMALL),
)
