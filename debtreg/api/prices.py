"""`prices/`: what a millisecond, a failure, a minute, an hour, a person-day costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from rest_framework import serializers

from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Number, Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import POINTS, PRICE_KINDS, Grade, Price, Service


def _point(text: str) -> Number:
    return Number(places=10, required=False, help_text=f"Money per unit, {text}.")


@examples.example("A price of the installation", examples.PRICE)
class PriceSerializer(StrictModelSerializer):
    service = Slug(
        queryset=Service.objects.all(),
        allow_null=True,
        required=False,
        help_text="Slug; null for the price of the whole installation.",
    )
    kind = serializers.ChoiceField(
        choices=PRICE_KINDS,
        help_text="Kind of impact; the unit is money per ms and request (latency), failure "
        "(errors), minute (downtime), breach (credits), finding (compliance), hour (toil, drag), "
        "person-day (day_rate).",
    )
    low = _point("at best")
    likely = _point("most likely")
    high = _point("at worst")
    source = Text(  # type: ignore[assignment]
        max_length=300, help_text="Who says so, and when."
    )

    class Meta:
        model = Price
        fields: ClassVar = ["id", "service", "kind", *POINTS, "grade", "source", "updated_at"]
        read_only_fields: ClassVar = ["updated_at"]
        validators: ClassVar[
            list[Any]
        ] = []  # the action checks that there is one per service and kind

    def to_internal_value(self, data: Any) -> Any:
        """One number is all three."""
        if isinstance(data, Mapping) and "likely" in data and not data.keys() & {"low", "high"}:
            data = {**data, "low": data["likely"], "high": data["likely"]}
        return super().to_internal_value(data)


class PriceFilter(django_filters.FilterSet):
    service = SlugFilter(Service, help_text="Slug, or `null` for prices of the installation.")
    kind = django_filters.ChoiceFilter(choices=PRICE_KINDS)
    grade = django_filters.ChoiceFilter(choices=Grade.choices)


class PriceViewSet(CatalogViewSet):
    """The price book. Where a service has no price of a kind, the installation's counts."""

    queryset = Price.objects.select_related("service")
    serializer_class = PriceSerializer
    filterset_class = PriceFilter
