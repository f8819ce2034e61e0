"""A streaming reader of GEO's SOFT format.

A SOFT file is a sequence of entities. ``^KIND = accession`` opens one, ``!Kind_name = value`` gives an
attribute (repeated for lists), ``#column = text`` describes a column, and a value table stands between
``!kind_table_begin`` and ``!kind_table_end``. Series are described by a few hundred lines and carry
tables of millions, so tables are skipped by searching the raw bytes for their end, in flat memory.
Format: https://www.ncbi.nlm.nih.gov/geo/info/soft.html
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from commensal.errors import Invalid, NotFound

__all__ = ["MAX_ENTITY_BYTES", "MAX_LINE_BYTES", "SoftEntity", "read_soft", "soft_error"]

MAX_LINE_BYTES = 1 << 20
"""Longest line outside a value table; the longest abstracts and protocols in GEO are a hundredth of it."""

MAX_ENTITY_BYTES = 32 << 20
"""Most bytes of attribute lines of one entity; a series of 100,000 samples lists them in 4 MB."""

_CHUNK = 1 << 20
_TABLE_END = re.compile(rb"!\w{1,40}_table_end[ \t]*\r?(?:\n|\Z)", re.IGNORECASE)
_TABLE_END_REACH = 64
_ATTRIBUTE = re.compile(r"!\s*([^\s=]+)\s*(?:=\s?(.*))?\Z", re.DOTALL)
_HEADER = re.compile(r"\^\s*(\w+)\s*=\s*(.*?)\s*\Z", re.DOTALL)


@dataclass(slots=True)
class SoftEntity:
    """One entity without its value table.

    ``kind`` is upper case (``SERIES``, ``PLATFORM``, ``SAMPLE``, ``DATASET`` …), ``line`` the number of
    its ``^`` line. ``attributes`` maps a name without the kind's prefix, in lower case
    (``Sample_organism_ch1`` → ``organism_ch1``), to its values in file order; ``lines`` to the line of
    the first. ``table_rows`` counts the lines between begin and end of the value table.
    """

    kind: str
    accession: str
    line: int
    attributes: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    table_rows: int = 0

    def values(self, name: str) -> list[str]:
        """All values of an attribute that are not empty."""
        return [value for value in self.attributes.get(name, ()) if value]

    def first(self, name: str) -> str | None:
        """The first value that is not empty."""
        values = self.values(name)
        return values[0] if values else None

    def line_of(self, name: str) -> int:
        """Line of the attribute, or of the entity when it has none."""
        return self.lines.get(name, self.line)


def soft_error(path: Path, line: int, text: str) -> Invalid:
    """An error that names the file and the line."""
    return Invalid(f"{path.name}, line {line}: {text}", field="file")


def read_soft(
    path: Path,
    *,
    on_bytes: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[SoftEntity]:
    """The entities of a SOFT file, gzipped or plain, one after the other.

    ``on_bytes`` is told how many more bytes of the file were read (compressed, if it is), ``stop`` is
    asked before each of these reads: when it answers True the iteration ends at once, without the
    entity that was being read. Raises NotFound without the file and Invalid, with the line, for
    anything that is no complete SOFT file.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            raise NotFound(f"There is no file {path}.") from None
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror}.", field="file") from None
        magic = raw.read(2)
        raw.seek(0)
        packed = magic == b"\x1f\x8b"
        stream = cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw))) if packed else raw
        yield from _Reader(path, raw, stream, on_bytes, stop).entities()


class _Stopped(Exception):
    """The caller asked to stop."""


