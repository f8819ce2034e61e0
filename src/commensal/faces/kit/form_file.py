"""A posted form (``multipart/form-data``, RFC 7578) that ends with a file: fields first, then the file as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from commensal.errors import Malformed, TooLarge

__all__ = ["FormFile"]

_FIELD_BYTES = 64 * 1024
_FILE_FIELD = "file"
_NO_FORM = "This takes a form (multipart/form-data) with its fields first, then the file as the last of them."


class FormFile:
    """``await fields()`` first, then iterate ``chunks()``.

    ``file_name`` is what the sender calls the file, ``media_type`` what it says it is. ``parts`` holds, after
    ``fields()``, the bytes of further file fields before it.
    """

    def __init__(
        self, content_type: str, body: AsyncIterator[bytes], *, small: Mapping[str, int] | None = None
    ) -> None:
        """Raise Malformed when the body is no such form. ``small``: further file fields, and their most bytes."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Malformed(_NO_FORM)
        self._body = body
        self.file_name = ""
        self.media_type = ""
        self.parts: dict[str, bytes] = {}
        self._small = dict(small or {})
        self._fields: dict[str, str] = {}
        self._file: deque[bytes] = deque()
        self._in_file = False
        self._ended = False
        self._name = ""
        self._value = bytearray()
        self._size = 0
        self._header: list[bytearray] = [bytearray(), bytearray()]
        callbacks: Any = {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise Malformed(f"The form is broken: {error}") from None

    def _part_begin(self) -> None:
        if self._in_file:
            raise Malformed("The file must be the last field of the form.")
        self._name = ""
        self._value = bytearray()

    def _header_end(self) -> None:
        name, value = bytes(self._header[0]).lower(), bytes(self._header[1])
        self._header = [bytearray(), bytearray()]
        if name == b"content-disposition":
            options = parse_options_header(value)[1]
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            self._size += len(self._name)  # fields without a value count, too
            if self._size > _FIELD_BYTES:
                raise TooLarge("The fields of the form are too long.")
            if self._name == _FILE_FIELD:
                self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        elif name == b"content-type" and self._name == _FILE_FIELD:
            self.media_type = value.decode("latin-1")

    def _headers_finished(self) -> None:
        self._in_file = self._name == _FILE_FIELD

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._file.append(data[start:end])
            return
        if self._name in self._small:
            if len(self._value) + end - start > self._small[self._name]:
                raise TooLarge(f"The field {self._name!r} has more than {self._small[self._name]:,} bytes.")
            self._value += data[start:end]
            return
        self._size += end - start
        if self._size > _FIELD_BYTES:
            raise TooLarge("The fields of the form are too long.")
        self._value += data[start:end]

    def _part_end(self) -> None:
        if not self._in_file:
            if self._name in self._fields or self._name in self.parts:
                raise Malformed(f"The field {self._name!r} stands twice in the form.")
            if self._name in self._small:
                self.parts[self._name] = bytes(self._value)
                return
            self._fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    async def _feed(self) -> bool:
        try:
            chunk = await anext(self._body)
        except StopAsyncIteration:
            return False
        try:
            self._parser.write(chunk)
        except ValueError as error:  # python_multipart's FormParserError
            raise Malformed(f"The form is broken: {error}") from None
        return True

    async def fields(self) -> dict[str, str]:
        """Return the fields before the file. Raises Malformed when no file follows them."""
        while not self._in_file:
            if not await self._feed():
                raise Malformed(_NO_FORM)
        return dict(self._fields)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes; raises Malformed when the form breaks off."""
        while True:
            while self._file:
                yield self._file.popleft()
            if self._ended:
                return
            if not await self._feed() and not self._ended:
                raise Malformed("The form ends in the middle of the file.")
