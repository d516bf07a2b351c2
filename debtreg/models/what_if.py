"""What a version of the policy would move: asked for, worked out, kept beside the real scores."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from .job import Job, JobState
from .score import TwoRois

OPEN = (JobState.QUEUED, JobState.RUNNING)


class WhatIf(Job):
    """The whole portfolio scored under a version and compared with the one in force.

    Nothing of it is published.
    """

    policy = models.ForeignKey("ScoringPolicy", on_delete=models.PROTECT, related_name="what_ifs")
    base = models.ForeignKey(
        "ScoringPolicy",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What it was compared with: the version in force at that time.",
    )
    items = models.PositiveBigIntegerField(default=0, help_text="Open items scored.")
    moved = models.PositiveBigIntegerField(default=0, help_text="Scores that would move.")
    roi_up = models.PositiveBigIntegerField(default=0)
    roi_down = models.PositiveBigIntegerField(default=0)
    newly_above = models.PositiveBigIntegerField(default=0, help_text="ROI above the threshold.")
    no_longer_above = models.PositiveBigIntegerField(default=0)
    priority_changed = models.PositiveBigIntegerField(default=0)
    promoted = models.PositiveBigIntegerField(default=0, help_text="New backlog entries.")
    withdrawn = models.PositiveBigIntegerField(default=0, help_text="Entries taken back.")
    totals = models.JSONField(
        default=dict, blank=True, help_text="before, after -> sums of money over all items."
    )

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["policy"], condition=Q(state__in=OPEN), name="whatif_one_open_of_a_version"
            ),
            # Each holds the portfolio twice in memory.
            models.UniqueConstraint(
                fields=["state"], condition=Q(state=JobState.RUNNING), name="whatif_one_running"
            ),
        ]

    def __str__(self) -> str:
        return f"what {self.policy} would move"


class Mover(TwoRois, models.Model):
    """A debt that would move much. Place 1 is the first to look at."""

    what_if = models.ForeignKey(WhatIf, on_delete=models.CASCADE, related_name="movers")
    place = models.PositiveSmallIntegerField()
    item = models.ForeignKey("DebtItem", on_delete=models.CASCADE, related_name="+")
    old_roi = models.FloatField(null=True)
    new_roi = models.FloatField(null=True)
    # What decides: in failure scenarios what is left to gain, else the same.
    old_deciding_roi = models.FloatField(null=True)
    new_deciding_roi = models.FloatField(null=True)
    old_priority = models.CharField(max_length=2, blank=True)
    new_priority = models.CharField(max_length=2, blank=True)
    was_promoted = models.BooleanField(help_text="Is in the backlog.")
    is_promoted = models.BooleanField(help_text="Would be in the backlog.")

    class Meta:
        ordering: ClassVar = ["place"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["what_if", "place"], name="mover_one_at_a_place")
        ]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.old_roi} → {self.new_roi}"
