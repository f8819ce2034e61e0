"""The fetcher: one GET at a time over HTTP(S), to an address that was looked up once and checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urljoin

import httpx

from commensal.errors import CommensalError, Forbidden, Invalid, Malformed, TooLarge, Unavailable
from commensal.storage.fetch.allowed import Allowed, Place, entry_for, is_public, read_address
from commensal.storage.ports.fetch import Incoming

__all__ = ["HttpFetcher", "Limits", "Resolve"]

#: Looks a name up: (host, port) to IP addresses in the order to try them.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ADDRESSES = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is fetched: ``size`` in bytes, all times in seconds.

    ``look_up`` and ``connect`` bound these steps, ``pause`` the time without a byte, ``total`` everything together.
    After ``grace`` seconds the bytes so far must have come at ``pace`` bytes a second or faster.
    """

    size: int = 100 * 1024**3
    redirects: int = 3
    look_up: float = 10.0
    connect: float = 10.0
    pause: float = 30.0
    total: float = 12 * 3600.0
    grace: float = 60.0
    pace: int = 4_096


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class HttpFetcher:
    """See ``ports.fetch.Fetcher``.

    ``tls``: what certificates are checked with, the usual authorities where it is None. ``ours`` tells whether an
    address points into this commons: such a one is never fetched, wherever a redirect leads.
    """

    def __init__(
        self,
        allowed: Sequence[Allowed],
        *,
        limits: Limits | None = None,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        ours: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._allowed = tuple(allowed)
        self._ours = ours
        self._limits = limits or Limits()
        self._resolve = resolve
        self._tls = tls

    def check(self, address: str) -> None:
        """See ``ports.fetch.Fetcher``."""
        self._entry(read_address(address))

    def _entry(self, place: Place) -> Allowed:
        if self._ours(f"{place.scheme}://{place.netloc}{place.target}"):
            raise Malformed(f"The link {place.shown} leads into this commons itself: name the file by its own link.")
        return entry_for(place, self._allowed)

    @asynccontextmanager
    async def open(self, address: str, *, limit: int | None = None) -> AsyncGenerator[Incoming]:
        """See ``ports.fetch.Fetcher``."""
        most = self._limits.size if limit is None else min(limit, self._limits.size)
        end = asyncio.get_running_loop().time() + self._limits.total
        place = read_address(address)
        for _ in range(self._limits.redirects + 1):
            client, response = await self._get(place, end)
            try:
                if response.status_code in _REDIRECTS:
                    place = _next(place, response)
                    continue
                yield self._incoming(place, response, most, end)
                return
            finally:
                # The rest of a body, which may have no end, is not read.
                with suppress(httpx.HTTPError, OSError):
                    await response.aclose()
                await client.aclose()
        raise Invalid(f"The link leads through more than {self._limits.redirects} redirects; give the last address.")

    async def _get(self, place: Place, end: float) -> tuple[httpx.AsyncClient, httpx.Response]:
        entry = self._entry(place)
        failure: Exception | None = None
        for ip in await self._addresses(place, entry):
            client = httpx.AsyncClient(
                trust_env=False,
                follow_redirects=False,
                verify=self._context() if place.scheme == "https" else False,
                timeout=httpx.Timeout(self._limits.pause, connect=self._limits.connect),
            )
            request = client.build_request(
                "GET",
                httpx.URL(scheme=place.scheme, host=ip, port=place.port, raw_path=place.target.encode("ascii")),
                headers={
                    "host": place.netloc,
                    "accept": "*/*",
                    "accept-encoding": "identity",
                    "user-agent": "commensal",
                    "connection": "close",
                },
                extensions={"sni_hostname": place.host},
            )
            try:
                left = end - asyncio.get_running_loop().time()
                # The head of an answer must not trickle in for ever, either.
                head = min(max(left, 0.0), self._limits.connect + self._limits.grace)
                return client, await asyncio.wait_for(client.send(request, stream=True), head)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                await client.aclose()
                failure = error
            except BaseException as error:
                await client.aclose()
                if isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | TimeoutError):
                    raise _broken(place, error) from error
                raise
        raise _broken(place, failure) from failure

    async def _addresses(self, place: Place, entry: Allowed) -> Sequence[str]:
        """Look the host up, once; raises Forbidden when it is not in the public Internet and not named on the list."""
        try:
            found = await asyncio.wait_for(self._resolve(place.host, place.port), self._limits.look_up)
        except (OSError, UnicodeError, TimeoutError):
            raise Unavailable(
                f"The host {place.host} of the link is not known, or its name cannot be looked up now."
            ) from None
        if not found:
            raise Unavailable(f"The host {place.host} of the link has no address.")
        if entry.wide and not all(is_public(ip) for ip in found):
            raise Forbidden(
                f"The host {place.host} lies in a private network. This server fetches from there only when exactly "
                "this host is on its list (--allow-fetch)."
            )
        return found[:_ADDRESSES]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
            self._tls.load_default_certs()
        return self._tls

    def _incoming(self, place: Place, response: httpx.Response, most: int, end: float) -> Incoming:
        if response.status_code != 200:
            raise Invalid(f"The server of the link {place.shown} answered {response.status_code}, not 200.")
        length = response.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        if size is not None and size > most:
            raise TooLarge(f"The link {place.shown} has {size:,} bytes; at most {most:,} are taken.")
        media = response.headers.get("content-type", "application/octet-stream")
        return Incoming(_name(response), size, media, self._chunks(place, response, most, end))

    async def _chunks(self, place: Place, response: httpx.Response, most: int, end: float) -> AsyncIterator[bytes]:
        limits, loop = self._limits, asyncio.get_running_loop()
        began, seen = loop.time(), 0
        coming = response.aiter_raw()
        while True:
            try:
                async with asyncio.timeout_at(min(end, loop.time() + limits.pause)):
                    chunk = await anext(coming)
            except StopAsyncIteration:
                return
            except CommensalError:
                raise
            except (httpx.HTTPError, httpx.StreamError, OSError, TimeoutError) as error:
                raise _broken(place, error) from error
            seen += len(chunk)
            if seen > most:
                raise TooLarge(f"The link {place.shown} has more than the {most:,} bytes that are taken.")
            spent = loop.time() - began
            if loop.time() > end or (spent > limits.grace and seen < limits.pace * spent):
                raise Unavailable(f"The server of the link {place.shown} sends too slowly; the import was given up.")
            yield chunk


