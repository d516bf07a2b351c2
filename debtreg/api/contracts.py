"""`contracts/`: SLA contracts, their guarantees, and the versions of what these promise."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg import terms as bridge
from debtreg.actions import contracts, registry
from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, Endpoint, StrictModelSerializer, StrictSerializer
from debtreg.api.fields import Number, PlainField, Slug, Text
from debtreg.errors import DebtregError, NotFound
from debtreg.formats import documents
from debtreg.models import (
    LONGEST_CLAUSE,
    Contract,
    Guarantee,
    MonthBasis,
    Operator,
    Service,
    Terms,
    WindowKind,
)

# Our column -> what callers call it.
NAMES = {
    "target_text": "target",
    "window_text": "window",
    "scope_text": "scope",
    "budget_objective": "objective_percent",
}


class Percent(Number):
    """A percentage that a row keeps as a ratio."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data) / 100

    def to_representation(self, value: Any) -> str | None:
        return super().to_representation(value * 100)


def texts(prefix: str = "") -> dict[str, serializers.Field]:
    """The fields in which terms are written; `prefix` leads to them from where they stand."""

    def source(name: str, column: str) -> str | None:
        return None if prefix + column == name else prefix + column

    def text(name: str, column: str, longest: int, help_text: str) -> serializers.Field:
        return Text(source=source(name, column), max_length=longest, help_text=help_text)

    return {
        "target": Text(
            source=f"{prefix}target_text", required=True, max_length=80, help_text="As written."
        ),
        "target_reading": text(
            "target_reading",
            "target_reading",
            80,
            "How it is to be read, where the text is not clear: ≤ 300 ms.",
        ),
        "window": text("window", "window_text", 40, "As written: 30d, 自然月."),
        "window_reading": text(
            "window_reading",
            "window_reading",
            40,
            "How it is to be read: 30d, 730h, calendar month, quarter or year.",
        ),
        "penalty_clause": text("penalty_clause", "penalty_clause", LONGEST_CLAUSE, "As written."),
        "penalty_reading": text(
            "penalty_reading",
            "penalty_reading",
            LONGEST_CLAUSE,
            "How it is to be read; `none` where nothing follows that could be counted.",
        ),
        "objective_percent": Percent(
            source=source("objective_percent", "budget_objective"),
            high=99.9999999999,
            places=10,
            required=False,
            allow_null=True,
            help_text="Percent: the availability whose budget the penalty takes from, where the "
            "target is none itself.",
        ),
    }


class TermsSerializer(serializers.Serializer):
    """A version of what a guarantee promises: as written, and as numbers."""

    version = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="Counts the changes of a version.")
    effective_from = serializers.DateField(
        allow_null=True, help_text="First day on which it holds; null: since ever."
    )
    statistic = serializers.CharField(help_text="p99, or empty.")
    operator = serializers.ChoiceField(choices=["", *Operator.values])
    value = PlainField(help_text="The target as a number, in `unit`; null: it cannot be read.")
    unit = serializers.CharField(help_text="As ms, %.")
    objective = PlainField(help_text="Ratio of good events or minutes that it promises, or null.")
    period = serializers.ChoiceField(choices=["", *WindowKind.values])
    period_hours = PlainField(help_text="Hours of a period; null: as the calendar has it.")
    month_basis = serializers.ChoiceField(choices=["", *MonthBasis.values])
    penalty = serializers.JSONField(
        help_text="The clause as `calculators/penalty/` takes it; null: none."
    )
    problems = serializers.DictField(
        child=serializers.CharField(), help_text="target, penalty, window -> why it is not read."
    )
    confirmed_at = serializers.DateTimeField(
        allow_null=True, help_text="null: nobody has confirmed it, and it counts for nothing."
    )
    confirmed_by = serializers.SerializerMethodField(help_text="User name; null: nobody, so far.")
    replaced_at = serializers.DateTimeField(
        allow_null=True, help_text="When a correction of it was confirmed."
    )

    def get_confirmed_by(self, row: Terms) -> str | None:
        return row.confirmed_by.get_username() if row.confirmed_by else None

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**texts(), **super().get_fields()}


