"""Where readings are fetched from: a Prometheus server, or what speaks its HTTP API."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from .job import Job
from .slo import STEPS
from .words import known_words


class AuthKind(models.TextChoices):
    NONE = "none", _("None")
    BASIC = "basic", _("User and password")
    BEARER = "bearer", _("Bearer token")


class Connection(models.Model):
    """One site. The secret is stored encrypted (debtreg.secrets) and is never shown again."""

    name = models.SlugField(max_length=63, unique=True)
    url = models.URLField(max_length=300, help_text="As https://prometheus.example.org.")
    auth = models.CharField(max_length=6, choices=AuthKind, default=AuthKind.NONE)
    username = models.CharField(max_length=200, blank=True)
    sealed_secret = models.TextField(blank=True, editable=False)
    step_seconds = models.PositiveSmallIntegerField(
        default=300, help_text="How long one reading is; it divides an hour."
    )
    # What a metric arrives late by: readings younger than this are not asked for yet.
    delay_seconds = models.PositiveSmallIntegerField(default=60)
    is_paused = models.BooleanField(default=False)
    last_ok_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What is wrong with the site; empty while it answers. Faults of one query are with its SLO.
    last_error = models.TextField(blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)
    # In a row; each doubles the time until the next try.
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            known_words("connection", "auth", AuthKind.values),
            models.CheckConstraint(
                name="connection_step_divides_an_hour",
                condition=models.Q(step_seconds__in=STEPS),
                violation_error_message="A step is whole minutes that divide an hour: 60 or 300.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.name == "new":
            raise ValidationError({"name": "“new” is the address of a page of its own."})


class Fetch(Job):
    """The job that fetches what is new from one site; queued anew each time, one for each site."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="fetch")
    readings = models.PositiveBigIntegerField(default=0, help_text="Fetched by the last run.")

    def __str__(self) -> str:
        return f"{self.connection_id}: {self.state}"
