"""Failure scenarios: what several debts cause together, and what each is to it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .estimate import order_constraint, within
from .price import AMOUNT_LIMIT, Grade
from .words import known_words

# Scoring is exact for so many members, and nobody has thought through more of them.
MOST_MEMBERS = 200


def loss_point(help_text: str) -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        max_digits=18, decimal_places=2, null=True, blank=True, help_text=help_text
    )


class FailureScenario(models.Model):
    """An event that loses money while its members are open; see scoring.scenarios for how much.

    A rate or a loss that nobody knows is null: then its members have no share of it.
    """

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True, help_text="What happens, and how it is known.")
    trigger_rate = models.FloatField(
        null=True, blank=True, help_text="Events a year that set it off. Empty is unknown."
    )
    loss_low = loss_point("Money lost in one event, at least.")
    loss_likely = loss_point("Money lost in one event, most likely.")
    loss_high = loss_point("Money lost in one event, at most.")
    grade = models.CharField(max_length=9, choices=Grade, default=Grade.ESTIMATED)
    source = models.CharField(max_length=300, blank=True, help_text="Who says so, and when.")
    revision = models.PositiveIntegerField(default=1, help_text="Counts its changes.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            known_words("failurescenario", "grade", Grade.values),
            models.CheckConstraint(
                name="failurescenario_name_not_blank",
                condition=~Q(name=""),
                violation_error_message="A scenario needs a name.",
            ),
            models.CheckConstraint(
                name="failurescenario_rate_in_range",
                condition=Q(trigger_rate__isnull=True)
                | Q(trigger_rate__gte=0, trigger_rate__lte=1e9),
                violation_error_message="A trigger rate lies between 0 and 10^9 events a year.",
            ),
            models.CheckConstraint(
                name="failurescenario_loss_in_range",
                condition=within("loss", 0, AMOUNT_LIMIT),
                violation_error_message="A loss lies between 0 and 10^12.",
            ),
            order_constraint("failurescenario", "loss"),
        ]

    def __str__(self) -> str:
        return self.name


class MemberRole(models.TextChoices):
    """The order is that of scoring.ROLES."""

    GATE = "gate", _("Gate")
    ALTERNATIVE = "alternative", _("Alternative")
    AMPLIFIER = "amplifier", _("Amplifier")


class ScenarioMember(models.Model):
    """A debt's part in a scenario.

    All gates must be open for it to happen; of each group of alternatives one open member keeps
    it alive; each open amplifier adds its probability.
    """

    scenario = models.ForeignKey(FailureScenario, on_delete=models.CASCADE, related_name="members")
    item = models.ForeignKey("DebtItem", on_delete=models.CASCADE, related_name="scenario_members")
    role = models.CharField(max_length=11, choices=MemberRole)
    group = models.CharField(
        max_length=40, blank=True, help_text="Of an alternative: which members replace each other."
    )
    probability = models.FloatField(
        null=True, blank=True, help_text="Of an amplifier: 0 to 1, what it adds to the chance."
    )
    effectiveness = models.FloatField(
        default=1, help_text="What the repair takes away of this part, 0 to 1."
    )

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_words("scenariomember", "role", MemberRole.values),
            models.UniqueConstraint(
                fields=["scenario", "item"],
                name="scenariomember_once",
                violation_error_message="The debt is in this scenario already.",
            ),
            models.CheckConstraint(
                name="scenariomember_group_of_alternatives",
                condition=Q(role=MemberRole.ALTERNATIVE) & ~Q(group="")
                | ~Q(role=MemberRole.ALTERNATIVE) & Q(group=""),
                violation_error_message="An alternative needs a group; other roles have none.",
            ),
            models.CheckConstraint(
                name="scenariomember_probability_of_amplifiers",
                # NOT NULL by itself: a check that comes to NULL counts as kept.
                condition=Q(
                    role=MemberRole.AMPLIFIER,
                    probability__isnull=False,
                    probability__gte=0,
                    probability__lte=1,
                )
                | ~Q(role=MemberRole.AMPLIFIER) & Q(probability__isnull=True),
                violation_error_message="An amplifier needs a probability from 0 to 1;"
                " other roles have none.",
            ),
            models.CheckConstraint(
                name="scenariomember_effectiveness_in_range",
                condition=Q(effectiveness__gte=0, effectiveness__lte=1),
                violation_error_message="Effectiveness lies between 0 and 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.item_id} of scenario {self.scenario_id}"