class _Reader:
    """Lines over chunks: ``buffer[at:]`` is what is read but not used, ``line`` the last line given out."""

    def __init__(
        self,
        path: Path,
        raw: BinaryIO,
        stream: BinaryIO,
        on_bytes: Callable[[int], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.path = path
        self.raw = raw
        self.stream = stream
        self.on_bytes = on_bytes
        self.stop = stop
        self.buffer = b""
        self.at = 0
        self.line = 0
        self.ended = False
        self.told = 0

    def error(self, text: str) -> Invalid:
        return soft_error(self.path, self.line, text)

    def fill(self) -> bool:
        """Read one more chunk behind what is left; False at the end of the file."""
        if self.ended:
            return False
        if self.stop is not None and self.stop():
            raise _Stopped
        try:
            chunk = self.stream.read(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.line += 1
            raise self.error(
                "the gzip data is cut off or damaged here; download the file again and compare its size."
            ) from None
        except OSError as error:
            self.line += 1
            raise self.error(f"the file cannot be read on: {error.strerror}.") from None
        if self.on_bytes is not None:
            position = self.raw.tell()
            self.on_bytes(position - self.told)
            self.told = position
        if not chunk:
            self.ended = True
            return False
        self.buffer = self.buffer[self.at :] + chunk
        self.at = 0
        return True

    def next_line(self) -> bytes | None:
        """The next line without its end, or None at the end of the file."""
        searched = 0
        while True:
            end = self.buffer.find(b"\n", self.at + searched)
            size = (len(self.buffer) if end < 0 else end) - self.at
            if size > MAX_LINE_BYTES:
                self.line += 1
                raise self.error(
                    f"the line is longer than {MAX_LINE_BYTES:,} bytes, so this is no SOFT text; "
                    "expected is a SOFT family file, plain or gzipped."
                )
            if end >= 0:
                line = self.buffer[self.at : end]
                self.at = end + 1
                self.line += 1
                return line.rstrip(b"\r")
            searched = size
            if not self.fill():
                if size == 0:
                    return None
                line = self.buffer[self.at :]
                self.at = len(self.buffer)
                self.line += 1
                return line.rstrip(b"\r")

    def skip_table(self, accession: str) -> int:
        """Move behind the end line of a value table; gives the number of its lines.

        A ``^`` at the start of a line means that the table was never closed: no table in GEO has a
        cell that begins with it, and going on would swallow the next sample.
        """
        begun = self.line
        # The search is for "newline, mark"; the newline of the begin line counts, so the buffer is
        # kept from one byte before the place where the table starts.
        self.buffer = b"\n" + self.buffer[self.at :]
        self.at = 0
        opened = self.buffer.find(b"\n^")
        while True:
            mark = self.buffer.find(b"\n!", self.at)
            if opened >= 0 and (mark < 0 or opened < mark):
                self.line += self.buffer.count(b"\n", self.at, opened) + 1
                raise self.error(
                    f"a new entity begins inside the value table of {accession}, which was opened in line {begun} "
                    "and never closed; download the file again."
                )
            if mark >= 0:
                if len(self.buffer) - mark < _TABLE_END_REACH and not self.ended:
                    self.fill()
                    opened = self.buffer.find(b"\n^")
                    continue
                end = _TABLE_END.match(self.buffer, mark + 1)
                self.line += self.buffer.count(b"\n", self.at, mark) + (1 if end else 0)
                if end:
                    self.at = end.end()
                    return self.line - begun - 1
                # A row whose first cell begins with "!": its newline is counted, go on behind both.
                self.line += 1
                self.at = mark + 2
                continue
            # Nothing in this buffer: count its lines, keep the last byte, which may be half a mark.
            keep = max(self.at, len(self.buffer) - 1)
            self.line += self.buffer.count(b"\n", self.at, keep)
            self.at = keep
            if not self.fill():
                raise self.error(
                    f"the file ends inside the value table of {accession}, which was opened in line {begun}; "
                    "it is cut off: download it again."
                )
            opened = self.buffer.find(b"\n^")

    def decode(self, line: bytes) -> str:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            # Old submissions hold single bytes of Latin-1 in otherwise plain text.
            text = line.decode("latin-1")
        if "\0" in text:
            raise self.error("the line holds a NUL byte, so this is no SOFT text file.")
        return text

    def entities(self) -> Iterator[SoftEntity]:
        try:
            yield from self._entities()
        except _Stopped:
            return

    def _entities(self) -> Iterator[SoftEntity]:
        entity: SoftEntity | None = None
        size = 0
        while (line := self.next_line()) is not None:
            if self.line == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line or line.isspace():
                continue
            mark = line[:1]
            if mark == b"^":
                if entity is not None:
                    yield entity
                entity, size = self.header(self.decode(line)), 0
            elif entity is None:
                raise self.no_soft(line)
            elif mark == b"!":
                size += len(line)
                if size > MAX_ENTITY_BYTES:
                    raise self.error(
                        f"{entity.accession} has more than {MAX_ENTITY_BYTES:,} bytes of attribute lines; "
                        "this is no SOFT file of GEO."
                    )
                self.attribute(entity, self.decode(line))
            elif mark != b"#":
                raise self.error(
                    "this is no SOFT line: outside a value table each line begins with '^', '!' or '#'. "
                    "Was the file edited, or a '_table_begin' line lost? Download it again."
                )
        if entity is None:
            raise Invalid(f"{self.path.name} is empty; expected is a SOFT family file of GEO.", field="file")
        yield entity

    def header(self, text: str) -> SoftEntity:
        match = _HEADER.match(text)
        if match is None or not match[2]:
            raise self.error("an entity line must read '^KIND = accession'.")
        return SoftEntity(kind=match[1].upper(), accession=match[2], line=self.line)

    def attribute(self, entity: SoftEntity, text: str) -> None:
        match = _ATTRIBUTE.match(text)
        if match is None:
            raise self.error("an attribute line must read '!Name = value'.")
        name = match[1].lower()
        if name.endswith("_table_begin"):
            entity.table_rows += self.skip_table(entity.accession)
            return
        if name.endswith("_table_end"):
            raise self.error(f"the value table of {entity.accession} ends here but never began.")
        name = name.removeprefix(entity.kind.lower() + "_")
        entity.attributes.setdefault(name, []).append((match[2] or "").strip())
        entity.lines.setdefault(name, self.line)

    def no_soft(self, line: bytes) -> Invalid:
        if line.lower().startswith((b"!series_", b"!sample_")):
            return self.error(
                "this looks like a series matrix file, which lacks most of the description; "
                "expected is the SOFT family file of the series (GSE…_family.soft.gz)."
            )
        return self.error(
            "this is no SOFT file: the first line must begin with '^'; expected is the SOFT family file of a "
            "series (GSE…_family.soft.gz), plain or gzipped."
        )
