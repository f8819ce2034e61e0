"""``--metrics-port``: the numbers of all workers on a port of the loopback interface, served by the supervisor."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from commensal.errors import SetupError

__all__ = ["serve_metrics"]


def serve_metrics(port: int) -> None:
    """Answer on 127.0.0.1 until this process ends; raises SetupError when the port is taken."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise SetupError(f"--metrics-port {port}: {error.strerror}; choose another port.") from None
