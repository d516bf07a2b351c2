"""What scoring says: runs, the score of each item, its changes, marks for ranks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Self, cast

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from .job import Job, JobState


class ScoringRun(Job):
    """One scoring of the whole portfolio: asked for, under way, or over."""

    policy = models.ForeignKey(
        "ScoringPolicy", on_delete=models.PROTECT, null=True, blank=True, related_name="runs"
    )
    items = models.PositiveBigIntegerField(default=0, help_text="Open items scored.")
    changed = models.PositiveBigIntegerField(default=0, help_text="Scores that moved.")
    promoted = models.PositiveBigIntegerField(default=0, help_text="New backlog entries.")
    withdrawn = models.PositiveBigIntegerField(default=0, help_text="Entries taken back.")
    annual_cost = models.DecimalField(
        max_digits=24, decimal_places=2, null=True, blank=True, help_text="Of the portfolio."
    )
    seconds = models.JSONField(default=dict, blank=True, help_text="Seconds of each stage.")

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["state"],
                condition=Q(state=JobState.RUNNING),
                name="scoringrun_one_running",
            ),
            models.UniqueConstraint(
                fields=["state"],
                condition=Q(state=JobState.QUEUED),
                name="scoringrun_one_queued",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class ScoreState(models.TextChoices):
    PRICED = "priced", _("Priced")
    NEEDS_ESTIMATE = "needs_estimate", _("Needs an effort estimate")
    UNPRICED = "unpriced", _("Not priced")


class Priority(models.TextChoices):
    P0 = "P0", "P0"
    P1 = "P1", "P1"
    P2 = "P2", "P2"
    P3 = "P3", "P3"


class PriorityReason(models.TextChoices):
    """Why a priority is what it is; the words of scoring.PRIORITY_REASONS."""

    GATE = "gate", _("An expensive failure scenario needs it")
    BUDGET = "budget", _("It uses up much of an error budget")
    COST = "cost", _("It costs much of what all debts cost")
    PRICED = "priced", _("It is priced, and smaller")
    UNPRICED = "unpriced", _("Nobody has said what it costs")
    NEGLIGIBLE = "negligible", _("It costs next to nothing")
    BURN = "burn", _("An error budget that it threatens has lost a week's worth within three days")


# Where the two states without an ROI stand in the ranking: below every ROI, in this order.
# A filter by state is therefore a range of the index, at any size of the portfolio.
NEEDS_ESTIMATE_SORT = -1e307
UNPRICED_SORT = -1e308
# For the order by yearly cost: below every cost.
NO_COST_SORT = Decimal(-(10**17))
SORT_COST = Coalesce("annual_cost", Value(NO_COST_SORT))
# For the order by the published ROI, which for debts in failure scenarios is that of their share.
SORT_SHARE = Coalesce("roi", Value(UNPRICED_SORT))


class ScoreQuerySet(models.QuerySet["Score"]):
    def ranked(self) -> Self:
        """Open items by the ROI that decides, the best first, those without an ROI last."""
        return self.filter(is_open=True).order_by("-sort_roi", "item_id")

    def in_state(self, state: str) -> Self:
        if state == ScoreState.PRICED:
            return self.filter(sort_roi__gt=NEEDS_ESTIMATE_SORT)
        sort = NEEDS_ESTIMATE_SORT if state == ScoreState.NEEDS_ESTIMATE else UNPRICED_SORT
        return self.filter(sort_roi=sort)

    def with_sort_cost(self) -> Self:
        return self.annotate(sort_cost=SORT_COST)

    def with_sort_share(self) -> Self:
        return self.annotate(sort_share=SORT_SHARE)

    def with_item(self) -> Self:
        """With the details of the item, as DebtItemQuerySet.with_details."""
        return self.select_related("item__service", "item__team", "item__author").prefetch_related(
            "item__impacts__guarantee__contract"
        )

    def with_rank(self) -> Self:
        """Add rank, 1 for the best; null without an ROI.

        A mark stands at every few hundredth place; counting goes on from the nearest one, so the
        price of a rank does not depend on the size of the portfolio. Between two runs an edit can
        make it off by the number of edits.
        """
        not_below = Q(sort_roi__gt=OuterRef("sort_roi")) | Q(
            sort_roi=OuterRef("sort_roi"), item_id__lte=OuterRef("item_id")
        )
        # The bounds that not_below implies are said again: an OR is no range of an index.
        marks = RankMark.objects.filter(not_below, sort_roi__gte=OuterRef("sort_roi")).order_by(
            "sort_roi", "-item_id"
        )
        above = (
            Score.objects.filter(
                not_below,
                is_open=True,
                sort_roi__gte=OuterRef("sort_roi"),
                sort_roi__lte=OuterRef("mark_roi"),
            )
            .exclude(sort_roi=OuterRef("mark_roi"), item_id__lt=OuterRef("mark_item"))
            .order_by()
            .annotate(one=Value(1))
            .values("one")
            .annotate(n=Count("*"))
            .values("n")
        )
        return self.annotate(
            mark_rank=Coalesce(Subquery(marks.values("rank")[:1]), 1),
            mark_roi=Coalesce(Subquery(marks.values("sort_roi")[:1]), Value(1e308)),
            mark_item=Coalesce(Subquery(marks.values("item_id")[:1]), 0),
        ).annotate(
            rank=models.Case(
                models.When(
                    sort_roi__gt=NEEDS_ESTIMATE_SORT,
                    then=F("mark_rank") + Coalesce(Subquery(above), 0) - 1,
                ),
                default=None,
                output_field=models.BigIntegerField(),
            )
        )


class Score(models.Model):
    """The published score of an item. Money per year in the installation's currency.

    There is a row for every item, also for those without an ROI. team, service and is_open
    repeat what the item says so that the ranking is one range of one index. There is no foreign
    key in the database: it would cost more than the rest of a run's writing, and items are
    never deleted while the product runs.
    """

    item = models.OneToOneField(
        "DebtItem",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="score",
        db_constraint=False,
    )
    team = models.ForeignKey(
        "Team",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    service = models.ForeignKey(
        "Service",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    is_open = models.BooleanField(default=True)
    sort_roi = models.FloatField(help_text="deciding_roi, or where those without one stand.")

    state = models.CharField(max_length=14, choices=ScoreState)
    annual_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    scenario_cost = models.DecimalField(
        max_digits=20,
        decimal_places=2,
        null=True,
        help_text="Its shares of failure scenarios, within annual_cost. Null: it is in none.",
    )
    benefit = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    weighted_benefit = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    repair_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    roi = models.FloatField(null=True, help_text="With its shares of failure scenarios.")
    deciding_roi = models.FloatField(
        null=True,
        help_text="By which it is promoted or not: in scenarios of what is left to gain, else roi.",
    )
    money_roi = models.FloatField(null=True)
    payback_days = models.FloatField(null=True)
    breaking_point_years = models.FloatField(null=True)
    roi_p5 = models.FloatField(null=True)
    roi_p50 = models.FloatField(null=True)
    roi_p95 = models.FloatField(null=True)
    confidence = models.FloatField(null=True, help_text="P(ROI > threshold), 0 to 1.")
    budget_share = models.FloatField(null=True, help_text="Of the error budget a year.")
    priority = models.CharField(max_length=2, choices=Priority, blank=True)
    priority_reason = models.CharField(
        max_length=10, choices=PriorityReason, blank=True, default=""
    )
    promotes = models.BooleanField(
        default=False, help_text="deciding_roi above the policy's threshold."
    )
    is_rough = models.BooleanField(
        default=False, help_text="So much of it is guessed that it deserves two digits."
    )
    unpriced_impacts = models.PositiveSmallIntegerField(default=0)

    policy_version = models.PositiveIntegerField()
    revision = models.PositiveIntegerField(help_text="The item's revision that was scored.")
    fingerprint = models.BigIntegerField(help_text="Of all the numbers above.")
    price_fingerprint = models.BigIntegerField(help_text="Of the prices that went in.")
    input_fingerprint = models.BigIntegerField(
        default=0, help_text="Of all that its uncertainty follows from."
    )
    run = models.ForeignKey(
        ScoringRun,
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    scored_at = models.DateTimeField()

    objects = ScoreQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                F("sort_roi").desc(), "item", name="score_by_roi", condition=Q(is_open=True)
            ),
            models.Index(
                "team",
                F("sort_roi").desc(),
                "item",
                name="score_by_team",
                condition=Q(is_open=True),
            ),
            models.Index(
                "service",
                F("sort_roi").desc(),
                "item",
                name="score_by_service",
                condition=Q(is_open=True),
            ),
            models.Index(SORT_COST.desc(), "item", name="score_by_cost", condition=Q(is_open=True)),
            models.Index(
                SORT_SHARE.desc(), "item", name="score_by_share", condition=Q(is_open=True)
            ),
        ]

    def __str__(self) -> str:
        return f"score of {self.item_id}"

    @property
    def is_apart(self) -> bool:
        """Whether the ROI that decides is another number than the published one."""
        return self.deciding_roi != self.roi

    @property
    def deciding_benefit(self) -> Decimal | None:
        """What the repair saves a year, weighted, by the ROI that decides."""
        if not self.is_apart or self.repair_cost is None or self.deciding_roi is None:
            return self.weighted_benefit
        return self.repair_cost * Decimal(repr(self.deciding_roi))


class Cause(models.TextChoices):
    """Why a score moved."""

    INPUT = "input", _("The item was changed")
    PRICE = "price", _("A price or day rate was changed")
    CATALOG = "catalog", _("The service or team was changed")
    WEIGHT = "weight", _("A guarantee's weight was changed")
    SCENARIO = "scenario", _("A failure scenario was changed")
    POLICY = "policy", _("Another policy version")
    PORTFOLIO = "portfolio", _("The debts beside it were changed")
    MEASURED = "measured", _("An SLO was measured")
    BURN = "burn", _("An error budget began or ceased to burn")
    BACKLOG = "backlog", _("A debt beside it was promoted or taken back")


class TwoRois:
    """Of what moved: its ROI before and after, by share and the one that decides."""

    old_roi: Any
    new_roi: Any
    old_deciding_roi: Any
    new_deciding_roi: Any

    @property
    def old_decides(self) -> float | None:
        """What decided; where that was not kept yet, the ROI by share."""
        return cast(
            "float | None", self.old_roi if self.old_deciding_roi is None else self.old_deciding_roi
        )

    @property
    def new_decides(self) -> float | None:
        return cast(
            "float | None", self.new_roi if self.new_deciding_roi is None else self.new_deciding_roi
        )

    @property
    def is_apart(self) -> bool:
        """Whether what decides was or became another number than the ROI by share."""
        return self.old_decides != self.old_roi or self.new_decides != self.new_roi


class ScoreChange(TwoRois, models.Model):
    """A score that moved. The first score of an item is no change."""

    item = models.ForeignKey(
        "DebtItem", on_delete=models.CASCADE, related_name="score_changes", db_constraint=False
    )
    run = models.ForeignKey(
        ScoringRun, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    cause = models.CharField(max_length=9, choices=Cause)
    policy_version = models.PositiveIntegerField()
    old_state = models.CharField(max_length=14, choices=ScoreState)
    new_state = models.CharField(max_length=14, choices=ScoreState)
    old_roi = models.FloatField(null=True)
    new_roi = models.FloatField(null=True)
    # Null in old rows: it was not kept.
    old_deciding_roi = models.FloatField(null=True)
    new_deciding_roi = models.FloatField(null=True)
    old_annual_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    new_annual_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    old_repair_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    new_repair_cost = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    old_priority = models.CharField(max_length=2, blank=True)
    new_priority = models.CharField(max_length=2, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.old_roi} → {self.new_roi}"


class RankMark(models.Model):
    """The item that stood at a rank when the last run was published; see with_rank."""

    rank = models.PositiveBigIntegerField(primary_key=True)
    sort_roi = models.FloatField()
    item_id = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [models.Index("sort_roi", "item_id", name="rankmark_by_roi")]

    def __str__(self) -> str:
        return f"rank {self.rank}"
