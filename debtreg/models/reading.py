"""Readings of SLIs, and their roll-ups to hours and days.

Events are counted in thousandths, as whole numbers: what Prometheus extrapolates has fractions, and
sums must be exact in every database. A row with a total of 0 was measured and had no events; a gap
is where there is no row. Readings of one SLO never overlap, and begin at multiples of their length.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .slo import STEPS
from .words import known_words

EVENT = 1000
# A year of minutes with as many events in each still adds up within 64 bits.
MOST_EVENTS = 10**10


class ReadingSource(models.TextChoices):
    PROMETHEUS = "prometheus", _("Prometheus")
    API = "api", _("API")
    CSV = "csv", _("CSV file")


class Reading(models.Model):
    """Good of total events of one SLO in one step: from `at`, included, for `seconds`."""

    pk = models.CompositePrimaryKey("slo_id", "at")
    slo = models.ForeignKey(
        "Slo", on_delete=models.CASCADE, related_name="readings", db_index=False
    )
    at = models.DateTimeField()
    seconds = models.PositiveSmallIntegerField(default=300)
    good = models.BigIntegerField(help_text="Thousandths of events.")
    total = models.BigIntegerField(help_text="Thousandths of events.")
    source = models.CharField(max_length=10, choices=ReadingSource, default=ReadingSource.API)
    is_excluded = models.BooleanField(
        default=False, help_text="It touches a maintenance window: left out of every budget."
    )

    class Meta:
        constraints: ClassVar = [
            known_words("reading", "source", ReadingSource.values),
            models.CheckConstraint(
                name="reading_good_of_total",
                condition=Q(good__gte=0, good__lte=F("total"), total__lte=MOST_EVENTS * EVENT),
                violation_error_message="Good events lie between 0 and total, and total is at most"
                " 10^10.",
            ),
            models.CheckConstraint(
                name="reading_step_divides_an_hour",
                condition=Q(seconds__in=STEPS),
                violation_error_message="A reading covers whole minutes that divide an hour.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slo_id} {self.at:%Y-%m-%d %H:%M}"


class RollUp(models.Model):
    """What readings add up to; maintenance is left out of it."""

    at = models.DateTimeField()
    good = models.BigIntegerField(help_text="Thousandths of events.")
    total = models.BigIntegerField(help_text="Thousandths of events.")
    # A slice without an event is neither good nor bad.
    good_slices = models.PositiveIntegerField(default=0, help_text="Of Timeslices.")
    slices = models.PositiveIntegerField(default=0, help_text="Of Timeslices.")
    seconds = models.PositiveIntegerField(help_text="How much of it was measured and counts.")
    excluded_seconds = models.PositiveIntegerField(
        default=0, help_text="How much of it was measured and is left out as maintenance."
    )

    class Meta:
        abstract = True


class ReadingHour(RollUp):
    pk = models.CompositePrimaryKey("slo_id", "at")
    slo = models.ForeignKey("Slo", on_delete=models.CASCADE, related_name="hours", db_index=False)

    def __str__(self) -> str:
        return f"{self.slo_id} {self.at:%Y-%m-%d %H}h"


class ReadingDay(RollUp):
    """A day of UTC."""

    pk = models.CompositePrimaryKey("slo_id", "at")
    slo = models.ForeignKey("Slo", on_delete=models.CASCADE, related_name="days", db_index=False)

    def __str__(self) -> str:
        return f"{self.slo_id} {self.at:%Y-%m-%d}"


class StateWindow(models.TextChoices):
    """The windows over which burn is shown; PERIOD is the SLO's own."""

    MINUTES_5 = "5m", _("5 min")
    MINUTES_30 = "30m", _("30 min")
    HOURS_1 = "1h", _("1 h")
    HOURS_2 = "2h", _("2 h")
    HOURS_6 = "6h", _("6 h")
    DAYS_1 = "1d", _("1 d")
    DAYS_3 = "3d", _("3 d")
    PERIOD = "period", _("Period")


# A ratio; what is missing to 1 may be a reading that is on its way.
LEAST_COMPLETE = 0.995


class SloState(models.Model):
    """What one window of an SLO showed when budgets were last worked out. No data is null."""

    pk = models.CompositePrimaryKey("slo_id", "window")
    slo = models.ForeignKey("Slo", on_delete=models.CASCADE, related_name="states", db_index=False)
    window = models.CharField(max_length=6, choices=StateWindow)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="As of when.")
    good = models.BigIntegerField(null=True, help_text="Thousandths of events, or of slices.")
    total = models.BigIntegerField(null=True, help_text="Thousandths of events, or of slices.")
    measured_seconds = models.PositiveIntegerField(default=0)
    excluded_seconds = models.PositiveIntegerField(default=0)
    error_ratio = models.DecimalField(max_digits=22, decimal_places=20, null=True)
    burn_rate = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    is_few = models.BooleanField(
        default=False, help_text="Too few events: a single bad one takes more than the budget."
    )
    seconds_left = models.DecimalField(
        max_digits=24,
        decimal_places=3,
        null=True,
        help_text="Until the budget is used up at this burn rate; null: unknown, or never.",
    )
    # Of the long window of an alert:
    threshold = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    is_reachable = models.BooleanField(
        null=True, help_text="A total failure burns faster than the threshold."
    )
    is_firing = models.BooleanField(
        null=True, help_text="Long and short window burn above the threshold; null: no data."
    )
    # Of the period:
    period_seconds = models.PositiveIntegerField(
        null=True, help_text="How long the whole period is, by the month basis."
    )
    remaining = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        null=True,
        help_text="What is left of the budget, a ratio; below 0 it is overdrawn. Penalties are"
        " not in it.",
    )

    class Meta:
        constraints: ClassVar = [known_words("slostate", "window", StateWindow.values)]

    def __str__(self) -> str:
        return f"{self.slo_id} {self.window}"

    @property
    def expected_seconds(self) -> int:
        """How much of the window should have been measured."""
        return int((self.ends_at - self.starts_at).total_seconds()) - self.excluded_seconds

    @property
    def completeness(self) -> float | None:
        """How much of that was, a ratio; None where all of it is maintenance."""
        return self.measured_seconds / self.expected_seconds if self.expected_seconds else None

    @property
    def is_partial(self) -> bool:
        """Some of the time that should have been measured was not, beyond the ends of readings."""
        return self.completeness is not None and self.completeness < LEAST_COMPLETE

    @property
    def lasts(self) -> bool:
        """True if nothing burns: the budget is never used up."""
        return self.burn_rate == 0 and self.seconds_left is None
