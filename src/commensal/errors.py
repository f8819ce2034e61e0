"""Every error that commensal raises on purpose, as one family.

Each error has a stable ``code`` for programs and a ``message`` that is safe to show to
whoever sent the request. Faces turn a class into a status and body of their own; they never
invent a status. Anything that is not in this family is a defect and becomes a 500 with an
error id and no detail.

::

    CommensalError
    ├── BadRequest                  the request cannot be understood (400)
    │   ├── Malformed               body, parameter or encoding is broken
    │   └── TooLarge                a limit on size, depth or cost was exceeded (413)
    ├── Unauthenticated             no credential, or one that is not valid here (401)
    │   ├── CredentialExpired       it was valid; make a new one
    │   └── WrongPassword           sign-in failed
    ├── Forbidden                   the caller is known and may not do this (403)
    │   └── Closed                  the installation has this switched off
    ├── NotFound                    no such thing, or none that the caller may know of (404)
    ├── Conflict                    the request clashes with what is stored (409)
    │   ├── AlreadyExists           a name or identifier is taken
    │   ├── NotEmpty                something still hangs below what should go
    │   └── StateConflict           the thing is in a state that forbids it
    ├── Invalid                     understood, but its content breaks a rule (422)
    │   └── InvalidRows             many rows; carries one Problem for each bad row and field
    ├── TooManyRequests             slow down (429); carries ``retry_after`` seconds
    ├── Unavailable                 the service cannot do it now (503); carries ``retry_after``
    │   └── NoSpace                 the free-space guard or a quota stopped a write (507)
    └── SetupError                  the installation itself is wrong; ends a command, never a request
        ├── FolderInUse             another server owns the data folder
        ├── WrongOwner              a folder belongs to another account
        ├── DatabaseTooNew          the database was written by a newer program
        └── EngineMissing           an option names an engine that is not installed or not built yet
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "AlreadyExists",
    "BadRequest",
    "Closed",
    "CommensalError",
    "Conflict",
    "CredentialExpired",
    "DatabaseTooNew",
    "EngineMissing",
    "FolderInUse",
    "Forbidden",
    "Invalid",
    "InvalidRows",
    "Malformed",
    "NoSpace",
    "NotEmpty",
    "NotFound",
    "Problem",
    "SetupError",
    "StateConflict",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "WrongOwner",
    "WrongPassword",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one place of a request.

    ``row`` counts from 1 in the order of the request (``line`` is the line of a file, where there
    is one), ``field`` is the column, property or link.
    """

    message: str
    code: str = "invalid"
    row: int | None = None
    line: int | None = None
    field: str | None = None
    record: str | None = None

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                f"line {self.line}" if self.line is not None else "",
                f"row {self.row}" if self.row is not None and self.line is None else "",
                self.record or "",
                self.field or "",
            )
            if part
        )
        return f"{place}: {self.message}" if place else self.message


class CommensalError(Exception):
    """The root of the family; never raised itself."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadRequest(CommensalError):
    """The request cannot be understood."""

    code = "bad_request"
    status = 400


class Malformed(BadRequest):
    """Body, parameter or encoding is broken."""

    code = "malformed"


class TooLarge(BadRequest):
    """A limit on size, depth, count or cost was exceeded."""

    code = "too_large"
    status = 413


class Unauthenticated(CommensalError):
    """No credential was sent, or it is not valid at this door."""

    code = "unauthenticated"
    status = 401


class CredentialExpired(Unauthenticated):
    """The credential was valid once; the caller needs a new one."""

    code = "credential_expired"


class WrongPassword(Unauthenticated):
    """Name and password do not belong together; never says which of them is wrong."""

    code = "wrong_password"


class Forbidden(CommensalError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    #: The caller holds nothing at all on the project: an answer may say as well that there is none.
    unseen = False


class Closed(Forbidden):
    """The installation has this switched off (for example registration)."""

    code = "closed"


class NotFound(CommensalError):
    """There is no such thing, or none that this caller may know of."""

    code = "not_found"
    status = 404


class Conflict(CommensalError):
    """The request clashes with what is stored."""

    code = "conflict"
    status = 409


class AlreadyExists(Conflict):
    """A name or identifier is taken."""

    code = "already_exists"


class NotEmpty(Conflict):
    """Something still hangs below what should be deleted."""

    code = "not_empty"


class StateConflict(Conflict):
    """The thing is in a state that forbids this."""

    code = "state_conflict"


class Invalid(CommensalError):
    """The request was understood, but its content breaks a rule."""

    code = "invalid"
    status = 422


class InvalidRows(Invalid):
    """Many rows were sent and some are wrong: nothing was written, every problem is named."""

    code = "invalid_rows"

    def __init__(self, message: str, problems: list[Problem]) -> None:
        super().__init__(message)
        self.problems = problems


class TooManyRequests(CommensalError):
    """The caller has to wait ``retry_after`` seconds."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(CommensalError):
    """The service cannot do this now; the same request may work after ``retry_after`` seconds."""

    code = "unavailable"
    status = 503

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoSpace(Unavailable):
    """The free-space guard or a quota stopped a write before anything broke."""

    code = "no_space"
    status = 507


class SetupError(CommensalError):
    """The installation is wrong; commands print the sentence and end with status 1."""

    code = "setup"


class FolderInUse(SetupError):
    """Another server owns the data folder."""

    code = "folder_in_use"


class WrongOwner(SetupError):
    """A folder or file belongs to another account."""

    code = "wrong_owner"


class DatabaseTooNew(SetupError):
    """The database was written by a newer program."""

    code = "database_too_new"


class EngineMissing(SetupError):
    """An option names an engine that is not installed, or not built yet."""

    code = "engine_missing"
