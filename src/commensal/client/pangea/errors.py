"""What can go wrong, under the names that scripts of this door catch.

``PangeaGeneralError`` is also a ``requests.HTTPError`` where that library is installed, because scripts written for
the published client catch that one. Source: contract pangea.md a2, a3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commensal.errors import CommensalError

if TYPE_CHECKING:
    HTTPError = OSError
else:
    try:  # not a dependency: only scripts that have it can name its classes
        from requests.exceptions import HTTPError
    except ImportError:

        class HTTPError(OSError):
            """Stands for ``requests.HTTPError`` where that library is absent."""


__all__ = [
    "HTTPError",
    "PangeaForbiddenError",
    "PangeaGeneralError",
    "PangeaInternalError",
    "PangeaNotFoundError",
    "PangeaOtherError",
    "RemoteObjectError",
    "RemoteObjectOverwriteError",
    "TransferError",
    "error_of_status",
]


class PangeaGeneralError(CommensalError, HTTPError):
    """A request failed. ``status_code`` is the HTTP status (0: no answer came), ``detail`` the body of the answer."""

    code = "request_failed"

    def __init__(self, message: str = "", status_code: int = 0, detail: Any = None) -> None:
        CommensalError.__init__(self, message)
        self.status_code = status_code
        self.detail = detail
        self.response = None
        self.request = None

    def __str__(self) -> str:
        return self.message


class PangeaForbiddenError(PangeaGeneralError):
    """Not logged in, or not allowed (403)."""


class PangeaNotFoundError(PangeaGeneralError):
    """There is no such object (404)."""


class PangeaInternalError(PangeaGeneralError):
    """The server has a defect (500)."""


class PangeaOtherError(PangeaGeneralError):
    """Every other refusal."""


class TransferError(PangeaGeneralError):
    """A file could not be sent or fetched whole."""


class RemoteObjectError(Exception):
    """An object is not in the state that the call needs."""


class RemoteObjectOverwriteError(RemoteObjectError):
    """What the server has would silently replace what was set here."""


_BY_STATUS = {403: PangeaForbiddenError, 404: PangeaNotFoundError, 500: PangeaInternalError}


def error_of_status(status: int) -> type[PangeaGeneralError]:
    """Return the class of the error that stands for a status."""
    return _BY_STATUS.get(status, PangeaOtherError)
