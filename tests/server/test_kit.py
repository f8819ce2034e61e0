"""The parts of the wire that every face uses."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.principals import Door
from commensal.errors import Malformed, TooLarge
from commensal.faces.kit.bodies import JSON_DEPTH, decode_json
from commensal.faces.kit.credentials import all_presented, basic, bearer, cookie
from commensal.faces.kit.disposition import content_disposition
from commensal.faces.kit.negotiation import prefer
from commensal.faces.kit.paging import query_bool, query_int
from commensal.faces.kit.ranges import ByteRange, RangeNotSatisfiable, content_range, parse_range


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=0-0", 0, 0),
        ("bytes=100-", 100, 999),
        ("bytes=-100", 900, 999),
        ("bytes=-5000", 0, 999),
        ("bytes=990-5000", 990, 999),
        ("Bytes = 1-2", 1, 2),
    ],
)
def test_ranges(header: str, start: int, end: int):
    assert parse_range(header, 1000) == ByteRange(start, end)


@pytest.mark.parametrize("header", [None, "", "bytes=", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "items=0-1", "0-1"])
def test_headers_that_are_answered_with_the_whole(header: str | None):
    assert parse_range(header, 1000) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-1", 0)]
)
def test_ranges_outside(header: str, size: int):
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, size)
    assert content_range(None, size) == f"bytes */{size}"


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_range_lies_inside(size: int, first: int, more: int):
    for header in (f"bytes={first}-{first + more}", f"bytes={first}-", f"bytes=-{more}"):
        try:
            part = parse_range(header, size)
        except RangeNotSatisfiable:
            assert first >= size or more == 0
        else:
            assert part is not None
            assert 0 <= part.start <= part.end < size


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('x"y\\z;.txt', "attachment; filename=\"x_y_z_.txt\"; filename*=UTF-8''x%22y%5Cz%3B.txt"),
        ("größe.csv", "attachment; filename=\"gr__e.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("a\r\nX: 1", "attachment; filename=\"aX_ 1\"; filename*=UTF-8''aX%3A%201"),
        ("", 'attachment; filename="download"'),
    ],
)
def test_content_disposition(name: str, header: str):
    assert content_disposition(name) == header


@given(st.text())
def test_content_disposition_is_one_ascii_line(name: str):
    made = content_disposition(name)
    assert made.isascii()
    assert made.isprintable()


def headers(**pairs: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs.items()]


def test_credentials_of_every_door():
    pair = base64.b64encode("opal:pass:wörd".encode()).decode()
    cases = {
        "Bearer abc": [(Door.GEN3, "bearer", "abc"), (Door.ODM, "bearer", "abc")],
        "Token abc": [(Door.PANGEA, "token", "abc")],
        "abc": [(Door.POLLY, "raw", "abc"), (Door.ODM, "raw", "abc")],
        f"Basic {pair}": [(Door.OPAL, "basic", "pass:wörd")],
        "Basic !!!": [],
        "Digest a b": [],
    }
    for value, expected in cases.items():
        found = all_presented(headers(authorization=value))
        assert [(p.door, p.kind, p.secret) for p in found] == expected, value
    assert [(p.door, p.kind) for p in all_presented(headers(x_api_key="k"))] == [(Door.POLLY, "key")]
    assert [(p.door, p.kind) for p in all_presented(headers(genestack_api_token="k"))] == [(Door.ODM, "token")]
    assert [(p.door, p.secret) for p in all_presented(headers(cookie="a=1; refreshToken=x.y"))] == [(Door.POLLY, "x.y")]
    assert basic(headers(authorization=f"basic {pair}")) == ("opal", "pass:wörd")
    assert bearer(headers(authorization="bearer  abc ")) == "abc"
    assert cookie(headers(cookie='a="q w"'), "a") == "q w"
    assert all_presented([(b"authorization", b"Bearer " + b"x" * 20_000)]) == []


def test_presented_credentials_do_not_show_their_secret():
    assert "abc" not in repr(all_presented(headers(authorization="Bearer abc")))


def test_json_keeps_big_integers_and_names_what_is_wrong():
    assert decode_json(b'{"n": 123456789012345678901234567890}') == {"n": 123456789012345678901234567890}
    for data in (b"", b"{", b'{"a": NaN}', b"\xff", b'"\\ud800"', b"[1,]"):
        with pytest.raises(Malformed):
            decode_json(data)
    with pytest.raises(Malformed, match="'a' stands twice"):
        decode_json(b'{"b": {"a": 1, "a": 2}}', unique_keys=True)
    assert decode_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_deep_json_is_refused_and_brackets_in_strings_do_not_count():
    deep = b"[" * 5000 + b"]" * 5000
    for unique in (False, True):
        with pytest.raises((TooLarge, Malformed)):
            decode_json(deep, unique_keys=unique)
    text = b'["' + b"[" * (JSON_DEPTH * 3) + b'"]'
    assert decode_json(text, unique_keys=True) == ["[" * (JSON_DEPTH * 3)]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/tab-separated-values", "text/tab-separated-values"),
        ("text/*;q=0.9, application/json;q=0.1", "text/tab-separated-values"),
        ("application/json;q=0, */*", "text/tab-separated-values"),
        ("image/png", None),
    ],
)
def test_negotiation(accept: str | None, chosen: str | None):
    assert prefer(accept, ["application/json", "text/tab-separated-values"]) == chosen


def test_numbers_and_switches_of_query_strings():
    assert query_int({"limit": "7"}, "limit", 5) == 7
    assert query_int({}, "limit", 5) == 5
    assert query_int({"limit": "99"}, "limit", 5, high=10, clip=True) == 10
    for text in ("x", "1.5", "-1", "1" * 30, ""):
        with pytest.raises(Malformed):
            query_int({"limit": text}, "limit", 5)
    assert query_bool({"full": ""}, "full") is True
    assert query_bool({"full": "False"}, "full") is False
    with pytest.raises(Malformed):
        query_bool({"full": "perhaps"}, "full")
