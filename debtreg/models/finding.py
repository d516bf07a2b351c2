"""Compliance gaps: what is not in order with promises, since when, and whose it is."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words


class FindingKind(models.TextChoices):
    UNPARSED = "unparsed", _("Cannot be read")
    UNCONFIRMED = "unconfirmed", _("Not confirmed")
    EDGE_MISSING = "edge_missing", _("Edge not in the catalog")
    INFEASIBLE = "infeasible", _("Cannot be kept")
    NO_PROMISE = "no_promise", _("Rests on no promise")
    UNKNOWN_DEDUCTION = "unknown_deduction", _("Penalty not known")
    UNMEASURABLE = "unmeasurable", _("Cannot be measured")
    NO_DATA = "no_data", _("No data")
    OVERCOUNTED = "overcounted", _("Counted more than once")


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> Self:
        return self.filter(closed_at__isnull=True)


class Finding(models.Model):
    """Something about a promise that a person should put right. See debtreg.gaps.

    It is opened once and closed when it does not hold any more; between, its age counts.
    """

    key = models.CharField(max_length=120, help_text="What it says of what; one open row each.")
    kind = models.CharField(max_length=17, choices=FindingKind)
    contract = models.ForeignKey(
        "Contract", on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    guarantee = models.ForeignKey(
        "Guarantee", on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    slo = models.ForeignKey(
        "Slo", on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    team = models.ForeignKey(
        "Team",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="findings",
        help_text="Who has to put it right: the team of the provider.",
    )
    subject = models.CharField(max_length=300, help_text="What it is about, in words.")
    text = models.TextField(help_text="What is wrong, with the numbers.")
    hint = models.TextField(blank=True, help_text="What to do next.")
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["opened_at", "pk"]
        constraints: ClassVar = [
            known_words("finding", "kind", FindingKind.values),
            models.UniqueConstraint(
                fields=["key"], condition=Q(closed_at__isnull=True), name="finding_open_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["opened_at", "id"], name="finding_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"
