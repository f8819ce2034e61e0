"""``serve`` to its first answer, on a new and on an existing data folder, and memory when idle.

The floor of a start is the start of the same PostgreSQL alone on the same folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from tests.conftest import make_data_base


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _start(folder: Path, workers: int) -> tuple[float, subprocess.Popen[bytes], int]:
    port = _port()
    command = [
        str(Path(sys.executable).parent / "commensal"), "serve", "--data", str(folder),
        "--port", str(port), "--workers", str(workers),
    ]  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        if process.poll() is not None:
            raise SystemExit(f"serve ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return time.perf_counter() - began, process, port
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.perf_counter() - began


def _memory(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Proportional memory (PSS) of the server's processes and of PostgreSQL's, in MiB."""
    own = database = 0
    parent = psutil.Process(process.pid)
    for child in [parent, *parent.children(recursive=True)]:
        pss = child.memory_full_info().pss
        if "postgres" in child.name():
            database += pss
        else:
            own += pss
    return own / 2**20, database / 2**20


def _floor(folder: Path) -> float:
    from commensal.storage.embedded import DataFolder, EmbeddedPostgres

    data = DataFolder(folder)
    data.prepare()
    server = EmbeddedPostgres(data)
    began = time.perf_counter()
    server.start()
    took = time.perf_counter() - began
    server.stop()
    return took


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options, _ = parser.parse_known_args()
    base = make_data_base()
    os.environ.pop("COMMENSAL_DATA", None)
    try:
        news, olds, stops = [], [], []
        for number in range(max(2, options.runs // 2)):
            took, process, _port_used = _start(base / f"new{number}", 1)
            news.append(took)
            _stop(process)
        folder = base / "new0"
        for _ in range(options.runs):
            took, process, _port_used = _start(folder, 1)
            olds.append(took)
            stops.append(_stop(process))
        floor = statistics.median(_floor(folder) for _ in range(options.runs))
        new, old = statistics.median(news), statistics.median(olds)
        print(f"start, new folder, to first answer      {new:7.2f} s   (aim: at most 6 s)")
        print(
            f"start, existing folder                  {old:7.2f} s   (aim: at most 2 s; PostgreSQL alone {floor:.2f} s)"
        )
        print(f"stop                                    {statistics.median(stops):7.2f} s")
        for workers in (1, 2):
            _took, process, _port_used = _start(folder, workers)
            time.sleep(5)
            own, database = _memory(process)
            print(
                f"idle memory, {workers} worker(s)               {own:7.0f} MiB server, {database:.0f} MiB PostgreSQL"
            )
            _stop(process)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
