"""The key of a person, the address it belongs to, and the access tokens it is exchanged for."""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from commensal.errors import SetupError

__all__ = ["ApiKey", "TokenKeeper", "read_claims", "read_key", "server_of"]

#: An access token is renewed when less than this is left of it, in seconds.
RENEW_BEFORE = 300.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key; ``source`` says for messages where it came from. Never shown by ``repr``."""

    secret: str
    source: str
    issuer: str | None
    expires: datetime | None

    def __repr__(self) -> str:
        return f"ApiKey(source={self.source!r}, issuer={self.issuer!r}, expires={self.expires})"

    @property
    def expired(self) -> bool:
        """Whether it is past its date by the clock of this machine."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT (RFC 7519) without verifying them; empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(body)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def read_key(credentials: str | os.PathLike[str] | Mapping[str, Any]) -> ApiKey:
    """Return the key of a credentials file, of its JSON text, or of its content as a dict.

    Raises SetupError when there is no such file or it holds no ``api_key``.
    """
    if isinstance(credentials, Mapping):
        source, content = "the credentials given", dict(credentials)
    else:
        source, content = _read(credentials)
    secret = content.get("api_key") if isinstance(content, dict) else None
    if not isinstance(secret, str) or not secret.strip():
        raise SetupError(
            f"{_upper(source)} holds no 'api_key'. Make an API key on the Profile page of the server and download "
            "it as credentials.json."
        )
    claims = read_claims(secret.strip())
    issuer, expires = claims.get("iss"), claims.get("exp")
    return ApiKey(
        secret.strip(),
        source,
        issuer if isinstance(issuer, str) else None,
        datetime.fromtimestamp(expires, UTC) if isinstance(expires, int | float) else None,
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


def _read(credentials: str | os.PathLike[str]) -> tuple[str, Any]:
    if isinstance(credentials, str) and credentials.lstrip().startswith("{"):
        source, text = "the credentials given", credentials.encode()
    else:
        path = Path(credentials).expanduser()
        source = str(path)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise SetupError(
                f"There is no file {path} in {Path.cwd()}. Make an API key on the Profile page of the server, save it "
                "as credentials.json, and say where it is: Gen3(credentials='path/to/credentials.json')."
            ) from None
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        return source, msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{_upper(source)} is not the JSON of an API key: {error}.") from None


def server_of(base_url: str | None, key: ApiKey | None) -> str:
    """Return scheme, host and port of the server: what was given, else COMMENSAL_URL, else the issuer of the key."""
    for origin, url in (("base_url", base_url), ("COMMENSAL_URL", os.environ.get("COMMENSAL_URL"))):
        if url and url.strip():
            return _origin(url.strip(), origin)
    if key is not None and key.issuer:
        parts = urlsplit(key.issuer)
        return _origin(f"{parts.scheme}://{parts.netloc}", f"the issuer of {key.source}")
    raise SetupError("No server is known: give base_url='https://…' or set COMMENSAL_URL.")


def _origin(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise SetupError(f"{name} is no address: {url!r}. Write it like https://commons.example.org.") from None
    if not good:
        raise SetupError(f"{name} is no address: {url!r}. Write it like https://commons.example.org.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SetupError(f"{name} is {url!r}: give only the server, {parts.scheme}://{parts.netloc}, without a path.")
    return f"{parts.scheme}://{parts.netloc}"


class TokenKeeper:
    """Keeps one access token and renews it in time; safe to use from several threads.

    Time is counted from the moment a token came and by the lifetime it states (``exp`` - ``iat``), so a wrong clock
    on this machine does no harm.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    def token(self, *, not_this: str | None = None) -> str:
        """Return a token that is good for five minutes; ``not_this`` was just refused and is replaced."""
        with self._lock:
            token = self._token
            if token is None or token == not_this or time.monotonic() >= self._renew_at:
                token = self._fetch()
                self._renew_at = time.monotonic() + _time_to_use(token)
                self._token = token
            return token


def _time_to_use(token: str) -> float:
    claims = read_claims(token)
    begin, end = claims.get("iat"), claims.get("exp")
    if not isinstance(begin, int | float) or not isinstance(end, int | float) or end <= begin:
        return RENEW_BEFORE
    life = float(end - begin)
    return max(life - RENEW_BEFORE, life / 2)
