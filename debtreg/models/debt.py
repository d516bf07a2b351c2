"""Debt items, what they cost (impacts), and which must be repaired first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from debtreg.blank import is_blank

from .estimate import order_constraint, points, within
from .price import AMOUNT_LIMIT, Grade, ImpactKind, money_point
from .words import known_words


class DebtStatus(models.TextChoices):
    OPEN = "open", _("Open")
    DOING = "doing", _("In progress")
    DONE = "done", _("Resolved")
    ACCEPTED = "accepted", _("Accepted")


class Confidence(models.TextChoices):
    """How sure the effort estimate is; the policy adds a contingency for each class."""

    NONE = "", _("Not stated")
    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")


class EffortUnit(models.TextChoices):
    PERSON_DAY = "person_day", _("Person-days")
    HOUR = "hour", _("Hours")
    STORY_POINT = "story_point", _("Story points")


KEY_PREFIX = "DEBT-"


def pk_of(key: str) -> int | None:
    """DEBT-12 -> 12; None for anything else, so that a wrong key is simply not found."""
    digits = key.upper().removeprefix(KEY_PREFIX)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


class DebtItemQuerySet(models.QuerySet["DebtItem"]):
    def open(self) -> Self:
        """What still costs money: everything that is not resolved."""
        return self.exclude(status=DebtStatus.DONE)

    def with_details(self) -> Self:
        """What a page or an answer of the API shows of an item, in a fixed number of queries."""
        return self.select_related("service", "team", "author", "score").prefetch_related(
            "impacts__guarantee__contract"
        )

    def named(self, text: str) -> Self:
        """Items whose title or outside reference contains the text, in any case."""
        return self.filter(Q(title__icontains=text) | Q(ledger_id__iexact=text))

    def called(self, names: Iterable[str]) -> dict[str, list[int]]:
        """Name -> the items that it may mean: by key, by outside reference, by a ledger's id."""
        pks = {name: pk_of(name) if name.upper().startswith(KEY_PREFIX) else None for name in names}
        rows = list(
            self.filter(
                Q(pk__in=[pk for pk in pks.values() if pk is not None])
                | Q(external_ref__in=pks)
                | Q(ledger_id__in=pks)
            ).values_list("pk", "external_ref", "ledger_id")
        )
        there = {row[0] for row in rows}
        found = {name: {own} if own and own in there else set() for name, own in pks.items()}
        for pk, *others in rows:
            for name in found.keys() & set(others):
                found[name].add(pk)
        return {name: sorted(several) for name, several in found.items()}


