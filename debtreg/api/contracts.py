"""`contracts/`: SLA contracts, each with its guarantees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from rest_framework import serializers

from debtreg.actions import catalog
from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Number, Slug, Text
from debtreg.models import Contract, Guarantee, Service, User


class GuaranteeSerializer(StrictModelSerializer):
    id = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Sent back, it says which guarantee of the contract is changed.",
    )
    metric = Text(required=True, max_length=80, help_text="As p99_response_time, availability.")
    target = Text(
        source="target_text", required=True, max_length=80, help_text="As written: ≤300ms."
    )
    target_value = Number(
        low=-1e11, high=1e11, places=8, required=False, allow_null=True, help_text="As a number."
    )
    target_unit = Text(max_length=16, help_text="Of target_value: ms, %, y.")
    scope = Text(source="scope_text", max_length=200, help_text="As written: a → b.")
    consumer = Slug(
        queryset=Service.objects.all(),
        allow_null=True,
        required=False,
        help_text="Slug of the service to which it is owed.",
    )
    provider = Slug(
        queryset=Service.objects.all(),
        allow_null=True,
        required=False,
        help_text="Slug of the service that owes it.",
    )
    penalty_clause = Text(max_length=2000, help_text="As written.")
    window = Text(max_length=40, help_text="As 30d, calendar_month.")
    weight = Number(
        high=3,
        places=3,
        required=False,
        help_text="Multiplies the benefit of what endangers it: 0 to 3, neutral 1.",
    )

    class Meta:
        model = Guarantee
        fields: ClassVar = [
            *("id", "metric", "target", "operator", "target_value", "target_unit", "scope"),
            *("consumer", "provider", "penalty_clause", "window", "weight"),
        ]


@examples.example("A contract with one guarantee", examples.CONTRACT)
class ContractSerializer(StrictModelSerializer):
    name = Text(max_length=200)
    guarantees = GuaranteeSerializer(  # type: ignore[call-arg]
        many=True,
        required=False,
        max_length=200,
        help_text="All of them: those that are left out are removed.",
    )

    class Meta:
        model = Contract
        fields: ClassVar = ["id", "reference", "name", "starts_on", "ends_on", "guarantees"]


class ContractFilter(django_filters.FilterSet):
    reference = django_filters.CharFilter(max_length=80, help_text="Its number, exactly.")


class ContractViewSet(CatalogViewSet):
    """SLA contracts with their guarantees, which are sent and stored as one document."""

    queryset = Contract.objects.prefetch_related("guarantees__consumer", "guarantees__provider")
    serializer_class = ContractSerializer
    filterset_class = ContractFilter
    orderings: ClassVar = {
        "id": ["pk"],
        "-id": ["-pk"],
        "reference": ["reference"],
        "-reference": ["-reference"],
    }

    @transaction.atomic
    def store(self, row: Any, serializer: serializers.BaseSerializer) -> Any:
        guarantees = serializer.validated_data.pop("guarantees", None)
        if guarantees is None and row.pk and not getattr(serializer, "partial", False):
            guarantees = []
        contract = super().store(row, serializer)
        if guarantees is not None:
            _store_guarantees(contract, guarantees, by=self.user)
        return self.queryset.get(pk=contract.pk)


def _store_guarantees(contract: Contract, wanted: Sequence[Mapping[str, Any]], *, by: User) -> None:
    there = {row.pk: row for row in contract.guarantees.all()}
    named = [values.get("id") for values in wanted if values.get("id")]
    for number, values in enumerate(wanted):
        key = values.get("id")
        if key and (key not in there or named.count(key) > 1):
            problem = f"This contract has no guarantee {key}, or it is named twice."
            raise serializers.ValidationError({f"guarantees[{number}].id": [problem]})
    for key in there.keys() - set(named):
        catalog.remove(obj=there[key], by=by)
    for values in wanted:
        row = there.get(values.get("id") or 0) or Guarantee(contract=contract)
        for name, value in values.items():
            setattr(row, name, value)
        catalog.save(obj=row, by=by)
