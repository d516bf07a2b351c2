"""`slos/`: what is to be good, over which time, and how it stands; `maintenances/`: what does not
count."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg.actions import slos
from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, NounViewSet, StrictModelSerializer, StrictSerializer
from debtreg.api.etags import etag, has_if_match
from debtreg.api.fields import Choice, Number, PlainField, Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.api.readings import EventsField
from debtreg.models import (
    Connection,
    Guarantee,
    Maintenance,
    Method,
    MonthBasis,
    Service,
    SliKind,
    Slo,
    SloState,
    SourceFormat,
    StateWindow,
    WindowKind,
)
from debtreg.numbers import plain

LONGEST_QUERY = 10_000


class WindowSerializer(StrictSerializer):
    """Over which time the budget holds."""

    kind = serializers.ChoiceField(
        source="window", choices=WindowKind.choices, required=False, help_text="By default rolling."
    )
    days = serializers.IntegerField(
        source="window_days",
        min_value=1,
        max_value=366,
        required=False,
        allow_null=True,
        help_text="Of a rolling window; by default 30. A calendar window has none: null.",
    )
    month_basis = serializers.ChoiceField(
        choices=MonthBasis.choices,
        required=False,
        help_text="How long the month of a calendar window counts.",
    )
    time_zone = Text(
        max_length=64, help_text="Where a calendar window begins at midnight, as Asia/Shanghai."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "window" in attrs:
            rolls = attrs["window"] == WindowKind.ROLLING
            attrs.setdefault("window_days", 30 if rolls else None)
        return attrs


class StateSerializer(serializers.Serializer):
    """What one window showed. No data is null, never 0."""

    window = serializers.ChoiceField(choices=StateWindow.choices)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(help_text="As of when.")
    good = EventsField(help_text="Events, or slices of Timeslices.")
    total = EventsField(help_text="Events, or slices of Timeslices.")
    measured_seconds = serializers.IntegerField(help_text="How much of the window was measured.")
    excluded_seconds = serializers.IntegerField(help_text="How much of it was maintenance.")
    completeness = PlainField(help_text="Ratio of what should have been measured.")
    error_ratio = PlainField(help_text="Bad of total.")
    burn_rate = PlainField(help_text="Error ratio / (1 - objective): 1 uses up just the budget.")
    is_few = serializers.BooleanField(help_text="A single bad event takes more than the budget.")
    seconds_left = PlainField(
        help_text="Until the budget is used up at this burn rate; null: unknown, or never."
    )
    threshold = PlainField(help_text="Burn rate above which the window's alert fires.")
    is_reachable = serializers.BooleanField(
        allow_null=True, help_text="A total failure burns faster than the threshold."
    )
    is_firing = serializers.BooleanField(allow_null=True, help_text="null: no data.")


class BudgetSerializer(serializers.Serializer):
    """How the SLO stands, as it was worked out last."""

    as_of = serializers.DateTimeField(allow_null=True)
    remaining = PlainField(
        help_text="What is left of the period's budget, a ratio; below 0 it is overdrawn. Penalties"
        " are not in it. Null: no data. Of a calendar window only what was measured has used any"
        " up; how much that is says `completeness` of the window `period`."
    )
    windows = StateSerializer(many=True)


@examples.example("Availability by the month", examples.SLO)
class SloSerializer(StrictModelSerializer):
    title = Text(max_length=200, help_text="For people.")
    description = Text(max_length=20_000)
    service = Slug(queryset=Service.objects.all(), help_text="Slug.")
    guarantee = serializers.IntegerField(
        source="guarantee_id",
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of the contract's guarantee that it watches.",
    )
    objective = Number(
        high=1, places=11, required=False, help_text="Good of total, a ratio below 1: 0.9995."
    )
    objective_percent = Number(
        high=100,
        places=9,
        required=False,
        help_text="The same in percent, instead of objective: 99.95.",
    )
    window = WindowSerializer(source="*", required=False)
    slice_seconds = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=3600,
        help_text="Of Timeslices: whole minutes that divide an hour.",
    )
    slice_target = Number(
        high=1,
        places=11,
        required=False,
        allow_null=True,
        help_text="Of Timeslices: from which ratio on a slice is good.",
    )
    threshold_ms = Number(
        high=1e9,
        places=4,
        required=False,
        allow_null=True,
        help_text="Of latency: an event that takes no longer than this is good.",
    )
    connection = Slug(
        queryset=Connection.objects.all(),
        slug_field="name",
        required=False,
        allow_null=True,
        help_text="Name of the connection that readings are fetched from; null: they are sent.",
    )
    good_query = Text(
        max_length=LONGEST_QUERY, help_text="PromQL: events that were good within {{.window}}."
    )
    bad_query = Text(
        max_length=LONGEST_QUERY, help_text="PromQL: events that were bad, instead of good."
    )
    total_query = Text(
        max_length=LONGEST_QUERY, help_text="PromQL: all valid events within {{.window}}."
    )
    buckets_query = Text(
        max_length=LONGEST_QUERY, help_text="PromQL: the histogram's buckets by `le`."
    )
    quantile_query = Text(
        max_length=LONGEST_QUERY, help_text="PromQL: the quantile that a contract speaks of."
    )
    source_format = Choice(
        SourceFormat.choices, read_only=True, help_text="What it was imported from; null: nothing."
    )
    state = serializers.SerializerMethodField(help_text="Null until it has been worked out.")
    revision = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Counts the changes. Sent with a change, an older one is refused with 409.",
    )

    class Meta:
        model = Slo
        fields: ClassVar = [
            *("name", "title", "description", "service", "guarantee", "kind"),
            *("objective", "objective_percent", "window", "method", "slice_seconds"),
            *("slice_target", "threshold_ms", "connection", "good_query", "bad_query"),
            *("total_query", "buckets_query", "quantile_query", "source_format"),
            *(
                "fetched_until",
                "fetch_error",
                "gap_reason",
                "state",
                "revision",
                "created_at",
                "updated_at",
            ),
        ]
        read_only_fields: ClassVar = [
            *("fetched_until", "fetch_error", "gap_reason", "created_at", "updated_at"),
        ]
        extra_kwargs: ClassVar = {
            # The action checks that it is free.
            "name": {"validators": [], "max_length": 63},
        }
        validators: ClassVar[list[Any]] = []

    def validate_guarantee(self, value: int | None) -> int | None:
        if value is not None and not Guarantee.objects.filter(pk=value).exists():
            raise serializers.ValidationError("There is no such guarantee.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        percent = attrs.pop("objective_percent", None)
        ratio = attrs.get("objective")
        if percent is not None:
            if ratio is not None and ratio * 100 != percent:
                problem = f"objective says {plain(ratio * 100)} %. Send one of the two."
                raise serializers.ValidationError({"objective_percent": [problem]})
            attrs["objective"] = percent / 100
        elif ratio is None and not self.partial:
            raise serializers.ValidationError(
                {"objective": ["Send objective, as 0.999, or objective_percent, as 99.9."]}
            )
        return attrs

    def to_representation(self, instance: Slo) -> dict[str, Any]:
        instance.objective_percent = instance.objective * 100  # type: ignore[attr-defined]
        return super().to_representation(instance)

    @extend_schema_field(BudgetSerializer(allow_null=True))
    def get_state(self, slo: Slo) -> Any:
        order = list(StateWindow)
        states = sorted(slo.states.all(), key=lambda state: order.index(StateWindow(state.window)))
        if not states:
            return None
        whole = next((each for each in states if each.window == StateWindow.PERIOD), None)
        found = {
            "as_of": whole and whole.ends_at,
            "remaining": whole and whole.remaining,
            "windows": states,
        }
        return BudgetSerializer(found).data


class SloFilter(django_filters.FilterSet):
    service = SlugFilter(Service, help_text="Slug of a service.")
    kind = django_filters.ChoiceFilter(choices=SliKind.choices)
    method = django_filters.ChoiceFilter(choices=Method.choices)
    window = django_filters.ChoiceFilter(choices=WindowKind.choices)
    guarantee = django_filters.NumberFilter(
        field_name="guarantee_id",
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of a guarantee of a contract.",
    )
    firing = django_filters.BooleanFilter(
        method="that_fire", help_text="Those of which an alert fires, or those of which none does."
    )
    q = django_filters.CharFilter(
        method="search", max_length=200, help_text="A part of the name or the title, in any case."
    )

    def that_fire(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        fires = Exists(SloState.objects.filter(slo=OuterRef("pk"), is_firing=True))
        return rows.filter(fires if value else ~fires)

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(name__icontains=value) | Q(title__icontains=value))


class SloViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, NounViewSet
):
    """SLOs, by name, with what is left of their budgets."""

    queryset = Slo.objects.select_related("service", "connection").prefetch_related("states")
    serializer_class = SloSerializer
    filterset_class = SloFilter
    lookup_field = "name"
    lookup_value_regex = r"[a-z0-9-]{1,63}"
    orderings: ClassVar = {
        "name": ["name"],
        "-name": ["-name"],
        "service": ["service__slug", "name"],
        "-service": ["-service__slug", "-name"],
    }

    def retrieve(self, request: Request, name: str) -> Response:
        """One SLO. Its ETag changes with the SLO, not with its state."""
        return self.answer(name)

    def create(self, request: Request) -> Response:
        """Add an SLO."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = {name: each for name, each in sent.validated_data.items() if name != "revision"}
        made = slos.save(slo=Slo(**values), by=self.user)
        return self.answer(made.name, status.HTTP_201_CREATED)

    def update(self, request: Request, name: str) -> Response:
        """Say all of an SLO: what is left out goes back to its default."""
        return self.change(request, partial=False)

    def partial_update(self, request: Request, name: str) -> Response:
        """Change what is sent. Where the method or the service changes, readings count anew."""
        return self.change(request, partial=True)

    def change(self, request: Request, *, partial: bool) -> Response:
        slo = self.get_object()
        if_match = has_if_match(request, f"'{slo.name}'", slo.revision)
        sent = self.get_serializer(slo, data=request.data, partial=partial)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        revision = values.pop("revision", slo.revision if if_match else None)
        for field, value in (values if partial else {**NOTHING_SAID, **values}).items():
            setattr(slo, field, value)
        slos.save(slo=slo, by=self.user, revision=revision)
        return self.answer(slo.name)

    def perform_destroy(self, instance: Slo) -> None:
        slos.remove(slo=instance, by=self.user)
        tasks.enqueue_waiting()

    def answer(self, name: str, code: int = status.HTTP_200_OK) -> Response:
        if self.request.method != "GET":
            tasks.enqueue_waiting()
            slo = self.queryset.get(name=name)
        else:
            slo = self.get_object()
        headers = {"ETag": etag(slo.revision)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = self.reverse_action("detail", kwargs={"name": name})
        return Response(self.get_serializer(slo).data, status=code, headers=headers)


# What PUT sets where it says nothing.
NOTHING_SAID: dict[str, Any] = {
    "title": "",
    "description": "",
    "guarantee_id": None,
    "connection": None,
    "kind": SliKind.AVAILABILITY,
    "method": Method.OCCURRENCES,
    "window": WindowKind.ROLLING,
    "window_days": 30,
    "month_basis": MonthBasis.CALENDAR,
    "time_zone": "UTC",
    "slice_seconds": None,
    "slice_target": None,
    "threshold_ms": None,
    **dict.fromkeys(
        ("good_query", "bad_query", "total_query", "buckets_query", "quantile_query"), ""
    ),
}


@examples.example("A move", examples.MAINTENANCE)
class MaintenanceSerializer(StrictModelSerializer):
    service = Slug(
        queryset=Service.objects.all(),
        required=False,
        allow_null=True,
        help_text="Slug; null: all services.",
    )
    reason = Text(required=True, max_length=300)

    class Meta:
        model = Maintenance
        fields: ClassVar = ["id", "service", "starts_at", "ends_at", "reason"]
        validators: ClassVar[list[Any]] = []


class MaintenanceFilter(django_filters.FilterSet):
    service = SlugFilter(Service, help_text="Slug, or `null` for windows of all services.")


class MaintenanceViewSet(CatalogViewSet):
    """Times that are agreed not to count: their readings are left out of every budget."""

    queryset = Maintenance.objects.select_related("service")
    serializer_class = MaintenanceSerializer
    filterset_class = MaintenanceFilter
    orderings: ClassVar = {
        "-starts_at": ["-starts_at", "-pk"],
        "starts_at": ["starts_at", "pk"],
    }

    def save(self, row: Maintenance) -> Maintenance:
        return slos.save_maintenance(maintenance=row, by=self.user)

    def perform_destroy(self, instance: Any) -> None:
        slos.remove_maintenance(maintenance=instance, by=self.user)
