"""Logging: structlog to standard error, as readable lines or as JSON, `call_id` on every line of a call.

Telephone numbers are shortened wherever an event carries one; secrets never reach a log (their fields are
dropped here as a last line of defence). Libraries that log through `logging` end up in the same stream.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import structlog

_NUMBER_KEYS = frozenset({"caller", "called", "number", "caller_number", "called_number"})
_SECRET_KEYS = ("password", "secret", "digits", "token", "authorization")
"""Endings of the names of fields that may hold a secret."""
_SHOWN_DIGITS = 4
_LEVELS = {"exception": "error", "warn": "warning"}
_quick = msgspec.json.Encoder(enc_hook=repr)
_json = json.JSONEncoder(ensure_ascii=False, default=repr)


def configure_logging(style: Literal["console", "json"], level: str) -> None:
    """Set up structlog and `logging` for this process. Called once, by the entry point."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        stamp,
        redact,
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, _as_json]
        if style == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one system call
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_drop_meta, *renderer], foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(numeric, logging.WARNING))


def stamp(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the level and the time of day in UTC."""
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten telephone numbers to their last four digits and drop what may be a secret."""
    for key in _NUMBER_KEYS & event.keys():
        text = str(event[key] or "")
        event[key] = f"…{text[-_SHOWN_DIGITS:]}" if len(text) > _SHOWN_DIGITS + 1 else text
    for key, value in event.items():
        if _is_secret(key):
            event[key] = "[redacted]"
        elif type(value) is bytes:  # bytes of somebody's, as they can be read
            event[key] = repr(value)
    return event


@functools.lru_cache(maxsize=1024)  # the names of fields are few
def _is_secret(key: str) -> bool:
    return key.lower().endswith(_SECRET_KEYS)


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    try:
        return _quick.encode(event).decode()
    except (TypeError, ValueError):  # half a character, say, or a key that is no text
        return _json.encode(event)


def _drop_meta(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event