class GuaranteeSerializer(StrictModelSerializer):
    id = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Sent back, it says which guarantee of the contract is changed.",
    )
    metric = Text(required=True, max_length=80, help_text="As p99_response_time, availability.")
    scope = Text(
        source="scope_text",
        max_length=200,
        help_text="As written: a → b. The services of these names are consumer and provider.",
    )
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
    weight = Number(
        high=3,
        places=3,
        required=False,
        help_text="Multiplies the benefit of what endangers it: 0 to 3, neutral 1.",
    )
    effective_from = serializers.DateField(
        source="latest.effective_from",
        required=False,
        allow_null=True,
        help_text="From when on what is written here holds; null: not said. Confirmed terms stay: "
        "what differs from them becomes the next version, from today on if no day is said.",
    )
    extra = serializers.JSONField(
        read_only=True, help_text="What the registry says of it in fields of its own, as it stands."
    )
    terms = TermsSerializer(
        source="current",
        read_only=True,
        allow_null=True,
        help_text="What counts today: the confirmed version that has begun last. Where none has, "
        "what waits for confirmation and counts for nothing yet; null: nothing.",
    )
    versions = TermsSerializer(source="terms", many=True, read_only=True)

    class Meta:
        model = Guarantee
        fields: ClassVar = [
            *("id", "metric", "scope", "consumer", "provider", "weight"),
            *("effective_from", "extra", "terms", "versions"),
        ]

    def get_fields(self) -> dict[str, serializers.Field]:
        """What is written is that of the latest version, which is the one that a change is of."""
        return {**super().get_fields(), **texts("latest.")}

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        return {**found, **found.pop("latest", {})}


@examples.example("A contract with one guarantee", examples.CONTRACT)
class ContractSerializer(StrictModelSerializer):
    name = Text(max_length=200)
    guarantees = GuaranteeSerializer(  # type: ignore[call-arg]
        many=True,
        required=False,
        max_length=200,
        help_text="All of them: those that are left out are removed.",
    )

    extra = serializers.JSONField(
        read_only=True, help_text="What the registry's file says beside its slas, as it stands."
    )

    class Meta:
        model = Contract
        fields: ClassVar = [
            *("id", "reference", "name", "starts_on", "ends_on", "extra", "guarantees"),
        ]


class ContractFilter(django_filters.FilterSet):
    reference = django_filters.CharFilter(max_length=80, help_text="Its number, exactly.")


@examples.example("The version that is read", examples.CONFIRMATION)
class ConfirmSerializer(StrictSerializer):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    revision = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Of what was read; refused with 409 if it has changed since.",
    )


