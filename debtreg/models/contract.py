"""SLA contracts: guarantees, the terms of each by effective date, and what was deducted by them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .slo import MonthBasis, WindowKind
from .words import known_words

LONGEST_CLAUSE = 2_000  # characters
# What stands in an address where the reference of a contract would.
RESERVED_REFERENCES = ("import", "penalties", ".", "..")


def unusable_reference(reference: str) -> str:
    """Why no address could name a contract by this reference; empty where it can."""
    if "/" in reference:
        return f"“{reference}” has a slash, which would divide its address."
    if reference in RESERVED_REFERENCES:
        return f"“{reference}” is an address of its own; give the contract another number."
    return ""


class Contract(models.Model):
    """An agreement on service levels, within a company or with a customer."""

    reference = models.CharField(max_length=80, unique=True, help_text=_("Its number, as SLA-01."))
    name = models.CharField(max_length=200, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    extra = models.JSONField(
        default=dict, blank=True, help_text="What its file says beside the contracts."
    )

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

    def clean(self) -> None:
        if problem := unusable_reference(self.reference):
            raise ValidationError({"reference": problem})

    def covers(self, day: date) -> bool:
        return (self.starts_on or date.min) <= day <= (self.ends_on or date.max)


class Operator(models.TextChoices):
    LE = "<=", "≤"
    LT = "<", "<"
    GE = ">=", "≥"
    GT = ">", ">"


class GuaranteeQuerySet(models.QuerySet["Guarantee"]):
    def with_terms(self) -> Self:
        """With contract, edge and all versions of the terms, in a fixed number of queries."""
        return self.select_related("contract", "consumer", "provider__team").prefetch_related(
            models.Prefetch("terms", Terms.objects.select_related("confirmed_by", "created_by"))
        )


class Guarantee(models.Model):
    """One promise: a metric, and who owes it to whom. What is promised is in its Terms."""

    contract = models.ForeignKey(Contract, on_delete=models.CASCADE, related_name="guarantees")
    metric = models.CharField(max_length=80, help_text="As p99_response_time, availability.")
    scope_text = models.CharField(max_length=200, blank=True, help_text="As written: a → b.")
    consumer = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="guarantees_held"
    )
    provider = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="guarantees_owed"
    )
    weight = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(3)],
        help_text="Multiplies the benefit of what endangers it; neutral 1, at most 3.",
    )

    extra = models.JSONField(
        default=dict, blank=True, help_text="What its file says of it in fields of its own."
    )

    objects = GuaranteeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["contract__reference", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["contract", "metric", "scope_text"],
                name="guarantee_once",
                violation_error_message="The contract has this guarantee already.",
            ),
            models.CheckConstraint(
                name="guarantee_weight_in_range",
                condition=Q(weight__gte=0, weight__lte=3),
                violation_error_message="A weight lies between 0 and 3.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract_id}: {self.metric}"

    @property
    def latest(self) -> Terms | None:
        """The version that begins last, waiting or not; what was corrected does not count."""
        return written_on(self.terms.all(), date.max)

    @property
    def current(self) -> Terms | None:
        """What counts today, or waits where nothing is confirmed; None outside of the contract."""
        today = timezone.localdate()
        return terms_on(self.terms.all(), today) if self.contract.covers(today) else None


class TermsQuerySet(models.QuerySet["Terms"]):
    def in_force(self, on: date) -> Self:
        """Of each guarantee what counts on a day, or waits where nothing is; as `terms_on`."""
        begun = Q(effective_from__isnull=True) | Q(effective_from__lte=on)
        last = (
            Terms.objects.filter(begun, guarantee=OuterRef("guarantee"), replaced_at=None)
            .order_by(
                ExpressionWrapper(Q(confirmed_at__isnull=True), BooleanField()),
                F("effective_from").desc(nulls_last=True),
                "-version",
            )
            .values("pk")[:1]
        )
        starts, ends = "guarantee__contract__starts_on", "guarantee__contract__ends_on"
        return self.filter(
            Q(**{f"{starts}__isnull": True}) | Q(**{f"{starts}__lte": on}),
            Q(**{f"{ends}__isnull": True}) | Q(**{f"{ends}__gte": on}),
            pk=Subquery(last),
        )

    def confirmed(self) -> Self:
        return self.filter(confirmed_at__isnull=False)


class Terms(models.Model):
    """What a guarantee promises from a day on: as it was written, and as numbers.

    The numbers follow from the words, or from how a person says that these are to be read. They
    count once a person has confirmed them; then the row does not change any more. Until an
    amendment is confirmed, what it amends goes on to hold. A correction of confirmed terms is a
    new version of the same day, and takes their place when it is confirmed itself.
    """

    guarantee = models.ForeignKey(Guarantee, on_delete=models.CASCADE, related_name="terms")
    version = models.PositiveIntegerField()
    effective_from = models.DateField(
        null=True, blank=True, help_text="First day on which it holds. Empty: since ever."
    )
    target_text = models.CharField(max_length=80, help_text="As written: ≤300ms.")
    target_reading = models.CharField(
        max_length=80, blank=True, help_text="How it is to be read, where the text is not clear."
    )
    window_text = models.CharField(
        max_length=40, blank=True, help_text="As written: 30d, calendar_month."
    )
    window_reading = models.CharField(max_length=40, blank=True)
    penalty_clause = models.TextField(
        blank=True, validators=[MaxLengthValidator(LONGEST_CLAUSE)], help_text="As written."
    )
    penalty_reading = models.TextField(blank=True, validators=[MaxLengthValidator(LONGEST_CLAUSE)])
    budget_objective = models.DecimalField(
        max_digits=13,
        decimal_places=12,
        null=True,
        blank=True,
        help_text="Ratio: of the availability whose budget a penalty takes from, where the target "
        "is none itself.",
    )
    # As numbers.
    statistic = models.CharField(max_length=16, blank=True, help_text="p99")
    operator = models.CharField(max_length=2, choices=Operator, blank=True)
    value = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    objective = models.DecimalField(
        max_digits=13,
        decimal_places=12,
        null=True,
        blank=True,
        help_text="Ratio of good events or minutes that it promises; empty: it promises none.",
    )
    period = models.CharField(max_length=8, choices=WindowKind, blank=True)
    period_hours = models.DecimalField(
        max_digits=14, decimal_places=6, null=True, blank=True, help_text="Empty: by the calendar."
    )
    month_basis = models.CharField(max_length=8, choices=MonthBasis, blank=True)
    penalty = models.JSONField(null=True, blank=True, help_text="A clause of scoring.clauses.")
    problems = models.JSONField(
        default=dict, blank=True, help_text="Part -> why it can't be read as a number."
    )
    revision = models.PositiveIntegerField(default=1, help_text="Counts its changes.")
    confirmed_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    replaced_at = models.DateTimeField(
        null=True, blank=True, help_text="When a correction of it was confirmed."
    )
    created_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TermsQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["guarantee", "version"]
        verbose_name_plural = "terms"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["guarantee", "version"], name="terms_version_once"),
            models.UniqueConstraint(
                F("guarantee"),
                Coalesce("effective_from", date(1, 1, 1)),
                condition=Q(confirmed_at__isnull=True),
                name="terms_one_draft_a_day",
                violation_error_message="A version of that day waits for confirmation already.",
            ),
            models.UniqueConstraint(
                F("guarantee"),
                Coalesce("effective_from", date(1, 1, 1)),
                condition=Q(confirmed_at__isnull=False, replaced_at__isnull=True),
                name="terms_one_confirmed_a_day",
                violation_error_message="There are confirmed terms of that day already.",
            ),
            models.CheckConstraint(
                name="terms_confirmed_as_numbers",
                condition=Q(confirmed_at__isnull=True) | Q(value__isnull=False),
                violation_error_message="Only a target that is read as a number can be confirmed.",
            ),
            models.CheckConstraint(
                name="terms_replaced_once_confirmed",
                condition=Q(replaced_at__isnull=True) | Q(confirmed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="terms_objective_in_range",
                condition=(Q(objective__isnull=True) | Q(objective__gte=0, objective__lte=1))
                & (
                    Q(budget_objective__isnull=True)
                    | Q(budget_objective__gte=0, budget_objective__lt=1)
                ),
                violation_error_message="An objective lies from 0 to 1; one with a budget below 1.",
            ),
            known_words("terms", "operator", ["", *Operator.values]),
            known_words("terms", "period", ["", *WindowKind.values]),
            known_words("terms", "month_basis", ["", *MonthBasis.values]),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None


def terms_on(versions: Iterable[Terms], on: date) -> Terms | None:
    """What counts on a day: the confirmed version that has begun last.

    What waits displaces nothing that is confirmed. Where nothing is, it is the draft that has begun
    last, which counts for nothing yet.
    """
    return max(
        _begun(versions, on),
        key=lambda each: (each.is_confirmed, each.effective_from or date.min, each.version),
        default=None,
    )


def written_on(versions: Iterable[Terms], on: date) -> Terms | None:
    """What is written for a day, confirmed or not: the version that has begun last.

    Of the same day a confirmed one goes before its correction.
    """
    return max(
        _begun(versions, on),
        key=lambda each: (each.effective_from or date.min, each.is_confirmed, each.version),
        default=None,
    )


def _begun(versions: Iterable[Terms], on: date) -> list[Terms]:
    return [
        each
        for each in versions
        if each.replaced_at is None and (each.effective_from or date.min) <= on
    ]


class PenaltyEntry(models.Model):
    """What a guarantee's penalty takes for one period. A ledger of its own: no burn rate sees it.

    Unknown is null: a period of which nothing usable was measured is no period without penalty.
    """

    guarantee = models.ForeignKey(Guarantee, on_delete=models.CASCADE, related_name="penalties")
    starts_on = models.DateField(help_text="First day of the period.")
    ends_on = models.DateField(help_text="Last day of it.")
    terms = models.ForeignKey(
        Terms,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The version in force on its last day; `parts` has all.",
    )
    measured = models.JSONField(
        null=True, blank=True, help_text="As it was given: 0.3301s, or {low, high}; null: nothing."
    )
    requests = models.DecimalField(max_digits=18, decimal_places=0, null=True, blank=True)
    known = models.BooleanField()
    breached = models.BooleanField(null=True, blank=True)
    deduct_percent = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        null=True,
        blank=True,
        help_text="Of the period's initial budget.",
    )
    uncapped_percent = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)
    deducted_minutes = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)
    deducted_requests = models.DecimalField(max_digits=27, decimal_places=12, null=True, blank=True)
    credit_percent = models.DecimalField(
        max_digits=24, decimal_places=12, null=True, blank=True, help_text="Of the fee."
    )
    findings = models.JSONField(default=list, blank=True)
    parts = models.JSONField(
        default=list, blank=True, help_text="Version, days and answer of each part."
    )
    source = models.CharField(max_length=300, blank=True, help_text="Where it comes from.")
    slo = models.ForeignKey(
        "Slo",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The SLO that has measured it, by the clock. Empty: a person has recorded it.",
    )
    recorded_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-starts_on", "pk"]
        verbose_name_plural = "penalty entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["guarantee", "starts_on"],
                name="penaltyentry_once",
                violation_error_message="A period that starts on that day is recorded already.",
            ),
            models.CheckConstraint(
                name="penaltyentry_ends_after_start",
                condition=Q(ends_on__gte=F("starts_on")),
                violation_error_message="A period ends on or after the day it starts.",
            ),
            models.CheckConstraint(
                name="penaltyentry_unknown_is_null",
                condition=Q(known=True)
                | Q(deduct_percent__isnull=True, credit_percent__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.guarantee_id}: {self.starts_on} to {self.ends_on}"
