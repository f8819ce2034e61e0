"""A real S3 keeps the contract; its signed addresses do one thing each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator

import httpx
import pytest

from commensal.errors import SetupError
from commensal.storage.blobs import s3
from commensal.storage.blobs.s3 import S3Blobs
from commensal.storage.blobs.s3_place import S3Place, parse_s3
from tests.blobs.contract import MIB, BlobContract, all_keys, chunks, read

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "very-secret"}


@pytest.fixture
async def blobs(place: S3Place) -> AsyncIterator[S3Blobs]:
    store = S3Blobs(place)
    yield store
    store.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


class TestS3(BlobContract):
    @pytest.fixture
    async def blobs(self, place: S3Place) -> AsyncIterator[S3Blobs]:
        store = S3Blobs(place)
        yield store
        store.close()

    async def test_a_failed_upload_leaves_no_open_one(self, blobs: S3Blobs):
        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * (17 * MIB)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await blobs.put(broken())
        assert not (await blobs._client.send("list_multipart_uploads")).get("Uploads")


async def test_a_signed_get_gives_the_bytes_under_their_name(blobs: S3Blobs, http: httpx.AsyncClient):
    data = os.urandom(2 * MIB)
    key = (await blobs.put(chunks(data))).key
    url = blobs.direct.get_address(key, 60, name='déjà "vu".txt', media_type="text/plain")
    answer = await http.get(url)
    assert answer.content == data
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "UTF-8''d%C3%A9j%C3%A0" in answer.headers["content-disposition"]
    part = await http.get(url, headers={"Range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, data[5:15])
    assert (await http.put(url, content=b"evil")).status_code == 403
    assert (await http.delete(url)).status_code == 403
    assert (await http.get(url.replace(key, "0" * 40))).status_code == 403
    assert (await http.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))).status_code == 403
    head = blobs.direct.get_address(key, 60, name="x", media_type="text/plain", method="HEAD")
    assert (await http.head(head)).headers["content-length"] == str(len(data))
    assert await read(blobs, key) == data


async def test_what_a_signed_put_wrote_is_taken_where_it_writes_no_more(blobs: S3Blobs, http: httpx.AsyncClient):
    handle = await blobs.begin_incoming()
    url = blobs.direct.put_address(handle, 60)
    assert (await http.put(url, content=b"good")).status_code == 200
    assert (await http.get(url)).status_code == 403
    assert await all_keys(blobs) == set()
    key = await blobs.take_incoming(handle)
    assert (await http.put(url, content=b"evil")).status_code == 200
    assert await read(blobs, key) == b"good"
    await blobs.drop(handle)


async def test_parts_sent_by_signed_addresses(blobs: S3Blobs, http: httpx.AsyncClient):
    handle = await blobs.begin_parts()
    pieces = {1: os.urandom(5 * MIB), 2: os.urandom(5 * MIB), 3: b""}
    for number in (3, 1, 2):
        url = blobs.direct.part_address(handle, number, 60)
        answer = await http.put(url, content=pieces[number])
        assert answer.headers["etag"].strip('"') == hashlib.md5(pieces[number]).hexdigest()
        assert (await http.put(url.replace(f"partNumber={number}", "partNumber=9"), content=b"x")).status_code == 403
    listed = await blobs.list_parts(handle)
    key = await blobs.join_parts(handle, listed)
    assert await read(blobs, key) == pieces[1] + pieces[2]
    assert (await http.put(blobs.direct.part_address(handle, 1, 60), content=b"late")).status_code == 404


async def test_a_signed_form_takes_no_more_than_its_limit(blobs: S3Blobs, http: httpx.AsyncClient):
    handle = await blobs.begin_incoming()
    form = blobs.direct.form(handle, 60, limit=1000)
    assert (await http.post(form.url, data=dict(form.fields), files={"file": ("a", b"x" * 1001)})).status_code == 400
    changed = {**form.fields, "key": str(form.fields["key"]).replace(handle, "ab" * 20)}
    assert (await http.post(form.url, data=changed, files={"file": ("a", b"x")})).status_code in (400, 403)
    sent = await http.post(form.url, data=dict(form.fields), files={"file": ("a", b"form bytes")})
    assert sent.status_code in (200, 204)
    assert await read(blobs, await blobs.take_incoming(handle)) == b"form bytes"


def test_addresses_are_read_and_credentials_come_from_the_environment_only():
    place = parse_s3("s3://bucket/a/b?endpoint=https://s3.example.org/&region=eu", KEYS)
    assert (place.bucket, place.prefix, place.endpoint, place.region) == (
        "bucket",
        "a/b",
        "https://s3.example.org",
        "eu",
    )
    assert parse_s3("s3://bucket", KEYS).endpoint is None
    assert "very-secret" not in repr(place)
    own = {**KEYS, "COMMENSAL_S3_ACCESS_KEY_ID": "own", "COMMENSAL_S3_SECRET_ACCESS_KEY": "s"}
    assert parse_s3("s3://bucket", own).access_key == "own"
    for bad in (
        "s3://",
        "s3://UPPER/x",
        "s3://bucket/../x",
        "s3://bucket?color=red",
        "s3://key:secret@bucket/x",
        "s3://bucket?endpoint=ftp://x",
    ):
        with pytest.raises(SetupError):
            parse_s3(bad, KEYS)
    with pytest.raises(SetupError, match="COMMENSAL_S3_ACCESS_KEY_ID"):
        parse_s3("s3://bucket", {})


async def test_what_came_is_copied_in_pieces_when_it_is_too_large_for_one_copy(
    blobs: S3Blobs, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(s3, "_COPY_WHOLE", 6 * MIB)
    monkeypatch.setattr(s3, "_COPY_PIECE", 5 * MIB)
    data = os.urandom(17 * MIB)
    handle = await blobs.begin_incoming()
    assert (await http.put(blobs.direct.put_address(handle, 60), content=data)).status_code == 200
    key = await blobs.take_incoming(handle)
    assert await read(blobs, key) == data
    assert await blobs.take_incoming(handle) == key
    assert not (await blobs._client.send("list_multipart_uploads")).get("Uploads")
