"""`findings/`: compliance gaps, with their owner and their age."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import mixins, serializers

from debtreg.api.base import NounViewSet
from debtreg.api.pages import SlugFilter
from debtreg.models import Finding, FindingKind, Team


class GapSerializer(serializers.Serializer):
    """Something about a promise that a person should put right."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=FindingKind.choices)
    subject = serializers.CharField(help_text="What it is about.")
    contract = serializers.CharField(
        source="contract.reference", default=None, allow_null=True, help_text="Reference."
    )
    guarantee = serializers.IntegerField(source="guarantee_id", allow_null=True)
    slo = serializers.CharField(
        source="slo.name", default=None, allow_null=True, help_text="Name of an SLO."
    )
    team = serializers.CharField(
        source="team.slug", default=None, allow_null=True, help_text="Who has to put it right."
    )
    text = serializers.CharField(help_text="What is wrong, with the numbers.")
    hint = serializers.CharField(help_text="What to do next.")
    opened_at = serializers.DateTimeField(help_text="Since when it is known.")
    age_days = serializers.SerializerMethodField(help_text="Whole days, until it was closed.")
    closed_at = serializers.DateTimeField(allow_null=True, help_text="null: it holds.")

    def get_age_days(self, row: Finding) -> int:
        return ((row.closed_at or timezone.now()) - row.opened_at).days


class GapFilter(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=FindingKind.choices)
    team = SlugFilter(Team, help_text="Slug of the owner, or `null` for none.")
    contract = django_filters.CharFilter(
        field_name="contract__reference", max_length=80, help_text="Reference, exactly."
    )
    open = django_filters.BooleanFilter(
        method="is_open", help_text="true: what holds; false: what was closed. By default all."
    )

    def is_open(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.filter(closed_at__isnull=value)


class GapViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, NounViewSet):
    """Compliance gaps, the oldest first. They open and close by themselves."""

    queryset = Finding.objects.select_related("contract", "team", "slo")
    serializer_class = GapSerializer
    filterset_class = GapFilter
    orderings: ClassVar = {
        "opened_at": ["opened_at", "pk"],
        "-opened_at": ["-opened_at", "-pk"],
    }