class DebtItem(models.Model):
    """A known shortcut in one service. What it costs is in Score, written by scoring only."""

    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=80, blank=True)
    service = models.ForeignKey(
        "Service", on_delete=models.PROTECT, null=True, blank=True, related_name="debt_items"
    )
    team = models.ForeignKey(
        "Team",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="debt_items",
        help_text="Who repairs it: the service's team unless stated otherwise.",
    )
    status = models.CharField(max_length=8, choices=DebtStatus, default=DebtStatus.OPEN)

    effort_low = models.FloatField(null=True, blank=True, help_text="At least.")
    effort_likely = models.FloatField(null=True, blank=True, help_text="Most likely.")
    effort_high = models.FloatField(null=True, blank=True, help_text="At most.")
    effort_unit = models.CharField(max_length=11, choices=EffortUnit, default=EffortUnit.PERSON_DAY)
    cash = models.DecimalField(
        max_digits=18,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0)],
        help_text="Money to be paid for the repair beside the work.",
    )
    confidence = models.CharField(
        max_length=6, choices=Confidence, default=Confidence.NONE, blank=True
    )

    author = models.ForeignKey(
        "User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who logged it. Null: not known.",
    )
    owner = models.CharField(max_length=120, blank=True)
    tags = models.JSONField(default=list, blank=True)
    plan = models.TextField(blank=True, help_text="How it is to be repaired.")
    stated_priority = models.CharField(
        max_length=2, blank=True, help_text="P0 to P3 as somebody stated it."
    )
    created_on = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)
    external_ref = models.CharField(
        max_length=300, null=True, blank=True, unique=True, help_text="Its key elsewhere."
    )
    ledger_id = models.CharField(
        max_length=120, blank=True, help_text="What its ledger calls it; need not be unique."
    )

    pinned = models.BooleanField(default=False, help_text="Promoted whatever its ROI.")
    veto_reason = models.TextField(blank=True)
    veto_until = models.DateField(null=True, blank=True, help_text="Empty: until lifted.")
    accept_reason = models.TextField(blank=True)
    accept_until = models.DateField(null=True, blank=True)

    revision = models.PositiveIntegerField(default=1, help_text="Counts the changes of the item.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    prerequisites = models.ManyToManyField(
        "self", through="Prerequisite", symmetrical=False, related_name="dependents"
    )

    objects = DebtItemQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="debtitem_title_not_blank",
                condition=~Q(title=""),
                violation_error_message="A debt item needs a title.",
            ),
            known_words("debtitem", "status", DebtStatus.values),
            known_words("debtitem", "effort_unit", EffortUnit.values),
            known_words("debtitem", "confidence", Confidence.values),
            models.CheckConstraint(
                name="debtitem_effort_in_range",
                condition=within("effort", 0, 1e6),
                violation_error_message="Repair effort lies between 0 and 1,000,000.",
            ),
            order_constraint("debtitem", "effort"),
            models.CheckConstraint(
                name="debtitem_cash_in_range",
                condition=Q(cash__gte=0, cash__lte=AMOUNT_LIMIT),
                violation_error_message="Cash for the repair lies between 0 and 10^12.",
            ),
            models.CheckConstraint(
                name="debtitem_external_ref_not_blank",
                condition=Q(external_ref__isnull=True) | ~Q(external_ref=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.title}"

    def clean(self) -> None:
        if is_blank(self.title):
            raise ValidationError({"title": "A debt item needs a title that can be seen."})

    @property
    def key(self) -> str:
        return f"{KEY_PREFIX}{self.pk}"

    def is_vetoed(self, on: date) -> bool:
        return bool(self.veto_reason) and (self.veto_until is None or self.veto_until >= on)

    def is_accepted(self, on: date) -> bool:
        is_over = self.accept_until is not None and self.accept_until < on
        return self.status == DebtStatus.ACCEPTED and not is_over


def factor(help_text: str) -> models.FloatField[Any, Any]:
    return models.FloatField(null=True, blank=True, help_text=help_text)


FACTORS = ("frequency", "share", "magnitude", "unit_price")


class DebtImpact(models.Model):
    """One way in which an item costs money: frequency x share x magnitude x unit price a year.

    What each factor means depends on the kind. Empty factors take the service's traffic or the
    price book, or stay unknown; then the impact is unpriced and counts for nothing, not for 0.
    """

    item = models.ForeignKey(DebtItem, on_delete=models.CASCADE, related_name="impacts")
    kind = models.CharField(max_length=10, choices=ImpactKind)
    frequency_low = factor("Per year, at least.")
    frequency_likely = factor("Per year, most likely.")
    frequency_high = factor("Per year, at most.")
    share_low = factor("0 to 1, at least.")
    share_likely = factor("0 to 1, most likely.")
    share_high = factor("0 to 1, at most.")
    magnitude_low = factor("Milliseconds or minutes, at least.")
    magnitude_likely = factor("Milliseconds or minutes, most likely.")
    magnitude_high = factor("Milliseconds or minutes, at most.")
    unit_price_low = money_point("Money per unit, at least; empty: the price book.")
    unit_price_likely = money_point("Money per unit, most likely; empty: the price book.")
    unit_price_high = money_point("Money per unit, at most; empty: the price book.")
    currency = models.CharField(
        max_length=3, blank=True, help_text="Where it is not the installation's: unpriced."
    )
    effectiveness = models.FloatField(default=1, help_text="What repair takes away of it, 0 to 1.")
    guarantee = models.ForeignKey(
        "Guarantee", on_delete=models.SET_NULL, null=True, blank=True, related_name="impacts"
    )
    slo = models.ForeignKey(
        "Slo",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="impacts",
        help_text="Measures the frequency and the share that are left empty.",
    )
    slo_part = models.FloatField(
        default=1,
        db_default=1,
        help_text="Which part of the SLO's bad events the debt causes, 0 to 1.",
    )
    grade = models.CharField(max_length=9, choices=Grade, default=Grade.ESTIMATED)
    note = models.CharField(max_length=300, blank=True)
    stated_on = models.DateField(
        default=timezone.localdate, editable=False, help_text="Since when its numbers are these."
    )

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_words("debtimpact", "kind", ImpactKind.values),
            known_words("debtimpact", "grade", Grade.values),
            models.CheckConstraint(
                name="debtimpact_frequency_in_range",
                condition=within("frequency", 0, 1e15),
                violation_error_message="A frequency lies between 0 and 10^15 a year.",
            ),
            models.CheckConstraint(
                name="debtimpact_share_in_range",
                condition=within("share", 0, 1),
                violation_error_message="A share lies between 0 and 1: 0.03 is three in a hundred.",
            ),
            models.CheckConstraint(
                name="debtimpact_magnitude_in_range",
                condition=within("magnitude", 0, 1e12),
                violation_error_message="A magnitude lies between 0 and 10^12.",
            ),
            models.CheckConstraint(
                name="debtimpact_unit_price_not_negative",
                condition=Q(kind=ImpactKind.STATED) | within("unit_price", 0),
                violation_error_message="Only a stated yearly cost can be below 0.",
            ),
            models.CheckConstraint(
                name="debtimpact_unit_price_in_range",
                condition=within("unit_price", -AMOUNT_LIMIT, AMOUNT_LIMIT),
                violation_error_message="An amount lies between -10^12 and 10^12.",
            ),
            *(order_constraint("debtimpact", name) for name in FACTORS),
            models.CheckConstraint(
                name="debtimpact_effectiveness_in_range",
                condition=Q(effectiveness__gte=0, effectiveness__lte=1),
                violation_error_message="Effectiveness lies between 0 and 1.",
            ),
            models.CheckConstraint(
                name="debtimpact_slo_part_in_range",
                condition=Q(slo_part__gte=0, slo_part__lte=1),
                violation_error_message="A part of an SLO's bad events lies between 0 and 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {KEY_PREFIX}{self.item_id}"


IMPACT_POINTS = [column for name in FACTORS for column in points(name)]


class Prerequisite(models.Model):
    """`item` waits until `needs` is repaired."""

    item = models.ForeignKey(DebtItem, on_delete=models.CASCADE, related_name="needs_links")
    needs = models.ForeignKey(DebtItem, on_delete=models.CASCADE, related_name="needed_by_links")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["item", "needs"], name="prerequisite_once"),
            models.CheckConstraint(
                name="prerequisite_not_itself",
                condition=~Q(item=models.F("needs")),
                violation_error_message="An item can't wait for itself.",
            ),
        ]

    def __str__(self) -> str:
        return f"{KEY_PREFIX}{self.item_id} needs {KEY_PREFIX}{self.needs_id}"
