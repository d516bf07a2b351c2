"""The catalog: teams, their services, and who calls whom."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from .words import known_words


class Team(models.Model):
    """A team that owns services and works in iterations."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    day_rate = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Money per person-day. Empty: the installation's day rate in the price book.",
    )
    days_per_point = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        null=True,
        blank=True,
        help_text="Person-days per story point. Empty: efforts in points stay unknown.",
    )

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="team_day_rate_in_range",
                condition=models.Q(day_rate__gt=0, day_rate__lte=10**9),
                violation_error_message="A day rate lies above 0 and up to 10^9.",
            ),
            models.CheckConstraint(
                name="team_days_per_point_positive",
                condition=models.Q(days_per_point__gt=0),
                violation_error_message="Days per point need to be more than 0.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Criticality(models.TextChoices):
    CRITICAL = "critical", _("Critical")
    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")


class Service(models.Model):
    """Something that runs and for which promises are made."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    aliases = models.JSONField(default=list, blank=True, help_text="Other names in ledgers.")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="services")
    criticality = models.CharField(max_length=8, choices=Criticality, default=Criticality.MEDIUM)
    requests_per_year = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Requests per year; unknown is empty, not 0.",
    )
    language = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="service_requests_in_range",
                condition=models.Q(requests_per_year__gte=0, requests_per_year__lte=1e15),
                violation_error_message="Requests per year lie between 0 and 10^15.",
            ),
            known_words("service", "criticality", Criticality.values),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        if self.slug == "new":
            raise ValidationError({"slug": "“new” is the address of the form for a new service."})


class Dependency(models.Model):
    """The consumer calls the provider. Hard: the consumer fails when the provider does."""

    consumer = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="providers")
    provider = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="consumers")
    protocol = models.CharField(max_length=40, blank=True)
    hard = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["consumer__slug", "provider__slug"]
        verbose_name_plural = "dependencies"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["consumer", "provider"],
                name="dependency_once",
                violation_error_message="This dependency is there already.",
            ),
            models.CheckConstraint(
                name="dependency_not_itself",
                condition=~models.Q(consumer=models.F("provider")),
                violation_error_message="A service can't depend on itself.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consumer_id} → {self.provider_id}"
