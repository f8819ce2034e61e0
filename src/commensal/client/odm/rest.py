"""The module that the documents import errors from."""

from __future__ import annotations

from commensal.client.odm.exceptions import ApiException, ApiValueError

__all__ = ["ApiException", "ApiValueError"]
