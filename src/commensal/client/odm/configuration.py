"""Where the server is and which keys are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

__all__ = ["Configuration"]

DEFAULT_HOST = "http://localhost"


class Configuration:
    """Host and keys.

    ``api_key`` maps ``Access-token`` and ``Genestack-API-Token`` to secrets, ``api_key_prefix`` maps them to a word
    that is put before (``Bearer``); ``Access-token`` goes into the header ``Authorization``. ``verify_ssl`` False, or
    ``ssl_ca_cert`` with the path of a CA certificate, for servers with one of their own. ``retries``: how often a
    request is sent again when the server cannot be reached or is busy.
    """

    _default: ClassVar[Configuration | None] = None

    def __init__(
        self,
        host: str | None = None,
        api_key: Mapping[str, str] | None = None,
        api_key_prefix: Mapping[str, str] | None = None,
        *,
        ssl_ca_cert: str | None = None,
        retries: int | None = None,
    ) -> None:
        self.host = (host or DEFAULT_HOST).rstrip("/")
        self.api_key = dict(api_key or {})
        self.api_key_prefix = dict(api_key_prefix or {})
        self.verify_ssl = True
        self.ssl_ca_cert = ssl_ca_cert
        self.retries = retries
        self.proxy: str | None = None

    @classmethod
    def set_default(cls, default: Configuration | None) -> None:
        """Set what ``ApiClient()`` takes when it is given nothing."""
        cls._default = default

    @classmethod
    def get_default(cls) -> Configuration:
        """Return what was set with ``set_default``, else a plain configuration."""
        if cls._default is None:
            cls._default = cls()
        return cls._default

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """Return a key with its prefix, None when there is none."""
        key = self.api_key.get(identifier) or (self.api_key.get(alias) if alias else None)
        if not key:
            return None
        prefix = self.api_key_prefix.get(identifier)
        return f"{prefix} {key}" if prefix else key

    def __repr__(self) -> str:
        return f"Configuration(host={self.host!r}, api_key={sorted(self.api_key)})"
