"""The session cookie, the token that every form carries, notices for the next page, and safe ways back.

The form token is an HMAC keyed with a cookie that scripts cannot read: the session's where somebody is
signed in, else a random one made for the sign-in pages. So it is bound to the browser, needs no memory
on the server, and works for many processes. The edge refuses foreign origins besides.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from commensal.faces.kit.browser import SESSION_COOKIE, cookie_name, page_token
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request

__all__ = [
    "Note",
    "add_note",
    "check_form_token",
    "clear_session",
    "form_token",
    "safe_next",
    "session_secret",
    "set_session",
    "take_notes",
]

SESSION = SESSION_COOKIE
FORM = "commensal_form"
NOTES = "commensal_notes"
_MAX_NOTE = 600


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence for the next page; ``kind`` is ``good`` or ``bad``. Never holds a secret."""

    text: str
    kind: str = "good"


def _secure(exchange: Exchange) -> bool:
    return exchange.base.startswith("https:")


def _set_cookie(exchange: Exchange, name: str, value: str, *, max_age: int | None) -> None:
    parts = [f"{cookie_name(exchange, name)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if _secure(exchange):
        parts.append("Secure")
    exchange.add_header("set-cookie", "; ".join(parts))


def session_secret(request: Request) -> str:
    """Return the session cookie's value, or an empty text; read under ``/portal`` only."""
    if not (request.url.path == "/portal" or request.url.path.startswith("/portal/")):
        return ""
    return request.cookies.get(cookie_name(request.exchange, SESSION), "")


def set_session(exchange: Exchange, secret: str, expires: datetime) -> None:
    """Give the browser a session, and forget the cookie of the sign-in form."""
    seconds = max(0, int((expires - datetime.now(UTC)).total_seconds()))
    _set_cookie(exchange, SESSION, secret, max_age=seconds)
    _set_cookie(exchange, FORM, "", max_age=0)


def clear_session(exchange: Exchange) -> None:
    """Take the session away from the browser."""
    _set_cookie(exchange, SESSION, "", max_age=0)


def form_token(request: Request, *, signed_in: bool) -> str:
    """Return the token for the forms of this page; makes the cookie it is bound to where there is none."""
    if signed_in:
        return page_token(session_secret(request))
    key = request.cookies.get(cookie_name(request.exchange, FORM), "")
    if len(key) < 32:
        key = getattr(request.state, "form_key", "") or secrets.token_urlsafe(32)
        if not hasattr(request.state, "form_key"):
            request.state.form_key = key
            _set_cookie(request.exchange, FORM, key, max_age=None)
    return page_token(key)


def check_form_token(request: Request, given: str) -> bool:
    """Tell whether a form came from a page that this browser got from us."""
    keys = (session_secret(request), request.cookies.get(cookie_name(request.exchange, FORM), ""))
    return any(bool(key) and hmac.compare_digest(page_token(key), given) for key in keys)


def add_note(exchange: Exchange, text: str, kind: str = "good") -> None:
    """Leave a sentence for the next page that this browser opens."""
    packed = json.dumps([kind, text[:_MAX_NOTE]], ensure_ascii=False).encode()
    _set_cookie(exchange, NOTES, base64.urlsafe_b64encode(packed).decode().rstrip("="), max_age=60)


def take_notes(request: Request) -> list[Note]:
    """Return the sentences that were left for this page and forget them."""
    packed = request.cookies.get(cookie_name(request.exchange, NOTES), "")
    if not packed or len(packed) > 4 * _MAX_NOTE:
        return []
    _set_cookie(request.exchange, NOTES, "", max_age=0)
    try:
        kind, text = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except (ValueError, binascii.Error, UnicodeDecodeError):
        return []
    if kind not in ("good", "bad") or not isinstance(text, str):
        return []
    return [Note(text, kind)]


def safe_next(address: str | None, default: str = "/portal/projects") -> str:
    """Return where to go after signing in: a path of the portal on this server, else the default."""
    if not address or len(address) > 2_000 or any(ord(letter) < 33 or letter == "\\" for letter in address):
        return default
    try:
        parts = urlsplit(address)
    except ValueError:
        return default
    if parts.scheme or parts.netloc or address.startswith("//") or not parts.path.startswith("/portal/"):
        return default
    return default if parts.path in ("/portal/sign-in", "/portal/sign-out", "/portal/nav") else address
