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
# token=... in the query of a URL.
QUERY = re.compile(r"(?<=[?&])([\w-]*(?:token|secret|passw|key|signature)[\w-]*=)[^&\s]+", re.I)
HIDDEN = "[hidden]"
# It runs every few seconds and mostly finds nothing; what it does find has lines of its own.
SWEEP = "debtreg.tasks.sweep"


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
            # Every request and task has its lines already, with its ids, from django_structlog.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"level": "WARNING"},
            "django.db.backends": {"level": "INFO"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "kombu": {"level": "INFO"},
            # A queue of files has no host, and kombu wonders about it at each connection.
            "kombu.connection": {"level": "ERROR"},
            "asyncio": {"level": "INFO"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """What Django calls with LOGGING: standard logging, and structlog on top of it."""
    config = {name: value for name, value in config.items() if name != "service_name"}
    logging.config.dictConfig(config)
    # What Python would print as text goes the same way.
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            drop_idle_sweeps,
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
        # The fields that every line has; null where there is no trace, or no request.
        for name in ("trace_id", "span_id", "request_id"):
            event.setdefault(name, None)
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


def drop_idle_sweeps(_: Any, level: str, event: MutableMapping[str, Any]) -> Any:
    """Leave out the lines that say only that a sweep was sent, began or ended well."""
    named = SWEEP in (event.get("task"), event.get("child_task_name"))
    if named and event.get("event") in ("task_enqueued", "task_started", "task_succeeded"):
        raise structlog.DropEvent
    return event


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is named like a secret, and the credentials in URLs, at any depth."""
    for name in event:
        event[name] = _hidden(name, event[name])
    return event


def _hidden(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if SECRET.search(name):
            return HIDDEN
        return QUERY.sub(rf"\1{HIDDEN}", CREDENTIALS.sub(HIDDEN, value))
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
