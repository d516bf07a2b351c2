"""Service level objectives: what is to be good of what, over which window; how that is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words

# As of Kubernetes and OpenSLO: RFC 1123, at most 63 characters.
SLO_NAME = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "A name has a to z, 0 to 9 and hyphens, begins and ends without one, and is at most 63 long.",
)
# Of an SLO's page: /slos/new/ and /slos/import/ are others.
RESERVED_NAMES = ("new", "import", "export")

# Whole minutes that divide an hour, so that hours can be added up of them.
STEPS = [60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800, 3600]
STEP_CHOICES = [(step, str(step)) for step in STEPS]


# Between these a maintenance window lies.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class SliKind(models.TextChoices):
    """What a good event is. In readings all three are the same: good of total.

    The order is that of scoring.SLO_KINDS.
    """

    AVAILABILITY = "availability", _("Availability")
    LATENCY = "latency", _("Latency")
    ERROR_RATIO = "error_ratio", _("Error ratio")


class Method(models.TextChoices):
    """How the budget is counted; the names are OpenSLO's."""

    OCCURRENCES = "occurrences", _("Occurrences")
    TIMESLICES = "timeslices", _("Timeslices")


class WindowKind(models.TextChoices):
    ROLLING = "rolling", _("Rolling days")
    MONTH = "month", _("Calendar month")
    QUARTER = "quarter", _("Calendar quarter")
    YEAR = "year", _("Calendar year")


class MonthBasis(models.TextChoices):
    """How long a month is; see scoring.month_hours. Stored, never implied."""

    DAYS_30 = "30d", _("30 days")
    CALENDAR = "calendar", _("As the calendar has it")
    HOURS_730 = "730h", _("730 hours")


class SourceFormat(models.TextChoices):
    """The formats that SLOs and services are imported from."""

    OPENSLO = "openslo", _("OpenSLO")
    SLOTH = "sloth", _("Sloth")
    BACKSTAGE = "backstage", _("Backstage")


