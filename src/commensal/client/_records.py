"""What ``submit`` takes, as one stream of rows: dicts, files and frames. Files are never read whole.

The text of a file reaches the server as it stands: rows are cut, not parsed and written again. Frames are sent as TSV,
so the server reads their cells by its dictionary, as it does with an export.
"""

from __future__ import annotations

import csv
import decimal
import gzip
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from commensal.client._results import ExportResult
from commensal.client._tables import TableRow, table_rows
from commensal.errors import Malformed, SetupError

__all__ = ["Row", "Source", "open_source"]

_BLOCK = 1 << 20
_JSON = "application/json"
_TSV = "text/tab-separated-values"
_CSV = "text/csv"


class Row(NamedTuple):
    """One record: its text, its number from 1, its line in a file, and whether sending it twice does no harm."""

    text: bytes
    number: int
    line: int | None
    named: bool


@dataclass(slots=True)
class Source:
    """Rows of one media type; ``total`` is their number where known, ``fraction`` how far a file is read."""

    media: str
    rows: Iterator[Row]
    header: bytes = b""
    #: A row without a type, which servers skip. They strip the whole text first, so without it the empty cells at the
    #: end of the last row would be lost, and with them what they clear (contracts/gen3.md 4.4).
    stop: bytes = b""
    total: int | None = None
    fraction: Callable[[], float | None] = lambda: None
    close: Callable[[], None] = lambda: None

    def body(self, rows: Sequence[Row]) -> bytes:
        """Return one request's body."""
        if self.media == _JSON:
            return b"[" + b",\n".join([row.text for row in rows]) + b"]"
        text = self.header + b"".join([row.text for row in rows])
        return text + self.stop if text.rstrip(b"\r\n").endswith(b"\t") else text


def open_source(records: Any) -> Source:
    """Return the rows of a path, a dict, an iterable of dicts, a pandas or polars frame, or an export."""
    if isinstance(records, str | os.PathLike):
        return _file(records)
    if isinstance(records, ExportResult):
        if records.format == "json":  # links without targets are shown as [], which dictionaries do not take
            return _documents([{key: value for key, value in row.items() if value != []} for row in records.rows])
        return _text(io.StringIO(records.text, newline=""), records.format, records.filename)
    if isinstance(records, Mapping):
        return _documents([records])
    library = type(records).__module__.partition(".")[0]
    if library == "pandas" and hasattr(records, "itertuples"):
        return _frame(list(map(str, records.columns)), records.itertuples(index=False, name=None), len(records))
    if library == "polars":
        frame = records.collect() if hasattr(records, "collect") else records
        if hasattr(frame, "iter_rows"):
            return _frame(list(frame.columns), frame.iter_rows(), frame.height)
    if isinstance(records, Iterable):
        return _documents(records)
    raise Malformed(
        f"Records cannot be a {type(records).__name__}: give dicts, a path to .json, .tsv or .csv, or a data frame."
    )


# --- dicts


def _documents(records: Iterable[Any]) -> Source:
    total = len(records) if isinstance(records, Sequence) else None
    return Source(_JSON, _document_rows(records), total=total)


def _document_rows(records: Iterable[Any]) -> Iterator[Row]:
    encoder = msgspec.json.Encoder(enc_hook=_plain_value, decimal_format="number")
    for number, record in enumerate(records, 1):
        if not isinstance(record, Mapping):
            raise Malformed(f"Row {number} is a {type(record).__name__}, not a dict of properties.")
        document = fold(record)
        try:
            text = encoder.encode(document)
        except (TypeError, ValueError, OverflowError) as error:
            raise Malformed(f"Row {number} cannot be written as JSON: {error}.") from None
        yield Row(text, number, None, bool(document.get("submitter_id") or document.get("id")))


