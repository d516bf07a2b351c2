"""The price book: what a millisecond, a failure, a minute, an hour costs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words


class Grade(models.TextChoices):
    """Where a number comes from, best first."""

    MEASURED = "measured", _("Measured")
    INFERRED = "inferred", _("Inferred")
    ESTIMATED = "estimated", _("Estimated")
    DEFAULT = "default", _("Default")


class ImpactKind(models.TextChoices):
    """The order is that of scoring.KINDS."""

    LATENCY = "latency", _("Latency")
    ERRORS = "errors", _("Errors")
    DOWNTIME = "downtime", _("Downtime")
    CREDITS = "credits", _("SLA credits")
    COMPLIANCE = "compliance", _("Compliance")
    TOIL = "toil", _("Toil")
    DRAG = "drag", _("Drag on development")
    STATED = "stated", _("Stated yearly cost")


DAY_RATE = "day_rate"
PRICE_KINDS = [choice for choice in ImpactKind.choices if choice[0] != ImpactKind.STATED] + [
    (DAY_RATE, _("Person-day"))
]
PRICE_UNITS = {
    ImpactKind.LATENCY: _("per ms and request"),
    ImpactKind.ERRORS: _("per failure"),
    ImpactKind.DOWNTIME: _("per minute"),
    ImpactKind.CREDITS: _("per breach"),
    ImpactKind.COMPLIANCE: _("per finding"),
    ImpactKind.TOIL: _("per hour"),
    ImpactKind.DRAG: _("per hour"),
    DAY_RATE: _("per person-day"),
}


# No single amount is larger: what is beyond it is a slip of units.
AMOUNT_LIMIT = 10**12


def money_point(help_text: str) -> models.DecimalField[Any, Any]:
    """A unit price: down to 10^-10, because one request's millisecond costs next to nothing."""
    return models.DecimalField(
        max_digits=24, decimal_places=10, null=True, blank=True, help_text=help_text
    )


class Price(models.Model):
    """A unit price of one service, or of the whole installation where service is empty."""

    service = models.ForeignKey(
        "Service", on_delete=models.CASCADE, null=True, blank=True, related_name="prices"
    )
    kind = models.CharField(max_length=10, choices=PRICE_KINDS)
    low = money_point("Money per unit, at best.")
    likely = money_point("Money per unit, most likely.")
    high = money_point("Money per unit, at worst.")
    grade = models.CharField(max_length=9, choices=Grade, default=Grade.ESTIMATED)
    source = models.CharField(max_length=300, blank=True, help_text="Who says so, and when.")
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["service__slug", "kind"]
        constraints: ClassVar = [
            known_words("price", "kind", [kind for kind, _ in PRICE_KINDS]),
            known_words("price", "grade", Grade.values),
            models.UniqueConstraint(
                fields=["service", "kind"],
                name="price_once_per_service",
                violation_error_message="This service has a price of that kind already.",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(service__isnull=True),
                name="price_once_for_all",
                violation_error_message="The installation has a price of that kind already.",
            ),
            models.CheckConstraint(
                name="price_in_order",
                condition=Q(
                    low__gte=0,
                    low__lte=models.F("likely"),
                    likely__lte=models.F("high"),
                    high__lte=AMOUNT_LIMIT,
                ),
                violation_error_message="A price needs 0 ≤ low ≤ likely ≤ high ≤ 10^12.",
            ),
            models.CheckConstraint(
                name="price_day_rate_in_range",
                condition=~Q(kind=DAY_RATE) | Q(high__lte=10**9),
                violation_error_message="A day rate lies between 0 and 10^9.",
            ),
            models.CheckConstraint(
                name="price_all_points",
                condition=Q(low__isnull=False, likely__isnull=False, high__isnull=False),
                violation_error_message="A price needs low, likely and high;"
                " one number is all three.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service_id or 'installation'}: {self.kind}"