class Slo(models.Model):
    """One objective for one service: its window and method, and where its readings come from."""

    name = models.CharField(max_length=63, unique=True, validators=[SLO_NAME])
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    service = models.ForeignKey("Service", on_delete=models.CASCADE, related_name="slos")
    guarantee = models.ForeignKey(
        "Guarantee",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="slos",
        help_text="The promise that it watches, where there is one.",
    )
    kind = models.CharField(max_length=12, choices=SliKind, default=SliKind.AVAILABILITY)
    objective = models.DecimalField(
        max_digits=12, decimal_places=11, help_text="Good of total, a ratio below 1: 0.9995."
    )
    window = models.CharField(max_length=8, choices=WindowKind, default=WindowKind.ROLLING)
    window_days = models.PositiveSmallIntegerField(
        null=True, blank=True, default=30, help_text="Of a rolling window, 1 to 366."
    )
    month_basis = models.CharField(max_length=8, choices=MonthBasis, default=MonthBasis.CALENDAR)
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="Where a calendar window begins at midnight."
    )
    method = models.CharField(max_length=11, choices=Method, default=Method.OCCURRENCES)
    slice_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of Timeslices: how long one is; it divides an hour."
    )
    slice_target = models.DecimalField(
        max_digits=12,
        decimal_places=11,
        null=True,
        blank=True,
        help_text="Of Timeslices: a slice is good if at least this ratio of it is.",
    )
    threshold_ms = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Of latency: an event that takes no longer than this is good.",
    )
    connection = models.ForeignKey(
        "Connection", on_delete=models.SET_NULL, null=True, blank=True, related_name="slos"
    )
    good_query = models.TextField(
        blank=True, help_text="PromQL: events that were good within {{.window}}."
    )
    bad_query = models.TextField(
        blank=True, help_text="PromQL: events that were bad within {{.window}}, instead of good."
    )
    total_query = models.TextField(
        blank=True, help_text="PromQL: all valid events within {{.window}}."
    )
    buckets_query = models.TextField(
        blank=True, help_text="PromQL: the histogram's buckets by `le`, to see what it can measure."
    )
    quantile_query = models.TextField(
        blank=True, help_text="PromQL: the quantile that a contract speaks of, over {{.window}}."
    )
    fetched_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="All before this has been asked for."
    )
    fetch_error = models.TextField(
        blank=True,
        editable=False,
        help_text="What its queries were last refused for.",
    )
    gap_reason = models.TextField(
        blank=True,
        editable=False,
        help_text="Why steps that were last asked for are gaps: their samples are none.",
    )
    # The boundaries of the histogram next to the threshold, in milliseconds: the same two where it
    # can be measured. Both empty: not known.
    bucket_low_ms = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, editable=False
    )
    bucket_high_ms = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, editable=False
    )
    buckets_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the buckets were last looked at."
    )
    # What an imported document says and no column here holds: kept for the way back.
    document = models.JSONField(null=True, blank=True, editable=False)
    source_format = models.CharField(
        max_length=20, choices=SourceFormat, blank=True, editable=False
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "SLO"
        verbose_name_plural = "SLOs"
        constraints: ClassVar = [
            known_words("slo", "kind", SliKind.values),
            known_words("slo", "method", Method.values),
            known_words("slo", "window", WindowKind.values),
            known_words("slo", "month_basis", MonthBasis.values),
            known_words("slo", "source_format", ["", *SourceFormat.values]),
            models.CheckConstraint(
                name="slo_objective_leaves_a_budget",
                condition=Q(objective__gt=0, objective__lt=1),
                violation_error_message="An objective lies above 0 and below 1: 100 % would"
                " leave no error budget to count with.",
            ),
            models.CheckConstraint(
                name="slo_rolling_has_days",
                condition=Q(window=WindowKind.ROLLING, window_days__gte=1, window_days__lte=366)
                | (~Q(window=WindowKind.ROLLING) & Q(window_days__isnull=True)),
                violation_error_message="A rolling window has 1 to 366 days; a calendar window"
                " has none.",
            ),
            models.CheckConstraint(
                name="slo_timeslices_have_target",
                condition=Q(
                    method=Method.TIMESLICES,
                    slice_seconds__in=STEPS,
                    slice_target__gt=0,
                    slice_target__lte=1,
                )
                | Q(
                    method=Method.OCCURRENCES,
                    slice_seconds__isnull=True,
                    slice_target__isnull=True,
                ),
                violation_error_message="Timeslices need whole minutes that divide an hour and a"
                " target above 0 and up to 1; Occurrences have neither.",
            ),
            models.CheckConstraint(
                name="slo_latency_has_threshold",
                condition=Q(kind=SliKind.LATENCY, threshold_ms__gt=0)
                | (~Q(kind=SliKind.LATENCY) & Q(threshold_ms__isnull=True)),
                violation_error_message="Latency needs a threshold in milliseconds; the other"
                " kinds have none.",
            ),
            models.CheckConstraint(
                name="slo_good_or_bad_query",
                condition=Q(good_query="") | Q(bad_query=""),
                violation_error_message="Ask for good events or for bad ones, not for both.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_measurable(self) -> bool | None:
        """Whether the histogram has a boundary at the threshold; None where nobody knows."""
        if self.buckets_at is None or self.threshold_ms is None:
            return None
        return self.bucket_low_ms == self.bucket_high_ms == self.threshold_ms

    def clean(self) -> None:
        if self.name in RESERVED_NAMES:
            raise ValidationError({"name": f"“{self.name}” is the address of a page of its own."})


class KeptDocument(models.Model):
    """What an imported file says beside SLOs, as it stands: services, data sources, alerts."""

    source_format = models.CharField(max_length=20, choices=SourceFormat)
    kind = models.CharField(max_length=63, help_text="As AlertPolicy, Component.")
    name = models.CharField(max_length=253, help_text="With its namespace, if it has one.")
    document = models.JSONField()

    class Meta:
        ordering: ClassVar = ["source_format", "kind", "name"]
        constraints: ClassVar = [
            known_words("keptdocument", "source_format", SourceFormat.values),
            models.UniqueConstraint(
                fields=["source_format", "kind", "name"], name="keptdocument_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Maintenance(models.Model):
    """A time that is agreed not to count: its readings are left out of every budget."""

    service = models.ForeignKey(
        "Service",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="maintenances",
        help_text="Empty: all services.",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300)

    class Meta:
        ordering: ClassVar = ["-starts_at", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="maintenance_ends_after_start",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="A maintenance window ends after it starts.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M} – {self.ends_at:%Y-%m-%d %H:%M}"

    def clean(self) -> None:
        """Refuse what zones and roll-ups can't reckon with: the ends of the calendar."""
        problems = {
            name: f"A day from {EARLIEST.year} to {LATEST.year - 1}."
            for name in ("starts_at", "ends_at")
            if (at := getattr(self, name)) is not None and not EARLIEST <= at < LATEST
        }
        if problems:
            raise ValidationError(problems)
