"""Everything on one machine: broker, web, worker and beat."""

import contextlib
import http.client
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.db import connections

from debtreg import local
from debtreg.errors import DebtregError
from debtreg.management.supervisor import Part, Stopped, Supervisor

# Beyond what a process gets for its work in progress: to close files and connections.
CLOSING_SECONDS = 5


class Command(BaseCommand):
    help = """Run web, worker, beat and, unless BROKER_URL names one, a broker, until Ctrl-C.

    Example: manage.py run --port 8123"""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help=f"where to listen ({settings.PORT})"
        )

    def handle(self, *, port: int, **options: Any) -> None:
        # People read this terminal; the logs of the parts go into files.
        logging.getLogger().setLevel("WARNING")
        self.port = port
        self.address = f"http://localhost:{port}/"
        grace = settings.STOP_GRACE_SECONDS + CLOSING_SECONDS
        supervisor = Supervisor(say=self.say, grace_seconds=grace)
        with self._alone(), supervisor, contextlib.suppress(Stopped):
            self._check_port()
            self._start_broker(supervisor)
            with supervisor.interruptible():
                try:
                    self.prepare()
                except DebtregError as error:
                    raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
            connections.close_all()
            web, worker, beat = self._web(), self._worker(), self._beat()
            supervisor.start(web)
            supervisor.start(worker)
            supervisor.start(beat)
            if not supervisor.wait_for(web, self._ready):
                raise CommandError(f"The web server did not start:\n{_tail(web.log)}", returncode=2)
            self.welcome(supervisor, worker)
            supervisor.watch()
        self.say("Stopped. The data is kept; the same command starts again.")

    def prepare(self) -> None:
        """Bring the database up to date."""
        self.say("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)

    def welcome(self, supervisor: Supervisor, worker: Part) -> None:
        """Say that it runs. `worker` may be waited for."""
        self.say(self.style.SUCCESS(f"debtreg runs at {self.address}  (Ctrl-C stops it)"))

    def say(self, text: str) -> None:
        """A line for people, at once also where the output is a file."""
        self.stdout.write(text)
        self.stdout.flush()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """A second one on the same data would start its broker twice."""
        with contextlib.ExitStack() as stack:
            try:
                label = f"{self.address} (process {os.getpid()})"
                stack.enter_context(local.alone(settings.VAR_DIR, label))
            except BlockingIOError as error:
                raise CommandError(
                    f"debtreg runs here already: {error}. "
                    "Stop it first, or give this one its own VAR_DIR.",
                    returncode=2,
                ) from None
            yield

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.LISTEN, self.port))
            except OSError as error:
                other = self.port + 1 if self.port < 65535 else 8000
                raise CommandError(
                    f"PORT {self.port} cannot be used: {error.strerror}. "
                    f"Try another one: `make demo PORT={other}`.",
                    returncode=2,
                ) from None

    def _start_broker(self, supervisor: Supervisor) -> None:
        """The broker that local.prepare chose; nothing where BROKER_URL names another."""
        noted = local.read(settings.VAR_DIR / "env").get("BROKER_URL")
        path = local.socket_in(settings.BROKER_URL)
        if settings.BROKER_URL != noted or path is None:
            self.say(f"Broker: {settings.BROKER_URL.partition('://')[0]}.")
            return
        name, program = next(iter(local.redis_programs().items()))
        self.say(f"Broker: {name}.")
        part = self._part("broker", local.redis_command(program, path.parent, path))
        supervisor.start(part)
        if not supervisor.wait_for(part, _pings, seconds=30):
            raise CommandError(
                f"The broker did not start:\n{_tail(part.log)}\n"
                f"Without it: BROKER_URL=filesystem://{settings.VAR_DIR / 'queue'}",
                returncode=2,
            )

    def _web(self) -> Part:
        return self._part(
            "web", [*_python("gunicorn"), "-c", "python:debtreg.server", "debtreg.wsgi"]
        )

    def _worker(self) -> Part:
        return self._part("worker", [*_python("celery"), "--quiet", "-A", "debtreg", "worker"])

    def _beat(self) -> Part:
        return self._part("beat", [*_python("celery"), "--quiet", "-A", "debtreg", "beat"])

    def _part(self, name: str, command: list[str]) -> Part:
        env = {
            "DJANGO_SETTINGS_MODULE": "debtreg.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "SERVICE_NAME": f"{settings.SERVICE_NAME}-{name}",
            "VAR_DIR": str(settings.VAR_DIR),
            "PORT": str(self.port),
        }
        return Part(name, command, settings.VAR_DIR / "log" / f"{name}.log", env)

    def _ready(self) -> bool:
        host = "127.0.0.1" if settings.LISTEN in ("0.0.0.0", "localhost") else settings.LISTEN  # noqa: S104
        try:
            connection = http.client.HTTPConnection(host, self.port, timeout=10)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _python(module: str) -> list[str]:
    # -P: modules come from the project, not from whatever folder this was started in.
    return [sys.executable, "-P", "-m", module]


def _pings() -> bool:
    try:
        return bool(redis.Redis.from_url(str(settings.REDIS_URL), socket_timeout=2).ping())
    except redis.RedisError:
        return False


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]