def _name(response: httpx.Response) -> str | None:
    """Return the file name of a Content-Disposition (RFC 6266), None without one."""
    message = Message()
    message["Content-Disposition"] = response.headers.get("content-disposition", "")
    try:
        return message.get_filename() or None
    except (LookupError, ValueError, TypeError):  # an encoding that nobody knows, parts that cannot be put in order
        return None


def _next(place: Place, response: httpx.Response) -> Place:
    target = response.headers.get("location", "")
    if not target:
        raise Invalid(f"The server of the link {place.shown} redirects to nowhere.")
    try:
        return read_address(urljoin(f"{place.scheme}://{place.netloc}{place.target}", target))
    except (Malformed, ValueError) as error:
        reason = error.message if isinstance(error, Malformed) else "its target cannot be read."
        raise Malformed(f"The server of the link {place.shown} redirects: {reason}") from None


def _broken(place: Place, error: Exception | None) -> Unavailable:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        what = "did not answer, or stopped sending, in time"
    elif isinstance(error, httpx.ConnectError):
        certificate = "certificate" in str(error).lower()
        what = "has a certificate that is not valid" if certificate else "cannot be reached"
    else:
        what = "broke off, or sent no valid answer"
    return Unavailable(f"The server of the link {place.shown} {what}.", retry_after=60)
