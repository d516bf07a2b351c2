"""A debt item as the API shows and takes it, alone and in lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.response import Response

from debtreg.api import examples
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.etags import etag
from debtreg.api.fields import Choice, Key, Number, Slug, Text
from debtreg.api.impacts import MOST_IMPACTS, Effort, ImpactSerializer
from debtreg.api.scores import ScoreSerializer, item_pk
from debtreg.models import (
    Confidence,
    DebtItem,
    DebtStatus,
    EffortUnit,
    Guarantee,
    Priority,
    Score,
    Service,
    Team,
    points,
)
from debtreg.models.price import AMOUNT_LIMIT

NO_GUARANTEE = "There is no such guarantee."


@examples.example("Until May", examples.DECISION)
class DecisionSerializer(StrictSerializer):
    """Why, and until when."""

    reason = Text(required=True, max_length=2000, help_text="For those who will ask.")
    until = serializers.DateField(
        required=False, allow_null=True, help_text="Last day; null: until it is lifted."
    )


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
    author = serializers.CharField(
        source="author.username",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="Who logged it; null: not known.",
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


NOT_ACCEPTED_HERE = "Use accept/, which asks for the reason."
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
        DebtItem.objects.select_related("service", "team", "author", "score")
        .prefetch_related("impacts__slo", "needs_links")
        .in_bulk(pks)
    )
    ranked = Score.objects.filter(pk__in=pks, is_open=True).with_rank()
    ranks = {score.pk: score.rank for score in ranked}  # type: ignore[attr-defined]
    for pk, item in items.items():
        if hasattr(item, "score"):
            item.score.rank = ranks.get(pk)  # type: ignore[attr-defined]
    return [items[pk] for pk in pks if pk in items]


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


class ItemViewSet(ItemListViewSet):
    """What is asked of one item, by its key."""

    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z]+-\d{1,18}"

    @property
    def pk(self) -> int:
        return item_pk(self.kwargs["key"])

    def answer(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        item = load([pk])[0]
        data = DebtSerializer(item, context=self.get_serializer_context()).data
        headers = {"ETag": etag(item.revision)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = self.reverse_action("detail", kwargs={"key": item.key})
        return Response(data, status=code, headers=headers)
