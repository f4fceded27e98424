"""Structured logs: one JSON object a line on standard error, without secrets.

`configure` also routes the standard library's loggers (uvicorn, SQLAlchemy, libraries) through the same formatter.
"""

import logging
import re
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.tracing import add_trace_ids

_SECRET_NAME = re.compile(r"(secret|token|password|passwd|authorization|cookie|api_?key|credential|dsn)", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]+(?=@)")


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values whose name says secret, and passwords inside URLs; drop uvicorn's second copy with colours."""
    event.pop("color_message", None)
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = "[hidden]"
        elif isinstance(value, str) and "://" in value:
            event[name] = _URL_PASSWORD.sub(r"\1:[hidden]", value)
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_trace_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderers(style: str) -> Sequence[Processor]:
    if style == "console":
        # The renderer's default shows local variables, and with them whatever secret a frame holds.
        plain = structlog.dev.plain_traceback
        return [hide_secrets, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.format_exc_info,
        hide_secrets,
        structlog.processors.JSONRenderer(),
    ]


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at that moment."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr  # setStream would flush the old one, which may be closed by now
        super().emit(record)


def configure(level: str = "info", style: str = "json") -> None:
    """Send every logger of the process to standard error in one style: `json` or `console`."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("alembic", "httpx", "httpx2", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
