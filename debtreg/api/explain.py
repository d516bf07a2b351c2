"""`debts/{key}/explain/`: what the answer holds. It is made in formulas.py."""

from __future__ import annotations

from rest_framework import serializers

from debtreg.api.fields import MoneyField, PlainField
from debtreg.models import Grade, ImpactKind, ScoreState


class FactorSerializer(serializers.Serializer):
    low = PlainField()
    likely = PlainField()
    high = PlainField()
    mean = PlainField(help_text="(low + 4 likely + high) / 6: what counts.")
    unit = serializers.CharField()
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["given", "service", "installation", "fixed", "unknown"],
        help_text="Given with the item, taken from the catalog, fixed by the kind, or unknown.",
    )


class ImpactPartSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=ImpactKind.choices)
    state = serializers.ChoiceField(choices=["priced", "unpriced"])
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Factors that are not known."
    )
    foreign = serializers.BooleanField(help_text="The amount is in another currency.")
    factors = serializers.DictField(child=FactorSerializer())
    cost_per_year = MoneyField(help_text="Money per year.")
    effectiveness = PlainField(help_text="0 to 1.")
    weight = PlainField(help_text="Of the kind x of the guarantee.")
    benefit = MoneyField(help_text="Money per year.")
    weighted_benefit = MoneyField(help_text="Money per year.")
    grade = serializers.ChoiceField(choices=Grade.choices)
    formula = serializers.CharField()


class RepairPartSerializer(serializers.Serializer):
    days = PlainField(help_text="Person-days.")
    day_rate = PlainField(help_text="Money per person-day.")
    cash = MoneyField(help_text="Money.")
    contingency = PlainField(help_text="Ratio.")
    cost = MoneyField(help_text="Money.")
    formula = serializers.CharField()


class ExplanationSerializer(serializers.Serializer):
    """The score as it follows from what is stored now, step by step."""

    key = serializers.CharField()
    state = serializers.ChoiceField(choices=ScoreState.choices)
    annual_cost = MoneyField(help_text="Money per year.")
    benefit = MoneyField(help_text="Money per year.")
    weighted_benefit = MoneyField(help_text="Money per year.")
    repair_cost = MoneyField(help_text="Money.")
    roi = PlainField(help_text="Ratio.")
    money_roi = PlainField(help_text="Ratio.")
    net_roi = PlainField(help_text="Ratio.")
    payback_days = PlainField(help_text="Days.")
    breaking_point_years = PlainField(help_text="Years.")
    promotes = serializers.BooleanField(help_text="ROI is above the threshold.")
    threshold = PlainField(help_text="Ratio, of the policy.")
    policy_version = serializers.IntegerField()
    too_large = serializers.BooleanField(help_text="So high that a unit must be wrong.")
    double_counted = serializers.BooleanField(
        help_text="The same minutes may be counted as downtime and as credits."
    )
    impacts = ImpactPartSerializer(many=True)
    repair = RepairPartSerializer()
    roi_formula = serializers.CharField()
