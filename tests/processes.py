"""Real processes for tests, killed on purpose or stopped at the end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


def until(condition: Callable[[], T], *, what: str = "", seconds: float = 60) -> T:
    """The first true answer of `condition`. It is asked again and again, up to `seconds`.

    For what another process does. The bound is generous: it only ends a test that fails.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds:g} s: {what or condition}")
        time.sleep(0.02)
    return answer


def database_url() -> str:
    """The URL of the database that this test uses."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    user, password = quote(at["USER"], safe=""), quote(at["PASSWORD"], safe="")
    login = f"{user}:{password}" if password else user
    port = f":{at['PORT']}" if at["PORT"] else ""
    return f"postgres://{login}@{port}/{at['NAME']}?host={at['HOST']}"


def environment(**variables: object) -> dict[str, str]:
    """What a child needs to work on this test's database and broker, with the real settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "TEST_", "COV_", "DJANGO_"))
    }
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "debtreg.settings",
        "DATABASE_URL": database_url(),
        "BROKER_URL": settings.BROKER_URL,
        "VAR_DIR": str(settings.VAR_DIR),
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "INFO",
        **{name: str(value) for name, value in variables.items()},
    }


class Process:
    """A child in a process group of its own, with its output in a file."""

    def __init__(self, *command: str, env: dict[str, str], log: Path, ready: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.until_says(ready)
        except BaseException:
            self.kill()
            raise

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def until_says(self, text: str) -> None:
        def said() -> bool:
            if text in self.output:
                return True
            assert self.child.poll() is None, f"it ended before {text!r}:\n{self.output[-3000:]}"
            return False

        until(said, what=f"{text!r} in:\n{self.output[-3000:]}")

    def kill(self) -> None:
        """kill -9 of it and of all its children, as a crash or a full memory would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(30)

    def stop(self) -> int:
        """SIGTERM, as an orchestrator sends it. Returns the exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(60)


def celery_worker(log: Path, *options: str, **variables: object) -> Process:
    """A worker with one process, ready to work. `variables` go into its environment."""
    return Process(
        sys.executable,
        *("-m", "celery", "--quiet", "-A", "debtreg", "worker"),
        *("--concurrency", "1", "--without-gossip", "--without-mingle"),
        *options,
        env=environment(**variables),
        log=log,
        ready=" ready.",
    )
