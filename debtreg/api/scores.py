"""What scoring says of an item: `score`, and how it came to be so (`history/`)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from rest_framework import mixins, serializers

from debtreg.api.base import NounViewSet
from debtreg.api.fields import Choice, MoneyField, RatioField
from debtreg.api.pages import KeysetPagination
from debtreg.errors import NotFound
from debtreg.models import (
    Cause,
    DebtItem,
    Priority,
    PriorityReason,
    Score,
    ScoreChange,
    ScoreState,
    pk_of,
)


class ScoreSerializer(serializers.Serializer):
    """Money in the installation's currency; what is not known is null, never 0."""

    state = serializers.ChoiceField(choices=ScoreState.choices, read_only=True)
    annual_cost = MoneyField(help_text="Money per year while the debt is there.")
    benefit = MoneyField(help_text="Money per year that repair saves.")
    weighted_benefit = MoneyField(help_text="As benefit, with the policy's weights.")
    repair_cost = MoneyField(help_text="Money for the repair.")
    roi = RatioField(
        help_text="Ratio: weighted benefit of 12 months / repair cost; in failure scenarios by its"
        " share of them."
    )
    deciding_roi = RatioField(
        help_text="Ratio by which it is promoted or not: in failure scenarios of what is left to"
        " gain once all that is promoted is done, of a bundle together; else roi."
    )
    money_roi = RatioField(help_text="Ratio: benefit of 12 months / repair cost.")
    payback_days = RatioField(help_text="Days until the repair has paid for itself.")
    breaking_point_years = RatioField(help_text="Years until the debt has cost its repair.")
    roi_p5 = RatioField(help_text="Ratio; with 95 % chance the ROI is higher.")
    roi_p50 = RatioField(help_text="Ratio; the median.")
    roi_p95 = RatioField(help_text="Ratio; with 95 % chance the ROI is lower.")
    confidence = RatioField(help_text="Chance that the ROI is above the threshold, 0 to 1.")
    budget_share = RatioField(help_text="Share of the error budget a year; 0.25 means 25 %.")
    priority = Choice(
        Priority.choices, read_only=True, help_text="Impact on promises, separate from ROI."
    )
    rank = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="By deciding_roi, 1 for the best; null without one.",
    )
    priority_reason = Choice(
        PriorityReason.choices, read_only=True, help_text="Why it has this priority."
    )
    scenario_cost = MoneyField(
        help_text="Money per year, within annual_cost: its shares of failure scenarios."
    )
    promotes = serializers.BooleanField(
        read_only=True, help_text="deciding_roi is above the policy's threshold."
    )
    unpriced_impacts = serializers.IntegerField(
        read_only=True, help_text="Impacts that lack a number and count for nothing."
    )
    policy_version = serializers.IntegerField(read_only=True)
    scored_at = serializers.DateTimeField(read_only=True)


class ScorePointSerializer(serializers.Serializer):
    """A score at one time, in short."""

    state = serializers.ChoiceField(choices=ScoreState.choices)
    roi = RatioField(help_text="Ratio, by its share of failure scenarios.")
    deciding_roi = RatioField(
        help_text="Ratio by which it is promoted or not; null also where it was not kept yet."
    )
    annual_cost = MoneyField(help_text="Money per year.")
    repair_cost = MoneyField(help_text="Money.")
    priority = Choice(Priority.choices)


FIRST = ("first", "The first score")


class ChangeSerializer(serializers.Serializer):
    """A score that moved, and why."""

    at = serializers.DateTimeField(
        allow_null=True, help_text="null for the first score once it has moved."
    )
    cause = serializers.ChoiceField(choices=[*Cause.choices, FIRST])
    run = serializers.IntegerField(
        allow_null=True, help_text="The scoring run; null where an edit was scored at once."
    )
    policy_version = serializers.IntegerField(allow_null=True)
    old = ScorePointSerializer(allow_null=True, help_text="null for the first score.")
    new = ScorePointSerializer()


_POINT = ("state", "roi", "deciding_roi", "annual_cost", "repair_cost", "priority")


class HistoryViewSet(mixins.ListModelMixin, NounViewSet):
    """How the score of an item moved, the latest first, down to its first score."""

    queryset = ScoreChange.objects.all()
    serializer_class = ChangeSerializer
    orderings: ClassVar = {"-at": ["-at", "-pk"]}
    lookup_field = "key"

    def get_queryset(self) -> QuerySet[ScoreChange]:
        return ScoreChange.objects.filter(item_id=item_pk(self.kwargs["key"]))

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        changes = super().paginate_queryset(queryset) or []
        rows = [_change(row) for row in changes]
        is_last = cast(KeysetPagination, self.paginator).page.next is None
        return rows + _first_score(item_pk(self.kwargs["key"])) if is_last else rows


def item_pk(key: str) -> int:
    """The number of an item that is there. Raises NotFound."""
    pk = pk_of(key)
    if pk is None or not DebtItem.objects.filter(pk=pk).exists():
        raise NotFound(f"There is no debt item {key}.", hint="Look it up in the ranking.")
    return pk


def _change(row: ScoreChange) -> dict[str, Any]:
    return {
        "at": row.at,
        "cause": row.cause,
        "run": row.run_id,
        "policy_version": row.policy_version,
        "old": {name: getattr(row, f"old_{name}") for name in _POINT},
        "new": {name: getattr(row, f"new_{name}") for name in _POINT},
    }


def _first_score(pk: int) -> list[dict[str, Any]]:
    """The score before any change: the changes begin with it, or it is still the score."""
    score = Score.objects.filter(pk=pk).first()
    if score is None:
        return []
    earliest = ScoreChange.objects.filter(item_id=pk).order_by("at", "pk").first()
    return [
        {
            "at": None if earliest else score.scored_at,
            "cause": FIRST[0],
            "run": None,
            "policy_version": None if earliest else score.policy_version,
            "old": None,
            "new": {
                name: getattr(earliest, f"old_{name}") if earliest else getattr(score, name)
                for name in _POINT
            },
        }
    ]
