"""One connection to a server.

Source: the document's ``Knex``; contract pangea.md a1, a2. Unlike the published client's, one connection is kept and
used again, no token is written to the disk, and no server is asked that nobody named.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx

from commensal.client.pangea.errors import PangeaGeneralError, error_of_status
from commensal.client.pangea.file_system_cache import FileSystemCache
from commensal.errors import SetupError

__all__ = ["Knex"]

_TRIES = 4
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 60.0


class Knex:
    """Sends requests to the ``/api`` of a server.

    ``endpoint_url`` is like ``https://commons.example.org``; without it COMMENSAL_URL is used; without that, too,
    SetupError is raised. ``timeout`` is in seconds; ``verify`` False or the path of a CA certificate for servers with
    one of their own; ``cache`` where objects are remembered. Safe to use from several threads.
    """

    def __init__(
        self,
        endpoint_url: str | None = None,
        *,
        timeout: float = 600.0,
        verify: bool | str = True,
        cache: FileSystemCache | None = None,
    ) -> None:
        endpoint = (endpoint_url or os.environ.get("COMMENSAL_URL") or "").strip().rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            problem = f"{endpoint!r} is no address of a server" if endpoint else "No server is known"
            raise SetupError(f"{problem}: give Knex('https://commons.example.org') or set COMMENSAL_URL.")
        self.endpoint_url = f"{endpoint}/api"
        self.headers: dict[str, str] = {"Accept": "application/json"}
        self.auth: str | None = None
        self.username: str | None = None
        self.cache = cache or FileSystemCache()
        self._verify: bool | ssl.SSLContext = (
            ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify
        )
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, 15.0))
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def __enter__(self) -> Knex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets; the next request opens new ones."""
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None

    @property
    def http(self) -> httpx.Client:
        """The client below, also used for transfers to signed addresses (which carry no token)."""
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(timeout=self._timeout, verify=self._verify, follow_redirects=True)
            return self._http

    @property
    def identity(self) -> str:
        """Whose view of which server this is: part of the key of all that is cached."""
        who = self.username or (sha256(self.auth.encode()).hexdigest()[:16] if self.auth else "")
        return f"{self.endpoint_url} {who}"

    def add_auth_token(self, token: str) -> None:
        """Use a token of the server from now on."""
        self.auth = token
        self.headers["Authorization"] = f"Token {token}"

    def login(self, username: str, password: str) -> Knex:
        """Get a token for an e-mail address and its password, and use it from now on.

        Raises PangeaOtherError for a wrong pair.
        """
        answer = self.post("auth/token/login", json={"email": username, "password": password})
        self.username = username
        self.add_auth_token(answer["auth_token"])
        return self

    def _clean_url(self, url: str, url_options: Mapping[str, Any] | None = None) -> str:
        path = url.removesuffix("/")
        if path.startswith(self.endpoint_url):
            path = path[len(self.endpoint_url) :]
        path = path.removeprefix("/")
        if url_options:
            path += ("&" if "?" in path else "?") + urlencode(url_options)
        return f"{self.endpoint_url}/{path}"

    def get(self, url: str, **kwargs: Any) -> Any:
        """GET; returns the JSON, or with ``json_response=False`` the response."""
        return self._ask("GET", url, **kwargs)

    def post(self, url: str, json: Any = {}, **kwargs: Any) -> Any:  # noqa: B006 as the document has it
        """POST a JSON value."""
        return self._ask("POST", url, json=json, **kwargs)

    def put(self, url: str, json: Any = {}, **kwargs: Any) -> Any:  # noqa: B006 as the document has it
        """PUT a JSON value."""
        return self._ask("PUT", url, json=json, **kwargs)

    def patch(self, url: str, json: Any = {}, **kwargs: Any) -> Any:  # noqa: B006 like the others
        """PATCH with a JSON value."""
        return self._ask("PATCH", url, json=json, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> Any:
        """DELETE, with a JSON value if ``json=`` is given; an empty answer gives an empty dict."""
        return self._ask("DELETE", url, **kwargs)

    def pages(self, url: str, **kwargs: Any) -> Iterator[dict[str, Any]]:
        """Yield the objects of all pages of a list."""
        following: str | None = url
        while following:
            page = self.get(following, **kwargs)
            kwargs = {}  # the address of the next page has them
            yield from page["results"]
            following = page.get("next")

    def _ask(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        json_response: bool = True,
        url_options: Mapping[str, Any] | None = None,
    ) -> Any:
        address = self._clean_url(url, url_options)
        more: dict[str, Any] = {} if json is None else {"json": json}
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            pause = _FIRST_PAUSE * 2 ** (attempt - 1)
            try:
                response = self.http.request(method, address, headers=self.headers, **more)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError) as error:
                # No connection: nothing was carried out. A connection that broke: only what may be repeated.
                broke = isinstance(error, httpx.RemoteProtocolError)
                if last or (broke and method == "POST"):
                    raise PangeaGeneralError(f"{self.endpoint_url} cannot be reached: {error}") from error
            except httpx.TransportError as error:
                raise PangeaGeneralError(
                    f"{method} {address} got no answer: {error or type(error).__name__}"
                ) from error
            else:
                wanted = response.headers.get("retry-after", "")
                busy = response.status_code in (429, 503) and wanted.isdigit() and int(wanted) <= _LONGEST_PAUSE
                if not busy or last:
                    return self._read(method, address, response, json_response=json_response)
                pause = float(wanted)
            time.sleep(pause)
        raise AssertionError

    def _read(self, method: str, address: str, response: httpx.Response, *, json_response: bool) -> Any:
        if not response.is_success:
            try:
                detail = response.json()
            except ValueError:
                detail = " ".join(response.text.split())[:500]
            said = detail.get("detail", detail) if isinstance(detail, dict) else detail
            kind = error_of_status(response.status_code)
            raise kind(f"{method} {address}: {response.status_code} {said}", response.status_code, detail)
        if not json_response:
            return response
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            raise PangeaGeneralError(
                f"{method} {address} answered with something that is no JSON: {response.text[:200]!r}. Is the address "
                "right?",
                response.status_code,
            ) from None
