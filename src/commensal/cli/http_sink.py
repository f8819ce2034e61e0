"""A sink that writes through a server's own API, with a key of any door."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import httpx

from commensal import errors
from commensal.errors import CommensalError, Invalid, InvalidRows, NotFound, Problem, SetupError, Unauthenticated
from commensal.importers.sink import EXTRA, Counts, Document, ProjectKind, SubmitResult

__all__ = ["HttpSink", "open_http_sink", "read_key"]

_BASE = "/commensal/v1"
_BLOCK = 1024 * 1024
_TRIES = 4


def read_key(source: str | None) -> dict[str, str]:
    """Return a key from ``--key FILE``, else from COMMENSAL_KEY (a file's name, its JSON, or a bare token)."""
    given = source or os.environ.get("COMMENSAL_KEY", "")
    if not given:
        raise SetupError("--url needs a key: give --key credentials.json, or set COMMENSAL_KEY.")
    text = given
    if source is not None or (not given.lstrip().startswith("{") and Path(given).is_file()):
        try:
            text = Path(given).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"The key {given} cannot be read: {error}.") from None
    text = text.strip()
    if not text.startswith("{"):
        return {"token": text}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SetupError(f"The key is no JSON: {error}.") from None
    return {name: item for name, item in value.items() if isinstance(item, str)}


class _Auth(httpx.Auth):
    """Sends a key in its door's header; a Gen3 API key is exchanged for access tokens as they run out."""

    requires_response_body = True

    def __init__(self, key: Mapping[str, str], url: str) -> None:
        self._api_key = key.get("api_key")
        self._url = url
        self._header: tuple[str, str] | None = None
        if key.get("login") and key.get("password"):
            pair = base64.b64encode(f"{key['login']}:{key['password']}".encode()).decode()
            self._header = ("Authorization", f"Basic {pair}")
        elif key.get("api_token"):
            self._header = ("Genestack-API-Token", key["api_token"])
        elif key.get("access_token"):
            self._header = ("Authorization", f"Bearer {key['access_token']}")
        elif key.get("token"):
            self._header = ("Authorization", f"Token {key['token']}")
        elif self._api_key is None:
            raise SetupError("The key holds none of api_key, token, api_token or login and password.")

    def auth_flow(self, request: httpx.Request) -> Any:
        for attempt in range(2):
            if self._header is None:
                answer = yield httpx.Request(
                    "POST", f"{self._url}{_BASE}/access-token", json={"api_key": self._api_key}
                )
                if answer.status_code != 200:
                    _raise(answer)
                self._header = ("Authorization", f"Bearer {answer.json()['access_token']}")
            request.headers[self._header[0]] = self._header[1]
            answer = yield request
            if answer.status_code != 401 or self._api_key is None or attempt:
                return
            self._header = None  # the access token ran out


def _family() -> dict[str, type[CommensalError]]:
    found: dict[str, type[CommensalError]] = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, CommensalError):
            found[kind.code] = kind
    return found


def _raise(answer: httpx.Response) -> NoReturn:
    """Raise the error of the family that an answer stands for."""
    try:
        body = answer.json()["error"]
        code, message = str(body["code"]), str(body["message"])
    except (ValueError, KeyError, TypeError):
        raise CommensalError(
            f"The server answered {answer.status_code} and it does not look like a commensal: "
            f"{answer.text[:200]!r}. Is the address right?"
        ) from None
    kind = _family().get(code, CommensalError)
    if issubclass(kind, InvalidRows):
        known = {"message", "code", "row", "line", "field", "record"}
        problems = [Problem(**{k: v for k, v in one.items() if k in known}) for one in body.get("problems", [])]
        raise InvalidRows(message, problems)
    if issubclass(kind, errors.TooManyRequests | errors.Unavailable):
        raise kind(message, retry_after=int(answer.headers.get("retry-after", "1")))
    raise kind(message, field=body.get("field"))


