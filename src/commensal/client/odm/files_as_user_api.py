"""The four operations on files, and what is ours beyond them."""

# ruff: noqa: FBT001 - signatures as documented

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from commensal.client._progress import Progress
from commensal.client.odm._download import fetch_file
from commensal.client.odm.api_client import ApiClient, Timeout
from commensal.client.odm.api_response import ApiResponse
from commensal.client.odm.exceptions import ApiException, ApiValueError
from commensal.client.odm.models.list_response import ListResponse, ListResponseMeta, ListResponseMetaPagination

__all__ = ["FilesAsUserApi"]

_FILES = "/api/v1/as-user/files"
_JSON = "application/json"
#: Most files of a page.
_PAGE = 2000

Auth = Mapping[str, Any] | None
Headers = Mapping[str, Any] | None


def _path(id: str, *more: str) -> str:
    if not isinstance(id, str) or not id:
        raise ApiValueError("id must be the accession of a file, a text such as 'GSF1000'.")
    return "/".join([_FILES, quote(id, safe=""), *more])


def _json(response: httpx.Response) -> Any:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON and not kind.endswith("+json"):
        raise ApiException(0, f"Unsupported content type: {kind}", body=response.text)
    try:
        return response.json()
    except ValueError as error:
        raise ApiException(0, f"The answer is no JSON: {error}", body=response.text) from None


