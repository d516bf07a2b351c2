"""`calculators/`: the arithmetic alone, with its steps. Nothing is stored."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import calculators
from debtreg.api import examples
from debtreg.api.base import Endpoint
from debtreg.api.fields import Estimate, Number, PlainField
from debtreg.api.impacts import MOST_IMPACTS, Effort
from debtreg.models import Grade, ImpactKind, ScoreState
from debtreg.models.price import AMOUNT_LIMIT

# --- What all answers have ------------------------------------------------------------------------


class CalculatorFindingSerializer(serializers.Serializer):
    """What was checked, and how it is."""

    check = serializers.CharField(help_text="Which one; the same word for the same check.")
    level = serializers.ChoiceField(
        choices=["pass", "warn", "fail", "gap"],
        help_text="A gap is neither good nor bad: something is not known that should be.",
    )
    message = serializers.CharField(help_text="In a sentence, with numbers.")
    formula = serializers.CharField(help_text="The arithmetic; empty where there is none.")


class CalculatorStepSerializer(serializers.Serializer):
    """One step of the calculation."""

    of = serializers.CharField(help_text="The number that it gives.")
    what = serializers.CharField(help_text="The formula in words.")
    formula = serializers.CharField(help_text="The formula with its numbers put in.")
    value = PlainField(help_text="What comes out, in `unit`.")
    unit = serializers.CharField(help_text="Empty for plain ratios and counts.")


class RangeSerializer(serializers.Serializer):
    """From where to where a number lies."""

    low = PlainField()
    high = PlainField()


class AnswerSerializer(serializers.Serializer):
    """What every calculator says beside its numbers."""

    findings = CalculatorFindingSerializer(many=True)
    inputs = serializers.DictField(help_text="What was sent, with the defaults of what was not.")
    assumptions = serializers.ListField(child=serializers.CharField())
    steps = CalculatorStepSerializer(many=True)


def _days(**options: Any) -> Number:
    text = "Days, 0.01 to 36600: how long a month is, is never guessed."
    return Number(low=0.01, high=36600, allow_null=True, help_text=text, **options)


def _percent(what: str, **options: Any) -> Number:
    text = f"{what}, in percent: 99.9, not 0.999. Below 100, which leaves no budget."
    return Number(high=100, allow_null=True, help_text=text, **options)


def _seconds(what: str, **options: Any) -> Number:
    return Number(
        low=0.001, high=1e9, allow_null=True, help_text=f"Seconds. {what}".strip(), **options
    )


def _recovery() -> Estimate:
    return Estimate(
        number=Number(low=0.001, high=1e9),
        required=True,
        help_text="Seconds from the fault to the end of its effect, detection included.",
    )


class CalculatorView(Endpoint):
    """Answers by the calculator of this name; pages ask the same one."""

    name: ClassVar[str]

    def post(self, request: Request) -> Response:
        return Response(calculators.calculate(self.name, request.data))


# --- ROI ------------------------------------------------------------------------------------------


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
    day_rate = Estimate(number=Number(high=1e9), help_text="Money / person-day.")
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
    roi_p5 = PlainField(help_text="ROI that is reached in 95 of 100 cases.")
    roi_p50 = PlainField(help_text="ROI that is reached in half of all cases.")
    roi_p95 = PlainField(help_text="ROI that is reached in 5 of 100 cases.")
    confidence = PlainField(help_text="Probability, 0 to 1, that the ROI is above the threshold.")
    promote = serializers.BooleanField(help_text="ROI is above the policy's threshold.")
    policy_version = serializers.IntegerField(
        allow_null=True, help_text="null: none is in force, and the default one counts."
    )
    double_counted = serializers.BooleanField(
        help_text="The same minutes may be counted as downtime and as credits."
    )
    inputs = serializers.DictField(help_text="What was sent.")
    assumptions = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(
        child=serializers.DictField(), help_text="Each formula with its numbers put in."
    )


@extend_schema(request=RoiSerializer, responses=RoiAnswerSerializer)
class RoiView(CalculatorView):
    """Score one debt that is not stored, by the code that scores the portfolio."""

    name = "roi"


# --- Inversion ------------------------------------------------------------------------------------


@examples.example("Four nines", examples.INVERSION)
class InversionSerializer(serializers.Serializer):
    """A target, and how long an incident takes."""

    target_percent = _percent("The target")
    period_days = _days()
    recovery_seconds = _recovery()
    impact = Estimate(
        number=Number(low=0.000001, high=1),
        help_text="Share of the traffic that fails in an incident, above 0, up to 1. Default 1.",
    )
    open_seconds = _seconds("How long a breaker stays open. Default 30.", required=False)


class TripsSerializer(serializers.Serializer):
    """What the budget means for a circuit breaker."""

    open_seconds = PlainField(help_text="Seconds.")
    trips_affordable = PlainField(help_text="Trips per period, each a full outage.")


class SliSerializer(serializers.Serializer):
    """An indicator that follows for a breaker."""

    name = serializers.CharField()
    target = serializers.CharField(help_text="As ≤ 200 ms.")
    measured = serializers.CharField(help_text="From where to where, or of what.")
    note = serializers.CharField(help_text="What would prove it, and what would not.")


class InversionRangeSerializer(serializers.Serializer):
    """From the worst to the best of the estimates."""

    incidents_per_period = RangeSerializer()


class InversionAnswerSerializer(AnswerSerializer):
    """How many incidents the target leaves room for."""

    budget_seconds = PlainField(help_text="Seconds of full outage per period.")
    budget_minutes = PlainField(help_text="The same in minutes.")
    incidents_per_period = PlainField(help_text="Incidents; of estimates the mean counts.")
    whole_incidents = serializers.IntegerField(
        allow_null=True, help_text="Incidents that fit as a whole."
    )
    breaker = TripsSerializer()
    slis = SliSerializer(many=True)
    range = InversionRangeSerializer(allow_null=True, help_text="null without an estimate.")


@extend_schema(request=InversionSerializer, responses=InversionAnswerSerializer)
class InversionView(CalculatorView):
    """Turn a target round: the budget, the incidents and the trips of a breaker in it."""

    name = "inversion"


# --- Burn rate ------------------------------------------------------------------------------------


@examples.example("An hour at 14.4", examples.BURN_RATE)
class BurnRateSerializer(serializers.Serializer):
    """What was counted in a window of an SLO's period."""

    objective_percent = _percent("The objective")
    good = Number(high=1e15, allow_null=True, help_text="Events; at most the total.")
    total = Number(high=1e15, allow_null=True, help_text="Events. 0 is no data, and no burn of 0.")
    window_seconds = _seconds("How long was counted.")
    period_days = _days()
    remaining_percent = Number(
        low=-1e9,
        high=100,
        required=False,
        allow_null=True,
        help_text="Percent of the budget left when the window ends, below 0 if overdrawn. "
        "Default 100.",
    )
    threshold = Number(
        high=1e9,
        required=False,
        allow_null=True,
        help_text="Burn rate above which an alert fires. Refused where nothing can reach it.",
    )


