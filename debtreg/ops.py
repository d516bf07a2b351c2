"""For whoever runs it: /livez, /readyz and /metrics."""

from collections.abc import Callable
from typing import Any

import kombu
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from debtreg.celery import app

logger = structlog.get_logger(__name__)


class Probes:
    """Answers the probes before any other middleware: for any Host, unlogged, with no session.

    An orchestrator and a scraper ask by address, which is in no list of allowed hosts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.views = {"/livez": livez, "/readyz": readyz}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = self.views.get(request.path)
        return view(request) if view else self.get_response(request)


def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all. A restart helps only where this fails."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served: database, broker and migrations; else 503 with the part."""
    parts = {name: _outcome(name, check) for name, check in CHECKS.items()}
    ready = all(part["status"] == "ok" for part in parts.values())
    return JsonResponse(
        {"status": "ok" if ready else "failing", **parts}, status=200 if ready else 503
    )


def _outcome(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        problem = check()
    except (DatabaseError, OSError, kombu.exceptions.KombuError) as error:
        # The text may name hosts and users: it goes to the log, not to whoever asks.
        logger.warning("readyz_failed", part=name, exc_info=error)
        problem = type(error).__name__
    return {"status": "failing", "problem": problem} if problem else {"status": "ok"}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _broker() -> str:
    with app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} migrations are not applied: run `manage.py migrate`" if waiting else ""


CHECKS = {"database": _database, "broker": _broker, "migrations": _migrations}
