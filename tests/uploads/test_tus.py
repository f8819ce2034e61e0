"""tus 1.0 on a running server: what the protocol says, and what cuts, other callers and browsers do to it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients import run_client
from tests.conftest import make_data_base
from tests.running import ADMIN, PASSWORD, Running, start_commons

URL = "/commensal/v1/uploads"
STREAM = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}
GUEST = "guest@example.org"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def metadata(**values: str) -> str:
    return ",".join(f"{key} {b64(value)}" for key, value in values.items())


class Commons:
    """A server, and the headers of two callers."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.client = running.client
        self.admin = {**TUS, **running.bearer(ADMIN)}
        self.guest = {**TUS, **running.bearer(GUEST)}

    def begin(self, size: int, path: str = "a.bin", **values: str) -> str:
        meta = metadata(project="UP-one", filename=path, **values)
        answer = self.client.post(URL, headers={**self.admin, "Upload-Length": str(size), "Upload-Metadata": meta})
        assert answer.status_code == 201, answer.text
        assert answer.headers["tus-resumable"] == "1.0.0"
        return answer.headers["location"]

    def patch(self, url: str, offset: int, data: Any, **headers: str) -> httpx.Response:
        sent = {**self.admin, "Upload-Offset": str(offset), "Content-Type": STREAM, **headers}
        return self.client.patch(url, content=data, headers=sent)

    def offset(self, url: str) -> int:
        answer = self.client.head(url, headers=self.admin)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        return int(answer.headers["upload-offset"])

    def file(self, path: str) -> httpx.Response:
        return self.client.get(f"/commensal/v1/projects/UP-one/files/{path}", headers=self.admin)

    def cut(self, url: str, offset: int, data: bytes, announced: int) -> None:
        """Announce more bytes than come, then break the connection."""
        head = "".join(
            f"{name}: {value}\r\n"
            for name, value in {
                **self.admin,
                "Host": f"127.0.0.1:{self.running.port}",
                "Upload-Offset": str(offset),
                "Content-Type": STREAM,
                "Content-Length": str(announced),
            }.items()
        )
        with socket.create_connection(("127.0.0.1", self.running.port)) as connection:
            connection.sendall(f"PATCH {urlsplit(url).path} HTTP/1.1\r\n{head}\r\n".encode() + data)

    def settled_offset(self, url: str, before: int, after: int) -> int:
        """Wait until a cut request has ended; the last bytes before a cut may be lost in buffers."""
        end = time.monotonic() + 60
        seen = [-1, self.offset(url)]
        while seen[-1] != seen[-2] or seen[-1] == before:
            assert time.monotonic() < end
            time.sleep(0.1)
            seen.append(self.offset(url))
        assert max(before, after - 1_000_000) <= seen[-1] <= after
        return seen[-1]


@pytest.fixture(scope="module")
def commons() -> Iterator[Commons]:
    base = make_data_base()
    running = start_commons(base / "data", "--min-free", "1MB")
    try:
        running.add_user(ADMIN, "--site-admin")
        running.add_user(GUEST)
        made = Commons(running)
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            assert running.client.post(f"/commensal/v1/{path}", json=body, headers=made.admin).status_code == 201
        yield made
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)


def test_what_is_spoken(commons: Commons):
    for url in (URL, f"{URL}/00000000-0000-0000-0000-000000000000"):
        answer = commons.client.options(url)
        assert answer.status_code == 204
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
        assert set(answer.headers["tus-extension"].split(",")) == {
            "creation", "creation-with-upload", "expiration", "checksum", "termination",
        }  # fmt: skip
        assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"md5", "sha1", "sha256"}
    other = commons.client.post(URL, headers={**commons.admin, "Tus-Resumable": "0.2.2", "Upload-Length": "1"})
    assert (other.status_code, other.headers["tus-version"]) == (412, "1.0.0")


def test_a_file_in_pieces(commons: Commons):
    data = os.urandom(3_000_001)
    url = commons.begin(len(data), "in/pieces.bin", filetype="text/x-pieces", sha256=hashlib.sha256(data).hexdigest())
    head = commons.client.head(url, headers=commons.admin)
    assert head.headers["upload-length"] == str(len(data))
    assert "sha256 " in head.headers["upload-metadata"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head.headers["upload-expires"])
    here = 0
    for end in (1, 1_000_000, 1_000_000, 2_999_999):
        answer = commons.patch(url, here, data[here:end])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
        here = end
        assert commons.offset(url) == here
        assert commons.file("in/pieces.bin").status_code == 404
    for wrong in (0, here - 1, here + 1):
        assert commons.patch(url, wrong, b"x").status_code == 409
    assert commons.patch(url, here, data[here:] + b"x").status_code == 413
    assert commons.offset(url) == here
    assert commons.patch(url, here, data[here:]).status_code == 204
    shown = commons.client.get(url, headers=commons.admin).json()
    assert (shown["state"], shown["offset"], shown["error"]) == ("available", len(data), None)
    answer = commons.file("in/pieces.bin")
    assert (answer.content == data, answer.headers["content-type"]) == (True, "text/x-pieces")
    assert commons.offset(url) == len(data)
    assert commons.patch(url, len(data), b"").status_code == 204
    assert commons.client.delete(url, headers=commons.admin).status_code == 409


