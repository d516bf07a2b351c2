"""`ranking/`: open items by what their repair returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from debtreg import search
from debtreg.api.items import ItemListViewSet
from debtreg.api.pages import SlugFilter
from debtreg.models import (
    NEEDS_ESTIMATE_SORT,
    Priority,
    Score,
    ScoreState,
    Service,
    Team,
)
from debtreg.models.score import NO_COST_SORT


class RankingFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug, or `null` for items without a team.")
    service = SlugFilter(Service, help_text="Slug, or `null` for items without a service.")
    priority = django_filters.ChoiceFilter(choices=Priority.choices)
    state = django_filters.ChoiceFilter(choices=ScoreState.choices, method="in_state")
    min_roi = django_filters.NumberFilter(
        field_name="sort_roi",
        lookup_expr="gte",
        help_text="Least deciding_roi, a ratio; leaves out unscored items.",
    )
    q = django_filters.CharFilter(
        method="search",
        max_length=200,
        help_text=(
            "Words of the title, a key, and terms like `service:checkout`, `roi:>3`, `tag:legacy`:"
            f" all must hold. `-` in front turns a term round, `,` is or. Fields: "
            f"{', '.join(search.FIELDS)}."
        ),
    )

    def in_state(self, rows: Any, name: str, value: str) -> QuerySet[Any]:
        found: QuerySet[Any] = rows.in_state(value)
        return found

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        found = search.parse(value)
        if found.problems:
            raise ValidationError({"q": found.problems})
        return rows.filter(found.condition)


class RankingViewSet(ItemListViewSet):
    """The open items by the ROI that decides, or in another order; unscored ones come last.

    `roi` is the order by the published one, which for items in failure scenarios is that of their
    shares.
    """

    queryset = Score.objects.filter(is_open=True)
    filterset_class = RankingFilter
    orderings: ClassVar = {
        "-deciding_roi": ["-sort_roi", "item_id"],
        "deciding_roi": ["sort_roi", "-item_id"],
        "-roi": ["-sort_share", "item_id"],
        "roi": ["sort_share", "-item_id"],
        "-annual_cost": ["-sort_cost", "item_id"],
        "annual_cost": ["sort_cost", "-item_id"],
        "key": ["item_id"],
        "-key": ["-item_id"],
    }

    def parts(self, rows: QuerySet[Any], ordering: str) -> Sequence[QuerySet[Any]]:
        """Each order is that of an index, there or back; what has no number comes last."""
        if ordering.endswith("annual_cost"):
            rows = rows.with_sort_cost()  # type: ignore[attr-defined]
        if ordering in ("-roi", "roi"):
            rows = rows.with_sort_share()  # type: ignore[attr-defined]
        order = self.orderings[ordering]
        if ordering == "roi":
            unscored = rows.filter(roi=None)
            return [
                rows.filter(roi__isnull=False).order_by(*order),
                unscored.order_by("-sort_share", "item_id"),
            ]
        if ordering == "deciding_roi":
            unscored = rows.filter(sort_roi__lte=NEEDS_ESTIMATE_SORT)
            return [
                rows.filter(sort_roi__gt=NEEDS_ESTIMATE_SORT).order_by(*order),
                unscored.order_by("-sort_roi", "item_id"),
            ]
        if ordering == "annual_cost":
            unpriced = rows.filter(sort_cost=NO_COST_SORT)
            return [
                rows.filter(sort_cost__gt=NO_COST_SORT).order_by(*order),
                unpriced.order_by("-sort_cost", "item_id"),
            ]
        return [rows.order_by(*order)]
