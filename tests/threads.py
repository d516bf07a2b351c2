"""Threads with database connections of their own, held where a test wants them to be."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

from tests.processes import until

# Only ends a test that fails.
PATIENCE_S = 60


class Gate:
    """A place where one thread waits until the test lets it pass."""

    def __init__(self) -> None:
        self._arrived, self._open = threading.Event(), threading.Event()

    def hold(self) -> None:
        self._arrived.set()
        assert self._open.wait(PATIENCE_S), "nobody opened the gate"

    def wait_for_arrival(self) -> None:
        assert self._arrived.wait(PATIENCE_S), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


@contextmanager
def threads() -> Iterator[Callable[..., Future[Any]]]:
    """`start(function, *arguments)` runs it in a thread and gives its future; all end in here."""

    def work(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        yield lambda function, *arguments, **named: pool.submit(work, function, *arguments, **named)


def until_blocked(*futures: Future[Any]) -> None:
    """Wait until as many threads wait for a lock of PostgreSQL, or one of them has ended."""

    def blocked() -> bool:
        with connection.cursor() as cursor:
            # In a transaction, the first look would be shown again and again.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            count = cursor.fetchone()[0]
        return count >= len(futures) or any(future.done() for future in futures)

    until(blocked, what="a thread that waits for a lock")
