"""What every job needs while it runs: a lease that is kept, progress that others can read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import Error, IntegrityError, connections, transaction
from django.db.models import F
from django.utils import timezone

from debtreg.models import Job, JobState


class LeaseLost(Exception):
    """Another worker has taken the job over, or somebody cancelled it: stop, change nothing."""


class Pulse(threading.Thread):
    """Renews a job's lease and writes its progress, on a connection of its own.

    It is a thread because the job itself sits in one long transaction, whose writes nobody sees.
    """

    def __init__(self, model: type[Job], pk: int, owner: str) -> None:
        super().__init__(name=f"pulse of {model.__name__} {pk}", daemon=True)
        self.model, self.pk, self.owner = model, pk, owner
        self.progress: dict[str, Any] = {}
        self.wake, self.stopping, self.lost = threading.Event(), threading.Event(), False

    def report(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Note where the job is. Raises LeaseLost once it is no longer ours."""
        if self.lost:
            raise LeaseLost
        # Counting from 0 again is another stage, even under the same name.
        goes_on = stage == self.progress.get("stage") and done >= self.progress["done"]
        began = self.progress["stage_at"] if goes_on else timezone.now()
        self.progress = {"stage": stage, "stage_at": began, "done": done, "total": total}
        self.wake.set()

    def run(self) -> None:
        every = settings.JOB_LEASE_SECONDS / 4
        try:
            while not self.stopping.is_set():
                self.wake.wait(every)
                self.wake.clear()
                if self.stopping.is_set():
                    break
                try:
                    if not self.model.objects.beat(self.pk, self.owner, **self.progress):
                        self.lost = True
                        break
                except Error:
                    # The database is away or locked. The next beat tries again; if it stays
                    # so for a whole lease, the final write finds the job taken.
                    connections["default"].close()
        finally:
            connections["default"].close()

    def stop(self) -> None:
        self.stopping.set()
        self.wake.set()
        self.join()


@contextmanager
def pulse(model: type[Job], pk: int, owner: str) -> Iterator[Pulse]:
    beat = Pulse(model, pk, owner)
    beat.start()
    try:
        yield beat
    finally:
        beat.stop()


def claim(model: type[Job], pk: int, owner: str) -> bool:
    """Take a job's lease. False if it is over, somebody else has it, or one of its kind runs."""
    try:
        with transaction.atomic():
            return model.objects.claim(pk, owner)
    except IntegrityError:
        return False


def close(model: type[Job], pk: int, owner: str, state: str, **values: Any) -> None:
    """Write the end of a job in the caller's transaction. Raises LeaseLost if it is not ours.

    One that is done has done all of its last stage, of which the pulse may not have told any more.
    """
    if state == JobState.DONE:
        values = {"done": F("total"), **values}
    ended = model.objects.owned(pk, owner).update(
        state=state, finished_at=timezone.now(), stage="", **values
    )
    if not ended:
        raise LeaseLost


def end(model: type[Job], pk: int, owner: str, state: str, error: str, hint: str) -> None:
    """Close a job that could not be done, if it is still ours."""
    with contextlib.suppress(LeaseLost), transaction.atomic():
        close(model, pk, owner, state, error=error, hint=hint)


def cancel(model: type[Job], pk: int) -> bool:
    """True if the job was still waiting or running. Its worker stops at the next report."""
    waiting = model.objects.filter(pk=pk, state__in=[JobState.QUEUED, JobState.RUNNING])
    return bool(waiting.update(state=JobState.CANCELLED, finished_at=timezone.now(), stage=""))


def orphans(model: type[Job]) -> list[int]:
    """Keys of jobs that no worker has: the lease has lapsed, or the message got lost."""
    return [
        *model.objects.lapsed().values_list("pk", flat=True),
        *model.objects.forgotten().values_list("pk", flat=True),
    ]


def give_up(model: type[Job], attempts: int) -> int:
    """Fail the jobs that have killed their worker so often; returns how many."""
    return (
        model.objects.lapsed()
        .filter(attempts__gte=attempts)
        .update(
            state=JobState.FAILED,
            finished_at=timezone.now(),
            error=f"The worker stopped without a word {attempts} times; it was not tried again.",
            hint="Look at the worker's memory limit and log, then ask for the job again.",
        )
    )