class AlertWindowSerializer(serializers.Serializer):
    """An alert of the usual four, for this period: it fires above `threshold` in both windows."""

    severity = serializers.ChoiceField(choices=["page", "ticket"])
    long_seconds = serializers.IntegerField(help_text="Seconds.")
    short_seconds = serializers.IntegerField(help_text="Seconds: a twelfth of the long window.")
    consumed_percent = PlainField(help_text="Percent of the budget that is gone when it fires.")
    threshold = PlainField(help_text="Burn rate: consumed × period / long window.")
    reachable = serializers.BooleanField(
        allow_null=True, help_text="A total failure would burn faster."
    )
    fires = serializers.BooleanField(
        allow_null=True, help_text="If the burn rate lasts through both windows."
    )


class BurnRateAnswerSerializer(AnswerSerializer):
    """How fast the budget burns. All null where total is 0: no data is not a burn rate of 0."""

    error_ratio = PlainField(help_text="Ratio of bad events.")
    burn_rate = PlainField(help_text="Times as fast as the budget allows.")
    budget_consumed_percent = PlainField(help_text="Percent of the period's budget.")
    seconds_to_exhaustion = PlainField(
        help_text="Seconds from the end of the window; Infinity while nothing burns, 0 once "
        "nothing is left."
    )
    max_burn_rate = PlainField(help_text="Burn rate of a total failure.")
    alert_windows = AlertWindowSerializer(many=True)


