"""SIGTERM lets work in progress end, in web and worker alike."""

import os
import signal
import socket
import sys
import threading
import urllib.request

import pytest

from debtreg import local
from debtreg.celery import app
from tests import conftest, processes
from tests.processes import until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_web_server_answers_what_it_has_begun_before_it_ends(db, tmp_path):
    port = free_port()
    web = processes.Process(
        *(sys.executable, "-m", "gunicorn", "-c", "python:debtreg.server", "tests.slow"),
        env=processes.environment(
            PORT=port, WEB_PROCESSES=1, SLOW_FOLDER=tmp_path, VAR_DIR=tmp_path / "var"
        ),
        log=tmp_path / "web.log",
        ready="Booting worker",
    )
    answers = []

    def ask():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/slow", timeout=60) as answer:
            answers.append(answer.read())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        until((tmp_path / "began").exists)
        web.child.send_signal(signal.SIGTERM)
        web.until_says("Handling signal: term")
        (tmp_path / "go").touch()
        assert web.child.wait(60) == 0
        asking.join(60)
    finally:
        web.kill()
    assert answers == [b"done"]


def test_a_worker_ends_the_task_it_has_begun_and_takes_no_other(start_worker, tmp_path):
    worker = start_worker("--include", "tests.slow", SLOW_FOLDER=tmp_path)
    app.send_task("tests.slow")
    until((tmp_path / "began").exists)
    app.send_task("celery.accumulate")
    worker.child.send_signal(signal.SIGTERM)
    worker.until_says("Warm shutdown")
    (tmp_path / "go").touch()
    assert worker.child.wait(60) == 0
    assert (tmp_path / "done").exists()
    assert "celery.accumulate" not in worker.output
    with app.connection_for_write() as connected:
        assert connected.default_channel.client.llen("celery") == 1


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_a_worker_outlives_a_restart_of_its_broker(
    kind, transactional_db, tmp_path, tmp_path_factory
):
    """Celery 5.7.0 did not: its worker ended for good. The pin in pyproject.toml is for this."""
    conftest.need({"valkey": "redis", "redis": "real-redis"}[kind])
    names = {path.name: path for path in local.redis_programs().values()}
    program = names["redis-server"] if kind == "redis" else next(iter(names.values()))
    folder = tmp_path_factory.mktemp("b")
    path = folder / "s"
    command = local.redis_command(program, folder, path)

    def start_broker():
        return processes.Process(
            *command,
            env=dict(os.environ),
            log=tmp_path / "broker.log",
            ready="eady to accept connections",
        )

    broker = start_broker()
    worker = processes.celery_worker(
        tmp_path / "worker.log", BROKER_URL=local.redis_url(path), VAR_DIR=tmp_path / "var"
    )
    try:
        broker.kill()
        worker.until_says("Connection to broker lost")
        broker = start_broker()
        with app.connection_for_write(local.redis_url(path)) as connected:
            app.send_task("celery.accumulate", connection=connected)
        worker.until_says('"task_succeeded"')
        assert worker.stop() == 0
    finally:
        worker.kill()
        broker.kill()
