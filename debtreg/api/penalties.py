"""`contracts/penalties/`: what the penalties of guarantees take, period by period."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import penalties
from debtreg.api import examples
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.fields import Number, PlainField, Text
from debtreg.models import PenaltyEntry

_AMOUNT = {
    "oneOf": [
        {"type": "string", "maxLength": 80, "description": "With its unit: 0.3301s, 99.93%."},
        {"type": "number", "minimum": 0, "description": "In the unit of the target."},
    ]
}


@extend_schema_field(
    {
        "oneOf": [
            *_AMOUNT["oneOf"],
            {
                "type": "object",
                "required": ["low", "high"],
                "properties": {"low": _AMOUNT, "high": _AMOUNT},
                "description": "Between the bounds of a histogram's bucket.",
            },
        ]
    }
)
class MeasuredField(serializers.JSONField):
    """What was measured; the action reads it."""


class PenaltySerializer(serializers.Serializer):
    """A line of the penalty ledger. No burn rate and no alert sees it."""

    id = serializers.IntegerField()
    contract = serializers.CharField(source="guarantee.contract.reference")
    guarantee = serializers.IntegerField(source="guarantee_id")
    metric = serializers.CharField(source="guarantee.metric")
    starts_on = serializers.DateField(help_text="First day of the period.")
    ends_on = serializers.DateField(help_text="Last day of it.")
    version = serializers.IntegerField(
        source="terms.version",
        default=None,
        allow_null=True,
        help_text="Of the terms in force on the last day; `parts` has all.",
    )
    measured = MeasuredField(allow_null=True)
    requests = PlainField(help_text="How many requests it rests on.")
    known = serializers.BooleanField(help_text="False: what is due is unknown, which is not 0.")
    breached = serializers.BooleanField(allow_null=True, help_text="null: not known.")
    deduct_percent = PlainField(help_text="Percent of the period's initial error budget.")
    uncapped_percent = PlainField(help_text="Percent, without the cap.")
    deducted_minutes = PlainField(help_text="Minutes of the budget.")
    deducted_requests = PlainField(help_text="Requests of the budget.")
    credit_percent = PlainField(help_text="Percent of the fee.")
    parts = serializers.JSONField(
        help_text="One for each version in force: from, to, days, and the answer for it."
    )
    findings = serializers.JSONField()
    source = serializers.CharField()  # type: ignore[assignment]
    recorded_by = serializers.CharField(
        source="recorded_by.username", default=None, allow_null=True, help_text="null: a job."
    )
    recorded_at = serializers.DateTimeField()


@examples.example("A month of a p99", examples.PERIOD)
class PeriodSerializer(StrictSerializer):
    """What was measured of a guarantee in a period that is over."""

    guarantee = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="Its id, as its contract has it."
    )
    starts_on = serializers.DateField(help_text="First day of the period.")
    ends_on = serializers.DateField(
        help_text="Last day of it: a month, or as many days as the terms say."
    )
    measured = MeasuredField(
        allow_null=True, help_text="0.3301s, 99.93%, {low, high}; null: nothing was measured."
    )
    requests = Number(
        high=1e15,
        places=0,
        allow_null=True,
        required=False,
        help_text="How many it rests on; fewer than 100 say nothing.",
    )
    source = Text(max_length=300, help_text="Where it comes from.")  # type: ignore[assignment]


class PenaltyFilter(django_filters.FilterSet):
    contract = django_filters.CharFilter(
        field_name="guarantee__contract__reference", max_length=80, help_text="Reference, exactly."
    )
    guarantee = django_filters.NumberFilter(
        field_name="guarantee_id", max_value=2**63 - 1, help_text="Its id."
    )
    known = django_filters.BooleanFilter(help_text="false: what is due is not known.")
    since = django_filters.DateFilter(
        field_name="ends_on", lookup_expr="gte", help_text="Periods that end on that day or later."
    )


class PenaltyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, NounViewSet):
    """The penalty ledger, the latest periods first."""

    queryset = PenaltyEntry.objects.select_related("guarantee__contract", "terms", "recorded_by")
    serializer_class = PenaltySerializer
    filterset_class = PenaltyFilter
    orderings: ClassVar = {
        "-starts_on": ["-starts_on", "-pk"],
        "starts_on": ["starts_on", "pk"],
    }

    @extend_schema(request=PeriodSerializer, responses={201: PenaltySerializer})
    def create(self, request: Request) -> Response:
        """Record a period. The same period again corrects it; a repeat changes nothing."""
        sent = PeriodSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values: dict[str, Any] = {"requests": None, "source": "", **sent.validated_data}
        entry = penalties.record_period(
            guarantee_id=values.pop("guarantee"), **values, by=self.user
        )
        row = self.get_queryset().get(pk=entry.pk)
        return Response(PenaltySerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a line out of the ledger."""
        penalties.remove_period(entry_id=self.get_object().pk, by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
