"""The session of a browser: its cookie, and the token that shows that one of our own pages sends a request.

The token is an HMAC keyed with a cookie that scripts cannot read, so it needs no memory on the server; pages of ours
carry it in their forms, and their scripts send it as a header. A foreign page has neither.
"""

from __future__ import annotations

import hashlib
import hmac

from commensal.faces.kit.credentials import cookie, header
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request

__all__ = ["FORM_HEADER", "SESSION_COOKIE", "cookie_name", "page_token", "script_session"]

SESSION_COOKIE = "commensal_session"
#: Where a script of our own pages sends the token.
FORM_HEADER = b"x-commensal-form"


def cookie_name(exchange: Exchange, name: str) -> str:
    """Return a cookie's name: bound to this host by its prefix where the address is https."""
    return f"__Host-{name}" if exchange.base.startswith("https:") else name


def page_token(key: str) -> str:
    """Return the token of a browser that has a cookie with this secret."""
    return hmac.new(key.encode(), b"commensal form", hashlib.sha256).hexdigest()


def script_session(request: Request) -> str | None:
    """Return the session cookie of a request that a script of our own pages sent.

    None without the header of the token: a browser adds a cookie to whatever any page sends, so it proves nothing
    alone. An empty text when the token is wrong, or there is no session.
    """
    given = header(request.scope["headers"], FORM_HEADER)
    if given is None:
        return None
    secret = cookie(request.scope["headers"], cookie_name(request.exchange, SESSION_COOKIE)) or ""
    return secret if secret and hmac.compare_digest(page_token(secret).encode(), given.encode()) else ""
