"""`calculators/`: the arithmetic alone, with its steps. Nothing is stored."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import frames
from debtreg.api import examples
from debtreg.api.base import Endpoint
from debtreg.api.fields import Estimate, Number, PlainField
from debtreg.api.impacts import MOST_IMPACTS, Effort
from debtreg.models import Grade, ImpactKind, ScoreState
from debtreg.models.price import AMOUNT_LIMIT


class CalculatorImpactSerializer(serializers.Serializer):
    """An impact without a price book: what is not given is unknown."""

    kind = serializers.ChoiceField(choices=ImpactKind.choices)
    frequency = Estimate(number=Number(high=1e15), help_text="Per year.")
    share = Estimate(number=Number(high=1), help_text="0 to 1.")
    magnitude = Estimate(number=Number(high=1e12), help_text="Milliseconds or minutes.")
    unit_price = Estimate(
        number=Number(low=-AMOUNT_LIMIT, high=AMOUNT_LIMIT), help_text="Money per unit."
    )
    effectiveness = Number(high=1, required=False, allow_null=True, help_text="0 to 1.")
    guarantee_weight = Number(high=3, required=False, allow_null=True, help_text="0 to 3.")
    grade = serializers.ChoiceField(choices=Grade.choices, required=False)


@examples.example("A slow request", examples.ROI)
class RoiSerializer(serializers.Serializer):
    """One debt. A number is a number, its text or {low, likely, high}; null is unknown."""

    effort = Effort(number=Number(high=1e6), help_text="One number means person-days.")
    day_rate = Number(high=1e9, required=False, allow_null=True, help_text="Money / person-day.")
    cash = Number(high=AMOUNT_LIMIT, required=False, help_text="Money beside the work.")
    contingency = Number(high=5, required=False, help_text="Ratio: 0.15 means 15 % on top.")
    weights = serializers.DictField(
        child=Number(high=3), required=False, help_text="Kind of impact -> weight, 0 to 3."
    )
    impacts = CalculatorImpactSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=MOST_IMPACTS
    )


class RoiAnswerSerializer(serializers.Serializer):
    """The score, and how it came about."""

    state = serializers.ChoiceField(choices=ScoreState.choices)
    annual_cost = PlainField(help_text="Money per year.")
    benefit = PlainField(help_text="Money per year.")
    weighted_benefit = PlainField(help_text="Money per year, weighted.")
    repair_cost = PlainField(help_text="Money.")
    roi = PlainField(help_text="Ratio: weighted benefit / repair cost.")
    money_roi = PlainField(help_text="Ratio: benefit / repair cost.")
    net_roi = PlainField(help_text="Ratio: (benefit - repair cost) / repair cost.")
    payback_days = PlainField(help_text="Days.")
    breaking_point_years = PlainField(help_text="Years.")
    promote = serializers.BooleanField(help_text="ROI is above the policy's threshold.")
    policy_version = serializers.IntegerField()
    double_counted = serializers.BooleanField(
        help_text="The same minutes may be counted as downtime and as credits."
    )
    inputs = serializers.DictField(help_text="What was sent.")
    assumptions = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(
        child=serializers.DictField(), help_text="Each formula with its numbers put in."
    )


class RoiView(Endpoint):
    """What a repair returns."""

    @extend_schema(request=RoiSerializer, responses=RoiAnswerSerializer)
    def post(self, request: Request) -> Response:
        """Score one debt that is not stored, by the code that scores the portfolio."""
        body: Any = request.data
        return Response(frames.calculate_roi(body))