def fold(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record with its link columns (``subjects.submitter_id``) as link documents."""
    if not any("." in key for key in record if isinstance(key, str)):
        return record
    made: dict[str, Any] = {}
    links: dict[str, dict[str, list[Any]]] = {}
    for key, value in record.items():
        link, dot, name = key.partition(".") if isinstance(key, str) else (key, "", "")
        if not dot:
            made[key] = value
        elif value is not None and value != "" and not _is_nan(value):
            targets = list(value) if isinstance(value, list | tuple) else [value]
            links.setdefault(link, {})[name] = targets
    for link, names in links.items():
        most = max(len(targets) for targets in names.values())
        items = [{name: targets[n] for name, targets in names.items() if n < len(targets)} for n in range(most)]
        made[link] = items[0] if len(items) == 1 else items
    return made


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _plain_value(value: Any) -> Any:
    """Return what JSON has for a value of numpy or pandas."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    for name in ("tolist", "isoformat"):  # numpy arrays and scalars; dates of pandas
        if callable(method := getattr(value, name, None)):
            return method()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} {value!r} is no JSON value")


# --- frames


def _frame(names: list[str], values: Iterator[tuple[Any, ...]], total: int) -> Source:
    if "type" not in names:
        raise Malformed("The frame has no column 'type': add it, for example frame.assign(type='sample').")
    return Source(_TSV, _frame_rows(names, values), _line(names), _stop(names), total=total)


def _frame_rows(names: list[str], values: Iterator[tuple[Any, ...]]) -> Iterator[Row]:
    identity = [n for n, name in enumerate(names) if name in ("submitter_id", "id")]
    kind = names.index("type")
    for number, row in enumerate(values, 1):
        cells = [_cell(value, number, name) for value, name in zip(row, names, strict=True)]
        if not cells[kind]:
            raise Malformed(f"Row {number} has no type.")
        yield Row(_line(cells), number, None, any(cells[n] for n in identity))


def _line(cells: Sequence[str]) -> bytes:
    target = io.StringIO()
    csv.writer(target, delimiter="\t", lineterminator="\n").writerow(cells)
    return target.getvalue().encode()


def _cell(value: Any, number: int, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or _is_nan(value) or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if callable(getattr(value, "tolist", None)):
        value = value.tolist()
    if callable(getattr(value, "to_list", None)):
        value = value.to_list()
    if isinstance(value, list | tuple | set):
        cells = [_cell(item, number, name) for item in value]
        if any("," in cell for cell in cells):
            raise Malformed(
                f"Row {number}, {name}: an item of the list holds a comma, which would cut it in two in a table. "
                "Submit such records as dicts."
            )
        return ",".join(cells)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float | decimal.Decimal):
        return str(value)
    if callable(getattr(value, "isoformat", None)):
        return value.isoformat()
    if isinstance(value, Mapping | bytes):
        kind = "bytes" if isinstance(value, bytes) else "an object"
        raise Malformed(f"Row {number}, {name}: a table's cell cannot hold {kind}. Submit such records as dicts.")
    return str(value)


# --- files


