"""Work that outlives a request: a row with a lease, a heartbeat and a sweeper."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words

# A job that has killed its worker this often is not tried again.
MAX_ATTEMPTS = 5
# Seconds that a stage must have taken before its pace tells how long the rest takes.
LEAST_TELLING = 2.0


def lease() -> timedelta:
    """A worker renews its lease every few seconds; one that has not for this long is dead."""
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


class JobState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class JobQuerySet(models.QuerySet["Job"]):
    def lapsed(self) -> Self:
        """Running rows whose worker has stopped renewing its lease."""
        return self.filter(state=JobState.RUNNING, beat_at__lt=timezone.now() - lease())

    def forgotten(self) -> Self:
        """Queued rows whose message is gone, or that waited behind another run."""
        return self.filter(state=JobState.QUEUED, queued_at__lt=timezone.now() - lease())

    def claim(self, pk: int, owner: str) -> bool:
        """Take the lease in one statement; False where somebody else has it or it is over."""
        now = timezone.now()
        free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, beat_at__lt=now - lease())
        return bool(
            self.filter(free, pk=pk).update(
                state=JobState.RUNNING,
                owner=owner,
                attempts=F("attempts") + 1,
                beat_at=now,
                started_at=now,
                stage="",
                stage_at=None,
                done=0,
                total=0,
            )
        )

    def owned(self, pk: int, owner: str) -> Self:
        return self.filter(pk=pk, owner=owner, state=JobState.RUNNING)

    def beat(self, pk: int, owner: str, **progress: str | int | datetime) -> bool:
        """Renew the lease and note progress; False once the lease is lost or cancelled."""
        return bool(self.owned(pk, owner).update(beat_at=timezone.now(), **progress))


class Job(models.Model):
    """What every kind of job has. `done` of `total` counts the units of the present stage."""

    state = models.CharField(max_length=9, choices=JobState, default=JobState.QUEUED)
    stage = models.CharField(max_length=40, blank=True)
    stage_at = models.DateTimeField(null=True, blank=True, help_text="When its stage began.")
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    owner = models.CharField(max_length=80, blank=True, help_text="Which worker holds the lease.")
    beat_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    traceparent = models.CharField(max_length=55, blank=True)
    requested_by = models.ForeignKey(
        "debtreg.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [known_words("%(class)s", "state", JobState.values)]

    @property
    def is_over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def percent(self) -> int | None:
        return min(100, 100 * self.done // self.total) if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """Of the present stage, at the pace it has kept so far; None while that says nothing."""
        if self.stage_at is None or self.beat_at is None or not 0 < self.done < self.total:
            return None
        taken = (self.beat_at - self.stage_at).total_seconds()
        return taken * (self.total - self.done) / self.done if taken >= LEAST_TELLING else None