def test_bytes_with_the_beginning_and_a_file_without_any(commons: Commons):
    headers = {**commons.admin, "Upload-Length": "5", "Upload-Metadata": metadata(project="UP-one", path="early/b")}
    answer = commons.client.post(URL, content=b"abc", headers={**headers, "Content-Type": STREAM})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "3")
    assert commons.patch(answer.headers["location"], 3, b"de").status_code == 204
    assert commons.file("early/b").text == "abcde"
    commons.begin(0, "empty")
    assert commons.file("empty").content == b""
    assert (
        commons.client.post(URL, content=b"abc", headers={**headers, "Content-Type": "text/plain"}).status_code == 415
    )


def test_bytes_with_the_beginning_that_are_refused_leave_no_upload_behind(commons: Commons):
    parts = commons.running.data / "blobs" / "parts"
    before = {path.name for path in parts.iterdir()} if parts.exists() else set()
    meta = metadata(project="UP-one", path="early/refused")
    headers = {**commons.admin, "Upload-Length": "5", "Upload-Metadata": meta, "Content-Type": STREAM}
    for change, data, status in (
        ({"Upload-Checksum": f"md5 {b64(b'x' * 16)}"}, b"abc", 460),
        ({"Upload-Checksum": "md5 x"}, b"abc", 400),
        ({}, b"abcdef", 413),
        ({}, iter([b"abc", b"def"]), 413),
    ):
        answer = commons.client.post(URL, content=data, headers={**headers, **change})
        assert (answer.status_code, "location" in answer.headers) == (status, False)
    assert {path.name for path in parts.iterdir()} == before


def test_checksums_of_requests(commons: Commons):
    url = commons.begin(8, "summed")
    for name in ("md5", "sha1", "sha256"):
        wrong = commons.patch(
            url, 0, b"abcd", **{"Upload-Checksum": f"{name} {b64(hashlib.new(name, b'abcx').digest())}"}
        )
        assert (wrong.status_code, commons.offset(url)) == (460, 0)
    for text in ("crc32 AAAA", "md5", "md5 !", "md5 AAAA"):
        assert commons.patch(url, 0, b"abcd", **{"Upload-Checksum": text}).status_code == 400
    right = commons.patch(url, 0, b"abcd", **{"Upload-Checksum": f"sha1 {b64(hashlib.sha1(b'abcd').digest())}"})
    assert (right.status_code, right.headers["upload-offset"]) == (204, "4")
    assert commons.patch(url, 4, b"efgh").status_code == 204
    assert commons.file("summed").content == b"abcdefgh"


def test_other_bytes_than_announced_are_refused_as_a_whole(commons: Commons):
    for name in ("sha256", "md5"):
        url = commons.begin(3, "lied", **{name: hashlib.new(name, b"abc").hexdigest()})
        answer = commons.patch(url, 0, b"abd")
        assert (answer.status_code, name in answer.json()["error"]["message"]) == (422, True)
        assert commons.file("lied").status_code == 404
        shown = commons.client.get(url, headers=commons.admin).json()
        assert (shown["state"], name in shown["error"]) == ("refused", True)
        assert commons.client.head(url, headers=commons.admin).status_code == 410


