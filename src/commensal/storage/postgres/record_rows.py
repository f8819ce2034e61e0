"""New records, links and versions as COPY's binary form, made by hand.

A generic encoder looks up a codec for each value; here most of a row is the same for all rows of a type, so each row
is a few joins of bytes. Formats: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Final

import msgspec

from commensal.core.records import Target, Write
from commensal.storage.ports.records import Stamp

__all__ = [
    "HEADER",
    "LINK_COLUMNS",
    "RECORD_COLUMNS",
    "TRAILER",
    "VERSION_COLUMNS",
    "first_version_rows",
    "link_rows",
    "record_rows",
    "snapshot",
    "version_rows",
]

RECORD_COLUMNS: Final = (
    *("project", "type", "state", "version", "change", "created", "updated"),
    *("seq", "uuid", "submitter_id", "sid_folded", "props", "extra", "label"),
)
VERSION_COLUMNS: Final = (
    *("project", "who", "door", "transaction", "at", "type", "action"),
    *("n", "seq", "after"),
)
LINK_COLUMNS: Final = ("project", "src_type", "name", "dst_project", "dst_type", "src", "dst")

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

_fields = Struct(">h").pack
_length = Struct(">i").pack
_number = Struct(">iq").pack
_number_then = Struct(">iqi").pack
_numbers = Struct(">iqiq").pack
_version_numbers = Struct(">iiiqi").pack
_encode = msgspec.json.Encoder().encode


def _bigint(value: int | None) -> bytes:
    return _NULL if value is None else _number(8, value)


def _int(value: int) -> bytes:
    return Struct(">ii").pack(4, value)


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    data = value.encode()
    return _length(len(data)) + data


def _time(value: datetime) -> bytes:
    delta = value - _EPOCH
    return _bigint((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds)


def record_rows(stamp: Stamp, writes: Sequence[Write]) -> tuple[bytes, list[bytes]]:
    """Return the rows of new records, and each one's properties as JSON text for :func:`first_version_rows`."""
    length, encode, number_then = _length, _encode, _number_then
    heads: dict[tuple[str, str], bytes] = {}
    records: list[bytes] = []
    texts: list[bytes] = []
    add, keep = records.append, texts.append
    from_hex = bytes.fromhex
    join = b"".join
    for write in writes:
        key = (write.type, write.state)
        head = heads.get(key)
        if head is None:
            head = heads[key] = _record_head(stamp, *key)
        sid = write.submitter_id
        raw_sid = sid.encode()
        folded = write.folded
        raw_folded = raw_sid if folded == sid else folded.encode()
        props = encode(write.props)
        keep(props)
        label, extra = write.label, write.extra
        if label is None and extra == {}:
            tail = b"\xff\xff\xff\xff\xff\xff\xff\xff"
        else:
            tail = _json(extra) + _text(label)
        add(
            join(
                (
                    head,
                    number_then(8, write.seq, 16),
                    from_hex(write.uuid.replace("-", "")),
                    length(len(raw_sid)),
                    raw_sid,
                    length(len(raw_folded)),
                    raw_folded,
                    length(len(props) + 1),
                    b"\x01",
                    props,
                    tail,
                )
            )
        )
    return join(records), texts


def first_version_rows(stamp: Stamp, writes: Sequence[Write], texts: Sequence[bytes]) -> bytes:
    """Return the rows of the first versions of new records, whose properties are ``texts``."""
    version_numbers = _version_numbers
    heads: dict[tuple[str, str], tuple[bytes, bytes]] = {}
    versions: list[bytes] = []
    for write, props in zip(writes, texts, strict=True):
        key = (write.type, write.state)
        head = heads.get(key)
        if head is None:
            head = heads[key] = (_version_head(stamp, write.type, "create"), _state(write.state))
        after = snapshot(write, props, head[1])
        versions += (head[0], version_numbers(4, 1, 8, write.seq, len(after)), after)
    return b"".join(versions)


def _state(state: str) -> bytes:
    return b',"state":' + _encode(state) + b',"props":'


def _json(value: object) -> bytes:
    """Return a jsonb field; nothing (``{}``) is SQL null."""
    if value == {}:
        return _NULL
    data = _encode(value)
    return _length(len(data) + 1) + b"\x01" + data


def snapshot(write: Write, props: bytes | None = None, state: bytes | None = None) -> bytes:
    """Return what a version keeps of a record afterwards, as JSON text."""
    encode = _encode
    if props is None:
        props = encode(write.props)
    if state is None:
        state = _state(write.state)
    parts = [b'{"submitter_id":', encode(write.submitter_id), state, props]
    if write.label is not None:
        parts += (b',"label":', encode(write.label))
    if write.extra != {}:
        parts += (b',"extra":', encode(write.extra))
    links = write.links
    if links:
        mark = b',"links":{"'
        for name, targets in links.items():
            parts += (mark, name.encode(), b'":["', '","'.join([target.uuid for target in targets]).encode(), b'"]')
            mark = b',"'
        parts.append(b"}")
    parts.append(b"}")
    return b"".join(parts)


def link_rows(stamp: Stamp, writes: Sequence[Write]) -> bytes:
    """Return the rows of the links that these writes add."""
    heads: dict[tuple[str, str, str, int], bytes] = {}
    rows: list[bytes] = []
    add = rows.append
    numbers = _numbers
    for write in writes:
        for name, target in write.added:
            key = (write.type, name, target.type, target.project)
            head = heads.get(key)
            if head is None:
                head = heads[key] = _link_head(stamp, write, name, target)
            add(head)
            add(numbers(8, write.seq, 8, target.seq))
    return b"".join(rows)


def version_rows(stamp: Stamp, writes: Sequence[Write], action: str) -> bytes:
    """Return the rows of the newest versions of changed records."""
    heads: dict[str, bytes] = {}
    rows: list[bytes] = []
    for write in writes:
        head = heads.get(write.type)
        if head is None:
            head = heads[write.type] = _version_head(stamp, write.type, action)
        after = snapshot(write)
        rows += (head, _version_numbers(4, write.version, 8, write.seq, len(after)), after)
    return b"".join(rows)


def _record_head(stamp: Stamp, type_name: str, state: str) -> bytes:
    now = _time(stamp.at)
    return b"".join(
        (
            _fields(len(RECORD_COLUMNS)),
            _bigint(stamp.project),
            _text(type_name),
            _text(state),
            _int(1),
            _bigint(stamp.changes[type_name]),
            now,
            now,
        )
    )


def _version_head(stamp: Stamp, type_name: str, action: str) -> bytes:
    return b"".join(
        (
            _fields(len(VERSION_COLUMNS)),
            _bigint(stamp.project),
            _bigint(stamp.who),
            _text(stamp.door),
            _bigint(stamp.transaction),
            _time(stamp.at),
            _text(type_name),
            _text(action),
        )
    )


def _link_head(stamp: Stamp, write: Write, name: str, target: Target) -> bytes:
    return b"".join(
        (
            _fields(len(LINK_COLUMNS)),
            _bigint(stamp.project),
            _text(write.type),
            _text(name),
            _bigint(target.project),
            _text(target.type),
        )
    )
