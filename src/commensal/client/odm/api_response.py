"""An answer with its status and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ApiResponse"]

T = TypeVar("T")


@dataclass(frozen=True)
class ApiResponse(Generic[T]):
    """What the ``…_with_http_info`` methods return."""

    status_code: int
    headers: Mapping[str, str] | None
    data: T
    raw_data: bytes