class FilesAsUserApi:
    """Files, with the rights of the key that the client sends."""

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient()

    # --- list

    def _list_params(
        self,
        filter: str | None,
        query: str | None,
        include_contents: bool | None,
        page_limit: int | None,
        page_offset: int | None,
    ) -> dict[str, str]:
        if page_limit is not None and not 0 <= page_limit <= _PAGE:
            raise ApiValueError(f"page_limit must be from 0 to {_PAGE}, not {page_limit}.")
        if page_offset is not None and page_offset < 0:
            raise ApiValueError(f"page_offset must not be negative, as {page_offset} is.")
        given: dict[str, Any] = {
            "filter": filter,
            "query": query,
            "includeContents": None if include_contents is None else str(include_contents).lower(),
            "pageLimit": page_limit,
            "pageOffset": page_offset,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def get_files_metadata_as_user(
        self,
        filter: str | None = None,
        query: str | None = None,
        include_contents: bool | None = None,
        page_limit: int | None = None,
        page_offset: int | None = None,
        **more: Any,
    ) -> ListResponse:
        """Return a page of files by their metadata; without arguments, of all files."""
        return self.get_files_metadata_as_user_with_http_info(
            filter, query, include_contents, page_limit, page_offset, **more
        ).data

    def get_files_metadata_as_user_with_http_info(
        self,
        filter: str | None = None,
        query: str | None = None,
        include_contents: bool | None = None,
        page_limit: int | None = None,
        page_offset: int | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> ApiResponse[ListResponse]:
        """As ``get_files_metadata_as_user``, with status and headers."""
        params = self._list_params(filter, query, include_contents, page_limit, page_offset)
        response = self._get(_FILES, params, _headers, _request_auth, _request_timeout)
        try:
            page = ListResponse.from_dict(_json(response))
        except (ValueError, AttributeError, TypeError) as error:
            raise ApiException(0, f"The answer is no list of files: {error}", body=response.text) from None
        return ApiResponse(response.status_code, response.headers, page, response.content)

    def get_files_metadata_as_user_without_preload_content(
        self,
        filter: str | None = None,
        query: str | None = None,
        include_contents: bool | None = None,
        page_limit: int | None = None,
        page_offset: int | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> httpx.Response:
        """Return the answer unread, whatever its status (``read``, ``iter_bytes``, ``close`` it)."""
        params = self._list_params(filter, query, include_contents, page_limit, page_offset)
        return self._raw("GET", _FILES, params, _JSON, _headers, _request_auth, _request_timeout)

    def list_files(
        self,
        filter: str | None = None,
        query: str | None = None,
        *,
        include_contents: bool = False,
    ) -> ListResponse:
        """Return all files that match, page after page, as one list."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get_files_metadata_as_user(filter, query, include_contents, _PAGE, len(found))
            found += page.data or []
            if len(page) < _PAGE:
                pagination = ListResponseMetaPagination(len(found), len(found), 0, len(found))
                return ListResponse(ListResponseMeta(pagination), found)

    # --- one file's metadata

    def get_file_metadata_by_id_as_user(
        self,
        id: str,
        include_contents: bool | None = None,
        **more: Any,
    ) -> Any:
        """Return a file's metadata as a dict."""
        return self.get_file_metadata_by_id_as_user_with_http_info(id, include_contents, **more).data

    def get_file_metadata_by_id_as_user_with_http_info(
        self,
        id: str,
        include_contents: bool | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> ApiResponse[Any]:
        """As ``get_file_metadata_by_id_as_user``, with status and headers."""
        params = self._list_params(None, None, include_contents, None, None)
        response = self._get(_path(id), params, _headers, _request_auth, _request_timeout)
        return ApiResponse(response.status_code, response.headers, _json(response), response.content)

    def get_file_metadata_by_id_as_user_without_preload_content(
        self,
        id: str,
        include_contents: bool | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> httpx.Response:
        """Return the answer unread, whatever its status."""
        params = self._list_params(None, None, include_contents, None, None)
        return self._raw("GET", _path(id), params, _JSON, _headers, _request_auth, _request_timeout)

    # --- bytes

    def get_file_as_user(self, id: str, range: str | None = None, **more: Any) -> bytearray:
        """Return a file's bytes, or one range of them (``bytes=0-1024``), in memory; ``download`` streams."""
        return self.get_file_as_user_with_http_info(id, range, **more).data

    def get_file_as_user_with_http_info(
        self,
        id: str,
        range: str | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> ApiResponse[bytearray]:
        """As ``get_file_as_user``, with status and headers."""
        headers = {"Accept": "application/octet-stream", **({"Range": range} if range else {}), **(_headers or {})}
        response = self.api_client.checked(
            "GET", _path(id, "download"), headers=headers, auth=_request_auth, timeout=_request_timeout
        )
        body = response.content
        return ApiResponse(response.status_code, response.headers, bytearray(body), body)

    def get_file_as_user_without_preload_content(
        self,
        id: str,
        range: str | None = None,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> httpx.Response:
        """Return the answer unread, whatever its status."""
        headers = {**({"Range": range} if range else {}), **(_headers or {})}
        accept = "application/octet-stream"
        return self._raw("GET", _path(id, "download"), {}, accept, headers, _request_auth, _request_timeout)

    def head_file_as_user(self, id: str, **more: Any) -> None:
        """Return None when the file exists and may be downloaded; raises ApiException otherwise."""
        self.head_file_as_user_with_http_info(id, **more)

    def head_file_as_user_with_http_info(
        self,
        id: str,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> ApiResponse[None]:
        """As ``head_file_as_user``, with status and headers (Content-Length, ETag, Last-Modified)."""
        response = self.api_client.checked(
            "HEAD", _path(id, "download"), headers=_headers, auth=_request_auth, timeout=_request_timeout
        )
        return ApiResponse(response.status_code, response.headers, None, b"")

    def head_file_as_user_without_preload_content(
        self,
        id: str,
        _request_timeout: Timeout = None,
        _request_auth: Auth = None,
        _headers: Headers = None,
    ) -> httpx.Response:
        """Return the answer, whatever its status."""
        return self._raw("HEAD", _path(id, "download"), {}, None, _headers, _request_auth, _request_timeout)

    def download(
        self,
        id: str,
        path: str | os.PathLike[str] = ".",
        *,
        progress: Callable[[Progress], None] | bool = False,
    ) -> Path:
        """Stream a file to the disk and return where it is.

        ``path`` is a file or a folder (then the file's own name is used). What is on the way stands beside it as
        ``NAME.part`` and is resumed, also by a later call, as long as the server has the same bytes; the name is
        given when size and checksum (where the server tells one) are right. ``progress``: True draws a line, a
        function is called with each step. Raises ApiException, and OSError for the disk.
        """
        metadata = self.get_file_metadata_by_id_as_user(id)
        return fetch_file(self.api_client, _path(id, "download"), Path(path), metadata, progress)

    # --- sending

    def _get(
        self, path: str, params: Mapping[str, str], headers: Headers, auth: Auth, timeout: Timeout
    ) -> httpx.Response:
        return self.api_client.checked(
            "GET", path, params=params, headers={"Accept": _JSON, **(headers or {})}, auth=auth, timeout=timeout
        )

    def _raw(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        accept: str | None,
        headers: Headers,
        auth: Auth,
        timeout: Timeout,
    ) -> httpx.Response:
        given: dict[str, Any] = {**({"Accept": accept} if accept else {}), **(headers or {})}
        return self.api_client.send(method, path, params=params, headers=given, auth=auth, timeout=timeout, stream=True)
