"""`debts/{key}/explain/`: what the answer holds. It is made in formulas.py."""

from __future__ import annotations

from rest_framework import serializers

from debtreg import verdicts
from debtreg.api.fields import Choice, MoneyField, PlainField, RatioField
from debtreg.models import Grade, ImpactKind, MemberRole, Priority, ScoreState


class FactorSerializer(serializers.Serializer):
    low = PlainField()
    likely = PlainField()
    high = PlainField()
    mean = RatioField(help_text="(low + 4 likely + high) / 6: what counts.")
    unit = serializers.CharField()
    grade = serializers.ChoiceField(
        choices=Grade.choices, required=False, help_text="Of the price book's price."
    )
    said = serializers.CharField(required=False, help_text="Who says what the price book says.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["given", "service", "installation", "fixed", "unknown", "measured"],
        help_text="Given with the item, taken from the catalog, fixed by the kind, unknown, or "
        "measured by an SLO.",
    )


class MeasuredSerializer(serializers.Serializer):
    """Whose readings the measured factors come from."""

    slo = serializers.CharField(help_text="Its name.")
    first_day = serializers.DateField(help_text="Of the readings.")
    last_day = serializers.DateField(help_text="Of the readings, which are no younger.")
    age_days = serializers.IntegerField(help_text="Days since then.")


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
    worst_grade = serializers.ChoiceField(
        choices=Grade.choices, help_text="The worse of its own grade and that of its price."
    )
    rough = serializers.BooleanField(help_text="Its numbers deserve two digits and no more.")
    stated_on = serializers.DateField(help_text="Since when its numbers are these.")
    measured = MeasuredSerializer(
        allow_null=True, help_text="Null where no SLO has measured any of its factors."
    )
    note = serializers.CharField()
    formula = serializers.CharField()


class RepairPartSerializer(serializers.Serializer):
    days = PlainField(help_text="Person-days.")
    day_rate = PlainField(help_text="Money per person-day.")
    cash = MoneyField(help_text="Money.")
    contingency = PlainField(help_text="Ratio.")
    cost = MoneyField(help_text="Money.")
    formula = serializers.CharField()


class SharePartSerializer(serializers.Serializer):
    """The item's part in what a failure scenario loses."""

    scenario = serializers.IntegerField(help_text="Its id.")
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=MemberRole.choices)
    grade = serializers.ChoiceField(choices=Grade.choices, help_text="Of the scenario's numbers.")
    source = serializers.CharField(help_text="Who says so.")  # type: ignore[assignment]
    stated_on = serializers.DateField(help_text="Since when the scenario is as it is.")
    rough = serializers.BooleanField(help_text="Its numbers deserve two digits and no more.")
    open_members = serializers.IntegerField(help_text="Among how many open debts it is divided.")
    loss_per_year = MoneyField(help_text="Money per year, of the whole scenario as things are.")
    cost_per_year = MoneyField(help_text="Money per year: its Shapley share.")
    effectiveness = PlainField(help_text="0 to 1.")
    benefit = MoneyField(help_text="Money per year: effectiveness x share.")
    removal_value = MoneyField(help_text="Money per year, were it alone gone. Never to be summed.")
    saving = MoneyField(help_text="Money per year, were it alone repaired. Never to be summed.")
    marginal_value = MoneyField(
        help_text="Money per year that its repair saves once all that is promoted is done."
    )
    formula = serializers.CharField()


class InputSerializer(serializers.Serializer):
    """An input of the score."""

    input = serializers.ChoiceField(
        choices=["frequency", "share", "magnitude", "unit_price", "effort", "day_rate", "loss"]
    )
    impact = serializers.IntegerField(
        allow_null=True, help_text="Position in `impacts`; null for effort, day rate and losses."
    )
    scenario = serializers.IntegerField(allow_null=True, help_text="Whose loss it is a share of.")
    of = serializers.CharField(help_text="The kind of impact, or the scenario's name.")
    unit = serializers.CharField()


class SensitivitySerializer(InputSerializer):
    value = RatioField(help_text="What the formula uses.")
    elasticity = RatioField(help_text="By how many % the ROI changes for 1 % more of it.")
    swing = RatioField(
        help_text="By what part of itself the ROI moves where this input alone lies one standard"
        " deviation off its mean; 0 for a certain one."
    )


