"""`debts/`: debt items with their impacts, by key DEBT-n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import django_filters
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import backlog, debt, scores
from debtreg.api import examples
from debtreg.api.backlog import EntrySerializer
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.errors import PreconditionFailed
from debtreg.api.explain import ExplanationSerializer
from debtreg.api.fields import Choice, Estimate, Key, Number, Slug, Text, read_points
from debtreg.api.pages import SlugFilter
from debtreg.api.scores import ScoreSerializer, item_pk
from debtreg.models import (
    Confidence,
    DebtItem,
    DebtStatus,
    EffortUnit,
    Grade,
    Guarantee,
    ImpactKind,
    Priority,
    Score,
    Service,
    Team,
    pk_of,
    points,
)
from debtreg.models.price import AMOUNT_LIMIT

MOST_IMPACTS = 100


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


@examples.example("Until May", examples.DECISION)
class DecisionSerializer(StrictSerializer):
    """Why, and until when."""

    reason = Text(required=True, max_length=2000, help_text="For those who will ask.")
    until = serializers.DateField(
        required=False, allow_null=True, help_text="Last day; null: until it is lifted."
    )


class PromoteSerializer(StrictSerializer):
    iteration = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of an iteration of its team; null: it waits until a run finds room.",
    )


class PinSerializer(StrictSerializer):
    pinned = serializers.BooleanField(required=False, help_text="By default true.")


class Needs(serializers.ListField):
    """Keys of the items that must be repaired first."""

    child = Key()

    def get_attribute(self, instance: Any) -> list[int]:
        return [link.needs_id for link in instance.needs_links.all()]


@examples.example("A debt with two impacts", examples.DEBT)
class DebtSerializer(StrictSerializer):
    """A known shortcut in one service, what it costs, and what the repair takes."""

    key = serializers.CharField(read_only=True, help_text="DEBT-n")
    title = Text(required=True, max_length=200)
    description = Text(max_length=100_000)
    category = Text(max_length=80)
    service = Slug(
        queryset=Service.objects.select_related("team"),
        required=False,
        allow_null=True,
        help_text="Slug of the service that it is in.",
    )
    team = Slug(
        queryset=Team.objects.all(),
        required=False,
        allow_null=True,
        help_text="Slug of the team that repairs it; by default the service's.",
    )
    status = serializers.ChoiceField(
        choices=DebtStatus.choices,
        required=False,
        help_text="`accepted` is set through accept/, which wants the reason.",
    )
    effort = Effort(
        number=Number(high=1e6), help_text="Of the repair. One number means person-days."
    )
    cash = Number(
        high=AMOUNT_LIMIT, places=2, required=False, help_text="Money paid beside the work."
    )
    confidence = Choice(
        Confidence.choices,
        required=False,
        help_text="How sure the effort is; adds the policy's contingency. null: not stated.",
    )
    impacts = ImpactSerializer(  # type: ignore[call-arg]
        many=True,
        required=False,
        max_length=MOST_IMPACTS,
        help_text="All of them: they replace what was there.",
    )
    needs = Needs(
        required=False, max_length=100, help_text="Keys of the items to be repaired first."
    )
    tags = serializers.ListField(
        child=Text(required=True, max_length=80), required=False, max_length=50
    )
    owner = Text(max_length=120, help_text="Whom to ask.")
    plan = Text(max_length=100_000, help_text="How it is to be repaired.")
    stated_priority = Choice(
        Priority.choices,
        required=False,
        help_text="As somebody stated it; `score.priority` is what follows from the numbers.",
    )
    created_on = serializers.DateField(required=False, allow_null=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    closed_on = serializers.DateField(read_only=True, allow_null=True)
    external_ref = Text(
        max_length=300, help_text="Its key elsewhere, which no other item has. null: none."
    )
    ledger_id = Text(max_length=120, help_text="What its ledger calls it.")
    pinned = serializers.BooleanField(
        read_only=True, help_text="Promoted whatever its ROI; set through pin/."
    )
    veto = serializers.SerializerMethodField(help_text="Set through veto/.")
    acceptance = serializers.SerializerMethodField(help_text="Set through accept/.")
    revision = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Counts the changes. Sent with a change, an older one is refused with 409.",
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    score = ScoreSerializer(read_only=True, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        chosen = self.context.get("chosen")
        fields = super().get_fields()
        return {name: field for name, field in fields.items() if not chosen or name in chosen}

    @extend_schema_field(DecisionSerializer(allow_null=True))
    def get_veto(self, item: DebtItem) -> dict[str, Any] | None:
        return {"reason": item.veto_reason, "until": item.veto_until} if item.veto_reason else None

    @extend_schema_field(DecisionSerializer(allow_null=True))
    def get_acceptance(self, item: DebtItem) -> dict[str, Any] | None:
        if item.status != DebtStatus.ACCEPTED:
            return None
        return {"reason": item.accept_reason, "until": item.accept_until}

    def validate_external_ref(self, value: str) -> str | None:
        return value or None

    def validate_status(self, value: str) -> str:
        if value == DebtStatus.ACCEPTED and getattr(self.instance, "status", None) != value:
            raise serializers.ValidationError(NOT_ACCEPTED_HERE)
        return value

    def validate_impacts(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = {impact["guarantee_id"] for impact in value if impact.get("guarantee_id")}
        missing = keys - set(Guarantee.objects.filter(pk__in=keys).values_list("pk", flat=True))
        problems: Any = {
            number: {"guarantee": [NO_GUARANTEE]}
            for number, impact in enumerate(value)
            if impact.get("guarantee_id") in missing
        }
        if problems:
            raise serializers.ValidationError(problems)
        return value

    def validate_needs(self, value: list[int]) -> list[DebtItem]:
        found = DebtItem.objects.in_bulk(value)
        problems: Any = {
            number: ["There is no such debt item."]
            for number, pk in enumerate(value)
            if pk not in found
        }
        if problems:
            raise serializers.ValidationError(problems)
        return list(found.values())

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        if "score" in self.fields:
            data.setdefault("score", None)  # nothing has scored it yet
        return data


ONLY_STATED = "Only a stated yearly cost can be below 0."
NOT_ACCEPTED_HERE = "Use accept/, which asks for the reason."
NO_GUARANTEE = "There is no such guarantee."
# What PUT sets where it says nothing.
NOTHING_SAID: dict[str, Any] = {
    **dict.fromkeys(("description", "category", "owner", "plan", "ledger_id"), ""),
    **dict.fromkeys(("confidence", "stated_priority"), ""),
    **dict.fromkeys(("service", "team", "created_on", "due_on", "external_ref"), None),
    **dict.fromkeys(points("effort"), None),
    "effort_unit": EffortUnit.PERSON_DAY,
    "cash": 0,
    "tags": [],
}


def load(pks: Sequence[int]) -> list[DebtItem]:
    """These items in this order, with all that an answer shows, in five queries."""
    items = (
        DebtItem.objects.select_related("service", "team", "score")
        .prefetch_related("impacts", "needs_links")
        .in_bulk(pks)
    )
    ranked = Score.objects.filter(pk__in=pks, is_open=True).with_rank()
    ranks = {score.pk: score.rank for score in ranked}  # type: ignore[attr-defined]
    for pk, item in items.items():
        if hasattr(item, "score"):
            item.score.rank = ranks.get(pk)  # type: ignore[attr-defined]
    return [items[pk] for pk in pks if pk in items]


class DebtFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug, or `null` for items without a team.")
    service = SlugFilter(Service, help_text="Slug, or `null` for items without a service.")
    status = django_filters.ChoiceFilter(choices=DebtStatus.choices)
    category = django_filters.CharFilter(max_length=80, help_text="Exactly.")
    external_ref = django_filters.CharFilter(max_length=300, help_text="Exactly.")
    q = django_filters.CharFilter(
        method="search", max_length=200, help_text="A part of the title, in any case, or a key."
    )

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(title__icontains=value) | Q(pk=pk_of(value)))


class ItemListViewSet(mixins.ListModelMixin, NounViewSet):
    """Lists whose rows are debt items."""

    serializer_class = DebtSerializer
    own_parameters = ("fields",)

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        return load([row.pk for row in super().paginate_queryset(queryset) or []])

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        text = self.request.query_params.get("fields") if self.request else None
        if text and self.action == "list":
            chosen = {name.strip() for name in text.split(",")}
            if unknown := chosen - DebtSerializer().fields.keys():
                problem = f"There is no field {sorted(unknown)[0][:80]!r}."
                raise serializers.ValidationError({"fields": [problem]})
            context["chosen"] = chosen
        return context


class DebtViewSet(ItemListViewSet):
    """Debt items, by key."""

    queryset = DebtItem.objects.all()
    filterset_class = DebtFilter
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z]+-\d{1,18}"
    orderings: ClassVar = {"key": ["pk"], "-key": ["-pk"]}

    @property
    def pk(self) -> int:
        return item_pk(self.kwargs["key"])

    def answer(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        item = load([pk])[0]
        data = DebtSerializer(item, context=self.get_serializer_context()).data
        headers = {"ETag": _etag(item.revision)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = self.reverse_action("detail", kwargs={"key": item.key})
        return Response(data, status=code, headers=headers)

    def retrieve(self, request: Request, key: str) -> Response:
        """One item. Its ETag changes with the item, not with its score."""
        return self.answer(self.pk)

    def create(self, request: Request) -> Response:
        """Log a debt. It is scored at once."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        values.pop("revision", None)
        item = debt.create(
            impacts=values.pop("impacts", []),
            needs=values.pop("needs", None),
            fields=values,
            by=self.user,
        )
        return self.answer(item.pk, status.HTTP_201_CREATED)

    def update(self, request: Request, key: str) -> Response:
        """Say all of an item: what is left out goes back to its default. It is scored at once."""
        return self.change(request, partial=False)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change what is sent. Impacts are replaced as a whole. It is scored at once."""
        return self.change(request, partial=True)

    def change(self, request: Request, *, partial: bool) -> Response:
        item = DebtItem.objects.get(pk=self.pk)
        if_match = _check_etag(request, item)
        sent = self.get_serializer(item, data=request.data, partial=partial)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        revision = values.pop("revision", item.revision if if_match else None)
        left_out: Any = None if partial else []
        impacts, needs = values.pop("impacts", left_out), values.pop("needs", left_out)
        if not partial:
            values = {**NOTHING_SAID, **values}
        debt.update(
            pk=item.pk, fields=values, impacts=impacts, needs=needs, by=self.user, revision=revision
        )
        return self.answer(item.pk)

    @extend_schema(request=None, responses=ExplanationSerializer)
    @action(detail=True, filterset_class=None)
    def explain(self, request: Request, key: str) -> Response:
        """The formula of the score with its numbers put in, from what is stored now."""
        return Response(scores.explain(pk=self.pk))

    @extend_schema(request=PromoteSerializer, responses={201: EntrySerializer})
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, key: str) -> Response:
        """Put the item into its team's backlog. A repeat returns the entry that is there."""
        sent = PromoteSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        entry = backlog.promote(
            pk=self.pk, iteration_id=sent.validated_data.get("iteration"), by=self.user
        )
        return Response(EntrySerializer(entry).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=DecisionSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def veto(self, request: Request, key: str) -> Response:
        """Keep the item out of the backlog, until a day or until the veto is lifted."""
        debt.veto(pk=self.pk, **_decision(request), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @veto.mapping.delete
    def lift_veto(self, request: Request, key: str) -> Response:
        """Let the item be promoted again."""
        debt.lift_veto(pk=self.pk, by=self.user)
        return self.answer(self.pk)

    @extend_schema(request=PinSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def pin(self, request: Request, key: str) -> Response:
        """Have the item promoted whatever its ROI; `{"pinned": false}` ends that."""
        sent = PinSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        debt.pin(pk=self.pk, pinned=sent.validated_data.get("pinned", True), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @pin.mapping.delete
    def unpin(self, request: Request, key: str) -> Response:
        """Let the item's ROI decide again."""
        debt.pin(pk=self.pk, pinned=False, by=self.user)
        return self.answer(self.pk)

    @extend_schema(request=DecisionSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, key: str) -> Response:
        """Live with the debt: it stays listed and is never promoted."""
        debt.accept(pk=self.pk, **_decision(request), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @accept.mapping.delete
    def reopen(self, request: Request, key: str) -> Response:
        """Put the item back among the open ones."""
        debt.reopen(pk=self.pk, by=self.user)
        return self.answer(self.pk)


def _decision(request: Request) -> dict[str, Any]:
    sent = DecisionSerializer(data=request.data)
    sent.is_valid(raise_exception=True)
    return {"until": None, **sent.validated_data}


def _etag(revision: int) -> str:
    return f'"{revision}"'


def _check_etag(request: Request, item: DebtItem) -> bool:
    """True if the caller names in If-Match the revision that is there, False without one."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return False
    if _etag(item.revision) not in parse_etags(header):
        raise PreconditionFailed(
            f"{item.key} has changed since you read it: it is at revision {item.revision},"
            f" you have {header[:80]}.",
            hint="Read it again and repeat your change.",
        )
    return True
