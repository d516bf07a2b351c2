"""`outcomes/`: what was predicted of repairs, what was read since, and what they have brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import formulas, realised
from debtreg.actions import outcomes
from debtreg.api import examples
from debtreg.api.base import Endpoint, NounViewSet, StrictSerializer
from debtreg.api.fields import Key, MoneyField, Number, PlainField, RatioField, Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import (
    AMOUNT_LIMIT,
    PART_KINDS,
    Outcome,
    OutcomeState,
    ReadingGrade,
    Service,
    Side,
    Team,
    pk_of,
)

MOST_READINGS = 5_000


class PredictedSerializer(serializers.Serializer):
    """As it was published when the item was resolved. It does not change any more."""

    annual_cost = MoneyField(help_text="Money per year.")
    benefit = MoneyField(help_text="Money per year that the repair was to save.")
    weighted_benefit = MoneyField(help_text="As benefit, with the policy's weights.")
    repair_cost = MoneyField(help_text="Money for the repair.")
    repair_days = PlainField(help_text="Person-days.")
    roi = RatioField(help_text="Ratio: weighted benefit of 12 months / repair cost.")
    money_roi = RatioField(
        help_text="Ratio, without weights: what realised.roi is to be held against."
    )
    roi_p5 = RatioField(help_text="Ratio; with 95 % chance the ROI is higher.")
    roi_p95 = RatioField(help_text="Ratio; with 95 % chance the ROI is lower.")
    policy_version = serializers.IntegerField(allow_null=True)


class RealisedSerializer(serializers.Serializer):
    """What follows from the readings; null as long as both sides of the repair are not read."""

    cost_before = MoneyField(help_text="Money per year before the repair.")
    cost_after = MoneyField(help_text="Money per year after the repair.")
    benefit = MoneyField(
        source="realised_benefit", help_text="Money per year: cost_before − cost_after."
    )
    ratio = RatioField(source="benefit_ratio", help_text="Ratio: realised / predicted benefit.")
    roi = RatioField(
        source="realised_roi",
        help_text="Ratio: realised benefit of 12 months / cost of the repair, the actual one or "
        "else the predicted one.",
    )
    is_measured = serializers.BooleanField(help_text="Known, and nothing of it is estimated.")
    measured_at = serializers.DateTimeField(allow_null=True, help_text="When it became known.")


class OutcomeSerializer(serializers.Serializer):
    """One resolution of a debt item. A reopened item keeps it; the next one gets its own."""

    id = serializers.IntegerField()
    debt = Key(source="item_id", help_text="Key of the debt item.")
    title = serializers.CharField(source="item.title")
    state = serializers.ChoiceField(choices=OutcomeState.choices)
    team = serializers.CharField(source="team.slug", default=None, allow_null=True)
    service = serializers.CharField(source="service.slug", default=None, allow_null=True)
    author = serializers.CharField(
        source="author.username", default=None, allow_null=True, help_text="null: not known."
    )
    promoted_at = serializers.DateTimeField(
        allow_null=True, help_text="When its promotion began; null: it was not promoted."
    )
    resolved_at = serializers.DateTimeField()
    days_to_resolve = RatioField(help_text="Days from promoted_at to resolved_at.")
    due_on = serializers.DateField(help_text="When its benefit is to be measured.")
    reopened_at = serializers.DateTimeField(
        allow_null=True, help_text="From then on it counts for nothing."
    )
    predicted = PredictedSerializer(source="*")
    actual_days = PlainField(help_text="Person-days that the repair took.")
    actual_cash = MoneyField(help_text="Money that was paid beside the work.")
    actual_cost = MoneyField(
        help_text="Money: days × the day rate at that time + cash; null: not known."
    )
    realised = RealisedSerializer(source="*")


class PartSerializer(serializers.Serializer):
    """An impact as it was predicted, and what was read of it."""

    number = serializers.IntegerField(
        source="impact.number",
        default=None,
        allow_null=True,
        help_text="What readings call it; null: the whole item, which goes before its impacts.",
    )
    kind = serializers.ChoiceField(
        source="impact.kind", choices=PART_KINDS, default=None, allow_null=True
    )
    note = serializers.CharField(source="impact.note", default="")
    annual_cost = MoneyField(
        source="impact.annual_cost", default=None, help_text="Predicted, money per year."
    )
    benefit = MoneyField(
        source="impact.benefit", default=None, help_text="Predicted, money per year."
    )
    cost_before = MoneyField(
        source="before", help_text="Money per year: Σ amounts × 365 / Σ days of its readings."
    )
    cost_after = MoneyField(source="after", help_text="Money per year, in the same way.")
    realised_benefit = MoneyField(source="saved", help_text="Money per year.")


class ImpactNumber(serializers.IntegerField):
    def get_attribute(self, reading: Any) -> int | None:
        return reading.impact.number if reading.impact else None


@examples.example("Twelve and a half hours of toil", examples.READING)
class ReadingSerializer(StrictSerializer):
    """What an impact, or the whole item, has cost in a period before or after its repair."""

    id = serializers.IntegerField(read_only=True)
    impact = ImpactNumber(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=32_767,
        help_text="`number` of an impact of the outcome; null: the whole item.",
    )
    side = serializers.ChoiceField(choices=Side.choices)
    starts_on = serializers.DateField(help_text="First day of the period.")
    ends_on = serializers.DateField(help_text="Last day of it; 7 days or more.")
    amount = Number(
        high=AMOUNT_LIMIT,
        places=2,
        required=False,
        allow_null=True,
        help_text="Money in this period, not a year. Without it, it is what the factors make.",
    )
    frequency = Number(
        high=1e15,
        required=False,
        allow_null=True,
        help_text="Counted in this period, not a year: requests, failures, incidents, hours.",
    )
    share = Number(high=1, required=False, allow_null=True, help_text="0 to 1.")
    magnitude = Number(
        high=1e12, required=False, allow_null=True, help_text="Milliseconds or minutes."
    )
    unit_price = Number(
        high=AMOUNT_LIMIT,
        required=False,
        allow_null=True,
        help_text="Money per unit; by default that of the prediction, else of the price book.",
    )
    grade = serializers.ChoiceField(choices=ReadingGrade.choices)
    note = Text(max_length=300, help_text="Where it comes from.")
    formula = serializers.SerializerMethodField(help_text="How a year is made of it.")
    entered_by = serializers.CharField(
        source="entered_by.username", read_only=True, default=None, allow_null=True
    )
    entered_at = serializers.DateTimeField(read_only=True)

    def get_formula(self, reading: Any) -> str:
        return formulas.of_reading(reading)


class OutcomeDetailSerializer(OutcomeSerializer):
    """An outcome with its impacts and all its readings."""

    impacts = serializers.SerializerMethodField()
    readings = ReadingSerializer(many=True)

    @extend_schema_field(PartSerializer(many=True))
    def get_impacts(self, outcome: Outcome) -> Any:
        return PartSerializer(realised.parts(outcome), many=True).data


class EffortSerializer(StrictSerializer):
    actual_days = Number(
        high=1e5,
        places=2,
        required=False,
        allow_null=True,
        help_text="Person-days that the repair took; null: not known.",
    )
    actual_cash = Number(
        high=AMOUNT_LIMIT,
        places=2,
        required=False,
        allow_null=True,
        help_text="Money that was paid beside the work.",
    )


def _within_reason(day: date) -> date:
    """The first and the last days of the calendar have no moment in every time zone."""
    return min(max(day, date(1900, 1, 1)), date(9000, 1, 1))


class OutcomeFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug, or `null` for items without a team.")
    service = SlugFilter(Service, help_text="Slug, or `null` for items without a service.")
    author = django_filters.CharFilter(
        field_name="author__username", max_length=150, help_text="User name, exactly."
    )
    debt = django_filters.CharFilter(method="of_debt", max_length=30, help_text="Key of a debt.")
    state = django_filters.ChoiceFilter(
        choices=OutcomeState.choices,
        method="in_state",
        help_text="`due` and `waiting` are not measured yet.",
    )
    resolved_from = django_filters.DateFilter(
        field_name="resolved_at", method="from_day", help_text="On this day or later."
    )
    resolved_to = django_filters.DateFilter(
        field_name="resolved_at", method="to_day", help_text="On this day or earlier."
    )

    def of_debt(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(item=pk_of(value))

    def in_state(self, rows: Any, name: str, value: str) -> QuerySet[Any]:
        found: QuerySet[Any] = rows.in_state(value, on=timezone.localdate())
        return found

    def from_day(self, rows: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        return rows.filter(resolved_at__gte=realised.midnight(_within_reason(value)))

    def to_day(self, rows: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        return rows.filter(resolved_at__lt=realised.midnight(_within_reason(value), 1))


class OutcomeViewSet(mixins.ListModelMixin, NounViewSet):
    """What repairs were predicted to bring, and what they have brought."""

    queryset = Outcome.objects.select_related("item", "team", "service", "author")
    serializer_class = OutcomeSerializer
    filterset_class = OutcomeFilter
    orderings: ClassVar = {
        "-resolved_at": ["-resolved_at", "-pk"],
        "resolved_at": ["resolved_at", "pk"],
        "due_on": ["due_on", "pk"],
    }

    def answer(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        outcome = self.queryset.prefetch_related(*outcomes.DETAILS).get(pk=pk)
        return Response(OutcomeDetailSerializer(outcome).data, status=code)

    @extend_schema(responses=OutcomeDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One outcome, with its impacts and readings."""
        return self.answer(self.get_object().pk)

    @extend_schema(request=EffortSerializer, responses=OutcomeDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Enter what the repair took. What is left out stays as it is."""
        outcome = self.get_object()
        sent = EffortSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        days = sent.validated_data.get("actual_days", outcome.actual_days)
        cash = sent.validated_data.get("actual_cash", outcome.actual_cash)
        outcomes.set_effort(outcome_id=outcome.pk, days=days, cash=cash, by=self.user)
        return self.answer(outcome.pk)

    @extend_schema(request=ReadingSerializer, responses={201: OutcomeDetailSerializer})
    @action(detail=True, methods=["post"])
    def readings(self, request: Request, pk: str) -> Response:
        """Enter a reading. The answer is the outcome as it is then."""
        outcome = self.get_object()
        sent = ReadingSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        outcomes.add_reading(outcome_id=outcome.pk, values=sent.validated_data, by=self.user)
        return self.answer(outcome.pk, status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("reading", int, OpenApiParameter.PATH)],
        responses={200: OutcomeDetailSerializer},
    )
    @action(detail=True, methods=["delete"], url_path=r"readings/(?P<reading>\d{1,18})")
    def remove_reading(self, request: Request, pk: str, reading: str) -> Response:
        """Take a reading back. The answer is the outcome as it is then."""
        outcome = self.get_object()
        outcomes.remove_reading(outcome_id=outcome.pk, reading_id=int(reading), by=self.user)
        return self.answer(outcome.pk)


# --- Many readings --------------------------------------------------------------------------------


class DebtReadingSerializer(ReadingSerializer):
    debt = Key(help_text="Key of a resolved debt item: its last outcome is meant.")


@examples.example("One before and one after", examples.READINGS)
class ReadingsSerializer(StrictSerializer):
    readings = DebtReadingSerializer(  # type: ignore[call-arg]
        many=True, max_length=MOST_READINGS, allow_empty=False
    )


class StoredReadingsSerializer(serializers.Serializer):
    stored = serializers.IntegerField(help_text="How many readings were stored.")


class ReadingsView(Endpoint):
    """Many readings at once."""

    @extend_schema(
        operation_id="outcomes_readings_bulk",
        request=ReadingsSerializer,
        responses={201: StoredReadingsSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter up to 5,000 readings of any debts, all or none."""
        sent = ReadingsSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        rows = sent.validated_data["readings"]
        stored = outcomes.add_readings(rows=_with_outcomes(rows), by=self.user)
        return Response({"stored": stored}, status=status.HTTP_201_CREATED)


def _with_outcomes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    items = {row["debt"] for row in rows}
    found = dict(Outcome.objects.valid().filter(item__in=items).values_list("item_id", "pk"))
    problems: Any = {
        number: {"debt": ["There is no resolved debt of this key that has an outcome."]}
        for number, row in enumerate(rows)
        if row["debt"] not in found
    }
    if problems:
        raise serializers.ValidationError({"readings": problems})
    return [
        {
            **{name: value for name, value in row.items() if name != "debt"},
            "outcome_id": found[row["debt"]],
        }
        for row in rows
    ]


# --- The portfolio --------------------------------------------------------------------------------


class BiasSerializer(serializers.Serializer):
    """Predicted against realised, over the cases in which both are known."""

    cases = serializers.IntegerField()
    predicted = MoneyField(help_text="Money or money per year, summed over the cases.")
    realised = MoneyField(help_text="Likewise; of a repair's cost, the actual one.")
    ratio = RatioField(help_text="Ratio: Σ realised / Σ predicted; above 1 there was more of it.")
    median_ratio = RatioField(help_text="Ratio: median over the cases predicted above 0.")
    median_cases = serializers.IntegerField(help_text="Cases predicted above 0.")
    weak = serializers.BooleanField(help_text="Fewer than 5 cases: it may be chance.")


class ReturnSerializer(serializers.Serializer):
    """What measured repairs have returned in twelve months, beside what was predicted of them."""

    cases = serializers.IntegerField(help_text="Repairs whose realised benefit and cost are known.")
    actual_cases = serializers.IntegerField(
        help_text="Of these, with an actual cost; the others count with the predicted one."
    )
    benefit = MoneyField(help_text="Money per year, realised, summed over the cases.")
    cost = MoneyField(help_text="Money for the repairs, summed over the cases.")
    realised_roi = RatioField(help_text="Ratio: benefit / cost.")
    predicted_cases = serializers.IntegerField(help_text="Of these, with a prediction.")
    predicted_roi = RatioField(help_text="Ratio, without weights, of predicted_cases.")
    weak = serializers.BooleanField(help_text="Fewer than 5 cases: it may be chance.")


class CalibrationSerializer(serializers.Serializer):
    """Whether realised returns lie within the P5 to P95 that was predicted; 90 % should."""

    cases = serializers.IntegerField()
    within = serializers.IntegerField()


class CycleSerializer(serializers.Serializer):
    """Promotions that were under way in the period; those that were taken back are left out."""

    cases = serializers.IntegerField(help_text="resolved + open.")
    resolved = serializers.IntegerField(help_text="Resolved in the period.")
    mean_days = RatioField(help_text="Days from promotion to resolved, of the resolved ones.")
    median_days = RatioField(help_text="Days, of the resolved ones.")
    open = serializers.IntegerField(help_text="Still open at the end of the period.")
    mean_age_days = RatioField(help_text="Days since their promotion, of the open ones.")
    oldest_days = RatioField(help_text="Days since its promotion, of the oldest open one.")
    estimated_median_days = RatioField(
        help_text="Days by which half are resolved with the open ones counted as open, after "
        "Kaplan and Meier, of all cases; null as long as fewer than half are."
    )
    unpromoted = serializers.IntegerField(
        help_text="Resolved in the period without a promotion: in none of the other numbers."
    )


class FiguresSerializer(serializers.Serializer):
    resolved = serializers.IntegerField(help_text="Resolved in the period.")
    benefit = BiasSerializer(help_text="Benefit, money per year.")
    effort = BiasSerializer(help_text="Cost of the repair, money.")
    returns = ReturnSerializer()


class TeamFiguresSerializer(FiguresSerializer):
    team = serializers.CharField(source="of.slug", default=None, allow_null=True)


class AuthorFiguresSerializer(FiguresSerializer):
    author = serializers.CharField(
        source="of.username", default=None, allow_null=True, help_text="null: not known."
    )


class SummarySerializer(serializers.Serializer):
    """Figures of what was resolved in a period, each with its number of cases."""

    before_from = serializers.DateField(source="before_starts_on")
    before_to = serializers.DateField(source="before_ends_on")
    team = serializers.CharField(source="team.slug", default=None, allow_null=True)
    due = serializers.IntegerField(help_text="Measurements due today, of whatever period.")
    resolved = serializers.IntegerField(help_text="Resolved in the period and not reopened.")
    measured = serializers.IntegerField(help_text="Of these, with a realised benefit.")
    estimated = serializers.IntegerField(help_text="Of these, with an estimate in it.")
    benefit = BiasSerializer(help_text="Benefit, money per year.")
    effort = BiasSerializer(help_text="Cost of the repair, money.")
    returns = ReturnSerializer()
    returns_before = ReturnSerializer(help_text="Of the period before, of as many days.")
    range = CalibrationSerializer()
    cycle = CycleSerializer()
    teams = TeamFiguresSerializer(many=True, help_text="Those that have a case.")
    authors = AuthorFiguresSerializer(many=True, help_text="Those who have a case.")

    def get_fields(self) -> dict[str, serializers.Field]:
        return {
            "from": serializers.DateField(source="starts_on"),
            "to": serializers.DateField(source="ends_on"),
            **super().get_fields(),
        }


class PeriodSerializer(StrictSerializer):
    to = serializers.DateField(required=False)
    team = Slug(queryset=Team.objects.all(), required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"from": serializers.DateField(required=False), **super().get_fields()}


class SummaryView(Endpoint):
    """What the repairs of a period have brought."""

    @extend_schema(
        parameters=[
            OpenApiParameter("from", date, description="First day; by default 364 days before to."),
            OpenApiParameter("to", date, description="Last day; by default today."),
            OpenApiParameter("team", str, description="Slug; without it, all teams."),
        ],
        responses=SummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """Predicted against realised, the return on repair, cycle times, and bias."""
        sent = PeriodSerializer(data=request.query_params.dict())
        sent.is_valid(raise_exception=True)
        chosen = sent.validated_data
        found = outcomes.summary(
            first=chosen.get("from"), last=chosen.get("to"), team=chosen.get("team")
        )
        return Response(SummarySerializer({**found, "team": chosen.get("team")}).data)
