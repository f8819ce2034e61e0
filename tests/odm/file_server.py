"""A small HTTP server with files, in a thread of the test: where imports by link come from."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """``files`` by path; a path in ``gates`` sends half of its bytes and waits for the gate before the rest."""

    files: dict[str, bytes] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append(path)
                data = outer.files.get(path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                gate = outer.gates.get(path)
                try:
                    if gate is not None:
                        self.wfile.write(data[: len(data) // 2])
                        self.wfile.flush()
                        gate.wait(60)
                        data = data[len(data) // 2 :]
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, path: str, data: bytes | str) -> str:
        """Offer a file; returns its link."""
        self.files[path] = data.encode() if isinstance(data, str) else data
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        for gate in self.gates.values():
            gate.set()
        self.server.shutdown()
        self.server.server_close()
