"""SLA contracts and the guarantees in them."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from .words import known_words


class Contract(models.Model):
    """An agreement on service levels, within a company or with a customer."""

    reference = models.CharField(max_length=80, unique=True, help_text="Its number, as SLA-01.")
    name = models.CharField(max_length=200, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["reference"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="contract_ends_after_start",
                condition=Q(starts_on__isnull=True)
                | Q(ends_on__isnull=True)
                | Q(ends_on__gte=models.F("starts_on")),
                violation_error_message="A contract ends on or after the day it starts.",
            )
        ]

    def __str__(self) -> str:
        return self.reference


class Operator(models.TextChoices):
    LE = "<=", "≤"
    LT = "<", "<"
    GE = ">=", "≥"
    GT = ">", ">"


class Guarantee(models.Model):
    """One promise: a metric, its target, who owes it to whom, and the penalty.

    The text of target, scope and penalty stays as it was written; the typed columns beside
    it are empty until a person or a parser has read it.
    """

    contract = models.ForeignKey(Contract, on_delete=models.CASCADE, related_name="guarantees")
    metric = models.CharField(max_length=80, help_text="As p99_response_time, availability.")
    target_text = models.CharField(max_length=80, help_text="As written: ≤300ms.")
    operator = models.CharField(max_length=2, choices=Operator, blank=True)
    target_value = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    target_unit = models.CharField(max_length=16, blank=True)
    scope_text = models.CharField(max_length=200, blank=True, help_text="As written: a → b.")
    consumer = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="guarantees_held"
    )
    provider = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="guarantees_owed"
    )
    penalty_clause = models.TextField(blank=True)
    window = models.CharField(max_length=40, blank=True, help_text="As 30d, calendar_month.")
    weight = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(3)],
        help_text="Multiplies the benefit of what endangers it; neutral 1, at most 3.",
    )

    class Meta:
        ordering: ClassVar = ["contract__reference", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["contract", "metric", "scope_text"],
                name="guarantee_once",
                violation_error_message="The contract has this guarantee already.",
            ),
            known_words("guarantee", "operator", ["", *Operator.values]),
            models.CheckConstraint(
                name="guarantee_weight_in_range",
                condition=Q(weight__gte=0, weight__lte=3),
                violation_error_message="A weight lies between 0 and 3.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract_id}: {self.metric} {self.target_text}"
