"""What services ask of storage about credentials and signing keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from commensal.core.principals import Credential, CredentialKind, Door
from commensal.core.users import LiveCredential
from commensal.storage.ports import Unit
from commensal.storage.ports.users import Failures

__all__ = ["Credentials", "SigningKeyRow", "SigningKeys"]


class Credentials(Protocol):
    """The one table of secrets of all doors; it holds their SHA-256 only."""

    async def add(
        self,
        unit: Unit,
        *,
        user: int,
        door: Door,
        kind: CredentialKind,
        sha256: bytes,
        made: datetime,
        expires: datetime | None,
        public_id: str = "",
        label: str = "",
        parent: int | None = None,
        program: int | None = None,
        scopes: Collection[str] = (),
    ) -> int:
        """Store a credential and return its number; one with the same secret gets the new expiry instead."""
        ...

    async def by_secret(self, unit: Unit, sha256: bytes) -> LiveCredential | None:
        """Return the credential of a secret, in whatever state, with its account."""
        ...

    async def by_public_id(self, unit: Unit, door: Door, public_id: str) -> LiveCredential | None:
        """Return the credential of a door's public name (Gen3 ``key_id``, Opal login), with its account."""
        ...

    async def by_basic(
        self, unit: Unit, sha256: bytes, login: str, account: str, address: str
    ) -> tuple[LiveCredential | None, bool, Failures | None]:
        """Return the credential of a login and password, whether there is such a login, and its failures.

        One statement; ``account`` is the name under which failures of the login are counted.
        """
        ...

    async def get(self, unit: Unit, number: int) -> Credential | None:
        """Return one credential."""
        ...

    async def of_user(self, unit: Unit, user: int, door: Door | None) -> list[Credential]:
        """Return a user's keys, dead ones too, latest expiry first (1,000 at most); no sessions and links."""
        ...

    async def live_keys(self, unit: Unit, user: int, door: Door, at: datetime) -> int:
        """Count a user's keys of a door that work now, children not counted."""
        ...

    async def revoke(self, unit: Unit, number: int, at: datetime) -> int:
        """Revoke a credential and its children; return how many worked before."""
        ...

    async def revoke_kinds(
        self, unit: Unit, user: int, kinds: Collection[CredentialKind], at: datetime, *, but: int | None = None
    ) -> int:
        """Revoke all credentials of some kinds of a user, except one; return how many worked before."""
        ...

    async def use_once(self, unit: Unit, sha256: bytes, kind: CredentialKind, at: datetime) -> int | None:
        """Use a one-time secret up and return its user; None when it is unknown, used or expired."""
        ...

    async def made_since(self, unit: Unit, user: int, kind: CredentialKind, since: datetime) -> bool:
        """Tell whether a credential of this kind was made for a user after a moment."""
        ...

    async def used(
        self, unit: Unit, numbers: Sequence[int], times: Sequence[datetime], *, slide: float, limit: float
    ) -> None:
        """Write when credentials were used, in one statement.

        The expiry of a session moves to ``slide`` seconds after its use, ``limit`` seconds after its making at most.
        """
        ...

    async def purge(self, unit: Unit, before: datetime) -> None:
        """Remove sessions and one-time links that ended before a moment; keys stay in the lists."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A signing key: private part sealed by the master key, public part as a JWK (RFC 7517)."""

    kid: str
    sealed: bytes
    public_jwk: dict[str, Any]
    made: datetime
    retired: datetime | None


class SigningKeys(Protocol):
    """Keys that sign tokens."""

    async def lock(self, unit: Unit) -> None:
        """Let one process at a time make or rotate keys, until the transaction ends."""
        ...

    async def usable(self, unit: Unit, at: datetime) -> list[SigningKeyRow]:
        """Return the current key and the retired ones under which something still runs, newest first."""
        ...

    async def add(self, unit: Unit, row: SigningKeyRow) -> None:
        """Store a new current key and retire the one before it at the same moment."""
        ...

    async def witness(self, unit: Unit) -> bytes | None:
        """Return what the first process on this database sealed, to tell its master key by; None before that."""
        ...

    async def keep_witness(self, unit: Unit, sealed: bytes) -> bytes:
        """Store a witness unless there is one; return the one that is stored."""
        ...
