"""Work that ends when a test says so: a page and a task."""

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task


def _work() -> None:
    """Say that it began; end once the file `go` is there."""
    folder = Path(os.environ["SLOW_FOLDER"])
    (folder / "began").touch()
    deadline = time.monotonic() + 60
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (folder / "done").touch()


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        _work()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


@shared_task(name="tests.slow")
def task() -> None:
    _work()
