import json
import logging

import pytest
import structlog

from debtreg import logs


@pytest.fixture
def lines(capsys):
    """Log as the product does; call it for the lines so far."""
    formatter = logs.json_formatter("debtreg-test")
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(json.loads(formatter.format(record)))

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_our_lines_and_those_of_libraries_have_the_same_fields(lines):
    with structlog.contextvars.bound_contextvars(
        trace_id="t" * 32, span_id="s" * 16, request_id="r"
    ):
        structlog.get_logger("ours").info("scored", items=217)
        logging.getLogger("theirs").warning("%s of %s", 1, 2)
    ours, theirs = lines
    assert ours["items"] == 217
    assert theirs["event"] == "1 of 2"
    for line in lines:
        assert line["timestamp"].endswith("Z")
        assert line["service_name"] == "debtreg-test"
        assert (line["trace_id"], line["span_id"], line["request_id"]) == ("t" * 32, "s" * 16, "r")
    assert (ours["level"], theirs["level"]) == ("info", "warning")


def test_outside_of_a_request_its_fields_are_there_and_null(lines):
    structlog.contextvars.clear_contextvars()  # of a task that another test has done here
    structlog.get_logger("ours").info("started")
    assert [lines[0][name] for name in ("trace_id", "span_id", "request_id")] == [None] * 3


def test_secrets_are_never_written(lines):
    structlog.get_logger("ours").info(
        "called",
        authorization="Bearer s3cret",
        settings={"SECRET_KEY": "s3cret", "url": "postgres://u:s3cret@db/n", "port": 8000},
        request="GET /x?token=s3cret&page=2",
        headers=[{"Cookie": "s3cret"}],
    )
    logging.getLogger("theirs").error("no route to redis://:s3cret@redis:6379/0")
    assert "s3cret" not in json.dumps(lines)
    assert lines[0]["settings"]["port"] == 8000
    assert lines[0]["request"] == "GET /x?token=[hidden]&page=2"
    assert lines[1]["event"] == "no route to redis://[hidden]@redis:6379/0"


def test_an_exception_stays_in_its_line(lines):
    try:
        raise ValueError("postgres://u:s3cret@db/n")
    except ValueError:
        structlog.get_logger("ours").exception("broken")
    assert lines[0]["event"] == "broken"
    assert "ValueError" in lines[0]["exception"]
    assert "s3cret" not in lines[0]["exception"]


def test_a_sweep_that_finds_nothing_writes_nothing(lines):
    log = structlog.get_logger("ours")
    log.info("task_started", task=logs.SWEEP)
    log.info("task_enqueued", child_task_name=logs.SWEEP)
    log.error("task_failed", task=logs.SWEEP)
    log.info("task_started", task="debtreg.tasks.run_scoring")
    assert [line["event"] for line in lines] == ["task_failed", "task_started"]