@extend_schema(request=BurnRateSerializer, responses=BurnRateAnswerSerializer)
class BurnRateView(CalculatorView):
    """How fast an error budget burns, how long it lasts, and which alerts fire."""

    name = "burn-rate"


# --- Penalty --------------------------------------------------------------------------------------

_AMOUNT = {
    "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "maxLength": 500}],
}
_TEXT_OR_NUMBER = [{"type": "number"}, {"type": "string", "maxLength": 80}]


@extend_schema_field(
    {
        "oneOf": [
            *_AMOUNT["oneOf"],
            {
                "type": "object",
                "properties": {"low": _AMOUNT, "likely": _AMOUNT, "high": _AMOUNT},
                "required": ["low", "high"],
                "additionalProperties": False,
            },
            {"type": "null"},
        ]
    }
)
class MeasuredField(serializers.Field):
    """A number with a unit, or between which two it lies."""


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "maxLength": 2000},
            {
                "type": "object",
                "properties": {
                    "kind": {"const": "budget_deduction"},
                    "step": {
                        "oneOf": [
                            {"type": "string", "maxLength": 500, "examples": ["10ms"]},
                            {
                                "type": "object",
                                "properties": {
                                    "value": {"oneOf": _TEXT_OR_NUMBER},
                                    "unit": {"type": "string", "examples": ["ms", "pp"]},
                                },
                                "required": ["value", "unit"],
                                "additionalProperties": False,
                            },
                        ]
                    },
                    "deduct_percent": {"oneOf": _TEXT_OR_NUMBER},
                    "rounding": {"enum": ["floor", "ceil", "linear"], "default": "floor"},
                    "cap_percent": {"oneOf": _TEXT_OR_NUMBER, "default": 100},
                },
                "required": ["step", "deduct_percent"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "kind": {"const": "credit_tiers"},
                    "tiers": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 20,
                        "items": {
                            "type": "object",
                            "properties": {
                                "below_percent": {"oneOf": _TEXT_OR_NUMBER},
                                "credit_percent": {"oneOf": _TEXT_OR_NUMBER},
                            },
                            "required": ["below_percent", "credit_percent"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["tiers"],
                "additionalProperties": False,
            },
        ]
    }
)
class ClauseField(serializers.Field):
    """A clause as a text, or as its parts."""


@extend_schema_serializer(
    examples=[
        examples.shown("A deduction for each 10 ms", examples.PENALTY),
        examples.shown("Credits by level", examples.CREDIT),
    ]
)
class PenaltySerializer(serializers.Serializer):
    """A target, what was measured, and the clause on it."""

    target = serializers.CharField(
        max_length=500,
        help_text="With operator and unit: ≤300ms, p99 <= 0.3 s, ≥99.95%, 不低于99.95%. The "
        "operator says which side is worse.",
    )
    measured = MeasuredField(
        required=False,
        help_text="With its unit: 0.3301s; a number alone is in the unit of the target. {low, "
        "high} are the bounds of a histogram's bucket. null, NaN or +Inf: not known.",
    )
    requests = Number(
        high=1e15,
        required=False,
        allow_null=True,
        help_text="Requests behind the measured value; fewer than 100 say nothing.",
    )
    clause = ClauseField(
        help_text="Chinese or English, as 每低于目标10ms,扣减SLO预算5% or 低于99.9%赔付10%; or its "
        "parts. A step for a percentage is in percentage points, pp."
    )
    objective_percent = _percent(
        "Where the budget in minutes comes from; may be left out for a target that is a percentage "
        "or a percentile. The objective",
        required=False,
    )
    period_days = _days(required=False)
    fee = Number(
        high=1e15, required=False, allow_null=True, help_text="Money; of which tiers credit a part."
    )