class _Counted(io.RawIOBase):
    """A binary file that counts what was read of it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.raw.read(len(buffer))
        buffer[: len(data)] = data
        self.read_bytes += len(data)
        return len(data)


def _file(given: str | os.PathLike[str]) -> Source:
    path = Path(given).expanduser()
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    kind = (suffixes[:-1] if packed else suffixes)[-1:] or [""]
    formats = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".tsv": "tsv", ".txt": "tsv", ".csv": "csv"}
    if kind[0] not in formats:
        raise Malformed(f"{path}: its name must end in .json, .jsonl, .tsv or .csv (or these with .gz).")
    try:
        size = path.stat().st_size
        raw = path.open("rb")
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror or error}.") from None
    counted = _Counted(raw)
    unpacked: Any = gzip.GzipFile(fileobj=counted) if packed else counted  # pyright: ignore[reportArgumentType]
    text = io.TextIOWrapper(io.BufferedReader(unpacked, _BLOCK), encoding="utf-8-sig", newline="")
    try:
        source = _text(text, formats[kind[0]], str(path))
    except BaseException:
        raw.close()
        raise
    source.fraction = lambda: min(1.0, counted.read_bytes / size) if size else 1.0
    source.close = raw.close
    return source


def _text(text: IO[str], format: str, name: str) -> Source:
    if format == "json":
        return Source(_JSON, _readable(_json_rows(text, name), name))
    return _table(text, "\t" if format == "tsv" else ",", name)


def _readable(rows: Iterator[Row], name: str) -> Iterator[Row]:
    """Turn what a damaged file raises into errors that name it."""
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is no UTF-8 text: {error}.") from None
    except (OSError, EOFError) as error:
        raise Malformed(f"{name} cannot be read to its end: {error}.") from None


def _json_rows(text: IO[str], name: str) -> Iterator[Row]:
    """Yield the objects of a JSON array, of one object, of ``{"data": […]}``, or of lines, each as it is written."""
    scan = json.JSONDecoder().raw_decode
    buffer, at, line, number, ended = "", 0, 1, 0, False
    outer = None  # what stands around the objects: '[' , 'data' or nothing
    while True:
        if not ended and len(buffer) - at < _BLOCK:
            block = text.read(max(_BLOCK, len(buffer) - at))
            buffer, at, ended = buffer[at:] + block, 0, not block
        start = at
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            at += 1
        line += buffer.count("\n", start, at)
        if at == len(buffer):
            if ended:
                if outer is not None:
                    raise Malformed(f"{name}, line {line}: the file ends before its array does.")
                return
            continue
        if number == 0 and outer is None:
            opened = _opening(buffer, at)
            if opened is not None:
                outer, after = opened
                line += buffer.count("\n", at, after)
                at = after
                continue
        if buffer[at] == "]" and outer is not None:
            rest = (buffer[at + 1 :] + text.read()).strip()
            if rest != ("}" if outer == "data" else ""):
                raise Malformed(f"{name}, line {line}: something stands after the end of the array.")
            return
        try:
            value, end = scan(buffer, at)
        except json.JSONDecodeError as error:
            if not ended:
                block = text.read(max(_BLOCK, len(buffer) - at))
                buffer, at, ended = buffer[at:] + block, 0, not block
                continue
            place = line + error.lineno - 1 - buffer.count("\n", 0, at)
            raise Malformed(f"{name}, line {place}: this is no JSON ({error.msg}).") from None
        if not isinstance(value, dict):
            raise Malformed(f"{name}, line {line}: here stands {buffer[at:end][:40]}, and not a record, {{…}}.")
        number += 1
        yield Row(buffer[at:end].encode(), number, line, bool(value.get("submitter_id") or value.get("id")))
        line += buffer.count("\n", at, end)
        at = end


def _opening(buffer: str, at: int) -> tuple[str, int] | None:
    if buffer[at] == "[":
        return "[", at + 1
    parts = buffer[at : at + 200].replace(":", " : ").replace("[", " [ ").replace("{", " { ").split(maxsplit=4)
    if parts[:4] == ["{", '"data"', ":", "["]:
        return "data", buffer.index("[", at) + 1
    return None


def _table(text: IO[str], delimiter: str, name: str) -> Source:
    rows = table_rows(_readable_lines(text, name), delimiter)
    header = next(rows, None)
    names = [cell.strip().lstrip("*").strip() for cell in (header.cells if header else None) or []]
    if header is None or "type" not in names:
        raise Malformed(f"{name}: the first line has no column 'type', which names the type of each record.")
    media = _TSV if delimiter == "\t" else _CSV
    return Source(media, _table_rows(rows, names, name), _ended(header.text).encode(), _stop(names))


def _stop(names: Sequence[str]) -> bytes:
    last = len(names) - 1
    at = last if names[last] != "type" else last - 1
    return b"\t" * at + b".\n" if at >= 0 else b""


def _readable_lines(text: IO[str], name: str) -> Iterator[str]:
    try:
        yield from text
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is no UTF-8 text: {error}.") from None
    except (OSError, EOFError) as error:
        raise Malformed(f"{name} cannot be read to its end: {error}.") from None


def _table_rows(rows: Iterator[TableRow], names: list[str], name: str) -> Iterator[Row]:
    """Yield the rows that name a type, each as it is written; the server skips the others without a word."""
    kind = names.index("type")
    identity = [n for n, column in enumerate(names) if column in ("submitter_id", "id")]
    number = 0
    for line, text, cells in rows:
        if cells is None:
            raise Malformed(f"{name}, line {line}: a cell begins with a quotation mark that nothing closes.")
        if kind >= len(cells) or not cells[kind].strip():
            continue
        number += 1
        named = any(n < len(cells) and cells[n].strip() for n in identity)
        yield Row(_ended(text).encode(), number, line, named)


def _ended(text: str) -> str:
    return text if text.endswith(("\n", "\r")) else text + "\n"
