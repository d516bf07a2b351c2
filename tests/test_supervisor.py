"""Processes that are kept running, and `manage.py run` and `demo` with real ones."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from debtreg.management import supervisor as module
from debtreg.management.supervisor import Part, Supervisor
from tests import conftest
from tests.processes import ROOT, Process, until

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervise(said, tmp_path):
    """Start parts of Python code under a supervisor: `supervise(name=code)`."""
    it = Supervisor(say=said.append, grace_seconds=5)

    def start(**codes):
        for name, code in codes.items():
            it.start(Part(name, [sys.executable, "-c", code], tmp_path / f"{name}.log"))
        return it

    yield start
    it.stop()


def look(it):
    """One round of the watch."""
    for part in it.parts:
        it._look_at(part)


def gone(pid):
    """True once a process is over; a zombie has ended too."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_a_part_that_dies_starts_again_at_once_and_then_ever_later(supervise, said):
    it = supervise(worker="raise SystemExit(3)")
    (part,) = it.parts
    pauses = []
    for _ in range(9):
        until(lambda: not part.alive)
        look(it)
        pauses.append(0 if part.due_at is None else round(part.due_at - time.monotonic()))
        if part.due_at is not None:
            part.start()
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert "worker ended with status 3 and starts again now" in said[0]
    assert "starts again in 1 s" in said[1]


def test_a_part_that_ran_well_is_forgiven(supervise, said, monkeypatch):
    monkeypatch.setattr(module, "WELL_AFTER_SECONDS", 0)
    it = supervise(worker=SLEEP)
    (part,) = it.parts
    part.deaths = 7
    part.process.kill()
    until(lambda: not part.alive)
    look(it)
    assert "worker ended by signal 9 and starts again now" in said[0]
    assert part.alive


def test_stopping_ends_what_a_part_has_started(supervise, tmp_path):
    code = (
        "import subprocess, sys; from pathlib import Path\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"Path({str(tmp_path / 'pid')!r}).write_text(f'{{child.pid}}\\n')\n" + SLEEP
    )
    it = supervise(web=code)
    pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    it.stop()
    until(lambda: gone(pid))


def test_the_broker_is_stopped_when_nobody_needs_it_any_more(supervise, tmp_path):
    order = tmp_path / "order"
    code = """
import signal, sys, time
def end(*_):
    time.sleep({pause})
    with open({path!r}, "a") as file:
        file.write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
open({path!r} + "-{name}", "w").close()
time.sleep(600)
"""
    it = supervise(
        broker=code.format(pause=0, path=str(order), name="broker"),
        worker=code.format(pause=0.3, path=str(order), name="worker"),
    )
    for name in ("broker", "worker"):
        until(Path(f"{order}-{name}").exists)
    it.stop()
    assert order.read_text().split() == ["worker", "broker"]


def test_a_part_that_does_not_stop_is_ended_after_its_grace(supervise, said, tmp_path):
    ready = tmp_path / "ready"
    it = supervise(
        worker="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w').close()\n{SLEEP}"
    )
    until(ready.exists)
    it.grace_seconds = 0.2
    (part,) = it.parts
    it.stop()
    assert part.process.returncode == -signal.SIGKILL


def test_a_log_that_has_grown_large_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_LOG", 10)
    log = tmp_path / "web.log"
    log.write_text("a line that is longer than ten bytes\n")
    part = Part("web", [sys.executable, "-c", "print('new')"], log)
    part.start()
    part.process.wait(30)
    assert log.read_text() == "new\n"
    assert (tmp_path / "web.log.1").exists()


# --- real ones ------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def started(var: Path, command: str = "run", **variables: str) -> Iterator[Process]:
    """`manage.py run` on a free port, as a new user starts it, with its data in `var`."""
    conftest.need("redis")
    port = free_port()
    few = {"WEB_PROCESSES": "1", "WORKER_PROCESSES": "1", "SWEEP_SECONDS": "1"}
    env = clean_environment() | few | {"VAR_DIR": str(var), "PORT": str(port)} | variables
    process = Process(
        *(sys.executable, "manage.py", command),
        env=env,
        log=var.with_name(f"{var.name}.log"),
        ready="debtreg runs at",
    )
    process.port, process.env, process.var = port, env, var
    try:
        yield process
    finally:
        if process.child.poll() is None:
            process.stop()


@pytest.fixture
def var(tmp_path_factory):
    return tmp_path_factory.mktemp("v")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One that several tests look at."""
    with started(tmp_path_factory.mktemp("v")) as process:
        yield process


def clean_environment():
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def get(process, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}{path}", timeout=30) as answer:
        return answer.read().decode()


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def descendants(pid):
    """The pids of all processes below one."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


def pids(process, name):
    """The pid of a part: a child of the supervisor with the word in its command."""
    found = []
    for pid in children(process.child.pid):
        with suppress(FileNotFoundError):
            if name in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                found.append(pid)
    return found