class HttpSink:
    """See ``importers.sink.Sink``."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def _send(self, method: str, path: str, *, safe: bool = True, **more: Any) -> httpx.Response:
        """Send a request; busy servers and broken connections are tried again where that is safe."""
        for attempt in range(_TRIES):
            try:
                answer = await self._client.request(method, f"{_BASE}{path}", **more)
            except httpx.TransportError as error:
                if not safe or attempt == _TRIES - 1:
                    raise errors.Unavailable(
                        f"The server cannot be reached: {error or type(error).__name__}."
                    ) from None
            else:
                if answer.status_code not in (429, 503) or attempt == _TRIES - 1:
                    return answer
            await asyncio.sleep(2**attempt)
        raise AssertionError

    @staticmethod
    def _good(answer: httpx.Response) -> Any:
        if answer.status_code >= 300:
            _raise(answer)
        return answer.json()

    async def check(self) -> None:
        """Raise unless the server knows the key."""
        self._good(await self._send("GET", "/whoami"))

    async def ensure_program(self, code: str, title: str | None = None) -> None:
        """See ``importers.sink.Sink``."""
        answer = await self._send("GET", f"/programs/{quote(code, safe='')}")
        if answer.status_code != 404:
            self._good(answer)
            return
        answer = await self._send("POST", "/programs", json={"code": code, "title": title})
        if answer.status_code == 409:
            answer = await self._send("POST", "/programs", json={"code": code})
        if answer.status_code != 409:
            self._good(answer)

    async def ensure_project(
        self,
        program: str,
        code: str,
        *,
        kind: ProjectKind,
        title: str,
        properties: Mapping[str, Any],
        public: str | None,
    ) -> None:
        """See ``importers.sink.Sink``."""
        place = f"/projects/{quote(f'{program}-{code}', safe='')}"
        answer = await self._send("GET", place)
        if answer.status_code != 404:
            self._good(answer)
            return
        values = dict(properties)
        body = {
            "code": code,
            "title": title,
            "kind": kind,
            "public": public,
            "extra": values.pop(EXTRA, None),
            "properties": values,
        }
        answer = await self._send("POST", f"/programs/{quote(program, safe='')}/projects", json=body)
        if answer.status_code == 409:
            answer = await self._send("GET", place)
        self._good(answer)

    async def submit(
        self, program: str, project: str, documents: Sequence[Document], *, cells: bool = False
    ) -> SubmitResult:
        """See ``importers.sink.Sink``."""
        answer = await self._send(
            "POST",
            f"/projects/{quote(f'{program}-{project}', safe='')}/records",
            params={"cells": "true"} if cells else {},
            json=list(documents),
        )
        types = self._good(answer)["types"]
        return SubmitResult({name: Counts(**counts) for name, counts in types.items()})

    async def put_file(
        self,
        program: str,
        project: str,
        path: str,
        source: Path,
        *,
        media_type: str,
        record: tuple[str, str] | None,
    ) -> None:
        """See ``importers.sink.Sink``."""
        address = f"/projects/{quote(f'{program}-{project}', safe='')}/files/{quote(path)}"
        digest = await asyncio.to_thread(_digest, source)
        known = await self._send("GET", address, params={"info": "true"})
        if known.status_code == 200 and known.json()["sha256"] == digest and record is None:
            return
        if known.status_code not in (200, 404):
            _raise(known)
        query = {"sha256": digest}
        if record is not None:
            query.update(type=record[0], submitter_id=record[1])
        answer = await self._send(
            "PUT",
            address,
            safe=False,  # the body is a stream and can be sent only once
            params=query,
            content=_blocks(source),
            headers={"Content-Type": media_type, "Content-Length": str(source.stat().st_size)},
        )
        self._good(answer)


def _digest(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _blocks(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block


@asynccontextmanager
async def open_http_sink(url: str, key: str | None) -> AsyncIterator[HttpSink]:
    """Give a sink on a server; raises NotFound, Unauthenticated or Unavailable when it cannot be used."""
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Invalid("--url is an address like https://commons.example.org.")
    auth = _Auth(read_key(key), url)
    timeout = httpx.Timeout(30, read=600, write=600)
    async with httpx.AsyncClient(base_url=url, auth=auth, timeout=timeout) as client:
        sink = HttpSink(client)
        try:
            await sink.check()
        except Unauthenticated as error:
            raise Unauthenticated(f"{url} does not take this key: {error.message}") from None
        except NotFound:
            raise NotFound(f"{url} is no commensal server.") from None
        yield sink
