"""Whether what debtreg needs to serve answers: database, broker, migrations, policy."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from debtreg import versions

logger = structlog.get_logger(__name__)
FAILURES = (DatabaseError, redis.RedisError, OSError)


def queue_length() -> int:
    """How many tasks wait for a worker."""
    if settings.REDIS_URL:
        return int(_redis().llen("celery"))
    return len(list(_queue().glob("*.msg")))


def read() -> dict[str, dict[str, Any]]:
    """Part -> `status` ok, failing or unknown, and the `problem` if there is one. The policy is
    looked at only where all others answer."""
    found = {"database": _outcome("database", _database), "broker": _outcome("broker", _broker)}
    if found["database"]["status"] == "ok":
        found["migrations"] = _outcome("migrations", _migrations)
    else:
        found["migrations"] = {"status": "unknown", "problem": "the database does not answer"}
    if all(part["status"] == "ok" for part in found.values()):
        found["policy"] = _outcome("policy", _policy)
    return found


def _outcome(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        problem = check()
    except FAILURES as error:
        # The text may name hosts and users: it goes to the log, not to whoever asks.
        logger.warning("readyz_failed", part=name, exc_info=error)
        problem = type(error).__name__
    return {"status": "failing", "problem": problem} if problem else {"status": "ok"}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _broker() -> str:
    if settings.REDIS_URL:
        _redis().ping()
        return ""
    return "" if os.access(_queue(), os.W_OK) else "the queue's folder cannot be written"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} migrations are not applied: run `manage.py migrate`" if waiting else ""


def _policy() -> str:
    problem = versions.standing().problem
    return problem.message if problem else ""


def _redis() -> redis.Redis:
    return _client(str(settings.REDIS_URL))


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def _queue() -> Path:
    return Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
