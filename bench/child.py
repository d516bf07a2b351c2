"""Work in a process of its own, so that its memory is its own: `python -m bench.child`."""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def call(function: str, environment: dict[str, str], **arguments: Any) -> dict[str, Any]:
    """Call `module:function` in a new process with Django set up.

    Returns what it returns, a dictionary, and `peak_mb`: the most memory that it held.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.child", function, json.dumps(arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{function} failed; its last lines are above.")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    import django

    django.setup()
    module, function = name.split(":")
    answer = getattr(importlib.import_module(module), function)(**arguments) or {}
    # Kilobytes on Linux, bytes on macOS.
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    sys.stdout.write(json.dumps(answer | {"peak_mb": round(peak)}) + "\n")


if __name__ == "__main__":
    main()
