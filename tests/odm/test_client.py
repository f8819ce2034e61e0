"""Our own client beyond the documented operations: downloads that resume and are checked, whole lists, frames."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import commensal.client.odm as odm_api
from commensal.client.odm.models.list_response import ListResponse
from tests.odm.conftest import Odm


@pytest.fixture
def files(odm: Odm) -> Iterator[odm_api.FilesAsUserApi]:
    configuration = odm_api.Configuration(odm.url, {"Genestack-API-Token": odm.keys["analyst"]["api_token"]})
    with odm_api.ApiClient(configuration) as client:
        yield odm_api.FilesAsUserApi(client)


class Cutting:
    """A proxy that passes bytes on and cuts each answer to a GET of bytes after some of them, so many times."""

    def __init__(self, port: int, after: int, times: int) -> None:
        self._to, self._after, self._times = port, after, times
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = client.recv(65536)
                if not piece:
                    return
                request += piece
            self.requests.append(request)
            server.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            cut = request.startswith(b"GET") and b"/download" in request and self._times > 0
            self._times -= cut
            sent = 0
            while piece := server.recv(4096):
                client.sendall(piece)
                sent += len(piece)
                if cut and sent >= self._after:
                    return

    def close(self) -> None:
        self._sock.close()


def test_a_download_with_progress(odm: Odm, files: odm_api.FilesAsUserApi, tmp_path: Path):
    seen = []
    path = files.download(odm.files["plain.txt"], tmp_path, progress=seen.append)
    assert path == tmp_path / "plain.txt"
    assert path.read_bytes() == odm.bytes["plain.txt"]
    assert (seen[-1].done, seen[-1].total) == (path.stat().st_size, path.stat().st_size)
    assert list(tmp_path.iterdir()) == [path]
    assert files.download(odm.files["empty.bin"], tmp_path / "e").read_bytes() == b""


def test_a_download_that_is_cut_goes_on_where_it_was(odm: Odm, tmp_path: Path):
    data = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(20_000))
    accession = odm.put("big/big.bin", data)
    proxy = Cutting(odm.running.port, after=200_000, times=2)
    try:
        configuration = odm_api.Configuration(
            f"http://127.0.0.1:{proxy.port}", {"Genestack-API-Token": odm.keys["analyst"]["api_token"]}
        )
        with odm_api.ApiClient(configuration) as client:
            path = odm_api.FilesAsUserApi(client).download(accession, tmp_path / "big.bin")
    finally:
        proxy.close()
    assert path.read_bytes() == data
    ranged = [one for one in proxy.requests if b"range: bytes=" in one.lower() and b"if-range" in one.lower()]
    assert len(ranged) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_later_call_resumes_and_a_wrong_beginning_is_thrown_away(
    odm: Odm, files: odm_api.FilesAsUserApi, tmp_path: Path
):
    data, id = odm.bytes["plain.txt"], odm.files["plain.txt"]
    tag = files.head_file_as_user_with_http_info(id).headers["etag"]
    part, note = tmp_path / "p.part", tmp_path / "p.part.etag"
    part.write_bytes(data[:5000])
    note.write_text(tag)
    seen = []
    assert files.download(id, tmp_path / "p", progress=seen.append).read_bytes() == data
    assert seen[0].done > 5000
    part.write_bytes(b"x" * 5000)
    note.write_text(tag)
    with pytest.raises(odm_api.ApiException, match="thrown away"):
        files.download(id, tmp_path / "p")
    assert not part.exists()
    part.write_bytes(b"x" * 5000)
    note.write_text('"of other bytes"')
    assert files.download(id, tmp_path / "p").read_bytes() == data


def test_whole_lists_and_frames(odm: Odm, files: odm_api.FilesAsUserApi):
    every = files.list_files()
    assert isinstance(every, ListResponse)
    assert len(every) == len(odm.files) == every.meta.pagination.total
    frame = files.list_files(include_contents=True).to_pandas()
    assert list(frame["genestack:accession"]) == [one["genestack:accession"] for one in every]
    assert frame["commensal:size"].sum() == sum(len(data) for data in odm.bytes.values())
    assert frame.set_index("genestack:name").loc["loops.h5", "contents"]["type"] == "h5"
    assert files.list_files(query="loops").to_polars()["genestack:name"].to_list()[0] == "loops.h5"
    assert ListResponse.from_json(every.to_json()) == every


def test_errors_without_a_server(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with odm_api.ApiClient(odm_api.Configuration(f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(odm_api.ApiException, match="cannot be reached") as caught:
            odm_api.FilesAsUserApi(client).head_file_as_user("GSF1")
        assert caught.value.status == 0
        with pytest.raises(odm_api.ApiValueError, match="page_limit"):
            odm_api.FilesAsUserApi(client).get_files_metadata_as_user(page_limit=2001)


def test_defaults():
    assert odm_api.Configuration().host == "http://localhost"
    configuration = odm_api.Configuration(api_key={"Access-token": "secret"}, api_key_prefix={"Access-token": "Bearer"})
    assert configuration.get_api_key_with_prefix("Access-token") == "Bearer secret"
    assert configuration.get_api_key_with_prefix("Genestack-API-Token") is None
    assert "secret" not in repr(configuration)