def test_what_came_before_a_cut_stays(commons: Commons, torture: bool):
    size = 5 * 1024**3 if torture else 64 * 1024**2
    cuts = 100 if torture else 5
    block = os.urandom(1024**2)
    whole = hashlib.sha256()
    for _ in range(size // len(block)):
        whole.update(block)
    url = commons.begin(size, "cut", sha256=whole.hexdigest())
    step = size // cuts // len(block) * len(block) - 7
    here = 0
    for _ in range(1, cuts):
        data = (block * (step // len(block) + 2))[here % len(block) :][:step]
        commons.cut(url, here, data, size - here)
        here = commons.settled_offset(url, here, here + step)

    def rest(here: int) -> Iterator[bytes]:
        while here < size:
            piece = block[here % len(block) :]
            yield piece
            here += len(piece)

    last = commons.patch(url, here, rest(here), **{"Content-Length": str(size - here)})
    assert last.status_code == 204
    end = time.monotonic() + 120
    while (state := commons.client.get(url, headers=commons.admin).json())["state"] == "verifying":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert state["state"] == "available"
    info = commons.client.get("/commensal/v1/projects/UP-one/files/cut?info=true", headers=commons.admin).json()
    assert (info["size"], info["sha256"]) == (size, whole.hexdigest())


def test_a_request_that_hangs_gives_way_to_the_next(commons: Commons):
    url = commons.begin(10, "hanging")
    headers = {**commons.admin, "Host": f"127.0.0.1:{commons.running.port}", "Upload-Offset": "0"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", commons.running.port)) as hanging:
        hanging.sendall(
            f"PATCH {urlsplit(url).path} HTTP/1.1\r\n{head}Content-Type: {STREAM}\r\n"
            "Content-Length: 10\r\n\r\nabcd".encode()
        )
        end = time.monotonic() + 20
        while (answer := commons.patch(url, commons.offset(url), b"")).headers.get("upload-offset") != "4":
            assert answer.status_code in (204, 409)
            assert time.monotonic() < end
        assert b" 409 " in hanging.recv(4096)
    assert commons.patch(url, 4, b"efghij").status_code == 204
    assert commons.file("hanging").content == b"abcdefghij"


def test_given_up(commons: Commons):
    parts = commons.running.data / "blobs" / "parts"
    before = {path.name for path in parts.iterdir()} if parts.exists() else set()
    url = commons.begin(10)
    assert len({path.name for path in parts.iterdir()} - before) == 1
    assert commons.patch(url, 0, b"abc").status_code == 204
    assert commons.client.delete(url, headers=commons.admin).status_code == 204
    for answer in (
        commons.client.head(url, headers=commons.admin),
        commons.patch(url, 3, b"d"),
        commons.client.delete(url, headers=commons.admin),
    ):
        assert answer.status_code == 410
    assert commons.client.get(url, headers=commons.admin).json()["state"] == "ended"
    assert {path.name for path in parts.iterdir()} == before


def test_beginnings_that_are_refused(commons: Commons):
    good = {**commons.admin, "Upload-Length": "5", "Upload-Metadata": metadata(project="UP-one", filename="x")}
    for change, status in (
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "many"}, 400),
        ({"Upload-Length": str(10**14)}, 400),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Metadata": ""}, 400),
        ({"Upload-Metadata": metadata(filename="x")}, 400),
        ({"Upload-Metadata": metadata(project="UP-one")}, 400),
        ({"Upload-Metadata": "project !!!"}, 400),
        ({"Upload-Metadata": f"project {b64('UP-one')},project {b64('UP-one')}"}, 400),
        ({"Upload-Metadata": metadata(project="UP-one", filename="x", sha256="zz")}, 422),
        ({"Upload-Metadata": metadata(project="UP-one", filename="../x")}, 422),
        ({"Upload-Metadata": metadata(project="UP-one", filename="x", type="sample")}, 400),
        ({"Upload-Metadata": metadata(project="UP-none", filename="x")}, 404),
        ({"Authorization": "Bearer no"}, 401),
        (commons.guest, 403),
    ):
        answer = commons.client.post(URL, headers={**good, **change})
        assert answer.status_code in ((status,) if status != 403 else (403, 404)), (change, answer.text)
    anonymous = commons.client.post(URL, headers={k: v for k, v in good.items() if k != "Authorization"})
    assert anonymous.status_code == 401


def test_an_upload_is_its_senders_alone(commons: Commons):
    url = commons.begin(5, "mine")
    guest = commons.guest
    stream = {**guest, "Upload-Offset": "0", "Content-Type": STREAM}
    for answer in (
        commons.client.get(url, headers=guest),
        commons.client.head(url, headers=guest),
        commons.client.patch(url, content=b"abcde", headers=stream),
        commons.client.delete(url, headers=guest),
    ):
        assert answer.status_code == 404
    assert commons.offset(url) == 0


def test_a_key_for_one_program_opens_no_upload_of_another(commons: Commons):
    for path, body in (
        ("programs", {"code": "OTHER", "title": "Other"}),
        ("programs/OTHER/projects", {"code": "two", "title": "Two"}),
    ):
        assert commons.client.post(f"/commensal/v1/{path}", json=body, headers=commons.admin).status_code == 201
    key = commons.running.key(ADMIN, "opal", "--program", "OTHER")
    limited = {**TUS, "Authorization": f"Basic {b64(key['login'] + ':' + key['password'])}"}
    meta = metadata(project="OTHER-two", filename="mine")
    commons.running.admin("grant", ADMIN, "contributor", "OTHER")
    own = commons.client.post(URL, headers={**limited, "Upload-Length": "5", "Upload-Metadata": meta})
    assert own.status_code == 201, own.text
    url = commons.begin(5, "elsewhere")
    stream = {"Upload-Offset": "0", "Content-Type": STREAM}
    for method in ("HEAD", "PATCH", "DELETE", "GET"):
        answer = commons.client.request(method, url, headers={**limited, **stream})
        assert (method, answer.status_code, "upload-metadata" in answer.headers) == (method, 404, False)
    assert commons.offset(url) == 0
    assert commons.client.head(own.headers["location"], headers=limited).status_code == 200
    assert commons.client.head(own.headers["location"], headers=commons.admin).status_code == 200


def test_clients_that_can_only_post(commons: Commons):
    url = commons.begin(3, "posted")
    sent = {**commons.admin, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": STREAM}
    assert commons.client.post(url, content=b"abc", headers=sent).status_code == 204
    assert commons.file("posted").content == b"abc"
    assert commons.client.post(url, headers={**commons.admin, "X-HTTP-Method-Override": "PUT"}).status_code == 400


def test_scripts_of_our_pages_and_no_others(commons: Commons):
    with httpx.Client(base_url=commons.running.url, follow_redirects=True) as browser:
        page = browser.get("/portal/sign-in").text
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
        assert token is not None
        form = {"email": ADMIN, "password": PASSWORD, "form_token": token[1]}
        page = browser.post("/portal/sign-in", data=form).text
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
        assert found is not None
        headers = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(project="UP-one", filename="browser.txt")}
        assert browser.post(URL, headers=headers).status_code == 401
        for wrong in ("", "0" * 64, token[1]):
            assert browser.post(URL, headers={**headers, "X-Commensal-Form": wrong}).status_code == 401
        ours = {"X-Commensal-Form": found[1]}
        foreign = browser.post(URL, headers={**headers, **ours, "Origin": "https://evil.example"})
        assert foreign.status_code == 403
        begun = browser.post(URL, headers={**headers, **ours, "Origin": commons.running.url})
        assert begun.status_code == 201
        url = begun.headers["location"]
        stream = {**TUS, **ours, "Upload-Offset": "0", "Content-Type": STREAM}
        assert browser.patch(url, content=b"abc", headers=stream).status_code == 204
        assert browser.get("/commensal/v1/whoami", headers=ours).json()["email"] == ADMIN
        assert browser.get("/commensal/v1/whoami").status_code == 401
        browser.post("/portal/sign-out", data={"form_token": found[1]})
        assert browser.get("/commensal/v1/whoami", headers=ours).status_code == 401
    assert commons.file("browser.txt").content == b"abc"


def test_the_code_of_the_page_runs_with_a_real_client(commons: Commons, tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "upload-and-download.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    for path, body in (
        ("programs", {"code": "PRIMER", "title": "Primer"}),
        ("programs/PRIMER/projects", {"code": "lung", "title": "Lung"}),
    ):
        assert commons.client.post(f"/commensal/v1/{path}", json=body, headers=commons.admin).status_code == 201
    # In smaller pieces than the page's, so that there are some.
    code = code.replace("64 * 1024 * 1024", "1024 * 1024")
    (tmp_path / "reads.bam").write_bytes(os.urandom(3_500_000))
    token = commons.admin["Authorization"].removeprefix("Bearer ")
    done = run_client("tus", code, folder=tmp_path, environment={"COMMENSAL_URL": commons.running.url, "TOKEN": token})
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("201 ")
    assert said[1] == "3500000 bytes are there"
    assert re.fullmatch(r"available [0-9a-f-]{36} None", said[2])
    assert said[3:] == ["200", said[4]]
    assert said[4].startswith("deletion ")


def test_a_real_client_goes_on_after_a_cut(commons: Commons, tmp_path: Path):
    data = os.urandom(2_000_000)
    (tmp_path / "a.bin").write_bytes(data)
    url = commons.begin(len(data), "resumed", sha256=hashlib.sha256(data).hexdigest())
    commons.cut(url, 0, data[:1_234_567], len(data))
    here = commons.settled_offset(url, 0, 1_234_567)
    script = (
        "import os, sys\nfrom tusclient.client import TusClient\n"
        "client = TusClient(sys.argv[1], headers={'Authorization': os.environ['TOKEN']})\n"
        "uploader = client.uploader('a.bin', url=sys.argv[2], chunk_size=300_000, upload_checksum=True)\n"
        "print(uploader.offset)\nuploader.upload()\n"
    )
    done = run_client(
        "tus", script, commons.running.url + URL, url, folder=tmp_path,
        environment={"TOKEN": commons.admin["Authorization"]},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{here}\n"), done.stderr
    assert commons.file("resumed").content == data
