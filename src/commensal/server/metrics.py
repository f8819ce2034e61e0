"""Counters and times for Prometheus, added up over all worker processes.

Every process writes its numbers into files of one folder (the client library's multi-process mode);
whoever is asked for ``/metrics`` adds them up. The folder must be known before the library is
imported, so the imports stand inside.
"""

from __future__ import annotations

import os
from typing import Any

from commensal.faces.kit.exchange import Exchange

__all__ = ["FOLDER_VARIABLE", "Metrics", "exposition"]

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._requests = Counter("commensal_requests", "Requests answered", ["door", "method", "status"])
        self._seconds = Histogram(
            "commensal_request_seconds", "Time to the end of the answer", ["door"], buckets=_BUCKETS
        )
        self._bytes = Counter("commensal_sent_bytes", "Bytes of answers", ["door"])
        self._statements = Counter("commensal_sql_statements", "SQL statements sent by requests", ["door"])
        self.ready = Gauge("commensal_workers_ready", "Workers that reach the database", multiprocess_mode="livesum")
        self._known: dict[tuple[str, str, int], tuple[Any, Any, Any, Any]] = {}

    def request(self, exchange: Exchange, method: str, seconds: float, statements: int) -> None:
        """Count one request."""
        door = exchange.door.value
        key = (door, method, exchange.status)
        counters = self._known.get(key)
        if counters is None:
            shown = method if method in _METHODS else "other"
            counters = (
                self._requests.labels(door, shown, str(exchange.status or 499)),
                self._seconds.labels(door),
                self._bytes.labels(door),
                self._statements.labels(door),
            )
            if len(self._known) < 1000:
                self._known[key] = counters
        counters[0].inc()
        counters[1].observe(seconds)
        if exchange.sent:
            counters[2].inc(exchange.sent)
        if statements:
            counters[3].inc(statements)


def exposition() -> tuple[bytes, str]:
    """Return the numbers of all processes as Prometheus text, and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry: Any = REGISTRY
    if os.environ.get(FOLDER_VARIABLE):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST
