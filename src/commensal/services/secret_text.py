"""How secrets of each door look, and how all of them are stored: as SHA-256.

All are random (190 bits or more), so a fast digest is one-way; only passwords, which people choose, need argon2.
"""

from __future__ import annotations

import hashlib
import secrets
import string

__all__ = ["SECRET_LENGTH", "basic_digest", "digest", "opal_login", "polly_key", "random_letters"]

_LETTERS = string.ascii_letters + string.digits
#: Nothing longer is ever looked up.
SECRET_LENGTH = 8_192


def digest(secret: str) -> bytes:
    """Return the 32 bytes under which a secret is stored and found."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def basic_digest(login: str, password: str) -> bytes:
    """Return the digest of a pair for HTTP Basic; a login never holds a colon (RFC 7617, 2)."""
    return digest(f"{login}:{password}")


def random_letters(length: int) -> str:
    """Return random ASCII letters and digits: 5.95 bits each, safe in headers, cookies, links and shells."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def polly_key() -> str:
    """Return a Polly key: 48 characters of canonical base64 without ``+``, ``/``, ``=`` and dots.

    It is never the base64 of JSON, so that each version of the client sends it in a header that we
    read (contracts/polly.md §3).
    """
    while True:
        key = random_letters(48)
        if not key.startswith("e"):  # the base64 of '{' begins with e
            return key


def opal_login() -> str:
    """Return the login of an Opal key: unguessable, though it is no secret, so that it cannot be blocked by others."""
    return f"opal_{random_letters(16)}"