def call(*command, **variables):
    env = clean_environment() | {name: str(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


def test_all_parts_run_and_one_signal_ends_them_and_keeps_the_data(var):
    with started(var) as process:
        assert json.loads(get(process, "/readyz"))["status"] == "ok"
        # Broker; web and its process; worker and its process; beat.
        below = until(lambda: len(found := descendants(process.child.pid)) >= 6 and found)
        assert process.stop() == 0
    assert "Stopped. The data is kept" in process.output
    assert [pid for pid in below if not gone(pid)] == []
    key = (var / "env").read_text()
    assert (var / "debtreg.sqlite3").exists()

    assert call("-m", "debtreg.local", "--reset", VAR_DIR=var).returncode == 0
    assert sorted(path.name for path in var.iterdir()) == ["env", "running"]
    assert (var / "env").read_text() == key


def test_what_runs_cannot_be_emptied(running):
    refused = call("-m", "debtreg.local", "--reset", VAR_DIR=running.var)
    assert refused.returncode == 2
    assert f"debtreg runs here: http://localhost:{running.port}/" in refused.stderr
    assert (running.var / "debtreg.sqlite3").exists()


def test_a_second_one_on_the_same_data_is_refused_with_the_address_of_the_first(running):
    refused = call("manage.py", "run", VAR_DIR=running.var, PORT=free_port())
    assert refused.returncode == 2
    assert f"runs here already: http://localhost:{running.port}/" in refused.stderr


@pytest.mark.parametrize(
    ("name", "event"),
    [("web", "Booting worker"), ("worker", "celery@"), ("beat", "beat_started")],
)
def test_each_part_logs_json_from_its_first_line(running, name, event):
    log = running.var / "log" / f"{name}.log"
    until(lambda: f'"event": "{event}' in log.read_text(), what=event)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    needed = {"timestamp", "level", "service_name", "event", "trace_id", "span_id", "request_id"}
    assert [needed - line.keys() for line in lines] == [set()] * len(lines)
    assert {line["service_name"] for line in lines} == {f"debtreg-{name}"}


@pytest.mark.parametrize(
    ("request_", "status", "code", "said"),
    [
        (f"GET /api/v1/debts/?q={'x' * 9000} HTTP/1.1\r\n\r\n", 414, "uri_too_long", "large"),
        (f"GET / HTTP/1.1\r\nA: {'x' * 9000}\r\n\r\n", 431, "headers_too_large", "headers"),
        ('GET / HTTP/1.1\r\nB"ad: <i>x</i>\r\n\r\n', 400, "invalid", 'B"ad'),
        ("nonsense\r\n\r\n", 400, "invalid", "nonsense"),
    ],
    ids=["long address", "long header", "wrong header", "no request"],
)
def test_what_is_no_request_is_refused_in_the_shape_of_all_errors(
    running, request_, status, code, said
):
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as caller:
        caller.sendall(request_.encode())
        answer = http.client.HTTPResponse(caller)
        answer.begin()
        body = json.loads(answer.read())
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert body.keys() == {"code", "message", "hint", "fields"}
    assert (body["code"], body["fields"]) == (code, {})
    assert said in body["message"]
    assert body["hint"]


def test_a_worker_that_is_killed_is_replaced(running):
    (old,) = pids(running, "worker")
    os.killpg(int(old), signal.SIGKILL)
    running.until_says("worker ended by signal 9 and starts again now")
    until(lambda: pids(running, "worker") not in ([], [old]))


def test_killing_the_supervisor_leaves_nothing_behind(var):
    with started(var) as process:
        below = descendants(process.child.pid)
        process.child.kill()
        process.child.wait(30)
        try:
            until(lambda: all(gone(pid) for pid in below), what=f"{below} ended")
        finally:
            for pid in below:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def test_without_any_redis_the_queue_is_a_folder_and_work_is_done(var):
    queue = f"filesystem://{var}/queue"
    with started(var, BROKER_URL=queue) as process:
        assert "Broker: filesystem." in process.output
        assert json.loads(get(process, "/readyz"))["status"] == "ok"
        send = "from debtreg.celery import app; app.send_task('celery.accumulate')"
        assert call("-c", send, VAR_DIR=var, BROKER_URL=queue).returncode == 0
        until(lambda: '"task_succeeded"' in (var / "log" / "worker.log").read_text())


def test_a_port_that_is_taken_is_named_with_another_to_try(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = call("manage.py", "run", VAR_DIR=tmp_path, PORT=port)
    assert refused.returncode == 2
    assert refused.stderr.strip() == (
        f"CommandError: PORT {port} cannot be used: Address already in use. "
        f"Try another one: `make demo PORT={port + 1}`."
    )


def test_the_demo_fills_itself_once_and_ends_with_what_to_look_at(var):
    def debts():
        with closing(sqlite3.connect(var / "debtreg.sqlite3")) as database:
            tables = ("debtreg_debtitem", "debtreg_score", "debtreg_scoringrun")
            return [
                database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
            ]

    # With such a lease the sweep sends nothing again: the demo itself must ask for the first run.
    with started(var, "demo", JOB_LEASE_SECONDS="600") as process:
        process.until_says("/api/docs/")
        assert "The ledger of 217 debts" in process.output
        assert "Log in as admin, engineer, owner, sre, compliance, director." in process.output
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(60) == 0
    # It waited for the first run, so that there is a ranking to look at.
    assert debts() == [217, 217, 1]

    with started(var, "demo") as process:
        process.until_says("/api/docs/")
        assert "The ledger of 217 debts" not in process.output
    assert debts() == [217, 217, 1]
