"""What goes wrong at the client's side of the wire; everything else is an error of ``commensal.errors``.

::

    CommensalError
    ├── BadRequest
    │   └── QueryFailed         the query was refused; carries every sentence and the partial data
    ├── Invalid / InvalidRows
    │   └── SubmissionFailed    rows were refused; carries a Problem for each, and what was written before
    ├── SubmissionStopped       a later chunk could not be sent; carries what was written before
    ├── Unavailable
    │   └── TimedOut            no answer in time; whether the request was carried out is unknown
    ├── ServerFault             the server has a defect; carries its error id where it gives one
    └── SetupError
        ├── WrongServer         the address answers, but not as this door does
        └── ExtraMissing        pandas or polars is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commensal.errors import BadRequest, CommensalError, InvalidRows, Problem, SetupError, Unavailable

if TYPE_CHECKING:
    from commensal.client._results import SubmitResult

__all__ = [
    "ExtraMissing",
    "QueryFailed",
    "ServerFault",
    "SubmissionFailed",
    "SubmissionStopped",
    "TimedOut",
    "WrongServer",
]

#: Problems that the text of an error shows; ``problems`` has all.
_SHOWN = 10


class QueryFailed(BadRequest):
    """A query was refused; ``errors`` holds the server's sentences, ``data`` what it answered beside them."""

    code = "query_failed"

    def __init__(self, errors: list[str], data: Any = None) -> None:
        super().__init__("\n".join(errors) or "The server refused the query without a reason.")
        self.errors = errors
        self.data = data


class SubmissionFailed(InvalidRows):
    """Rows were refused, and nothing of their chunk was written.

    ``problems`` names every row, record and field; ``written`` is what the chunks before it wrote, which stays.
    """

    code = "submission_failed"

    def __init__(
        self, message: str, problems: list[Problem], written: SubmitResult, transaction_id: int | None
    ) -> None:
        lines = [message, *(f"  {problem}" for problem in problems[:_SHOWN])]
        if len(problems) > _SHOWN:
            lines.append(f"  … and {len(problems) - _SHOWN:,} more (see .problems)")
        super().__init__("\n".join(lines), problems)
        self.written = written
        self.transaction_id = transaction_id


class SubmissionStopped(CommensalError):
    """A submission of several chunks ended early for another reason than its rows, which is ``__cause__``.

    ``written`` is what the chunks before wrote, which stays.
    """

    code = "submission_stopped"

    def __init__(self, message: str, written: SubmitResult) -> None:
        super().__init__(message)
        self.written = written


class TimedOut(Unavailable):
    """No answer came in time; whether the request was carried out is unknown."""

    code = "timed_out"


class ServerFault(CommensalError):
    """The server answered 500: a defect of its own. ``error_id`` is what its operators can look up."""

    code = "server_fault"

    def __init__(self, message: str, error_id: str | None = None) -> None:
        super().__init__(message)
        self.error_id = error_id


class WrongServer(SetupError):
    """Something answers at the address, but not as this door does."""

    code = "wrong_server"


class ExtraMissing(SetupError):
    """A library that a method needs is not installed."""

    code = "extra_missing"
