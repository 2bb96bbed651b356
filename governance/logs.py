"""Logs that cannot leak: structlog behind an allow-list of keys.

A key that is not on the list is dropped and counted (``dropped``), never printed. Values of allowed keys
are ids of our own making, counts, words of closed lists and durations; nothing a patient could be known by.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

__all__ = ["ALLOWED_KEYS", "configure_logs", "get_log"]

ALLOWED_KEYS = frozenset({
    "event", "level", "timestamp", "action", "address", "code", "count", "decision", "diagnostics", "duration_ms",
    "effect", "error_type", "index", "kind", "method", "outcome", "policy", "profile", "refer", "release", "request_id",
    "role", "route", "size", "status", "tenant", "version",
})  # fmt: skip
"""Everything that may appear in a log line."""


def _only_allowed(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the list, exceptions' texts included."""
    kept = {key: value for key, value in event.items() if key in ALLOWED_KEYS}
    dropped = len(event) - len(kept)
    return {**kept, "dropped": dropped} if dropped else kept


def configure_logs(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send JSON lines to a stream (standard error by default), allow-listed; silence chatty libraries.

    Args:
        stream: where lines go.
        level: lowest level that is written.
    """
    for name in ("casbin", "presidio-analyzer", "alembic", "httpx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_log() -> structlog.typing.FilteringBoundLogger:
    """Return the log; pass only keys of `ALLOWED_KEYS`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
