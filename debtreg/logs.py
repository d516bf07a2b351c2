"""Logs: one JSON object a line on standard error, the same from web, worker, beat and commands."""

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Values under such names are never written.
SECRET = re.compile(
    r"passw|secret|token|authorization|cookie|api_?key|signature|database_url|broker_url", re.I
)
# user:password@ in any URL, also in the text of somebody else's exception.
CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
HIDDEN = "[hidden]"


def settings(*, level: str, service_name: str) -> dict[str, Any]:
    """The LOGGING setting; `configure` makes it work."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "service_name": service_name,
        "formatters": {"json": {"()": "debtreg.logs.json_formatter", "service_name": service_name}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Every request has its line already, with its id, from django_structlog.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"level": "WARNING"},
            "django.db.backends": {"level": "INFO"},
            "kombu": {"level": "INFO"},
            "asyncio": {"level": "INFO"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """What Django calls with LOGGING: standard logging, and structlog on top of it."""
    config = {name: value for name, value in config.items() if name != "service_name"}
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def json_formatter(service_name: str) -> logging.Formatter:
    """Turns every record, ours or a library's, into one line of JSON."""

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service_name"] = service_name
        # The fields that every line has; null where there is no trace.
        event.setdefault("trace_id", None)
        event.setdefault("span_id", None)
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            add_service,
            hide_secrets,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
    )


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is named like a secret, and the credentials in URLs, at any depth."""
    for name in event:
        event[name] = _hidden(name, event[name])
    return event


def _hidden(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN if SECRET.search(name) else CREDENTIALS.sub(HIDDEN, value)
    if isinstance(value, dict):
        return {key: _hidden(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(name, inner) for inner in value]
    return value


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
