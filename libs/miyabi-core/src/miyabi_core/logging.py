"""Structured logs: one event a line, secrets redacted, control characters spelled out, JSON unless a person looks."""

from __future__ import annotations

import logging as std_logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from miyabi_core.text.characters import exact, exact_lines

#: Keys whose text has lines of its own: what a traceback says.
_MANY_LINES = frozenset({"exception", "stack"})
#: Keys whose values are never written.
SECRET_KEYS = frozenset(
    {"token", "authorization", "password", "secret", "api_key", "prompt", "redis_url", "x-api-key", "cookie", "grant"}
)
#: Shapes of credentials that may hide in any text: GitHub's, Anthropic's and our own tokens, signed tokens such as
#: grants (RFC 7519), passwords in URLs.
_SECRET_SHAPES = re.compile(
    r"(gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|sk-ant-[A-Za-z0-9_-]{8,}|mybt_[A-Za-z0-9_-]{32,}|eyJ[A-Za-z0-9_-]{8,80}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@))"
)
#: Stands where a secret was.
REDACTED = "[redacted]"


def redact_text(text: str) -> str:
    """Return *text* with everything that has the shape of a credential replaced."""
    return _SECRET_SHAPES.sub(REDACTED, text)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: replace values of secret keys, and credentials inside other texts."""
    for key, value in event.items():
        if key.lower() in SECRET_KEYS:
            event[key] = REDACTED
        elif isinstance(value, str):
            event[key] = redact_text(value)
    return event


def plain(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: spell out what would end a line, move a cursor or hide text; tracebacks keep their lines."""
    for key, value in event.items():
        if isinstance(value, str):
            # Indented: no line of a message begins as an event does.
            event[key] = exact_lines(value).replace("\n", "\n  ") if key in _MANY_LINES else exact(value)
    return event


def configure_logging(*, service: str, json: bool | None = None, level: str = "INFO") -> None:
    """Set up structlog for the process; logs of libraries go the same way.

    Args:
        service: Name that every line carries.
        json: JSON lines or coloured ones; None: JSON unless standard error is a terminal.
        level: DEBUG, INFO, WARNING or ERROR; libraries log from WARNING on.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Before the redaction, on a terminal too: an error's message may hold whatever a stranger wrote.
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, redact, plain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(std_logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_libraries(shared, renderer)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def _route_libraries(shared: list[structlog.types.Processor], renderer: structlog.types.Processor) -> None:
    """Send the standard library's logs through the same processors."""
    handler = std_logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, plain, renderer],
        )
    )
    root = std_logging.getLogger()
    root.handlers = [handler]
    root.setLevel(std_logging.WARNING)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module; the event is `noun.verb_past`, variables are keys."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(module=name))
