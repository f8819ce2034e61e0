"""One connection to a server: tokens, retries, and errors as one family.

What may be sent twice without harm is tried again with growing pauses; anything else only when it is certain that
the server did not carry it out (no connection, or 429 or 503 with Retry-After, RFC 9110 10.2.3).
"""

from __future__ import annotations

import contextlib
import random
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import httpx
import msgspec

from commensal import errors
from commensal.client._credentials import ApiKey, TokenKeeper
from commensal.client.errors import ServerFault, TimedOut, WrongServer
from commensal.errors import CommensalError

__all__ = ["Connection", "decode", "member"]

_ACCESS_TOKEN = "/user/credentials/cdis/access_token"  # noqa: S105 a path
#: Longest pause that a Retry-After is followed for, in seconds.
_LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 0.25
_KINDS: dict[int, type[CommensalError]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.Invalid,
}


def decode(response: httpx.Response, kind: type[Any] = object) -> Any:
    """Return the JSON of an answer as ``kind``; raises WrongServer where it is something else."""
    try:
        return msgspec.json.decode(response.content, type=Any if kind is object else kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        request = response.request
        raise WrongServer(
            f"{request.method} {request.url} answered {response.status_code} with something that is not this door's "
            f"JSON ({error}): {response.text[:200]!r}. Is the address right?"
        ) from None


def member(response: httpx.Response, name: str) -> Any:
    """Return one member of an answer that is a JSON object; raises WrongServer where it has none of this name."""
    answer = decode(response)
    if not isinstance(answer, dict) or name not in answer:
        url = response.request.url
        raise WrongServer(f"{url} answered without {name!r}: {response.text[:200]!r}. Is the address right?")
    return answer[name]


class Connection:
    """HTTP to one server, with the access tokens of one key.

    ``tries`` is how often a request is sent at most, ``timeout`` the seconds to wait for an answer, ``verify`` False
    or the path of a CA certificate for servers with one of their own.
    """

    def __init__(
        self, base_url: str, key: ApiKey | None, *, timeout: float = 600.0, tries: int = 5, verify: bool | str = True
    ) -> None:
        self.base_url = base_url
        self._key = key
        self._tries = max(1, tries)
        self._tokens = TokenKeeper(self._fetch_token) if key is not None else None
        limits = httpx.Timeout(timeout, connect=min(timeout, 15.0))
        trust = _trust(verify) if isinstance(verify, str) else verify
        self._client = httpx.Client(base_url=base_url, timeout=limits, verify=trust, headers={"accept": "*/*"})

    def close(self) -> None:
        """Close the sockets; the connection cannot be used afterwards."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        media: str | None = None,
        safe: bool = True,
        token: bool = True,
        take: tuple[int, ...] = (),
    ) -> httpx.Response:
        """Send a request and return its answer, read to the end.

        ``safe``: may be sent twice without harm. ``token``: carries an access token. ``take``: statuses beside 2xx
        that are returned; every other one is raised as an error of the family.
        """
        if json is not None:
            content, media = msgspec.json.encode(json), "application/json"
        headers = {"content-type": media} if media else {}
        return self._ask(
            {"method": method, "url": path, "params": params, "content": content, "headers": headers},
            safe=safe,
            token=token,
            take=take,
            stream=False,
        )

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        token: bool = True,
        take: tuple[int, ...] = (),
    ) -> Iterator[httpx.Response]:
        """Send a request that is safe to repeat, and give its answer while it still comes."""
        content = None if json is None else msgspec.json.encode(json)
        headers = {**(headers or {}), **({} if json is None else {"content-type": "application/json"})}
        response = self._ask(
            {"method": method, "url": path, "params": params, "content": content, "headers": headers},
            safe=True,
            token=token,
            take=take,
            stream=True,
        )
        try:
            yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        finally:
            response.close()

    # --- one request, with all that may happen to it

    def _ask(
        self, parts: Mapping[str, Any], *, safe: bool, token: bool, take: tuple[int, ...], stream: bool
    ) -> httpx.Response:
        for attempt in range(1, self._tries + 1):
            try:
                response = self._send(parts, token=token, stream=stream)
            except httpx.TransportError as error:
                if attempt == self._tries or not _may_repeat(error, safe=safe):
                    raise self._unreachable(error) from error
                pause = _pause(attempt)
            else:
                if response.is_success or response.status_code in take:
                    return response
                with contextlib.closing(response):
                    response.read()
                wanted = _wanted_pause(response, attempt, safe=safe)
                if wanted is None or attempt == self._tries:
                    self._refuse(response)
                pause = wanted
            time.sleep(pause)
        raise AssertionError

    def _send(self, parts: Mapping[str, Any], *, token: bool, stream: bool) -> httpx.Response:
        """Send once; a refused access token is renewed once, unless it was made for this very request."""
        if not token or self._tokens is None:
            return self._client.send(self._client.build_request(**parts), stream=stream)
        used = self._tokens.token()
        for last in (False, True):
            request = self._client.build_request(**parts)
            request.headers["authorization"] = f"bearer {used}"
            response = self._client.send(request, stream=stream)
            if last or response.status_code not in (401, 403):
                return response
            response.close()
            used = self._tokens.token(not_this=used)
        raise AssertionError

    def _fetch_token(self) -> str:
        assert self._key is not None
        response = self.request(
            "POST", _ACCESS_TOKEN, json={"api_key": self._key.secret}, token=False, take=(400, 401, 403, 404, 405)
        )
        if response.status_code in (404, 405):
            raise WrongServer(
                f"{self.base_url} answered {response.status_code} to the exchange of an API key: no Gen3 door is "
                "there. Is the address right? It is given by base_url=, COMMENSAL_URL or the key itself."
            )
        if response.status_code >= 400:
            self._key_refused(response)
        token = member(response, "access_token")
        if not isinstance(token, str) or not token:
            raise WrongServer(f"{self.base_url} gave no access token for the API key. Is the address right?")
        return token

    def _key_refused(self, response: httpx.Response) -> NoReturn:
        key = self._key
        assert key is not None
        said = _sentence(response)
        new = (
            f"Make a new API key on the Profile page, {self.base_url}/portal/profile, and save it as credentials.json."
        )
        when = f" on {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else ""
        if key.expired:
            raise errors.CredentialExpired(f"The API key of {key.source} expired{when}: a new one is needed. {new}")
        if response.status_code == 400:
            raise errors.CredentialExpired(
                f"The API key of {key.source} gives no more access tokens ({said}); it ends{when or ' soon'}. {new}"
            )
        other = ""
        if key.issuer and not key.issuer.startswith(self.base_url):
            other = f" The key was made by {key.issuer}, and the server asked is {self.base_url}."
        raise errors.Unauthenticated(
            f"{self.base_url} does not accept the API key of {key.source} ({said}); it may be revoked.{other} {new}"
        )

    def _refuse(self, response: httpx.Response) -> NoReturn:
        """Raise the error that an answer stands for."""
        status = response.status_code
        said = _sentence(response)
        if 300 <= status < 400:
            target = response.headers.get("location", "elsewhere")
            raise WrongServer(f"{self.base_url} sends this client to {target}: use that server's address.")
        if status in _KINDS:
            raise _KINDS[status](said)
        pause = int(_retry_after(response) or 1)
        if status == 429:
            raise errors.TooManyRequests(said, retry_after=pause)
        if status == 507:
            raise errors.NoSpace(said, retry_after=pause)
        if status in (502, 503):
            raise errors.Unavailable(said, retry_after=pause)
        if status == 504:
            raise TimedOut(said)
        if status >= 500:
            raise ServerFault(f"The server failed ({status}): {said}", _error_id(response))
        raise errors.BadRequest(f"The server answered {status}: {said}")

    def _unreachable(self, error: httpx.TransportError) -> CommensalError:
        text = str(error) or type(error).__name__
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
            return TimedOut(f"{self.base_url} did not answer in time; whether it did what was asked is unknown.")
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return errors.SetupError(
                f"The certificate of {self.base_url} is not trusted ({text}). If it is the server's own, give its "
                "CA certificate: verify='ca.pem'."
            )
        if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text:
            return WrongServer(f"{self.base_url} does not speak https: use http:// in its address.")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return errors.Unavailable(
                f"{self.base_url} cannot be reached ({text}). Is the server running, the address right, and the "
                "network up?"
            )
        return errors.Unavailable(f"The connection to {self.base_url} broke ({text}).")


def _trust(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # SSLError is one, too
        raise errors.SetupError(f"verify={path!r} holds no CA certificate: {error.strerror or error}.") from None


def _may_repeat(error: httpx.TransportError, *, safe: bool) -> bool:
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "wrong version" in str(error).lower().replace("_", " "):
        return False
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | httpx.UnsupportedProtocol):
        return False
    return safe


def _wanted_pause(response: httpx.Response, attempt: int, *, safe: bool) -> float | None:
    """Seconds to wait before the same request is sent again; None: not again."""
    status = response.status_code
    asked = _retry_after(response)
    if asked is not None and asked > _LONGEST_PAUSE:
        return None
    if status in (429, 503) and (safe or asked is not None):
        return asked if asked is not None else _pause(attempt)
    return _pause(attempt) if status == 502 and safe else None


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _pause(attempt: int) -> float:
    return _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311 spreads clients, no secret


def _sentence(response: httpx.Response) -> str:
    """Return what an error answer says, in one sentence if it has one."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if isinstance(body, dict):
        found = body.get("message") or body.get("error") or body.get("detail") or body.get("errors")
        if isinstance(found, str):
            return found
        if isinstance(found, list):
            return " ".join(map(str, found))
    text = " ".join(response.text.split())[:300]
    return text or f"{response.status_code} {response.reason_phrase}"


def _error_id(response: httpx.Response) -> str | None:
    try:
        found = msgspec.json.decode(response.content).get("error_id")
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None
