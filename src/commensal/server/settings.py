"""Settings of one start: command line, then environment, then what the data folder keeps, then defaults."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from commensal.errors import SetupError
from commensal.server.options import OPTIONS
from commensal.storage.embedded.layout import default_data_folder

__all__ = ["SETTINGS_FILE", "Settings", "is_loopback", "load_settings", "save_settings"]

SETTINGS_FILE = "settings.json"


def _default_workers() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, count))


@dataclass(frozen=True, slots=True)
class Settings:
    """What this start was told; sizes in bytes. ``given`` names the options that somebody chose."""

    data: str
    host: str = "127.0.0.1"
    port: int = 8000
    base_url: str | None = None
    workers: int = 1
    database: str | None = None
    blobs: str | None = None
    sql: str | None = None
    dictionary: str | None = None
    tls: str = "off"
    plain_http: str | None = None
    http_redirect_port: int | None = None
    allow_fetch: tuple[str, ...] = ()
    anonymous: bool = False
    registration: str = "invite"
    self_service: bool = True
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxy: tuple[str, ...] = ()
    metrics_port: int | None = None
    min_count: int = 5
    support_contact: str = ""
    smtp: str | None = None
    timezone: str = "UTC"
    quota: int = 0
    min_free: int = 500_000_000
    user: str | None = None
    demo: bool = False
    given: tuple[str, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether this process itself speaks TLS."""
        return self.tls != "off"

    @property
    def https(self) -> bool:
        """Whether users see https: here or at a proxy in front."""
        return self.secure or (self.base_url or "").startswith("https:")

    @property
    def plain(self) -> str:
        """What happens to requests over plain HTTP: redirect where TLS is configured, else allow."""
        return self.plain_http or ("redirect" if self.secure else "allow")

    @property
    def url(self) -> str:
        """The address that users see."""
        if self.base_url:
            return self.base_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        return f"{scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def blob_folder(self) -> Path:
        """Where bytes are kept on this machine; with S3 nothing is."""
        return Path(self.blobs) if self.blobs and "://" not in self.blobs else Path(self.data) / "blobs"

    def encode(self) -> dict[str, Any]:
        """Return plain values for a pipe between our own processes."""
        return asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Settings:
        """Read back what :meth:`encode` gave."""
        known = {field.name for field in fields(cls)}
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
        return cls(**plain)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be reached from this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _kept(folder: Path) -> dict[str, str]:
    path = folder / SETTINGS_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}; run this as the account that owns it") from None
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise SetupError(f"{path} is broken ({error}): repair or remove it, then start again") from None


def load_settings(
    data: str | Path | None,
    chosen: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Gather the settings of a start.

    ``chosen`` holds the options of the command line as texts, by field name. An empty text sets an
    option back to its default. Raises SetupError (EngineMissing for what is not built yet).
    """
    environment = os.environ if environment is None else environment
    folder = Path(data).expanduser() if data else default_data_folder()
    folder = folder.absolute()
    kept = _kept(folder)
    values: dict[str, Any] = {}
    given: list[str] = []
    for option in OPTIONS:
        for source, texts, key in (
            ("command line", chosen or {}, option.field),
            (option.variable, environment, option.variable),
            (SETTINGS_FILE, kept, option.field),
        ):
            text = texts.get(key)
            if text is None or (key == "COMMENSAL_PORT" and text.startswith("tcp://")):
                continue  # Kubernetes sets COMMENSAL_PORT=tcp://… for a service that is called commensal
            if source != SETTINGS_FILE:
                given.append(option.field)
            if text.strip():
                values[option.field] = option.parse(text, source)
            break
    settings = Settings(data=str(folder), **{"workers": _default_workers(), **values}, given=tuple(given))
    if settings.demo:
        settings = _demo(settings, kept)
    _check(settings)
    return settings


def _demo(settings: Settings, kept: Mapping[str, str]) -> Settings:
    """Open what a demo opens, unless somebody said otherwise now; refuse where others could reach it."""
    base = urlsplit(settings.base_url).hostname if settings.base_url else None
    if not is_loopback(settings.host):
        raise SetupError(
            f"--demo makes accounts with passwords on the screen and opens registration, so it runs on this machine "
            f"only: --host {settings.host} is not a loopback address. Leave --host out, or leave --demo out."
        )
    if base is not None and not is_loopback(base):
        raise SetupError(f"--demo runs on this machine only: --base-url {settings.base_url} is not a loopback address.")
    if settings.tls not in ("off", "auto"):
        raise SetupError("--demo runs on this machine only: a real TLS certificate is configured (--tls).")
    changes: dict[str, Any] = {}
    if "anonymous" not in settings.given:
        changes["anonymous"] = True
    if "registration" not in settings.given:
        changes["registration"] = "open"
    return replace(settings, **changes)


def _check(settings: Settings) -> None:
    if settings.http_redirect_port is not None and not settings.secure:
        raise SetupError("--http-redirect-port needs --tls: there is nothing to redirect to.")
    if settings.plain_http == "redirect" and not settings.https:
        raise SetupError("--plain-http redirect needs --tls, or a --base-url with https.")
    ports = [p for p in (settings.port, settings.metrics_port, settings.http_redirect_port) if p]
    if len(set(ports)) != len(ports):
        raise SetupError("--port, --metrics-port and --http-redirect-port must be three different ports.")


def save_settings(settings: Settings, texts: Mapping[str, str]) -> None:
    """Keep the options given now beside those kept before (0600, whole or not at all); an empty text forgets one."""
    folder = Path(settings.data)
    before = _kept(folder)
    after = dict(before)
    for option in OPTIONS:
        text = texts.get(option.field)
        if option.kept and text is not None:
            if text.strip():
                after[option.field] = _absolute(option.field, text.strip())
            else:
                after.pop(option.field, None)
    if after == before:
        return
    path = folder / SETTINGS_FILE
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _absolute(field: str, text: str) -> str:
    """A path is kept absolute, so that a later start from another folder means the same."""
    if field == "tls" and text.lower() not in ("auto", "off"):
        return ":".join(str(Path(part).expanduser().absolute()) for part in text.rsplit(":", 1))
    return text


def chosen_texts(chosen: Mapping[str, str], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the texts that were given now, command line before environment, by field name."""
    environment = os.environ if environment is None else environment
    texts = {o.field: environment[o.variable] for o in OPTIONS if o.variable in environment}
    if texts.get("port", "").startswith("tcp://"):
        del texts["port"]
    texts.update(chosen)
    return texts
