"""A real S3 for tests: Ceph's radosgw with one monitor and one object daemon, in a temporary folder on loopback.

Needs Debian's packages radosgw, ceph-mon, ceph-osd and ceph-common. Nothing of it survives the test session.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["PACKAGES", "RadosGateway", "missing_programs"]

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
_PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "monmaptool", "radosgw", "radosgw-admin")
ACCESS_KEY = "COMMENSALTESTKEY0001"
SECRET_KEY = "a-secret-of-a-test-that-lives-for-minutes"
START_SECONDS = 120
_PR_SET_PDEATHSIG = 1


def missing_programs() -> list[str]:
    """Return the programs of Ceph that are not installed here."""
    return [name for name in _PROGRAMS if shutil.which(name) is None]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    """A test session that is killed takes its daemons along (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Conf:
    path: Path
    fsid: str
    monitor: str


class RadosGateway:
    """One gateway; ``endpoint``, ``access_key`` and ``secret_key`` are what a client needs."""

    def __init__(self, *, size: int = 8 * 1024**3) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="commensal-rgw-"))
        self._size = size
        self._running: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        self.access_key = ACCESS_KEY
        self.secret_key = SECRET_KEY

    @property
    def endpoint(self) -> str:
        """The address of the gateway."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; raises RuntimeError with the end of the logs when it does not come up."""
        conf = self._configure()
        self._monitor(conf)
        self._store(conf)
        self._tool(conf, "radosgw-admin", "user", "create", "--uid=test", "--display-name=test",
                   f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")  # fmt: skip
        self._daemon(
            conf,
            "radosgw", "-n", "client.rgw", "-f",
            f"--rgw_frontends=beast endpoint=127.0.0.1:{self._port} tcp_nodelay=1",
        )  # fmt: skip
        self._wait_for_gateway()

    def _configure(self) -> _Conf:
        fsid = str(uuid.uuid4())
        monitor = f"127.0.0.1:{_free_port()}"
        for name in ("mon", "osd", "rgw"):
            (self._folder / name).mkdir()
        settings = {
            "fsid": fsid,
            "mon host": f"[v2:{monitor}/0]",
            "auth cluster required": "none",
            "auth service required": "none",
            "auth client required": "none",
            # The gateway asks for encrypted connections by default, which need keys.
            "ms mon client mode": "crc",
            "public addr": "127.0.0.1",
            "cluster addr": "127.0.0.1",
            "mon data": self._folder / "mon",
            "osd data": self._folder / "osd",
            "rgw data": self._folder / "rgw",
            "run dir": self._folder,
            "log file": self._folder / "$name.log",
            "mon cluster log file": self._folder / "cluster.log",
            "mon data avail crit": 1,
            "mon data avail warn": 2,
            "mon allow pool size one": "true",
            "mon max pg per osd": 2000,
            "osd pool default size": 1,
            "osd pool default min size": 1,
            "osd pool default pg num": 4,
            "osd pool default pgp num": 4,
            "osd pool default pg autoscale mode": "off",
            "osd crush chooseleaf type": 0,
            "osd objectstore": "bluestore",
            "osd max object name len": 256,
            "osd max object namespace len": 64,
            "bluestore block size": self._size,
            "bluestore cache autotune": "false",
            "bluestore cache size": 64 * 1024**2,
            "bluestore fsck on mkfs": "false",
            "rgw thread pool size": 32,
            "rgw enable usage log": "false",
            "rgw enable ops log": "false",
            "rgw enable gc threads": "true",
            "rgw gc obj min wait": 60,
            "rgw dns name": "localhost",
        }
        path = self._folder / "ceph.conf"
        path.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        return _Conf(path, fsid, monitor)

    def _monitor(self, conf: _Conf) -> None:
        monmap = self._folder / "monmap"
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:{conf.monitor}]", "--fsid", conf.fsid, str(monmap))
        self._tool(conf, "ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap))
        self._daemon(conf, "ceph-mon", "-i", "a", "-f")

    def _store(self, conf: _Conf) -> None:
        made = str(uuid.uuid4())
        self._tool(conf, "ceph", "--connect-timeout=20", "osd", "new", made)
        self._tool(conf, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", made)
        self._daemon(conf, "ceph-osd", "-i", "0", "-f")

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, check=False, timeout=START_SECONDS)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")

    def _tool(self, conf: _Conf, program: str, *arguments: str) -> None:
        self._run(program, "-c", str(conf.path), *arguments)

    def _daemon(self, conf: _Conf, program: str, *arguments: str) -> None:
        output = (self._folder / f"{program}.out").open("wb")
        command: Sequence[str] = (program, "-c", str(conf.path), *arguments)
        with output:
            self._running.append(subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=_die_with_parent))

    def _wait_for_gateway(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for process in self._running:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {self._logs()}")
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status < 500:
                    return
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        raise RuntimeError(f"the gateway did not answer within {START_SECONDS} seconds: {self._logs()}")

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(self._folder.glob("*.out")))

    def stop(self) -> None:
        """End the daemons and remove the folder."""
        for process in reversed(self._running):
            process.kill()
        for process in self._running:
            process.wait()
        self._running.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