class PenaltyAnswerSerializer(serializers.Serializer):
    """What all penalties have."""

    known = serializers.BooleanField(help_text="false: the penalty is not known, which is not 0.")
    breached = serializers.BooleanField(allow_null=True, help_text="The target is not kept.")
    clause = serializers.DictField(help_text="As it was understood: a person should confirm it.")
    findings = CalculatorFindingSerializer(many=True)
    inputs = serializers.DictField(help_text="What was sent.")
    assumptions = serializers.ListField(child=serializers.CharField())
    calculation = CalculatorStepSerializer(
        many=True, help_text="Step by step; empty where nothing exact is known."
    )
    range = serializers.DictField(
        child=RangeSerializer(),
        allow_null=True,
        help_text="Of each number that is not exactly known, from where to where it lies.",
    )


@extend_schema_field(
    {"oneOf": [{"type": "integer"}, {"type": "string", "format": "decimal"}, {"type": "null"}]}
)
class StepCountField(serializers.Field):
    """A whole number, or a text where parts of steps count."""


class DeductionAnswerSerializer(PenaltyAnswerSerializer):
    """What is deducted from the period's initial budget. Kept apart from what burned of it."""

    shortfall = PlainField(help_text="How much worse than the target, in the unit of the step.")
    steps = StepCountField(read_only=True, help_text="How many steps that is.")
    deduct_percent = PlainField(help_text="Percent of the initial budget, at most the cap.")
    uncapped_percent = PlainField(help_text="Percent of the initial budget without the cap.")
    deducted_minutes = PlainField(help_text="Minutes of the budget.")
    deducted_requests = PlainField(help_text="Requests of the budget.")


class CreditAnswerSerializer(PenaltyAnswerSerializer):
    """What is credited of the fee."""

    credit_percent = PlainField(help_text="Percent of the fee.")
    credit_amount = PlainField(help_text="Money; null without a fee.")


@extend_schema(
    request=PenaltySerializer,
    responses=PolymorphicProxySerializer(
        component_name="PenaltyAnswer",
        serializers=[DeductionAnswerSerializer, CreditAnswerSerializer],
        resource_type_field_name=None,
    ),
)
class PenaltyView(CalculatorView):
    """What a clause takes for a target that was missed."""

    name = "penalty"


# --- Breaker --------------------------------------------------------------------------------------


@examples.example("A breaker with its defaults", examples.BREAKER)
class BreakerSerializer(serializers.Serializer):
    """The settings of a circuit breaker, and the target that they should keep."""

    objective_percent = _percent("The objective")
    period_days = _days()
    recovery_seconds = _recovery()
    failure_threshold = Number(
        low=1,
        high=1_000_000,
        allow_null=True,
        help_text="Failures in a row that trip it, a whole number; “more than 5” is 6.",
    )
    call_timeout_ms = Number(low=0.001, high=1e9, allow_null=True, help_text="Milliseconds.")
    open_seconds = _seconds("How long it stays open before it probes.")
    half_open_probes = Number(
        low=1,
        high=1_000_000,
        allow_null=True,
        help_text="Requests that have to succeed before it closes, a whole number.",
    )


class BreakerAnswerSerializer(AnswerSerializer):
    """Whether the settings fit the target, check by check."""

    budget_seconds = PlainField(help_text="Seconds of full outage per period.")
    incidents_per_period = PlainField(help_text="Incidents that use the budget up.")
    trips_affordable = PlainField(help_text="Trips per period, each a full outage.")


@extend_schema(request=BreakerSerializer, responses=BreakerAnswerSerializer)
class BreakerView(CalculatorView):
    """Check the settings of a circuit breaker against a target, with the arithmetic."""

    name = "breaker"


VIEWS = {
    view.name: view for view in (RoiView, InversionView, BurnRateView, PenaltyView, BreakerView)
}
