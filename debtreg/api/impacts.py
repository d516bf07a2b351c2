"""What a debt costs and what its repair takes, as they come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework import serializers

from debtreg.api.base import StrictSerializer
from debtreg.api.fields import Estimate, Number, Slug, Text, read_points
from debtreg.models import EffortUnit, Grade, ImpactKind, Slo
from debtreg.models.price import AMOUNT_LIMIT

MOST_IMPACTS = 100
ONLY_STATED = "Only a stated yearly cost can be below 0."


class Effort(Estimate):
    """{low, likely, high, unit}, or one number of person-days."""

    units = tuple(EffortUnit.values)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unit = data.get("unit", EffortUnit.PERSON_DAY) if isinstance(data, Mapping) else None
        found, problems = read_points(self.number, data, others=["unit"])
        if unit not in (None, *EffortUnit.values):
            problems = problems if isinstance(problems, dict) else {}
            problems["unit"] = [f"One of: {', '.join(EffortUnit.values)}."]
        if problems:
            raise serializers.ValidationError(problems)
        return {
            **dict(zip(self.columns, found, strict=True)),
            "effort_unit": unit or EffortUnit.PERSON_DAY,
        }

    def to_representation(self, row: Any) -> dict[str, str | None]:
        unknown: dict[str, str | None] = {"low": None, "likely": None, "high": None}
        return {**(super().to_representation(row) or unknown), "unit": row.effort_unit}


class ImpactSerializer(StrictSerializer):
    """One way in which a debt costs money: frequency x share x magnitude x unit_price a year."""

    kind = serializers.ChoiceField(choices=ImpactKind.choices)
    frequency = Estimate(
        number=Number(high=1e15),
        help_text="Per year: requests (latency; null takes the service's), failures, incidents, "
        "billing periods, exposures, hours.",
    )
    share = Estimate(
        number=Number(high=1), help_text="0 to 1: the part of these that the debt makes bad."
    )
    magnitude = Estimate(
        number=Number(high=1e12),
        help_text="latency: ms over target; downtime: minutes an incident; others: leave it out.",
    )
    unit_price = Estimate(
        number=Number(low=-AMOUNT_LIMIT, high=AMOUNT_LIMIT, places=10),
        help_text="Money per unit of the kind; null takes the price book. For `stated`, money per "
        "year, which may be negative.",
    )
    effectiveness = Number(
        high=1, required=False, help_text="What repair takes away of it, 0 to 1. By default 1."
    )
    guarantee = serializers.IntegerField(
        source="guarantee_id",
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of the contract's guarantee that it endangers.",
    )
    slo = Slug(
        queryset=Slo.objects.all(),
        slug_field="name",
        required=False,
        allow_null=True,
        help_text="Name of the SLO that it endangers. It measures the frequency and the share, "
        "where these are left out.",
    )
    slo_part = Number(
        high=1,
        required=False,
        help_text="Which part of the SLO's bad events the debt causes, 0 to 1. By default 1.",
    )
    grade = serializers.ChoiceField(
        choices=Grade.choices, required=False, help_text="Where the numbers come from."
    )
    currency = Text(
        max_length=3,
        help_text="ISO 4217. An amount in another currency than the installation's stays unpriced.",
    )
    note = Text(max_length=300)

    def validate_currency(self, value: str) -> str:
        if value and not (len(value) == 3 and value.isascii() and value.isalpha()):
            raise serializers.ValidationError("A code of three letters, such as CNY.")
        return "" if value.upper() == settings.CURRENCY else value.upper()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        prices = (attrs.get(f"unit_price_{point}") for point in ("low", "likely", "high"))
        if "kind" not in attrs:  # a PATCH of the item lets it pass
            raise serializers.ValidationError({"kind": ["This field is required."]})
        if attrs["kind"] != ImpactKind.STATED and any(price and price < 0 for price in prices):
            raise serializers.ValidationError({"unit_price": [ONLY_STATED]})
        return attrs

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        data["currency"] = data["currency"] or settings.CURRENCY
        return data
