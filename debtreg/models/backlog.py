"""Iterations of a team, and the debts that are promoted into its backlog."""

from __future__ import annotations

from typing import ClassVar, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words


class IterationState(models.TextChoices):
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")


class Iteration(models.Model):
    """A span of a team's work with room for debt repair, in person-days."""

    team = models.ForeignKey("Team", on_delete=models.PROTECT, related_name="iterations")
    name = models.CharField(max_length=80)
    starts_on = models.DateField()
    ends_on = models.DateField()
    capacity_days = models.DecimalField(
        max_digits=7,
        decimal_places=1,
        validators=[MinValueValidator(0)],
        help_text="Person-days set aside for repairs.",
    )
    state = models.CharField(max_length=6, choices=IterationState, default=IterationState.OPEN)
    plan_note = models.TextField(
        blank=True,
        default="",
        editable=False,
        help_text="What the last plan left out first, and what one more person-day would buy.",
    )

    class Meta:
        ordering: ClassVar = ["team", "starts_on", "pk"]
        constraints: ClassVar = [
            known_words("iteration", "state", IterationState.values),
            models.UniqueConstraint(
                fields=["team", "name"],
                name="iteration_name_once",
                violation_error_message="The team has an iteration of that name already.",
            ),
            models.CheckConstraint(
                name="iteration_ends_after_start",
                condition=Q(ends_on__gte=models.F("starts_on")),
                violation_error_message="An iteration ends on or after the day it starts.",
            ),
            models.CheckConstraint(
                name="iteration_capacity_not_negative",
                condition=Q(capacity_days__gte=0),
                violation_error_message="Capacity can't be below 0 person-days.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EntryState(models.TextChoices):
    UNSCHEDULED = "unscheduled", _("Waiting for room")
    PLANNED = "planned", _("Planned")
    STARTED = "started", _("Started")
    DONE = "done", _("Done")
    WITHDRAWN = "withdrawn", _("Taken back")


ACTIVE_STATES = [EntryState.UNSCHEDULED, EntryState.PLANNED, EntryState.STARTED]


class BacklogEntryQuerySet(models.QuerySet["BacklogEntry"]):
    def active(self) -> Self:
        return self.filter(state__in=ACTIVE_STATES)


class BacklogEntry(models.Model):
    """A promoted debt item, and why it was promoted."""

    item = models.ForeignKey("DebtItem", on_delete=models.CASCADE, related_name="entries")
    team = models.ForeignKey("Team", on_delete=models.PROTECT, related_name="entries")
    iteration = models.ForeignKey(
        Iteration, on_delete=models.SET_NULL, null=True, blank=True, related_name="entries"
    )
    state = models.CharField(max_length=11, choices=EntryState, default=EntryState.UNSCHEDULED)
    repair_days = models.DecimalField(
        max_digits=10,
        decimal_places=1,
        null=True,
        help_text="Person-days it takes of an iteration, in half days rounded up.",
    )
    roi = models.FloatField(null=True)
    marginal_roi = models.FloatField(null=True)
    reason = models.TextField(blank=True)
    displaced = models.JSONField(default=list, blank=True, help_text="Keys of what it displaced.")
    displaced_by = models.CharField(
        max_length=30, blank=True, default="", help_text="Key of what took its place."
    )
    policy_version = models.PositiveIntegerField()
    run = models.ForeignKey(
        "ScoringRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="entries"
    )
    promoted_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    pinned = models.BooleanField(
        default=False, help_text="A person has promoted it: it stays whatever its ROI."
    )
    placed = models.BooleanField(
        default=False, help_text="A person has put it where it is: runs leave it there."
    )
    placed_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    moved_back = models.TextField(
        blank=True, default="", help_text="Whose move a run had to undo, and why."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BacklogEntryQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        verbose_name_plural = "backlog entries"
        constraints: ClassVar = [
            known_words("backlogentry", "state", EntryState.values),
            models.UniqueConstraint(
                fields=["item"],
                condition=Q(state__in=ACTIVE_STATES),
                name="backlogentry_one_active",
                violation_error_message="The item is in the backlog already.",
            ),
            models.CheckConstraint(
                name="backlogentry_planned_has_iteration",
                condition=~Q(state=EntryState.PLANNED) | Q(iteration__isnull=False),
            ),
            models.CheckConstraint(
                name="backlogentry_unscheduled_has_none",
                condition=~Q(state=EntryState.UNSCHEDULED) | Q(iteration__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index("team", "state", name="entry_by_team"),
            models.Index(
                "team", "created_at", name="entry_by_age", condition=Q(state__in=ACTIVE_STATES)
            ),
        ]

    def __str__(self) -> str:
        return f"entry of {self.item_id}"
