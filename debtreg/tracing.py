"""W3C trace context: taken in by web requests, handed on to tasks, in every log line."""

import re
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django_structlog import signals
from django_structlog.celery.signals import (
    bind_extra_task_metadata,
    modify_context_before_task_publish,
)

# Version 00. Later versions may carry more fields after a dash; ff is not a version.
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    trace_id: str  # 32 hexadecimal digits, not all 0
    span_id: str  # 16 hexadecimal digits, not all 0
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def parse(header: str) -> Trace | None:
    """The trace that a traceparent names; None if it is not one by the W3C's rules."""
    match = TRACEPARENT.fullmatch(header)
    if not match:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id, flags)


def begin(traceparent: str | None) -> Trace:
    """Start a span in the given trace, or in a new one, and bind it to this context's log lines.

    A broken traceparent is replaced by a new trace, marked `incomplete_context`: the lines before
    it cannot be found from these.
    """
    parent = parse(traceparent) if traceparent else None
    trace = Trace(
        parent.trace_id if parent else secrets.token_hex(16),
        secrets.token_hex(8),
        parent.flags if parent else "01",
    )
    structlog.contextvars.unbind_contextvars("parent_span_id", "incomplete_context")
    structlog.contextvars.bind_contextvars(
        trace_id=trace.trace_id, span_id=trace.span_id, trace_flags=trace.flags
    )
    if parent:
        structlog.contextvars.bind_contextvars(parent_span_id=parent.span_id)
    elif traceparent:
        structlog.contextvars.bind_contextvars(incomplete_context=True)
    return trace


def current() -> str:
    """The traceparent of the span that runs now, for a job's row; empty outside of any."""
    bound = structlog.contextvars.get_contextvars()
    if "trace_id" not in bound:
        return ""
    return Trace(bound["trace_id"], bound["span_id"], bound.get("trace_flags", "01")).traceparent


class Middleware:
    """Gives each request a span, in the trace of its caller."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        begin(request.headers.get("traceparent"))
        return self.get_response(request)


@receiver([signals.bind_extra_request_finished_metadata, signals.update_failure_response])
def _answer_with_request_id(response: HttpResponse, **_: Any) -> None:
    """People quote this id, and the logs are found by it."""
    response.headers["X-Request-ID"] = structlog.contextvars.get_contextvars().get("request_id", "")


@receiver(modify_context_before_task_publish)
def _hand_on(context: dict[str, Any], **_: Any) -> None:
    context["traceparent"] = current()
    for name in ("trace_id", "span_id", "trace_flags", "parent_span_id", "incomplete_context"):
        context.pop(name, None)


@receiver(bind_extra_task_metadata)
def _take_over(task: Any, **_: Any) -> None:
    traceparent = structlog.contextvars.get_contextvars().get("traceparent")
    structlog.contextvars.unbind_contextvars("traceparent")
    structlog.contextvars.bind_contextvars(task=task.name)
    begin(traceparent)
