"""`iterations/`: spans of a team's work, and how much of them is taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import django_filters
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from rest_framework import serializers

from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Number, PlainField, Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import BacklogEntry, EntryState, Iteration, IterationState, Team


@examples.example("A sprint", examples.ITERATION)
class IterationSerializer(StrictModelSerializer):
    team = Slug(queryset=Team.objects.all(), help_text="Slug of the team.")
    name = Text(required=True, max_length=80)
    capacity_days = Number(
        high=99_999, places=1, help_text="Person-days set aside for repairs, in tenths."
    )
    taken_days = PlainField(help_text="Person-days that backlog entries take of it.")

    class Meta:
        model = Iteration
        fields: ClassVar = [
            *("id", "team", "name", "starts_on", "ends_on", "capacity_days", "taken_days", "state"),
            "plan_note",
        ]
        read_only_fields: ClassVar = ["plan_note"]
        validators: ClassVar[list[Any]] = []  # the action checks that the name is free


class IterationFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug of a team.")
    state = django_filters.ChoiceFilter(choices=IterationState.choices)


_TAKEN = (
    BacklogEntry.objects.filter(iteration=OuterRef("pk"))
    .exclude(state=EntryState.WITHDRAWN)
    .order_by()
    .values("iteration")
    .annotate(days=Sum("repair_days"))
    .values("days")
)


class IterationViewSet(CatalogViewSet):
    """Iterations of teams."""

    queryset = Iteration.objects.select_related("team").annotate(
        taken_days=Coalesce(Subquery(_TAKEN), Decimal(0))
    )
    serializer_class = IterationSerializer
    filterset_class = IterationFilter
    orderings: ClassVar = {
        "starts_on": ["starts_on", "pk"],
        "-starts_on": ["-starts_on", "-pk"],
    }

    def store(self, row: Any, serializer: serializers.BaseSerializer) -> Any:
        return self.queryset.get(pk=super().store(row, serializer).pk)
