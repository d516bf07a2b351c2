"""The web server as it runs in production, and a client that keeps its connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench import child


@contextlib.contextmanager
def serve(environment: dict[str, str], name: str) -> Iterator[Client]:
    """gunicorn with the product's own configuration, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = environment | {
        "PORT": str(port),
        "VAR_DIR": f"{environment['VAR_DIR']}-{name}",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "python:debtreg.server", "debtreg.wsgi"],
        cwd=child.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        client = Client(port, child.call("bench.web:log_in", environment))
        client.wait(server)
        yield client
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


class Client:
    def __init__(self, port: int, login: dict[str, str]) -> None:
        self.login = login
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def wait(self, server: subprocess.Popen[bytes]) -> None:
        """Until the server answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.get("/livez")
            except OSError:
                self.connection.close()
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("gunicorn did not start; its last lines are above.") from None
                time.sleep(0.05)

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if path.startswith("/api/"):
            headers["Authorization"] = f"Bearer {self.login['token']}"
        else:
            headers["Cookie"] = f"sessionid={self.login['session']}"
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # idle for too long
            self.connection.close()
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:500]!r}")
        is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
        return json.loads(data) if is_json else data


# --- In child processes ---------------------------------------------------------------------------


def log_in() -> dict[str, str]:
    """An administrator's session and token."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from debtreg.actions import users
    from debtreg.models import User

    user = User.objects.filter(username="bench").first() or User.objects.create_superuser(
        "bench", password=None, role="admin"
    )
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return {
        "session": session.session_key,
        "token": users.create_token(user=user, name="bench", by=None)[1],
    }
