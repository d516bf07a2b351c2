"""What was predicted of a repair when its item was resolved, and what was read of it since."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .price import AMOUNT_LIMIT, Grade, ImpactKind
from .words import known_words


class OutcomeState(models.TextChoices):
    """Not stored: it follows from the day, too."""

    DUE = "due", _("Measurement due")
    WAITING = "waiting", _("Not due yet")
    MEASURED = "measured", _("Measured")
    REOPENED = "reopened", _("Reopened")


class OutcomeQuerySet(models.QuerySet["Outcome"]):
    def valid(self) -> Self:
        """Of items that are still resolved."""
        return self.filter(reopened_at__isnull=True)

    def in_state(self, state: str, on: date) -> Self:
        if state == OutcomeState.REOPENED:
            return self.filter(reopened_at__isnull=False)
        if state == OutcomeState.MEASURED:
            return self.valid().filter(realised_benefit__isnull=False)
        waiting = self.valid().filter(realised_benefit__isnull=True)
        if state == OutcomeState.DUE:
            return waiting.filter(due_on__lte=on)
        return waiting.filter(due_on__gt=on)


def money(help_text: str) -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        max_digits=20, decimal_places=2, null=True, blank=True, help_text=help_text
    )


def ratio(help_text: str) -> models.FloatField[Any, Any]:
    return models.FloatField(null=True, blank=True, help_text=help_text)


class Outcome(models.Model):
    """One resolution of an item. What was predicted is frozen; what was read comes beside it.

    An item that is reopened keeps the outcome, marked so, and gets another when it is resolved
    again. An item that came in resolved has none: nothing was predicted here.
    """

    item = models.ForeignKey("DebtItem", on_delete=models.CASCADE, related_name="outcomes")
    team = models.ForeignKey(
        "Team", on_delete=models.PROTECT, null=True, blank=True, related_name="outcomes"
    )
    service = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="outcomes"
    )
    author = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    promoted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its promotion began. Null: it was not promoted.",
    )
    resolved_at = models.DateTimeField(db_index=True)
    due_on = models.DateField(help_text="When its benefit is to be measured.")
    reopened_at = models.DateTimeField(null=True, blank=True)

    policy_version = models.PositiveIntegerField(null=True, blank=True)
    annual_cost = money("Predicted, a year.")
    benefit = money("Predicted, a year.")
    weighted_benefit = money("Predicted, a year, with the policy's weights.")
    repair_cost = money("Predicted, contingency included.")
    repair_days = ratio("Person-days, predicted.")
    roi = ratio("Predicted.")
    roi_p5 = ratio("Predicted: with 95 % chance it is higher.")
    roi_p95 = ratio("Predicted: with 95 % chance it is lower.")
    day_rate = ratio("Money per person-day when it was resolved; prices the actual days.")

    actual_days = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Person-days that the repair took.",
    )
    actual_cash = models.DecimalField(
        max_digits=18,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Money that was paid beside the work.",
    )
    actual_cost = money("Of the repair: days × day rate + cash. Null: not known.")

    # They follow from the readings.
    cost_before = money("A year, before the repair.")
    cost_after = money("A year, after the repair.")
    realised_benefit = money("A year: the cost before less the cost after. Null: not known yet.")
    is_measured = models.BooleanField(default=False, help_text="It is known and not estimated.")
    measured_at = models.DateTimeField(null=True, blank=True, help_text="When it became known.")

    objects = OutcomeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-resolved_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(reopened_at__isnull=True), name="outcome_one_valid"
            ),
            models.CheckConstraint(
                name="outcome_actual_days_in_range",
                condition=Q(actual_days__isnull=True)
                | Q(actual_days__gte=0, actual_days__lte=10**5),
                violation_error_message="Person-days lie between 0 and 100,000.",
            ),
            models.CheckConstraint(
                name="outcome_actual_cash_in_range",
                condition=Q(actual_cash__isnull=True)
                | Q(actual_cash__gte=0, actual_cash__lte=AMOUNT_LIMIT),
                violation_error_message="Cash lies between 0 and 10^12.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                "due_on",
                "id",
                name="outcome_due",
                condition=Q(reopened_at__isnull=True, realised_benefit__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"outcome {self.pk} of {self.item_id}"

    @property
    def state(self) -> OutcomeState:
        if self.reopened_at is not None:
            return OutcomeState.REOPENED
        if self.realised_benefit is not None:
            return OutcomeState.MEASURED
        return OutcomeState.DUE if self.due_on <= timezone.localdate() else OutcomeState.WAITING

    @property
    def days_to_resolve(self) -> float | None:
        """From promotion to resolved; None where it was not promoted."""
        if self.promoted_at is None:
            return None
        return max(0.0, (self.resolved_at - self.promoted_at).total_seconds() / 86_400)

    @property
    def resolved_on(self) -> date:
        return timezone.localtime(self.resolved_at).date()

    @property
    def benefit_ratio(self) -> float | None:
        """Realised / predicted benefit."""
        return _ratio(self.realised_benefit, self.benefit)

    @property
    def cost_ratio(self) -> float | None:
        """Actual / predicted cost of the repair."""
        return _ratio(self.actual_cost, self.repair_cost)

    @property
    def realised_cost(self) -> Any:
        """Of the repair: the actual cost, or the predicted one as long as that is not entered."""
        return self.repair_cost if self.actual_cost is None else self.actual_cost

    @property
    def realised_roi(self) -> float | None:
        return _ratio(self.realised_benefit, self.realised_cost)

    @property
    def money_roi(self) -> float | None:
        """Predicted, without weights: what the realised one is to be compared with."""
        return _ratio(self.benefit, self.repair_cost)


def _ratio(part: Any, whole: Any) -> float | None:
    return None if part is None or whole is None or whole <= 0 else float(part / whole)


# An item's share in failure scenarios is predicted beside its impacts, and read in the same way.
SCENARIO = "scenario"
PART_KINDS = [*ImpactKind.choices, (SCENARIO, "Failure scenarios")]


class OutcomeImpact(models.Model):
    """One impact as it was when the item was resolved: edits of the item do not reach it.

    The last one may be its share of failure scenarios.
    """

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE, related_name="impacts")
    number = models.PositiveSmallIntegerField(help_text="Counts from 1, in the item's order.")
    kind = models.CharField(max_length=10, choices=PART_KINDS)
    note = models.CharField(max_length=300, blank=True)
    unit_price = ratio("What a unit was predicted to cost.")
    annual_cost = money("Predicted, a year. Null: it was not priced.")
    benefit = money("Predicted, a year.")

    class Meta:
        ordering: ClassVar = ["outcome", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["outcome", "number"], name="outcomeimpact_once"),
            known_words("outcomeimpact", "kind", [kind for kind, _ in PART_KINDS]),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.kind}"


class Side(models.TextChoices):
    BEFORE = "before", _("Before the repair")
    AFTER = "after", _("After the repair")


class ReadingGrade(models.TextChoices):
    MEASURED = Grade.MEASURED.value, Grade.MEASURED.label
    ESTIMATED = Grade.ESTIMATED.value, Grade.ESTIMATED.label


class OutcomeReading(models.Model):
    """What an impact, or the whole item, has cost in a period before or after the repair."""

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE, related_name="readings")
    impact = models.ForeignKey(
        OutcomeImpact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="readings",
        help_text="Empty: of the whole item.",
    )
    side = models.CharField(max_length=6, choices=Side)
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="The last day that belongs to it.")
    amount = models.DecimalField(
        max_digits=20, decimal_places=2, help_text="Money in this period, not a year."
    )
    frequency = ratio("Counted in this period, not a year.")
    share = ratio("0 to 1.")
    magnitude = ratio("Milliseconds or minutes.")
    unit_price = ratio("Money per unit.")
    grade = models.CharField(max_length=9, choices=ReadingGrade)
    note = models.CharField(max_length=300, blank=True)
    entered_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    entered_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-side", "starts_on", "pk"]
        constraints: ClassVar = [
            known_words("outcomereading", "side", Side.values),
            known_words("outcomereading", "grade", ReadingGrade.values),
            models.CheckConstraint(
                name="outcomereading_ends_after_start",
                condition=Q(ends_on__gte=models.F("starts_on")),
            ),
            models.CheckConstraint(
                name="outcomereading_amount_in_range",
                condition=Q(amount__gte=0, amount__lte=AMOUNT_LIMIT),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side}: {self.amount}"

    @property
    def period_days(self) -> int:
        return (self.ends_on - self.starts_on).days + 1
