"""Fixtures for every test. Servers: tests/servers.py; processes: tests/processes.py."""

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from debtreg import local
from debtreg.actions import audit, scores
from debtreg.celery import app
from debtreg.models import Channel, PolicyActivation, ScoringPolicy
from tests import processes
from tests.threads import Gate, threads

DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_reset_sequences"}
MISSING = dict(line.split(": ", 1) for line in os.environ.get("TEST_MISSING", "").splitlines())
if not shutil.which("chromium"):
    MISSING["chromium"] = "no browser here; `apt-get install chromium` brings one"
if not (shutil.which("prometheus") and shutil.which("promtool")):
    MISSING["prometheus"] = "no server here; `apt-get install prometheus` brings one"
REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database",
        action="store_true",
        help="only tests that use the database, and no browser: for a second run on SQLite",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Argon2 is slow on purpose; no test here is about that.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Playwright keeps an event loop in the thread, where Django would refuse its database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


@receiver(post_migrate)
def keep_the_policy(sender: Any, **_: Any) -> None:
    """A test that commits empties every table; what the migrations put there comes back."""
    if sender.label == "debtreg":
        payload = importlib.import_module("debtreg.migrations.0002_defaults").POLICY_1
        policy, is_new = ScoringPolicy.objects.get_or_create(
            version=1, defaults={"payload": payload}
        )
        if is_new:
            PolicyActivation.objects.create(policy=policy)


@pytest.fixture(autouse=True)
def _no_channel() -> None:
    """Where the request of a test before came from is not where this one's changes do."""
    audit.channel.set(Channel.JOB)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, dropped = [], []
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
        uses_database = item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES
        second_run = config.getoption("--only-database")
        wanted = uses_database and not any(
            item.get_closest_marker(name) for name in ("browser", "postgres_only", "once")
        )
        (kept if wanted or not second_run else dropped).append(item)
    items[:] = kept
    if dropped:
        config.hook.pytest_deselected(items=dropped)


def need(service: str) -> None:
    """Skip the test where a service is not to be had; fail it where REQUIRE_SERVICES=1."""
    if service in MISSING:
        (pytest.fail if REQUIRED else pytest.skip)(f"{service}: {MISSING[service]}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        need("chromium")
    if item.get_closest_marker("postgres_only") and connection.vendor != "postgresql":
        need("postgres")
        pytest.skip("on PostgreSQL only")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    for service, why in MISSING.items():
        count = sum(f"{service}: " in reason for reason in reasons)
        if count or service == "postgres":
            terminalreporter.write_line(f"{service}: NOT AVAILABLE, {count} tests skipped: {why}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    # The rest of the suite would pass on SQLite and say nothing.
    if REQUIRED and "postgres" in MISSING:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def broker(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    """The broker's URL, empty of messages: Valkey, or what the environment names.

    For each of Valkey and a real Redis:
    `@pytest.mark.parametrize("broker", ["valkey", "redis"], indirect=True)`.
    """
    if getattr(request, "param", "valkey") == "redis":
        need("real-redis")
        settings.BROKER_URL = settings.CELERY_BROKER_URL = os.environ["TEST_REDIS_URL"]
        settings.REDIS_URL = local.client_url(settings.BROKER_URL)
        app._after_fork()  # forgets its connections to the other one
    else:
        need("redis")
    if os.environ.get("TEST_BROKER_IS_PRIVATE"):
        redis.Redis.from_url(settings.REDIS_URL).flushdb()
    yield settings.BROKER_URL
    app._after_fork()


@pytest.fixture
def start_worker(
    transactional_db: None, broker: str, tmp_path: Path
) -> Iterator[Callable[..., processes.Process]]:
    """Start real Celery workers on this test's database and broker: `start_worker(NAME=value)`.

    Each call starts one more, ready to work, with the given options and environment variables.
    All are gone before the database is emptied.
    """
    started: list[processes.Process] = []

    def start(*options: str, **variables: object) -> processes.Process:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(processes.celery_worker(log, *options, **variables))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def worker(start_worker: Callable[..., processes.Process]) -> processes.Process:
    """One real Celery worker."""
    return start_worker()


@pytest.fixture
def run(transactional_db: None) -> Callable[[], Any]:
    """Ask for a scoring run, do it in the test's own process, and return its row."""

    def once() -> Any:
        row = scores.queue_run(by=None)
        assert scores.run(row.pk, "test")
        row.refresh_from_db()
        return row

    return once


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str], Gate]]:
    """`hold(module, "function")`: its next call waits, before it begins, until the gate opens."""
    gates = []

    def put(place: Any, name: str) -> Gate:
        gate, function = Gate(), getattr(place, name)
        gates.append(gate)

        def held(*arguments: Any, **named: Any) -> Any:
            monkeypatch.setattr(place, name, function)
            gate.hold()
            return function(*arguments, **named)

        monkeypatch.setattr(place, name, held)
        return gate

    yield put
    for gate in gates:
        gate.open()


@pytest.fixture
def start(transactional_db: None, hold: Any) -> Iterator[Callable[..., Future[Any]]]:
    """Start a function in a thread of its own, with a connection of its own."""
    with threads() as starter:
        yield starter


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium; Playwright would download one."""
    return {
        **browser_type_launch_args,
        "executable_path": shutil.which("chromium"),
        "args": [
            *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        ],
    }
