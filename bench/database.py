"""A private PostgreSQL with real durability, and a database for each size of portfolio."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import child
from tests import servers

# What a figure depends on; printed with every result.
SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
)
EMPTY = "empty"


class Server:
    """Databases are made when a table first asks for them, and kept until the end of the run."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.made: dict[int, str] = {}
        self.notes: list[str] = []
        self._create(EMPTY)
        child.call("bench.database:migrate", self.environment(EMPTY))

    def portfolio(self, items: int) -> dict[str, str]:
        """The environment of a database with so many items."""
        name = f"portfolio_{items}"
        if items not in self.made:
            start = time.perf_counter()
            self._create(name, template=EMPTY)
            child.call("bench.database:fill", self.environment(name), items=items)
            self.notes.append(f"{items:,} items made in {time.perf_counter() - start:.0f} s")
            self.made[items] = name
        return self.environment(name)

    def copy(self, name: str, *, of: int) -> dict[str, str]:
        """The environment of a copy that may be changed of the database with so many items."""
        self.portfolio(of)
        self._create(name, template=self.made[of])
        return self.environment(name)

    def empty(self, name: str) -> dict[str, str]:
        """The environment of a new migrated database without items."""
        self._create(name, template=EMPTY)
        return self.environment(name)

    def environment(self, name: str) -> dict[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")
        }
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "debtreg.settings",
            "DATABASE_URL": self.url.replace("/postgres?", f"/{name}?"),
            "BROKER_URL": f"filesystem://{self.folder / 'queue'}",
            "VAR_DIR": str(self.folder / "var"),
            "SECRET_KEY": "benchmarks-only-" * 4,
            "HTTPS": "false",
            "LOG_LEVEL": "WARNING",
            "METRICS_TOKEN": "",
        }

    def settings(self) -> dict[str, str]:
        with self._connection() as connection:
            return {
                name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
                for name in SETTINGS
            }

    def _create(self, name: str, template: str = "template1") -> None:
        with self._connection() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self.url.replace("postgres://", "postgresql://"), autocommit=True)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="debtreg-bench-"))
    try:
        with servers.postgres(folder, durable=True) as url:
            yield Server(url, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- In child processes ---------------------------------------------------------------------------


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(items: int) -> None:
    from bench import portfolio

    portfolio.make(items)
