"""One connection to a server."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from commensal.client.odm.configuration import Configuration
from commensal.client.odm.exceptions import ApiException, raise_for
from commensal.errors import SetupError

__all__ = ["ApiClient"]

_SCHEMES = {"Access-token": "Authorization", "Genestack-API-Token": "Genestack-API-Token"}
_BUSY = (429, 502, 503, 504)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 60.0

Timeout = float | tuple[float, float] | None


class ApiClient:
    """Sends requests with the keys of a configuration; a context manager, or ``close`` it."""

    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str | None = None,
        cookie: str | None = None,
    ) -> None:
        self.configuration = configuration or Configuration.get_default()
        self.default_headers: dict[str, str] = {"Accept-Encoding": "identity"}
        if header_name is not None and header_value is not None:
            self.default_headers[header_name] = header_value
        if cookie is not None:
            self.default_headers["Cookie"] = cookie
        self._http: httpx.Client | None = None

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def set_default_header(self, header_name: str, header_value: str) -> None:
        """Send a header with every request."""
        self.default_headers[header_name] = header_value

    @property
    def user_agent(self) -> str | None:
        """How this client names itself."""
        return self.default_headers.get("User-Agent")

    @user_agent.setter
    def user_agent(self, value: str) -> None:
        self.default_headers["User-Agent"] = value

    def _client(self) -> httpx.Client:
        if self._http is None:
            conf = self.configuration
            verify: bool | ssl.SSLContext = conf.verify_ssl
            if conf.ssl_ca_cert and conf.verify_ssl:
                try:
                    verify = ssl.create_default_context(cafile=conf.ssl_ca_cert)
                except OSError as error:
                    raise SetupError(f"ssl_ca_cert={conf.ssl_ca_cert!r} holds no CA certificate: {error}.") from None
            self._http = httpx.Client(
                verify=verify, proxy=conf.proxy, timeout=httpx.Timeout(600.0, connect=15.0), follow_redirects=False
            )
        return self._http

    def _headers(self, given: Mapping[str, Any] | None, auth: Mapping[str, Any] | None) -> dict[str, str]:
        """Return all headers; ``auth`` (an OpenAPI auth setting) replaces the keys of the configuration."""
        made = dict(self.default_headers)
        if auth is not None:
            if auth.get("in") != "header":
                raise ApiException(0, "_request_auth must be a setting with in='header', key and value.")
            made[str(auth["key"])] = str(auth["value"])
        else:
            for name, header in _SCHEMES.items():
                key = self.configuration.get_api_key_with_prefix(name)
                if key:
                    made[header] = key
        made.update({name: str(value) for name, value in (given or {}).items()})
        return made

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, Any] | None = None,
        auth: Mapping[str, Any] | None = None,
        timeout: Timeout = None,
    ) -> Iterator[httpx.Response]:
        """Send a request and give its answer unread, whatever its status."""
        response = self.send(method, path, params=params, headers=headers, auth=auth, timeout=timeout, stream=True)
        try:
            yield response
        finally:
            response.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, Any] | None = None,
        auth: Mapping[str, Any] | None = None,
        timeout: Timeout = None,
        stream: bool = False,
    ) -> httpx.Response:
        """Send a request that may be repeated without harm; return its answer whatever its status.

        Raises ApiException with status 0 when the server cannot be reached.
        """
        client = self._client()
        request = client.build_request(
            method, self.configuration.host + path, params=params, headers=self._headers(headers, auth)
        )
        if timeout is not None:
            connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
            request.extensions["timeout"] = httpx.Timeout(read, connect=connect).as_dict()
        tries = 1 + max(0, self.configuration.retries or 0)
        for attempt in range(1, tries + 1):
            pause = _FIRST_PAUSE * 2 ** (attempt - 1)
            try:
                response = client.send(request, stream=stream)
            except httpx.TransportError as error:
                if attempt == tries:
                    raise ApiException(
                        0, f"{self.configuration.host} cannot be reached: {error or type(error).__name__}"
                    ) from error
            else:
                if response.status_code not in _BUSY or attempt == tries:
                    return response
                wanted = response.headers.get("retry-after", "")
                pause = float(wanted) if wanted.isdigit() else pause
                response.close()
            time.sleep(min(pause, _LONGEST_PAUSE))
        raise AssertionError

    def checked(self, method: str, path: str, **more: Any) -> httpx.Response:
        """As ``send``; raises the ApiException of every status that is no success."""
        response = self.send(method, path, **more)
        if not response.is_success:
            raise_for(response)
        return response
