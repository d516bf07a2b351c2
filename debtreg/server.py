"""How gunicorn serves: `gunicorn -c python:debtreg.server debtreg.wsgi`."""

import json
import logging
import os
import shutil
import socket
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "debtreg.settings")

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from gunicorn import util
from gunicorn.glogging import Logger

from debtreg import logs
from debtreg.settings import env

# Also gunicorn's first lines are JSON, and those about an application that does not load.
logs.configure(settings.LOGGING)

# Not among the settings: collectstatic, which fills the folder, has to start without it.
if settings.STATIC_ROOT:
    env.check(
        "STATIC_ROOT",
        settings.STATIC_ROOT,
        lambda: staticfiles_storage.url("debtreg/base.css"),
        "the folder that `manage.py collectstatic` has filled",
    )
    env.stop_if_wrong()

# The counters of all web processes meet in this folder. It is named before anything imports
# prometheus_client, and emptied at the start but not at a reload.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    _folder = settings.VAR_DIR / "prometheus"
    shutil.rmtree(_folder, ignore_errors=True)
    _folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_folder)


class JsonLogger(Logger):
    """gunicorn's own lines go the way of all others. Requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers = []
            log.propagate = True
            log.setLevel(logging.NOTSET)


def answer_refused(client: socket.socket, status: int, reason: str, message: str) -> None:
    """What gunicorn refuses before it is a request has the shape of all other errors."""
    from debtreg.api import errors  # needs the application, which is loaded when a worker answers

    hint = "" if status in (414, 431, 500) else "Look at its first line and its headers."
    data = json.dumps(errors.body(status, f"{message or reason}.", hint=hint))
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    util.write_nonblock(client, f"{head}Content-Length: {len(data)}\r\n\r\n{data}".encode())


# There is no setting for it; gunicorn's workers look it up here.
util.write_error = answer_refused

bind = f"{settings.LISTEN}:{settings.PORT}"
worker_class = "gthread"
workers = settings.WEB_PROCESSES
threads = settings.WEB_THREADS
# The application is loaded once and its memory shared.
preload_app = True
graceful_timeout = settings.STOP_GRACE_SECONDS
timeout = 60
keepalive = 5
logger_class = JsonLogger
control_socket_disable = True
if Path("/dev/shm").is_dir():  # noqa: S108  # heartbeats in memory: a slow disk kills no worker
    worker_tmp_dir = "/dev/shm"  # noqa: S108


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)
