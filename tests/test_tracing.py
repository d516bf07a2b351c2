import json
import logging

import pytest
import structlog
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from debtreg import tracing
from debtreg.celery import app

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(autouse=True)
def _no_context_is_left():
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def log_lines(caplog):
    caplog.set_level(logging.INFO, "django_structlog")
    return lambda: [record.msg for record in caplog.records if isinstance(record.msg, dict)]


def test_a_traceparent_is_taken_apart():
    assert tracing.parse(GOOD) == (TRACE, SPAN, "01")


def test_a_later_version_may_carry_more():
    assert tracing.parse(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == (TRACE, SPAN, "01")


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "nonsense",
        GOOD.upper(),
        GOOD + "-more",
        GOOD + "\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        f"{GOOD},{GOOD}",
    ],
)
def test_what_is_no_traceparent_by_the_rules_is_none(broken):
    assert tracing.parse(broken) is None


@given(st.text())
def test_no_text_breaks_the_parser(text):
    found = tracing.parse(text)
    assert found is None or found.trace_id in text


def test_a_span_begins_in_the_given_trace():
    trace = tracing.begin(GOOD)
    bound = structlog.contextvars.get_contextvars()
    assert trace.trace_id == bound["trace_id"] == TRACE
    assert trace.span_id == bound["span_id"] != SPAN
    assert bound["parent_span_id"] == SPAN
    assert "incomplete_context" not in bound
    assert tracing.parse(tracing.current()) == trace


def test_a_broken_traceparent_is_replaced_and_marked():
    trace = tracing.begin("00-broken")
    assert tracing.parse(trace.traceparent)
    assert structlog.contextvars.get_contextvars()["incomplete_context"] is True


def test_without_a_traceparent_a_trace_begins_that_misses_nothing():
    tracing.begin("00-broken")
    tracing.begin(None)
    bound = structlog.contextvars.get_contextvars()
    assert "incomplete_context" not in bound
    assert "parent_span_id" not in bound


def test_outside_of_any_span_there_is_no_traceparent():
    assert tracing.current() == ""


def test_a_request_is_logged_in_the_trace_of_its_caller(client: Client, db, log_lines):
    answer = client.get("/nowhere/", headers={"traceparent": GOOD})
    lines = log_lines()
    assert {"request_started", "request_finished"} <= {line["event"] for line in lines}
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert {line["request_id"] for line in lines} == {answer.headers["X-Request-ID"]}


def test_a_request_with_a_broken_traceparent_is_marked(client: Client, db, log_lines):
    client.get("/nowhere/", headers={"traceparent": GOOD.upper()})
    assert all(line["incomplete_context"] for line in log_lines())
    assert TRACE not in {line["trace_id"] for line in log_lines()}


def test_the_next_request_has_a_trace_of_its_own(client: Client, db, log_lines):
    client.get("/nowhere/", headers={"traceparent": GOOD})
    client.get("/nowhere/")
    assert len({line["trace_id"] for line in log_lines()}) == 2
    assert not structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("broker", ["valkey", "redis"], indirect=True)
def test_a_worker_goes_on_in_the_trace_of_the_request_that_asked(worker, broker):
    with structlog.contextvars.bound_contextvars(request_id="asked-for"):
        sent = tracing.begin(GOOD)
        app.send_task("celery.accumulate")
    worker.until_says('"task_succeeded"')
    lines = [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["event"] == "task_started"]
    assert line["trace_id"] == TRACE
    assert line["parent_span_id"] == sent.span_id
    assert line["span_id"] not in (SPAN, sent.span_id)
    assert line["request_id"] == "asked-for"


def test_what_the_clock_starts_has_a_trace_too(worker):
    app.send_task("celery.accumulate")
    worker.until_says('"task_succeeded"')
    (started,) = [line for line in worker.output.splitlines() if '"task_started"' in line]
    line = json.loads(started)
    assert tracing.parse(f"00-{line['trace_id']}-{line['span_id']}-01")
    assert "incomplete_context" not in line
