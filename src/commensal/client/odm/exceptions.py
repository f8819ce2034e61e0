"""What goes wrong: one class a status, with ``status``, ``reason``, ``headers``, ``body`` (text) and ``data``."""

from __future__ import annotations

from typing import Any, NoReturn

import httpx

__all__ = [
    "ApiAttributeError",
    "ApiException",
    "ApiKeyError",
    "ApiTypeError",
    "ApiValueError",
    "BadRequestException",
    "ConflictException",
    "ForbiddenException",
    "NotFoundException",
    "OpenApiException",
    "ServiceException",
    "UnauthorizedException",
    "UnprocessableEntityException",
    "raise_for",
]


class OpenApiException(Exception):
    """The root of the family."""


class ApiTypeError(OpenApiException, TypeError):
    """An argument has a wrong type."""


class ApiValueError(OpenApiException, ValueError):
    """An argument has a wrong value."""


class ApiAttributeError(OpenApiException, AttributeError):
    """There is no such attribute."""


class ApiKeyError(OpenApiException, KeyError):
    """There is no such key."""


class ApiException(OpenApiException):
    """The server refused a request, or (``status`` 0) gave something that cannot be used."""

    def __init__(
        self,
        status: int | None = None,
        reason: str | None = None,
        http_resp: httpx.Response | None = None,
        *,
        body: str | None = None,
        data: Any = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.body = body
        self.data = data
        self.headers: Any = None
        if http_resp is not None:
            self.status = http_resp.status_code if status is None else status
            self.reason = http_resp.reason_phrase if reason is None else reason
            self.body = http_resp.text if body is None else body
            self.headers = http_resp.headers
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"({self.status})\nReason: {self.reason}\n"
        if self.headers:
            text += f"HTTP response headers: {self.headers}\n"
        if self.data or self.body:
            text += f"HTTP response body: {self.data or self.body}\n"
        return text


class BadRequestException(ApiException):
    """400."""


class UnauthorizedException(ApiException):
    """401."""


class ForbiddenException(ApiException):
    """403."""


class NotFoundException(ApiException):
    """404."""


class ConflictException(ApiException):
    """409."""


class UnprocessableEntityException(ApiException):
    """422."""


class ServiceException(ApiException):
    """500 to 599."""


_KINDS: dict[int, type[ApiException]] = {
    400: BadRequestException,
    401: UnauthorizedException,
    403: ForbiddenException,
    404: NotFoundException,
    409: ConflictException,
    422: UnprocessableEntityException,
}


def raise_for(response: httpx.Response) -> NoReturn:
    """Raise the error that an answer (read to its end) stands for."""
    kind = ServiceException if response.status_code >= 500 else _KINDS.get(response.status_code, ApiException)
    raise kind(http_resp=response)
