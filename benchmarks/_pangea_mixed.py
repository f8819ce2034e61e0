"""Many clients of the Pangea door at once that do what people do there, each its own mix in its own order."""

from __future__ import annotations

import json
import math
import random
import selectors
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks._measuring import Client

__all__ = ["Mixed", "prepare", "run"]

#: What a client sends next: a whole request, and the status that must answer; it gets the body.
Step = tuple[bytes, int]
Work = Generator[Step, bytes, None]
FILE = b"@read\nACGTTGCA\n+\nIIIIIIII\n" * 800
BOUNDARY = "mixed-clients-boundary"


@dataclass
class Mixed:
    """What came out: seconds of each answer, answers that were not as they must be, memory of the server in MB.

    ``settled`` is the memory after a quarter of the time, when caches and pools are filled.
    """

    seconds: float = 0.0
    times: list[float] = field(default_factory=list[float])
    by_route: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    errors: list[str] = field(default_factory=list[str])
    before: float = 0.0
    settled: float = 0.0
    after: float = 0.0

    def at(self, part: float) -> float:
        """Return the time in seconds that so large a part of the answers took at most (nearest rank)."""
        return at(self.times, part)

    def routes(self) -> str:
        """Return a line for each kind of request: how many, and their times."""
        lines = [
            f"  {name:<34} {len(times):7,}   p50 {at(times, 0.5) * 1000:5.0f} ms   p99 {at(times, 0.99) * 1000:5.0f} ms"
            for name, times in sorted(self.by_route.items())
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return (
            f"{len(self.times):,} answers in {self.seconds:.0f} s, {len(self.errors)} errors, "
            f"p50 {self.at(0.5) * 1000:.0f} ms, p99 {self.at(0.99) * 1000:.0f} ms, longest {self.at(1) * 1000:.0f} ms, "
            f"memory {self.before:.0f} MB before, {self.settled:.0f} after a quarter, {self.after:.0f} at the end"
        )


def at(times: list[float], part: float) -> float:
    """Return the time that so large a part of these took at most."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def _route(data: bytes) -> str:
    """Return method and kind of path of a request."""
    method, path = data[: data.index(b"\r\n")].decode().split(" ")[:2]
    words = path.partition("?")[0].split("/")
    bytes_ = path.startswith("/commensal")
    kept = words[3:5] if bytes_ else [words[2], *[word for word in words[4:] if word.isidentifier()][-1:]]
    return f"{method} {'/'.join(kept)}"


def request(token: str, method: str, path: str, body: object = None, status: int = 200) -> Step:
    """Return a request of a caller to the door."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} /api/{quote(path, safe='/?=&:')} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if token:
        lines.append(f"Authorization: Token {token}")
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data, status


def _signed(method: str, address: str, status: int, kind: str = "", data: bytes = b"") -> Step:
    parts = urlsplit(address)
    lines = [f"{method} {parts.path}{'?' * bool(parts.query)}{parts.query} HTTP/1.1", "Host: 127.0.0.1"]
    if data:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data, status


def _form(fields: dict[str, str], data: bytes) -> tuple[str, bytes]:
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    pieces.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="reads.fq"\r\n\r\n')
    body = "".join(pieces).encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={BOUNDARY}", body


@dataclass(frozen=True)
class _Place:
    """The library that all work in: its names, and the uuids of its first samples."""

    token: str
    organization: str
    library: str
    uuid: str
    samples: list[str]


def prepare(port: int, token: str, name: str, samples: int) -> _Place:
    """Make an organization with a library of samples."""
    client = Client(port)

    def ask(method: str, path: str, body: object, status: int = 201) -> Any:
        data, wanted = request(token, method, path, body, status)
        found, answer = client.send(data)
        assert found == wanted, answer
        return json.loads(answer)

    organization = ask("POST", "organizations", {"name": name})["uuid"]
    made = {"name": f"{name} library", "organization": organization, "is_library": True}
    library = ask("POST", "sample_groups", made)["uuid"]
    names = [f"{name} {n}" for n in range(samples)]
    uuids = ask("POST", "bulk_samples", {"library": library, "names": names})["uuids"]
    client.close()
    return _Place(token, name, f"{name} library", library, uuids)


def _work(place: _Place, number: int) -> Work:
    """What one client does, for ever: mostly reads, some writes, now and then a file."""
    random_ = random.Random(number)
    token, at = place.token, f"nested/{place.organization}/sample_groups/{place.library}"
    mine: list[dict[str, Any]] = []
    n = 0
    while True:
        n += 1
        kind = random_.choices(range(9), (30, 15, 10, 12, 8, 5, 10, 5, 5))[0]
        sample = random_.choice(place.samples)
        if kind == 0:
            yield request(token, "GET", f"{at}/samples/{place.organization} {random_.randrange(len(place.samples))}")
        elif kind == 1:
            yield request(token, "GET", f"samples/{sample}")
        elif kind == 2:
            yield request(token, "GET", f"sample_groups/{place.uuid}/samples?page=1")
        elif kind == 3 or not mine:
            metadata = {"city": f"city{n % 17}", "ph": n % 14, "depth_m": n / 10}
            body = {"name": f"c{number} {n}", "library": place.uuid, "metadata": metadata}
            mine.append(json.loads((yield request(token, "POST", "samples", body, 201))))
        elif kind == 4:
            one = random_.choice(mine)
            body = {"metadata": {"ph": n, "client": number}}
            answer = json.loads((yield request(token, "PATCH", f"samples/{one['uuid']}", body)))
            assert answer["metadata"] == body["metadata"], answer
        elif kind == 5:
            yield request(token, "GET", f"search?query=city{n % 17}")
        elif kind == 6:
            result = {"module_name": f"m{number}", "replicate": f"{n}", "sample": sample}
            made = json.loads((yield request(token, "POST", "sample_ars", result, 201)))
            body = {"analysis_result": made["uuid"], "name": "f", "stored_data": {"v": [n] * 10}}
            yield request(token, "POST", "sample_ar_fields", body, 201)
        elif kind == 7:
            yield request(token, "GET", f"samples/{sample}/manifest")
        else:
            yield from _file(token, number, n, sample)


def _file(token: str, number: int, n: int, sample: str) -> Work:
    """Upload a file as a field, and download it."""
    result = {"module_name": f"reads{number}", "replicate": f"{n}", "sample": sample}
    made = json.loads((yield request(token, "POST", "sample_ars", result, 201)))
    body: dict[str, Any] = {"analysis_result": made["uuid"], "name": "reads", "stored_data": {}}
    made = json.loads((yield request(token, "POST", "sample_ar_fields", body, 201)))
    path = f"sample_ar_fields/{made['uuid']}"
    form = json.loads((yield request(token, "POST", f"{path}/upload_s3", {"filename": "reads.fq"})))
    data = FILE + f"{number} {n}".encode()
    yield _signed("POST", form["url"], 204, *_form(form["fields"], data))
    shown = json.loads((yield request(token, "GET", path)))
    got = yield _signed("GET", shown["stored_data"]["presigned_url"], 200)
    assert got == data


def run(port: int, place: _Place, clients: int, seconds: float, memory: Callable[[], float]) -> Mixed:
    """Let so many clients ask, each again at once, for so long; returns when all have their last answer."""
    out = Mixed(before=memory())
    selector = selectors.DefaultSelector()
    begin = time.perf_counter()
    states: dict[Client, tuple[Work, int, float, str]] = {}
    for number in range(clients):
        client, work = Client(port), _work(place, number)
        data, status = next(work)
        states[client] = work, status, time.perf_counter(), _route(data)
        client.socket.sendall(data)
        selector.register(client.socket, selectors.EVENT_READ, client)
    while states:
        now = time.perf_counter() - begin
        if not out.settled and now > seconds / 4:
            out.settled = memory()
        for key, _ in selector.select():
            client: Client = key.data
            work, wanted, sent, route = states[client]
            status, body = client.receive()
            took = time.perf_counter() - sent
            out.times.append(took)
            out.by_route.setdefault(route, []).append(took)
            try:
                if status != wanted:
                    raise AssertionError(f"{status} instead of {wanted}: {body[:300]!r}")
                data, following = work.send(body)
            except (AssertionError, KeyError, ValueError) as error:
                out.errors.append(f"{type(error).__name__} {error}")
                work = _work(place, 1_000_000 + len(out.errors))
                data, following = next(work)
            if time.perf_counter() - begin > seconds:
                selector.unregister(client.socket)
                client.close()
                del states[client]
                continue
            states[client] = work, following, time.perf_counter(), _route(data)
            client.socket.sendall(data)
    out.seconds = time.perf_counter() - begin
    out.after = memory()
    return out