@examples.example("A tighter target from July on", examples.AMENDMENT)
class AmendSerializer(StrictSerializer):
    """What is left out stays as it was on that day."""

    effective_from = serializers.DateField(
        allow_null=True, help_text="First day on which it holds; null: since ever."
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        written = texts()
        written["target"] = Text(source="target_text", max_length=80, help_text="As written.")
        return {**super().get_fields(), **written}

    def validate_target(self, value: str) -> str:
        if not value:
            raise serializers.ValidationError("A guarantee needs a target.")
        return value


class ToleranceQuerySerializer(StrictSerializer):
    recovery_seconds = Number(
        high=1e9, required=False, help_text="From the first failure, detection included."
    )
    impact = Number(
        high=1, required=False, help_text="Share of the traffic that fails; 1 if left out."
    )
    open_seconds = Number(high=1e9, required=False, help_text="Of a breaker; 30 if left out.")


class ContractViewSet(CatalogViewSet):
    """SLA contracts with their guarantees, which are sent and stored as one document."""

    queryset = Contract.objects.prefetch_related(
        Prefetch("guarantees", Guarantee.objects.with_terms())
    )
    serializer_class = ContractSerializer
    filterset_class = ContractFilter
    lookup_field = "reference"
    lookup_value_regex = r"[^/]{1,80}"
    orderings: ClassVar = {
        "id": ["pk"],
        "-id": ["-pk"],
        "reference": ["reference"],
        "-reference": ["-reference"],
    }

    def get_object(self) -> Any:
        """By its reference, exactly. An id is no address: a contract may be called 49, too."""
        key = self.kwargs["reference"]
        found = self.get_queryset().filter(reference=key).first()
        if found is None:
            raise NotFound(f"There is no contract {key[:80]}.", hint="Look at the list.")
        self.check_object_permissions(self.request, found)
        return found

    @transaction.atomic
    def store(self, row: Any, serializer: serializers.BaseSerializer) -> Any:
        guarantees = serializer.validated_data.pop("guarantees", None)
        if guarantees is None and row.pk and not getattr(serializer, "partial", False):
            guarantees = []
        contract = super().store(row, serializer)
        if guarantees is not None:
            try:
                contracts.put_guarantees(contract=contract, guarantees=guarantees, by=self.user)
            except DebtregError as error:
                raise named(error) from error
        return self.queryset.get(pk=contract.pk)

    def guarantee(self, key: str) -> Guarantee:
        """The guarantee of that id, of the contract that the address names."""
        contract = self.get_object()
        found = next((row for row in contract.guarantees.all() if row.pk == int(key)), None)
        if found is None:
            raise NotFound(
                f"{contract.reference} has no guarantee {key}.", hint="Look at the contract."
            )
        return found

    def answer(self, guarantee: Guarantee) -> Response:
        tasks.enqueue_waiting()
        row = Guarantee.objects.with_terms().get(pk=guarantee.pk)
        return Response(GuaranteeSerializer(row).data)

    @extend_schema(
        request=ConfirmSerializer,
        responses=GuaranteeSerializer,
        parameters=[OpenApiParameter("guarantee", int, OpenApiParameter.PATH)],
    )
    @action(detail=True, methods=["post"], url_path=r"guarantees/(?P<guarantee>\d{1,18})/confirm")
    def confirm(self, request: Request, reference: str, guarantee: str) -> Response:
        """Say that the numbers of a version are what its text means; from then on they count."""
        row = self.guarantee(guarantee)
        sent = ConfirmSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        contracts.confirm(guarantee_id=row.pk, **sent.validated_data, by=self.user)
        return self.answer(row)

    @extend_schema(
        request=AmendSerializer,
        responses=GuaranteeSerializer,
        parameters=[OpenApiParameter("guarantee", int, OpenApiParameter.PATH)],
    )
    @action(detail=True, methods=["post"], url_path=r"guarantees/(?P<guarantee>\d{1,18})/amend")
    def amend(self, request: Request, reference: str, guarantee: str) -> Response:
        """Say what it promises from a day on. It waits for confirmation."""
        row = self.guarantee(guarantee)
        sent = AmendSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        day = values.pop("effective_from")
        try:
            contracts.amend(guarantee_id=row.pk, effective_from=day, texts=values, by=self.user)
        except DebtregError as error:
            raise named(error) from error
        return self.answer(row)

    @extend_schema(
        responses={200: GuaranteeSerializer},
        parameters=[
            OpenApiParameter("guarantee", int, OpenApiParameter.PATH),
            OpenApiParameter("version", int, OpenApiParameter.PATH),
        ],
    )
    @action(
        detail=True,
        methods=["delete"],
        url_path=r"guarantees/(?P<guarantee>\d{1,18})/versions/(?P<version>\d{1,9})",
    )
    def withdraw(self, request: Request, reference: str, guarantee: str, version: str) -> Response:
        """Drop a version that waits for confirmation."""
        row = self.guarantee(guarantee)
        contracts.withdraw(guarantee_id=row.pk, version=int(version), by=self.user)
        return self.answer(row)

    @extend_schema(
        responses={(200, "application/json"): {"type": "object"}},
        parameters=[
            OpenApiParameter("guarantee", int, OpenApiParameter.PATH),
            ToleranceQuerySerializer,
        ],
    )
    @action(detail=True, methods=["get"], url_path=r"guarantees/(?P<guarantee>\d{1,18})/tolerance")
    def tolerance(self, request: Request, reference: str, guarantee: str) -> Response:
        """What the promise in force tolerates, as `calculators/inversion/` answers it."""
        row = self.guarantee(guarantee)
        sent = ToleranceQuerySerializer(data=request.query_params.dict())
        sent.is_valid(raise_exception=True)
        if row.current is None:
            raise NotFound("Nothing is in force today.", hint="Look at its versions.")
        given = {"recovery_seconds": None, **sent.validated_data}
        return Response(bridge.tolerance(row.current, given, timezone.localdate()))


def named(error: DebtregError) -> DebtregError:
    """The same refusal, its fields by the names that callers know."""
    fields = {}
    for path, problems in error.fields.items():
        head, dot, name = path.rpartition(".")
        fields[head + dot + NAMES.get(name, name)] = problems
    error.fields = fields
    return error


# --- Import ---------------------------------------------------------------------------------------


@examples.example("One entry, to be looked at", examples.REGISTRY)
class RegistrySerializer(StrictSerializer):
    text = Text(
        max_length=registry.LARGEST_TEXT,
        trim_whitespace=False,
        help_text="The registry's file in YAML, with its `slas`.",
    )
    slas = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        max_length=registry.MOST_ENTRIES,
        help_text="Or its entries: {id, metric, target, scope, penalty_clause, window, "
        "effective_from, objective_percent, weight}.",
    )
    commit = serializers.BooleanField(
        required=False, help_text="Store it; otherwise it is only looked at."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs.get("text")) == ("slas" in attrs):
            raise serializers.ValidationError({"text": ["Send either `text` or `slas`."]})
        return attrs


