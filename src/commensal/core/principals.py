"""Who is calling: one value that every service takes first."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["DOORS", "KEY_DOORS", "Credential", "CredentialKind", "Door", "Principal", "PrincipalKind"]


class Door(enum.StrEnum):
    """Where a call came in; written to the audit with every event."""

    GEN3 = "gen3"
    POLLY = "polly"
    PANGEA = "pangea"
    ODM = "odm"
    OPAL = "opal"
    PORTAL = "portal"
    API = "api"
    CLI = "cli"
    SYSTEM = "system"


DOORS: tuple[Door, ...] = tuple(Door)
#: Doors for which a user can make keys.
KEY_DOORS: tuple[Door, ...] = (Door.GEN3, Door.POLLY, Door.PANGEA, Door.ODM, Door.OPAL)


class PrincipalKind(enum.StrEnum):
    """What sort of caller this is."""

    USER = "user"
    ANONYMOUS = "anonymous"
    OPERATOR = "operator"
    SYSTEM = "system"


class CredentialKind(enum.StrEnum):
    """What a credential is and how it is sent."""

    API_KEY = "api_key"  # gen3: a signed JWT, only exchanged for access tokens; polly: x-api-key
    LOGIN_TOKEN = "login_token"  # pangea: Authorization: Token …  # noqa: S105 - a kind, not a secret
    API_TOKEN = "api_token"  # odm: Genestack-API-Token  # noqa: S105
    ACCESS_TOKEN = "access_token"  # odm: bearer; a child of its api_token  # noqa: S105
    BASIC = "basic"  # opal: login and password
    SESSION = "session"  # the portal's cookie
    INVITATION = "invitation"  # sign-up link, used once
    RESET = "reset"  # password link, used once


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a service, proved by a credential or by being the operator at the console.

    ``user`` is the number (seq) of the account, None for anonymous callers, the operator and the
    system. ``scopes`` are those of the credential. ``only_program`` limits an Opal key to its
    program. ``session`` tells that a person signed in with a browser, which alone may make keys
    for doors that demand it. ``lent``: rights on projects (number, right) for one request, which a service lent
    after it had decided what the request is about (``services.work_orders``).
    """

    kind: PrincipalKind
    door: Door
    user: int | None = None
    email: str = ""
    name: str = ""
    site_admin: bool = False
    credential: int | None = None
    scopes: frozenset[str] = frozenset()
    only_program: int | None = None
    session: bool = False
    lent: tuple[tuple[int, int], ...] = ()
    address: str = ""
    request_id: str = ""
    route: str = ""

    @property
    def signed_in(self) -> bool:
        """Tell whether a known account (or the operator) stands behind the call."""
        return self.kind is not PrincipalKind.ANONYMOUS

    @property
    def label(self) -> str:
        """The caller's name in the audit."""
        return self.email or self.kind.value


@dataclass(frozen=True, slots=True)
class Credential:
    """One row of the credentials table, without any secret."""

    id: int
    user: int
    door: Door
    kind: CredentialKind
    made: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None
    public_id: str = ""
    label: str = ""
    parent: int | None = None
    program: int | None = None
    scopes: frozenset[str] = field(default_factory=frozenset[str])
