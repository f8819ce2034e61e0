"""The options of ``serve`` as one table: name, how its text is read, and what it means.

The same table reads the command line, the environment (``COMMENSAL_<OPTION>``) and the settings kept
in the data folder, so an option cannot mean different things in different places.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from commensal.errors import EngineMissing, SetupError

__all__ = ["OPTIONS", "Option", "parse_size"]

Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: ``field`` of Settings, ``--name`` on the command line, its reader, and whether it is kept."""

    field: str
    read: Reader
    help: str
    kept: bool = True

    @property
    def name(self) -> str:
        """The option as typed (``--base-url``)."""
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable (``COMMENSAL_BASE_URL``)."""
        return "COMMENSAL_" + self.field.upper()

    def parse(self, text: str, source: str) -> Any:
        """Read a text; raises SetupError that names the option and where the text stood."""
        try:
            return self.read(text.strip())
        except EngineMissing:
            raise
        except (ValueError, SetupError) as error:
            raise SetupError(f"{self.name} ({source}): {error}") from None


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Return bytes: ``500MB`` (decimal), ``2GiB`` (binary), ``1048576``."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no size; write for example 500MB, 2GiB or 1000000")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])


def _text(text: str) -> str:
    return text


def _number(low: int, high: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is no number from {low} to {high}")
        return int(text)

    return read


def _one_of(*words: str) -> Reader:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text.lower()

    return read


def _switch(text: str) -> bool:
    word = text.lower()
    if word in ("on", "true", "yes", "1"):
        return True
    if word in ("off", "false", "no", "0"):
        return False
    raise ValueError(f"{text!r} is neither on nor off")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(host.lower().rstrip(".") for host in _list(text))


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(part, strict=False)) for part in _list(text))


def _base_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError(f"{text!r} is no address like https://commons.example.org")
    if url.path not in ("", "/"):
        raise ValueError("the commons must stand at the root of its host: give an address without a path")
    return f"{url.scheme}://{url.netloc}".lower()


def _host(text: str) -> str:
    if not text or re.search(r"[\s/]", text):
        raise ValueError(f"{text!r} is no host name or address")
    return text.strip("[]")


def _database(text: str) -> str:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError("give a PostgreSQL address like postgresql://user:password@host/database")
    return "postgresql" + text[text.index("://") :]


def _blobs(text: str) -> str:
    scheme = text.partition("://")[0] if "://" in text else "file"
    if scheme == "s3":
        from commensal.storage.blobs.s3_place import check_s3

        check_s3(text)
        return text
    if scheme != "file":
        raise EngineMissing(
            f"--blobs {scheme}://… is not known: give a folder (--blobs /srv/blobs) or an S3 bucket "
            "(--blobs s3://bucket/prefix?endpoint=https://host), or leave the option out."
        )
    folder = Path(text.removeprefix("file://")).expanduser()
    if not folder.is_absolute():
        raise ValueError("give the folder as an absolute path")
    return str(folder)


def _sql(text: str) -> str:
    raise EngineMissing(f"--sql {text.partition('://')[0]}://… is not built yet: leave the option out.")


def _allow_fetch(text: str) -> tuple[str, ...]:
    from commensal.storage.fetch.allowed import parse_allowed

    entries = _list(text)
    for entry in entries:
        parse_allowed(entry)
    return entries


def _tls(text: str) -> str:
    if text.lower() in ("auto", "off"):
        return text.lower()
    certificate, colon, key = text.rpartition(":")
    if not colon or not certificate or not key:
        raise ValueError("give CERT:KEY (two PEM files) or auto")
    for path in (certificate, key):
        if not Path(path).expanduser().is_file():
            raise ValueError(f"there is no file {path}")
    return f"{Path(certificate).expanduser().resolve()}:{Path(key).expanduser().resolve()}"


def _smtp(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("smtp", "smtps", "smtp+starttls") or not url.hostname:
        raise ValueError("give an address like smtp://host:25, smtp+starttls://user:password@host:587 or smtps://host")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone like Europe/Berlin or UTC") from None
    return text


#: In the order of ``serve --help``. ``kept``: written to the data folder when given. The dictionary is kept in the
#: database instead, where ``admin dictionary apply`` puts another one.
OPTIONS: tuple[Option, ...] = (
    Option("host", _host, "Address to listen on."),
    Option("port", _number(0, 65535), "Port to listen on (0: any free one)."),
    Option("base_url", _base_url, "The address that users see, when it is not http://HOST:PORT."),
    Option("workers", _number(1, 64), "Number of worker processes."),
    Option("database", _database, "Use this PostgreSQL (15 or newer) and not the embedded one."),
    Option(
        "blobs",
        _blobs,
        "Where bytes of files are, when not in the data folder: a folder, or s3://bucket/prefix?endpoint=…",
    ),
    Option("sql", _sql, "SQL engine (later)."),
    Option("dictionary", _text, "Gen3 dictionary: folder, JSON file (.gz too), or installed package.", kept=False),
    Option("tls", _tls, "CERT:KEY (PEM files), or auto for a self-signed certificate."),
    Option("plain_http", _one_of("allow", "redirect", "refuse"), "What to do with requests over plain HTTP."),
    Option("http_redirect_port", _number(1, 65535), "Also listen here for plain HTTP and redirect to https."),
    Option(
        "allow_fetch",
        _allow_fetch,
        "Hosts that imports by link may fetch from: `HOST`, `HOST:PORT` or `*.DOMAIN`, by commas; none without it. "
        "Hosts in private networks only by their own name.",
    ),
    Option("anonymous", _switch, "Whether callers without a credential see what is public."),
    Option("registration", _one_of("open", "invite", "closed"), "Who may make an account."),
    Option("self_service", _switch, "Whether users may open programs of their own."),
    Option("allowed_hosts", _hosts, "Further host names that links may be made with."),
    Option("trusted_proxy", _networks, "Networks whose X-Forwarded-* headers are believed."),
    Option(
        "metrics_port", _number(1, 65535), "Serve /metrics on this port of the loopback interface, to anybody there."
    ),
    Option("min_count", _number(0, 1_000_000), "Counts below this are hidden from callers who may only count."),
    Option("support_contact", _text, "Whom to ask: shown on the portal and in answers to failures."),
    Option("smtp", _smtp, "Mail server; without one, mails are shown in the portal and the log."),
    Option("timezone", _timezone, "Time zone of reports and pages."),
    Option("quota", parse_size, "Bytes that one program may hold (0: no limit)."),
    Option("min_free", parse_size, "Below this much free disk space, writes are refused."),
    Option("user", _text, "As root: leave root for this account before anything is touched.", kept=False),
    Option("demo", _switch, "A commons to try things out: demo accounts, on this machine only.", kept=False),
)
