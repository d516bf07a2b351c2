"""A job's progress as a bar in a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from tqdm import tqdm

from debtreg.models import Job


@contextmanager
def watch(model: type[Job], pk: int) -> Iterator[None]:
    """Show stage, done and total of a job that this process does meanwhile; terminals only."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(model, pk, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _show(model: type[Job], pk: int, over: threading.Event) -> None:
    with tqdm(unit="", leave=False) as bar:
        while not over.wait(0.3):
            job = model.objects.filter(pk=pk).values("stage", "done", "total").first()
            if job:
                bar.set_description(job["stage"] or "starting")
                bar.total, bar.n = job["total"] or None, job["done"]
                bar.refresh()
    connections["default"].close()