class RegistryFindingSerializer(serializers.Serializer):
    kind = serializers.CharField(
        help_text="wrong, unknown_field, secret, left_out, unparsed or edge_missing."
    )
    text = serializers.CharField()


class RegistryEntrySerializer(serializers.Serializer):
    """What an entry of the registry is read as."""

    reference = serializers.CharField()
    metric = serializers.CharField()
    scope = serializers.CharField()
    state = serializers.ChoiceField(choices=["new", "changed", "same", "wrong"])
    consumer = serializers.CharField(allow_null=True, help_text="Slug, or null.")
    provider = serializers.CharField(allow_null=True, help_text="Slug, or null.")
    target = serializers.CharField(help_text="As read, in one line; empty: it cannot be.")
    penalty = serializers.JSONField(
        source="typed.penalty", help_text="The clause as read; null: none."
    )
    period = serializers.CharField(source="typed.period")
    extra = serializers.JSONField(help_text="What nothing here knows; it is kept as it stands.")
    findings = RegistryFindingSerializer(many=True)


class ImportedSerializer(serializers.Serializer):
    stored = serializers.BooleanField(help_text="False: it was only looked at.")
    contracts = serializers.IntegerField(allow_null=True, help_text="How many are new, if stored.")
    extra = serializers.JSONField(help_text="What stands beside the slas; it is kept.")
    findings = RegistryFindingSerializer(many=True, help_text="Of what stands beside the slas.")
    entries = RegistryEntrySerializer(many=True)


class ContractImportView(Endpoint):
    """The registry's form of contracts."""

    @extend_schema(
        operation_id="contracts_import",
        request=RegistrySerializer,
        responses=ImportedSerializer,
    )
    def post(self, request: Request) -> Response:
        """Read the registry's `slas`: how each entry is understood, and with `commit` store them.

        All of it is stored, or nothing. A repeat changes nothing. What cannot be read as a number
        is kept, and becomes a compliance gap.
        """
        sent = RegistrySerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        text = sent.validated_data.get("text")
        if not text:
            # JSON is YAML, and read as such it means what it means in a file.
            text = json.dumps({"slas": sent.validated_data["slas"]}, ensure_ascii=False)
        document = documents.load_one(text)
        entries = registry.entries_of(document)
        extra, said = registry.extra_of(document)
        commits = sent.validated_data.get("commit", False)
        found = registry.preview(entries=entries)
        new = None
        if commits:
            new, _changed = registry.load(entries=entries, extra=extra, by=self.user)
            tasks.enqueue_waiting()
        answer = {"stored": commits, "contracts": new, "extra": extra}
        return Response(ImportedSerializer({**answer, "findings": said, "entries": found}).data)
