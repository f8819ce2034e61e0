"""Logs: one line an event on standard error, readable at a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

__all__ = ["configure_logs"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _to_json(value: Any, **_: Any) -> str:
    import msgspec

    return msgspec.json.encode(value, enc_hook=str).decode()


def configure_logs(name: str = "commensal") -> Any:
    """Set structlog up once for this process and return its logger.

    ``COMMENSAL_LOG`` = debug, info (usual), warning or error sets the level; ``COMMENSAL_LOG_FORMAT`` =
    json or console overrides what the terminal decides. Messages of libraries go the same way.
    """
    import structlog

    level = _LEVELS.get(os.environ.get("COMMENSAL_LOG", "").lower(), 20)
    form = os.environ.get("COMMENSAL_LOG_FORMAT", "").lower()
    console = form == "console" or (form != "json" and sys.stderr.isatty())
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if console:
        # Without this the exception's text would hold the values of local variables, which may be secrets.
        plain = structlog.dev.plain_traceback
        last: list[Any] = [structlog.dev.ConsoleRenderer(exception_formatter=plain, pad_event_to=0)]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger(name)

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields: dict[str, Any] = {"source": record.name}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            log.log(record.levelno, record.getMessage(), **fields)

    root = logging.getLogger()
    root.handlers[:] = [Forward()]
    root.setLevel(max(level, logging.WARNING) if level > 10 else logging.DEBUG)
    return log