class WorthSerializer(InputSerializer):
    worth = MoneyField(help_text="Money that better decisions gain if it is known exactly.")


class TurnSerializer(InputSerializer):
    value = RatioField(help_text="What the formula uses.")
    turning_value = RatioField(help_text="Where what decides, marginal_roi, is the threshold.")
    when = serializers.ChoiceField(
        choices=["below", "above"], help_text="On which side of it the decision is another one."
    )


class UncertaintySerializer(serializers.Serializer):
    roi_p5 = RatioField(help_text="Ratio; with 95 % chance the ROI is higher.")
    roi_p50 = RatioField(help_text="Ratio; the median.")
    roi_p95 = RatioField(help_text="Ratio; with 95 % chance the ROI is lower.")
    confidence = RatioField(help_text="Chance that the ROI is above the threshold, 0 to 1.")


class ExplanationSerializer(serializers.Serializer):
    """The score as it follows from what is stored now, step by step."""

    key = serializers.CharField()
    state = serializers.ChoiceField(choices=ScoreState.choices)
    annual_cost = MoneyField(help_text="Money per year.")
    benefit = MoneyField(help_text="Money per year.")
    weighted_benefit = MoneyField(help_text="Money per year.")
    repair_cost = MoneyField(help_text="Money.")
    roi = RatioField(help_text="Ratio.")
    money_roi = RatioField(help_text="Ratio.")
    net_roi = RatioField(help_text="Ratio.")
    payback_days = RatioField(help_text="Days.")
    breaking_point_years = RatioField(help_text="Years.")
    promotes = serializers.BooleanField(
        help_text="A run promotes it, or keeps it promoted, as things stand; see verdict."
    )
    above = serializers.BooleanField(
        help_text="What promotion goes by, marginal_roi, is above the threshold. It may still be"
        " too uncertain, vetoed or blocked."
    )
    threshold = PlainField(help_text="Ratio, of the policy.")
    demote_below = PlainField(help_text="Ratio, of the policy: what is promoted stays above it.")
    min_confidence = PlainField(help_text="Of the policy: how certain promotion has to be.")
    verdict = serializers.ChoiceField(
        choices=["", *verdicts.VERDICTS], help_text="What decides about it; empty once resolved."
    )
    verdict_reason = serializers.CharField(help_text="The same in a sentence.")
    note = serializers.CharField(
        help_text="Empty, or why these are the numbers as they were published last."
    )
    bundle = serializers.ListField(
        child=serializers.CharField(),
        help_text="Keys of what it pays only together with: marginal_roi is that of all of them.",
    )
    policy_version = serializers.IntegerField(allow_null=True, help_text="null: not scored yet.")
    too_large = serializers.BooleanField(help_text="So high that a unit must be wrong.")
    double_counted = serializers.BooleanField(
        help_text="The same minutes may be counted as downtime and as credits."
    )
    impacts = ImpactPartSerializer(many=True)
    scenarios = SharePartSerializer(many=True)
    marginal_roi = RatioField(
        help_text="Ratio: what its repair returns once all that is promoted is done; the ROI for"
        " an item in no failure scenario. Promotion goes by it."
    )
    priority = Choice(Priority.choices)
    priority_reason = serializers.CharField(help_text="Why it has this priority.")
    budget_share = RatioField(help_text="Of the error budget a year; 0.25 means 25 %.")
    rough = serializers.BooleanField(
        help_text="More than a tenth of its cost deserves two digits and no more."
    )
    uncertainty = UncertaintySerializer(help_text="Of the ROI.")
    decision = UncertaintySerializer(help_text="Of the marginal ROI, by which it is promoted.")
    guessed_share = RatioField(
        help_text="0 to 1: how much of the benefit is estimated or a default, by the worst grade"
        " of what went into each impact and share."
    )
    inputs = SensitivitySerializer(
        many=True, help_text="The three that matter most: those that swing the ROI most."
    )
    measure_next = WorthSerializer(many=True, help_text="What it pays most to measure.")
    turns = TurnSerializer(many=True, help_text="What would turn the decision, nearest first.")
    repair = RepairPartSerializer()
    roi_formula = serializers.CharField()
